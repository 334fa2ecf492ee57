using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace FhirDeid.Anonymization.Tests;

/// <summary>Broken configurations, one defect each, and the same without it: <c>Lint/defects.json</c>.</summary>
public sealed partial class LintTests
{
    private static readonly JsonElement[] Cases = [.. JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Lint", "defects.json"))).RootElement.EnumerateArray()];

    public static IEnumerable<TheoryDataRow<int, string>> All => Cases.Select((item, index) => new TheoryDataRow<int, string>(index, item.GetProperty("id").GetString()!));

    /// <summary>Five lines and more: a brace, the version with the rules' bracket, one line a rule, the bracket, the parameters.</summary>
    private static string? Text(JsonElement item, string which)
    {
        if (item.TryGetProperty(which + "File", out JsonElement file))
            return file.ValueKind == JsonValueKind.Null ? null : string.Join('\n', file.EnumerateArray().Select(line => line.GetString()));
        string[] rules = [.. item.GetProperty(which).EnumerateArray().Select(rule => rule.GetString()!)];
        string parameters = item.TryGetProperty(which == "bad" ? "parameters" : "goodParameters", out JsonElement given) ? given.GetString()! : "";
        return $"{{\n\"fhirVersion\": \"R4\", \"fhirPathRules\": [\n{string.Join(",\n", rules)}\n], \"parameters\": {{ {parameters} }} }}".Replace("\n], \"parameters\"", rules.Length == 1 ? "\n],\n\"parameters\"" : "\n], \"parameters\"", StringComparison.Ordinal);
    }

    [GeneratedRegex("""(?:Error|Warn|Warning|Inform|Information|PathProblem|Problem)\(\s*"(?<id>[A-Z][A-Za-z0-9]+)",""")]
    private static partial Regex Ids();

    [Theory]
    [MemberData(nameof(All))]
    public void A_defect_is_found_at_its_line(int index, string id)
    {
        JsonElement item = Cases[index];

        IReadOnlyList<AnonymizationConfigFinding> findings = new AnonymizationEngine().Test(Text(item, "bad")!);

        AnonymizationConfigFinding finding = findings.FirstOrDefault(f => f.Id == id) ?? throw new InvalidOperationException($"Found only: {string.Join("; ", findings)}");
        Assert.Equal(item.GetProperty("line").GetInt32(), finding.Line);
        Assert.NotEmpty(finding.Message);
        Assert.NotEmpty(finding.Fix);
        Assert.All(findings.Where(f => f.Severity == AnonymizationConfigSeverity.Error), f => Assert.Equal(id, f.Id));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Without_the_defect_it_is_not_found(int index, string id)
    {
        if (Text(Cases[index], "good") is not { } text)
            return;
        IReadOnlyList<AnonymizationConfigFinding> findings = new AnonymizationEngine().Test(text);

        Assert.DoesNotContain(findings, f => f.Id == id);
        Assert.DoesNotContain(findings, f => f.Severity == AnonymizationConfigSeverity.Error);
    }
}
