using System.Runtime.CompilerServices;
using System.Text;

namespace FhirDeid.Cloud.Storage;

/// <summary>Reads the files of an export without keeping them, through the same checks as those that are received.</summary>
internal static class ExportReading
{
    /// <inheritdoc cref="IFhirDeidConnection.ReadFileAsync"/>
    public static async IAsyncEnumerable<string> ReadAsync(FileTransfer transfer, FhirExport export, FhirExportFile file, FhirReadOptions options,
        IProgress<FhirDeidProgress> progress, [EnumeratorCancellation] CancellationToken cancellation)
    {
        string name = ServiceText.OneLine(file.Url?.AbsolutePath);
        long bytes = 0, reported = 0;
        using ExportedLines lines = new(file, name, options.AllowNotDeidentified ? FhirResourceMark.None : options.Marks.GetValueOrDefault(file.Type));
        FileContent content = await transfer.OpenAsync(export, file, 0, null, cancellation).ConfigureAwait(false);
        using Stream source = content.Stream;
        while (await ReadOnAsync().ConfigureAwait(false))
        {
            bytes += lines.Lines.Length;
            if (Environment.TickCount64 - reported >= 500)
            {
                reported = Environment.TickCount64;
                progress.Report(new FhirDeidProgress("Reading " + name, $"{bytes} of {content.Length} bytes", content.Length is > 0 and { } total ? (int)(bytes * 100 / total) : -1));
            }
            while (lines.TryNext(out ReadOnlyMemory<byte> line, out _)) yield return Encoding.UTF8.GetString(line.Span);
        }
        lines.CheckCount();

        async Task<bool> ReadOnAsync()
        {
            try
            {
                // Whatever comes: who reads need not wait for more.
                return await lines.ReadAsync(source, 0, cancellation).ConfigureAwait(false);
            }
            catch (RestartException)
            {
                // What the reader has got cannot be taken back, and which version the rest would be of is not known.
                throw new FhirDeidException("TransferInvalid", FhirDeidErrorCategory.ConnectionError, $"{name} broke off after {lines.Resources} resources, and its server cannot go on where it broke.",
                    "Read it again, or receive it into a folder.", file.Url);
            }
        }
    }

    /// <summary>Looks at the beginning of a file for the marks of its configuration.</summary>
    /// <returns>What is wrong, or null.</returns>
    public static async Task<string?> CheckMarkAsync(FileTransfer transfer, FhirExport export, FhirExportFile file, FhirResourceMark mark, CancellationToken cancellation)
    {
        const int enough = 100;
        using ExportedLines lines = new(file, ServiceText.OneLine(file.Url?.AbsolutePath), mark);
        FileContent content = await transfer.OpenAsync(export, file, 0, null, cancellation).ConfigureAwait(false);
        using Stream source = content.Stream;
        try
        {
            while (lines.Resources < enough && await lines.ReadAsync(source, 0, cancellation).ConfigureAwait(false))
            {
                while (lines.Resources < enough && lines.TryNext(out _, out _))
                {
                }
            }
            return null;
        }
        catch (FhirDeidException e) when (e.ErrorId is "FhirDeid.NotDeidentified" or "FhirDeid.FileInvalid")
        {
            return e.Message;
        }
    }
}
