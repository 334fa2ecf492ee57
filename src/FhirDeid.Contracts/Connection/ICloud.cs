using System.Security;

namespace FhirDeid;

/// <summary>Opens connections to FHIR services. Safe for several runspaces at once.</summary>
public interface ICloud
{
    /// <summary>Gets a token, reads the capability statement and returns a connection.</summary>
    /// <param name="options">Where and as whom.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The connection.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.EndpointInvalid</c>, <c>FhirDeid.InsecureEndpoint</c>, <c>FhirDeid.EndpointUnreachable</c>, <c>FhirDeid.NotAFhirService</c>, <c>FhirDeid.FhirVersionNotSupported</c>, <c>FhirDeid.StorageAccountInvalid</c>, <c>FhirDeid.CredentialIncomplete</c>, <c>FhirDeid.AuthenticationFailed</c>, <c>FhirDeid.TokenExpired</c>.</exception>
    Task<IFhirDeidConnection> ConnectAsync(FhirDeidConnectionOptions options, CancellationToken cancellation);
}

/// <summary>Where to connect, and as whom.</summary>
public sealed class FhirDeidConnectionOptions
{
    /// <summary>Base URL of the FHIR service.</summary>
    public Uri? FhirServiceUri { get; set; }

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

    /// <summary>Token for the FHIR service.</summary>
    public SecureString? AccessToken { get; set; }

    /// <summary>Asks the Az session for a token: resource in, token out. Called whenever one is needed, from any thread, while a cmdlet runs.</summary>
    public Func<string, CancellationToken, Task<SecureString>>? AzToken { get; set; }

    /// <summary>The emulator to connect to.</summary>
    public FhirDeidEmulator? Emulator { get; set; }
}
