using System.Net;

namespace FhirDeid.Tests;

/// <summary>What the real service lacks until somebody sets it up, and data that only one test needs.</summary>
public sealed class SettingTests
{
    [Fact]
    public Task Without_an_export_storage_account_the_kick_off_is_refused() => WithoutAsync(FhirServiceSetting.ExportStorage, async service =>
    {
        (await service.KickOffAsync("$export?_container=research")).IsOutcome(HttpStatusCode.BadRequest, "invalid", "The requested \"export\" operation is not enabled");
        Answer metadata = await service.SendAsync(HttpMethod.Get, "metadata", null, [], []);
        Assert.Empty(metadata.Json.GetProperty("rest")[0].GetProperty("operation").EnumerateArray());
    });

    [Fact]
    public Task Without_de_identification_a_raw_export_runs_and_another_is_refused() => WithoutAsync(FhirServiceSetting.AnonymizedExport, async service =>
    {
        (await service.KickOffAsync("$export?_container=research&_anonymizationConfig=c.json"))
            .IsOutcome(HttpStatusCode.BadRequest, "invalid", "The requested \"anonymized-export\" operation is not enabled");
        Assert.Equal(HttpStatusCode.OK, (await service.ExportAsync("?_container=research&_type=Patient")).Status);
        Answer metadata = await service.SendAsync(HttpMethod.Get, "metadata", null, [], []);
        Assert.DoesNotContain("anonymized-export", metadata.Body);
    });

    [Fact]
    public Task Without_its_storage_account_the_job_fails() => WithoutAsync(FhirServiceSetting.None, async service =>
    {
        Assert.Equal(HttpStatusCode.OK, (await service.ArmAsync(HttpMethod.Delete, service.Emulator.StorageAccountId, "2023-05-01")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await service.ArmAsync(HttpMethod.Delete, service.Emulator.StorageAccountId, "2023-05-01")).Status);

        (await service.ArmAsync(HttpMethod.Get, service.Emulator.StorageAccountId, "2023-05-01")).IsError(404, "ResourceNotFound");
        (await service.ExportAsync("?_container=research")).IsFailure(HttpStatusCode.NotFound, "The storage account not found.");
    });

    [Fact]
    public Task Without_a_managed_identity_the_job_fails() => WithoutAsync(FhirServiceSetting.Identity | FhirServiceSetting.BlobRole, async service =>
        (await service.ExportAsync("?_container=research&_type=Patient")).IsFailure(HttpStatusCode.Forbidden, "Unable to get access token for storage account."));

    [Fact]
    public Task Without_the_role_on_the_storage_account_the_job_fails() => WithoutAsync(FhirServiceSetting.BlobRole, async service =>
    {
        Answer answer = await service.ExportAsync("?_container=research&_type=Patient");

        Assert.Equal(HttpStatusCode.Forbidden, answer.Status);
        string diagnostics = answer.Json.GetProperty("issue")[0].GetProperty("diagnostics").GetString()!;
        Assert.StartsWith("export operation failed for reason: This request is not authorized to perform this operation using this permission.", diagnostics);
        Assert.Contains("ErrorCode: AuthorizationPermissionMismatch", diagnostics);
    });

    [Fact]
    public Task Without_the_container_of_configurations_the_job_fails() => WithoutAsync(FhirServiceSetting.None, async service =>
        (await service.ExportAsync("?_container=research&_type=Patient&_anonymizationConfig=c.json"))
            .IsFailure(HttpStatusCode.BadRequest, "Anonymization container not found on the destination storage."));

    [Fact]
    public async Task A_file_that_has_grown_beyond_64_MiB_is_followed_by_another()
    {
        using TestFolder data = new();
        string line = "{\"resourceType\":\"Basic\",\"id\":\"b\",\"language\":\"" + new string('x', 1 << 20) + "\"}";
        data.Write("Basic.ndjson", string.Join('\n', Enumerable.Repeat(line, 70)));

        await WithAsync(new FhirDeidEmulatorOptions { DataPath = data.FullName }, async service =>
        {
            Answer answer = await service.ExportAsync("?_container=research");

            Assert.Equal([64, 6], answer.Output.Select(file => file.GetProperty("count").GetInt32()));
            Assert.Matches("/Basic-[0-9]+-1.ndjson$", answer.Output[0].GetProperty("url").GetString()!);
            Assert.Equal(answer.Output[0].GetProperty("url").GetString()!.Replace("-1.ndjson", "-2.ndjson"), answer.Output[1].GetProperty("url").GetString());
        });
    }

    [Fact]
    public async Task A_resource_that_cannot_be_de_identified_fails_the_job_without_being_quoted()
    {
        using TestFolder data = new();
        data.Write("Patient.ndjson", """{"resourceType":"Patient","id":"p","name":"Secret"}""");

        await WithAsync(new FhirDeidEmulatorOptions { DataPath = data.FullName }, async service =>
        {
            await service.PublishAsync("c.json", """{ "fhirVersion": "R4", "fhirPathRules": [ { "path": "Patient.name", "method": "redact" } ] }""");
            Answer answer = await service.ExportAsync("?_container=research&_anonymizationConfig=c.json");

            Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
            string diagnostics = answer.Json.GetProperty("issue")[0].GetProperty("diagnostics").GetString()!;
            Assert.StartsWith("export operation failed for reason: Failed to anonymize resource. The job will be marked as failed. ", diagnostics);
            Assert.DoesNotContain("Secret", diagnostics);
        });
    }

    [Fact]
    public Task Ranges_that_are_too_large_for_memory_fail_the_job_and_smaller_ones_do_not() => WithAsync(["--patients", "3", "--memory", "2"], async service =>
    {
        (await service.ExportAsync("?_container=research&_type=Patient")).IsFailure(HttpStatusCode.RequestEntityTooLarge,
            "The FHIR Server ran out of memory while processing an export job. Please use the _maxCount parameter when requesting an export job to reduce the number of resources exported at one time. The count used in this job was 10000");
        Assert.Equal(HttpStatusCode.OK, (await service.ExportAsync("?_container=research&_type=Patient&_maxCount=2")).Status);
    });

    private static async Task WithAsync(string[] arguments, Func<Service, Task> test)
    {
        using TestFolder temporary = new();
        using EmulatorProcess process = new(temporary.FullName, arguments);
        using Service service = new(await process.ReadyAsync());
        await test(service);
    }

    private static Task WithoutAsync(FhirServiceSetting setting, Func<Service, Task> test) =>
        WithAsync(new FhirDeidEmulatorOptions { PatientCount = 1, Without = setting }, test);

    private static async Task WithAsync(FhirDeidEmulatorOptions options, Func<Service, Task> test)
    {
        using Service service = await Service.StartAsync(options);
        try
        {
            await test(service);
        }
        finally
        {
            await service.StopAsync();
        }
    }
}
