using System.Runtime.CompilerServices;

namespace FhirDeid.Cloud.Storage;

/// <summary>Downloads an export into a folder, several files at once. A file stands under its name only when it is complete and on the disk.</summary>
internal sealed class ExportDownload
{
    /// <summary>Files that come at once, and as many again that are being written to the disk.</summary>
    private const int Transfers = 4;

    private readonly BlobStorage _storage;
    private readonly FileTransfer _transfer;
    private readonly FhirExport _export;
    private readonly FhirReceiveOptions _options;
    private readonly Func<string, long> _freeSpace;
    private readonly IProgress<FhirDeidProgress> _progress;
    private readonly Dictionary<string, ResourceIndex> _indexes;
    private long _bytes;
    private int _files;
    private long _reported;

    /// <param name="storage">The storage account.</param>
    /// <param name="transfer">Opens files.</param>
    /// <param name="export">The export.</param>
    /// <param name="options">Where to, and what is asked of the files.</param>
    /// <param name="freeSpace">Bytes that a folder has room for.</param>
    /// <param name="progress">Told how far the export has come.</param>
    public ExportDownload(BlobStorage storage, FileTransfer transfer, FhirExport export, FhirReceiveOptions options, Func<string, long> freeSpace, IProgress<FhirDeidProgress> progress)
    {
        (_storage, _transfer, _export, _options, _freeSpace, _progress) = (storage, transfer, export, options, freeSpace, progress);
        _indexes = export.Output.GroupBy(file => file.Type).ToDictionary(type => type.Key, type => new ResourceIndex(type.Count(), type.Sum(file => Math.Clamp(file.Count ?? 0, 0, int.MaxValue))));
    }

    /// <inheritdoc cref="IFhirDeidConnection.ReceiveExportAsync"/>
    public async IAsyncEnumerable<ReceivedFhirFile> ReceiveAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        ReceivedFolder folder;
        foreach (FhirExportFile file in _export.Output) _transfer.Check(_export, file);
        using FileStream held = LocalFile.Hold(_options.Destination);
        try
        {
            folder = ReceivedFolder.Open(_export, _options);
            await CheckSpaceAsync(folder, cancellation).ConfigureAwait(false);
            folder.Begin();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw LocalFile.Unwritable(Path.Combine(_options.Destination, ExportLedger.FileName), e);
        }

        // In the order of the export, whichever comes first; null where one has not come.
        TaskCompletionSource<ReceivedFhirFile?>[] received = [.. folder.Files.Select(_ => new TaskCompletionSource<ReceivedFhirFile?>(TaskCreationOptions.RunContinuationsAsynchronously))];
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task running = RunAsync();
        try
        {
            foreach (TaskCompletionSource<ReceivedFhirFile?> next in received)
            {
                if (await next.Task.ConfigureAwait(false) is { } file) yield return file;
            }
            await running.ConfigureAwait(false);
            folder.Complete();
        }
        finally
        {
            // A reader that has enough stops the transfers too.
            await stop.CancelAsync().ConfigureAwait(false);
            await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            folder.End();
        }

        async Task RunAsync()
        {
            Exception? failed = null;
            using SemaphoreSlim transfers = new(Transfers);
            try
            {
                // One after the other where it matters which of two equal resources comes first.
                ParallelOptions parallel = new() { MaxDegreeOfParallelism = _options.Unique ? 1 : Transfers * 2, CancellationToken = stop.Token };
                await Parallel.ForAsync(0, folder.Files.Count, parallel, async (number, stopped) =>
                {
                    ExpectedFile expected = folder.Files[number];
                    try
                    {
                        ReceivedFhirFile file = await new FileDownload(_transfer, _export, _options, expected, _indexes[expected.File.Type], transfers, Report).RunAsync(stopped).ConfigureAwait(false);
                        folder.Take(expected, file);
                        _indexes[expected.File.Type].EndFile();
                        Interlocked.Increment(ref _files);
                        received[number].SetResult(file);
                    }
                    catch (Exception e) when (e is not OperationCanceledException)
                    {
                        Interlocked.CompareExchange(ref failed, e, null);
                        throw;
                    }
                }).ConfigureAwait(false);
            }
            catch (Exception e) when (failed is null || cancellation.IsCancellationRequested)
            {
                throw cancellation.IsCancellationRequested ? new OperationCanceledException(cancellation) : e;
            }
            catch (Exception)
            {
                // Of several files that fail at once, the first says why; the others stop because of it.
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failed!);
            }
            finally
            {
                foreach (TaskCompletionSource<ReceivedFhirFile?> missing in received) missing.TrySetResult(null);
            }
        }
    }

    /// <exception cref="FhirDeidException"><c>FhirDeid.DiskFull</c>.</exception>
    private async Task CheckSpaceAsync(ReceivedFolder folder, CancellationToken cancellation)
    {
        IReadOnlyDictionary<string, long> sizes;
        try
        {
            sizes = await _storage.SizesAsync(_export, cancellation).ConfigureAwait(false);
        }
        catch (FhirDeidException)
        {
            // Who may read files need not be allowed to list them: then the disk tells when it is full.
            return;
        }
        long missing = folder.Missing(sizes), free = _freeSpace(_options.Destination);
        if (missing > free) throw DiskFull(_options.Destination, $"{missing} bytes are to come, and there is room for {free}");
    }

    /// <summary>The error for a disk without room.</summary>
    public static FhirDeidException DiskFull(string folder, string why, Exception? cause = null) => new("DiskFull", FhirDeidErrorCategory.LimitsExceeded,
        $"The disk of {folder} has no room for the export: {why}.", "Make room or choose another folder, and run the command again: it goes on where it ended.", folder, cause);

    private void Report(long length)
    {
        long bytes = Interlocked.Add(ref _bytes, length), now = Environment.TickCount64, last = Interlocked.Read(ref _reported);
        if (now - last < 500 || Interlocked.CompareExchange(ref _reported, now, last) != last) return;
        _progress.Report(new FhirDeidProgress($"Receiving export {_export.JobId}", $"{_files} of {_export.Output.Length} files, {bytes / 1048576.0:0.0} MiB", _files * 100 / _export.Output.Length));
    }
}
