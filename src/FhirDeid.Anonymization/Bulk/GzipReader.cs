using System.IO.Compression;
using System.Security.Cryptography;

namespace FhirDeid.Anonymization.Bulk;

/// <summary>Unpacks gzip, and knows whether it was whole: GZipStream takes one that was cut off for one that has ended.</summary>
/// <remarks>A member with a random mark is appended to what is read. It comes out as the mark only where every member before it is complete and nothing else follows.</remarks>
internal sealed class GzipReader : ReadStream
{
    private static readonly byte[] s_mark = RandomNumberGenerator.GetBytes(16);
    private static readonly byte[] s_packedMark = Packed(s_mark);

    private readonly GZipStream _unpacked;
    private readonly byte[] _buffer = new byte[64 * 1024];
    private int _start;
    private int _end;
    private bool _ended;

    public GzipReader(Stream packed) => _unpacked = new GZipStream(new Marked(packed), CompressionMode.Decompress);

    /// <exception cref="InvalidDataException">It is not gzip, or not whole.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!_ended && _end - _start <= s_mark.Length)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
            int read = await _unpacked.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
            _ended = read == 0;
            _end += read;
        }
        int count = Math.Min(buffer.Length, _end - _start - s_mark.Length);
        if (count <= 0)
            return _buffer.AsSpan(_start, _end - _start).SequenceEqual(s_mark) ? 0 : throw new InvalidDataException();
        _buffer.AsSpan(_start, count).CopyTo(buffer.Span);
        _start += count;
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _unpacked.Dispose();
        base.Dispose(disposing);
    }

    private static byte[] Packed(byte[] bytes)
    {
        MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Fastest))
            gzip.Write(bytes);
        return packed.ToArray();
    }

    /// <summary>The packed bytes, and the packed mark behind them.</summary>
    private sealed class Marked(Stream packed) : ReadStream
    {
        private int _marked = -1;
        private bool _isEmpty = true;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_marked < 0)
            {
                int read = await packed.ReadAsync(buffer, cancellationToken);
                _isEmpty &= read == 0;
                if (read > 0 || _isEmpty)
                    return read;
                _marked = 0;
            }
            int count = Math.Min(buffer.Length, s_packedMark.Length - _marked);
            s_packedMark.AsSpan(_marked, count).CopyTo(buffer.Span);
            _marked += count;
            return count;
        }
    }
}
