using System.Management.Automation;

namespace FhirDeid.Tests;

/// <summary>A session connected to an emulator whose service lacks identity, role and export storage.</summary>
public sealed class BareService : IAsyncLifetime
{
    public Shell Shell { get; } = new();

    public PSObject Emulator { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Emulator = await Shell.RunAsync("Start-FhirDeidEmulator -PatientCount 3 -Without Identity, BlobRole, ExportStorage");

    public async ValueTask DisposeAsync()
    {
        if (Emulator is not null) await Shell.RunAllAsync("$a | Stop-FhirDeidEmulator", Emulator);
        Shell.Dispose();
    }
}

/// <summary>The setup of a service, from bare to exporting. One test: each step stands on the one before.</summary>
public sealed class SetupTests
{
    [Fact]
    public async Task A_bare_service_exports_after_one_line_which_can_be_repeated()
    {
        using Shell shell = new();
        PSObject emulator = await shell.RunAsync("Start-FhirDeidEmulator -PatientCount 3 -Without Identity, BlobRole, ExportStorage");
        try
        {
            await shell.RunAsync("$a | Connect-FhirDeid -Emulator", emulator);
            string account = emulator.Text("StorageAccountName");
            Dictionary<string, PSObject> bare = await ChecksAsync(shell);
            Assert.All((string[])["Identity", "Export storage", "Blob role of the service"], name => Assert.Equal("Failed", bare[name].Text("Status")));
            Assert.Equal("Enable-FhirServiceIdentity", bare["Identity"].Text("Fix"));
            Assert.Equal("", (await shell.RunAsync("Get-FhirExportStorage")).Text("StorageAccountName"));
            await shell.FailsAsync("FhirDeid.IdentityMissing", "Grant-FhirExportAccess $a", account);

            Outcome whatIf = await shell.TryAsync("Set-FhirExportStorage $a -EnableIdentity -GrantAccess -WhatIf", account);
            Assert.Empty(whatIf.Output);
            Assert.Empty(whatIf.Errors);
            Assert.All((string[])["Switch on", "Storage Blob Data Contributor", "Storage Queue Data Contributor", "Set export storage"], text => Assert.Contains(text, whatIf.Text, StringComparison.Ordinal));
            Assert.Equal("Failed", (await ChecksAsync(shell))["Identity"].Text("Status"));

            PSObject set = await shell.RunAsync("Set-FhirExportStorage $a -EnableIdentity -GrantAccess", account);
            Assert.Equal(account, set.Text("StorageAccountName"));
            Assert.Equal(6, ((string[])set.Value("Changes")!).Length);
            PSObject again = await shell.RunAsync("Set-FhirExportStorage $a -EnableIdentity -GrantAccess", account);
            Assert.Empty((string[])again.Value("Changes")!);

            PSObject identity = await shell.RunAsync("Enable-FhirServiceIdentity");
            Assert.Equal("False", identity.Text("Changed"));
            PSObject[] roles = await shell.RunAllAsync("Grant-FhirExportAccess");
            Assert.Equal(4, roles.Length);
            Assert.All(roles, role => Assert.Equal(("False", emulator.Text("StorageAccountId")), (role.Text("Changed"), role.Text("Scope"))));
            Assert.Equal(identity.Text("ObjectId"), roles[0].Text("ObjectId"));

            PSObject export = await shell.RunAsync("New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig | Start-FhirDeidExport research | Wait-FhirExport");
            Assert.Equal("Completed", export.Text("Status"));
            Assert.All(await ChecksAsync(shell), check => Assert.Equal("Passed", check.Value.Text("Status")));
        }
        finally
        {
            await shell.RunAllAsync("$a | Stop-FhirDeidEmulator", emulator);
        }
    }

    private static async Task<Dictionary<string, PSObject>> ChecksAsync(Shell shell) =>
        (await shell.RunAllAsync("Test-FhirDeidReadiness")).ToDictionary(check => check.Text("Name"));
}

public sealed class ConnectByNameTests(BareService service) : IClassFixture<BareService>, IDisposable
{
    private const string Lab = "3f1f6c1e-5d0b-4b0a-9a55-0d2c7a3e9b10";
    private const string Elsewhere = "9c2b7a54-0e63-4d7f-8f3a-6b1e2d4c5f20";

    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    private Task<PSObject> ConnectAsync(string arguments) => _shell.RunAsync($"$a | Connect-FhirDeid -Emulator {arguments}", service.Emulator);

    private Task<ErrorRecord> RefusedAsync(string id, string arguments) => _shell.FailsAsync(id, $"$a | Connect-FhirDeid -Emulator {arguments}", service.Emulator);

    [Theory]
    [InlineData($"-Subscription {Lab}")]
    [InlineData("-Subscription 'fhirdeid LAB' -ServiceName FHIR")]
    [InlineData($"-Subscription {Lab} -ResourceGroupName fhirdeid -WorkspaceName lab -ServiceName fhir")]
    public async Task Names_that_tell_one_service_connect_to_it(string names)
    {
        PSObject context = await ConnectAsync(names);

        Assert.Equal(service.Emulator.Text("ResourceId"), context.Text("ResourceId"));
        Assert.Equal(Lab, context.Text("SubscriptionId"));
        Assert.Equal(service.Emulator.Text("FhirServiceUri"), context.Text("FhirServiceUri"));
        Assert.Equal("AzureCloud", context.Text("Environment"));
    }

    [Theory]
    [InlineData("FhirDeid.SubscriptionAmbiguous", "-ServiceName fhir", Elsewhere)]
    [InlineData("FhirDeid.SubscriptionNotFound", "-Subscription nowhere", "FhirDeid lab")]
    [InlineData("FhirDeid.SubscriptionNotFound", "-Subscription 00000000-0000-0000-0000-000000000001", "Get-AzSubscription")]
    [InlineData("FhirDeid.FhirServiceNotFound", $"-Subscription {Lab} -ServiceName nope", "/fhirservices/fhir")]
    [InlineData("FhirDeid.FhirServiceNotFound", $"-Subscription {Lab} -ResourceGroupName nope", "/fhirservices/fhir")]
    [InlineData("FhirDeid.FhirServiceNotFound", $"-Subscription {Lab} -WorkspaceName nope", "/fhirservices/fhir")]
    [InlineData("FhirDeid.FhirServiceAmbiguous", $"-Subscription {Elsewhere}", "/fhirservices/fhirstu3")]
    [InlineData("FhirDeid.FhirVersionNotSupported", $"-Subscription {Elsewhere} -ServiceName fhirstu3", "R4")]
    public async Task Names_that_tell_none_or_two_are_answered_with_what_there_is(string id, string names, string text)
    {
        ErrorRecord error = await RefusedAsync(id, names);

        Assert.Contains(text, error.Exception.Message + error.ErrorDetails.RecommendedAction, StringComparison.Ordinal);
        Assert.Empty(await _shell.RunAllAsync("Get-FhirDeidContext"));
    }

    [Theory]
    [InlineData("FhirDeid.TargetMissing", "Connect-FhirDeid -ManagedIdentity")]
    [InlineData("FhirDeid.TargetMissing", "Connect-FhirDeid -DeviceCode")]
    [InlineData("FhirDeid.TargetAmbiguous", "Connect-FhirDeid -ManagedIdentity -ResourceId /x -ServiceName y")]
    [InlineData("FhirDeid.ResourceIdInvalid", "Connect-FhirDeid -ManagedIdentity -ResourceId /x")]
    [InlineData("FhirDeid.ResourceIdInvalid", "[PSCustomObject]@{ Id = '/x'; Name = 'w/f'; ResourceGroupName = 'rg' } | Connect-FhirDeid -ManagedIdentity")]
    [InlineData("FhirDeid.AccessTokenIsForFhirOnly", "Connect-FhirDeid -AccessToken ([securestring]::new()) -ServiceName y")]
    [InlineData("FhirDeid.CertificateInvalid", "Connect-FhirDeid -ServiceName y -TenantId t -ClientId c -CertificatePath ./missing.pfx")]
    [InlineData("FhirDeid.FederatedTokenFileNotFound", "Connect-FhirDeid -ServiceName y -TenantId t -ClientId c -FederatedTokenFile ./missing")]
    public async Task A_target_or_credential_that_cannot_be_is_refused_before_anything_is_sent(string id, string script) => await _shell.FailsAsync(id, script);

    [Fact]
    public async Task A_connection_by_URL_alone_says_what_setting_up_needs()
    {
        await _shell.RunAsync("""
            $copy = [FhirDeid.FhirDeidEmulator]@{ FhirServiceUri = $a.FhirServiceUri; TokenEndpoint = $a.TokenEndpoint; BlobEndpoint = $a.BlobEndpoint; StorageAccountName = $a.StorageAccountName; CertificateAuthority = $a.CertificateAuthority }
            $copy | Connect-FhirDeid -Emulator
            """, service.Emulator);

        foreach (string script in (string[])["Enable-FhirServiceIdentity", "Grant-FhirExportAccess", "Get-FhirExportStorage", "Set-FhirExportStorage abc"])
            Assert.Contains("-ResourceId", (await _shell.FailsAsync("FhirDeid.ResourceIdRequired", script)).ErrorDetails.RecommendedAction, StringComparison.Ordinal);
        Assert.Contains("Unknown", (await _shell.RunAllAsync("Test-FhirDeidReadiness")).Select(check => check.Text("Status")));
    }

    [Theory]
    [InlineData("FhirDeid.StorageAccountNotFound", "Set-FhirExportStorage nowhere", "Get-AzStorageAccount")]
    [InlineData("FhirDeid.StorageInOtherSubscription", "Set-FhirExportStorage fhirdeidelsewhere -EnableIdentity -GrantAccess", "Choose or create an account")]
    [InlineData("FhirDeid.StorageAccountInvalid", "Set-FhirExportStorage 'Not-A-Name'", "lower-case letters")]
    public async Task Storage_that_cannot_be_used_is_refused(string id, string script, string advice)
    {
        await ConnectAsync("");

        Assert.Contains(advice, (await _shell.FailsAsync(id, script)).ErrorDetails?.RecommendedAction ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_may_not_assign_roles_is_told_what_is_done_and_how_to_go_on()
    {
        PSObject emulator = await _shell.RunAsync("Start-FhirDeidEmulator -PatientCount 1 -Without Identity, BlobRole, ExportStorage");
        try
        {
            await _shell.RunAsync("$a | Connect-FhirDeid -Emulator -ClientId no-owner", emulator);
            ErrorRecord error = await _shell.FailsAsync("FhirDeid.RoleAssignmentForbidden", "Set-FhirExportStorage $a -EnableIdentity -GrantAccess", emulator.Text("StorageAccountName"));

            Assert.Matches("Changed so far: Identity [0-9a-f-]{36} switched on. Not done: roles, export storage.", error.Exception.Message);
            PSObject state = PSObject.AsPSObject(error.TargetObject);
            Assert.Single((string[])state.Value("Changes")!);
            Assert.Equal(["roles", "export storage"], (string[])state.Value("NotDone")!);
            Assert.Equal($"Set-FhirExportStorage -StorageAccountName {emulator.Text("StorageAccountName")} -EnableIdentity -GrantAccess", state.Text("Continue"));
            Assert.Contains("User Access Administrator", error.ErrorDetails.RecommendedAction, StringComparison.Ordinal);
            Assert.EndsWith($"Set-FhirExportStorage -StorageAccountName {emulator.Text("StorageAccountName")} -EnableIdentity -GrantAccess", error.ErrorDetails.RecommendedAction, StringComparison.Ordinal);

            // Another principal, who cannot be in the tenant any more; and one whose type is another.
            await _shell.RunAsync("$a | Connect-FhirDeid -Emulator", emulator);
            Outcome deleted = await _shell.TryAsync("Grant-FhirExportAccess $a -PrincipalId 12345678-0000-0000-0000-000000000000 -BlobOnly", emulator.Text("StorageAccountName"));
            Assert.StartsWith("FhirDeid.PrincipalNotFound,", Assert.Single(deleted.Errors).FullyQualifiedErrorId, StringComparison.Ordinal);
            Assert.Equal("True", Assert.Single(deleted.Output).Text("Changed"));
        }
        finally
        {
            await _shell.RunAllAsync("$a | Stop-FhirDeidEmulator", emulator);
        }
    }

    [Fact]
    public async Task Who_may_not_export_is_told_the_role_that_is_missing()
    {
        await ConnectAsync("-ClientId no-export");

        PSObject check = (await _shell.RunAllAsync("Test-FhirDeidReadiness")).Single(check => check.Text("Name") == "Caller may export");

        Assert.Equal(("Failed", "FHIR Data Exporter"), (check.Text("Status"), check.Text("RoleDefinitionName")));
        Assert.Matches("^New-AzRoleAssignment -ObjectId [0-9a-f-]{36} -RoleDefinitionName 'FHIR Data Exporter' -Scope /subscriptions/", check.Text("Fix"));
    }

    [Fact]
    public async Task A_firewall_that_keeps_the_service_out_is_warned_of_with_the_rule_that_helps()
    {
        await ConnectAsync("");

        Outcome outcome = await _shell.TryAsync("Set-FhirExportStorage fhirdeidfirewall -WhatIf");

        Assert.Empty(outcome.Errors);
        Assert.Contains("Add-AzStorageAccountNetworkRule", Assert.Single(outcome.Warnings), StringComparison.Ordinal);
        Assert.Contains(service.Emulator.Text("ResourceId"), outcome.Warnings[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_runspace_has_a_connection_of_its_own_to_an_emulator_of_its_own()
    {
        PSObject other = await _shell.RunAsync("Start-FhirDeidEmulator -PatientCount 1");
        try
        {
            PSObject[] contexts = await _shell.RunAllAsync("""
                $module = $c
                $a, $b | ForEach-Object -Parallel {
                    Import-Module $using:module
                    $null = $_ | Connect-FhirDeid -Emulator
                    1..5 | ForEach-Object { (Get-FhirExportStorage).StorageAccountName; (Get-FhirDeidContext).FhirServiceUri }
                }
                """, service.Emulator, other, Shell.Module);

            Assert.Equal(5, contexts.Count(item => item.ToString() == service.Emulator.Text("FhirServiceUri")));
            Assert.Equal(5, contexts.Count(item => item.ToString() == other.Text("FhirServiceUri")));
            Assert.Equal(5, contexts.Count(item => item.ToString() == other.Text("StorageAccountName")));
            Assert.Empty(await _shell.RunAllAsync("Get-FhirDeidContext"));
        }
        finally
        {
            await _shell.RunAllAsync("$a | Stop-FhirDeidEmulator", other);
        }
    }

    [Fact]
    public async Task The_real_managed_identity_connects_from_a_process_of_its_own()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only on Linux does a variable make a process trust another certificate authority.");
        using TemporaryFolder folder = new("identity");
        await File.WriteAllTextAsync(folder["authority.pem"], service.Emulator.Text("CertificateAuthority"), TestContext.Current.CancellationToken);

        string output = await Shell.RunInChildAsync(Shell.Module, $"""
            $context = Connect-FhirDeid {service.Emulator.Text("FhirServiceUri")} -ManagedIdentity -StorageAccountName {service.Emulator.Text("StorageAccountName")} -BlobEndpoint {service.Emulator.Text("BlobEndpoint")}
            $context.Credential; $context.Account
            (New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig -Name identity.json).ConfigName
            """, new()
        {
            ["IDENTITY_ENDPOINT"] = service.Emulator.Text("IdentityEndpoint"),
            ["IDENTITY_HEADER"] = service.Emulator.Text("IdentityHeader"),
            ["SSL_CERT_FILE"] = folder["authority.pem"],
        });

        Assert.Equal(["ManagedIdentity", "7d0f2a86-51c4-4c5e-9d0e-3a6b8f1c2e47", "identity.json"], output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
    }

    [Theory]
    [InlineData("[FhirDeid.FhirServiceIdentity]@{ Type = 'SystemAssigned'; ObjectId = 'abc-def' }", "SystemAssigned", "abc-def", "Changed")]
    [InlineData("[FhirDeid.FhirRoleAssignment]@{ RoleDefinitionName = 'Storage Blob Data Contributor'; ObjectId = 'abc-def'; Scope = '/x' }", "Storage Blob Data Contributor", "abc-def")]
    [InlineData("[FhirDeid.FhirExportStorage]@{ StorageAccountName = 'contosoexports'; NetworkAccess = 'ResourceInstanceRule' }", "contosoexports", "ResourceInstanceRule")]
    [InlineData("[FhirDeid.FhirDeidCheck]@{ Name = 'Identity'; Status = 'Failed'; Detail = 'off'; Fix = 'Enable-FhirServiceIdentity' }", "Failed", "Identity", "off", "Enable-FhirServiceIdentity")]
    public async Task Objects_of_the_setup_are_shown_by_a_view_of_their_own(string script, params string[] expected)
    {
        string text = await _shell.ShowAsync(script);

        Assert.All(expected, part => Assert.Contains(part, text, StringComparison.Ordinal));
    }
}
