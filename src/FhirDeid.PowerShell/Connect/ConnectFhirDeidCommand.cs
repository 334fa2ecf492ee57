using System.Management.Automation;
using System.Security;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Connect;

/// <summary>Connects this session to a FHIR service and the storage account that its exports go to. Without a credential parameter, tokens come from the Az session.</summary>
/// <remarks>The connection belongs to the runspace: each runspace of ForEach-Object -Parallel connects for itself. Tokens are renewed while cmdlets run, except one given by -AccessToken.</remarks>
/// <example><code>Connect-FhirDeid https://contoso-lab.fhir.azurehealthcareapis.com -StorageAccountName contosoexports</code>Connects as the user of Connect-AzAccount.</example>
/// <example><code>Connect-FhirDeid https://contoso-lab.fhir.azurehealthcareapis.com -StorageAccountName contosoexports -ManagedIdentity</code>Connects as the machine's managed identity, for example in an Azure Automation runbook.</example>
/// <example><code>Start-FhirDeidEmulator | Connect-FhirDeid -Emulator</code>Starts an emulator on this machine and connects to it.</example>
[Cmdlet(VerbsCommunications.Connect, "FhirDeid", DefaultParameterSetName = Az)]
[OutputType(typeof(FhirDeidContext))]
public sealed class ConnectFhirDeidCommand : FhirDeidCommand
{
    private const string Az = "Az";
    private const string Identity = "ManagedIdentity";
    private const string Secret = "ClientSecret";
    private const string Token = "AccessToken";
    private const string Emulated = "Emulator";

    /// <summary>Base URL of the FHIR service, https.</summary>
    [Parameter(ParameterSetName = Az, Mandatory = true, Position = 0)]
    [Parameter(ParameterSetName = Identity, Mandatory = true, Position = 0)]
    [Parameter(ParameterSetName = Secret, Mandatory = true, Position = 0)]
    [Parameter(ParameterSetName = Token, Mandatory = true, Position = 0)]
    [Parameter(ParameterSetName = Emulated, ValueFromPipelineByPropertyName = true)]
    public Uri? FhirServiceUri { get; set; }

    /// <summary>Takes tokens from the machine's managed identity.</summary>
    [Parameter(ParameterSetName = Identity, Mandatory = true)]
    public SwitchParameter ManagedIdentity { get; set; }

    /// <summary>Microsoft Entra tenant of the service principal: its id or a domain name.</summary>
    [Parameter(ParameterSetName = Secret, Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string? TenantId { get; set; }

    /// <summary>Client id of the service principal, or of a user-assigned managed identity.</summary>
    [Parameter(ParameterSetName = Secret, Mandatory = true)]
    [Parameter(ParameterSetName = Identity)]
    [ValidateNotNullOrEmpty]
    public string? ClientId { get; set; }

    /// <summary>Client secret of the service principal.</summary>
    [Parameter(ParameterSetName = Secret, Mandatory = true)]
    public SecureString? ClientSecret { get; set; }

    /// <summary>A token for the FHIR service, used as it is and not renewed. It does not open the storage account.</summary>
    [Parameter(ParameterSetName = Token, Mandatory = true)]
    public SecureString? AccessToken { get; set; }

    /// <summary>Connects to an emulator: the one given by the pipeline, or else the one this process started last.</summary>
    [Parameter(ParameterSetName = Emulated, Mandatory = true)]
    public SwitchParameter Emulator { get; set; }

    /// <summary>Token endpoint of the emulator.</summary>
    [Parameter(ParameterSetName = Emulated, ValueFromPipelineByPropertyName = true, DontShow = true)]
    public Uri? TokenEndpoint { get; set; }

    /// <summary>Certificate authority of the emulator, PEM.</summary>
    [Parameter(ParameterSetName = Emulated, ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? CertificateAuthority { get; set; }

    /// <summary>Process id of the emulator.</summary>
    [Parameter(ParameterSetName = Emulated, ValueFromPipelineByPropertyName = true, DontShow = true)]
    public int ProcessId { get; set; }

    /// <summary>Storage account that exports go to. Publishing a configuration and receiving files need it.</summary>
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
        FhirDeidConnectionOptions options = new()
        {
            Credential = Enum.Parse<FhirDeidCredential>(ParameterSetName),
            FhirServiceUri = FhirServiceUri,
            Audience = Audience,
            StorageAccountName = StorageAccountName,
            BlobEndpoint = BlobEndpoint,
            TenantId = TenantId,
            ClientId = ClientId,
            ClientSecret = ClientSecret,
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
        }
        if (options.FhirServiceUri is not { IsAbsoluteUri: true, Scheme: "https" }) throw NotHttps(options.FhirServiceUri);

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
        CertificateAuthority = CertificateAuthority ?? "",
    };

    private static FhirDeidEmulator NewestEmulator() => Engine.Emulators.Running is [.., FhirDeidEmulator newest] ? newest :
        throw new FhirDeidException("EmulatorNotFound", FhirDeidErrorCategory.ObjectNotFound, "No emulator was started by this process.",
            "Run Start-FhirDeidEmulator first, or pipe its result to Connect-FhirDeid -Emulator.");

    private static FhirDeidException NotHttps(Uri? uri) =>
        new("FhirServiceUriInvalid", FhirDeidErrorCategory.InvalidArgument, $"'{uri}' is not an https URL: a token would travel in clear.",
            "Give the service's base URL as the portal shows it, such as https://workspace-service.fhir.azurehealthcareapis.com.", uri);
}
