using Azure.Core;
using Azure.Core.Pipeline;
using FhirDeid.Cloud.Credentials;
using FhirDeid.Cloud.Fhir;
using FhirDeid.Cloud.Storage;

namespace FhirDeid.Cloud;

/// <summary>Opens connections to FHIR services of Azure, and to emulators of them.</summary>
public sealed class CloudEngine : ICloud
{
    private readonly TimeSpan _retryDelay;

    /// <summary>Creates the engine. It holds no state: every connection stands alone.</summary>
    public CloudEngine()
        : this(TimeSpan.FromSeconds(0.8))
    {
    }

    internal CloudEngine(TimeSpan retryDelay) => _retryDelay = retryDelay;

    /// <inheritdoc/>
    public async Task<IFhirDeidConnection> ConnectAsync(FhirDeidConnectionOptions options, CancellationToken cancellation)
    {
        Uri fhirService = FhirService.BaseUri(options.FhirServiceUri ?? options.Emulator?.FhirServiceUri);
        string audience = (string.IsNullOrWhiteSpace(options.Audience) ? fhirService.AbsoluteUri : options.Audience.Trim()).TrimEnd('/');
        string scope = audience + "/.default";
        AzureCloud cloud = AzureCloud.Of(fhirService);
        (Uri? blobEndpoint, string accountName) = BlobStorage.Account(options, cloud);

        HttpClient? emulatorClient = null;
        if (options.Emulator is { } emulator)
            emulatorClient = EmulatorTrust.Client(emulator, fhirService, emulator.TokenEndpoint, blobEndpoint ?? fhirService);
        else if (options.Credential == FhirDeidCredential.Emulator)
            throw new FhirDeidException("CredentialIncomplete", FhirDeidErrorCategory.InvalidArgument, "This way to connect needs an emulator.", "Start one with Start-FhirDeidEmulator.");
        HttpPipelineTransport? transport = emulatorClient is null ? null : new HttpClientTransport(emulatorClient);

        TokenCredential credential = TokenCredentials.Of(options, scope, cloud, emulatorClient);
        FhirService service = new(fhirService, credential, scope, transport, _retryDelay);
        await service.CheckCapabilitiesAsync(cancellation).ConfigureAwait(false);
        AccessToken token = await credential.GetTokenAsync(new TokenRequestContext([scope]), cancellation).ConfigureAwait(false);
        AccessTokenClaims claims = AccessTokenClaims.Of(token.Token);
        FhirDeidContext context = new()
        {
            FhirServiceUri = fhirService,
            Audience = audience,
            StorageAccountName = accountName,
            BlobEndpoint = blobEndpoint,
            Credential = options.Credential,
            Account = claims.Account,
            TenantId = claims.TenantId,
            ExpiresOn = token.ExpiresOn,
        };
        return new Connection(context, service, new BlobStorage(blobEndpoint, accountName, credential, transport, _retryDelay));
    }
}
