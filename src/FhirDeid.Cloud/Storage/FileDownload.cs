using System.Buffers;

namespace FhirDeid.Cloud.Storage;

/// <summary>One file of an export on its way into the folder: taken as it is where it is complete, gone on with where it was begun, or fetched whole.</summary>
/// <param name="transfer">Opens files.</param>
/// <param name="export">The export.</param>
/// <param name="options">Where to, and what is asked of the files.</param>
/// <param name="expected">The file.</param>
/// <param name="index">The resources of its type that the export has held so far.</param>
/// <param name="transfers">Held while the file comes; not while it is being written to the disk, which takes the network and the processor nothing.</param>
/// <param name="report">Told how many bytes have come.</param>
internal sealed class FileDownload(FileTransfer transfer, FhirExport export, FhirReceiveOptions options, ExpectedFile expected, ResourceIndex index, SemaphoreSlim transfers, Action<long> report)
{
    private const int MaxRestarts = 3;

    private readonly FhirExportFile _file = expected.File;
    private readonly ExportLedger.Entry _entry = expected.Entry;
    private readonly FhirResourceMark _mark = options.AllowNotDeidentified ? FhirResourceMark.None : options.Marks.GetValueOrDefault(expected.File.Type);

    /// <exception cref="FhirDeidException">As <see cref="IFhirDeidConnection.ReceiveExportAsync"/> has it.</exception>
    public async Task<ReceivedFhirFile> RunAsync(CancellationToken cancellation)
    {
        string path = expected.Path;
        try
        {
            bool isThere = expected.IsKnown && File.Exists(path), isOfBefore = _entry.Replaces && _entry.Sha256 is null && File.Exists(path);
            if (isOfBefore && !options.Force) throw LocalFile.Changed(path);
            // What a run that was killed had changed on the way came whole, but how much of it was left out or failed is not known any more.
            bool isUnknown = isThere && _entry.Sha256 is null && !PartialFile.IsVerbatim(options);
            if (isThere && !isOfBefore && !isUnknown && await CheckAsync(cancellation).ConfigureAwait(false) is { } there) return there;
            for (int attempt = 1; ; attempt++)
            {
                using FileSums sums = new(index);
                try
                {
                    return await FetchAsync(attempt == 1 ? expected.Beginning : null, options.Force || isUnknown, sums, cancellation).ConfigureAwait(false);
                }
                catch (RestartException) when (attempt <= MaxRestarts)
                {
                    sums.Forget();
                }
                catch (RestartException)
                {
                    throw new FhirDeidException("TransferInvalid", FhirDeidErrorCategory.ConnectionError, $"{_entry.Name} broke off {attempt} times, and its server cannot go on where it broke.",
                        "Run the command again when the network is steadier.", _file.Url);
                }
            }
        }
        catch (IOException e) when (cancellation.IsCancellationRequested)
        {
            throw new OperationCanceledException(e.Message, e, cancellation);
        }
        catch (IOException e) when (LocalFile.IsDiskFull(e))
        {
            throw ExportDownload.DiskFull(options.Destination, "it is full", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw LocalFile.Unwritable(path, e);
        }
    }

    /// <summary>Checks a file that stands under its name: null where -Force is to replace what is not as it should be.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.FileChanged</c>.</exception>
    private async Task<ReceivedFhirFile?> CheckAsync(CancellationToken cancellation)
    {
        // De-identified here, left out here: then the count is no longer that of the service.
        using ExportedLines lines = new(PartialFile.IsVerbatim(options) ? _file : new FhirExportFile { Type = _file.Type, Url = _file.Url }, _entry.Name, _mark);
        using FileSums sums = new(index);
        try
        {
            FileStream stream = new(expected.Path, new FileStreamOptions { BufferSize = 0, Options = FileOptions.Asynchronous | FileOptions.SequentialScan });
            await using (stream.ConfigureAwait(false)) await sums.AddAsync(lines, stream, cancellation).ConfigureAwait(false);
            lines.CheckCount();
            ReceivedFhirFile there = sums.Received(_file.Type, expected.Path, export.JobId);
            if (_entry.Sha256 is null || _entry.Sha256 == there.Sha256)
            {
                (there.DuplicateCount, there.FailureCount) = (_entry.Duplicates ?? there.DuplicateCount, _entry.Failures ?? 0);
                return there;
            }
        }
        catch (FhirDeidException e) when (e.ErrorId is "FhirDeid.FileInvalid" or "FhirDeid.CountMismatch" or "FhirDeid.NotDeidentified")
        {
            // Not what it was when it came.
        }
        sums.Forget();
        return options.Force ? null : throw LocalFile.Changed(expected.Path);
    }

    private async Task<ReceivedFhirFile> FetchAsync(string? beginning, bool overwrite, FileSums sums, CancellationToken cancellation)
    {
        using ExportedLines lines = new(_file, _entry.Name, options.Deidentify is null ? _mark : FhirResourceMark.None);
        using IResourceAnonymizer? anonymizer = options.Deidentify?.Invoke();
        ArrayBufferWriter<byte> changed = new();
        PartialFile? partial = null;
        try
        {
            await transfers.WaitAsync(cancellation).ConfigureAwait(false);
            try
            {
                await TransferAsync().ConfigureAwait(false);
            }
            finally
            {
                transfers.Release();
            }
            lines.CheckCount();
            cancellation.ThrowIfCancellationRequested();
            await partial!.CompleteAsync(expected.Path, overwrite).ConfigureAwait(false);
            return sums.Received(_file.Type, expected.Path, export.JobId);
        }
        catch (Exception e) when (e is RestartException or FhirDeidException { ErrorId: "FhirDeid.FileInvalid" or "FhirDeid.CountMismatch" or "FhirDeid.NotDeidentified" or "FhirDeid.ResourceInvalid" or "FhirDeid.BlobChanged" or "FhirDeid.BlobNotFound" })
        {
            // What is wrong with the file stays wrong.
            if (partial is not null) partial.Keep = false;
            throw;
        }
        finally
        {
            if (partial is not null) await partial.DisposeAsync().ConfigureAwait(false);
        }

        async Task TransferAsync()
        {
            string? etag = beginning is null ? null : PartialFile.ETagOf(_entry, beginning);
            if (beginning is not null) partial = await PartialFile.GoOnAsync(beginning, lines, sums, cancellation).ConfigureAwait(false);
            FileContent content;
            try
            {
                content = await transfer.OpenAsync(export, _file, partial?.Length ?? 0, etag, cancellation).ConfigureAwait(false);
            }
            catch (FhirDeidException e) when (e.ErrorId is "FhirDeid.BlobChanged" && etag is not null)
            {
                // Another version than the one that was begun.
                throw new RestartException();
            }
            using Stream source = content.Stream;
            if (partial is not null && (content.ETag != etag || (content.IsWhole && partial.Length > 0))) throw new RestartException();
            partial ??= PartialFile.Create(options.Destination, _entry, PartialFile.IsVerbatim(options) ? content.ETag : null);
            while (await lines.ReadAsync(source, ExportedLines.Batch, cancellation).ConfigureAwait(false))
            {
                report(lines.Lines.Length);
                ReadOnlyMemory<byte> bytes = lines.Lines;
                if (PartialFile.IsVerbatim(options)) sums.Count(lines);
                else bytes = Change(lines, anonymizer, sums, changed);
                sums.Append(bytes.Span);
                await partial.WriteAsync(bytes).ConfigureAwait(false);
            }
        }
    }

    /// <summary>What becomes of the lines that have been read: those that the export has held already may be left out, and the others de-identified.</summary>
    private ReadOnlyMemory<byte> Change(ExportedLines lines, IResourceAnonymizer? anonymizer, FileSums sums, ArrayBufferWriter<byte> changed)
    {
        changed.ResetWrittenCount();
        while (lines.TryNext(out ReadOnlyMemory<byte> line, out ExportedResource resource))
        {
            if (sums.IsDuplicate(resource) && options.Unique) continue;
            if (anonymizer is not null)
            {
                line = anonymizer.Anonymize(line, _entry.Name, lines.Number, out DeidentificationFailure? failure);
                if (failure is not null) sums.Count(failure);
                resource = ExportedResource.Read(line.Span, _file.Type) ?? throw lines.Invalid($"is not a {_file.Type} resource once it is de-identified", lines.Number);
                ExportedLines.Require(resource, _mark, $"Line {lines.Number} of {_entry.Name}", _file);
            }
            sums.Count(resource);
            changed.Write(line.Span);
            changed.Write("\n"u8);
        }
        return changed.WrittenMemory;
    }
}
