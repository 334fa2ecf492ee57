using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using FhirDeid.Cloud.ResourceManagement;
using Microsoft.AspNetCore.Http;

namespace FhirDeid.Cloud.Tests;

public sealed class ControlPlaneTests : IAsyncLifetime
{
    private const string Subscription = "11111111-2222-3333-4444-555555555555";
    private const string Id = $"/subscriptions/{Subscription}/resourceGroups/rg/providers/Microsoft.HealthcareApis/workspaces/work/fhirservices/fhir";
    private const string Storage = $"/subscriptions/{Subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/{StandIn.Account}";
    private const string Principal = "aaaaaaaa-0000-0000-0000-000000000001";
    private const string BlobRole = "Storage Blob Data Contributor";

    private static readonly FhirRoleAssignment Wanted = new() { ObjectId = Principal, ObjectType = FhirPrincipalType.ServicePrincipal, RoleDefinitionName = BlobRole, Scope = Storage };

    private readonly ConcurrentQueue<string> _progress = new();
    private readonly Dictionary<string, Func<HttpContext, string, Task>> _answers = new(StringComparer.OrdinalIgnoreCase);
    private StandIn _service = null!;
    private JsonObject _resource = null!;

    public async ValueTask InitializeAsync()
    {
        _service = await StandIn.StartAsync();
        _resource = (JsonObject)JsonNode.Parse($$$"""
            {
              "id": "{{{Id}}}", "name": "work/fhir", "type": "Microsoft.HealthcareApis/workspaces/fhirservices", "kind": "fhir-R4", "location": "westeurope",
              "etag": "\"e1\"", "tags": { "über": "mäßig" }, "systemData": { "createdBy": "x" }, "somethingOfLater": { "deep": [1, 1.50, 12345678901234567890, null, "\u2028"] },
              "identity": { "type": "UserAssigned", "principalId": "", "tenantId": "t", "userAssignedIdentities": { "/subscriptions/s/x": { "principalId": "p", "clientId": "c" } } },
              "properties": {
                "provisioningState": "Succeeded", "eventState": "Disabled", "privateEndpointConnections": [{}],
                "authenticationConfiguration": { "authority": "https://login.microsoftonline.com/tenant", "audience": "{{{_service.Fhir.AbsoluteUri}}}" },
                "exportConfiguration": { "storageAccountName": null, "later": true },
                "encryption": { "customerManagedKeyEncryption": { "keyEncryptionKeyUrl": "https://vault/key" } }
              }
            }
            """)!;
        _service.OnResourceManager = (context, body) =>
        {
            string key = $"{context.Request.Method} {context.Request.Path}";
            return _answers.TryGetValue(key, out Func<HttpContext, string, Task>? answer) ? answer(context, body) : Json(404, """{"error":{"code":"ResourceNotFound","message":"No."}}""")(context, body);
        };
        _answers["GET " + Id] = (context, body) => Json(200, _resource.ToJsonString())(context, body);
        _answers[$"GET /subscriptions/{Subscription}/providers/Microsoft.Storage/storageAccounts"] = Json(200, $$"""
            {"value":[{"id":"{{Storage}}","name":"{{StandIn.Account}}","properties":{"primaryEndpoints":{"blob":"{{_service.BlobBase}}/"},"networkAcls":{"defaultAction":"Allow"} } }]}
            """);
        _answers["GET /subscriptions"] = Json(200, $$"""{"value":[{"subscriptionId":"{{Subscription}}","displayName":"Research"},{"subscriptionId":"99999999-2222-3333-4444-555555555555","displayName":"Other"}]}""");
        _answers[$"GET {Storage}/providers/Microsoft.Authorization/roleAssignments"] = Json(200, """{"value":[]}""");
    }

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    [Fact]
    public async Task URL_audience_and_storage_are_read_from_the_resource()
    {
        _resource["properties"]!["exportConfiguration"]!["storageAccountName"] = StandIn.Account;
        FhirDeidConnectionOptions options = Options();
        options.Emulator!.StorageAccountName = "";
        options.Emulator.BlobEndpoint = null;

        FhirDeidContext context = (await _service.ConnectAsync(options)).Context;

        Assert.Equal((Id, Subscription, AzureEnvironment.AzureCloud), (context.ResourceId, context.SubscriptionId, context.Environment));
        Assert.Equal(_service.Fhir.AbsoluteUri.TrimEnd('/'), context.Audience);
        Assert.Equal((StandIn.Account, new Uri(_service.BlobBase)), (context.StorageAccountName, context.BlobEndpoint));
        Assert.Contains(_service.TokenRequests, r => r.Body.Contains(Uri.EscapeDataString("https://management.azure.com/.default"), StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(AzureEnvironment.AzureCloud, "https://work-fhir.fhir.azurehealthcareapis.com/", "https://management.azure.com")]
    [InlineData(AzureEnvironment.AzureUSGovernment, "https://work-fhir.fhir.azurehealthcareapis.us/", "https://management.usgovcloudapi.net")]
    [InlineData(AzureEnvironment.AzureChinaCloud, "https://work-fhir.fhir.azurehealthcareapis.cn/", "https://management.chinacloudapi.cn")]
    public void Each_cloud_has_its_endpoints(AzureEnvironment environment, string service, string resourceManager)
    {
        AzureCloud cloud = AzureCloud.Of(null, environment);

        Assert.Equal((service, resourceManager), (FhirServiceId.Parse(Id).Uri(cloud).AbsoluteUri, cloud.ResourceManagerAudience));
        Assert.Equal(environment, AzureCloud.Of(new Uri(service)).Environment);
    }

    [Fact]
    public async Task The_Az_session_is_asked_for_tokens_of_three_audiences()
    {
        List<string> asked = [];
        FhirDeidConnectionOptions options = Options();
        options.Credential = FhirDeidCredential.Az;
        options.AzToken = (resource, _) =>
        {
            asked.Add(resource);
            return Task.FromResult(ConnectTests.Secret(StandIn.Token(resource, TimeSpan.FromHours(1))));
        };
        IFhirDeidConnection connection = await _service.ConnectAsync(options);
        await connection.PublishConfigAsync(new AnonymizationConfig("{}") { Rules = [new AnonymizationRule { Path = "Patient.name", Method = "redact" }] }, "c.json", false, Cancel);
        await connection.ControlPlane.GetIdentityAsync(Cancel);

        Assert.Equal(["https://management.azure.com", connection.Context.Audience, "https://storage.azure.com"], asked);
        Assert.All(_service.Requests.Where(r => r.Port == _service.ResourceManager.Port), r => Assert.StartsWith("Bearer ", r.Header("Authorization"), StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("fhir")]
    [InlineData("/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.HealthcareApis/services/gen1")]
    [InlineData("/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.HealthcareApis/workspaces/w/fhirservices/f?x=y")]
    public async Task A_resource_id_of_something_else_is_refused(string id)
    {
        await Failure.Of("ResourceIdInvalid", () => _service.ConnectAsync(Options(id)));

        Assert.Empty(_service.Requests);
    }

    [Fact]
    public async Task An_STU3_service_is_refused()
    {
        _resource["kind"] = "fhir-Stu3";

        await Failure.Of("FhirVersionNotSupported", () => _service.ConnectAsync(Options()));
    }

    [Fact]
    public async Task Without_a_resource_id_there_is_no_control_plane()
    {
        IFhirDeidConnection connection = await _service.ConnectAsync();

        FhirDeidException e = await Failure.Of("ResourceIdRequired", () => connection.ControlPlane.GetIdentityAsync(Cancel));

        Assert.Contains("-ResourceId", e.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Setting_the_export_storage_sends_everything_else_back_as_it_was()
    {
        JsonObject? sent = null;
        string? ifMatch = null;
        _answers["PUT " + Id] = (context, body) =>
        {
            (sent, ifMatch) = ((JsonObject)JsonNode.Parse(body)!, context.Request.Headers.IfMatch);
            return Json(200, _resource.ToJsonString())(context, body);
        };
        IControlPlane controlPlane = await ControlPlaneAsync();

        FhirExportStorage set = await controlPlane.SetExportStorageAsync(await controlPlane.FindStorageAsync(StandIn.Account, Cancel), Hour, Progress, Cancel);

        JsonObject expected = _resource.DeepClone().AsObject();
        foreach (string name in (string[])["id", "name", "type", "systemData"]) expected.Remove(name);
        foreach (string name in (string[])["provisioningState", "eventState", "privateEndpointConnections"]) expected["properties"]!.AsObject().Remove(name);
        expected["identity"] = JsonNode.Parse("""{"type":"UserAssigned","userAssignedIdentities":{"/subscriptions/s/x":{}}}""");
        expected["properties"]!["exportConfiguration"]!["storageAccountName"] = StandIn.Account;
        Assert.True(JsonNode.DeepEquals(expected, sent), sent?.ToJsonString());
        Assert.Equal("1.50", sent!["somethingOfLater"]!["deep"]![1]!.ToJsonString());
        Assert.Equal("\"e1\"", ifMatch);
        Assert.NotEmpty(set.Changes);
        Assert.All(_service.Requests.Where(r => r.Target.Contains("fhirservices", StringComparison.Ordinal)), r => Assert.EndsWith("api-version=2024-03-31", r.Target, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{}""")]
    [InlineData("""{"exportConfiguration":null}""")]
    [InlineData("""{"exportConfiguration":{}}""")]
    [InlineData("""{"exportConfiguration":{"storageAccountName":"another","of2031":{"a":[{}]}}}""")]
    [InlineData("""{"corsConfiguration":{"origins":["https://a.example","*"],"headers":["*"],"methods":["GET"],"maxAge":1440,"allowCredentials":false}}""")]
    [InlineData("""{"acrConfiguration":{"loginServers":["x.azurecr.io","y.azurecr.cn"],"ociArtifacts":[{"loginServer":"x.azurecr.io","imageName":"i","digest":"sha256:0"}]}}""")]
    [InlineData("""{"privateEndpointConnections":[{"id":"/p","properties":{"privateLinkServiceConnectionState":{"status":"Approved"}}}],"publicNetworkAccess":"Disabled"}""")]
    [InlineData("""{"authenticationConfiguration":{"authority":"a","audience":"b","smartProxyEnabled":true,"smartIdentityProviders":[{"authority":"s","applications":[{"clientId":"c","allowedDataActions":["Read"]}]}]}}""")]
    [InlineData("""{"resourceVersionPolicyConfiguration":{"default":"versioned","resourceTypeOverrides":{"Observation":"no-version"}},"importConfiguration":{"enabled":true,"initialImportMode":false,"integrationDataStore":"x"}}""")]
    [InlineData("""{"of2031":{"empty":{},"list":[],"no":null,"numbers":[0,-0,1.0,1.50,1e3,1E-7,12345678901234567890,0.1000000000000000055],"text":"\u00e4\u2028\ud83d\ude00 \"<>&'+\/","":"nameless"}}""")]
    [InlineData("""{"of2031":true,"OF2031":"names of another case","exportConfiguration":{"storageaccountname":"of another case"}}""")]
    public async Task Whatever_properties_a_service_has_come_back_to_it_letter_by_letter(string properties)
    {
        _resource["properties"] = JsonNode.Parse(properties);
        string sent = "";
        _answers["PUT " + Id] = (context, body) =>
        {
            sent = body;
            return Json(200, _resource.ToJsonString())(context, body);
        };
        IControlPlane controlPlane = await ControlPlaneAsync();

        await controlPlane.SetExportStorageAsync(await controlPlane.FindStorageAsync(StandIn.Account, Cancel), Hour, Progress, Cancel);

        JsonObject expected = _resource["properties"]!.DeepClone().AsObject();
        expected.Remove("privateEndpointConnections");
        if (expected["exportConfiguration"] is not JsonObject export) expected["exportConfiguration"] = export = [];
        export["storageAccountName"] = StandIn.Account;
        Assert.Equal(expected.ToJsonString(), JsonNode.Parse(sent)!["properties"]!.ToJsonString());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("""{"type":"None"}""")]
    [InlineData("""{"type":"SystemAssigned","principalId":"p","tenantId":"t"}""", """{"type":"SystemAssigned"}""")]
    [InlineData("""{"type":"SystemAssigned,UserAssigned","principalId":"p","tenantId":"t","userAssignedIdentities":{"/a":{"principalId":"x","clientId":"y"},"/B":{}},"of2031":1}""", """{"type":"SystemAssigned,UserAssigned","userAssignedIdentities":{"/a":{},"/B":{}},"of2031":1}""")]
    public async Task Identities_are_sent_back_without_what_only_the_service_writes(string? identity, string? sent = null)
    {
        _resource["identity"] = identity is null ? null : JsonNode.Parse(identity);
        JsonNode? body = null;
        _answers["PUT " + Id] = (context, text) =>
        {
            body = JsonNode.Parse(text);
            return Json(200, _resource.ToJsonString())(context, text);
        };
        IControlPlane controlPlane = await ControlPlaneAsync();

        await controlPlane.SetExportStorageAsync(await controlPlane.FindStorageAsync(StandIn.Account, Cancel), Hour, Progress, Cancel);

        Assert.Equal(sent ?? identity, body!["identity"]?.ToJsonString());
    }

    [Theory]
    [InlineData("\"e1\"", null, "\"e1\"")]
    [InlineData("e1", null, "\"e1\"")]
    [InlineData("\"body\"", "\"header\"", "\"header\"")]
    [InlineData("W/\"weak\"", null, "W/\"weak\"")]
    [InlineData(null, null, null)]
    public async Task A_write_is_bound_to_what_was_read(string? body, string? header, string? ifMatch)
    {
        _resource["etag"] = body;
        _answers["GET " + Id] = (context, text) => Json(200, _resource.ToJsonString(), header is null ? [] : [("ETag", header)])(context, text);
        _answers["PUT " + Id] = (context, text) => Json(200, _resource.ToJsonString())(context, text);
        IControlPlane controlPlane = await ControlPlaneAsync();

        await controlPlane.SetExportStorageAsync(await controlPlane.FindStorageAsync(StandIn.Account, Cancel), Hour, Progress, Cancel);

        Assert.Equal(ifMatch, _service.Requests.Last(r => r.Method == "PUT").Header("If-Match"));
    }

    [Fact]
    public async Task Storage_that_is_set_already_is_not_set_again()
    {
        _resource["properties"]!["exportConfiguration"]!["storageAccountName"] = StandIn.Account;
        IControlPlane controlPlane = await ControlPlaneAsync();

        FhirExportStorage set = await controlPlane.SetExportStorageAsync(await controlPlane.FindStorageAsync(StandIn.Account, Cancel), Hour, Progress, Cancel);

        Assert.Empty(set.Changes);
        Assert.DoesNotContain(_service.Requests, r => r.Method is "PUT" or "PATCH");
    }

    [Fact]
    public async Task The_identity_is_switched_on_beside_those_that_are_there()
    {
        JsonNode? sent = null;
        _answers["PATCH " + Id] = (context, body) =>
        {
            sent = JsonNode.Parse(body);
            _resource["identity"]!["type"] = "SystemAssigned,UserAssigned";
            _resource["identity"]!["principalId"] = Principal;
            return Json(200, _resource.ToJsonString())(context, body);
        };
        IControlPlane controlPlane = await ControlPlaneAsync();

        FhirServiceIdentity on = await controlPlane.EnableIdentityAsync(Hour, Progress, Cancel);
        FhirServiceIdentity again = await controlPlane.EnableIdentityAsync(Hour, Progress, Cancel);

        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"identity":{"type":"SystemAssigned,UserAssigned","userAssignedIdentities":{"/subscriptions/s/x":{}}}}"""), sent), sent?.ToJsonString());
        Assert.Equal((true, Principal, "/subscriptions/s/x"), (on.Changed, on.ObjectId, Assert.Single(on.UserAssignedIdentity)));
        Assert.False(again.Changed);
        Assert.Single(_service.Requests, r => r.Method == "PATCH");
    }

    [Theory]
    [InlineData("Azure-AsyncOperation", 202, """{"status":"Running"}""", 200, """{"status":"Succeeded"}""")]
    [InlineData("Azure-AsyncOperation", 200, """{"status":"InProgress"}""", 200, """{"status":"succeeded"}""")]
    [InlineData("Location", 202, "", 200, """{"kind":"fhir-R4","properties":{"provisioningState":"Succeeded"}}""")]
    [InlineData("Location", 202, """{"status":"Requested"}""", 200, """{"status":"Succeeded"}""")]
    [InlineData("Location", 202, "", 204, "")]
    [InlineData("Location", 503, "", 404, "")]
    [InlineData("None", 0, "", 0, "")]
    public async Task An_update_ends_when_the_operation_says_so_in_any_of_its_forms(string header, int status, string running, int lastStatus, string last)
    {
        int looks = 0;
        _answers["PUT " + Id] = (context, body) =>
        {
            _resource["properties"]!["provisioningState"] = "Updating";
            return Json(202, "", (header, _service.ResourceManager.AbsoluteUri + "operation?api-version=x"), ("Retry-After", "0"))(context, body);
        };
        _answers["GET /operation"] = (context, body) =>
        {
            bool done = Interlocked.Increment(ref looks) > 6;
            if (done) _resource["properties"]!["provisioningState"] = "Succeeded";
            return Json(done ? lastStatus : status, done ? last : running)(context, body);
        };
        Func<HttpContext, string, Task> read = _answers["GET " + Id];
        _answers["GET " + Id] = (context, body) =>
        {
            if (header == "None" && _resource["properties"]!["provisioningState"]!.GetValue<string>() == "Updating" && ++looks > 3) _resource["properties"]!["provisioningState"] = "Succeeded";
            return read(context, body);
        };
        IControlPlane controlPlane = await ControlPlaneAsync();

        await controlPlane.SetExportStorageAsync(await controlPlane.FindStorageAsync(StandIn.Account, Cancel), Hour, Progress, Cancel);

        Assert.True(looks > 3);
        Assert.NotEmpty(_progress);
    }

    [Theory]
    [InlineData(200, """{"status":"Failed","error":{"code":"Bad","message":"No such key."}}""", "No such key.")]
    [InlineData(200, """{"status":"Canceled"}""", "Canceled")]
    [InlineData(400, """{"error":{"code":"Bad","message":"Not now."}}""", "Not now.")]
    public async Task An_update_that_fails_is_told_with_its_reason(int status, string body, string reason)
    {
        _answers["PUT " + Id] = Json(202, "", ("Azure-AsyncOperation", _service.ResourceManager.AbsoluteUri + "operation"));
        _answers["GET /operation"] = Json(status, body);
        IControlPlane controlPlane = await ControlPlaneAsync();
        FhirExportStorage storage = await controlPlane.FindStorageAsync(StandIn.Account, Cancel);

        FhirDeidException e = await Failure.Of("UpdateFailed", () => controlPlane.SetExportStorageAsync(storage, Hour, Progress, Cancel));

        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_update_that_takes_too_long_is_left_to_go_on()
    {
        _answers["PUT " + Id] = Json(202, "", ("Azure-AsyncOperation", _service.ResourceManager.AbsoluteUri + "operation"));
        _answers["GET /operation"] = Json(200, """{"status":"Running"}""");
        IControlPlane controlPlane = await ControlPlaneAsync();
        FhirExportStorage storage = await controlPlane.FindStorageAsync(StandIn.Account, Cancel);

        await Failure.Of("UpdateTimeout", () => controlPlane.SetExportStorageAsync(storage, TimeSpan.FromMilliseconds(300), Progress, Cancel));
    }

    [Fact]
    public async Task An_operation_elsewhere_gets_no_token_and_the_resource_tells_the_end()
    {
        _answers["PUT " + Id] = Json(202, "", ("Location", _service.Foreign.AbsoluteUri + "operation"));
        IControlPlane controlPlane = await ControlPlaneAsync();

        FhirExportStorage set = await controlPlane.SetExportStorageAsync(await controlPlane.FindStorageAsync(StandIn.Account, Cancel), Hour, Progress, Cancel);

        Assert.NotEmpty(set.Changes);
        Assert.DoesNotContain(_service.Requests, r => r.Port == _service.Foreign.Port);
    }

    [Fact]
    public async Task A_service_that_someone_else_has_changed_is_read_again()
    {
        int puts = 0;
        _answers["PUT " + Id] = (context, body) =>
        {
            if (++puts > 1) return Json(200, _resource.ToJsonString())(context, body);
            _resource["etag"] = "\"e2\"";
            _resource["tags"]!["theirs"] = "kept";
            return Json(412, """{"error":{"code":"PreconditionFailed","message":"etag"}}""")(context, body);
        };
        IControlPlane controlPlane = await ControlPlaneAsync();

        await controlPlane.SetExportStorageAsync(await controlPlane.FindStorageAsync(StandIn.Account, Cancel), Hour, Progress, Cancel);

        Received last = _service.Requests.Last(r => r.Method == "PUT");
        Assert.Equal("\"e2\"", last.Header("If-Match"));
        Assert.Contains("theirs", last.Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(401, "InvalidAuthenticationToken", "Unauthorized", "tenant")]
    [InlineData(403, "AuthorizationFailed", "ResourceManagerForbidden", "Contributor")]
    [InlineData(403, "RequestDisallowedByPolicy", "ResourceManagerRefused", "policy")]
    [InlineData(409, "ScopeLocked", "ResourceManagerRefused", "lock")]
    [InlineData(409, "Conflict", "FhirServiceBusy", "Wait")]
    [InlineData(412, "PreconditionFailed", "FhirServiceChanged", "again")]
    [InlineData(400, "BadRequest", "ResourceManagerRefused", "names")]
    [InlineData(404, "SubscriptionNotFound", "SubscriptionNotFound", "Get-AzSubscription")]
    [InlineData(429, "TooManyRequests", "Throttled", "minutes")]
    [InlineData(503, "", "ServiceUnavailable", "minutes")]
    public async Task A_refused_update_is_told_in_plain_words(int status, string code, string error, string advice)
    {
        _answers["PUT " + Id] = Json(status, $$"""{"error":{"code":"{{code}}","message":"The reason."} }""");
        IControlPlane controlPlane = await ControlPlaneAsync();
        FhirExportStorage storage = await controlPlane.FindStorageAsync(StandIn.Account, Cancel);

        FhirDeidException e = await Failure.Of(error, () => controlPlane.SetExportStorageAsync(storage, Hour, Progress, Cancel));

        Assert.Contains(advice, e.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_role_is_assigned_under_a_name_of_its_own_with_the_type_of_the_principal()
    {
        IControlPlane controlPlane = await ControlPlaneAsync();
        string id = $"{Storage}/providers/Microsoft.Authorization/roleAssignments/{RoleAssignments.Name(Wanted)}";
        JsonNode? sent = null;
        _answers["PUT " + id] = (context, body) =>
        {
            sent = JsonNode.Parse(body);
            return Json(201, "{}")(context, body);
        };

        FhirRoleAssignment made = await controlPlane.AssignRoleAsync(Wanted, Progress, Cancel);

        Assert.Equal((true, id), (made.Changed, made.RoleAssignmentId));
        Assert.Equal(("ServicePrincipal", Principal), ((string?)sent!["properties"]!["principalType"], (string?)sent["properties"]!["principalId"]));
        Assert.EndsWith("/ba92f5b4-2d11-453d-a403-e96b0029c9fe", (string?)sent["properties"]!["roleDefinitionId"], StringComparison.Ordinal);
    }

    [Fact]
    public void Names_of_assignments_depend_on_all_three_and_on_no_letter_case()
    {
        FhirRoleAssignment upper = new() { ObjectId = Principal.ToUpperInvariant(), RoleDefinitionName = BlobRole, Scope = Storage.ToUpperInvariant() };
        FhirRoleAssignment queue = new() { ObjectId = Principal, RoleDefinitionName = "Storage Queue Data Contributor", Scope = Storage };
        FhirRoleAssignment other = new() { ObjectId = Subscription, RoleDefinitionName = BlobRole, Scope = Storage };

        Assert.Equal(RoleAssignments.Name(Wanted), RoleAssignments.Name(upper));
        Assert.Equal(3, new[] { Wanted, queue, other }.Select(RoleAssignments.Name).Distinct().Count());
        Assert.Equal('5', RoleAssignments.Name(Wanted).ToString()[14]);
    }

    [Fact]
    public async Task A_role_that_is_assigned_under_another_name_counts()
    {
        IControlPlane controlPlane = await ControlPlaneAsync();
        _answers[$"PUT {Storage}/providers/Microsoft.Authorization/roleAssignments/{RoleAssignments.Name(Wanted)}"] =
            Json(409, """{"error":{"code":"RoleAssignmentExists","message":"The role assignment already exists. The ID of the existing role assignment is 0123456789abcdef0123456789abcdef."}}""");

        FhirRoleAssignment made = await controlPlane.AssignRoleAsync(Wanted, Progress, Cancel);

        Assert.False(made.Changed);
        Assert.EndsWith("/01234567-89ab-cdef-0123-456789abcdef", made.RoleAssignmentId, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/subscriptions/11111111-2222-3333-4444-555555555555", "ba92f5b4-2d11-453d-a403-e96b0029c9fe", true)]
    [InlineData(Storage, "BA92F5B4-2D11-453D-A403-E96B0029C9FE", true)]
    [InlineData("/", "ba92f5b4-2d11-453d-a403-e96b0029c9fe", true)]
    [InlineData(Storage + "2", "ba92f5b4-2d11-453d-a403-e96b0029c9fe", false)]
    [InlineData(Storage + "/blobServices/default/containers/c", "ba92f5b4-2d11-453d-a403-e96b0029c9fe", false)]
    [InlineData(Storage, "974c5e8b-45b9-4653-ba55-5f855dd0fb88", false)]
    public async Task A_role_at_the_account_or_above_is_found(string scope, string role, bool found)
    {
        IControlPlane controlPlane = await ControlPlaneAsync();
        _answers[$"GET {Storage}/providers/Microsoft.Authorization/roleAssignments"] = Json(200,
            $$"""{"value":[{"id":"/a/1","properties":{"scope":"{{scope}}","principalId":"{{Principal}}","roleDefinitionId":"/subscriptions/x/providers/Microsoft.Authorization/roleDefinitions/{{role}}"} }]}""");

        FhirRoleAssignment assignment = await controlPlane.FindRoleAsync(new FhirPrincipal(Principal, FhirPrincipalType.ServicePrincipal), BlobRole, Storage, Cancel);

        Assert.Equal(found ? "/a/1" : "", assignment.RoleAssignmentId);
    }

    [Fact]
    public async Task A_role_of_a_former_identity_does_not_count()
    {
        IControlPlane controlPlane = await ControlPlaneAsync();
        _answers[$"GET {Storage}/providers/Microsoft.Authorization/roleAssignments"] = Json(200,
            $$"""{"value":[{"id":"/a/1","properties":{"scope":"{{Storage}}","principalId":"{{Subscription}}","roleDefinitionId":"/x/ba92f5b4-2d11-453d-a403-e96b0029c9fe" } }]}""");

        Assert.Empty((await controlPlane.FindRoleAsync(new FhirPrincipal(Principal, FhirPrincipalType.ServicePrincipal), BlobRole, Storage, Cancel)).RoleAssignmentId);
    }

    [Fact]
    public async Task An_identity_that_is_not_known_everywhere_yet_is_tried_again()
    {
        int puts = 0;
        IControlPlane controlPlane = await ControlPlaneAsync();
        _answers[$"PUT {Storage}/providers/Microsoft.Authorization/roleAssignments/{RoleAssignments.Name(Wanted)}"] = (context, body) =>
            (++puts < 3 ? Json(400, """{"error":{"code":"PrincipalNotFound","message":"no"}}""") : Json(201, "{}"))(context, body);

        Assert.True((await controlPlane.AssignRoleAsync(Wanted, Progress, Cancel)).Changed);
        Assert.Equal(3, puts);
    }

    [Theory]
    [InlineData("""{"oid":"1","idtyp":"user"}""", FhirPrincipalType.User)]
    [InlineData("""{"oid":"1","idtyp":"app","upn":"x"}""", FhirPrincipalType.ServicePrincipal)]
    [InlineData("""{"oid":"1","scp":"user_impersonation","appid":"a"}""", FhirPrincipalType.User)]
    [InlineData("""{"oid":"1","appid":"a"}""", FhirPrincipalType.ServicePrincipal)]
    public void A_token_tells_a_user_from_an_application(string claims, FhirPrincipalType type)
    {
        string token = $"e30.{Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(claims)).TrimEnd('=')}.x";

        Assert.Equal(new FhirPrincipal("1", type), Credentials.AccessTokenClaims.Of(token).Principal);
    }

    [Theory]
    [InlineData(403, "AuthorizationFailed", "RoleAssignmentForbidden", "User Access Administrator")]
    [InlineData(400, "PrincipalNotFound", "PrincipalNotFound", "object id")]
    [InlineData(400, "RoleAssignmentUpdateNotPermitted", "RoleAssignmentRefused", "New-AzRoleAssignment")]
    [InlineData(409, "RoleAssignmentLimitExceeded", "RoleAssignmentRefused", "New-AzRoleAssignment")]
    [InlineData(400, "UnmatchedPrincipalType", "RoleAssignmentRefused", "New-AzRoleAssignment")]
    public async Task A_refused_role_is_told_with_what_would_help(int status, string code, string error, string advice)
    {
        IControlPlane controlPlane = await ControlPlaneAsync();
        _answers[$"PUT {Storage}/providers/Microsoft.Authorization/roleAssignments/{RoleAssignments.Name(Wanted)}"] = Json(status, $$"""{"error":{"code":"{{code}}","message":"The reason."} }""");

        FhirDeidException e = await Failure.Of(error, () => controlPlane.AssignRoleAsync(Wanted, Progress, Cancel));

        Assert.Contains(advice, e.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Storage_in_another_subscription_is_told_from_storage_that_is_nowhere()
    {
        _answers["GET /subscriptions/99999999-2222-3333-4444-555555555555/providers/Microsoft.Storage/storageAccounts"] = Json(200, """{"value":[{"name":"otherstore","id":"x"}]}""");
        IControlPlane controlPlane = await ControlPlaneAsync();

        FhirDeidException e = await Failure.Of("StorageInOtherSubscription", () => controlPlane.FindStorageAsync("otherstore", Cancel));
        await Failure.Of("StorageAccountNotFound", () => controlPlane.FindStorageAsync("nowhere", Cancel));
        await Failure.Of("StorageAccountInvalid", () => controlPlane.FindStorageAsync("../evil", Cancel));

        Assert.Contains("Other", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"networkAcls":{"defaultAction":"Allow"}}""", FhirStorageAccess.Open)]
    [InlineData("""{}""", FhirStorageAccess.Open)]
    [InlineData("""{"networkAcls":{"defaultAction":"Deny","bypass":"AzureServices"}}""", FhirStorageAccess.Denied)]
    [InlineData("""{"publicNetworkAccess":"Disabled","networkAcls":{"defaultAction":"Allow"}}""", FhirStorageAccess.Disabled)]
    [InlineData("""{"networkAcls":{"defaultAction":"Deny","ipRules":[{"value":"100.64.0.0/10"}]}}""", FhirStorageAccess.Restricted)]
    [InlineData("""{"networkAcls":{"defaultAction":"Deny","resourceAccessRules":[{"tenantId":"t","resourceId":"/subscriptions/11111111-2222-3333-4444-555555555555/resourcegroups/RG/providers/Microsoft.HealthcareApis/workspaces/work/fhirservices/fhir"}]}}""", FhirStorageAccess.ResourceInstanceRule)]
    public async Task Network_rules_are_understood(string properties, FhirStorageAccess access)
    {
        _answers[$"GET /subscriptions/{Subscription}/providers/Microsoft.Storage/storageAccounts"] = Json(200, $$"""{"value":[{"name":"{{StandIn.Account}}","id":"{{Storage}}","properties":{{properties}} }]}""");
        IControlPlane controlPlane = await ControlPlaneAsync();

        Assert.Equal(access, (await controlPlane.FindStorageAsync(StandIn.Account, Cancel)).NetworkAccess);
    }

    [Fact]
    public async Task Who_may_read_the_resource_group_alone_finds_the_account_there()
    {
        string subscription = $"GET /subscriptions/{Subscription}/providers/Microsoft.Storage/storageAccounts";
        _answers[$"GET /subscriptions/{Subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts"] = _answers[subscription];
        _answers[subscription] = Json(403, """{"error":{"code":"AuthorizationFailed","message":"no"}}""");
        IControlPlane controlPlane = await ControlPlaneAsync();

        Assert.Equal(Storage, (await controlPlane.FindStorageAsync(StandIn.Account, Cancel)).StorageAccountId);
    }

    [Fact]
    public async Task An_update_waits_until_that_of_someone_else_has_ended_however_it_did()
    {
        int puts = 0, looks = 0;
        _answers["PUT " + Id] = (context, body) =>
        {
            _resource["properties"]!["provisioningState"] = puts == 0 ? "Updating" : "Succeeded";
            return (++puts == 1 ? Json(409, """{"error":{"code":"Conflict","message":"busy"}}""") : Json(200, _resource.ToJsonString()))(context, body);
        };
        Func<HttpContext, string, Task> read = _answers["GET " + Id];
        _answers["GET " + Id] = (context, body) =>
        {
            if (puts == 1 && ++looks == 3) _resource["properties"]!["provisioningState"] = "Failed";
            return read(context, body);
        };
        IControlPlane controlPlane = await ControlPlaneAsync();

        Assert.NotEmpty((await controlPlane.SetExportStorageAsync(await controlPlane.FindStorageAsync(StandIn.Account, Cancel), Hour, Progress, Cancel)).Changes);
        Assert.Equal(2, puts);
    }

    [Fact]
    public async Task The_callers_new_role_is_asked_for_until_the_storage_account_lets_it_in()
    {
        int asked = 0;
        _service.OnBlob = async context =>
        {
            await StandIn.Answer(++asked < 4 ? 403 : 200, asked < 4 ? "" : """<?xml version="1.0"?><EnumerationResults><Containers /><NextMarker /></EnumerationResults>""", "application/xml",
                ("x-ms-error-code", "AuthorizationPermissionMismatch"))(context);
            return true;
        };
        IControlPlane controlPlane = await ControlPlaneAsync();
        FhirRoleAssignment mine = new() { ObjectId = "caller", RoleDefinitionName = BlobRole, Scope = Storage, Changed = true };

        Assert.True(await controlPlane.WaitForRolesAsync([mine], await controlPlane.FindStorageAsync(StandIn.Account, Cancel), Progress, Cancel));
        Assert.Equal(4, asked);
    }

    [Fact]
    public async Task The_expiry_shown_is_that_of_the_current_token()
    {
        _service.TokenLife = TimeSpan.FromMinutes(4);
        IFhirDeidConnection connection = await _service.ConnectAsync();
        DateTimeOffset first = connection.Context.ExpiresOn;
        _service.TokenLife = TimeSpan.FromHours(1);

        await connection.StartExportAsync(new FhirExportRequest { Container = "research", ConfigName = "c.json", ConfigETag = "\"0x1\"" }, Cancel);

        Assert.True(connection.Context.ExpiresOn > first + TimeSpan.FromMinutes(30));
    }

    [Fact]
    public async Task A_readiness_check_that_goes_wrong_is_a_row_and_not_the_end()
    {
        IFhirDeidConnection connection = await _service.ConnectAsync(Options());
        _answers.Clear();
        _service.OnMetadata = StandIn.Answer(503);

        List<FhirDeidCheck> checks = [];
        await foreach (FhirDeidCheck check in connection.CheckReadinessAsync(new FhirReadinessOptions(), Cancel)) checks.Add(check);

        Assert.Equal(17, checks.Count);
        Assert.Equal(FhirDeidCheckStatus.Failed, checks[0].Status);
        Assert.Equal(FhirDeidCheckStatus.Failed, checks.Single(check => check.Name == "Kind").Status);
        Assert.All(checks, check => Assert.NotEmpty(check.Detail));
    }

    private static TimeSpan Hour => TimeSpan.FromHours(1);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private Synchronous Progress => new(_progress);

    private FhirDeidConnectionOptions Options(string id = Id)
    {
        FhirDeidConnectionOptions options = _service.Options;
        options.ResourceId = id;
        return options;
    }

    private async Task<IControlPlane> ControlPlaneAsync() => (await _service.ConnectAsync(Options())).ControlPlane;

    private static Func<HttpContext, string, Task> Json(int status, string body, params (string Name, string Value)[] headers) =>
        (context, _) => StandIn.Answer(status, body, "application/json", headers)(context);

    private sealed class Synchronous(ConcurrentQueue<string> seen) : IProgress<FhirDeidProgress>
    {
        public void Report(FhirDeidProgress value) => seen.Enqueue(value.Status);
    }
}
