using System.Globalization;
using System.Text.Json;

namespace FhirDeid.Anonymization.Configuration;

/// <summary>Checks the settings of a rule's method, the way the service does when it reads the file.</summary>
internal static class RuleSettings
{
    /// <summary>Reads a rule's settings; what is wrong goes to the reader.</summary>
    public static ConfigurationRule Read(ConfigurationRule rule, JsonElement item, ConfigurationReader reader)
    {
        string[] settings = rule.Method switch
        {
            AnonymizationMethod.Substitute => ["replaceWith"],
            AnonymizationMethod.Perturb => ["span", "rangeType", "roundTo"],
            AnonymizationMethod.Generalize => ["cases", "otherValues"],
            _ => [],
        };
        foreach (JsonProperty property in item.EnumerateObject())
        {
            if (property.Name is not ("path" or "method") && !settings.Contains(property.Name))
            {
                reader.Warn("SettingUnknown", $"Rule {rule.Number}: '{property.Name}' is no setting of its method: the service ignores it.{Spelling.Question(property.Name, settings)}",
                    settings.Length > 0 ? $"Its settings are {string.Join(", ", settings)}." : "Remove it: the method has no settings.", rule.Number).For(rule.Path);
            }
        }
        switch (rule.Method)
        {
            case AnonymizationMethod.Substitute:
                return Substitute(rule, item, reader);
            case AnonymizationMethod.Perturb:
                return Perturb(rule, item, reader);
            case AnonymizationMethod.Generalize:
                return Generalize(rule, item, reader);
        }
        return rule;
    }

    private static ConfigurationRule Substitute(ConfigurationRule rule, JsonElement item, ConfigurationReader reader)
    {
        if (!item.TryGetProperty("replaceWith", out JsonElement value))
        {
            reader.Error("ReplacementMissing", $"Rule {rule.Number}: missing replaceWith value in substitution rule at {rule.Path}.", "Give the rule \"replaceWith\": the new value, or null to remove the value.", rule.Number).For(rule.Path);
            return rule;
        }
        return value.ValueKind switch
        {
            JsonValueKind.Null => rule,
            JsonValueKind.String => rule with { ReplaceWith = value.GetString() },
            JsonValueKind.Object or JsonValueKind.Array => rule with { ReplaceWithObject = value.Clone() },
            _ => rule with { ReplaceWith = value.GetRawText() },
        };
    }

    private static ConfigurationRule Perturb(ConfigurationRule rule, JsonElement item, ConfigurationReader reader)
    {
        double decimals = 2, width = 0;
        if (item.TryGetProperty("roundTo", out JsonElement roundTo) && !(TryNumber(roundTo, out decimals) && Math.Round(decimals) is >= 0 and <= 28))
            reader.Error("RoundToInvalid", $"Rule {rule.Number}: RoundTo value is invalid at {rule.Path}.", "Give roundTo a whole number from 0 to 28.", rule.Number).For(rule.Path);
        if (!item.TryGetProperty("span", out JsonElement span))
            reader.Error("SpanMissing", $"Rule {rule.Number}: Span value is required in perturb rule at {rule.Path}.", "Give the rule a span, 0 or more: the noise is at most half of it in each direction.", rule.Number).For(rule.Path);
        else if (!TryNumber(span, out width) || !(width >= 0))
            reader.Error("SpanInvalid", $"Rule {rule.Number}: Span value is invalid at {rule.Path}.", "Give span a number, 0 or more.", rule.Number).For(rule.Path);
        if (item.TryGetProperty("rangeType", out JsonElement rangeType) && !IsOneOf(rangeType, "fixed", "proportional"))
            reader.Error("RangeTypeInvalid", $"Rule {rule.Number}: RangeType value is invalid at {rule.Path}.", "Give rangeType fixed or proportional.", rule.Number).For(rule.Path);
        return rule with { Noise = new NoiseSettings(width, rangeType.ValueKind == JsonValueKind.String && IsOneOf(rangeType, "proportional"), (int)Math.Round(decimals)) };
    }

    private static ConfigurationRule Generalize(ConfigurationRule rule, JsonElement item, ConfigurationReader reader)
    {
        if (!item.TryGetProperty("cases", out JsonElement cases))
            reader.Error("CasesMissing", $"Rule {rule.Number}: Missing cases in FHIR path rule config.", "Give the rule \"cases\": { \"condition\": \"value\", … }.", rule.Number).For(rule.Path);
        else
            rule = rule with { Cases = Cases(rule, cases, reader) };
        if (item.TryGetProperty("otherValues", out JsonElement otherValues) && !IsOneOf(otherValues, "redact", "keep"))
            reader.Error("OtherValuesInvalid", $"Rule {rule.Number}: OtherValues setting is invalid at {rule.Path}.", "Give otherValues redact or keep.", rule.Number).For(rule.Path);
        return rule with { KeepsOtherValues = otherValues.ValueKind == JsonValueKind.String && IsOneOf(otherValues, "keep") };
    }

    private static List<(string Condition, string Value)> Cases(ConfigurationRule rule, JsonElement cases, ConfigurationReader reader)
    {
        List<(string Condition, string Value)> read = [];
        JsonDocument? parsed = null;
        try
        {
            if (cases.ValueKind == JsonValueKind.String)
                cases = (parsed = JsonDocument.Parse(cases.GetString()!)).RootElement;
            if (cases.ValueKind != JsonValueKind.Object)
                throw new JsonException();
            foreach (JsonProperty pair in cases.EnumerateObject())
            {
                string value = pair.Value.ValueKind == JsonValueKind.String ? pair.Value.GetString()! : pair.Value.GetRawText();
                read.Add((pair.Name, value));
                if ((FhirPathSyntax.Error(pair.Name) ?? FhirPathSyntax.Error(value)) is { } error)
                    reader.Error("CaseInvalid", $"Rule {rule.Number}: Invalid cases expression [{pair.Name}, {value}]: {error}.", "Correct the FHIRPath; texts stand in single quotes.", rule.Number).For(rule.Path);
            }
        }
        catch (JsonException)
        {
            reader.Error("CasesInvalid", $"Rule {rule.Number}: Invalid Json format of cases at {rule.Path}.", "Give cases a JSON object, or a text that holds one.", rule.Number).For(rule.Path);
        }
        finally
        {
            parsed?.Dispose();
        }
        return read;
    }

    private static bool TryNumber(JsonElement value, out double number)
    {
        number = 0;
        return value.ValueKind == JsonValueKind.Number ? value.TryGetDouble(out number)
            : value.ValueKind == JsonValueKind.String && double.TryParse(value.GetString(), NumberStyles.Float, CultureInfo.InvariantCulture, out number);
    }

    private static bool IsOneOf(JsonElement value, params string[] names) =>
        value.ValueKind == JsonValueKind.String && names.Contains(value.GetString(), StringComparer.OrdinalIgnoreCase);
}
