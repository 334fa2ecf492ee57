using System.Globalization;
using System.Text.Json;

namespace FhirDeid.Cloud.Fhir;

/// <summary>The manifest of a finished export (FHIR Bulk Data Access, Complete Status), with the <c>issues</c> and <c>count</c> that Azure adds.</summary>
internal static class ExportManifest
{
    /// <summary>Writes what a manifest says into an export. Unknown fields are let pass; known ones must be what they should be.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ManifestInvalid</c>.</exception>
    public static void Read(BinaryData body, FhirExport export)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(body.ToMemory());
            JsonElement manifest = document.RootElement;
            if (manifest.ValueKind != JsonValueKind.Object) throw Invalid(export, "it is no JSON object");
            if (!DateTimeOffset.TryParse(OperationOutcome.String(manifest, "transactionTime"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time))
                throw Invalid(export, "transactionTime is missing or no instant");
            export.TransactionTime = time;
            export.Request = Uri.TryCreate(OperationOutcome.String(manifest, "request"), UriKind.Absolute, out Uri? request) ? request : null;
            Complete(export);
            export.Output = [.. Entries(manifest, "output", export, required: true).Select(entry => File(entry, export))];
            List<string> issues = [];
            foreach (JsonElement issue in Entries(manifest, "issues", export))
                issues.Add(ServiceText.OneLine($"{OperationOutcome.String(issue, "severity")} {OperationOutcome.String(issue, "code")}: {OperationOutcome.IssueText(issue)}"));
            foreach (JsonElement error in Entries(manifest, "error", export).Concat(Entries(manifest, "outcome", export)))
                issues.Add(ServiceText.OneLine("The service wrote a file of errors: " + OperationOutcome.String(error, "url")));
            if (Entries(manifest, "link", export).Any(link => OperationOutcome.String(link, "relation") == "next"))
                issues.Add("The manifest goes on on further pages, which are not read: the list of files is not complete.");
            if (export.Request is { } served && Level(served) != (export.Level, export.GroupId))
                issues.Add($"The service exported at another level than was asked for ({Level(served).Level} {Level(served).GroupId}): the files may hold other patients' data.");
            bool confirmed = Confirms(export);
            if (!confirmed)
                issues.Insert(0, $"The service does not confirm configuration '{export.ConfigName}' with ETag {export.ConfigETag}: the files may hold identified data. Look into them only where that is allowed, and delete them.");
            export.Issues = [.. issues];
            export.Status = !confirmed ? FhirExportStatus.NotDeidentified
                : issues.Count > 0 ? FhirExportStatus.CompletedWithErrors : FhirExportStatus.Completed;
        }
        catch (JsonException)
        {
            throw Invalid(export, "it is no JSON");
        }
    }

    /// <summary>Whether the request that the service says it has served names the export's configuration and ETag, each exactly once.</summary>
    /// <remarks>A blank <c>_anonymizationConfig</c> makes the service export identified data and report success, so this is the proof that it did not.</remarks>
    public static bool Confirms(FhirExport export)
    {
        if (export.Request is not { IsAbsoluteUri: true } request || string.IsNullOrWhiteSpace(export.ConfigName) || string.IsNullOrWhiteSpace(export.ConfigETag)) return false;
        return Only(request, "_anonymizationConfig") == export.ConfigName
            && Only(request, "_anonymizationConfigEtag") is string etag && KickOff.Unquoted(etag) == KickOff.Unquoted(export.ConfigETag);
    }

    /// <summary>Takes from the request what an export that is known by its id alone lacks. That the service names a configuration is proof of one; only its being the expected one cannot be told.</summary>
    private static void Complete(FhirExport export)
    {
        if (export.Request is not { } request) return;
        if (export.ConfigName.Length == 0 && export.ConfigETag.Length == 0
            && Only(request, "_anonymizationConfig") is { } name && Only(request, "_anonymizationConfigEtag") is { } etag
            && !string.IsNullOrWhiteSpace(name) && !string.IsNullOrWhiteSpace(KickOff.Unquoted(etag)))
            (export.ConfigName, export.ConfigETag) = (name, $"\"{KickOff.Unquoted(etag)}\"");
        if (export.Container.Length == 0) export.Container = Only(request, "_container") ?? "";
        if (export.StartedAt == default) export.StartedAt = export.TransactionTime ?? default;
        if (export.Level == FhirExportLevel.System) (export.Level, export.GroupId) = Level(request);
    }

    private static (FhirExportLevel Level, string GroupId) Level(Uri request) => request.AbsolutePath.Split('/') switch
    {
        [.., "Patient", "$export"] => (FhirExportLevel.Patient, ""),
        [.., "Group", string group, "$export"] => (FhirExportLevel.Group, Decoded(group)),
        _ => (FhirExportLevel.System, ""),
    };

    /// <summary>The value of a parameter that the request names exactly once, else null.</summary>
    private static string? Only(Uri request, string name)
    {
        string[] values = [.. request.Query.TrimStart('?').Split('&')
            .Select(pair => pair.Split('=', 2))
            .Where(pair => Decoded(pair[0]).Equals(name, StringComparison.OrdinalIgnoreCase))
            .Select(pair => Decoded(pair[0]) == name && pair.Length == 2 ? Decoded(pair[1]) : "")];
        return values is [string value] ? value : null;
    }

    private static string Decoded(string text) => Uri.UnescapeDataString(text.Replace('+', ' '));

    private static FhirExportFile File(JsonElement entry, FhirExport export)
    {
        if (OperationOutcome.String(entry, "type") is not string type || !KickOff.ResourceType().IsMatch(type))
            throw Invalid(export, "an output has no resource type");
        if (!Uri.TryCreate(OperationOutcome.String(entry, "url"), UriKind.Absolute, out Uri? url) || url.Scheme != Uri.UriSchemeHttps
            || Uri.UnescapeDataString(url.Segments[^1]).AsSpan().IndexOfAny("/\\") >= 0)
            throw Invalid(export, "an output has no https URL that ends in a file name");
        long? count = null;
        if (entry.TryGetProperty("count", out JsonElement value) && value.ValueKind != JsonValueKind.Null)
        {
            if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt64(out long number) || number < 0) throw Invalid(export, "a count is no whole number");
            count = number;
        }
        return new FhirExportFile { Type = type, Url = url, Count = count };
    }

    private static JsonElement[] Entries(JsonElement manifest, string name, FhirExport export, bool required = false)
    {
        if (!manifest.TryGetProperty(name, out JsonElement array) || array.ValueKind == JsonValueKind.Null)
            return required ? throw Invalid(export, name + " is missing") : [];
        if (array.ValueKind != JsonValueKind.Array || array.EnumerateArray().Any(entry => entry.ValueKind != JsonValueKind.Object))
            throw Invalid(export, name + " is no array of objects");
        return [.. array.EnumerateArray()];
    }

    private static FhirDeidException Invalid(FhirExport export, string what) => new("ManifestInvalid", FhirDeidErrorCategory.ProtocolError,
        $"The manifest of export {export.JobId} is not valid: {what}.", "Ask for the export again; if that does not help, start a new one.", export.StatusUri);
}
