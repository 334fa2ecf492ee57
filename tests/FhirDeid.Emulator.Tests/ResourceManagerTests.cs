using System.Net;
using System.Text.Json.Nodes;

namespace FhirDeid.Tests;

/// <summary>The resource manager: what nothing changes.</summary>
public sealed class ResourceManagerTests(SharedEmulator shared)
{
    private readonly Service _service = shared.Service;

    [Fact]
    public async Task A_FHIR_service_says_how_it_is_set()
    {
        ArmAnswer answer = await _service.ArmAsync(HttpMethod.Get, _service.Emulator.ResourceId);

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal(_service.Emulator.ResourceId, (string?)answer.Json["id"]);
        Assert.Equal("fhir-R4", (string?)answer.Json["kind"]);
        Assert.Equal("SystemAssigned", (string?)answer.Json["identity"]!["type"]);
        Assert.True(Guid.TryParse((string?)answer.Json["identity"]!["principalId"], out _));
        Assert.NotNull(answer.Json["etag"]);
        JsonNode properties = answer.Json["properties"]!;
        Assert.Equal("Succeeded", (string?)properties["provisioningState"]);
        Assert.Equal(_service.Audience, (string?)properties["authenticationConfiguration"]!["audience"]);
        Assert.Equal(_service.Emulator.StorageAccountName, (string?)properties["exportConfiguration"]!["storageAccountName"]);
    }

    [Fact]
    public async Task The_storage_account_says_where_its_blobs_are()
    {
        ArmAnswer answer = await _service.ArmAsync(HttpMethod.Get, _service.Emulator.StorageAccountId, "2023-05-01");

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal($"{_service.Emulator.BlobEndpoint}/", (string?)answer.Json["properties"]!["primaryEndpoints"]!["blob"]);
    }
}
