using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;

namespace FhirDeid.Cloud.Storage;

/// <summary>Downloads one file of an export, line by line, and checks it on the way.</summary>
internal static class ExportDownload
{
    /// <inheritdoc cref="IFhirDeidConnection.ReceiveFileAsync"/>
    public static async Task<ReceivedFhirFile> ReceiveAsync(BlobStorage storage, FhirExport export, FhirExportFile file, string destination, bool force,
        IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        BlobClient blob = Blob(storage, export, file);
        if (!force) RefuseExisting(destination);
        string partial = $"{destination}.partial-{Path.GetRandomFileName()}";
        try
        {
            ReceivedFhirFile received;
            FileStream target = Create(partial);
            await using (target.ConfigureAwait(false))
            {
                received = await CopyAsync(storage, blob, target, export, file, destination, progress, cancellation).ConfigureAwait(false);
                target.Flush(flushToDisk: true);
            }
            cancellation.ThrowIfCancellationRequested();
            if (!force) RefuseExisting(destination);
            File.Move(partial, destination, overwrite: force);
            return received;
        }
        catch (IOException e) when (cancellation.IsCancellationRequested)
        {
            throw new OperationCanceledException(e.Message, e, cancellation);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw Unwritable(destination, e);
        }
        finally
        {
            if (File.Exists(partial)) File.Delete(partial);
        }
    }

    /// <inheritdoc cref="IFhirDeidConnection.ReadFileAsync"/>
    public static async IAsyncEnumerable<string> ReadAsync(BlobStorage storage, FhirExport export, FhirExportFile file,
        IProgress<FhirDeidProgress> progress, [EnumeratorCancellation] CancellationToken cancellation)
    {
        BlobClient blob = Blob(storage, export, file);
        await foreach (ExportedLine line in LinesAsync(storage, blob, file, blob.Name, progress, cancellation).ConfigureAwait(false))
        {
            if (!line.IsBlank) yield return Encoding.UTF8.GetString(line.Bytes).TrimEnd('\r', '\n');
        }
    }

    private static async Task<ReceivedFhirFile> CopyAsync(BlobStorage storage, BlobClient blob, FileStream target, FhirExport export, FhirExportFile file, string destination,
        IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        ReceivedFhirFile received = new() { ResourceType = file.Type, FullName = destination, JobId = export.JobId };
        await foreach (ExportedLine line in LinesAsync(storage, blob, file, Path.GetFileName(destination), progress, cancellation).ConfigureAwait(false))
        {
            if (!line.IsBlank) received.Count++;
            if (!line.IsBlank && !line.IsLabelled) received.UnlabelledCount++;
            received.Length += line.Bytes.Length;
            foreach (ReadOnlyMemory<byte> segment in line.Bytes)
            {
                hash.AppendData(segment.Span);
                await target.WriteAsync(segment, cancellation).ConfigureAwait(false);
            }
        }
        received.Sha256 = Convert.ToHexString(hash.GetHashAndReset()).ToLowerInvariant();
        return received;
    }

    /// <summary>The lines of a file as they arrive, each checked; after the last one their number.</summary>
    /// <param name="storage">Where the file lies.</param>
    /// <param name="blob">The file.</param>
    /// <param name="file">What the manifest says of it.</param>
    /// <param name="name">Its name in messages.</param>
    /// <param name="progress">Told how far the file has come.</param>
    /// <param name="cancellation">Stops the transfer.</param>
    private static async IAsyncEnumerable<ExportedLine> LinesAsync(BlobStorage storage, BlobClient blob, FhirExportFile file, string name,
        IProgress<FhirDeidProgress> progress, [EnumeratorCancellation] CancellationToken cancellation)
    {
        string what = $"the exported file {blob.Name} in container {blob.BlobContainerName}";
        long lines = 0, resources = 0, length = 0, reported = 0;
        // A broken connection is taken up again by the library, with If-Match on the ETag of the first answer: never two versions in one file.
        BlobDownloadStreamingResult download = await PlainAsync(async () => (await blob.DownloadStreamingAsync(cancellationToken: cancellation).ConfigureAwait(false)).Value).ConfigureAwait(false);
        PipeReader reader = PipeReader.Create(download.Content, new StreamPipeReaderOptions(bufferSize: 128 * 1024));
        try
        {
            bool ended = false;
            while (!ended)
            {
                ReadResult read = await PlainAsync(() => reader.ReadAsync(cancellation).AsTask()).ConfigureAwait(false);
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
                length += read.Buffer.Slice(0, buffer.Start).Length;
                ended = read.IsCompleted;
                reader.AdvanceTo(buffer.Start, buffer.End);
                if (Environment.TickCount64 - reported < 500 && !ended) continue;
                reported = Environment.TickCount64;
                long total = download.Details.ContentLength;
                progress.Report(new FhirDeidProgress("Receiving " + name, $"{length} of {total} bytes", total > 0 ? (int)(length * 100 / total) : 100));
            }
        }
        finally
        {
            await reader.CompleteAsync().ConfigureAwait(false);
        }
        if (file.Count is { } count && count != resources)
        {
            throw new FhirDeidException("CountMismatch", FhirDeidErrorCategory.InvalidData,
                $"{name} holds {resources} resources, but the manifest says {count}: it is not complete, or was changed.",
                "Receive it again; if the numbers still differ, start a new export.", file.Url);
        }

        ExportedLine Check(ReadOnlySequence<byte> line)
        {
            lines++;
            if (line.Length <= 2 && line.ToArray().All(b => b is (byte)'\r' or (byte)'\n')) return new ExportedLine(line, true, false);
            if (!ExportedResource.Is(line, file.Type, out bool labelled))
            {
                throw new FhirDeidException("FileInvalid", FhirDeidErrorCategory.InvalidData,
                    $"Line {lines} of {name} is not a {file.Type} resource.", "Receive it again; if it stays so, start a new export.", file.Url);
            }
            resources++;
            return new ExportedLine(line, false, labelled);
        }

        async Task<T> PlainAsync<T>(Func<Task<T>> ask)
        {
            try
            {
                return await ask().ConfigureAwait(false);
            }
            catch (Exception e) when (storage.Plain(e, what, cancellation) is { } plain)
            {
                throw plain;
            }
        }
    }

    /// <summary>One line, valid until the next one is asked for.</summary>
    /// <param name="Bytes">The line with its line break.</param>
    /// <param name="IsBlank">Whether it holds no resource.</param>
    /// <param name="IsLabelled">Whether the resource bears a label of anonymization.</param>
    private readonly record struct ExportedLine(ReadOnlySequence<byte> Bytes, bool IsBlank, bool IsLabelled);

    /// <summary>The blob that a manifest's URL names, if it lies in the export's container.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ForeignUrl</c>.</exception>
    public static BlobClient Blob(BlobStorage storage, FhirExport export, FhirExportFile file)
    {
        BlobContainerClient container = storage.Container(export.Container);
        string folder = $"{storage.Endpoint!.AbsoluteUri.TrimEnd('/')}/{export.Container}/";
        string url = file.Url is { IsAbsoluteUri: true } given ? given.GetLeftPart(UriPartial.Path) : "";
        if (url.StartsWith(folder, StringComparison.Ordinal) && Uri.UnescapeDataString(url[folder.Length..]) is { Length: > 0 } name
            && !name.Split('/', '\\').Any(segment => segment is "." or ".."))
            return container.GetBlobClient(name);
        throw new FhirDeidException("ForeignUrl", FhirDeidErrorCategory.SecurityError,
            $"The export's file '{ServiceText.OneLine(url)}' does not lie in container '{export.Container}' of storage account {storage.AccountName}: no token is sent there.",
            "Connect with the storage account that the FHIR service exports to.", file.Url);
    }

    private static FileStream Create(string path)
    {
        FileStreamOptions options = new()
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            Share = FileShare.None,
            BufferSize = 128 * 1024,
            Options = FileOptions.Asynchronous,
        };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(path, options);
    }

    private static void RefuseExisting(string destination)
    {
        if (!Path.Exists(destination)) return;
        throw new FhirDeidException("FileExists", FhirDeidErrorCategory.ResourceExists, $"{destination} already exists; nothing is overwritten.",
            "Choose another folder, or remove the file.", destination);
    }

    private static FhirDeidException Unwritable(string destination, Exception cause) => new("FileUnwritable", FhirDeidErrorCategory.WriteError,
        $"{destination} cannot be written: {ServiceText.OneLine(cause.Message)}", "Check that the folder exists, that you may write there, and that the disk has room.", destination, cause);
}
