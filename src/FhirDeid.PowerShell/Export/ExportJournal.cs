using System.Text.Json;
using System.Text.Json.Serialization;

namespace FhirDeid.PowerShell.Export;

/// <summary>The exports that this user has started on this machine, one file each, readable by the user alone: what a closed window must not lose.</summary>
/// <remarks>
/// The file is there before the request is sent, and has the status URL before anything else is done. It holds neither tokens nor file addresses nor the values of type filters.
/// The folder is <c>FhirDeid/exports</c> in the user's local application data, or the one that <c>FHIRDEID_JOURNAL</c> names; with <c>off</c> there, in Azure Automation, and where there is no profile to write to, there is no journal, and the export object has to be kept.
/// </remarks>
internal sealed class ExportJournal
{
    private static readonly JsonSerializerOptions s_options = new()
    {
        WriteIndented = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault,
        Converters = { new JsonStringEnumConverter() },
    };

    private static readonly TimeSpan s_emulatedFor = TimeSpan.FromDays(1);
    private static readonly TimeSpan s_uncertainFor = TimeSpan.FromDays(7);
    private static readonly TimeSpan s_endedFor = TimeSpan.FromDays(90);
    private static readonly TimeSpan s_writtenWithin = TimeSpan.FromHours(1);
    private static readonly TimeSpan s_clockSkew = TimeSpan.FromMinutes(15);

    private readonly string _folder;

    private ExportJournal(string folder) => _folder = folder;

    /// <summary>Opens the journal, or says by null that there is none.</summary>
    public static ExportJournal? Open()
    {
        string? folder = Environment.GetEnvironmentVariable("FHIRDEID_JOURNAL");
        if (string.IsNullOrEmpty(folder))
        {
            bool inAutomation = Environment.GetEnvironmentVariable("AUTOMATION_ASSET_SANDBOX_ID") is not null
                || Environment.GetEnvironmentVariable("AZUREPS_HOST_ENVIRONMENT")?.StartsWith("AzureAutomation", StringComparison.OrdinalIgnoreCase) == true;
            string data = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
            if (inAutomation || data.Length == 0) return null;
            folder = Path.Combine(data, "FhirDeid", "exports");
        }
        if (folder.Equals("off", StringComparison.OrdinalIgnoreCase)) return null;
        try
        {
            if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
            else Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            return new ExportJournal(folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Notes an export that is about to be started, and clears away what a killed process has left half written.</summary>
    /// <returns>The entry, for <see cref="Write"/> and <see cref="Remove(string)"/>.</returns>
    public string Begin(FhirExport export)
    {
        foreach (string left in Files("*.partial").Where(file => DateTime.UtcNow - File.GetLastWriteTimeUtc(file) > s_writtenWithin)) File.Delete(left);
        string entry = Path.Combine(_folder, $"{export.StartedAt.UtcDateTime:yyyyMMdd'T'HHmmss}-{Guid.NewGuid():N}.json");
        Write(entry, export);
        return entry;
    }

    /// <summary>Writes an entry, whole or not at all.</summary>
    public static void Write(string entry, FhirExport export)
    {
        FhirExport kept = new()
        {
            JobId = export.JobId,
            Status = export.Status,
            StatusUri = export.StatusUri,
            FhirServiceUri = export.FhirServiceUri,
            Level = export.Level,
            GroupId = export.GroupId,
            StorageAccountName = export.StorageAccountName,
            Container = export.Container,
            ConfigName = export.ConfigName,
            ConfigETag = export.ConfigETag,
            ConfigSha256 = export.ConfigSha256,
            ConfigCollectionReference = export.ConfigCollectionReference,
            DeidentifyLocally = export.DeidentifyLocally,
            KickOffUri = WithoutFilters(export.KickOffUri),
            StartedAt = export.StartedAt,
            TransactionTime = export.TransactionTime,
            Issues = export.Issues,
        };
        string partial = $"{entry}.{Guid.NewGuid():N}.partial";
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        try
        {
            using (FileStream file = new(partial, options))
            {
                JsonSerializer.Serialize(file, kept, s_options);
                file.Flush(flushToDisk: true);
            }
            File.Move(partial, entry, overwrite: true);
        }
        finally
        {
            File.Delete(partial);
        }
    }

    /// <summary>Takes over how an export stands that the journal knows, if only as one whose start was cut off.</summary>
    /// <remarks>What was found not to be de-identified stays so: the service, asked again, does not look into the files.</remarks>
    public void Update(FhirExport export)
    {
        IReadOnlyList<(string Entry, FhirExport Export)> entries = Read();
        foreach ((string entry, FhirExport known) in entries.Where(known => known.Export.StatusUri == export.StatusUri))
        {
            if ((known.Status, known.TransactionTime) == (export.Status, export.TransactionTime)
                || (known.Status == FhirExportStatus.NotDeidentified && export.Status is FhirExportStatus.Completed or FhirExportStatus.CompletedWithErrors)) continue;
            Write(entry, export);
        }
        if (entries.Any(known => known.Export.StatusUri == export.StatusUri) || export.TransactionTime is not { } began) return;
        foreach ((string entry, FhirExport cutOff) in entries.Where(known => known.Export.StatusUri is null && (began - known.Export.StartedAt).Duration() < s_clockSkew && IsSame(known.Export.KickOffUri, export.Request)).Take(1))
        {
            (cutOff.JobId, cutOff.StatusUri, cutOff.Status, cutOff.TransactionTime, cutOff.Issues) = (export.JobId, export.StatusUri, export.Status, export.TransactionTime, export.Issues);
            Write(entry, cutOff);
        }
    }

    /// <summary>The export that the journal knows by a status URL, or null.</summary>
    public FhirExport? Find(Uri statusUri) => Read().FirstOrDefault(known => known.Export.StatusUri == statusUri).Export;

    /// <summary>The export of a service that the journal knows by its id, or null.</summary>
    public FhirExport? Find(Uri service, string jobId) => Read().LastOrDefault(known => known.Export.FhirServiceUri == service && known.Export.JobId == jobId && known.Export.StatusUri is not null).Export;

    /// <summary>A start of the same export whose end is not known: the service may have taken it. Null where there is none.</summary>
    public (string Entry, FhirExport Export)? CutOff(FhirExport planned) =>
        Read().Where(known => known.Export.StatusUri is null && known.Export.FhirServiceUri == planned.FhirServiceUri && IsSame(known.Export.KickOffUri, planned.KickOffUri))
            .Select(known => ((string, FhirExport)?)known).LastOrDefault();

    /// <summary>Forgets an entry.</summary>
    public static void Remove(string entry) => File.Delete(entry);

    /// <summary>Forgets an export.</summary>
    public void Remove(Uri statusUri)
    {
        foreach ((string entry, FhirExport known) in Read())
        {
            if (known.StatusUri == statusUri) Remove(entry);
        }
    }

    /// <summary>All entries, the oldest first. What cannot be read is no entry; what has had its time is removed.</summary>
    public IReadOnlyList<(string Entry, FhirExport Export)> Read()
    {
        List<(string Entry, FhirExport Export)> entries = [];
        foreach (string entry in Files("*.json"))
        {
            try
            {
                if (JsonSerializer.Deserialize<FhirExport>(File.ReadAllBytes(entry), s_options) is not { } export) continue;
                if (DateTimeOffset.UtcNow - export.StartedAt > KeptFor(export)) Remove(entry);
                else entries.Add((entry, export));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException or NotSupportedException)
            {
                // Removed meanwhile, or not ours.
            }
        }
        return [.. entries.OrderBy(entry => entry.Export.StartedAt)];
    }

    private string[] Files(string pattern)
    {
        try
        {
            return Directory.GetFiles(_folder, pattern);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static TimeSpan KeptFor(FhirExport known) =>
        known.FhirServiceUri is { IsLoopback: true } ? s_emulatedFor
        : known.StatusUri is null ? s_uncertainFor
        : known.Status == FhirExportStatus.InProgress ? TimeSpan.MaxValue
        : s_endedFor;

    /// <summary>Whether two requests ask for the same export, but for type filters, whose values are not kept.</summary>
    private static bool IsSame(Uri? one, Uri? other) => one is not null && other is not null
        && Uri.Compare(WithoutFilters(one), WithoutFilters(other), UriComponents.PathAndQuery, UriFormat.Unescaped, StringComparison.Ordinal) == 0;

    /// <summary>The request without the values of its type filters: a search for a patient names the patient.</summary>
    private static Uri? WithoutFilters(Uri? request)
    {
        if (request is null || !request.Query.Contains("_typeFilter=", StringComparison.Ordinal)) return request;
        string[] parameters = [.. request.Query.TrimStart('?').Split('&').Where(parameter => !parameter.StartsWith("_typeFilter=", StringComparison.Ordinal))];
        return new UriBuilder(request) { Query = string.Join('&', parameters) }.Uri;
    }
}
