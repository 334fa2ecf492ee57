using System.Text.RegularExpressions;

namespace FhirDeid.Cloud;

/// <summary>The commands that put right what <see cref="Readiness"/> finds. Each does as it stands, at a prompt: what only its user knows, it asks for. What comes from a service or a token is an argument there and nothing else: <see cref="Quote"/>.</summary>
internal sealed partial class ReadinessFix(FhirDeidContext context)
{
    private string Environment => context.Environment == AzureEnvironment.AzureCloud ? "" : $" -Environment {context.Environment}";

    /// <summary>Connects again, to the same service and in the same way.</summary>
    /// <param name="arguments">More of Connect-FhirDeid's arguments.</param>
    /// <param name="tenant">Tenant to sign in to; null for the one of before.</param>
    public string Connect(string arguments = "", string? tenant = null)
    {
        if (context.Credential == FhirDeidCredential.Emulator) return $"Get-FhirDeidEmulator | Connect-FhirDeid -Emulator{arguments}";
        string target = context.ResourceId.Length > 0 ? $"Connect-FhirDeid -ResourceId {Quote(context.ResourceId)}{Environment}" : $"Connect-FhirDeid {Quote(context.FhirServiceUri?.AbsoluteUri ?? "")}";
        if (context.ResourceId.Length == 0 && context.StorageAccountName.Length > 0) target += $" -StorageAccountName {Quote(context.StorageAccountName)}";
        return (SignIn(tenant) + target + As(tenant) + arguments).TrimEnd();
    }

    /// <summary>Connects by resource id in place of the URL.</summary>
    public string ConnectById() => context.Credential == FhirDeidCredential.Emulator ? Connect()
        : $"{Service} | Connect-FhirDeid{As(null)}{Environment}";

    /// <summary>Signs the same kind of caller in.</summary>
    private string SignIn(string? tenant) => context.Credential is FhirDeidCredential.Az or FhirDeidCredential.AccessToken && tenant is not null ? $"Connect-AzAccount -Tenant {Quote(tenant)}{Environment}; " : "";

    private string As(string? tenant) => context.Credential switch
    {
        FhirDeidCredential.ManagedIdentity => " -ManagedIdentity",
        FhirDeidCredential.Interactive => " -Interactive" + (tenant is null ? "" : $" -TenantId {Quote(tenant)}"),
        FhirDeidCredential.DeviceCode => " -DeviceCode" + (tenant is null ? "" : $" -TenantId {Quote(tenant)}"),
        FhirDeidCredential.ClientSecret => $"{Principal(tenant)} -ClientSecret (Read-Host -Prompt 'Client secret' -AsSecureString)",
        FhirDeidCredential.ClientCertificate => $"{Principal(tenant)} -CertificatePath (Read-Host -Prompt 'File of the certificate')",
        FhirDeidCredential.FederatedToken => $"{Principal(tenant)} -FederatedTokenFile (Read-Host -Prompt 'File of the token')",
        _ => "",
    };

    private string Principal(string? tenant) => $" -TenantId {Quote(tenant ?? context.TenantId)} -ClientId {Quote(context.Account)}";

    /// <summary>The FHIR service of the connection, found by its host name: workspace and name, joined by a hyphen.</summary>
    private string Service => $"Get-AzResource -ResourceType Microsoft.HealthcareApis/workspaces/fhirservices | Where-Object {{ $_.Name.Replace('/', '-') -eq {Quoted(context.FhirServiceUri?.Host.Split('.')[0] ?? "")} }}";

    /// <summary>Assigns a role.</summary>
    public static string Assign(FhirRoleAssignment lacking) => $"New-AzRoleAssignment -ObjectId {Quote(lacking.ObjectId)} -RoleDefinitionName '{lacking.RoleDefinitionName}' -Scope {Quote(lacking.Scope)}";

    /// <summary>Assigns a role on the FHIR service where only its URL is known.</summary>
    public string AssignOnService(string objectId, string role) => $"New-AzRoleAssignment -ObjectId {Quote(objectId)} -RoleDefinitionName '{role}' -Scope ({Service}).ResourceId";

    /// <summary>Sets the export storage, with all that belongs to it; asks for the account where none is known.</summary>
    public static string SetStorage(string account) => $"Set-FhirExportStorage{(account.Length > 0 ? $" -StorageAccountName {Quote(account)}" : "")} -EnableIdentity -GrantAccess";

    /// <summary>Takes the connection over to the account that the service exports to.</summary>
    public static string TakeOver(string account) => $"Set-FhirExportStorage -StorageAccountName {Quote(account)}";

    /// <summary>Gives a managed identity the role to read from a container registry.</summary>
    public static string AssignOnRegistry(string objectId, string loginServer) =>
        $"New-AzRoleAssignment -ObjectId {Quote(objectId)} -RoleDefinitionName AcrPull -Scope (Get-AzContainerRegistry | Where-Object LoginServer -eq {Quote(loginServer)}).Id";

    /// <summary>Gives the roles for blobs.</summary>
    public static string Grant(string account) => $"Grant-FhirExportAccess{(account.Length > 0 ? $" -StorageAccountName {Quote(account)}" : "")} -BlobOnly";

    /// <summary>Lets the FHIR service through the firewall of its storage account, and nobody else.</summary>
    public string Admit(FhirExportStorage account)
    {
        string rule = $"Add-AzStorageAccountNetworkRule {Named(account)} -TenantId {Quote(context.TenantId)} -ResourceId {Quote(account.ResourceId)}";
        // The rules do not count as long as public access is off, and must stand before it is on.
        return account.NetworkAccess != FhirStorageAccess.Disabled ? rule
            : $"Update-AzStorageAccountNetworkRuleSet {Named(account)} -DefaultAction Deny; {rule}; Set-AzStorageAccount {Named(account)} -PublicNetworkAccess Enabled";
    }

    /// <summary>Lets this machine through the firewall of a storage account.</summary>
    public static string AdmitSelf(FhirExportStorage? account) => account is null ? ""
        : $"Add-AzStorageAccountNetworkRule {Named(account)} -IPAddressOrRange (Read-Host -Prompt 'Public address of this machine')";

    /// <summary>Looks whether this machine reaches a host at all.</summary>
    public static string Reach(Uri? endpoint) => endpoint is null ? "" : $"Test-Connection -TargetName {endpoint.Host} -TcpPort {endpoint.Port}";

    /// <summary>Makes a container.</summary>
    public string MakeContainer(string container) => $"New-AzStorageContainer -Name {Quote(container)} -Context (New-AzStorageContext -StorageAccountName {Quote(context.StorageAccountName)} -UseConnectedAccount)";

    /// <summary>Publishes a file in place of a configuration that cannot be used.</summary>
    public static string Republish(string name) => $"Import-AnonymizationConfig -Path (Read-Host -Prompt 'File of the configuration') | Publish-AnonymizationConfig -Name {Quote(name)} -Force";

    /// <summary>Sets this machine's clock by a time server.</summary>
    public static string SetClock() => OperatingSystem.IsWindows() ? "w32tm /resync" : OperatingSystem.IsMacOS() ? "sudo sntp -sS time.apple.com" : "sudo timedatectl set-ntp true";

    private static string Named(FhirExportStorage account) => $"-ResourceGroupName {Quote(account.StorageAccountId.Split('/').ElementAtOrDefault(4) ?? "")} -Name {Quote(account.StorageAccountName)}";

    /// <summary>A value as an argument: bare where PowerShell reads it as it is. Curly quotation marks count as straight ones there.</summary>
    public static string Quote(string value) => Bare().IsMatch(value) ? value : Quoted(value);

    private static string Quoted(string value) => $"'{QuotationMark().Replace(value, "$0$0")}'";

    [GeneratedRegex("['\u2018-\u201B]")]
    private static partial Regex QuotationMark();

    [GeneratedRegex(@"\A[A-Za-z0-9/_][A-Za-z0-9/_.:-]*\z")]
    private static partial Regex Bare();
}
