using System.Text.RegularExpressions;

namespace FhirDeid.Cloud.Fhir;

/// <summary>A failed export job. The service reports it as an error status of the poll, so the text of the OperationOutcome, not the status, tells it from an error of the request.</summary>
internal static partial class JobFailure
{
    private const string Prefix = "export operation failed for reason:";

    /// <summary>The service's reason, as it is; null if the body does not report a failed job.</summary>
    public static string? Reason(BinaryData body) =>
        OperationOutcome.Text(body) is string text && text.TrimStart().StartsWith(Prefix, StringComparison.OrdinalIgnoreCase)
            ? text.TrimStart()[Prefix.Length..].Trim() : null;

    /// <summary>One line: what happened and what to do.</summary>
    /// <param name="reason">The service's reason: may be a whole dump of a storage error with its XML and headers.</param>
    /// <param name="export">The export that failed.</param>
    public static string Explain(string reason, FhirExport export)
    {
        if (Method().Match(reason) is { Success: true } method)
            return $"The service does not know the anonymization method '{method.Groups[1].Value}'. Correct the configuration, publish it, and start again.";
        if (Group().Match(reason) is { Success: true } group)
            return $"The FHIR service has no Group '{group.Groups[1].Value}'. Check the id, and start again.";
        foreach ((string sign, string meaning) in Known)
        {
            if (reason.Contains(sign, StringComparison.OrdinalIgnoreCase))
            {
                return meaning.Replace("{config}", export.ConfigName, StringComparison.Ordinal)
                    .Replace("{etag}", export.ConfigETag, StringComparison.Ordinal)
                    .Replace("{text}", ServiceText.OneLine(reason), StringComparison.Ordinal);
            }
        }
        return StorageCode().Match(reason) is { Success: true } code
            ? $"The storage account refused the FHIR service with error {code.Groups[1].Value}{code.Groups[2].Value}. Check the account that the service exports to, and start again."
            : $"The service gives this reason: {ServiceText.OneLine(reason)}";
    }

    // The first sign that the reason contains decides; codes of the storage service come first, because their dumps quote much text.
    private static readonly (string Sign, string Meaning)[] Known =
    [
        ("AuthorizationPermissionMismatch", "The storage account refused the FHIR service (AuthorizationPermissionMismatch): give the service's managed identity the role Storage Blob Data Contributor on the storage account, wait some minutes, and start again."),
        ("AuthorizationFailure", "The storage account's firewall refused the FHIR service (AuthorizationFailure): allow the service by a resource instance rule in the account's network settings, and start again."),
        ("This request is not authorized", "The storage account refused the FHIR service: give its managed identity the role Storage Blob Data Contributor, allow it in the account's network settings, wait some minutes, and start again."),
        ("Unable to get access token for storage account", "The FHIR service has no managed identity to reach the storage account with: turn its system-assigned identity on, give it the role Storage Blob Data Contributor, and start again."),
        ("The storage account not found", "The storage account that the FHIR service exports to does not exist: set the export storage account of the service, and start again."),
        ("The given storage uri is invalid", "The FHIR service has no usable export storage account: set the export storage account of the service, and start again."),
        ("Anonymization container not found", "The service's export storage account has no container 'anonymization': publish the configuration to that account, and start again."),
        ("Anonymization configuration '", "The configuration '{config}' is not in container 'anonymization' of the service's export storage account: publish it to that account, and start again."),
        ("configuration collection is too large", "The image in the container registry is larger than the 100 MB that the service reads: put the configuration into an image of its own, and start again."),
        ("is too large > 1", "The configuration '{config}' is larger than the 1 MiB that the service reads: make it smaller, publish it, and start again."),
        ("ConditionNotMet", "The configuration '{config}' is no longer the one that was published with ETag {etag}: publish it again, and start again."),
        ("conditional header(s) is not met", "The configuration '{config}' is no longer the one that was published with ETag {etag}: publish it again, and start again."),
        ("Failed to parse configuration file", "The service cannot parse the configuration '{config}': it is not JSON, has a property twice, or a value that the service does not know (processingErrors takes raise or skip). Correct it, publish it, and start again."),
        ("Configuration of fhirVersion", "The configuration '{config}' is for another version of FHIR than the service's: set its fhirVersion to R4, publish it, and start again."),
        ("please specify any fhirPathRules", "The configuration '{config}' has no rules: add some, publish it, and start again."),
        ("Failed to anonymize resource", "A resource could not be anonymized. The service's text is left out, because it can quote the resource. Correct the rule for it, or set processingErrors to skip; publish the configuration, and start again."),
        ("Missing path or method", RuleRefused), ("Invalid FHIR path", RuleRefused), ("Missing replaceWith", RuleRefused), ("Span value", RuleRefused),
        ("RoundTo value", RuleRefused), ("RangeType value", RuleRefused), ("Missing cases", RuleRefused), ("Invalid cases", RuleRefused),
        ("OtherValues setting", RuleRefused), ("Invalid encrypt key size", RuleRefused),
        ("access container registry", Registry), ("access the container registry", Registry), ("access token for Azure Container Registry", Registry),
        ("Container registry '", "The container registry does not exist, or has another name: correct -ConfigCollectionReference, and start again."),
        ("connection settings have changed", "The export storage account of the FHIR service was changed while the export ran: start again."),
        ("throttled", "The service's database was throttled, and the export has ended with that: start again when less is going on, or with fewer resources at a time (-MaxCount)."),
        ("retried too many times", "The service has retried the export too many times, and has given up: start it again, with fewer resource types or resources at a time (-MaxCount)."),
        ("ran out of memory", "The FHIR service ran out of memory: start again with fewer resources at a time, such as -MaxCount 1000, or with fewer resource types."),
        ("too much data", "The FHIR service found too much data for one export: export fewer resource types at a time, or only resources changed since a date."),
        ("Unknown Error", "The FHIR service gives no reason (Unknown Error). Start the export again; if it fails again, ask the service's support, with the job id."),
    ];

    private const string Registry = "The FHIR service cannot read the container registry: give its managed identity the role AcrPull there, set the registry at the service, and start again.";

    private const string RuleRefused = "The service refuses the configuration '{config}': {text} Correct it, publish it, and start again.";

    [GeneratedRegex(@"Anonymization method ([A-Za-z]{1,40}) not supported")]
    private static partial Regex Method();

    [GeneratedRegex(@"\AGroup ([A-Za-z0-9.-]{1,64}) was not found")]
    private static partial Regex Group();

    [GeneratedRegex(@"ErrorCode:\s*([A-Za-z]{1,60})|<Code>([A-Za-z]{1,60})</Code>")]
    private static partial Regex StorageCode();
}
