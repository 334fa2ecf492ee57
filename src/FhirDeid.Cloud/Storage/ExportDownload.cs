using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
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

    private static async Task<ReceivedFhirFile> CopyAsync(BlobStorage storage, BlobClient blob, FileStream target, FhirExport export, FhirExportFile file, string destination,
        IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        string name = Path.GetFileName(destination);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long length = 0, lines = 0, resources = 0, unlabelled = 0, reported = 0;
        string what = $"the exported file {blob.Name} in container {blob.BlobContainerName}";
        PipeReader? reader = null;
        try
        {
            // A broken connection is taken up again by the library, with If-Match on the ETag of the first answer: never two versions in one file.
            BlobDownloadStreamingResult download = await blob.DownloadStreamingAsync(cancellationToken: cancellation).ConfigureAwait(false);
            reader = PipeReader.Create(download.Content, new StreamPipeReaderOptions(bufferSize: 128 * 1024));
            long total = download.Details.ContentLength;
            while (true)
            {
                ReadResult read = await reader.ReadAsync(cancellation).ConfigureAwait(false);
                ReadOnlySequence<byte> buffer = read.Buffer;
                while (buffer.PositionOf((byte)'\n') is { } end)
                {
                    SequencePosition next = buffer.GetPosition(1, end);
                    Check(buffer.Slice(0, end));
                    buffer = buffer.Slice(next);
                }
                if (read.IsCompleted && !buffer.IsEmpty)
                {
                    Check(buffer);
                    buffer = buffer.Slice(buffer.End);
                }
                await WriteAsync(read.Buffer.Slice(0, buffer.Start)).ConfigureAwait(false);
                reader.AdvanceTo(buffer.Start, buffer.End);
                if (Environment.TickCount64 - reported >= 500 || read.IsCompleted)
                {
                    reported = Environment.TickCount64;
                    progress.Report(new FhirDeidProgress("Receiving " + name, $"{length} of {total} bytes", total > 0 ? (int)(length * 100 / total) : 100));
                }
                if (read.IsCompleted) break;
            }
        }
        catch (Exception e) when (storage.Plain(e, what, cancellation) is { } plain)
        {
            throw plain;
        }
        finally
        {
            if (reader is not null) await reader.CompleteAsync().ConfigureAwait(false);
        }
        if (file.Count is { } count && count != resources)
        {
            throw new FhirDeidException("CountMismatch", FhirDeidErrorCategory.InvalidData,
                $"{name} holds {resources} resources, but the manifest says {count}: it is not complete, or was changed.",
                "Receive it again; if the numbers still differ, start a new export.", file.Url);
        }
        return new ReceivedFhirFile
        {
            ResourceType = file.Type,
            Count = resources,
            UnlabelledCount = unlabelled,
            Length = length,
            Sha256 = Convert.ToHexString(hash.GetHashAndReset()).ToLowerInvariant(),
            FullName = destination,
            JobId = export.JobId,
        };

        void Check(ReadOnlySequence<byte> line)
        {
            lines++;
            if (line.Length == 0 || (line.Length == 1 && line.FirstSpan[0] == '\r')) return;
            if (!ExportedResource.Is(line, file.Type, out bool labelled))
            {
                throw new FhirDeidException("FileInvalid", FhirDeidErrorCategory.InvalidData,
                    $"Line {lines} of {name} is not a {file.Type} resource.", "Receive it again; if it stays so, start a new export.", file.Url);
            }
            resources++;
            if (!labelled) unlabelled++;
        }

        async Task WriteAsync(ReadOnlySequence<byte> bytes)
        {
            foreach (ReadOnlyMemory<byte> segment in bytes)
            {
                hash.AppendData(segment.Span);
                length += segment.Length;
                try
                {
                    await target.WriteAsync(segment, cancellation).ConfigureAwait(false);
                }
                catch (IOException e)
                {
                    throw Unwritable(destination, e);
                }
            }
        }
    }

    private static BlobClient Blob(BlobStorage storage, FhirExport export, FhirExportFile file)
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
