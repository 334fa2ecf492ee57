using System.Management.Automation;
using System.Management.Automation.Language;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;

namespace FhirDeid.Tests;

/// <summary>What the portal, Az and other people do to the service of an emulator, also by the commands of Az that checks name.</summary>
public sealed class Others : IDisposable
{
    private readonly HttpClient _http;
    private readonly PSObject _emulator;

    public Others(PSObject emulator)
    {
        _emulator = emulator;
        X509ChainPolicy trust = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        trust.CustomTrustStore.Add(X509Certificate2.CreateFromPem(emulator.Text("CertificateAuthority")));
        _http = new HttpClient(new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = trust }, UseProxy = false });
    }

    /// <summary>Stands in for the commands of Az and for the user whom Read-Host asks.</summary>
    public const string Commands = """
        function global:New-AzRoleAssignment {
            param(
                [Parameter(Mandatory, ValueFromPipelineByPropertyName)] [Alias('Id', 'PrincipalId')] [ValidateNotNullOrEmpty()] [string] $ObjectId,
                [Parameter(Mandatory, ValueFromPipelineByPropertyName)] [ValidateNotNullOrEmpty()] [string] $RoleDefinitionName,
                [Parameter(ValueFromPipelineByPropertyName)] [ValidateNotNullOrEmpty()] [string] $Scope,
                [Parameter(ValueFromPipelineByPropertyName)] [Alias('PrincipalType')] [string] $ObjectType = 'ServicePrincipal')
            process { $others.Assign($ObjectId, $RoleDefinitionName, $Scope, $ObjectType) }
        }
        function global:Add-AzStorageAccountNetworkRule { param($ResourceGroupName, $Name, $TenantId, $ResourceId) $others.AddResourceRule($ResourceGroupName, $Name, $TenantId, $ResourceId) }
        function global:Update-AzStorageAccountNetworkRuleSet { param($ResourceGroupName, $Name, $DefaultAction) $others.PatchAccount($ResourceGroupName, $Name, "{`"networkAcls`":{`"defaultAction`":`"$DefaultAction`"}}") }
        function global:Set-AzStorageAccount { param($ResourceGroupName, $Name, $PublicNetworkAccess) $others.PatchAccount($ResourceGroupName, $Name, "{`"publicNetworkAccess`":`"$PublicNetworkAccess`"}") }
        function global:New-AzStorageContext { param($StorageAccountName, [switch] $UseConnectedAccount) $StorageAccountName }
        function global:New-AzStorageContainer { param($Name, $Context) $others.Blob('PUT', "${Name}?restype=container", '') }
        function global:Read-Host { param($Prompt) $answer }
        """;

    public void Assign(string objectId, string roleDefinitionName, string scope, string objectType)
    {
        string role = roleDefinitionName switch
        {
            "FHIR Data Exporter" => "3db33094-8700-4567-8da5-1501d4e7e843",
            "Storage Blob Data Contributor" => "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
            _ => throw new ArgumentException(roleDefinitionName),
        };
        Arm(HttpMethod.Put, $"{scope}/providers/Microsoft.Authorization/roleAssignments/{Guid.NewGuid()}", "2022-04-01",
            $$"""{"properties":{"roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/{{role}}","principalId":"{{objectId}}","principalType":"{{objectType}}"} }""");
    }

    public void Unassign(string scope, string objectId)
    {
        string filter = Uri.EscapeDataString($"principalId eq '{objectId}'");
        for (; ; )
        {
            if (Arm(HttpMethod.Get, $"{scope}/providers/Microsoft.Authorization/roleAssignments?$filter={filter}", "2022-04-01")["value"]!.AsArray() is not [{ } first, ..]) return;
            Arm(HttpMethod.Delete, (string)first["id"]!, "2022-04-01");
        }
    }

    public void AddResourceRule(string resourceGroupName, string name, string tenantId, string resourceId) =>
        PatchAccount(resourceGroupName, name, $$"""{"networkAcls":{"resourceAccessRules":[{"tenantId":"{{tenantId}}","resourceId":"{{resourceId}}"}]} }""");

    public void PatchAccount(string resourceGroupName, string name, string properties) =>
        Arm(HttpMethod.Patch, $"/subscriptions/{_emulator.Text("SubscriptionId")}/resourceGroups/{resourceGroupName}/providers/Microsoft.Storage/storageAccounts/{name}", "2023-05-01", $$"""{"properties":{{properties}}}""");

    public void DeleteAccount(string name) => Arm(HttpMethod.Delete, $"{_emulator.Text("StorageAccountId")[..^_emulator.Text("StorageAccountName").Length]}{name}", "2023-05-01");

    /// <summary>The settings of the FHIR service, changed as the portal changes them, and in force.</summary>
    public void Set(Action<JsonObject> change, bool wait = true)
    {
        JsonObject body = Settled();
        change(body);
        Arm(HttpMethod.Put, _emulator.Text("ResourceId"), "2024-03-31", body.ToJsonString());
        if (wait) Settled();
    }

    public JsonObject Settled()
    {
        for (DateTime end = DateTime.UtcNow.AddMinutes(1); ; Thread.Sleep(50))
        {
            JsonObject body = Arm(HttpMethod.Get, _emulator.Text("ResourceId"), "2024-03-31");
            if ((string?)body["properties"]!["provisioningState"] != "Updating") return body;
            Assert.True(DateTime.UtcNow < end, "The update does not end.");
        }
    }

    public void Blob(string method, string path, string content)
    {
        using HttpRequestMessage request = new(new HttpMethod(method), new Uri($"{_emulator.Text("BlobEndpoint")}/{path}"));
        request.Headers.Add("x-ms-version", "2023-11-03");
        if (method == "PUT") request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(content));
        if (method == "PUT" && !path.Contains('?', StringComparison.Ordinal)) request.Headers.Add("x-ms-blob-type", "BlockBlob");
        Send(request, "https://storage.azure.com");
    }

    private JsonObject Arm(HttpMethod method, string path, string version, string? body = null)
    {
        using HttpRequestMessage request = new(method, new Uri(new Uri(_emulator.Text("ResourceManagerEndpoint")), $"{path}{(path.Contains('?', StringComparison.Ordinal) ? '&' : '?')}api-version={version}"));
        if (body is not null) request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        string answer = Send(request, "https://management.azure.com");
        return answer.Length > 0 ? JsonNode.Parse(answer)!.AsObject() : [];
    }

    private string Send(HttpRequestMessage request, string audience)
    {
        using FormUrlEncodedContent form = new(new Dictionary<string, string> { ["grant_type"] = "client_credentials", ["client_id"] = "somebody-else", ["scope"] = audience + "/.default" });
        using HttpRequestMessage ask = new(HttpMethod.Post, _emulator.Text("TokenEndpoint")) { Content = form };
        using HttpResponseMessage token = _http.SendAsync(ask).GetAwaiter().GetResult();
        string text = token.Content.ReadAsStringAsync().GetAwaiter().GetResult();
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (string)JsonNode.Parse(text)!["access_token"]!);
        using HttpResponseMessage response = _http.SendAsync(request).GetAwaiter().GetResult();
        string answer = response.Content.ReadAsStringAsync().GetAwaiter().GetResult();
        Assert.True(response.IsSuccessStatusCode, $"{request.Method} {request.RequestUri}: {response.StatusCode} {answer}");
        return answer;
    }

    public void Dispose() => _http.Dispose();
}

/// <summary>Each check of Test-FhirDeidReadiness is made to fail, and passes after its own command has been run.</summary>
public sealed class ReadinessTests : IAsyncLifetime
{
    private const string NetworkAccount = "fhirdeidfirewall";

    private readonly Shell _shell = new();
    private readonly TemporaryFolder _folder = new("readiness");
    private PSObject _emulator = null!;
    private Others _others = null!;

    public async ValueTask InitializeAsync()
    {
        _emulator = await _shell.RunAsync("Start-FhirDeidEmulator -PatientCount 1");
        _others = new Others(_emulator);
        await _shell.RunAllAsync("$global:others = $a; $global:answer = $b; " + Others.Commands, _others, _folder["study.json"]);
        await _shell.RunAllAsync("$null = Connect-FhirDeid -Emulator; New-AnonymizationConfig SafeHarbor | Export-AnonymizationConfig -Path $a; $null = Import-AnonymizationConfig $a | Publish-AnonymizationConfig -Name study.json; $null = Grant-FhirExportAccess -BlobOnly", _folder["study.json"]);
    }

    public async ValueTask DisposeAsync()
    {
        await _shell.RunAllAsync("$a | Stop-FhirDeidEmulator", _emulator);
        _others.Dispose();
        _shell.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Each_check_fails_for_its_reason_and_passes_after_its_own_command()
    {
        string account = _emulator.Text("StorageAccountName"), accountId = _emulator.Text("StorageAccountId");
        Assert.DoesNotContain(await _shell.RunAllAsync("Test-FhirDeidReadiness"), check => check.Text("Status") is not ("Passed" or "Skipped"));

        _others.Set(body => body["identity"] = new JsonObject { ["type"] = "None" });
        PSObject row = await BrokenAsync("Identity", "Failed", "^Enable-FhirServiceIdentity$");
        Assert.Equal("Failed", (await RowAsync("Blob role of the service")).Text("Status"));
        await PutRightAsync(row);

        await PutRightAsync(await BrokenAsync("Blob role of the service", "Failed", "^Grant-FhirExportAccess "));
        _others.Unassign(accountId, (await _shell.RunAsync("Enable-FhirServiceIdentity")).Text("ObjectId"));
        await BrokenAsync("Blob role of the service", "Failed", "^Grant-FhirExportAccess ");
        PSObject[] lacking = await _shell.RunAllAsync("Test-FhirDeidReadiness | Where-Object RoleDefinitionName");
        Assert.Equal(["Blob role of the service"], lacking.Select(check => check.Text("Name")));
        await _shell.RunAllAsync("Test-FhirDeidReadiness | Where-Object RoleDefinitionName | New-AzRoleAssignment");
        await PassesAsync("Blob role of the service");

        _others.Unassign(accountId, (await _shell.RunAsync("(Grant-FhirExportAccess -BlobOnly)[1]")).Text("ObjectId"));
        row = await BrokenAsync("Blob role of the caller", "Warning", "^Grant-FhirExportAccess ");
        Assert.Equal(accountId, row.Text("Scope"));
        await PutRightAsync(row);

        _others.Set(body => body["properties"]!.AsObject().Remove("exportConfiguration"));
        await BrokenAsync("Feature anonymized-export", "Failed", "^Set-FhirExportStorage -StorageAccountName");
        await PutRightAsync(await BrokenAsync("Export storage", "Failed", $"^Set-FhirExportStorage -StorageAccountName {account} -EnableIdentity -GrantAccess$"));
        await PassesAsync("Feature anonymized-export");

        await _shell.RunAllAsync("$null = Connect-FhirDeid -Emulator -ClientId no-export");
        row = await BrokenAsync("Caller may export", "Failed", "^New-AzRoleAssignment -ObjectId .* -RoleDefinitionName 'FHIR Data Exporter' -Scope /subscriptions/");
        Assert.Equal(_emulator.Text("ResourceId"), row.Text("Scope"));
        await PutRightAsync(row);
        await _shell.RunAllAsync("$null = Connect-FhirDeid -Emulator");

        _others.Set(body => body["properties"]!["authenticationConfiguration"]!["audience"] = "https://fhir.example.org");
        await PutRightAsync(await BrokenAsync("Token", "Failed", @"^Get-FhirDeidEmulator \| Connect-FhirDeid -Emulator$"));
        _others.Set(body => body["properties"]!["authenticationConfiguration"]!["authority"] = "https://login.microsoftonline.com/99999999-aaaa-bbbb-cccc-dddddddddddd");
        Assert.Contains("99999999", (await BrokenAsync("Token", "Failed", "")).Text("Detail"), StringComparison.Ordinal);
        _others.Set(body => body["properties"]!.AsObject().Remove("authenticationConfiguration"));
        await _shell.RunAllAsync("$null = Connect-FhirDeid -Emulator");
        await PassesAsync("Token");
    }

    [Fact]
    public async Task Storage_is_looked_at_from_its_subscription_to_the_configuration()
    {
        string account = _emulator.Text("StorageAccountName");

        // Containers and configurations.
        await PutRightAsync(await BrokenAsync("Export container", "Warning", "^New-AzStorageContainer -Name research ", "research"), "research");
        string named = "-ConfigName study.json";
        await PassesAsync("Configuration", named);
        _others.Blob("PUT", "anonymization/study.json", """{"fhirPathRules":[{"path":"Patient.name","method":"blur"}]}""");
        await BrokenAsync("Configuration", "Failed", "^Import-AnonymizationConfig ");
        await PutRightAsync(await BrokenAsync("Configuration", "Failed", "^Import-AnonymizationConfig ", named), named);
        _others.Blob("PUT", "anonymization/study.json", new string(' ', (1 << 20) + 1));
        await PutRightAsync(await BrokenAsync("Configuration", "Failed", "^Import-AnonymizationConfig ", named), named);
        _others.Blob("PUT", "anonymization/study.json", "{");
        await PutRightAsync(await BrokenAsync("Configuration", "Failed", "^Import-AnonymizationConfig ", named), named);
        PSObject row = await BrokenAsync("Configuration", "Failed", "^Get-AnonymizationConfig -Name study.json ", named + " -ConfigETag '\"0x8DC\"'");
        Assert.Equal("Passed", (await _shell.RunAllAsync(row.Text("Fix"))).Single(check => check.Text("Name") == "Configuration").Text("Status"));
        _others.Blob("DELETE", "anonymization/study.json", "");
        await PutRightAsync(await BrokenAsync("Configuration", "Failed", "^Import-AnonymizationConfig ", named), named);
        _others.Blob("DELETE", "anonymization?restype=container", "");
        await BrokenAsync("Configuration", "Warning", "^New-AnonymizationConfig ");
        await PutRightAsync(await BrokenAsync("Containers", "Warning", "^New-AnonymizationConfig "));
        await PassesAsync("Configuration");

        // Another account than the connection's, behind a firewall, closed, and gone.
        _others.Set(body => body["properties"]!["exportConfiguration"]!["storageAccountName"] = NetworkAccount);
        await PutRightAsync(await BrokenAsync("Export storage", "Warning", "^Set-FhirExportStorage -StorageAccountName fhirdeidfirewall$"));
        await PutRightAsync(await BrokenAsync("Network rules", "Failed", "^Add-AzStorageAccountNetworkRule -ResourceGroupName fhirdeid -Name fhirdeidfirewall -TenantId [0-9a-f-]{36} -ResourceId /subscriptions/"));
        _others.PatchAccount("fhirdeid", NetworkAccount, """{"networkAcls":{"defaultAction":"Deny","resourceAccessRules":[],"ipRules":[{"value":"203.0.113.7"}]}}""");
        await PutRightAsync(await BrokenAsync("Network rules", "Warning", "^Add-AzStorageAccountNetworkRule "));
        _others.PatchAccount("fhirdeid", NetworkAccount, """{"publicNetworkAccess":"Disabled","networkAcls":{"defaultAction":"Allow","resourceAccessRules":[]}}""");
        await PutRightAsync(await BrokenAsync("Network rules", "Failed", "^Update-AzStorageAccountNetworkRuleSet .*; Add-AzStorageAccountNetworkRule .*; Set-AzStorageAccount .* -PublicNetworkAccess Enabled$"));
        _others.DeleteAccount(NetworkAccount);
        row = await BrokenAsync("Same subscription", "Failed", "^Set-FhirExportStorage -EnableIdentity -GrantAccess$");
        await _shell.RunAllAsync($"{row.Text("Fix")} -StorageAccountName {account}");
        await PassesAsync("Same subscription");

        // An account of another subscription.
        _others.Set(body => body["properties"]!.AsObject().Remove("exportConfiguration"));
        await _shell.RunAllAsync("$a | Connect-FhirDeid -Emulator -StorageAccountName fhirdeidelsewhere", _emulator);
        row = await BrokenAsync("Same subscription", "Failed", "^Set-FhirExportStorage -EnableIdentity -GrantAccess$");
        Assert.Contains("FhirDeid elsewhere", row.Text("Detail"), StringComparison.Ordinal);
        await _shell.RunAllAsync($"{row.Text("Fix")} -StorageAccountName {account}");
        await PassesAsync("Same subscription");
    }

    [Fact]
    public async Task By_URL_alone_no_check_passes_that_could_not_look()
    {
        await _shell.RunAllAsync("""
            $copy = [FhirDeid.FhirDeidEmulator]@{ FhirServiceUri = $a.FhirServiceUri; TokenEndpoint = $a.TokenEndpoint; BlobEndpoint = $a.BlobEndpoint; StorageAccountName = $a.StorageAccountName; CertificateAuthority = $a.CertificateAuthority }
            $copy | Connect-FhirDeid -Emulator
            """, _emulator);
        PSObject[] checks = await _shell.RunAllAsync("Test-FhirDeidReadiness");

        foreach (string name in (string[])["Kind", "Provisioning", "Identity", "Export storage", "Same subscription", "Network rules", "Blob role of the service", "Blob role of the caller"])
            Assert.Equal("Unknown", checks.Single(check => check.Text("Name") == name).Text("Status"));
        foreach (string name in (string[])["FHIR service answers", "Token", "Caller may export", "Containers", "Configuration"])
            Assert.Equal("Passed", checks.Single(check => check.Text("Name") == name).Text("Status"));
        await _shell.RunAllAsync(checks.First(check => check.Text("Name") == "Kind").Text("Fix"));
        await PassesAsync("Kind");
    }

    [Fact]
    public async Task An_update_of_someone_else_is_waited_for()
    {
        _others.Set(body => body["tags"] = new JsonObject { ["theirs"] = "kept" }, wait: false);

        PSObject set = await _shell.RunAsync("Set-FhirExportStorage fhirdeidfirewall -WarningAction Ignore");

        Assert.Equal(("fhirdeidfirewall", "Succeeded"), (set.Text("StorageAccountName"), set.Text("ProvisioningState")));
        JsonObject body = _others.Settled();
        Assert.Equal(("kept", "custom", "fhirdeidfirewall"), ((string?)body["tags"]!["theirs"], (string?)body["properties"]!["fhirDeidFutureConfiguration"]!["mode"], (string?)body["properties"]!["exportConfiguration"]!["storageAccountName"]));
    }

    [Fact]
    public async Task Scripts_ask_by_the_fixed_words()
    {
        Assert.Equal("ready", (await _shell.RunAsync("if (Test-FhirDeidReadiness | Where-Object Status -eq Failed) { 'not ready' } else { 'ready' }")).ToString());
        _others.Set(body => body["identity"] = new JsonObject { ["type"] = "None" });

        Assert.Equal("not ready", (await _shell.RunAsync("if (Test-FhirDeidReadiness | Where-Object Status -eq Failed) { 'not ready' } else { 'ready' }")).ToString());
        Assert.Equal("Failed Passed Skipped Unknown Warning", string.Join(' ', (await _shell.RunAllAsync("[enum]::GetNames([FhirDeid.FhirDeidCheckStatus])")).Select(name => name.ToString()).Order()));
    }

    private async Task<PSObject> RowAsync(string name, string arguments = "") =>
        (await _shell.RunAllAsync($"Test-FhirDeidReadiness {arguments}")).Single(check => check.Text("Name") == name);

    private async Task<PSObject> BrokenAsync(string name, string status, string fix, string arguments = "")
    {
        PSObject row = await RowAsync(name, arguments);
        Assert.Equal((name, status), (name, row.Text("Status")));
        Assert.Matches(fix, row.Text("Fix"));
        Parser.ParseInput(row.Text("Fix"), out _, out ParseError[] errors);
        Assert.Empty(errors);
        return row;
    }

    private async Task PutRightAsync(PSObject row, string arguments = "")
    {
        await _shell.RunAllAsync(row.Text("Fix"));
        await PassesAsync(row.Text("Name"), arguments);
    }

    /// <summary>New roles take a second here.</summary>
    private async Task PassesAsync(string name, string arguments = "")
    {
        for (DateTime end = DateTime.UtcNow.AddMinutes(1); ; await Task.Delay(200, TestContext.Current.CancellationToken))
        {
            PSObject row = await RowAsync(name, arguments);
            if (row.Text("Status") == "Passed") return;
            Assert.True(DateTime.UtcNow < end, $"{name}: {row.Text("Status")} {row.Text("Detail")}");
        }
    }
}
