using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;

namespace FhirDeid.Cloud.Storage;

/// <summary>The list of received files, <c>manifest.json</c> beside them: which export they are of, and the hash of each. Written before the first file comes, now and then, and when the last one has come; what has come in between is found by its name.</summary>
internal sealed partial class ExportLedger
{
    /// <summary>Name of the list.</summary>
    public const string FileName = "manifest.json";

    private static readonly JsonSerializerOptions Options = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    /// <summary>One file of the list.</summary>
    internal sealed class Entry
    {
        public string Name { get; set; } = "";

        public string Type { get; set; } = "";

        /// <summary>Where it came from, without the query, which can be a secret.</summary>
        public string Url { get; set; } = "";

        /// <summary>Number of resources by the service's manifest.</summary>
        public long? Count { get; set; }

        /// <summary>Number of resources here; null until the file is complete.</summary>
        public long? Resources { get; set; }

        public long? Duplicates { get; set; }

        public long? Unlabelled { get; set; }

        /// <summary>Number of resources that could not be de-identified, and were replaced by empty ones.</summary>
        public long? Failures { get; set; }

        /// <summary>Whether a file of this name stood here when the list was begun: until there is a hash, what stands here may still be that.</summary>
        public bool Replaces { get; set; }

        public long? Length { get; set; }

        public string? Sha256 { get; set; }
    }

    public string JobId { get; set; } = "";

    public Uri? StatusUri { get; set; }

    public DateTimeOffset? TransactionTime { get; set; }

    public string ConfigName { get; set; } = "";

    public string ConfigETag { get; set; } = "";

    public string ConfigSha256 { get; set; } = "";

    /// <summary>SHA-256 of the configuration that the files were de-identified with while they came; empty where the service did it.</summary>
    public string DeidentifiedWith { get; set; } = "";

    /// <summary>Whether duplicates were left out.</summary>
    public bool Unique { get; set; }

    /// <summary>Whether all files have come.</summary>
    public bool Complete { get; set; }

    public List<Entry> Files { get; set; } = [];

    /// <summary>Reads the list of a folder; null where there is none.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.LedgerInvalid</c>.</exception>
    public static ExportLedger? Read(string folder)
    {
        string path = Path.Combine(folder, FileName);
        try
        {
            ExportLedger? ledger = JsonSerializer.Deserialize<ExportLedger>(File.ReadAllBytes(path), Options);
            // The names become paths, and what is left over of another export is deleted: only what has a name as Receive-FhirExport gives it is meant.
            return ledger is { Files: not null } && ledger.Files.All(file => file?.Name is { } name && GivenName().IsMatch(name)) ? ledger : throw Invalid();
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or IOException or UnauthorizedAccessException)
        {
            throw Invalid();
        }

        FhirDeidException Invalid() => new("LedgerInvalid", FhirDeidErrorCategory.InvalidData, $"{path} is not a list of received files, or cannot be read.",
            "Choose another folder, or receive with -Force, which writes it anew.", path);
    }

    /// <summary>Writes the list, whole or not at all.</summary>
    public void Write(string folder)
    {
        string path = Path.Combine(folder, FileName), partial = path + ".partial";
        using (FileStream file = LocalFile.Create(partial))
        {
            JsonSerializer.Serialize(file, this, Options);
            file.Flush(flushToDisk: true);
        }
        File.Move(partial, path, overwrite: true);
    }

    /// <summary>A received file, as scripts see it.</summary>
    public ReceivedFhirFile Received(Entry entry, string folder) => new()
    {
        ResourceType = entry.Type,
        Count = entry.Resources ?? 0,
        UnlabelledCount = entry.Unlabelled ?? 0,
        DuplicateCount = entry.Duplicates ?? 0,
        FailureCount = entry.Failures ?? 0,
        Length = entry.Length ?? 0,
        Sha256 = entry.Sha256 ?? "",
        FullName = Path.Combine(folder, entry.Name),
        JobId = JobId,
    };

    [GeneratedRegex(@"^[A-Za-z]+-[0-9]+\.ndjson\z")]
    private static partial Regex GivenName();
}
