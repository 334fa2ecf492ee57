using System.Buffers;

namespace FhirDeid.Anonymization.Engine;

/// <summary>New values of one resource, as JSON, one behind the other. Emptied between resources, kept between them.</summary>
internal sealed class Arena : IBufferWriter<byte>
{
    private byte[] _bytes = new byte[4096];

    public int Length { get; private set; }

    public ReadOnlySpan<byte> Slice(int start, int length) => _bytes.AsSpan(start, length);

    public void Clear() => Length = 0;

    /// <summary>Takes back what was written behind a position.</summary>
    public void Truncate(int length) => Length = length;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(GetSpan(bytes.Length));
        Length += bytes.Length;
    }

    public void Append(byte value)
    {
        GetSpan(1)[0] = value;
        Length++;
    }

    public void Advance(int count) => Length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsMemory(Length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsSpan(Length);
    }

    private void Reserve(int size)
    {
        if (_bytes.Length - Length < Math.Max(size, 1))
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + size));
    }
}
