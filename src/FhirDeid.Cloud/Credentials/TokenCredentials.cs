using System.Net;
using System.Security;
using Azure.Core;
using Azure.Identity;

namespace FhirDeid.Cloud.Credentials;

/// <summary>Turns connection options into the credential they name, and no other: nothing is tried in turn.</summary>
internal static class TokenCredentials
{
    /// <param name="options">Where and as whom.</param>
    /// <param name="scope">Scope of the FHIR service.</param>
    /// <param name="cloud">Cloud of the FHIR service.</param>
    /// <param name="emulatorClient">Client that trusts the emulator, where there is one.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.CredentialIncomplete</c>, <c>FhirDeid.TokenExpired</c>.</exception>
    public static TokenCredential Of(FhirDeidConnectionOptions options, string scope, AzureCloud cloud, HttpClient? emulatorClient) => options.Credential switch
    {
        FhirDeidCredential.Az => new AzSession(options.AzToken ?? throw Incomplete("an Az session", "Sign in with Connect-AzAccount.")),
        FhirDeidCredential.ManagedIdentity => ManagedIdentity(options.ClientId),
        FhirDeidCredential.ClientSecret => ServicePrincipal(options, cloud),
        FhirDeidCredential.AccessToken => new GivenToken(
            Unwrap(options.AccessToken) ?? throw Incomplete("an access token", "Give the token for the FHIR service as a SecureString."), scope),
        FhirDeidCredential.Emulator => new EmulatorCredential(options.Emulator!.TokenEndpoint!, emulatorClient!),
        _ => throw Incomplete("a known credential", "Choose one of the credentials of Connect-FhirDeid."),
    };

    private static EntraCredential ManagedIdentity(string? clientId)
    {
        ManagedIdentityCredentialOptions options = new(
            string.IsNullOrWhiteSpace(clientId) ? ManagedIdentityId.SystemAssigned : ManagedIdentityId.FromUserAssignedClientId(clientId));
        // The endpoint is on the machine or nowhere: where it is missing, the first packet gets no answer at all.
        options.Retry.NetworkTimeout = TimeSpan.FromSeconds(10);
        Quiet(options);
        return new EntraCredential(new ManagedIdentityCredential(options),
            "Run on a machine or in an Automation account with a managed identity that is turned on, and give its client id if it is user-assigned; elsewhere connect with another credential.");
    }

    private static EntraCredential ServicePrincipal(FhirDeidConnectionOptions options, AzureCloud cloud)
    {
        if (string.IsNullOrWhiteSpace(options.TenantId) || string.IsNullOrWhiteSpace(options.ClientId) || Unwrap(options.ClientSecret) is not string secret)
            throw Incomplete("tenant id, client id and client secret", "Give all three.");
        try
        {
            ClientSecretCredentialOptions identity = new() { AuthorityHost = cloud.AuthorityHost };
            Quiet(identity);
            return new EntraCredential(new ClientSecretCredential(options.TenantId, options.ClientId, secret, identity),
                "Check tenant id, client id and client secret, and whether the secret has ended.");
        }
        catch (ArgumentException)
        {
            throw Incomplete("a tenant id that is a GUID or a domain name", "Correct the tenant id.");
        }
    }

    private static void Quiet(TokenCredentialOptions options)
    {
        options.Diagnostics.IsLoggingContentEnabled = false;
        options.Diagnostics.IsTelemetryEnabled = false;
    }

    private static string? Unwrap(SecureString? secret) =>
        secret is null || new NetworkCredential("", secret).Password.Trim() is not { Length: > 0 } text ? null : text;

    private static FhirDeidException Incomplete(string what, string advice) => new("CredentialIncomplete", FhirDeidErrorCategory.InvalidArgument,
        $"This way to connect needs {what}.", advice);
}
