using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace FhirDeid.Cloud.Storage;

/// <summary>The lines of an exported file, each checked before anyone sees it: a resource of the file's type that bears the marks of its configuration.</summary>
/// <param name="file">What the manifest says of the file.</param>
/// <param name="name">Its name in messages.</param>
/// <param name="mark">What its configuration leaves on every resource.</param>
internal sealed class ExportedLines(FhirExportFile file, string name, FhirResourceMark mark)
{
    private long _lines;

    /// <summary>Number of resources so far.</summary>
    public long Resources { get; private set; }

    /// <summary>One line, valid until the next one is asked for.</summary>
    /// <param name="Bytes">The line with its line break.</param>
    /// <param name="Resource">The resource; null where the line holds none.</param>
    public readonly record struct Line(ReadOnlySequence<byte> Bytes, ExportedResource? Resource);

    /// <summary>The lines of a stream. Several streams one after the other count as one file, each but the last ending with a line.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.FileInvalid</c>, <c>FhirDeid.NotDeidentified</c>.</exception>
    public async IAsyncEnumerable<Line> ReadAsync(Stream stream, [EnumeratorCancellation] CancellationToken cancellation)
    {
        PipeReader reader = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 128 * 1024, leaveOpen: true));
        try
        {
            while (true)
            {
                ReadResult read = await reader.ReadAsync(cancellation).ConfigureAwait(false);
                ReadOnlySequence<byte> buffer = read.Buffer;
                while (buffer.PositionOf((byte)'\n') is { } end)
                {
                    SequencePosition next = buffer.GetPosition(1, end);
                    yield return Check(buffer.Slice(0, next));
                    buffer = buffer.Slice(next);
                }
                if (read.IsCompleted && !buffer.IsEmpty)
                {
                    yield return Check(buffer);
                    buffer = buffer.Slice(buffer.End);
                }
                reader.AdvanceTo(buffer.Start, buffer.End);
                if (read.IsCompleted) break;
            }
        }
        finally
        {
            await reader.CompleteAsync().ConfigureAwait(false);
        }
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

    private Line Check(ReadOnlySequence<byte> line)
    {
        _lines++;
        if (line.Length <= 2 && line.ToArray().All(b => b is (byte)'\r' or (byte)'\n')) return new Line(line, null);
        ExportedResource resource = ExportedResource.Read(line, file.Type) ?? throw new FhirDeidException("FileInvalid", FhirDeidErrorCategory.InvalidData,
            $"Line {_lines} of {name} is not a {file.Type} resource.", "Receive it again; if it stays so, start a new export.", file.Url);
        if (Lacks(resource, mark) is { } what)
        {
            throw new FhirDeidException("NotDeidentified", FhirDeidErrorCategory.SecurityError,
                $"Line {_lines} of {name} {what}, which the configuration leaves on every {file.Type}: the file may hold identified data.",
                "Do not share the container. Delete the files and start the export again; -AllowNotDeidentified takes them as they are.", file.Url);
        }
        Resources++;
        return new Line(line, resource);
    }

    /// <summary>What a resource lacks of a mark; null where it has it.</summary>
    public static string? Lacks(ExportedResource resource, FhirResourceMark mark) =>
        mark != FhirResourceMark.None && !resource.IsLabelled ? "has no label of anonymization"
        : mark == FhirResourceMark.HashedId && !resource.HasHashedId ? "has an id that is no hash"
        : null;
}
