using System.Globalization;
using System.Text.Json;

namespace FhirDeid.Cloud.Fhir;

/// <summary>The manifest of a finished export (FHIR Bulk Data Access, Complete Status), with the <c>issues</c> and <c>count</c> that Azure adds. It comes on one page, or on several that lead on by a link.</summary>
internal static class ExportManifest
{
    /// <summary>Writes what a page of a manifest says into an export. Unknown fields are let pass; known ones must be what they should be.</summary>
    /// <param name="body">The page.</param>
    /// <param name="export">Takes what it says; files are added to those of earlier pages.</param>
    /// <returns>The next page, or null.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ManifestInvalid</c>.</exception>
    public static Uri? Read(BinaryData body, FhirExport export)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(body.ToMemory());
            JsonElement manifest = document.RootElement;
            if (manifest.ValueKind != JsonValueKind.Object) throw Invalid(export, "it is no JSON object");
            if (!DateTimeOffset.TryParse(OperationOutcome.String(manifest, "transactionTime"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time))
                throw Invalid(export, "transactionTime is missing or no instant");
            export.TransactionTime = time;
            export.Request ??= Uri.TryCreate(OperationOutcome.String(manifest, "request"), UriKind.Absolute, out Uri? request) ? request : null;
            export.RequiresAccessToken |= manifest.TryGetProperty("requiresAccessToken", out JsonElement required) && required.ValueKind == JsonValueKind.True;
            Complete(export);
            export.Output = [.. export.Output, .. Entries(manifest, "output", export, required: true).Select(entry => File(entry, export))];
            export.DeletedOutput = [.. export.DeletedOutput, .. Entries(manifest, "deleted", export).Select(entry => File(entry, export))];
            JsonElement[] errors = [.. Entries(manifest, "error", export), .. Entries(manifest, "outcome", export)];
            export.ErrorOutput = [.. export.ErrorOutput, .. errors.Select(entry => File(entry, export))];
            export.Issues =
            [
                .. export.Issues,
                .. Entries(manifest, "issues", export).Select(issue => ServiceText.OneLine($"{OperationOutcome.String(issue, "severity")} {OperationOutcome.String(issue, "code")}: {OperationOutcome.IssueText(issue)}")),
                .. errors.Select(error => ServiceText.OneLine("The service wrote a file of errors: " + OperationOutcome.String(error, "url"))),
            ];
            return Entries(manifest, "link", export).FirstOrDefault(link => OperationOutcome.String(link, "relation") == "next") is { ValueKind: JsonValueKind.Object } next
                ? Uri.TryCreate(OperationOutcome.String(next, "url"), UriKind.Absolute, out Uri? page) ? page : throw Invalid(export, "its link to the next page is no URL")
                : null;
        }
        catch (JsonException)
        {
            throw Invalid(export, "it is no JSON");
        }
    }

    /// <summary>Decides how an export ended whose manifest is read to its last page.</summary>
    public static void Conclude(FhirExport export)
    {
        List<string> issues = [.. export.Issues];
        if (export.Request is { } served)
        {
            if (Level(served) != (export.Level, export.GroupId))
                issues.Add($"The service exported at another level than was asked for ({Level(served).Level} {Level(served).GroupId}): the files may hold other patients' data.");
            // A parameter that the service did not take over makes the export another one, without any other sign.
            foreach (string name in Names(export.KickOffUri).Where(name => name is not ("_anonymizationConfig" or "_anonymizationConfigEtag" or "_anonymizationConfigCollectionReference")))
            {
                if (Only(served, name) != Only(export.KickOffUri!, name)) issues.Add($"The service exported with another {name} than was asked for: its request is not the one that was sent.");
            }
            if (Only(served, "_type") is { Length: > 0 } types)
            {
                string[] missing = [.. types.Split(',').Except(export.Output.Select(file => file.Type), StringComparer.Ordinal)];
                if (missing.Length > 0 && export.Output.Length > 0)
                    issues.Add($"There are no files of {string.Join(", ", missing)}: there is no such resource, none matched, or the export was cut short.");
            }
        }
        if (export.Output.Length == 0)
            issues.Add("The export has no files: there was nothing to export, or the service has cancelled it, which looks the same.");
        bool confirmed = export.DeidentifyLocally || Confirms(export);
        if (!confirmed)
        {
            string version = export.ConfigCollectionReference.Length > 0 ? $"of {export.ConfigCollectionReference}" : $"with ETag {export.ConfigETag}";
            issues.Insert(0, $"The service does not confirm configuration '{export.ConfigName}' {version}: the files may hold identified data. Look into them only where that is allowed, and delete them.");
        }
        export.Issues = [.. issues];
        export.Status = !confirmed ? FhirExportStatus.NotDeidentified
            : issues.Count > 0 ? FhirExportStatus.CompletedWithErrors : FhirExportStatus.Completed;
    }

    /// <summary>Whether the request that the service says it has served names the export's configuration, and the ETag or image that pins it, each exactly once.</summary>
    /// <remarks>A blank <c>_anonymizationConfig</c> makes the service export identified data and report success, so this is the proof that it did not.</remarks>
    public static bool Confirms(FhirExport export)
    {
        if (export.Request is not { IsAbsoluteUri: true } request || string.IsNullOrWhiteSpace(export.ConfigName) || Only(request, "_anonymizationConfig") != export.ConfigName) return false;
        return string.IsNullOrWhiteSpace(export.ConfigCollectionReference)
            ? !string.IsNullOrWhiteSpace(export.ConfigETag) && Only(request, "_anonymizationConfigEtag") is string etag && KickOff.Unquoted(etag) == KickOff.Unquoted(export.ConfigETag)
            : string.IsNullOrWhiteSpace(export.ConfigETag) && Only(request, "_anonymizationConfigCollectionReference") == export.ConfigCollectionReference;
    }

    /// <summary>Takes from the request what an export that is known by its id alone lacks. That the service names a configuration is proof of one; only its being the expected one cannot be told.</summary>
    private static void Complete(FhirExport export)
    {
        if (export.Request is not { } request) return;
        if (export.ConfigName.Length == 0 && export.ConfigETag.Length == 0 && export.ConfigCollectionReference.Length == 0 && !export.DeidentifyLocally
            && Only(request, "_anonymizationConfig") is { } name && !string.IsNullOrWhiteSpace(name))
        {
            if (Only(request, "_anonymizationConfigEtag") is { } etag && !string.IsNullOrWhiteSpace(KickOff.Unquoted(etag))) (export.ConfigName, export.ConfigETag) = (name, $"\"{KickOff.Unquoted(etag)}\"");
            else if (Only(request, "_anonymizationConfigCollectionReference") is { } image && !string.IsNullOrWhiteSpace(image)) (export.ConfigName, export.ConfigCollectionReference) = (name, image);
        }
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

    private static IEnumerable<string> Names(Uri? request) =>
        request is null ? [] : request.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries).Select(pair => Decoded(pair.Split('=', 2)[0]));

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

    /// <summary>The error for a manifest that cannot be relied on.</summary>
    public static FhirDeidException Invalid(FhirExport export, string what) => new("ManifestInvalid", FhirDeidErrorCategory.ProtocolError,
        $"The manifest of export {export.JobId} is not valid: {what}.", "Ask for the export again; if that does not help, start a new one.", export.StatusUri);
}
