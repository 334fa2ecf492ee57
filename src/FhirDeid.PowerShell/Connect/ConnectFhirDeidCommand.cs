using System.Management.Automation;
using System.Security;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Connect;

/// <summary>Connects this session to a FHIR service and the storage account that its exports go to. Without a credential parameter, tokens come from the Az session.</summary>
/// <remarks>
/// <para>The service is told by names or by resource id, and the resource manager then tells its URL, its audience and its export storage; or by its URL alone, which does for exports but not for the cmdlets that set up the service.</para>
/// <para>The connection belongs to the runspace: each runspace of ForEach-Object -Parallel connects for itself. Tokens are renewed while cmdlets run, except one given by -AccessToken.</para>
/// </remarks>
/// <example><code>Connect-FhirDeid -ServiceName lab</code>Connects as the user of Connect-AzAccount to the one FHIR service of that name in the one subscription.</example>
/// <example><code>Connect-FhirDeid -Subscription 'Research' -ResourceGroupName lab-rg -WorkspaceName contoso -ServiceName lab</code>Tells the service by all its names.</example>
/// <example><code>Get-AzHealthcareFhirService -ResourceGroupName lab-rg -WorkspaceName contoso -Name lab | Connect-FhirDeid</code>Takes the service from Az.</example>
/// <example><code>Connect-FhirDeid https://contoso-lab.fhir.azurehealthcareapis.com -StorageAccountName contosoexports</code>Connects by URL.</example>
/// <example><code>Connect-FhirDeid -ResourceId $id -ManagedIdentity</code>Connects as the machine's managed identity, for example in an Azure Automation runbook.</example>
/// <example><code>Start-FhirDeidEmulator | Connect-FhirDeid -Emulator</code>Starts an emulator on this machine and connects to it.</example>
[Cmdlet(VerbsCommunications.Connect, "FhirDeid", DefaultParameterSetName = Az)]
[OutputType(typeof(FhirDeidContext))]
public sealed class ConnectFhirDeidCommand : FhirDeidCommand
{
    private const string Az = "Az";
    private const string Identity = "ManagedIdentity";
    private const string Secret = "ClientSecret";
    private const string Certificate = "ClientCertificate";
    private const string Federated = "FederatedToken";
    private const string Browser = "Interactive";
    private const string Code = "DeviceCode";
    private const string Token = "AccessToken";
    private const string Emulated = "Emulator";

    /// <summary>Base URL of the FHIR service, https.</summary>
    [Parameter(ParameterSetName = Az, Position = 0)]
    [Parameter(ParameterSetName = Identity, Position = 0)]
    [Parameter(ParameterSetName = Secret, Position = 0)]
    [Parameter(ParameterSetName = Certificate, Position = 0)]
    [Parameter(ParameterSetName = Federated, Position = 0)]
    [Parameter(ParameterSetName = Browser, Position = 0)]
    [Parameter(ParameterSetName = Code, Position = 0)]
    [Parameter(ParameterSetName = Token, Position = 0)]
    [Parameter(ParameterSetName = Emulated, ValueFromPipelineByPropertyName = true)]
    public Uri? FhirServiceUri { get; set; }

    /// <summary>Resource id of the FHIR service. Objects of Get-AzHealthcareFhirService and Get-AzResource bring it along.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("Id")]
    public string? ResourceId { get; set; }

    /// <summary>Subscription of the FHIR service, by id or name; not needed when you see only one.</summary>
    [Parameter]
    [ValidateNotBlank]
    public string? Subscription { get; set; }

    /// <summary>Resource group of the FHIR service; not needed when the other names tell the service.</summary>
    [Parameter]
    [ValidateNotBlank]
    public string? ResourceGroupName { get; set; }

    /// <summary>Workspace of the FHIR service; not needed when the other names tell the service.</summary>
    [Parameter]
    [ValidateNotBlank]
    public string? WorkspaceName { get; set; }

    /// <summary>Name of the FHIR service in its workspace; not needed when the other names tell the service.</summary>
    [Parameter]
    [ValidateNotBlank]
    public string? ServiceName { get; set; }

    /// <summary>Cloud of Azure; that of the URL, or else the public one, where it is not given.</summary>
    [Parameter]
    public AzureEnvironment? Environment { get; set; }

    /// <summary>Takes tokens from the machine's managed identity.</summary>
    [Parameter(ParameterSetName = Identity, Mandatory = true)]
    public SwitchParameter ManagedIdentity { get; set; }

    /// <summary>Microsoft Entra tenant of the service principal or user: its id or a domain name.</summary>
    [Parameter(ParameterSetName = Secret, Mandatory = true)]
    [Parameter(ParameterSetName = Certificate, Mandatory = true)]
    [Parameter(ParameterSetName = Federated, Mandatory = true)]
    [Parameter(ParameterSetName = Browser)]
    [Parameter(ParameterSetName = Code)]
    [ValidateNotNullOrEmpty]
    public string? TenantId { get; set; }

    /// <summary>Client id of the service principal, of a user-assigned managed identity, or of the application that a user signs in to. To an emulator, no-export is a caller who may not export, and no-owner one who may not assign roles.</summary>
    [Parameter(ParameterSetName = Secret, Mandatory = true)]
    [Parameter(ParameterSetName = Certificate, Mandatory = true)]
    [Parameter(ParameterSetName = Federated, Mandatory = true)]
    [Parameter(ParameterSetName = Browser)]
    [Parameter(ParameterSetName = Code)]
    [Parameter(ParameterSetName = Identity)]
    [Parameter(ParameterSetName = Emulated)]
    [ValidateNotNullOrEmpty]
    public string? ClientId { get; set; }

    /// <summary>Client secret of the service principal.</summary>
    [Parameter(ParameterSetName = Secret, Mandatory = true)]
    public SecureString? ClientSecret { get; set; }

    /// <summary>File with the certificate and private key of the service principal: .pfx or .pem.</summary>
    [Parameter(ParameterSetName = Certificate, Mandatory = true)]
    [ValidateNotBlank]
    public string? CertificatePath { get; set; }

    /// <summary>Password of the certificate's file.</summary>
    [Parameter(ParameterSetName = Certificate)]
    public SecureString? CertificatePassword { get; set; }

    /// <summary>File with the token of another identity provider that the service principal trusts (workload identity federation); read anew whenever a token is needed.</summary>
    [Parameter(ParameterSetName = Federated, Mandatory = true)]
    [ValidateNotBlank]
    public string? FederatedTokenFile { get; set; }

    /// <summary>Signs a user in in the browser of this machine.</summary>
    [Parameter(ParameterSetName = Browser, Mandatory = true)]
    public SwitchParameter Interactive { get; set; }

    /// <summary>Signs a user in in the browser of another machine, by a code that is shown as a warning.</summary>
    [Parameter(ParameterSetName = Code, Mandatory = true)]
    public SwitchParameter DeviceCode { get; set; }

    /// <summary>A token for the FHIR service, used as it is and not renewed. It opens neither the storage account nor the resource manager: give -FhirServiceUri.</summary>
    [Parameter(ParameterSetName = Token, Mandatory = true)]
    public SecureString? AccessToken { get; set; }

    /// <summary>Connects to an emulator: the one given by the pipeline, or else the one this process started last.</summary>
    [Parameter(ParameterSetName = Emulated, Mandatory = true)]
    public SwitchParameter Emulator { get; set; }

    /// <summary>Token endpoint of the emulator.</summary>
    [Parameter(ParameterSetName = Emulated, ValueFromPipelineByPropertyName = true, DontShow = true)]
    public Uri? TokenEndpoint { get; set; }

    /// <summary>Resource manager of the emulator.</summary>
    [Parameter(ParameterSetName = Emulated, ValueFromPipelineByPropertyName = true, DontShow = true)]
    public Uri? ResourceManagerEndpoint { get; set; }

    /// <summary>Certificate authority of the emulator, PEM.</summary>
    [Parameter(ParameterSetName = Emulated, ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? CertificateAuthority { get; set; }

    /// <summary>Process id of the emulator.</summary>
    [Parameter(ParameterSetName = Emulated, ValueFromPipelineByPropertyName = true, DontShow = true)]
    public int ProcessId { get; set; }

    /// <summary>Storage account that exports go to, where the resource manager does not tell. Publishing a configuration and receiving files need it.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidatePattern("^[a-z0-9]{3,24}$")]
    public string? StorageAccountName { get; set; }

    /// <summary>Base URL of the account's blob service, where it is not the public one of the FHIR service's cloud.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public Uri? BlobEndpoint { get; set; }

    /// <summary>Audience of the FHIR service's tokens, where it is not the service's URL.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Audience { get; set; }

    /// <inheritdoc/>
    protected override async Task EndAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        bool named = (Subscription ?? ResourceGroupName ?? WorkspaceName ?? ServiceName) is not null;
        FhirDeidConnectionOptions options = new()
        {
            Credential = Enum.Parse<FhirDeidCredential>(ParameterSetName),
            FhirServiceUri = FhirServiceUri,
            ResourceId = ResourceId,
            Subscription = Subscription,
            ResourceGroupName = ResourceGroupName,
            WorkspaceName = WorkspaceName,
            ServiceName = ServiceName,
            Environment = Environment,
            Audience = Audience,
            StorageAccountName = StorageAccountName,
            BlobEndpoint = BlobEndpoint,
            TenantId = TenantId,
            ClientId = ClientId,
            ClientSecret = ClientSecret,
            CertificatePath = CertificatePath is null ? null : await pipeline.InvokeAsync(() => this.FullPath(CertificatePath)),
            CertificatePassword = CertificatePassword,
            FederatedTokenFile = FederatedTokenFile is null ? null : await pipeline.InvokeAsync(() => this.FullPath(FederatedTokenFile)),
            // A warning is seen, and is in no variable that the script assigns.
            ShowDeviceCode = message => CommandPipeline.Current?.WriteWarning(message),
            AccessToken = AccessToken,
        };
        if (options.Credential == FhirDeidCredential.Az) options.AzToken = AzSession.TokenAsync;
        if (options.Credential == FhirDeidCredential.Emulator)
        {
            FhirDeidEmulator emulator = GivenEmulator() ?? NewestEmulator();
            options.Emulator = emulator;
            options.FhirServiceUri = emulator.FhirServiceUri;
            options.StorageAccountName = emulator.StorageAccountName;
            options.BlobEndpoint = emulator.BlobEndpoint;
            options.ResourceId = named ? null : ResourceId ?? emulator.ResourceId;
        }
        if (options.FhirServiceUri is not (null or { IsAbsoluteUri: true, Scheme: "https" })) throw NotHttps(options.FhirServiceUri);
        if (named && options.ResourceId is not null) throw TwoTargets();

        IFhirDeidConnection connection = await Engine.Cloud.ConnectAsync(options, cancellation);
        Connections.Set(Runspace, connection);
        await pipeline.WriteObjectAsync(connection.Context);
    }

    private FhirDeidEmulator? GivenEmulator() => FhirServiceUri is null ? null : new FhirDeidEmulator
    {
        ProcessId = ProcessId,
        FhirServiceUri = FhirServiceUri,
        TokenEndpoint = TokenEndpoint,
        BlobEndpoint = BlobEndpoint,
        StorageAccountName = StorageAccountName ?? "",
        ResourceManagerEndpoint = ResourceManagerEndpoint,
        ResourceId = ResourceId ?? "",
        CertificateAuthority = CertificateAuthority ?? "",
    };

    private static FhirDeidEmulator NewestEmulator() => Engine.Emulators.Running is [.., FhirDeidEmulator newest] ? newest :
        throw new FhirDeidException("EmulatorNotFound", FhirDeidErrorCategory.ObjectNotFound, "No emulator was started by this process.",
            "Run Start-FhirDeidEmulator first, or pipe its result to Connect-FhirDeid -Emulator.");

    private static FhirDeidException NotHttps(Uri? uri) =>
        new("FhirServiceUriInvalid", FhirDeidErrorCategory.InvalidArgument, $"'{uri}' is not an https URL: a token would travel in clear.",
            "Give the service's base URL as the portal shows it, such as https://workspace-service.fhir.azurehealthcareapis.com. A resource id is given as -ResourceId.", uri);

    private static FhirDeidException TwoTargets() =>
        new("TargetAmbiguous", FhirDeidErrorCategory.InvalidArgument, "A resource id is complete: names beside it could contradict it.", "Give -ResourceId, or the names, not both.");
}
