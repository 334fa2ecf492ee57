using System.Net;
using System.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Azure.Core;
using Azure.Identity;

namespace FhirDeid.Cloud.Credentials;

/// <summary>Turns connection options into the credential they name, and no other: nothing is tried in turn.</summary>
internal static class TokenCredentials
{
    /// <param name="options">Where and as whom.</param>
    /// <param name="scope">Scope of the FHIR service, as far as it is known before the resource manager is asked: a given token is for it.</param>
    /// <param name="cloud">Cloud of the FHIR service.</param>
    /// <param name="emulatorClient">Client that trusts the emulator, where there is one.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.CredentialIncomplete</c>, <c>FhirDeid.TokenExpired</c>.</exception>
    public static TokenCredential Of(FhirDeidConnectionOptions options, string scope, AzureCloud cloud, HttpClient? emulatorClient) => options.Credential switch
    {
        FhirDeidCredential.Az => new AzSession(options.AzToken ?? throw Incomplete("an Az session", "Sign in with Connect-AzAccount.")),
        FhirDeidCredential.ManagedIdentity => ManagedIdentity(options.ClientId),
        FhirDeidCredential.ClientSecret => Secret(options, cloud),
        FhirDeidCredential.ClientCertificate => Certificate(options, cloud),
        FhirDeidCredential.FederatedToken => Federated(options, cloud),
        FhirDeidCredential.Interactive => Interactive(options, cloud),
        FhirDeidCredential.DeviceCode => DeviceCode(options, cloud),
        FhirDeidCredential.AccessToken => new GivenToken(
            Unwrap(options.AccessToken) ?? throw Incomplete("an access token", "Give the token for the FHIR service as a SecureString."), scope),
        FhirDeidCredential.Emulator => new EmulatorCredential(options.Emulator!.TokenEndpoint!, string.IsNullOrWhiteSpace(options.ClientId) ? EmulatorCredential.DefaultClientId : options.ClientId, emulatorClient!),
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

    private static EntraCredential Secret(FhirDeidConnectionOptions options, AzureCloud cloud)
    {
        if (Unwrap(options.ClientSecret) is not string secret) throw Incomplete("tenant id, client id and client secret", "Give all three.");
        return ServicePrincipal(options, cloud, new ClientSecretCredentialOptions(), (tenant, client, identity) => new ClientSecretCredential(tenant, client, secret, identity),
            "Check tenant id, client id and client secret, and whether the secret has ended.");
    }

    private static EntraCredential Certificate(FhirDeidConnectionOptions options, AzureCloud cloud)
    {
        if (string.IsNullOrWhiteSpace(options.CertificatePath)) throw Incomplete("tenant id, client id and a certificate", "Give all three.");
        X509Certificate2 certificate = Certificate(options.CertificatePath, Unwrap(options.CertificatePassword));
        return ServicePrincipal(options, cloud, new ClientCertificateCredentialOptions(), (tenant, client, identity) => new ClientCertificateCredential(tenant, client, certificate, identity),
            "Check tenant id and client id, and that the application has this certificate and it has not ended.");
    }

    private static X509Certificate2 Certificate(string path, string? password)
    {
        try
        {
            X509Certificate2 certificate = X509Certificate2.GetCertContentType(path) == X509ContentType.Pkcs12 ? new X509Certificate2(path, password)
                : password is null ? X509Certificate2.CreateFromPemFile(path) : X509Certificate2.CreateFromEncryptedPemFile(path, password);
            return certificate.HasPrivateKey ? certificate : throw Invalid("has no private key");
        }
        catch (CryptographicException)
        {
            throw Invalid("cannot be opened: it is no PEM or PKCS #12 file, or the password is another");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Invalid("cannot be read");
        }

        FhirDeidException Invalid(string why) => new("CertificateInvalid", FhirDeidErrorCategory.InvalidArgument, $"The certificate '{path}' {why}.",
            "Give a .pfx or .pem file that holds the certificate and its private key, and its password if it has one.", path);
    }

    private static EntraCredential Federated(FhirDeidConnectionOptions options, AzureCloud cloud)
    {
        string path = options.FederatedTokenFile ?? "";
        if (!File.Exists(path))
        {
            throw new FhirDeidException("FederatedTokenFileNotFound", FhirDeidErrorCategory.ObjectNotFound, $"There is no file '{path}' with a federated token.",
                "Give the file that the platform writes, such as the one in AZURE_FEDERATED_TOKEN_FILE.", path);
        }
        return ServicePrincipal(options, cloud, new ClientAssertionCredentialOptions(),
            (tenant, client, identity) => new ClientAssertionCredential(tenant, client, async cancellation => (await File.ReadAllTextAsync(path, cancellation).ConfigureAwait(false)).Trim(), identity),
            "Check tenant id and client id, and that the application trusts the issuer and subject of the token (federated credentials).");
    }

    private static EntraCredential Interactive(FhirDeidConnectionOptions options, AzureCloud cloud)
    {
        InteractiveBrowserCredentialOptions identity = new() { AuthorityHost = cloud.AuthorityHost };
        if (!string.IsNullOrWhiteSpace(options.TenantId)) identity.TenantId = options.TenantId;
        if (!string.IsNullOrWhiteSpace(options.ClientId)) identity.ClientId = options.ClientId;
        Quiet(identity);
        return new EntraCredential(new InteractiveBrowserCredential(identity), "Sign in in the browser within some minutes; where there is none, use -DeviceCode.");
    }

    private static EntraCredential DeviceCode(FhirDeidConnectionOptions options, AzureCloud cloud)
    {
        DeviceCodeCredentialOptions identity = new()
        {
            AuthorityHost = cloud.AuthorityHost,
            DeviceCodeCallback = (code, _) =>
            {
                options.ShowDeviceCode?.Invoke(code.Message);
                return Task.CompletedTask;
            },
        };
        if (!string.IsNullOrWhiteSpace(options.TenantId)) identity.TenantId = options.TenantId;
        if (!string.IsNullOrWhiteSpace(options.ClientId)) identity.ClientId = options.ClientId;
        Quiet(identity);
        return new EntraCredential(new DeviceCodeCredential(identity), "Sign in with the code that is shown within 15 minutes.");
    }

    private static EntraCredential ServicePrincipal<T>(FhirDeidConnectionOptions options, AzureCloud cloud, T identity, Func<string, string, T, TokenCredential> make, string advice)
        where T : TokenCredentialOptions
    {
        if (string.IsNullOrWhiteSpace(options.TenantId) || string.IsNullOrWhiteSpace(options.ClientId))
            throw Incomplete("a tenant id and a client id", "Give both.");
        try
        {
            identity.AuthorityHost = cloud.AuthorityHost;
            Quiet(identity);
            return new EntraCredential(make(options.TenantId, options.ClientId, identity), advice);
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
