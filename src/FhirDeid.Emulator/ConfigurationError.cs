using System.Text.RegularExpressions;
using FhirDeid.Anonymization;

namespace FhirDeid.Emulator;

/// <summary>What the service says of a configuration that it refuses: our engine says more, and in other words.</summary>
internal static partial class ConfigurationError
{
    /// <summary>The first error that the service would come upon: syntax and types, version, rules one by one, key sizes. Null where it would find none.</summary>
    public static string? Of(string config)
    {
        AnonymizationConfigFinding? first = AnonymizationEngine.Refused(config)
            .Where(finding => finding.Severity == AnonymizationConfigSeverity.Error && finding.Id != "KeyEmpty")
            .OrderBy(finding => finding.Id switch
            {
                _ when IsParseError(finding) => 0,
                "FhirVersionUnsupported" => 1,
                "RulesMissing" => 2,
                _ when finding.Rule > 0 => 2 + finding.Rule,
                _ => int.MaxValue,
            }).FirstOrDefault();
        return first switch
        {
            null => null,
            _ when IsParseError(first) => "Failed to parse configuration file",
            { Id: "RulesMissing" } => "The configuration is invalid, please specify any fhirPathRules",
            { Id: "PathInvalid" } => $"Invalid FHIR path {first.Path}",
            { Id: "CaseInvalid" } => Own(first)[..(Own(first).LastIndexOf("]: ", StringComparison.Ordinal) + 1)],
            // The service finds out at the first resource that the rule's type applies to; here it is before.
            { Id: "MethodUnknown" } => $"Failed to anonymize resource. The job will be marked as failed. Anonymization method {first.Message.Split('\'')[1]} not supported.",
            _ => Own(first),
        };
    }

    private static bool IsParseError(AnonymizationConfigFinding finding) => finding.Message.StartsWith("Failed to parse", StringComparison.Ordinal);

    // "Rule 3: missing …" is "Missing …".
    private static string Own(AnonymizationConfigFinding finding)
    {
        string message = RuleNumber().Replace(finding.Message, "");
        return char.ToUpperInvariant(message[0]) + message[1..];
    }

    [GeneratedRegex("^Rule [0-9]+: ")]
    private static partial Regex RuleNumber();
}
