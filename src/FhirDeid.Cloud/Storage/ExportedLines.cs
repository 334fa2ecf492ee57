using System.Buffers;
using System.Runtime.ExceptionServices;

namespace FhirDeid.Cloud.Storage;

/// <summary>The lines of an exported file, each checked before anyone sees it: a resource of the file's type that bears the marks of its configuration.</summary>
/// <param name="file">What the manifest says of the file.</param>
/// <param name="name">Its name in messages.</param>
/// <param name="mark">What its configuration leaves on every resource.</param>
internal sealed class ExportedLines(FhirExportFile file, string name, FhirResourceMark mark) : IDisposable
{
    /// <summary>Bytes that are read before they are looked at, where the reader has time.</summary>
    public const int Batch = 192 * 1024;

    private const int BufferSize = 256 * 1024;

    private const int MaxLineLength = 1 << 30;

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
    private int _start, _next, _whole, _end;
    private bool _ended;
    private ExceptionDispatchInfo? _failure;

    /// <summary>Number of resources so far.</summary>
    public long Resources { get; private set; }

    /// <summary>Number of the line that came last.</summary>
    public long Number { get; private set; }

    /// <summary>The whole lines that <see cref="ReadAsync"/> has read, valid until it is called again.</summary>
    public ReadOnlyMemory<byte> Lines => _buffer.AsMemory(_start, _whole - _start);

    /// <summary>Reads on until there are whole lines. Several streams one after the other count as one file, each but the last ending with a line.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="enough">Bytes that are waited for, unless the stream ends or fails before.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>Whether there were any.</returns>
    /// <remarks>What had come before the stream failed comes first, and then the failure.</remarks>
    /// <exception cref="FhirDeidException"><c>FhirDeid.FileInvalid</c>, and those of the stream.</exception>
    public async ValueTask<bool> ReadAsync(Stream stream, int enough, CancellationToken cancellation)
    {
        _failure?.Throw();
        if (_ended)
        {
            _ended = false;
            return false;
        }
        Buffer.BlockCopy(_buffer, _whole, _buffer, 0, _end - _whole);
        (_start, _next, _end, _whole) = (0, 0, _end - _whole, 0);
        while (!_ended && (_whole == 0 || _end < enough))
        {
            if (_end == _buffer.Length) Grow();
            try
            {
                int read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellation).ConfigureAwait(false);
                _ended = read == 0;
                int newline = _buffer.AsSpan(_end, read).LastIndexOf((byte)'\n');
                if (newline >= 0) _whole = _end + newline + 1;
                _end += read;
            }
            catch (Exception e) when (_whole > 0)
            {
                _failure = ExceptionDispatchInfo.Capture(e);
                return true;
            }
        }
        if (_ended) _whole = _end;
        if (_whole > 0) return true;
        _ended = false;
        return false;
    }

    private void Grow()
    {
        if (_buffer.Length >= MaxLineLength) throw Invalid($"is longer than {MaxLineLength >> 20} MiB", Number + 1);
        byte[] larger = ArrayPool<byte>.Shared.Rent(_buffer.Length * 2);
        Buffer.BlockCopy(_buffer, 0, larger, 0, _end);
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = larger;
    }

    /// <summary>The next one of <see cref="Lines"/> that is a resource, checked; blank lines are passed over.</summary>
    /// <param name="line">The line without its line break.</param>
    /// <param name="resource">The resource.</param>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.FileInvalid</c>, <c>FhirDeid.NotDeidentified</c>.</exception>
    public bool TryNext(out ReadOnlyMemory<byte> line, out ExportedResource resource)
    {
        while (_next < _whole)
        {
            int newline = _buffer.AsSpan(_next, _whole - _next).IndexOf((byte)'\n'), end = newline < 0 ? _whole : _next + newline;
            line = _buffer.AsMemory(_next, end - _next);
            _next = newline < 0 ? end : end + 1;
            Number++;
            if (line.Span is [.., (byte)'\r']) line = line[..^1];
            if (line.IsEmpty) continue;
            resource = ExportedResource.Read(line.Span, file.Type) ?? throw Invalid($"is not a {file.Type} resource", Number);
            Require(resource, mark, $"Line {Number} of {name}", file);
            Resources++;
            return true;
        }
        (line, resource) = (default, default);
        return false;
    }

    /// <summary>Compares the number of resources with the manifest's, after the last line.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.CountMismatch</c>.</exception>
    public void CheckCount()
    {
        if (file.Count is not { } count || count == Resources) return;
        throw new FhirDeidException("CountMismatch", FhirDeidErrorCategory.InvalidData,
            $"{name} holds {Resources} resources, but the manifest says {count}: it is not complete, or was changed.",
            "Receive it again; if the numbers still differ, start a new export.", file.Url);
    }

    /// <summary>Refuses a resource without the marks of its configuration.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.NotDeidentified</c>.</exception>
    public static void Require(in ExportedResource resource, FhirResourceMark mark, string where, FhirExportFile file)
    {
        string? lacks = mark != FhirResourceMark.None && !resource.IsLabelled ? "has no label of anonymization"
            : mark == FhirResourceMark.HashedId && !resource.HasHashedId ? "has an id that is no hash" : null;
        if (lacks is null) return;
        throw new FhirDeidException("NotDeidentified", FhirDeidErrorCategory.SecurityError,
            $"{where} {lacks}, which the configuration leaves on every {file.Type}: the file may hold identified data.",
            "Do not share the container. Delete the files and start the export again; -AllowNotDeidentified takes them as they are.", file.Url);
    }

    public void Dispose() => ArrayPool<byte>.Shared.Return(_buffer);

    /// <summary>The error for a line that is not as it should be.</summary>
    public FhirDeidException Invalid(string what, long number) => new("FileInvalid", FhirDeidErrorCategory.InvalidData,
        $"Line {number} of {name} {what}.", "Receive it again; if it stays so, start a new export.", file.Url);
}
