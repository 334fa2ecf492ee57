using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace FhirDeid.Emulator;

/// <summary>A certificate authority and a server certificate for 127.0.0.1 and localhost, made for one run and valid for 30 days. The authority's private key is never stored.</summary>
internal sealed class RunCertificates : IDisposable
{
    private readonly X509Certificate2 _authority;

    private RunCertificates(X509Certificate2 authority, X509Certificate2 server, string folder)
    {
        _authority = authority;
        Server = server;
        ServerPemPath = Path.Combine(folder, "server.pem");
        ServerKeyPath = Path.Combine(folder, "server.key");
    }

    /// <summary>Certificate and private key of the servers.</summary>
    public X509Certificate2 Server { get; }

    /// <summary>The server's certificate as a PEM file, for Azurite.</summary>
    public string ServerPemPath { get; }

    /// <summary>The server's private key as a PEM file, for Azurite.</summary>
    public string ServerKeyPath { get; }

    /// <summary>The authority's certificate.</summary>
    public string AuthorityPem => _authority.ExportCertificatePem();

    /// <summary>Trusts this run's authority and no other.</summary>
    public X509ChainPolicy Trust => new()
    {
        TrustMode = X509ChainTrustMode.CustomRootTrust,
        CustomTrustStore = { _authority },
        RevocationMode = X509RevocationMode.NoCheck,
    };

    /// <summary>Makes both certificates and writes the server's into a folder.</summary>
    public static RunCertificates Create(string folder)
    {
        DateTimeOffset from = DateTimeOffset.UtcNow.AddMinutes(-5), to = from.AddDays(30);

        using ECDsa authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest authorityRequest = new("CN=FhirDeid emulator (one run)", authorityKey, HashAlgorithmName.SHA256);
        authorityRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        authorityRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        authorityRequest.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(authorityRequest.PublicKey, false));
        using X509Certificate2 authority = authorityRequest.CreateSelfSigned(from, to);

        using ECDsa serverKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest serverRequest = new("CN=localhost", serverKey, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddIpAddress(IPAddress.Loopback);
        names.AddDnsName("localhost");
        serverRequest.CertificateExtensions.Add(names.Build());
        serverRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        serverRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        serverRequest.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false));
        serverRequest.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(authority, true, false));
        using X509Certificate2 issued = serverRequest.Create(authority, from, to, RandomNumberGenerator.GetBytes(16));
        using X509Certificate2 server = issued.CopyWithPrivateKey(serverKey);

        // By way of PKCS #12, because Windows serves no TLS from a key that only lives in memory.
        RunCertificates result = new(X509CertificateLoader.LoadCertificate(authority.RawData),
            X509CertificateLoader.LoadPkcs12(server.Export(X509ContentType.Pkcs12), null), folder);
        File.WriteAllText(result.ServerPemPath, issued.ExportCertificatePem());
        File.WriteAllText(result.ServerKeyPath, serverKey.ExportPkcs8PrivateKeyPem());
        return result;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _authority.Dispose();
        Server.Dispose();
    }
}
