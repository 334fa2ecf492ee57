using System.Net;
using System.Text.Json.Nodes;

namespace FhirDeid.Tests;

/// <summary>How the settings of the FHIR service are changed, where every change is done at once.</summary>
public sealed class ServiceSettingsTests(ServiceSettingsTests.Emulator emulator) : IClassFixture<ServiceSettingsTests.Emulator>
{
    private const string UserIdentity = "/subscriptions/11111111-2222-3333-4444-555555555555/resourcegroups/x/providers/Microsoft.ManagedIdentity/userAssignedIdentities/";

    private readonly Service _service = emulator.Service;

    [Fact]
    public async Task What_a_PUT_returns_as_it_was_stays()
    {
        JsonObject before = await ReadAsync();
        ArmAnswer answer = await PutAsync(before);

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        JsonObject after = await ReadAsync();
        Assert.NotEqual((string?)before["etag"], (string?)after["etag"]);
        foreach (string changing in (string[])["etag", "systemData"])
        {
            before.Remove(changing);
            after.Remove(changing);
        }

        Assert.True(JsonNode.DeepEquals(before, after), $"{before}\n{after}");
    }

    [Fact]
    public async Task What_a_PUT_leaves_out_goes_back_to_its_default()
    {
        ArmAnswer answer = await PutAsync(new JsonObject { ["location"] = "West Europe", ["kind"] = "fhir-R4" });

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        JsonObject after = await ReadAsync();
        Assert.Empty(after["tags"]!.AsObject());
        Assert.Equal("""{"type":"None"}""", after["identity"]!.ToJsonString());
        JsonObject properties = after["properties"]!.AsObject();
        Assert.False(properties.ContainsKey("fhirDeidFutureConfiguration"));
        Assert.Empty(properties["exportConfiguration"]!.AsObject());
        Assert.Empty(properties["corsConfiguration"]!["origins"]!.AsArray());
        Assert.False((bool?)properties["implementationGuidesConfiguration"]!["usCoreMissingData"]);
        Assert.Empty(properties["resourceVersionPolicyConfiguration"]!["resourceTypeOverrides"]!.AsObject());
        Assert.Equal(_service.Audience, (string?)properties["authenticationConfiguration"]!["audience"]);
    }

    [Theory]
    [InlineData("""{"kind":"fhir-R4"}""", 400, "LocationRequired")]
    [InlineData("""{"location":"eastus","kind":"fhir-R4"}""", 409, "InvalidResourceLocation")]
    [InlineData("""{"location":"westeurope","kind":"fhir-Stu3"}""", 400, "BadRequest")]
    [InlineData("""{"location":"westeurope"}""", 400, "BadRequest")]
    [InlineData("""{"location":"westeurope","kind":"fhir-R4","properties":{"exportConfiguration":{"storageAccountName":"nowhere"}}}""", 400, "BadRequest")]
    [InlineData("""{"location":"westeurope","kind":"fhir-R4","properties":{"exportConfiguration":{"storageAccountName":"fhirdeidelsewhere"}}}""", 400, "BadRequest")]
    [InlineData("""{"location":"westeurope","kind":"fhir-R4","properties":{"exportConfiguration":"fhirdeidemulator"}}""", 400, "InvalidRequestContent")]
    [InlineData("""{"location":"westeurope","kind":"fhir-R4","properties":[]}""", 400, "InvalidRequestContent")]
    [InlineData("""{"location":"westeurope","kind":"fhir-R4","identity":{"type":"Both"}}""", 400, "InvalidIdentityType")]
    [InlineData("""{"location":"westeurope","kind":"fhir-R4","identity":{"type":"UserAssigned"}}""", 400, "MissingIdentityIds")]
    [InlineData("""{"location":"westeurope","kind":"fhir-R4","identity":{"type":"UserAssigned","userAssignedIdentities":{"mine":{}}}}""", 400, "InvalidIdentityId")]
    [InlineData("""{"location":"westeurope","kind":"fhir-R4","etag":"\"another\""}""", 412, "PreconditionFailed")]
    [InlineData("[]", 400, "InvalidRequestContent")]
    [InlineData("{", 400, "InvalidRequestContent")]
    [InlineData("""{"location":"westeurope","location":"westeurope","kind":"fhir-R4"}""", 400, "InvalidRequestContent")]
    public async Task A_PUT_that_the_service_does_not_take_changes_nothing(string body, int status, string code)
    {
        JsonObject before = await ReadAsync();
        (await _service.ArmAsync(HttpMethod.Put, _service.Emulator.ResourceId, body: body)).IsError(status, code);

        Assert.True(JsonNode.DeepEquals(before, await ReadAsync()));
    }

    [Theory]
    [InlineData("ab", "InvalidResourceName")]
    [InlineData("a-name-of-twenty-five-char", "InvalidResourceName")]
    [InlineData("under_score", "InvalidResourceName")]
    [InlineData("new-service", "NotSupportedByEmulator")]
    public async Task A_PUT_creates_no_service(string name, string code) =>
        (await _service.ArmAsync(HttpMethod.Put, _service.Emulator.ResourceId[..^_service.Emulator.FhirServiceName.Length] + name, body: "{}")).IsError(400, code);

    [Theory]
    [InlineData("""{"properties":{"exportConfiguration":{"storageAccountName":"fhirdeidemulator"}}}""")]
    [InlineData("""{"tags":{},"location":"westeurope"}""")]
    [InlineData("""{"kind":"fhir-R4"}""")]
    public async Task A_PATCH_takes_tags_and_identity_alone(string body)
    {
        JsonObject before = await ReadAsync();
        (await _service.ArmAsync(HttpMethod.Patch, _service.Emulator.ResourceId, body: body)).IsError(400, "InvalidRequestContent");

        Assert.True(JsonNode.DeepEquals(before, await ReadAsync()));
    }

    [Fact]
    public async Task A_change_by_an_old_etag_is_refused()
    {
        JsonObject old = await ReadAsync();
        string etag = (string)old["etag"]!;
        Assert.Equal(HttpStatusCode.OK, (await PatchAsync("""{"tags":{"a":"b"}}""", etag)).Status);

        (await PatchAsync("""{"tags":{}}""", etag)).IsError(412, "PreconditionFailed");
        (await PutAsync(old)).IsError(412, "PreconditionFailed");
        old.Remove("etag");
        (await PutAsync(old, etag)).IsError(412, "PreconditionFailed");
        Assert.Equal(HttpStatusCode.OK, (await PutAsync(old, "*")).Status);
    }

    [Fact]
    public async Task An_identity_that_is_turned_off_and_on_again_is_another_one()
    {
        JsonObject first = (await PatchAsync("""{"identity":{"type":"SystemAssigned"}}""")).Json, same = (await PatchAsync("""{"identity":{"type":"SystemAssigned"}}""")).Json;
        Assert.Equal((string?)first["identity"]!["principalId"], (string?)same["identity"]!["principalId"]);
        Assert.NotNull(first["identity"]!["tenantId"]);

        Assert.Null((await PatchAsync("""{"identity":{"type":"None"}}""")).Json["identity"]!["principalId"]);
        Assert.NotEqual((string?)first["identity"]!["principalId"], (string?)(await PatchAsync("""{"identity":{"type":"SystemAssigned"}}""")).Json["identity"]!["principalId"]);
    }

    [Fact]
    public async Task User_assigned_identities_stay_until_they_are_taken_away()
    {
        const string One = UserIdentity + "one", Two = UserIdentity + "two";
        JsonNode identity = (await PatchAsync($$"""{"identity":{"type":"UserAssigned","userAssignedIdentities":{"{{One}}":{},"{{Two}}":{} } } }""")).Json["identity"]!;
        string? principal = (string?)identity["userAssignedIdentities"]![One]!["principalId"];
        Assert.Equal("UserAssigned", (string?)identity["type"]);
        Assert.Null(identity["principalId"]);

        identity = (await PatchAsync("""{"identity":{"type":"SystemAssigned, UserAssigned"}}""")).Json["identity"]!;
        Assert.Equal("SystemAssigned,UserAssigned", (string?)identity["type"]);
        Assert.NotNull(identity["principalId"]);
        Assert.Equal(principal, (string?)identity["userAssignedIdentities"]![One]!["principalId"]);

        identity = (await PatchAsync($$"""{"identity":{"type":"SystemAssigned,UserAssigned","userAssignedIdentities":{"{{Two}}":null} } }""")).Json["identity"]!;
        Assert.Equal([One], identity["userAssignedIdentities"]!.AsObject().Select(member => member.Key));

        JsonObject body = await ReadAsync();
        Assert.Equal(HttpStatusCode.OK, (await PutAsync(body)).Status);
        Assert.Equal(principal, (string?)(await ReadAsync())["identity"]!["userAssignedIdentities"]![One]!["principalId"]);

        identity = (await PatchAsync("""{"identity":{"type":"SystemAssigned"}}""")).Json["identity"]!;
        Assert.False(identity.AsObject().ContainsKey("userAssignedIdentities"));
    }

    [Fact]
    public async Task The_export_works_by_the_settings()
    {
        await PutSettingsAsync("None", null);
        (await _service.KickOffAsync("$export?_container=settings")).IsOutcome(HttpStatusCode.BadRequest, "invalid", "The requested \"export\" operation is not enabled");

        await PutSettingsAsync("None", "fhirdeidemulator");
        (await _service.ExportAsync("?_container=settings")).IsFailure(HttpStatusCode.Forbidden, "Unable to get access token for storage account.");

        await PutSettingsAsync("SystemAssigned", "fhirdeidemulator");
        ForbiddenBy("AuthorizationPermissionMismatch", await _service.ExportAsync("?_container=settings"));

        string principal = (string)(await ReadAsync())["identity"]!["principalId"]!;
        Assert.Equal(HttpStatusCode.Created, (await AssignAsync(_service.Emulator.StorageAccountId, principal)).Status);
        Assert.Equal(HttpStatusCode.OK, (await _service.ExportAsync("?_container=settings")).Status);

        // Another identity: the role of the former one is of no use to it.
        await PutSettingsAsync("None", "fhirdeidemulator");
        await PutSettingsAsync("SystemAssigned", "fhirdeidemulator");
        ForbiddenBy("AuthorizationPermissionMismatch", await _service.ExportAsync("?_container=settings"));

        // A role above the account counts, one below it does not.
        principal = (string)(await ReadAsync())["identity"]!["principalId"]!;
        await AssignAsync($"{_service.Emulator.StorageAccountId}/blobServices/default/containers/settings", principal);
        ForbiddenBy("AuthorizationPermissionMismatch", await _service.ExportAsync("?_container=settings"));
        await AssignAsync($"/subscriptions/{_service.Emulator.SubscriptionId}", principal);
        Assert.Equal(HttpStatusCode.OK, (await _service.ExportAsync("?_container=settings")).Status);
    }

    [Fact]
    public async Task A_user_assigned_identity_alone_does_not_export()
    {
        await PatchAsync($$"""{"identity":{"type":"UserAssigned","userAssignedIdentities":{"{{UserIdentity}}one":{} } } }""");
        JsonObject body = await ReadAsync();
        body["properties"]!["exportConfiguration"]!["storageAccountName"] = "fhirdeidemulator";
        await PutAsync(body);

        (await _service.ExportAsync("?_container=settings")).IsFailure(HttpStatusCode.Forbidden, "Unable to get access token for storage account.");
    }

    [Fact]
    public async Task An_account_behind_a_firewall_lets_the_service_in_by_a_resource_rule()
    {
        string firewall = _service.Emulator.StorageAccountId.Replace("fhirdeidemulator", "fhirdeidfirewall", StringComparison.Ordinal);
        await PutSettingsAsync("SystemAssigned", "fhirdeidfirewall");
        await AssignAsync(firewall, (string)(await ReadAsync())["identity"]!["principalId"]!);
        ForbiddenBy("AuthorizationFailure", await _service.ExportAsync("?_container=settings"));

        ArmAnswer patched = await _service.ArmAsync(HttpMethod.Patch, firewall, "2023-05-01",
            $$"""{"properties":{"networkAcls":{"defaultAction":"Deny","resourceAccessRules":[{"tenantId":"t","resourceId":"{{_service.Emulator.ResourceId.ToLowerInvariant()}}"}]} } }""");
        Assert.Equal("AzureServices", (string?)patched.Json["properties"]!["networkAcls"]!["bypass"]);
        Answer answer = await _service.ExportAsync("?_container=settings&_type=Patient");

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Contains("/fhirdeidfirewall/settings/", answer.Output[0].GetProperty("url").GetString());
        (await _service.ArmAsync(HttpMethod.Patch, firewall, "2023-05-01", """{"properties":{"allowSharedKeyAccess":true}}""")).IsError(400, "InvalidRequestContent");
    }

    [Fact]
    public async Task An_account_is_opened_by_the_addresses_of_its_region_and_closed_by_public_network_access()
    {
        string firewall = _service.Emulator.StorageAccountId.Replace("fhirdeidemulator", "fhirdeidfirewall", StringComparison.Ordinal);
        await PutSettingsAsync("SystemAssigned", "fhirdeidfirewall");
        await AssignAsync(firewall, (string)(await ReadAsync())["identity"]!["principalId"]!);

        await AllowAsync("""{"networkAcls":{"defaultAction":"Deny","resourceAccessRules":[],"ipRules":[{"value":"203.0.113.7"}]}}""");
        ForbiddenBy("AuthorizationFailure", await _service.ExportAsync("?_container=settings"));
        await AllowAsync("""{"networkAcls":{"ipRules":[{"value":"203.0.113.7"},{"value":"100.64.0.0/10"}]}}""");
        Assert.Equal(HttpStatusCode.OK, (await _service.ExportAsync("?_container=settings")).Status);
        await AllowAsync("""{"publicNetworkAccess":"Disabled"}""");
        ForbiddenBy("AuthorizationFailure", await _service.ExportAsync("?_container=settings"));
        await AllowAsync("""{"publicNetworkAccess":"Enabled","networkAcls":{"ipRules":[]}}""");
        (await _service.ArmAsync(HttpMethod.Patch, firewall, "2023-05-01", """{"properties":{"publicNetworkAccess":"Perhaps"}}""")).IsError(400, "InvalidRequestContent");

        async Task AllowAsync(string properties) => Assert.Equal(HttpStatusCode.OK, (await _service.ArmAsync(HttpMethod.Patch, firewall, "2023-05-01", $$"""{"properties":{{properties}}}""")).Status);
    }

    [Fact]
    public async Task Tokens_are_for_the_audience_that_is_set()
    {
        JsonObject body = await ReadAsync();
        body["properties"]!["authenticationConfiguration"]!["audience"] = "https://fhir.example.org/";
        await PutAsync(body);

        Assert.Equal(HttpStatusCode.NotFound, (await _service.SendAsync(HttpMethod.Get, "_operations/export/0", await _service.TokenAsync("https://fhir.example.org"), [], [])).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await _service.RequestTokenAsync(("grant_type", "client_credentials"), ("client_id", "test"), ("scope", _service.Audience + "/.default"))).StatusCode);

        body = await ReadAsync();
        body["properties"]!["authenticationConfiguration"]!.AsObject().Remove("audience");
        await PutAsync(body);
        Assert.Equal(HttpStatusCode.NotFound, (await _service.GetAsync("_operations/export/0")).Status);
    }

    [Fact]
    public async Task A_configuration_in_a_registry_that_is_registered_is_asked_for_there()
    {
        const string Query = "$export?_container=settings&_anonymizationConfig=c.json&_anonymizationConfigCollectionReference=x.azurecr.io/i:t";
        await PutSettingsAsync("SystemAssigned", "fhirdeidemulator");
        await AssignAsync(_service.Emulator.StorageAccountId, (string)(await ReadAsync())["identity"]!["principalId"]!);
        (await _service.KickOffAsync(Query)).IsOutcome(HttpStatusCode.BadRequest, "invalid", "The configuration collection reference 'x.azurecr.io/i:t' is not configured.");

        JsonObject body = await ReadAsync();
        body["properties"]!["acrConfiguration"] = new JsonObject { ["loginServers"] = new JsonArray("x.azurecr.io") };
        await PutAsync(body);
        (await _service.PollAsync(await _service.KickOffAsync(Query))).IsFailure(HttpStatusCode.BadRequest, "Failed to access container registry 'x.azurecr.io', please check your configuration.");
    }

    private static void ForbiddenBy(string errorCode, Answer answer)
    {
        Assert.Equal(HttpStatusCode.Forbidden, answer.Status);
        Assert.StartsWith("export operation failed for reason: This request is not authorized to perform this operation", answer.Json.GetProperty("issue")[0].GetProperty("diagnostics").GetString());
        Assert.Contains($"ErrorCode: {errorCode}", answer.Json.GetProperty("issue")[0].GetProperty("diagnostics").GetString());
    }

    private async Task<JsonObject> ReadAsync() => (await _service.ArmAsync(HttpMethod.Get, _service.Emulator.ResourceId)).Json;

    private Task<ArmAnswer> PutAsync(JsonObject body, string? ifMatch = null) =>
        _service.ArmAsync(HttpMethod.Put, _service.Emulator.ResourceId, body: body.ToJsonString(), ifMatch: ifMatch);

    private Task<ArmAnswer> PatchAsync(string body, string? ifMatch = null) => _service.ArmAsync(HttpMethod.Patch, _service.Emulator.ResourceId, body: body, ifMatch: ifMatch);

    private async Task PutSettingsAsync(string identity, string? account) => Assert.Equal(HttpStatusCode.OK, (await PutAsync(new JsonObject
    {
        ["location"] = "westeurope",
        ["kind"] = "fhir-R4",
        ["identity"] = new JsonObject { ["type"] = identity },
        ["properties"] = new JsonObject { ["exportConfiguration"] = new JsonObject { ["storageAccountName"] = account } },
    })).Status);

    private Task<ArmAnswer> AssignAsync(string scope, string principal) => _service.ArmAsync(HttpMethod.Put,
        $"{scope}/providers/Microsoft.Authorization/roleAssignments/{Guid.NewGuid()}", "2022-04-01",
        $$"""{"properties":{"roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe","principalId":"{{principal}}","principalType":"ServicePrincipal"} }""");

    /// <summary>An emulator where nothing takes time.</summary>
    public sealed class Emulator : IAsyncLifetime
    {
        private readonly TestFolder _temporary = new();
        private EmulatorProcess? _process;

        public Service Service { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            _process = new EmulatorProcess(_temporary.FullName, "--patients", "1", "--update-seconds", "0", "--propagation-seconds", "0");
            Service = new Service(await _process.ReadyAsync());
        }

        public async ValueTask DisposeAsync()
        {
            Service.Dispose();
            await _process!.EndAsync();
            _temporary.Dispose();
        }
    }
}
