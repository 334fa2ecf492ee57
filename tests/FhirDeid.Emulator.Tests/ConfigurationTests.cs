using System.Net;
using System.Text.Json;

namespace FhirDeid.Tests;

public sealed class ConfigurationTests(SharedEmulator shared)
{
    private const string RedactNames = """
        { "fhirVersion": "R4",
          "fhirPathRules": [ { "path": "Patient.name", "method": "redact" } ],
          "parameters": { "dateShiftKey": "d", "cryptoHashKey": "c", "encryptKey": "0123456789abcdef" } }
        """;

    private readonly Service _service = shared.Service;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_export_with_a_configuration_is_de_identified(bool quotedETag)
    {
        string etag = (await _service.PublishAsync("redact.json", RedactNames)).Trim('"');
        string value = Uri.EscapeDataString(quotedETag ? $"\"{etag}\"" : etag);
        Answer answer = await _service.ExportAsync($"?_container=deid&_type=Patient&_anonymizationConfig=redact.json&_anonymizationConfigEtag={value}");

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal(3, answer.Output.Single().GetProperty("count").GetInt32());
        string[] lines = await _service.LinesAsync(answer.Output.Single());
        JsonElement patient = JsonDocument.Parse(lines[0]).RootElement;
        Assert.False(patient.TryGetProperty("name", out _));
        Assert.Equal("REDACTED", patient.GetProperty("meta").GetProperty("security")[0].GetProperty("code").GetString());
        Assert.Equal("""{"resourceType":"Patient","id":"p3"}""", lines[2]);
    }

    [Fact]
    public async Task A_missing_configuration_fails_the_job()
    {
        await _service.PublishAsync("another.json", RedactNames);

        (await _service.ExportAsync("?_container=failed&_anonymizationConfig=folder/missing.json"))
            .IsFailure(HttpStatusCode.BadRequest, "Anonymization configuration 'folder/missing.json' not found. ");
    }

    [Fact]
    public async Task A_configuration_that_has_been_replaced_fails_the_job()
    {
        string etag = (await _service.PublishAsync("replaced.json", RedactNames)).Trim('"');
        await _service.PublishAsync("replaced.json", RedactNames + " ");

        FailsOf("The condition specified using HTTP conditional header(s) is not met.",
            await _service.ExportAsync($"?_container=failed&_anonymizationConfig=replaced.json&_anonymizationConfigEtag={etag}"));
    }

    [Theory]
    [InlineData("not JSON")]
    [InlineData("{ \"fhirVersion\": ")]
    public async Task A_configuration_that_is_not_JSON_fails_the_job(string config)
    {
        string name = $"{Guid.NewGuid()}.json";
        await _service.PublishAsync(name, config);

        (await _service.ExportAsync($"?_container=failed&_anonymizationConfig={name}"))
            .IsFailure(HttpStatusCode.BadRequest, "Failed to parse configuration file");
    }

    [Theory]
    [InlineData("""{ "fhirVersion": "R5", "fhirPathRules": [ { "method": "redact" } ] }""", "Configuration of fhirVersion R5 is not supported. Expected fhirVersion: R4")]
    [InlineData("""{ "fhirVersion": "R4" }""", "The configuration is invalid, please specify any fhirPathRules")]
    [InlineData("""{ "fhirVersion": "R4", "fhirPathRules": "all" }""", "Failed to parse configuration file")]
    [InlineData("""{ "fhirVersion": "R4", "fhirVersion": "R4", "fhirPathRules": [] }""", "Failed to parse configuration file")]
    [InlineData("""{ "processingErrors": "keep", "fhirPathRules": [ { "path": "Patient", "method": "redact" } ] }""", "Failed to parse configuration file")]
    [InlineData("""{ "fhirPathRules": [ { "path": "Patient" } ] }""", "Missing path or method in Fhir path rule config.")]
    [InlineData("""{ "fhirPathRules": [ { "path": "Patient..", "method": "redact" } ] }""", "Invalid FHIR path Patient..")]
    [InlineData("""{ "fhirPathRules": [ { "path": "Patient.name", "method": "shred" } ] }""", "Failed to anonymize resource. The job will be marked as failed. Anonymization method shred not supported.")]
    [InlineData("""{ "fhirPathRules": [ { "path": "Patient.name", "method": "substitute" } ] }""", "Missing replaceWith value in substitution rule at Patient.name.")]
    [InlineData("""{ "fhirPathRules": [ { "path": "Observation.value", "method": "perturb" } ] }""", "Span value is required in perturb rule at Observation.value.")]
    [InlineData("""{ "fhirPathRules": [ { "path": "Observation.value", "method": "perturb", "span": -1 } ] }""", "Span value is invalid at Observation.value.")]
    [InlineData("""{ "fhirPathRules": [ { "path": "Observation.value", "method": "perturb", "span": 1, "roundTo": 29 } ] }""", "RoundTo value is invalid at Observation.value.")]
    [InlineData("""{ "fhirPathRules": [ { "path": "Observation.value", "method": "perturb", "span": 1, "rangeType": "wide" } ] }""", "RangeType value is invalid at Observation.value.")]
    [InlineData("""{ "fhirPathRules": [ { "path": "Patient.gender", "method": "generalize" } ] }""", "Missing cases in FHIR path rule config.")]
    [InlineData("""{ "fhirPathRules": [ { "path": "Patient.gender", "method": "generalize", "cases": { "$this = (": "'x'" } } ] }""", "Invalid cases expression [$this = (, 'x']")]
    [InlineData("""{ "fhirPathRules": [ { "path": "Patient.gender", "method": "generalize", "cases": { "true": "'x'" }, "otherValues": "drop" } ] }""", "OtherValues setting is invalid at Patient.gender.")]
    [InlineData("""{ "fhirPathRules": [ { "path": "Patient.id", "method": "encrypt" } ], "parameters": { "encryptKey": "short" } }""", "Invalid encrypt key size : 40 bits! Please provide key sizes of 128, 192 or 256 bits.")]
    [InlineData("""{ "fhirPathRules": [ { "path": "Patient.id" }, { "path": "Patient..", "method": "redact" } ], "parameters": { "encryptKey": "short" } }""", "Missing path or method in Fhir path rule config.")]
    public async Task A_configuration_that_the_service_refuses_fails_the_job_in_its_words(string config, string reason)
    {
        string name = $"{Guid.NewGuid()}.json";
        await _service.PublishAsync(name, config);

        (await _service.ExportAsync($"?_container=failed&_type=Patient&_anonymizationConfig={name}")).IsFailure(HttpStatusCode.BadRequest, reason);
    }

    [Fact]
    public async Task A_configuration_over_one_MiB_fails_the_job()
    {
        await _service.PublishAsync("large.json", RedactNames + new string(' ', 1 << 20));

        (await _service.ExportAsync("?_container=failed&_anonymizationConfig=large.json"))
            .IsFailure(HttpStatusCode.BadRequest, "Anonymization configuration is too large > 1MB.");
    }

    private static void FailsOf(string reason, Answer answer)
    {
        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        string diagnostics = answer.Json.GetProperty("issue")[0].GetProperty("diagnostics").GetString()!;
        Assert.StartsWith("export operation failed for reason: ", diagnostics);
        Assert.Contains(reason, diagnostics);
    }
}
