using System.Globalization;
using FhirDeid.PowerShell.Loading;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Rules by number or path, and what is to be said of one.</summary>
internal static class RuleNumbers
{
    /// <summary>Numbers of the rules that a user names by number or by path; at least one, in order.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.RuleNotFound</c>.</exception>
    public static int[] Numbers(this AnonymizationConfig config, string rule)
    {
        int[] numbers = [.. config.Rules.Where(one => int.TryParse(rule, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? one.Number == number : one.Path.Trim() == rule.Trim()).Select(one => one.Number)];
        return numbers.Length > 0 ? numbers : throw new FhirDeidException("RuleNotFound", FhirDeidErrorCategory.ObjectNotFound, $"The configuration '{config.Name}' has no rule '{rule}'.",
            "Give a rule's number or its path as it is written; the property Rules lists them.", rule);
    }

    /// <summary>What keeps a rule from working as it is meant.</summary>
    public static IEnumerable<string> WarningsOf(this AnonymizationConfig config, int number) =>
        Engine.Anonymization.Test(config.ToJson()).Where(finding => finding.Rule == number && finding.Severity == AnonymizationConfigSeverity.Warning).Select(finding => $"{finding.Message} {finding.Fix}");
}
