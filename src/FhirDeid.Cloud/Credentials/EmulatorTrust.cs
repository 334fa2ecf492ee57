using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace FhirDeid.Cloud.Credentials;

/// <summary>Trust in an emulator's own certificate authority: for its endpoints on loopback, in this connection, and nowhere else.</summary>
internal static class EmulatorTrust
{
    /// <summary>A client that knows no other authority, uses no proxy and follows no redirect.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.EmulatorInvalid</c>: an endpoint is not https on loopback, or the certificate authority cannot be read.</exception>
    public static HttpClient Client(FhirDeidEmulator emulator, params Uri?[] endpoints)
    {
        foreach (Uri? endpoint in endpoints)
        {
            if (endpoint is not { IsAbsoluteUri: true, IsLoopback: true } || endpoint.Scheme != Uri.UriSchemeHttps)
                throw Invalid("An emulator's endpoints are https on loopback; this one is not: " + (endpoint?.ToString() ?? "(none)"));
        }
        X509ChainPolicy policy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        try
        {
            policy.CustomTrustStore.ImportFromPem(emulator.CertificateAuthority);
        }
        catch (CryptographicException)
        {
            policy.CustomTrustStore.Clear();
        }
        if (policy.CustomTrustStore.Count == 0) throw Invalid("The emulator's certificate authority is not a PEM certificate.");
        SocketsHttpHandler handler = new()
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy },
        };
        return new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    private static FhirDeidException Invalid(string message) => new("EmulatorInvalid", FhirDeidErrorCategory.InvalidArgument, message,
        "Use the object that Start-FhirDeidEmulator or Get-FhirDeidEmulator returns.");
}
