using System.Net;
using System.Text.Json.Nodes;

namespace FhirDeid.Tests;

/// <summary>Changes that take time.</summary>
public sealed class LongOperationTests : IDisposable
{
    private readonly TestFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public async Task A_change_is_running_until_it_has_succeeded()
    {
        using EmulatorProcess process = new(_temporary.FullName, "--patients", "1");
        using Service service = new(await process.ReadyAsync());
        ArmAnswer answer = await service.ArmAsync(HttpMethod.Patch, service.Emulator.ResourceId, body: """{"tags":{"a":"b"}}""");

        Assert.Equal(HttpStatusCode.Accepted, answer.Status);
        Assert.Equal(answer.Headers["Azure-AsyncOperation"], answer.Headers["Location"]);
        Assert.Equal("1", answer.Headers["Retry-After"]);
        ArmAnswer operation = await EndAsync(service, answer);

        Assert.Equal((HttpStatusCode.OK, "Succeeded"), (operation.Status, (string?)operation.Json["status"]));
        ArmAnswer after = await service.ArmAsync(HttpMethod.Get, service.Emulator.ResourceId);
        Assert.Equal("Succeeded", (string?)after.Json["properties"]!["provisioningState"]);
        Assert.Equal("b", (string?)after.Json["tags"]!["a"]);
    }

    [Fact]
    public async Task While_a_change_runs_no_other_begins_and_the_service_works_as_before()
    {
        using EmulatorProcess process = new(_temporary.FullName, "--patients", "1", "--update-seconds", "3600", "--propagation-seconds", "3600");
        using Service service = new(await process.ReadyAsync());
        JsonObject body = (await service.ArmAsync(HttpMethod.Get, service.Emulator.ResourceId)).Json;
        body["properties"]!["exportConfiguration"] = new JsonObject();
        body["identity"] = new JsonObject { ["type"] = "None" };
        ArmAnswer answer = await service.ArmAsync(HttpMethod.Put, service.Emulator.ResourceId, body: body.ToJsonString());

        Assert.Equal(HttpStatusCode.Accepted, answer.Status);
        Assert.Equal("Updating", (string?)answer.Json["properties"]!["provisioningState"]);
        Assert.Equal("Updating", (string?)(await service.ArmAsync(HttpMethod.Get, service.Emulator.ResourceId)).Json["properties"]!["provisioningState"]);
        ArmAnswer operation = await service.ArmAsync(HttpMethod.Get, answer.Headers["Location"]);
        Assert.Equal((HttpStatusCode.Accepted, "Running"), (operation.Status, (string?)operation.Json["status"]));
        Assert.Equal("1", operation.Headers["Retry-After"]);
        body.Remove("etag");
        (await service.ArmAsync(HttpMethod.Put, service.Emulator.ResourceId, body: body.ToJsonString())).IsError(409, "Conflict");
        (await service.ArmAsync(HttpMethod.Patch, service.Emulator.ResourceId, body: """{"tags":{}}""")).IsError(409, "Conflict");
        Assert.Equal(HttpStatusCode.OK, (await service.ExportAsync("?_container=before")).Status);
    }

    [Fact]
    public async Task A_change_that_fails_says_so_and_leaves_the_settings_as_they_were()
    {
        using EmulatorProcess process = new(_temporary.FullName, "--patients", "1", "--without", "Identity", "--failing-updates", "1");
        using Service service = new(await process.ReadyAsync());
        ArmAnswer answer = await service.ArmAsync(HttpMethod.Patch, service.Emulator.ResourceId, body: """{"identity":{"type":"SystemAssigned"}}""");

        ArmAnswer operation = await EndAsync(service, answer);
        Assert.Equal((HttpStatusCode.OK, "Failed", "InternalServerError"), (operation.Status, (string?)operation.Json["status"], (string?)operation.Json["error"]!["code"]));
        ArmAnswer after = await service.ArmAsync(HttpMethod.Get, service.Emulator.ResourceId);
        Assert.Equal(("Failed", "None"), ((string?)after.Json["properties"]!["provisioningState"], (string?)after.Json["identity"]!["type"]));

        await EndAsync(service, await service.ArmAsync(HttpMethod.Patch, service.Emulator.ResourceId, body: """{"identity":{"type":"SystemAssigned"}}"""));
        after = await service.ArmAsync(HttpMethod.Get, service.Emulator.ResourceId);
        Assert.Equal(("Succeeded", "SystemAssigned"), ((string?)after.Json["properties"]!["provisioningState"], (string?)after.Json["identity"]!["type"]));
    }

    [Fact]
    public async Task A_client_is_told_of_a_change_that_failed_and_goes_on_by_the_same_call()
    {
        using EmulatorProcess process = new(_temporary.FullName, "--patients", "1", "--without", "Identity,ExportStorage", "--failing-updates", "1");
        FhirDeidEmulator emulator = await process.ReadyAsync();
        FhirDeidConnectionOptions options = new() { Credential = FhirDeidCredential.Emulator, Emulator = emulator, ResourceId = emulator.ResourceId };
        IControlPlane setup = (await new Cloud.CloudEngine().ConnectAsync(options, TestContext.Current.CancellationToken)).ControlPlane;

        FhirDeidException failed = await Assert.ThrowsAsync<FhirDeidException>(EnableAsync);
        Assert.Equal("FhirDeid.UpdateFailed", failed.ErrorId);
        Assert.Contains("The operation could not be completed.", failed.Message);

        // The second call begins an update, and a third one waits for it.
        FhirServiceIdentity[] on = await Task.WhenAll(EnableAsync(), EnableAsync());
        Assert.All(on, identity => Assert.Equal(("SystemAssigned", "Succeeded"), (identity.Type, identity.ProvisioningState)));
        Assert.Equal(on[0].ObjectId, on[1].ObjectId);
        FhirExportStorage storage = await setup.FindStorageAsync(emulator.StorageAccountName, TestContext.Current.CancellationToken);
        Assert.Single((await setup.SetExportStorageAsync(storage, TimeSpan.FromMinutes(5), new Progress<FhirDeidProgress>(), TestContext.Current.CancellationToken)).Changes);

        Task<FhirServiceIdentity> EnableAsync() => setup.EnableIdentityAsync(TimeSpan.FromMinutes(5), new Progress<FhirDeidProgress>(), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_new_identity_is_not_known_and_its_role_does_not_count_for_a_while()
    {
        using EmulatorProcess process = new(_temporary.FullName, "--patients", "1", "--without", "Identity", "--update-seconds", "0", "--propagation-seconds", "3600");
        using Service service = new(await process.ReadyAsync());
        ArmAnswer patched = await service.ArmAsync(HttpMethod.Patch, service.Emulator.ResourceId, body: """{"identity":{"type":"SystemAssigned"}}""");
        string principal = (string)patched.Json["identity"]!["principalId"]!;

        (await AssignAsync(service, principal, null)).IsError(400, "PrincipalNotFound");
        Assert.Equal(HttpStatusCode.Created, (await AssignAsync(service, principal, "ServicePrincipal")).Status);
        Answer export = await service.ExportAsync("?_container=early");
        Assert.Equal(HttpStatusCode.Forbidden, export.Status);
        Assert.Contains("ErrorCode: AuthorizationPermissionMismatch", export.Body);
    }

    private static async Task<ArmAnswer> EndAsync(Service service, ArmAnswer answer)
    {
        for (DateTime end = DateTime.UtcNow + Service.Patience; ; await Task.Delay(50, TestContext.Current.CancellationToken))
        {
            ArmAnswer operation = await service.ArmAsync(HttpMethod.Get, answer.Headers["Azure-AsyncOperation"]);
            if (operation.Status != HttpStatusCode.Accepted) return operation;
            Assert.True(DateTime.UtcNow < end, "It does not end.");
        }
    }

    private static Task<ArmAnswer> AssignAsync(Service service, string principal, string? type) => service.ArmAsync(HttpMethod.Put,
        $"{service.Emulator.StorageAccountId}/providers/Microsoft.Authorization/roleAssignments/{Guid.NewGuid()}", "2022-04-01", new JsonObject
        {
            ["properties"] = new JsonObject
            {
                ["roleDefinitionId"] = $"/subscriptions/{service.Emulator.SubscriptionId}/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe",
                ["principalId"] = principal,
                ["principalType"] = type,
            },
        }.ToJsonString());
}
