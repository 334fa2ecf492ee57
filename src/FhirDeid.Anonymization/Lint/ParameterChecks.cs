using System.Text;
using FhirDeid.Anonymization.Configuration;

namespace FhirDeid.Anonymization.Lint;

/// <summary>Keys that protect nothing, and parameters that do something else than they seem to.</summary>
internal static class ParameterChecks
{
    private const int ShortestKey = 16;
    private const int ManyRules = 500;
    private const int FarthestShift = 366 * 1000;

    private static readonly string[] Placeholders = ["key", "secret", "password", "changeme", "change", "example", "sample", "test", "todo", "your", "123456", "abcdef", "qwerty", "insert"];

    /// <summary>What is wrong with a configuration as a whole: the parameter, and what to say of it.</summary>
    public static IEnumerable<(string Parameter, PathProblem Problem)> Of(AnonymizationConfiguration configuration)
    {
        (string Name, byte[] Value)[] keys = [("cryptoHashKey", configuration.CryptoHashKey), ("dateShiftKey", configuration.DateShiftKey), ("encryptKey", configuration.EncryptKey)];
        foreach ((string name, byte[] value) in keys.Where(key => key.Value.Length > 0))
        {
            string text = Encoding.UTF8.GetString(value);
            if (value.Length < ShortestKey)
                yield return (name, Warning("KeyShort", $"parameters.{name} has fewer than {ShortestKey} bytes: whoever has the output can find it by trying.", "Use a random text of 32 characters or more (encryptKey: 16, 24 or 32 bytes); New-AnonymizationConfig makes one."));
            else if (text.Distinct().Count() <= 4 || Array.Exists(Placeholders, word => text.Contains(word, StringComparison.OrdinalIgnoreCase)))
                yield return (name, Warning("KeyGuessable", $"parameters.{name} looks like a place-holder or an example: others may have the same key.", "Use a random text; New-AnonymizationConfig makes one."));
        }
        foreach (((string Name, byte[] Value) key, (string Name, byte[] Value) earlier) in keys.SelectMany((key, index) => keys.Take(index).Select(earlier => (key, earlier))))
        {
            if (key.Value.Length > 0 && key.Value.AsSpan().SequenceEqual(earlier.Value))
                yield return (key.Name, Warning("KeyReused", $"parameters.{key.Name} is the same as parameters.{earlier.Name}: who learns one has both.", "Give each purpose a key of its own."));
        }
        foreach ((string, PathProblem) finding in Dates(configuration).Concat(PostalCodes(configuration)))
            yield return finding;
        if (configuration.Rules.Count > ManyRules)
            yield return ("fhirPathRules", Information("RulesMany", $"There are {configuration.Rules.Count:N0} rules, and the service runs each of them on each resource: exports take longer in proportion.", "Search by type, nodesByType('…'), in place of a rule for each element."));
        if (configuration.Rules.All(rule => rule.Method == AnonymizationMethod.Keep))
            yield return ("fhirPathRules", new PathProblem("KeepsEverything", AnonymizationConfigSeverity.Error, "No rule changes anything: an export with this configuration holds identified data.", "Add rules; New-AnonymizationConfig -Template SafeHarbor starts from a complete set."));
        if (string.IsNullOrEmpty(configuration.FhirVersion))
            yield return ("fhirVersion", Information("FhirVersionMissing", "The configuration does not say its FHIR version: the service accepts that with a warning in its log.", "Set \"fhirVersion\": \"R4\"."));
    }

    private static IEnumerable<(string, PathProblem)> Dates(AnonymizationConfiguration configuration)
    {
        ConfigurationRule? shift = configuration.Rules.FirstOrDefault(rule => rule.Method == AnonymizationMethod.DateShift);
        if (configuration.DateShiftFixedOffsetInDays is { } days)
        {
            if (days == 0 && shift is not null)
                yield return ("dateShiftFixedOffsetInDays", new PathProblem("DateShiftZero", AnonymizationConfigSeverity.Error, "dateShiftFixedOffsetInDays is 0: dateShift leaves every date as it is.", "Give a number of days other than 0, or null to shift by key."));
            else if (Math.Abs((long)days) > FarthestShift)
                yield return ("dateShiftFixedOffsetInDays", new PathProblem("DateShiftTooFar", AnonymizationConfigSeverity.Error, "dateShiftFixedOffsetInDays moves dates past the calendar: the service's run ends there.", "Give a smaller number of days."));
            else
                yield return ("dateShiftFixedOffsetInDays", Information("DateShiftNeedsEngine4", "dateShiftFixedOffsetInDays is known to the service's engine 4 (since May 2024) alone: an older one ignores it and shifts by key.", "Look at a few dates of the first export."));
            yield break;
        }
        if (shift is null)
            yield break;
        if (configuration.DateShiftScope != DateShiftScope.Resource)
            yield return ("dateShiftScope", Warning("DateShiftScopeInert", $"dateShiftScope '{configuration.DateShiftScope.ToString().ToLowerInvariant()}' does nothing in $export: the service always shifts by the resource's id.", "Use dateShiftFixedOffsetInDays where all dates are to move alike."));
        else
            yield return ("dateShiftScope", Warning("DateShiftBreaksIntervals", "Each resource's dates move by an offset of its own: the times between a patient's encounters and observations are not kept.", "Use dateShiftFixedOffsetInDays where intervals matter, or redact to the year."));
    }

    private static IEnumerable<(string, PathProblem)> PostalCodes(AnonymizationConfiguration configuration)
    {
        const string Areas = "restrictedZipCodeTabulationAreas";
        if (configuration.RestrictedZipCodeAreas.FirstOrDefault(area => area.Length != 3 || !area.All(char.IsAsciiDigit)) is { } odd)
            yield return (Areas, Warning("ZipAreaInvalid", $"'{odd}' in {Areas} is not three digits: no postal code, or another area than meant, starts with it.", "Write each area as a text of three digits, leading zeros included: \"036\"."));
        if (configuration is { PartialZipCodes: true, RestrictedZipCodeAreas.Count: 0 })
            yield return ("enablePartialZipCodesForRedact", Warning("ZipAreasMissing", $"Postal codes keep three digits everywhere: {Areas} is empty, so small areas are not protected.", $"List in {Areas} the areas with 20,000 people or fewer; the SafeHarbor template has them."));
        else if (configuration is { PartialZipCodes: false, RestrictedZipCodeAreas.Count: > 0 })
            yield return (Areas, Information("ZipAreasUnused", $"{Areas} does nothing: enablePartialZipCodesForRedact is not true, so postal codes are removed whole.", "Nothing, if that is meant; otherwise set enablePartialZipCodesForRedact to true."));
    }

    private static PathProblem Warning(string id, string message, string fix) => new(id, AnonymizationConfigSeverity.Warning, message, fix);

    private static PathProblem Information(string id, string message, string fix) => new(id, AnonymizationConfigSeverity.Information, message, fix);
}
