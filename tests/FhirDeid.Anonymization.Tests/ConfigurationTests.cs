namespace FhirDeid.Anonymization.Tests;

public sealed class ConfigurationTests
{
    private const string Key = """ "parameters": { "cryptoHashKey": "k" } """;

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("""{ "fhirVersion": "R4" }""")]
    [InlineData("""{ "fhirPathRules": null }""")]
    [InlineData("""{ "fhirPathRules": {} }""")]
    [InlineData("""{ "fhirVersion": "STU3", "fhirPathRules": [] }""")]
    [InlineData("""{ "processingErrors": "keep", "fhirPathRules": [] }""")]
    [InlineData("""{ "fhirPathRules": ["Patient.name"] }""")]
    [InlineData("""{ "fhirPathRules": [{ "path": "Patient.name" }] }""")]
    [InlineData("""{ "fhirPathRules": [{ "Path": "Patient.name", "method": "redact" }] }""")]
    [InlineData("""{ "fhirPathRules": [{ "path": " ", "method": "redact" }] }""")]
    [InlineData("""{ "fhirPathRules": [{ "path": "Patient.name.", "method": "redact" }] }""")]
    [InlineData("""{ "fhirPathRules": [{ "path": "Patient.name.where(use='official'", "method": "redact" }] }""")]
    [InlineData("""{ "fhirPathRules": [{ "path": "Patient.name.foo()", "method": "redact" }] }""")]
    [InlineData("""{ "fhirPathRules": [{ "path": "Patient.name", "path": "Patient.id", "method": "redact" }] }""")]
    [InlineData("""{ "fhirPathRules": [], "parameters": { "encryptKey": "0123456789abcde" } }""")]
    [InlineData("""{ "fhirPathRules": [], "parameters": { "dateShiftScope": "patient" } }""")]
    [InlineData("""{ "fhirPathRules": [], "parameters": { "enablePartialDatesForRedact": "maybe" } }""")]
    [InlineData("""{ "fhirPathRules": [], "parameters": { "restrictedZipCodeTabulationAreas": "036" } }""")]
    public void What_the_service_would_refuse_is_refused_with_advice(string json)
    {
        FhirDeidException error = Assert.Throws<FhirDeidException>(() => Anonymizer.Create(json));

        Assert.Equal("FhirDeid.ConfigInvalid", error.ErrorId);
        Assert.NotEmpty(error.RecommendedAction);
    }

    [Theory]
    [InlineData("Patient.name", "generalize", "FhirDeid.ConfigInvalid")]
    [InlineData("Patient.name.exists()", "redact", "FhirDeid.ConfigInvalid")]
    [InlineData("Patient.name and true", "redact", "FhirDeid.ConfigInvalid")]
    [InlineData("Patient.name.where(resolve().exists())", "redact", "FhirDeid.ConfigNotSupported")]
    [InlineData("Patient.name.given.memberOf('http://e/names')", "redact", "FhirDeid.ConfigNotSupported")]
    public void What_cannot_run_is_refused_as_a_whole_and_no_rule_is_skipped(string path, string method, string errorId)
    {
        string json = $$"""
            { "fhirPathRules": [{ "path": "Patient.id", "method": "redact" }, { "path": "{{path}}", "method": "{{method}}", "span": 1, "cases": { "true": "'x'" } }],
              "parameters": { "encryptKey": "0123456789abcdef" } }
            """;

        FhirDeidException error = Assert.Throws<FhirDeidException>(() => Anonymizer.Create(json));

        Assert.Equal(errorId, error.ErrorId);
        Assert.Contains("Rule 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_method_ends_the_run_at_the_first_resource_that_its_rule_applies_to()
    {
        using Anonymizer anonymizer = Anonymizer.Create("""{ "fhirPathRules": [{ "path": "Observation.value", "method": "frobnicate" }] }""");

        Assert.Contains("\"p1\"", Engine.Run(anonymizer, """{"resourceType":"Patient","id":"p1"}"""), StringComparison.Ordinal);
        FhirDeidException error = Assert.Throws<FhirDeidException>(() => Engine.Run(anonymizer, """{"resourceType":"Observation","status":"final","code":{"text":"c"}}"""));
        Assert.Equal("FhirDeid.ConfigInvalid", error.ErrorId);
    }

    [Theory]
    [InlineData("""{ "path": "Patient.gender", "method": "substitute" }""", "FhirDeid.ConfigInvalid")]
    [InlineData("""{ "path": "Patient.birthDate", "method": "substitute", "replaceWith": "someday" }""", "FhirDeid.ConfigInvalid")]
    [InlineData("""{ "path": "Patient.active", "method": "substitute", "replaceWith": "yes" }""", "FhirDeid.ConfigInvalid")]
    [InlineData("""{ "path": "Patient.name", "method": "substitute", "replaceWith": "x" }""", "FhirDeid.ConfigInvalid")]
    [InlineData("""{ "path": "Patient.name", "method": "substitute", "replaceWith": { "nosuch": "x" } }""", "FhirDeid.ConfigInvalid")]
    [InlineData("""{ "path": "Patient.name", "method": "substitute", "replaceWith": { "given": ["x", { }] } }""", "FhirDeid.ConfigInvalid")]
    [InlineData("""{ "path": "Patient.extension", "method": "substitute", "replaceWith": { "url": "u", "valueString": "x", "valueBoolean": true } }""", "FhirDeid.ConfigInvalid")]
    [InlineData("""{ "path": "Bundle.entry", "method": "substitute", "replaceWith": { "fullUrl": "x" } }""", "FhirDeid.ConfigInvalid")]
    [InlineData("""{ "path": "Patient.birthDate", "method": "dateShift" }""", "FhirDeid.KeyMissing")]
    public void A_rule_that_cannot_do_its_work_is_refused_when_the_configuration_is_read(string rule, string errorId) =>
        Assert.Equal(errorId, Assert.Throws<FhirDeidException>(() => Anonymizer.Create($$"""{ "fhirPathRules": [{{rule}}] }""")).ErrorId);

    [Fact]
    public void A_hash_rule_without_a_key_is_refused() =>
        Assert.Equal("FhirDeid.KeyMissing", Assert.Throws<FhirDeidException>(() => Anonymizer.Create(Engine.Config(null, ("Patient.id", "cryptoHash")))).ErrorId);

    [Fact]
    public void A_parse_error_names_the_place_and_never_quotes_the_text()
    {
        FhirDeidException error = Assert.Throws<FhirDeidException>(() => Anonymizer.Create("{ \"parameters\": { \"cryptoHashKey\": secret } }"));

        Assert.Contains("line 1", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("'s'", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Comments_trailing_commas_a_byte_order_mark_and_names_in_any_case_are_read()
    {
        AnonymizationConfig config = new AnonymizationEngine().Parse("\uFEFF{ // comment\n \"FhirPathRules\": [ { \"path\": \"Patient.id\", \"method\": \"CRYPTOHASH\" }, ], \"PARAMETERS\": { \"CryptoHashKey\": \"k\" }, }", "c.json");

        Assert.Equal("cryptoHash", Assert.Single(config.Rules).Method);
        Assert.True(config.Parameters.HasCryptoHashKey);
        Assert.Empty(config.Warnings);
    }

    [Fact]
    public void What_the_service_ignores_is_told()
    {
        AnonymizationConfig config = new AnonymizationEngine().Parse(
            $$"""{ "processingError": "skip", "fhirPathRules": [{ "path": "HealthcareService.notAvaliable.description", "method": "redact" }, { "path": "Patient.id", "method": "cryptoHash", "key": 1 }], {{Key}} }""", "c.json");

        Assert.Equal(3, config.Warnings.Length);
        Assert.Contains(config.Warnings, w => w.Contains("processingError", StringComparison.Ordinal));
        Assert.Contains(config.Warnings, w => w.Contains("notAvaliable", StringComparison.Ordinal));
        Assert.Contains(config.Warnings, w => w.StartsWith("Rule 2: 'key'", StringComparison.Ordinal));
    }

    [Fact]
    public void No_property_of_a_configuration_shows_its_keys()
    {
        AnonymizationConfig config = new AnonymizationEngine().Parse(Engine.Config(new() { ["cryptoHashKey"] = "very-secret-key" }, ("Patient.id", "cryptoHash")), "c.json");

        Assert.DoesNotContain("very-secret-key", System.Text.Json.JsonSerializer.Serialize(config), StringComparison.Ordinal);
        Assert.DoesNotContain("very-secret-key", config.ToString(), StringComparison.Ordinal);
        Assert.Contains("very-secret-key", config.ToJson(), StringComparison.Ordinal);
    }
}
