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
    public async Task A_configuration_without_rules_fails_the_job()
    {
        await _service.PublishAsync("no-rules.json", """{ "fhirVersion": "R4" }""");

        FailsOf("fhirPathRules", await _service.ExportAsync("?_container=failed&_anonymizationConfig=no-rules.json"));
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
