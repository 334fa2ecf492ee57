using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace FhirDeid.Cloud.Tests;

/// <summary>What readiness says where something is wrong that an emulator cannot show, or could not be looked at.</summary>
public sealed class ReadinessTests : IAsyncLifetime
{
    private const string Subscription = "11111111-2222-3333-4444-555555555555";
    private const string Id = $"/subscriptions/{Subscription}/resourceGroups/rg(1)/providers/Microsoft.HealthcareApis/workspaces/work/fhirservices/fhir";
    private const string Storage = $"/subscriptions/{Subscription}/resourceGroups/rg(1)/providers/Microsoft.Storage/storageAccounts/{StandIn.Account}";
    private const string Capable = """{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","rest":[{"operation":[{"name":"export"},{"name":"anonymized-export"}]}]}""";
    private const string Containers = """<?xml version="1.0"?><EnumerationResults><Containers /><Blobs /><NextMarker /></EnumerationResults>""";

    private readonly Dictionary<string, Func<HttpContext, Task>> _answers = new(StringComparer.OrdinalIgnoreCase);
    private StandIn _service = null!;
    private JsonObject _resource = null!;

    public async ValueTask InitializeAsync()
    {
        _service = await StandIn.StartAsync();
        _service.Metadata = Capable;
        _service.OnStatus = StandIn.Answer(404);
        _resource = (JsonObject)JsonNode.Parse($$"""
            {
              "id": "{{Id}}", "kind": "fhir-R4", "identity": { "type": "SystemAssigned", "principalId": "service" },
              "properties": {
                "provisioningState": "Succeeded", "exportConfiguration": { "storageAccountName": "{{StandIn.Account}}" },
                "authenticationConfiguration": { "authority": "https://login.microsoftonline.com/tenant", "audience": "{{_service.Fhir.AbsoluteUri}}" }
              }
            }
            """)!;
        _answers[Id] = context => StandIn.Answer(200, _resource.ToJsonString(), "application/json")(context);
        _answers[$"/subscriptions/{Subscription}/providers/Microsoft.Storage/storageAccounts"] = Json($$"""{"value":[{"id":"{{Storage}}","name":"{{StandIn.Account}}","properties":{"primaryEndpoints":{"blob":"{{_service.BlobBase}}/"},"networkAcls":{"defaultAction":"Allow"} } }]}""");
        _answers[Storage + "/providers/Microsoft.Authorization/roleAssignments"] = Roles("service", "caller");
        _service.OnResourceManager = (context, _) => _answers.TryGetValue(context.Request.Path.Value!, out Func<HttpContext, Task>? answer) ? answer(context) : StandIn.Answer(404)(context);
        _service.OnBlob = async context =>
        {
            if (!context.Request.Query.ContainsKey("comp")) return false;
            await StandIn.Answer(200, Containers, "application/xml")(context);
            return true;
        };
    }

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    [Theory]
    [InlineData(0, FhirDeidCheckStatus.Passed)]
    [InlineData(-20, FhirDeidCheckStatus.Failed)]
    [InlineData(20, FhirDeidCheckStatus.Failed)]
    public async Task A_clock_that_differs_from_the_services_is_told(int minutes, FhirDeidCheckStatus status)
    {
        _service.OnMetadata = context =>
        {
            context.Response.Headers.Date = DateTimeOffset.UtcNow.AddMinutes(minutes).ToString("R");
            return StandIn.Answer(200, Capable)(context);
        };

        FhirDeidCheck clock = await RowAsync("Clock");

        Assert.Equal((status, status == FhirDeidCheckStatus.Failed), (clock.Status, clock.Fix.Length > 0));
    }

    [Theory]
    [InlineData(Capable, FhirDeidCheckStatus.Passed, "")]
    [InlineData("""{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","rest":[{"operation":[{"name":"export"}]}]}""", FhirDeidCheckStatus.Failed, "")]
    [InlineData("""{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1"}""", FhirDeidCheckStatus.Warning, "")]
    [InlineData("""{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1"}""", FhirDeidCheckStatus.Failed, "Set-FhirExportStorage", "")]
    [InlineData("<html>", FhirDeidCheckStatus.Unknown, "")]
    public async Task A_service_without_the_feature_is_told(string metadata, FhirDeidCheckStatus status, string fix, string storage = StandIn.Account)
    {
        _resource["properties"]!["exportConfiguration"]!["storageAccountName"] = storage;
        IFhirDeidConnection connection = await ConnectAsync();
        _service.Metadata = metadata;

        FhirDeidCheck feature = await RowAsync("Feature anonymized-export", connection);

        Assert.Equal(status, feature.Status);
        Assert.StartsWith(fix, feature.Fix, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tenant", FhirDeidCheckStatus.Passed, "")]
    [InlineData("other", FhirDeidCheckStatus.Failed, $"Connect-AzAccount -Tenant other; Connect-FhirDeid -ResourceId '{Id}'")]
    [InlineData("", FhirDeidCheckStatus.Unknown, "")]
    public async Task A_token_of_another_tenant_is_told_with_the_sign_in_that_helps(string tenant, FhirDeidCheckStatus status, string fix)
    {
        _resource["properties"]!["authenticationConfiguration"]!["authority"] = tenant.Length > 0 ? "https://login.microsoftonline.com/" + tenant : null;
        IFhirDeidConnection connection = await ConnectAsync();
        connection.Context.Credential = FhirDeidCredential.Az;

        FhirDeidCheck token = await RowAsync("Token", connection);

        Assert.Equal((status, fix), (token.Status, token.Fix));
    }

    [Fact]
    public async Task The_signed_in_tenant_decides_and_passes_after_the_command_was_run()
    {
        string signedIn = "tenant";
        _resource["properties"]!["authenticationConfiguration"]!["authority"] = "https://login.microsoftonline.com/99999999-aaaa-bbbb-cccc-dddddddddddd";
        FhirDeidConnectionOptions options = Options();
        options.Credential = FhirDeidCredential.Az;
        options.AzToken = (audience, _) => Task.FromResult(ConnectTests.Secret(signedIn == "tenant" ? StandIn.Token(audience, TimeSpan.FromHours(1)) : Of(signedIn, audience)));

        FhirDeidCheck wrong = await RowAsync("Token", await _service.ConnectAsync(options));
        Assert.Equal(FhirDeidCheckStatus.Failed, wrong.Status);
        signedIn = wrong.Fix.Split(' ')[2].TrimEnd(';');

        Assert.Equal(FhirDeidCheckStatus.Passed, (await RowAsync("Token", await _service.ConnectAsync(options))).Status);
    }

    [Fact]
    public async Task What_the_resource_manager_does_not_show_is_unknown_and_names_the_role_that_would()
    {
        IFhirDeidConnection connection = await ConnectAsync();
        _answers[Id] = StandIn.Answer(403, """{"error":{"code":"AuthorizationFailed","message":"no"}}""", "application/json");
        List<FhirDeidCheck> checks = await ChecksAsync(connection);

        FhirDeidCheck kind = checks.Single(check => check.Name == "Kind");
        Assert.Equal((FhirDeidCheckStatus.Unknown, "caller", "Reader", Id, $"New-AzRoleAssignment -ObjectId caller -RoleDefinitionName 'Reader' -Scope '{Id}'"), (kind.Status, kind.ObjectId, kind.RoleDefinitionName, kind.Scope, kind.Fix));
        string[] blind = ["Provisioning", "Identity", "Export storage", "Same subscription", "Network rules", "Blob role of the service", "Queue role of the service", "Blob role of the caller", "Queue role of the caller"];
        Assert.All(checks.Where(check => blind.Contains(check.Name)), check => Assert.Equal((FhirDeidCheckStatus.Unknown, null), (check.Status, check.RoleDefinitionName)));
        Assert.Equal(9, checks.Count(check => blind.Contains(check.Name)));
    }

    [Fact]
    public async Task Roles_that_cannot_be_listed_are_unknown()
    {
        _answers[Storage + "/providers/Microsoft.Authorization/roleAssignments"] = StandIn.Answer(403, """{"error":{"code":"AuthorizationFailed","message":"no"}}""", "application/json");

        FhirDeidCheck role = await RowAsync("Blob role of the service");

        Assert.Equal((FhirDeidCheckStatus.Unknown, "caller", "Reader", Storage), (role.Status, role.ObjectId, role.RoleDefinitionName, role.Scope));
    }

    [Fact]
    public async Task Only_rows_that_lack_a_role_name_one()
    {
        _answers[Storage + "/providers/Microsoft.Authorization/roleAssignments"] = Roles();
        _service.OnStatus = StandIn.Outcome(403, "Authorization failed.", "forbidden");

        List<FhirDeidCheck> checks = await ChecksAsync(await ConnectAsync());

        Assert.Equal([("Caller may export", "caller", "FHIR Data Exporter", Id), ("Blob role of the service", "service", "Storage Blob Data Contributor", Storage), ("Blob role of the caller", "caller", "Storage Blob Data Contributor", Storage)],
            checks.Where(check => check.RoleDefinitionName is not null).Select(check => (check.Name, check.ObjectId!, check.RoleDefinitionName!, check.Scope!)));
        Assert.All(checks.Where(check => check.RoleDefinitionName is null), check => Assert.Equal((null, null, null), (check.ObjectId, check.Scope, check.ObjectType)));
        Assert.Equal([FhirDeidCheckStatus.Skipped, FhirDeidCheckStatus.Skipped], checks.Where(check => check.Name.StartsWith("Queue", StringComparison.Ordinal)).Select(check => check.Status));
    }

    [Fact]
    public async Task A_role_by_a_group_counts()
    {
        _answers[Storage + "/providers/Microsoft.Authorization/roleAssignments"] = context =>
            (context.Request.Query["$filter"].ToString().Contains("assignedTo('caller')", StringComparison.Ordinal) ? Roles("group") : Roles())(context);

        FhirDeidCheck role = await RowAsync("Blob role of the caller");

        Assert.Equal((FhirDeidCheckStatus.Passed, "Storage Blob Data Contributor, by a group"), (role.Status, role.Detail));
    }

    [Theory]
    [InlineData("AuthorizationFailure", "Add-AzStorageAccountNetworkRule -ResourceGroupName 'rg(1)' -Name teststore -IPAddressOrRange (Read-Host")]
    [InlineData("AuthorizationPermissionMismatch", "Grant-FhirExportAccess -StorageAccountName teststore -BlobOnly")]
    public async Task Storage_that_does_not_let_the_caller_in_is_told_by_its_reason(string code, string fix)
    {
        _service.OnBlob = async context =>
        {
            await StandIn.Answer(403, headers: ("x-ms-error-code", code))(context);
            return true;
        };

        List<FhirDeidCheck> checks = await ChecksAsync(await ConnectAsync());

        FhirDeidCheck containers = checks.Single(check => check.Name == "Containers");
        Assert.Equal(FhirDeidCheckStatus.Failed, containers.Status);
        Assert.StartsWith(fix, containers.Fix, StringComparison.Ordinal);
        Assert.Equal(FhirDeidCheckStatus.Unknown, checks.Single(check => check.Name == "Configuration").Status);
    }

    [Theory]
    [InlineData("Updating", FhirDeidCheckStatus.Warning)]
    [InlineData("Failed", FhirDeidCheckStatus.Warning)]
    [InlineData("Succeeded", FhirDeidCheckStatus.Passed)]
    [InlineData("", FhirDeidCheckStatus.Unknown)]
    public async Task An_update_under_way_is_told_and_nothing_passes_that_may_not_be_in_force(string state, FhirDeidCheckStatus status)
    {
        _resource["properties"]!["provisioningState"] = state;

        List<FhirDeidCheck> checks = await ChecksAsync(await ConnectAsync());
        FhirDeidCheck provisioning = checks.Single(check => check.Name == "Provisioning");

        Assert.Equal((status, status == FhirDeidCheckStatus.Warning ? "Enable-FhirServiceIdentity" : ""), (provisioning.Status, provisioning.Fix));
        Assert.All(checks.Where(check => check.Name is "Identity" or "Export storage"), check => Assert.Equal(status, check.Status));
    }

    [Fact]
    public async Task A_service_that_became_one_of_another_kind_and_registries_are_told()
    {
        IFhirDeidConnection connection = await ConnectAsync();
        _resource["kind"] = "fhir-Stu3";
        _resource["properties"]!["acrConfiguration"] = JsonNode.Parse("""{"loginServers":["x.azurecr.io"]}""");
        List<FhirDeidCheck> checks = await ChecksAsync(connection);

        Assert.Equal(FhirDeidCheckStatus.Failed, checks.Single(check => check.Name == "Kind").Status);
        FhirDeidCheck registries = checks.Single(check => check.Name == "Registry role of the service");
        Assert.Equal((FhirDeidCheckStatus.Unknown, "New-AzRoleAssignment -ObjectId service -RoleDefinitionName AcrPull -Scope (Get-AzContainerRegistry | Where-Object LoginServer -eq x.azurecr.io).Id"), (registries.Status, registries.Fix));
    }

    [Theory]
    [InlineData(FhirDeidCredential.Az, "Connect-FhirDeid -ResourceId '/s/it''s' -Environment AzureUSGovernment")]
    [InlineData(FhirDeidCredential.ManagedIdentity, "Connect-FhirDeid -ResourceId '/s/it''s' -Environment AzureUSGovernment -ManagedIdentity")]
    [InlineData(FhirDeidCredential.DeviceCode, "Connect-FhirDeid -ResourceId '/s/it''s' -Environment AzureUSGovernment -DeviceCode")]
    [InlineData(FhirDeidCredential.ClientSecret, "Connect-FhirDeid -ResourceId '/s/it''s' -Environment AzureUSGovernment -TenantId t -ClientId app -ClientSecret (Read-Host -Prompt 'Client secret' -AsSecureString)")]
    [InlineData(FhirDeidCredential.Emulator, "Get-FhirDeidEmulator | Connect-FhirDeid -Emulator")]
    public void Connecting_again_is_told_in_the_way_of_before(FhirDeidCredential credential, string command) =>
        Assert.Equal(command, new ReadinessFix(new FhirDeidContext { Credential = credential, ResourceId = "/s/it's", Environment = AzureEnvironment.AzureUSGovernment, TenantId = "t", Account = "app" }).Connect());

    [Fact]
    public async Task What_a_service_says_is_no_command()
    {
        _resource["properties"]!["authenticationConfiguration"]!["authority"] = "https://login.microsoftonline.com/t; Remove-Item ~’; $(Get-Secret)";
        _resource["properties"]!["exportConfiguration"]!["storageAccountName"] = "x; Remove-Item ~";
        FhirDeidConnectionOptions options = Options();
        options.StorageAccountName = StandIn.Account;
        IFhirDeidConnection connection = await _service.ConnectAsync(options);
        connection.Context.Credential = FhirDeidCredential.Az;

        List<FhirDeidCheck> checks = await ChecksAsync(connection);

        Assert.StartsWith("Connect-AzAccount -Tenant 't; Remove-Item ~’’; $(Get-Secret)'; Connect-FhirDeid ", checks.Single(check => check.Name == "Token").Fix, StringComparison.Ordinal);
        Assert.Equal("Set-FhirExportStorage -StorageAccountName 'x; Remove-Item ~'", checks.Single(check => check.Name == "Export storage").Fix);
    }

    [Fact]
    public async Task Answers_that_nobody_understands_are_rows_too()
    {
        IFhirDeidConnection connection = await ConnectAsync();
        _service.Metadata = """{"resourceType":"CapabilityStatement","rest":{"operation":7},"rest":[]}""";
        _service.OnBlob = async context =>
        {
            await StandIn.Answer(200, "<html>", "text/html")(context);
            return true;
        };

        List<FhirDeidCheck> checks = await ChecksAsync(connection);

        Assert.All(checks.Where(check => check.Name is "Containers" or "Configuration"), check => Assert.NotEqual(FhirDeidCheckStatus.Passed, check.Status));
        Assert.NotEqual(FhirDeidCheckStatus.Passed, checks.Single(check => check.Name == "Feature anonymized-export").Status);
    }

    [Fact]
    public void A_service_known_by_its_URL_alone_is_looked_for_by_its_host_name() =>
        Assert.Equal("Get-AzResource -ResourceType Microsoft.HealthcareApis/workspaces/fhirservices | Where-Object { $_.Name.Replace('/', '-') -eq 'contoso-lab' } | Connect-FhirDeid",
            new ReadinessFix(new FhirDeidContext { FhirServiceUri = new Uri("https://contoso-lab.fhir.azurehealthcareapis.com") }).ConnectById());

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private FhirDeidConnectionOptions Options()
    {
        FhirDeidConnectionOptions options = _service.Options;
        options.ResourceId = Id;
        return options;
    }

    private Task<IFhirDeidConnection> ConnectAsync() => _service.ConnectAsync(Options());

    private async Task<FhirDeidCheck> RowAsync(string name, IFhirDeidConnection? connection = null) => (await ChecksAsync(connection ?? await ConnectAsync())).Single(check => check.Name == name);

    private static async Task<List<FhirDeidCheck>> ChecksAsync(IFhirDeidConnection connection)
    {
        List<FhirDeidCheck> checks = [];
        await foreach (FhirDeidCheck check in connection.CheckReadinessAsync(new FhirReadinessOptions { TestConfig = _ => [] }, Cancel)) checks.Add(check);
        Assert.All(checks, check => Assert.NotEmpty(check.Detail));
        return checks;
    }

    private static Func<HttpContext, Task> Json(string body) => StandIn.Answer(200, body, "application/json");

    private static Func<HttpContext, Task> Roles(params string[] principals) => Json(new JsonObject
    {
        ["value"] = new JsonArray([.. principals.Select(principal => new JsonObject
        {
            ["id"] = "/a",
            ["properties"] = new JsonObject { ["scope"] = Storage, ["principalId"] = principal, ["roleDefinitionId"] = "/x/ba92f5b4-2d11-453d-a403-e96b0029c9fe" },
        })]),
    }.ToJsonString());

    /// <summary>A token of another tenant.</summary>
    private static string Of(string tenant, string audience) =>
        $"e30.{Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($$"""{"aud":"{{audience}}","oid":"caller","tid":"{{tenant}}"}""")).TrimEnd('=').Replace('+', '-').Replace('/', '_')}.x";
}
