using System.Net;
using System.Text.Json.Nodes;

namespace FhirDeid.Tests;

/// <summary>The resource manager: what is there, and what it does not answer.</summary>
public sealed class ResourceManagerTests(SharedEmulator shared)
{
    private readonly Service _service = shared.Service;

    private string Subscription => "/subscriptions/" + _service.Emulator.SubscriptionId;

    private string Group => $"{Subscription}/resourceGroups/{_service.Emulator.ResourceGroupName}";

    [Fact]
    public async Task A_FHIR_service_says_how_it_is_set()
    {
        ArmAnswer answer = await _service.ArmAsync(HttpMethod.Get, _service.Emulator.ResourceId);

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal(_service.Emulator.ResourceId, (string?)answer.Json["id"]);
        Assert.Equal("fhir-R4", (string?)answer.Json["kind"]);
        Assert.Equal("SystemAssigned", (string?)answer.Json["identity"]!["type"]);
        Assert.True(Guid.TryParse((string?)answer.Json["identity"]!["principalId"], out _));
        Assert.Equal((string?)answer.Json["etag"], answer.Headers["ETag"]);
        Assert.NotNull(answer.Json["systemData"]!["lastModifiedAt"]);
        Assert.Equal("lab", (string?)answer.Json["tags"]!["owner"]);
        JsonNode properties = answer.Json["properties"]!;
        Assert.Equal("Succeeded", (string?)properties["provisioningState"]);
        Assert.Equal(_service.Audience, (string?)properties["authenticationConfiguration"]!["audience"]);
        Assert.Equal(_service.Emulator.StorageAccountName, (string?)properties["exportConfiguration"]!["storageAccountName"]);
        Assert.Equal("custom", (string?)properties["fhirDeidFutureConfiguration"]!["mode"]);
    }

    [Fact]
    public async Task An_older_api_version_does_not_show_newer_properties()
    {
        ArmAnswer answer = await _service.ArmAsync(HttpMethod.Get, _service.Emulator.ResourceId, "2022-05-15");

        Assert.False(answer.Json["properties"]!.AsObject().ContainsKey("fhirDeidFutureConfiguration"));
    }

    [Fact]
    public async Task Names_in_a_path_are_of_any_case()
    {
        ArmAnswer answer = await _service.ArmAsync(HttpMethod.Get, _service.Emulator.ResourceId.ToUpperInvariant());

        Assert.Equal(_service.Emulator.ResourceId, (string?)answer.Json["id"]);
    }

    [Fact]
    public async Task The_storage_account_says_where_its_blobs_are()
    {
        ArmAnswer answer = await _service.ArmAsync(HttpMethod.Get, _service.Emulator.StorageAccountId, "2023-05-01");

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal(_service.Emulator.StorageAccountId, (string?)answer.Json["id"]);
        Assert.Equal($"{_service.Emulator.BlobEndpoint}/", (string?)answer.Json["properties"]!["primaryEndpoints"]!["blob"]);
        Assert.Equal("Allow", (string?)answer.Json["properties"]!["networkAcls"]!["defaultAction"]);
        Assert.False((bool?)answer.Json["properties"]!["allowSharedKeyAccess"]);
    }

    [Fact]
    public async Task Lists_come_in_pages()
    {
        Assert.Equal(["FhirDeid lab", "FhirDeid elsewhere"], (await _service.ArmListAsync("/subscriptions", "2022-12-01")).Select(item => (string?)item["displayName"]));
        string elsewhere = (string)(await _service.ArmListAsync("/subscriptions", "2022-12-01"))[1]["id"]!;

        Assert.Equal([_service.Emulator.ResourceGroupName], await NamesAsync($"{Subscription}/resourceGroups", "2021-04-01"));
        Assert.Equal([_service.Emulator.WorkspaceName], await NamesAsync($"{Subscription}/providers/Microsoft.HealthcareApis/workspaces"));
        Assert.Equal([_service.Emulator.WorkspaceName], await NamesAsync($"{Group}/providers/Microsoft.HealthcareApis/workspaces"));
        Assert.Equal([$"{_service.Emulator.WorkspaceName}/{_service.Emulator.FhirServiceName}"], await NamesAsync($"{Group}/providers/Microsoft.HealthcareApis/workspaces/{_service.Emulator.WorkspaceName}/fhirservices"));
        Assert.Equal(["fhirdeidemulator", "fhirdeidfirewall"], await NamesAsync($"{Subscription}/providers/Microsoft.Storage/storageAccounts", "2023-05-01"));
        Assert.Equal(["fhirdeidelsewhere"], await NamesAsync($"{elsewhere}/providers/Microsoft.Storage/storageAccounts", "2023-05-01"));
        List<JsonNode> services = await _service.ArmListAsync($"{elsewhere}/resourceGroups/elsewhere/providers/Microsoft.HealthcareApis/workspaces/two/fhirservices");
        Assert.Equal(["fhir-R4", "fhir-Stu3"], services.Select(item => (string?)item["kind"]));
    }

    [Theory]
    [InlineData(null, 400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")]
    [InlineData("2050-01-01", 400, "InvalidApiVersionParameter", null)]
    [InlineData("2022-04-01", 400, "InvalidApiVersionParameter", null)]
    public async Task An_api_version_is_needed(string? version, int status, string code, string? message)
    {
        ArmAnswer answer = await _service.ArmAsync(HttpMethod.Get, _service.Emulator.ResourceId, version);

        answer.IsError(status, code, message);
        if (version is not null) Assert.Contains("2024-03-31,2024-03-01,2023-12-01", answer.Body);
    }

    [Theory]
    [InlineData("2021-11-01")]
    [InlineData("2022-05-15")]
    [InlineData("2022-12-01")]
    [InlineData("2023-02-28")]
    [InlineData("2023-09-06")]
    [InlineData("2023-11-01")]
    [InlineData("2023-12-01")]
    [InlineData("2024-03-01")]
    [InlineData("2024-03-31")]
    public async Task Every_api_version_that_is_generally_available_is_taken(string version) =>
        Assert.Equal(HttpStatusCode.OK, (await _service.ArmAsync(HttpMethod.Get, _service.Emulator.ResourceId, version)).Status);

    [Theory]
    [InlineData("/subscriptions/11111111-2222-3333-4444-555555555555", "SubscriptionNotFound", "The subscription '11111111-2222-3333-4444-555555555555' could not be found.", 404)]
    [InlineData("/subscriptions/mine", "InvalidSubscriptionId", "The provided subscription identifier 'mine' is malformed or invalid.", 400)]
    [InlineData("{s}/resourceGroups/gone", "ResourceGroupNotFound", "Resource group 'gone' could not be found.", 404)]
    [InlineData("{s}/resourceGroups/gone/providers/Microsoft.HealthcareApis/workspaces/lab/fhirservices/fhir", "ResourceGroupNotFound", "Resource group 'gone' could not be found.", 404)]
    [InlineData("{g}/providers/Microsoft.HealthcareApis/workspaces/gone", "ResourceNotFound", "The Resource 'Microsoft.HealthcareApis/workspaces/gone' under resource group 'fhirdeid' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix", 404)]
    [InlineData("{g}/providers/Microsoft.HealthcareApis/workspaces/gone/fhirservices", "ParentResourceNotFound", null, 404)]
    [InlineData("{g}/providers/Microsoft.HealthcareApis/workspaces/lab/fhirservices/gone", "ResourceNotFound", "The Resource 'Microsoft.HealthcareApis/workspaces/lab/fhirservices/gone' under resource group 'fhirdeid' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix", 404)]
    [InlineData("{g}/providers/Microsoft.HealthcareApis/workspaces/gone/fhirservices/fhir", "ResourceNotFound", null, 404)]
    [InlineData("{g}/providers/Microsoft.Storage/storageAccounts/fhirdeidelsewhere", "ResourceNotFound", "The Resource 'Microsoft.Storage/storageAccounts/fhirdeidelsewhere' under resource group 'fhirdeid' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix", 404)]
    [InlineData("{s}/providers/Microsoft.HealthcareApis/locations/westeurope/operationresults/gone", "OperationNotFound", null, 404)]
    [InlineData("{g}/providers/Microsoft.Compute/virtualMachines/vm", "InvalidResourceNamespace", null, 404)]
    [InlineData("{g}/providers/Microsoft.Storage/storageAccounts/gone/providers/Microsoft.Authorization/roleAssignments", "ResourceNotFound", null, 404)]
    [InlineData("{s}/resourceGroups/gone/providers/Microsoft.Authorization/roleAssignments", "ResourceGroupNotFound", null, 404)]
    public async Task What_is_not_there_is_not_found(string path, string code, string? message, int status)
    {
        string version = path.Contains("Authorization", StringComparison.Ordinal) ? "2022-04-01" : path.Contains("Storage", StringComparison.Ordinal) ? "2023-05-01"
            : path.Contains("Healthcare", StringComparison.Ordinal) ? "2024-03-31" : "2021-04-01";

        (await _service.ArmAsync(HttpMethod.Get, path.Replace("{s}", Subscription, StringComparison.Ordinal).Replace("{g}", Group, StringComparison.Ordinal), version))
            .IsError(status, code, message);
    }

    [Theory]
    [InlineData("https://management.azure.com", 3600, null)]
    [InlineData("https://management.azure.com/", 3600, null)]
    [InlineData("https://management.core.windows.net/", 3600, null)]
    [InlineData("https://storage.azure.com", 3600, "InvalidAuthenticationTokenAudience")]
    [InlineData(null, 3600, "InvalidAuthenticationTokenAudience")]
    [InlineData("https://management.azure.com", -1, "ExpiredAuthenticationToken")]
    public async Task A_token_is_for_the_resource_manager(string? audience, int lifetimeSeconds, string? code)
    {
        ArmAnswer answer = await _service.ArmAsync(HttpMethod.Get, _service.Emulator.ResourceId, token: await _service.TokenAsync(audience, lifetimeSeconds: lifetimeSeconds));

        if (code is null) Assert.Equal(HttpStatusCode.OK, answer.Status);
        else answer.IsError(401, code);
    }

    [Theory]
    [InlineData("", "AuthenticationFailed")]
    [InlineData("forged", "InvalidAuthenticationToken")]
    public async Task A_token_is_needed(string token, string code)
    {
        ArmAnswer answer = await _service.ArmAsync(HttpMethod.Get, _service.Emulator.ResourceId, apiVersion: null, token: token);

        answer.IsError(401, code);
        Assert.Contains("error=\"invalid_token\"", answer.Headers["WWW-Authenticate"]);
    }

    [Fact]
    public async Task The_FHIR_service_refuses_tokens_of_the_resource_manager() =>
        (await _service.SendAsync(HttpMethod.Get, "_operations/export/1", await _service.TokenAsync("https://management.azure.com"), [], []))
            .IsOutcome(HttpStatusCode.Unauthorized, "login", "Authentication failed.");

    private async Task<IEnumerable<string?>> NamesAsync(string path, string apiVersion = "2024-03-31") =>
        (await _service.ArmListAsync(path, apiVersion)).Select(item => (string?)item["name"]);
}
