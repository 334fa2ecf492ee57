using System.Net;

namespace FhirDeid.Tests;

/// <summary>What the real service lacks until somebody sets it up.</summary>
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

    private static async Task WithoutAsync(FhirServiceSetting setting, Func<Service, Task> test)
    {
        using Service service = await Service.StartAsync(new FhirDeidEmulatorOptions { PatientCount = 1, Without = setting });
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
