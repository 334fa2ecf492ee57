using System.Text;
using System.Text.Json;

namespace FhirDeid.Anonymization.Tests;

/// <summary>Broken configurations, one defect each, and the same without it: <c>Lint/defects.json</c>.</summary>
public sealed class LintTests
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

    [Fact]
    public void Every_kind_of_finding_has_a_page_and_a_configuration_that_shows_it()
    {
        string[] pages = [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "docs", "diagnostics"), "*.md").Select(file => Path.GetFileNameWithoutExtension(file)).Where(name => name != "README").Order()];
        string[] shown = [.. Cases.Select(item => item.GetProperty("id").GetString()!).Distinct().Order()];

        // Without a line in the table: a large file, many rules, another encoding, and what depends on this engine.
        Assert.Equal(["EncodingNotUtf8", "NotRunHere", "RulesMany", "TooLarge"], pages.Except(shown));
        Assert.Empty(shown.Except(pages));
    }

    [Fact]
    public void More_rules_than_the_service_runs_quickly_are_told()
    {
        string Config(int count) => $"{{ \"fhirPathRules\": [ {string.Join(",", Enumerable.Range(1, count).Select(i => $"{{ \"path\": \"Patient.name[{i}]\", \"method\": \"redact\" }}"))} ] }}";

        Assert.Contains(new AnonymizationEngine().Test(Config(501)), finding => finding.Id == "RulesMany");
        Assert.DoesNotContain(new AnonymizationEngine().Test(Config(20)), finding => finding.Id == "RulesMany");
    }

    [Theory]
    [InlineData("utf-16", true, true)]
    [InlineData("utf-16", false, true)]
    [InlineData("utf-16BE", false, true)]
    [InlineData("utf-32", true, true)]
    [InlineData("utf-8", true, false)]
    [InlineData("utf-8", false, false)]
    public void Another_encoding_than_UTF_8_is_read_and_told(string name, bool hasMark, bool isTold)
    {
        Encoding encoding = Encoding.GetEncoding(name);
        byte[] file = [.. hasMark ? encoding.GetPreamble() : [], .. encoding.GetBytes("""{ "fhirPathRules": [ { "path": "Patient.nmae", "method": "redact" } ] }""")];

        IReadOnlyList<AnonymizationConfigFinding> findings = new ConfigurationAnalysis().Test(file);

        Assert.Contains(findings, finding => finding.Id == "ElementUnknown");
        Assert.Equal(isTold, findings.Any(finding => finding.Id == "EncodingNotUtf8"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\0")]
    [InlineData("{\0\"\0f\0")]
    [InlineData("null")]
    [InlineData("1e999999")]
    [InlineData("{ \"fhirPathRules\": [ null, 1, [], {}, \"x\", { \"path\": null, \"method\": [] } ], \"parameters\": 3 }")]
    [InlineData("{ \"fhirVersion\": {}, \"processingErrors\": [], \"fhirPathRules\": \"x\" }")]
    [InlineData("{ \"fhirPathRules\": [ { \"path\": \"\\ud800\", \"method\": \"redact\" } ] }")]
    [InlineData("{ \"\\ud800\": 1, \"fhirPathRules\": [] }")]
    [InlineData("{ \"fhirPathRules\": [ { \"path\": \"Patient.where(\", \"method\": \"generalize\", \"cases\": { \"(\": \")\" } } ] }")]
    [InlineData("{ \"fhirPathRules\": [ { \"path\": \"Patient\", \"method\": \"redact\" } ], \"parameters\": { \"dateShiftFixedOffsetInDays\": 1e300, \"restrictedZipCodeTabulationAreas\": [ null, {}, \"\" ] } }")]
    public void Whatever_it_is_given_it_answers_with_findings(string text) =>
        Assert.Contains(new AnonymizationEngine().Test(text), finding => finding.Severity == AnonymizationConfigSeverity.Error);

    /// <summary>What the service cuts off in front of a path leaves a rest that nobody can read; and paths whose parts do not stand alone.</summary>
    [Theory]
    [InlineData("Pati|nt.birthDate", true)]
    [InlineData("Patient5birthDate", true)]
    [InlineData("Patie1e400nt.name.family", true)]
    [InlineData("Potient11111111111111111111111111111.contact", true)]
    [InlineData("Matient*name | Patient.address", true)]
    [InlineData("Patient . gender", true)]
    [InlineData("(1 * 2) | Patient.address", false)]
    [InlineData("(Patient | Observation.code)", false)]
    [InlineData("(Patient) | Patient.name", false)]
    public void A_path_that_cannot_be_cut_in_two_is_told_and_never_throws(string path, bool isError)
    {
        string config = $$"""{ "fhirPathRules": [ { "path": "{{path}}", "method": "redact" }, { "path": "Patient.gender", "method": "redact" } ] }""";

        Assert.Equal(isError, new AnonymizationEngine().Test(config).Any(finding => finding is { Rule: 1, Severity: AnonymizationConfigSeverity.Error }));
        Assert.NotNull(new ConfigurationAnalysis().Compare(config, config));
    }

    [Fact]
    public void A_file_of_fifty_megabytes_is_too_large_and_nothing_else()
    {
        AnonymizationConfigFinding finding = Assert.Single(new AnonymizationEngine().Test("{ \"fhirPathRules\": [" + new string(' ', 50_000_000) + "] }"));

        Assert.Equal("TooLarge", finding.Id);
    }

    [Fact]
    public void A_file_of_rules_without_end_is_too_large()
    {
        string rules = string.Join(",\n", Enumerable.Repeat("{ \"path\": \"Patient.nmae\", \"method\": \"redact\" }", 25_000));

        IReadOnlyList<AnonymizationConfigFinding> findings = new AnonymizationEngine().Test($"{{ \"fhirPathRules\": [\n{rules}\n] }}");

        Assert.Contains(findings, finding => finding.Id == "TooLarge");
    }

    [Fact]
    public void No_finding_shows_a_key()
    {
        IReadOnlyList<AnonymizationConfigFinding> findings = new AnonymizationEngine().Test("""
            { "fhirPathRules": [ { "path": "Resource.id", "method": "cryptoHash" } ],
              "parameters": { "cryptoHashKey": "hunter2", "dateShiftKey": "hunter2", "encryptKey": "hunter2" } }
            """);

        Assert.NotEmpty(findings);
        Assert.All(findings, finding => Assert.DoesNotContain("hunter2", System.Text.Json.JsonSerializer.Serialize(finding), StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("HealthcareService.notAvaliable", "notAvailable")]
    [InlineData("Patien.name", "Patient")]
    [InlineData("Patient.name.where(usee='x')", "use")]
    [InlineData("nodesByType('Humanname')", "HumanName")]
    [InlineData("Patient.name.frist()", "first")]
    public void A_misspelt_name_is_answered_with_the_right_one(string path, string name) =>
        Assert.Contains(new AnonymizationEngine().Test($$"""{ "fhirPathRules": [ { "path": "{{path}}", "method": "redact" } ] }"""), finding => finding.Message.Contains($"id you mean '{name}'?", StringComparison.Ordinal));
}
