using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace FhirDeid.Cloud.Storage;

/// <summary>One file that is to stand in the folder.</summary>
/// <param name="File">What the manifest says of it.</param>
/// <param name="Entry">Its line in the list of the folder.</param>
/// <param name="IsKnown">Whether an earlier run had it.</param>
/// <param name="Path">Where it is to stand.</param>
/// <param name="Beginning">What an earlier run has of it, where it can be gone on with.</param>
internal sealed record ExpectedFile(FhirExportFile File, ExportLedger.Entry Entry, bool IsKnown, string Path, string? Beginning);

/// <summary>The folder that an export is received into, with the list of its files.</summary>
internal sealed class ReceivedFolder
{
    /// <summary>How much of a run's counts and hashes a killed process can lose.</summary>
    private static readonly TimeSpan BetweenLists = TimeSpan.FromSeconds(2);

    private readonly string _path;
    private readonly ExportLedger _ledger;
    private readonly string[] _replaced;
    private long _written = Environment.TickCount64;

    private ReceivedFolder(string path, ExportLedger ledger, ExpectedFile[] files, string[] replaced) => (_path, _ledger, Files, _replaced) = (path, ledger, files, replaced);

    /// <summary>The files of the export, in its order.</summary>
    public IReadOnlyList<ExpectedFile> Files { get; }

    /// <summary>Opens a folder for an export: each file under the name that an earlier run gave it, or a new one. Beginnings that this run does not go on with are gone.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.FolderInUse</c>, <c>FhirDeid.FileExists</c>, <c>FhirDeid.LedgerInvalid</c>, <c>FhirDeid.ManifestInvalid</c>.</exception>
    public static ReceivedFolder Open(FhirExport export, FhirReceiveOptions options)
    {
        string folder = options.Destination;
        ILookup<string, string> partials = PartialFile.In(folder);
        ExportLedger? before = null;
        try
        {
            before = ExportLedger.Read(folder);
        }
        catch (FhirDeidException) when (options.Force)
        {
        }
        bool goesOn = before is not null && before.StatusUri == export.StatusUri && before.Unique == options.Unique && before.DeidentifiedWith == options.DeidentifySha256;
        if (before is not null && !goesOn && !options.Force)
        {
            throw new FhirDeidException("FolderInUse", FhirDeidErrorCategory.ResourceExists,
                $"{folder} holds export {ServiceText.OneLine(before.JobId)}{(before.StatusUri == export.StatusUri ? ", received in another way" : "")}: two in one folder could not be told apart.",
                "Choose another folder, or replace its files with -Force.", folder);
        }
        ExportLedger ledger = new()
        {
            JobId = export.JobId,
            StatusUri = export.StatusUri,
            TransactionTime = export.TransactionTime,
            ConfigName = export.ConfigName,
            ConfigETag = export.ConfigETag,
            ConfigSha256 = export.ConfigSha256,
            DeidentifiedWith = options.DeidentifySha256,
            Unique = options.Unique,
        };
        Dictionary<string, ExportLedger.Entry> known = goesOn ? before!.Files.GroupBy(entry => entry.Url, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.First(), StringComparer.Ordinal) : [];
        HashSet<string> taken = [.. known.Values.Select(entry => entry.Name)];
        Dictionary<string, int> numbers = [];
        List<ExpectedFile> files = [];
        foreach (FhirExportFile file in export.Output)
        {
            // Names of our own: those of the manifest are data, and could lead anywhere.
            if (!Fhir.KickOff.ResourceType().IsMatch(file.Type)) throw Fhir.ExportManifest.Invalid(export, "an output has no resource type");
            string url = file.Url is { IsAbsoluteUri: true } ? file.Url.GetLeftPart(UriPartial.Path) : throw Fhir.ExportManifest.Invalid(export, "an output has no URL");
            bool isKnown = known.Remove(url, out ExportLedger.Entry? earlier) && earlier!.Type == file.Type;
            ExportLedger.Entry entry = isKnown ? earlier! : new ExportLedger.Entry { Name = NewName(file.Type), Type = file.Type, Url = url };
            entry.Count = file.Count;
            string path = Path.Combine(folder, entry.Name);
            if (!isKnown)
            {
                entry.Replaces = Path.Exists(path);
                if (entry.Replaces && !options.Force)
                {
                    throw new FhirDeidException("FileExists", FhirDeidErrorCategory.ResourceExists, $"{path} already exists, and is not of this export; nothing is overwritten.",
                        "Choose another folder, or remove the file, or replace it with -Force.", path);
                }
            }
            string[] beginnings = [.. partials[entry.Name]];
            bool canGoOn = PartialFile.IsVerbatim(options) && beginnings is [string one] && PartialFile.ETagOf(entry, one) is not null;
            ledger.Files.Add(entry);
            files.Add(new ExpectedFile(file, entry, isKnown, path, canGoOn ? beginnings[0] : null));
        }
        IEnumerable<string> leftNames = goesOn || before is null ? [] : before.Files.Select(entry => entry.Name).Except(ledger.Files.Select(entry => entry.Name));
        string[] replaced = [.. leftNames];
        // They may be identified data, of a run that wanted them so: nothing of that may outlast a run that does not.
        foreach (string? partial in ledger.Files.Select(entry => entry.Name).Concat(replaced).SelectMany(name => partials[name]).Except(files.Select(file => file.Beginning))) File.Delete(partial!);
        return new ReceivedFolder(folder, ledger, [.. files], [.. replaced.Select(name => Path.Combine(folder, name))]);

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

    /// <summary>Bytes that are still to come, of those files whose size is known.</summary>
    /// <param name="sizes">Sizes by URL.</param>
    public long Missing(IReadOnlyDictionary<string, long> sizes)
    {
        long missing = 0;
        foreach (ExpectedFile file in Files)
        {
            if (!sizes.TryGetValue(file.Entry.Url, out long size)) continue;
            long there = new[] { file.Beginning, file.Path }.Where(File.Exists).Sum(path => new FileInfo(path!).Length);
            missing += Math.Max(0, size - there);
        }
        return missing;
    }

    /// <summary>Begins the list.</summary>
    public void Begin() => _ledger.Write(_path);

    /// <summary>Notes a file that has come, and writes the list now and then.</summary>
    public void Take(ExpectedFile file, ReceivedFhirFile received)
    {
        ExportLedger.Entry entry = file.Entry;
        lock (_ledger)
        {
            (entry.Resources, entry.Duplicates, entry.Unlabelled, entry.Failures, entry.Length, entry.Sha256) =
                (received.Count, received.DuplicateCount, received.UnlabelledCount, received.FailureCount, received.Length, received.Sha256);
            if (Environment.TickCount64 - _written < BetweenLists.TotalMilliseconds) return;
            TryWrite();
            _written = Environment.TickCount64;
        }
    }

    /// <summary>Says that every file has come: what was left over of another export goes.</summary>
    public void Complete()
    {
        foreach (string leftover in _replaced) File.Delete(leftover);
        // The names first: a list that says complete must not outlive them.
        LocalFile.FlushFolder(_path);
        _ledger.Complete = true;
    }

    /// <summary>Ends the list.</summary>
    public void End()
    {
        TryWrite();
        LocalFile.FlushFolder(_path);
    }

    private void TryWrite()
    {
        try
        {
            _ledger.Write(_path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // An earlier list stands: the next run finds what has come by its name.
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
        if (changed is not null) throw LocalFile.Changed(changed);
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
}
