using System.Security;

namespace FhirDeid;

/// <summary>Opens connections to FHIR services. Safe for several runspaces at once.</summary>
public interface ICloud
{
    /// <summary>Gets a token, reads the capability statement and returns a connection.</summary>
    /// <param name="options">Where and as whom.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The connection.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.EndpointInvalid</c>, <c>FhirDeid.InsecureEndpoint</c>, <c>FhirDeid.EndpointUnreachable</c>, <c>FhirDeid.NotAFhirService</c>, <c>FhirDeid.FhirVersionNotSupported</c>, <c>FhirDeid.StorageAccountInvalid</c>, <c>FhirDeid.TargetMissing</c>, <c>FhirDeid.ResourceIdInvalid</c>, <c>FhirDeid.SubscriptionNotFound</c>, <c>FhirDeid.SubscriptionAmbiguous</c>, <c>FhirDeid.FhirServiceNotFound</c>, <c>FhirDeid.FhirServiceAmbiguous</c>, <c>FhirDeid.CredentialIncomplete</c>, <c>FhirDeid.CertificateInvalid</c>, <c>FhirDeid.FederatedTokenFileNotFound</c>, <c>FhirDeid.AccessTokenIsForFhirOnly</c>, <c>FhirDeid.ResourceManagerForbidden</c>, <c>FhirDeid.AuthenticationFailed</c>, <c>FhirDeid.TokenExpired</c>.</exception>
    Task<IFhirDeidConnection> ConnectAsync(FhirDeidConnectionOptions options, CancellationToken cancellation);

    /// <summary>Checks received files against the list beside them, without any connection.</summary>
    /// <param name="folder">Full path of the folder.</param>
    /// <param name="progress">Told how far the check has come.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>Each file that is as it was received; what is not is an error after them.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.LedgerNotFound</c>, <c>FhirDeid.LedgerInvalid</c>, <c>FhirDeid.ExportIncomplete</c>, <c>FhirDeid.FileChanged</c>.</exception>
    IAsyncEnumerable<ReceivedFhirFile> VerifyAsync(string folder, IProgress<FhirDeidProgress> progress, CancellationToken cancellation);
}

/// <summary>Where to connect, and as whom.</summary>
public sealed class FhirDeidConnectionOptions
{
    /// <summary>Base URL of the FHIR service; null for the one that the resource manager tells.</summary>
    public Uri? FhirServiceUri { get; set; }

    /// <summary>Resource id of the FHIR service.</summary>
    public string? ResourceId { get; set; }

    /// <summary>Subscription of the FHIR service, id or name; null for the only one that the caller sees.</summary>
    public string? Subscription { get; set; }

    /// <summary>Resource group of the FHIR service; null for any.</summary>
    public string? ResourceGroupName { get; set; }

    /// <summary>Workspace of the FHIR service; null for any.</summary>
    public string? WorkspaceName { get; set; }

    /// <summary>Name of the FHIR service in its workspace; null for any.</summary>
    public string? ServiceName { get; set; }

    /// <summary>Cloud of Azure; null for that of the FHIR service's URL, or the public one.</summary>
    public AzureEnvironment? Environment { get; set; }

    /// <summary>Audience of the FHIR service's tokens; null for the service URL.</summary>
    public string? Audience { get; set; }

    /// <summary>Storage account of the exports; null where none is needed.</summary>
    public string? StorageAccountName { get; set; }

    /// <summary>Base URL of the blob service; null for the account's public endpoint in the cloud of the FHIR service.</summary>
    public Uri? BlobEndpoint { get; set; }

    /// <summary>Where tokens come from.</summary>
    public FhirDeidCredential Credential { get; set; }

    /// <summary>Tenant of the service principal.</summary>
    public string? TenantId { get; set; }

    /// <summary>Client id of the service principal or of a user-assigned managed identity.</summary>
    public string? ClientId { get; set; }

    /// <summary>Client secret of the service principal.</summary>
    public SecureString? ClientSecret { get; set; }

    /// <summary>File with the certificate and private key of the service principal, PEM or PKCS #12.</summary>
    public string? CertificatePath { get; set; }

    /// <summary>Password of that file.</summary>
    public SecureString? CertificatePassword { get; set; }

    /// <summary>File with the token of another identity provider; read anew whenever a token is needed.</summary>
    public string? FederatedTokenFile { get; set; }

    /// <summary>Shows the user how to sign in on another machine. Called from any thread, while a cmdlet runs.</summary>
    public Action<string>? ShowDeviceCode { get; set; }

    /// <summary>Token for the FHIR service.</summary>
    public SecureString? AccessToken { get; set; }

    /// <summary>Asks the Az session for a token: resource in, token out. Called whenever one is needed, from any thread, while a cmdlet runs.</summary>
    public Func<string, CancellationToken, Task<SecureString>>? AzToken { get; set; }

    /// <summary>The emulator to connect to.</summary>
    public FhirDeidEmulator? Emulator { get; set; }
}
