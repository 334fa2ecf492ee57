using System.Buffers;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Channels;
using Azure.Storage.Blobs;

namespace FhirDeid.Cloud.Storage;

/// <summary>Downloads an export into a folder, several files at once, and checks each line on the way.</summary>
/// <remarks>
/// A file stands under its name only when it is complete. Until then it is <c>{name}.{address}-{ETag}.partial</c>: the next run asks for the rest of exactly that version. What is changed on the way (duplicates left out, de-identified here, unpacked) cannot be taken up in its middle and starts over.
/// </remarks>
internal sealed partial class ExportDownload
{
    /// <summary>Files at once.</summary>
    private const int Parallel = 4;

    private const int MaxRestarts = 3;

    private readonly BlobStorage _storage;
    private readonly FileTransfer _transfer;
    private readonly FhirExport _export;
    private readonly FhirReceiveOptions _options;
    private readonly Func<string, long> _freeSpace;
    private readonly IProgress<FhirDeidProgress> _progress;
    private readonly Dictionary<string, HashSet<UInt128>> _seen = [];
    private ILookup<string, string> _partials = Array.Empty<string>().ToLookup(name => name);
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
        foreach (string type in export.Output.Select(file => file.Type).Distinct()) _seen[type] = [];
    }

    private string Folder => _options.Destination;

    /// <summary>Whether bytes are written as they come, so that a partial file is a beginning of the whole.</summary>
    private bool IsVerbatim => !_options.Unique && _options.Deidentify is null;

    /// <inheritdoc cref="IFhirDeidConnection.ReceiveExportAsync"/>
    public async IAsyncEnumerable<ReceivedFhirFile> ReceiveAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        (FhirExportFile File, ExportLedger.Entry Entry, bool IsKnown)[] files;
        ExportLedger ledger;
        string[] replaced;
        foreach (FhirExportFile file in _export.Output) _transfer.Check(_export, file);
        try
        {
            _partials = Directory.EnumerateFiles(Folder, "*.ndjson.*.partial").ToLookup(NameOf, StringComparer.Ordinal);
            (ledger, files, replaced) = OpenLedger();
            await CheckSpaceAsync(files, cancellation).ConfigureAwait(false);
            ledger.Write(Folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(Path.Combine(Folder, ExportLedger.FileName), e);
        }

        Channel<ReceivedFhirFile> received = Channel.CreateUnbounded<ReceivedFhirFile>();
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task running = RunAsync();
        try
        {
            await foreach (ReceivedFhirFile file in received.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false)) yield return file;
            await running.ConfigureAwait(false);
            ledger.Complete = true;
            foreach (string leftover in ledger.Files.SelectMany(entry => _partials[entry.Name]).Concat(replaced)) File.Delete(leftover);
        }
        finally
        {
            // A reader that has enough stops the transfers too.
            await stop.CancelAsync().ConfigureAwait(false);
            await ((Task)running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                ledger.Write(Folder);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The list of the beginning stands: the next run finds what has come by its name.
            }
        }

        async Task RunAsync()
        {
            Exception? failed = null;
            try
            {
                // One after the other where it matters which of two equal resources comes first.
                ParallelOptions parallel = new() { MaxDegreeOfParallelism = _options.Unique ? 1 : Parallel, CancellationToken = stop.Token };
                await System.Threading.Tasks.Parallel.ForEachAsync(files, parallel, async (one, stopped) =>
                {
                    ReceivedFhirFile file;
                    try
                    {
                        file = await ReceiveAsync(one.File, one.Entry, one.IsKnown, stopped).ConfigureAwait(false);
                    }
                    catch (Exception e) when (e is not OperationCanceledException)
                    {
                        Interlocked.CompareExchange(ref failed, e, null);
                        throw;
                    }
                    Take(one.Entry, file);
                    Interlocked.Increment(ref _files);
                    await received.Writer.WriteAsync(file, CancellationToken.None).ConfigureAwait(false);
                }).ConfigureAwait(false);
                received.Writer.Complete();
            }
            catch (Exception e)
            {
                // Of several files that fail at once, the first says why; the others stop because of it.
                Exception reason = failed ?? e;
                received.Writer.Complete(cancellation.IsCancellationRequested ? new OperationCanceledException(cancellation) : reason);
            }
        }
    }

    private static void Take(ExportLedger.Entry entry, ReceivedFhirFile file) =>
        (entry.Resources, entry.Duplicates, entry.Unlabelled, entry.Length, entry.Sha256) = (file.Count, file.DuplicateCount, file.UnlabelledCount, file.Length, file.Sha256);

    /// <summary>The list of the folder with all files of the export, those of an earlier run under the names that they had.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.FolderInUse</c>, <c>FhirDeid.FileExists</c>, <c>FhirDeid.LedgerInvalid</c>.</exception>
    /// <returns>The list; each file with its entry, and whether an earlier run had it; and what a forced run leaves over of another export.</returns>
    private (ExportLedger Ledger, (FhirExportFile File, ExportLedger.Entry Entry, bool IsKnown)[] Files, string[] Replaced) OpenLedger()
    {
        ExportLedger? before = null;
        try
        {
            before = ExportLedger.Read(Folder);
        }
        catch (FhirDeidException) when (_options.Force)
        {
        }
        bool goesOn = before is not null && before.StatusUri == _export.StatusUri && before.Unique == _options.Unique && before.DeidentifiedWith == _options.DeidentifySha256;
        if (before is not null && !goesOn && !_options.Force)
        {
            throw new FhirDeidException("FolderInUse", FhirDeidErrorCategory.ResourceExists,
                $"{Folder} holds export {ServiceText.OneLine(before.JobId)}{(before.StatusUri == _export.StatusUri ? ", received in another way" : "")}: two in one folder could not be told apart.",
                "Choose another folder, or replace its files with -Force.", Folder);
        }
        ExportLedger ledger = new()
        {
            JobId = _export.JobId,
            StatusUri = _export.StatusUri,
            TransactionTime = _export.TransactionTime,
            ConfigName = _export.ConfigName,
            ConfigETag = _export.ConfigETag,
            ConfigSha256 = _export.ConfigSha256,
            DeidentifiedWith = _options.DeidentifySha256,
            Unique = _options.Unique,
        };
        Dictionary<string, ExportLedger.Entry> known = goesOn ? before!.Files.GroupBy(entry => entry.Url, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.First(), StringComparer.Ordinal) : [];
        HashSet<string> taken = [.. known.Values.Select(entry => entry.Name)];
        Dictionary<string, int> numbers = [];
        List<(FhirExportFile, ExportLedger.Entry, bool)> files = [];
        foreach (FhirExportFile file in _export.Output)
        {
            // Names of our own: those of the manifest are data, and could lead anywhere.
            if (!Fhir.KickOff.ResourceType().IsMatch(file.Type)) throw Fhir.ExportManifest.Invalid(_export, "an output has no resource type");
            string url = file.Url is { IsAbsoluteUri: true } ? file.Url.GetLeftPart(UriPartial.Path) : throw Fhir.ExportManifest.Invalid(_export, "an output has no URL");
            bool isKnown = known.Remove(url, out ExportLedger.Entry? entry) && entry!.Type == file.Type;
            if (isKnown)
            {
                entry!.Count = file.Count;
            }
            else
            {
                entry = new ExportLedger.Entry { Name = NewName(file.Type), Type = file.Type, Url = url, Count = file.Count };
                string path = Path.Combine(Folder, entry.Name);
                entry.Replaces = Path.Exists(path);
                if (entry.Replaces && !_options.Force)
                {
                    throw new FhirDeidException("FileExists", FhirDeidErrorCategory.ResourceExists, $"{path} already exists, and is not of this export; nothing is overwritten.",
                        "Choose another folder, or remove the file, or replace it with -Force.", path);
                }
            }
            ledger.Files.Add(entry!);
            files.Add((file, entry!, isKnown));
        }
        return (ledger, [.. files], goesOn || before is null ? [] : [.. before.Files.Select(entry => entry.Name).Except(ledger.Files.Select(entry => entry.Name)).Select(name => Path.Combine(Folder, name))]);

        string NewName(string type)
        {
            string name;
            do
            {
                numbers[type] = numbers.GetValueOrDefault(type) + 1;
                name = $"{type}-{numbers[type]}.ndjson";
            }
            while (!taken.Add(name));
            return name;
        }
    }

    /// <exception cref="FhirDeidException"><c>FhirDeid.DiskFull</c>.</exception>
    private async Task CheckSpaceAsync((FhirExportFile File, ExportLedger.Entry Entry, bool IsKnown)[] files, CancellationToken cancellation)
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
        long needed = 0;
        foreach ((FhirExportFile file, ExportLedger.Entry entry, _) in files)
        {
            if (!sizes.TryGetValue(file.Url!.GetLeftPart(UriPartial.Path), out long size)) continue;
            long there = _partials[entry.Name].Append(Path.Combine(Folder, entry.Name)).Where(File.Exists).Sum(path => new FileInfo(path).Length);
            needed += Math.Max(0, size - there);
        }
        long free = _freeSpace(Folder);
        if (needed > free) throw DiskFull($"{needed} bytes are to come, and there is room for {free}");
    }

    private FhirDeidException DiskFull(string why, Exception? cause = null) => new("DiskFull", FhirDeidErrorCategory.LimitsExceeded,
        $"The disk of {Folder} has no room for the export: {why}.", "Make room or choose another folder, and run the command again: it goes on where it ended.", Folder, cause);

    /// <summary>The file that a partial one is of.</summary>
    private static string NameOf(string partial)
    {
        string name = Path.GetFileName(partial);
        return name[..(name.IndexOf(".ndjson.", StringComparison.Ordinal) + ".ndjson".Length)];
    }

    /// <summary>Receives one file: takes it as it is where it is complete, goes on with its beginning where there is one, or fetches it whole.</summary>
    private async Task<ReceivedFhirFile> ReceiveAsync(FhirExportFile file, ExportLedger.Entry entry, bool isKnown, CancellationToken cancellation)
    {
        string path = Path.Combine(Folder, entry.Name);
        try
        {
            bool isOfBefore = entry.Replaces && entry.Sha256 is null && File.Exists(path);
            if (isOfBefore && !_options.Force) throw Changed(path);
            if (isKnown && !isOfBefore && File.Exists(path) && await CheckAsync(file, entry, path, cancellation).ConfigureAwait(false) is { } there) return there;
            for (int attempt = 1; ; attempt++)
            {
                using FileState state = new(this, file);
                try
                {
                    return await FetchAsync(file, entry, path, attempt == 1 ? [.. _partials[entry.Name]] : [], state, cancellation).ConfigureAwait(false);
                }
                catch (RestartException) when (attempt <= MaxRestarts)
                {
                    state.Forget();
                }
                catch (RestartException)
                {
                    throw new FhirDeidException("TransferInvalid", FhirDeidErrorCategory.ConnectionError, $"{entry.Name} broke off {attempt} times, and its server cannot go on where it broke.",
                        "Run the command again when the network is steadier.", file.Url);
                }
            }
        }
        catch (IOException e) when (cancellation.IsCancellationRequested)
        {
            throw new OperationCanceledException(e.Message, e, cancellation);
        }
        catch (IOException e) when (IsDiskFull(e))
        {
            throw DiskFull("it is full", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw Unwritable(path, e);
        }
    }

    /// <summary>Checks a file that stands under its name: null where -Force is to replace what is not as it should be.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.FileChanged</c>.</exception>
    private async Task<ReceivedFhirFile?> CheckAsync(FhirExportFile file, ExportLedger.Entry entry, string path, CancellationToken cancellation)
    {
        // De-identified here, left out here: then count and marks are no longer those of the service.
        FhirExportFile expected = IsVerbatim ? file : new FhirExportFile { Type = file.Type, Url = file.Url };
        using FileState state = new(this, file);
        try
        {
            ReceivedFhirFile there = await VerifyAsync(expected, entry.Name, path, Mark(file.Type), state, cancellation).ConfigureAwait(false);
            there.JobId = _export.JobId;
            if (entry.Sha256 is null || entry.Sha256 == there.Sha256)
            {
                there.DuplicateCount = entry.Duplicates ?? state.Duplicates;
                return there;
            }
        }
        catch (FhirDeidException e) when (e.ErrorId is "FhirDeid.FileInvalid" or "FhirDeid.CountMismatch" or "FhirDeid.NotDeidentified")
        {
            // Not what it was when it came.
        }
        state.Forget();
        return _options.Force ? null : throw Changed(path);
    }

    private static FhirDeidException Changed(string path) => new("FileChanged", FhirDeidErrorCategory.InvalidData, $"{path} is not what was received: it was changed or cut off.",
        "Receive it again with -Force.", path);

    /// <summary>Reads a local file through the checks.</summary>
    private static async Task<ReceivedFhirFile> VerifyAsync(FhirExportFile file, string name, string path, FhirResourceMark mark, FileState state, CancellationToken cancellation)
    {
        ExportedLines lines = new(file, name, mark);
        FileStream stream = new(path, new FileStreamOptions { BufferSize = 0, Options = FileOptions.Asynchronous | FileOptions.SequentialScan });
        await using (stream.ConfigureAwait(false))
        {
            await foreach (ExportedLines.Line line in lines.ReadAsync(stream, cancellation).ConfigureAwait(false))
            {
                state.Count(line);
                await state.WriteAsync(line.Bytes, null, cancellation).ConfigureAwait(false);
            }
            await state.FlushAsync(null, cancellation).ConfigureAwait(false);
        }
        lines.CheckCount();
        return state.Received(path);
    }

    private async Task<ReceivedFhirFile> FetchAsync(FhirExportFile file, ExportLedger.Entry entry, string path, string[] beginnings, FileState state, CancellationToken cancellation)
    {
        ExportedLines lines = new(file, entry.Name, _options.Deidentify is null ? Mark(file.Type) : FhirResourceMark.None);
        using IResourceAnonymizer? anonymizer = _options.Deidentify?.Invoke();
        string? partial = null;
        FileStream? target = null;
        bool keep = false;
        try
        {
            string? etag = null;
            if (IsVerbatim && beginnings is [string beginning] && ETagOf(entry, beginning) is { } version)
            {
                (partial, etag, keep) = (beginning, version, true);
                target = await GoOnAsync(lines, beginning, state, cancellation).ConfigureAwait(false);
            }
            else
            {
                foreach (string other in beginnings) File.Delete(other);
            }

            FileContent content;
            try
            {
                content = await _transfer.OpenAsync(_export, file, target?.Length ?? 0, etag, cancellation).ConfigureAwait(false);
            }
            catch (FhirDeidException e) when (e.ErrorId is "FhirDeid.BlobChanged" && etag is not null)
            {
                // Another version than the one that was begun.
                throw new RestartException();
            }
            using Stream source = content.Stream;
            if (target is not null && (content.ETag != etag || (content.IsWhole && target.Length > 0))) throw new RestartException();
            if (target is null)
            {
                partial = Path.Combine(Folder, $"{entry.Name}.{Version(entry, IsVerbatim ? content.ETag : null)}.partial");
                target = Create(partial, FileMode.Create);
            }

            keep = IsVerbatim && ETagOf(entry, partial!) is not null;
            await foreach (ExportedLines.Line line in lines.ReadAsync(source, cancellation).ConfigureAwait(false))
            {
                Report(line.Bytes.Length);
                if (state.Count(line) && _options.Unique) continue;
                if (anonymizer is null) await state.WriteAsync(line.Bytes, target, cancellation).ConfigureAwait(false);
                else if (line.Resource is not null) await state.WriteAsync(Anonymized(anonymizer, line.Bytes), target, cancellation).ConfigureAwait(false);
            }
            await state.FlushAsync(target, cancellation).ConfigureAwait(false);
            keep = false;
            lines.CheckCount();
            await target.DisposeAsync().ConfigureAwait(false);
            cancellation.ThrowIfCancellationRequested();
            File.Move(partial!, path, overwrite: _options.Force);
            return state.Received(path);
        }
        catch (RestartException)
        {
            keep = false;
            throw;
        }
        catch (FhirDeidException e) when (e.ErrorId is "FhirDeid.FileInvalid" or "FhirDeid.NotDeidentified" or "FhirDeid.ResourceInvalid" or "FhirDeid.BlobChanged" or "FhirDeid.BlobNotFound")
        {
            // What is wrong with the file stays wrong.
            keep = false;
            throw;
        }
        finally
        {
            if (target is { CanWrite: true })
            {
                // What has come is kept for the next run, also what was not written yet.
                if (keep) await state.FlushAsync(target, CancellationToken.None).ConfigureAwait(false);
                await target.DisposeAsync().ConfigureAwait(false);
            }
            if (!keep && partial is not null && File.Exists(partial)) File.Delete(partial);
        }
    }

    /// <summary>Takes up a partial file: its lines are checked again, and what follows the last whole one is cut off.</summary>
    private static async Task<FileStream> GoOnAsync(ExportedLines lines, string partial, FileState state, CancellationToken cancellation)
    {
        FileStream target = new(partial, new FileStreamOptions { Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0, Options = FileOptions.Asynchronous });
        try
        {
            target.SetLength(await EndOfLinesAsync(target, cancellation).ConfigureAwait(false));
            target.Position = 0;
            await foreach (ExportedLines.Line line in lines.ReadAsync(target, cancellation).ConfigureAwait(false))
            {
                state.Count(line);
                await state.WriteAsync(line.Bytes, null, cancellation).ConfigureAwait(false);
            }
            await state.FlushAsync(null, cancellation).ConfigureAwait(false);
            target.Position = target.Length;
            return target;
        }
        catch (FhirDeidException)
        {
            // A disk that lost power in the middle: nothing to go on from.
            await target.DisposeAsync().ConfigureAwait(false);
            throw new RestartException();
        }
        catch
        {
            await target.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static async Task<long> EndOfLinesAsync(FileStream file, CancellationToken cancellation)
    {
        byte[] buffer = new byte[64 * 1024];
        for (long end = file.Length; end > 0;)
        {
            int length = (int)Math.Min(buffer.Length, end);
            file.Position = end - length;
            await file.ReadExactlyAsync(buffer.AsMemory(0, length), cancellation).ConfigureAwait(false);
            int last = buffer.AsSpan(0, length).LastIndexOf((byte)'\n');
            if (last >= 0) return end - length + last + 1;
            end -= length;
        }
        return 0;
    }

    private static ReadOnlySequence<byte> Anonymized(IResourceAnonymizer anonymizer, ReadOnlySequence<byte> line)
    {
        byte[] bytes = line.ToArray();
        return new ReadOnlySequence<byte>((byte[])[.. anonymizer.Anonymize(bytes.AsMemory(0, bytes.AsSpan().TrimEnd("\r\n"u8).Length)).Span, (byte)'\n']);
    }

    private FhirResourceMark Mark(string type) => _options.AllowNotDeidentified ? FhirResourceMark.None : _options.Marks.GetValueOrDefault(type);

    /// <summary>What a partial file's name says of where it came from and which version it is of.</summary>
    private static string Version(ExportLedger.Entry entry, string? etag)
    {
        string address = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(entry.Url)))[..8].ToLowerInvariant();
        string? version = etag?.Trim('"');
        return version is not null && PlainVersion().IsMatch(version) ? $"{address}-{version}" : $"{address}";
    }

    private static string? ETagOf(ExportLedger.Entry entry, string partial)
    {
        string name = Path.GetFileName(partial), start = $"{entry.Name}.{Version(entry, null)}-", end = ".partial";
        return name.StartsWith(start, StringComparison.Ordinal) && name[start.Length..^end.Length] is { Length: > 0 } version ? $"\"{version}\"" : null;
    }

    private void Report(long length)
    {
        long bytes = Interlocked.Add(ref _bytes, length), now = Environment.TickCount64, last = Interlocked.Read(ref _reported);
        if (now - last < 500 || Interlocked.CompareExchange(ref _reported, now, last) != last) return;
        _progress.Report(new FhirDeidProgress($"Receiving export {_export.JobId}", $"{_files} of {_export.Output.Length} files, {bytes / 1048576.0:0.0} MiB", _files * 100 / _export.Output.Length));
    }

    /// <summary>The sums of one file while it comes.</summary>
    private sealed class FileState(ExportDownload? download, FhirExportFile file) : IDisposable
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private readonly List<UInt128> _added = [];
        private readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(128 * 1024);
        private int _used;
        private long _resources, _unlabelled, _length;

        public long Duplicates { get; private set; }

        /// <summary>Counts a line.</summary>
        /// <returns>Whether the export held its resource already.</returns>
        public bool Count(ExportedLines.Line line)
        {
            if (line.Resource is not { } resource) return false;
            if (download is not null && resource.Key is { } key)
            {
                HashSet<UInt128> seen = download._seen[file.Type];
                bool isNew;
                lock (seen) isNew = seen.Add(key);
                if (isNew) _added.Add(key);
                else Duplicates++;
                if (!isNew && download._options.Unique) return true;
            }
            _resources++;
            if (!resource.IsLabelled) _unlabelled++;
            return false;
        }

        /// <summary>Takes back what the file has added to the resources that the export holds.</summary>
        public void Forget()
        {
            if (download is null) return;
            HashSet<UInt128> seen = download._seen[file.Type];
            lock (seen) seen.ExceptWith(_added);
            _added.Clear();
        }

        /// <summary>Takes bytes into the sums, and writes them where there is a target; some of them only with the next ones.</summary>
        public async ValueTask WriteAsync(ReadOnlySequence<byte> bytes, FileStream? target, CancellationToken cancellation)
        {
            _length += bytes.Length;
            if (bytes.Length > _buffer.Length - _used) await FlushAsync(target, cancellation).ConfigureAwait(false);
            if (bytes.Length <= _buffer.Length)
            {
                bytes.CopyTo(_buffer.AsSpan(_used));
                _used += (int)bytes.Length;
                return;
            }
            foreach (ReadOnlyMemory<byte> segment in bytes)
            {
                _hash.AppendData(segment.Span);
                if (target is not null) await target.WriteAsync(segment, cancellation).ConfigureAwait(false);
            }
        }

        /// <summary>Writes what is left.</summary>
        public async ValueTask FlushAsync(FileStream? target, CancellationToken cancellation)
        {
            int length = _used;
            _used = 0;
            if (length == 0) return;
            _hash.AppendData(_buffer.AsSpan(0, length));
            if (target is not null) await target.WriteAsync(_buffer.AsMemory(0, length), cancellation).ConfigureAwait(false);
        }

        public ReceivedFhirFile Received(string path) => new()
        {
            ResourceType = file.Type,
            Count = _resources,
            UnlabelledCount = _unlabelled,
            DuplicateCount = Duplicates,
            Length = _length,
            Sha256 = Convert.ToHexString(_hash.GetHashAndReset()).ToLowerInvariant(),
            FullName = path,
            JobId = download?._export.JobId ?? "",
        };

        public void Dispose()
        {
            _hash.Dispose();
            ArrayPool<byte>.Shared.Return(_buffer);
        }
    }

    /// <inheritdoc cref="ICloud.VerifyAsync"/>
    public static async IAsyncEnumerable<ReceivedFhirFile> VerifyAsync(string folder, IProgress<FhirDeidProgress> progress, [EnumeratorCancellation] CancellationToken cancellation)
    {
        ExportLedger ledger = ExportLedger.Read(folder) ?? throw new FhirDeidException("LedgerNotFound", FhirDeidErrorCategory.ObjectNotFound,
            $"{folder} has no {ExportLedger.FileName}: nothing says what it should hold.", "Name the folder that Receive-FhirExport wrote to.", folder);
        string? changed = null;
        int done = 0;
        foreach (ExportLedger.Entry entry in ledger.Files.Where(entry => entry.Sha256 is not null))
        {
            string path = Path.Combine(folder, entry.Name);
            if (await HashAsync(path).ConfigureAwait(false) == entry.Sha256) yield return ledger.Received(entry, folder);
            else changed ??= path;
            progress.Report(new FhirDeidProgress("Verifying " + folder, $"{++done} of {ledger.Files.Count} files", done * 100 / ledger.Files.Count));
        }
        if (changed is not null) throw Changed(changed);
        if (!ledger.Complete)
        {
            throw new FhirDeidException("ExportIncomplete", FhirDeidErrorCategory.InvalidData, $"{folder} holds {ledger.Files.Count(entry => entry.Sha256 is not null)} of {ledger.Files.Count} files of export {ServiceText.OneLine(ledger.JobId)}.",
                "Run Receive-FhirExport again: it goes on where it ended.", folder);
        }

        async Task<string?> HashAsync(string path)
        {
            try
            {
                using FileStream file = new(path, new FileStreamOptions { BufferSize = 0, Options = FileOptions.Asynchronous | FileOptions.SequentialScan });
                return Convert.ToHexString(await SHA256.HashDataAsync(file, cancellation).ConfigureAwait(false)).ToLowerInvariant();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return null;
            }
        }
    }

    /// <inheritdoc cref="IFhirDeidConnection.ReadFileAsync"/>
    public static async IAsyncEnumerable<string> ReadAsync(FileTransfer transfer, FhirExport export, FhirExportFile file, FhirReadOptions options,
        IProgress<FhirDeidProgress> progress, [EnumeratorCancellation] CancellationToken cancellation)
    {
        string name = ServiceText.OneLine(file.Url?.AbsolutePath);
        long resources = 0, bytes = 0, reported = 0;
        ExportedLines lines = new(file, name, options.AllowNotDeidentified ? FhirResourceMark.None : options.Marks.GetValueOrDefault(file.Type));
        FileContent content = await transfer.OpenAsync(export, file, 0, null, cancellation).ConfigureAwait(false);
        using Stream source = content.Stream;
        IAsyncEnumerator<ExportedLines.Line> each = lines.ReadAsync(source, cancellation).GetAsyncEnumerator(cancellation);
        await using (each.ConfigureAwait(false))
        {
            while (await NextAsync().ConfigureAwait(false))
            {
                ExportedLines.Line line = each.Current;
                bytes += line.Bytes.Length;
                if (Environment.TickCount64 - reported >= 500)
                {
                    reported = Environment.TickCount64;
                    progress.Report(new FhirDeidProgress("Reading " + name, $"{bytes} of {content.Length} bytes", content.Length is > 0 and { } total ? (int)(bytes * 100 / total) : -1));
                }
                if (line.Resource is null) continue;
                resources++;
                yield return Encoding.UTF8.GetString(line.Bytes).TrimEnd('\r', '\n');
            }
        }
        lines.CheckCount();

        async Task<bool> NextAsync()
        {
            try
            {
                return await each.MoveNextAsync().ConfigureAwait(false);
            }
            catch (RestartException)
            {
                // What the reader has got cannot be taken back, and which version the rest would be of is not known.
                throw new FhirDeidException("TransferInvalid", FhirDeidErrorCategory.ConnectionError, $"{name} broke off after {resources} resources, and its server cannot go on where it broke.",
                    "Read it again, or receive it into a folder.", file.Url);
            }
        }
    }

    /// <summary>Looks at the beginning of a file for the marks of its configuration.</summary>
    /// <returns>What is wrong, or null.</returns>
    public static async Task<string?> CheckMarkAsync(FileTransfer transfer, FhirExport export, FhirExportFile file, FhirResourceMark mark, CancellationToken cancellation)
    {
        const int enough = 100;
        ExportedLines lines = new(file, ServiceText.OneLine(file.Url?.AbsolutePath), mark);
        FileContent content = await transfer.OpenAsync(export, file, 0, null, cancellation).ConfigureAwait(false);
        using Stream source = content.Stream;
        try
        {
            await foreach (ExportedLines.Line _ in lines.ReadAsync(source, cancellation).ConfigureAwait(false))
            {
                if (lines.Resources >= enough) break;
            }
            return null;
        }
        catch (FhirDeidException e) when (e.ErrorId is "FhirDeid.NotDeidentified" or "FhirDeid.FileInvalid")
        {
            return e.Message;
        }
    }

    /// <summary>The blob that a manifest's URL names, if it lies in the export's container.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ForeignUrl</c>.</exception>
    public static BlobClient Blob(BlobStorage storage, FhirExport export, FhirExportFile file)
    {
        BlobContainerClient container = storage.Container(export.Container);
        string folder = $"{storage.Endpoint!.AbsoluteUri.TrimEnd('/')}/{export.Container}/";
        string url = file.Url is { IsAbsoluteUri: true } given ? given.GetLeftPart(UriPartial.Path) : "";
        if (export.Container.Length > 0 && url.StartsWith(folder, StringComparison.Ordinal) && Uri.UnescapeDataString(url[folder.Length..]) is { Length: > 0 } name
            && !name.Split('/', '\\').Any(segment => segment is "." or ".."))
            return container.GetBlobClient(name);
        throw new FhirDeidException("ForeignUrl", FhirDeidErrorCategory.SecurityError,
            $"The export's file '{ServiceText.OneLine(url)}' does not lie in container '{export.Container}' of storage account {storage.AccountName}: no token is sent there.",
            "Connect with the storage account that the FHIR service exports to.", file.Url);
    }

    /// <summary>Opens a new file that its owner alone can read.</summary>
    public static FileStream Create(string path, FileMode mode)
    {
        FileStreamOptions options = new() { Mode = mode, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0, Options = FileOptions.Asynchronous };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(path, options);
    }

    /// <summary>Whether a file could not grow because its disk is full: ENOSPC, EDQUOT, or ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL.</summary>
    internal static bool IsDiskFull(IOException e) => OperatingSystem.IsWindows() ? (e.HResult & 0xFFFF) is 112 or 39 : e.HResult is 28 or 122 or 69;

    private static FhirDeidException Unwritable(string destination, Exception cause) => new("FileUnwritable", FhirDeidErrorCategory.WriteError,
        $"{destination} cannot be written: {ServiceText.OneLine(cause.Message)}", "Check that the folder exists, that you may write there, and that the disk has room.", destination, cause);

    [GeneratedRegex(@"\A[A-Za-z0-9_]{1,64}\z")]
    private static partial Regex PlainVersion();
}
