using System.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FhirDeid.Cloud.Credentials;
using static FhirDeid.Cloud.Tests.ConnectTests;

namespace FhirDeid.Cloud.Tests;

public sealed class CredentialTests : IAsyncLifetime
{
    private static readonly FhirExportRequest Request = new() { Container = "research", ConfigName = "c.json", ConfigETag = "\"0x1\"" };
    private StandIn _service = null!;

    public async ValueTask InitializeAsync() => _service = await StandIn.StartAsync();

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    private FhirDeidConnectionOptions Az(Func<string, CancellationToken, Task<SecureString>> token)
    {
        FhirDeidConnectionOptions options = _service.Options;
        options.Credential = FhirDeidCredential.Az;
        options.AzToken = token;
        return options;
    }

    [Fact]
    public async Task The_Az_session_is_asked_once_per_resource_while_its_token_lives()
    {
        List<string> asked = [];
        IFhirDeidConnection connection = await _service.ConnectAsync(Az((resource, _) =>
        {
            asked.Add(resource);
            return Task.FromResult(Secret(StandIn.Token(resource, TimeSpan.FromHours(1))));
        }));
        await connection.StartExportAsync(Request, TestContext.Current.CancellationToken);
        await connection.StartExportAsync(Request, TestContext.Current.CancellationToken);
        await connection.PublishConfigAsync(new AnonymizationConfig("{}") { Rules = [new AnonymizationRule { Path = "Patient.name", Method = "redact" }] }, "c.json", false, TestContext.Current.CancellationToken);

        Assert.Equal([connection.Context.Audience, "https://storage.azure.com"], asked);
    }

    [Fact]
    public async Task The_Az_session_is_asked_anew_five_minutes_before_the_end()
    {
        int asked = 0;
        IFhirDeidConnection connection = await _service.ConnectAsync(Az((resource, _) =>
            Task.FromResult(Secret(StandIn.Token(resource, TimeSpan.FromMinutes(++asked == 1 ? 4 : 60), asked)))));
        await connection.StartExportAsync(Request, TestContext.Current.CancellationToken);

        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task The_emulators_token_is_renewed_before_it_ends()
    {
        _service.TokenLife = TimeSpan.FromMinutes(4);
        IFhirDeidConnection connection = await _service.ConnectAsync();
        _service.TokenLife = TimeSpan.FromHours(1);
        await connection.StartExportAsync(Request, TestContext.Current.CancellationToken);
        await connection.StartExportAsync(Request, TestContext.Current.CancellationToken);

        Assert.Equal(2, _service.TokenRequests.Count());
        Assert.Equal($"Bearer {StandIn.Token(connection.Context.Audience, TimeSpan.FromHours(1), 2)}"[..60], _service.FhirRequests.Last().Header("Authorization")![..60]);
    }

    [Fact]
    public async Task A_failing_Az_session_is_told_without_its_tokens()
    {
        FhirDeidException e = await Failure.Of("AuthenticationFailed", () => _service.ConnectAsync(Az((resource, _) =>
            throw new InvalidOperationException("Run Connect-AzAccount to login. Was: " + StandIn.Token(resource, TimeSpan.FromHours(1))))));

        Assert.Contains("Run Connect-AzAccount to login.", e.Message);
    }

    [Fact]
    public async Task An_empty_token_of_the_Az_session_is_refused() =>
        await Failure.Of("AuthenticationFailed", () => _service.ConnectAsync(Az((_, _) => Task.FromResult(new SecureString()))));

    [Fact]
    public async Task A_given_token_reaches_the_FHIR_service_and_never_the_storage_account()
    {
        FhirDeidConnectionOptions options = _service.Options;
        options.Credential = FhirDeidCredential.AccessToken;
        string token = StandIn.Token(_service.Fhir.AbsoluteUri.TrimEnd('/'), TimeSpan.FromHours(1));
        options.AccessToken = Secret(token);
        IFhirDeidConnection connection = await _service.ConnectAsync(options);

        await connection.StartExportAsync(Request, TestContext.Current.CancellationToken);
        await Failure.Of("AccessTokenIsForFhirOnly", () => connection.PublishConfigAsync(new AnonymizationConfig("{}") { Rules = [new AnonymizationRule { Path = "Patient.name", Method = "redact" }] }, "c.json", false, TestContext.Current.CancellationToken));

        Assert.Equal("Bearer " + token, Assert.Single(_service.FhirRequests).Header("Authorization"));
        Assert.DoesNotContain(_service.Requests, r => r.Port == _service.Blob.Port);
    }

    [Fact]
    public async Task A_given_token_that_has_ended_is_refused_before_any_request()
    {
        FhirDeidConnectionOptions options = _service.Options;
        options.Credential = FhirDeidCredential.AccessToken;
        options.AccessToken = Secret(StandIn.Token("a", TimeSpan.FromMinutes(-1)));

        FhirDeidException e = await Failure.Of("TokenExpired", () => _service.ConnectAsync(options));

        Assert.Contains("Connect-FhirDeid", e.RecommendedAction);
        Assert.Empty(_service.Requests);
    }

    [Theory]
    [InlineData(FhirDeidCredential.Az)]
    [InlineData(FhirDeidCredential.AccessToken)]
    [InlineData(FhirDeidCredential.ClientSecret)]
    public async Task A_credential_without_its_parts_is_refused(FhirDeidCredential credential)
    {
        FhirDeidConnectionOptions options = _service.Options;
        options.Credential = credential;

        await Failure.Of("CredentialIncomplete", () => _service.ConnectAsync(options));

        Assert.Empty(_service.Requests);
    }

    [Fact]
    public async Task A_connection_to_no_emulator_is_refused() =>
        await Failure.Of("CredentialIncomplete", () => _service.ConnectAsync(new FhirDeidConnectionOptions { FhirServiceUri = _service.Fhir, Credential = FhirDeidCredential.Emulator }));

    [Theory]
    [InlineData(400, "{}")]
    [InlineData(200, "{}")]
    [InlineData(200, "no json")]
    public async Task A_token_endpoint_that_gives_no_token_is_told(int status, string body)
    {
        _service.OnToken = StandIn.Answer(status, body, "application/json");

        await Failure.Of("AuthenticationFailed", () => _service.ConnectAsync());
    }

    [Fact]
    public async Task A_refused_service_principal_is_told_without_its_secret()
    {
        FhirDeidConnectionOptions options = new()
        {
            Credential = FhirDeidCredential.ClientSecret,
            TenantId = "not a tenant",
            ClientId = "client",
            ClientSecret = Secret("eyJ-secret"),
            FhirServiceUri = _service.Fhir,
        };

        await Failure.Of("CredentialIncomplete", () => _service.ConnectAsync(options));
    }

    [Theory]
    [InlineData("right.pfx", "right", null)]
    [InlineData("right.pfx", "wrong", "CertificateInvalid")]
    [InlineData("right.pfx", null, "CertificateInvalid")]
    [InlineData("right.pem", null, null)]
    [InlineData("keyless.pem", null, "CertificateInvalid")]
    [InlineData("none.pem", null, "CertificateInvalid")]
    [InlineData("text.pem", null, "CertificateInvalid")]
    public async Task A_certificate_must_open_and_have_its_key(string file, string? password, string? error)
    {
        using RSA key = RSA.Create(2048);
        using X509Certificate2 certificate = new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSelfSigned(DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddDays(1));
        DirectoryInfo folder = Directory.CreateTempSubdirectory();
        try
        {
            await File.WriteAllBytesAsync(Path.Combine(folder.FullName, "right.pfx"), certificate.Export(X509ContentType.Pkcs12, "right"), TestContext.Current.CancellationToken);
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "right.pem"), certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem(), TestContext.Current.CancellationToken);
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "keyless.pem"), certificate.ExportCertificatePem(), TestContext.Current.CancellationToken);
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "text.pem"), "hello", TestContext.Current.CancellationToken);
            FhirDeidConnectionOptions options = new()
            {
                Credential = FhirDeidCredential.ClientCertificate,
                TenantId = "contoso.example",
                ClientId = "client",
                CertificatePath = Path.Combine(folder.FullName, file),
                CertificatePassword = password is null ? null : Secret(password),
            };
            if (error is null) Assert.NotNull(TokenCredentials.Of(options, "a/.default", AzureCloud.Of(null), null));
            else await Failure.Of(error, () => Task.FromResult(TokenCredentials.Of(options, "a/.default", AzureCloud.Of(null), null)));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData(FhirDeidCredential.Interactive)]
    [InlineData(FhirDeidCredential.DeviceCode)]
    public void Signing_in_begins_with_the_first_token_and_not_before(FhirDeidCredential credential) =>
        Assert.NotNull(TokenCredentials.Of(new FhirDeidConnectionOptions { Credential = credential }, "a/.default", AzureCloud.Of(null), null));
}
