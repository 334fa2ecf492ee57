namespace FhirDeid.Anonymization.Tests;

public sealed class ConfigurationFindingTests
{
    private const string Keys = """ "parameters": { "cryptoHashKey": "9f3b1c6a2e5d4f8079a1b3c5", "dateShiftKey": "41aa90be77d2c3f5e61b08c9", "encryptKey": "7c1f0b9e5a3d8264" } """;

    [Theory]
    [InlineData("""{ "path": "Patient.name" }""", "RuleIncomplete")]
    [InlineData("""{ "Path": "Patient.name", "method": "redact" }""", "RuleIncomplete")]
    [InlineData(""" "Patient.name" """, "RuleIncomplete")]
    [InlineData("""{ "path": "Patient.name.where(use='x'", "method": "redact" }""", "PathInvalid")]
    [InlineData("""{ "path": "Patient.name.foo()", "method": "redact" }""", "PathInvalid")]
    [InlineData("""{ "path": "", "method": "redact" }""", "PathInvalid")]
    [InlineData("""{ "path": "Patient.name", "method": "frobnicate" }""", "MethodUnknown")]
    [InlineData("""{ "path": "Patient.name", "method": "" }""", "MethodUnknown")]
    [InlineData("""{ "path": "Patient.name", "method": "substitute" }""", "ReplacementMissing")]
    [InlineData("""{ "path": "Patient.birthDate", "method": "substitute", "replaceWith": "x" }""", "ReplacementInvalid")]
    [InlineData("""{ "path": "Observation.value", "method": "perturb" }""", "SpanMissing")]
    [InlineData("""{ "path": "Observation.value", "method": "perturb", "span": -1 }""", "SpanInvalid")]
    [InlineData("""{ "path": "Observation.value", "method": "perturb", "span": "wide" }""", "SpanInvalid")]
    [InlineData("""{ "path": "Observation.value", "method": "perturb", "span": 1, "roundTo": 29 }""", "RoundToInvalid")]
    [InlineData("""{ "path": "Observation.value", "method": "perturb", "span": 1, "rangeType": "gauss" }""", "RangeTypeInvalid")]
    [InlineData("""{ "path": "Patient.gender", "method": "generalize" }""", "CasesMissing")]
    [InlineData("""{ "path": "Patient.gender", "method": "generalize", "cases": "{nope" }""", "CasesInvalid")]
    [InlineData("""{ "path": "Patient.gender", "method": "generalize", "cases": ["a"] }""", "CasesInvalid")]
    [InlineData("""{ "path": "Patient.gender", "method": "generalize", "cases": { "true": "'x" } }""", "CaseInvalid")]
    [InlineData("""{ "path": "Patient.gender", "method": "generalize", "cases": { "true": "'x'" }, "otherValues": "drop" }""", "OtherValuesInvalid")]
    public void A_rule_that_the_service_refuses_is_an_error_at_its_line(string rule, string id)
    {
        string json = $$"""
            {
              "fhirPathRules": [
                { "path": "Patient.id", "method": "redact" },
                {{rule}}
              ],
              {{Keys}}
            }
            """;

        AnonymizationConfigFinding finding = Assert.Single(new AnonymizationEngine().Test(json), f => f.Severity == AnonymizationConfigSeverity.Error);

        Assert.Equal(id, finding.Id);
        Assert.Equal((4, 2), (finding.Line, finding.Rule));
        Assert.NotEmpty(finding.Fix);
    }

    [Theory]
    [InlineData("""{ "fhirPathRules": [] """, "JsonInvalid", 1)]
    [InlineData("[]", "JsonInvalid", 1)]
    [InlineData("{ }", "RulesMissing", 1)]
    [InlineData("{\n \"fhirVersion\": \"STU3\", \"fhirPathRules\": [] }", "FhirVersionUnsupported", 2)]
    [InlineData("{\n\n \"processingErrors\": \"keep\", \"fhirPathRules\": [] }", "ParameterInvalid", 3)]
    [InlineData("{ \"fhirPathRules\": [],\n \"parameters\": { \"encryptKey\": \"0123456789abcde\" } }", "EncryptKeySize", 2)]
    [InlineData("{ \"fhirPathRules\": [],\n \"parameters\": { \"dateShiftScope\": \"patient\" } }", "ParameterInvalid", 2)]
    [InlineData("{ \"fhirPathRules\": [],\n \"fhirPathRules\": [] }", "PropertyDuplicate", 2)]
    [InlineData("{ \"fhirPathRules\": [\n { \"path\": \"Patient.id\", \"method\": \"cryptoHash\" }] }", "KeyEmpty", 2)]
    [InlineData("{ \"fhirPathRules\": [\n { \"path\": \"Patient.id\", \"method\": \"encrypt\" }] }", "KeyEmpty", 2)]
    [InlineData("{ \"fhirPathRules\": [\n { \"path\": \"Patient.birthDate\", \"method\": \"dateShift\" }] }", "KeyEmpty", 2)]
    public void A_file_that_the_service_refuses_or_that_would_fall_apart_is_an_error(string json, string id, int line)
    {
        AnonymizationConfigFinding finding = Assert.Single(new AnonymizationEngine().Test(json), f => f.Severity == AnonymizationConfigSeverity.Error);

        Assert.Equal((id, line), (finding.Id, finding.Line));
    }

    [Fact]
    public void A_file_over_a_mebibyte_is_an_error() =>
        Assert.Contains(new AnonymizationEngine().Test($$"""{ "fhirPathRules": [], "x": "{{new string('a', 1 << 20)}}" }"""), f => f.Id == "TooLarge");

    [Fact]
    public void All_errors_are_told_and_the_exception_counts_them()
    {
        const string Json = """{ "fhirPathRules": [{ "path": "Patient.name" }, { "path": "Patient.id", "method": "x" }, { "path": "Patient.id", "method": "cryptoHash" }] }""";

        Assert.Equal(["RuleIncomplete", "MethodUnknown", "KeyEmpty"], new AnonymizationEngine().Test(Json).Select(f => f.Id));
        Assert.Contains("1 more", Assert.Throws<FhirDeidException>(() => new AnonymizationEngine().Parse(Json, "c.json")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_work_as_meant_is_a_warning_and_what_only_the_service_runs_is_information()
    {
        IReadOnlyList<AnonymizationConfigFinding> findings = new AnonymizationEngine().Test($$"""
            { "fhirVersion": "R4", "processingError": "skip", "fhirPathRules": [
              { "path": "HealthcareService.notAvaliable.description", "method": "redact" },
              { "path": "Patient.name.where(resolve().exists()).text", "method": "redact" },
              { "path": "Patient.id", "method": "cryptoHash", "key": 1 } ], {{Keys}} }
            """);

        Assert.Equal([("PropertyUnknown", 0), ("ElementUnknown", 1), ("SettingUnknown", 3), ("NotRunHere", 2)], findings.Select(f => (f.Id, f.Rule)));
        Assert.Equal(AnonymizationConfigSeverity.Information, findings[^1].Severity);
    }

    [Fact]
    public void A_configuration_that_only_the_service_can_run_is_read_but_not_run_here()
    {
        AnonymizationConfig config = new AnonymizationEngine().Parse($$"""{ "fhirPathRules": [{ "path": "Patient.name.where(resolve().exists()).text", "method": "redact" }], {{Keys}} }""", "c.json");

        Assert.Equal("redact", Assert.Single(config.Rules).Method);
        Assert.Equal("FhirDeid.ConfigNotSupported", Assert.Throws<FhirDeidException>(() => Anonymizer.Create(config.ToJson())).ErrorId);
    }
}
