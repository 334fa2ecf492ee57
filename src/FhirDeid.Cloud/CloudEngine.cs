using System.Text.Json.Nodes;
using Azure.Core;
using Azure.Core.Pipeline;
using FhirDeid.Cloud.Credentials;
using FhirDeid.Cloud.Fhir;
using FhirDeid.Cloud.ResourceManagement;
using FhirDeid.Cloud.Storage;

namespace FhirDeid.Cloud;

/// <summary>Opens connections to FHIR services of Azure, and to emulators of them.</summary>
public sealed class CloudEngine : ICloud
{
    private readonly TimeSpan _retryDelay;
    private readonly TimeSpan _networkTimeout;
    private readonly Func<string, long> _freeSpace;
    private readonly HttpMessageHandler? _network;

    /// <summary>Creates the engine. It holds no state: every connection stands alone.</summary>
    public CloudEngine()
        : this(TimeSpan.FromSeconds(0.8), TimeSpan.FromSeconds(100), FreeSpace)
    {
    }

    /// <param name="retryDelay">Pause before a request is sent again; it doubles.</param>
    /// <param name="networkTimeout">How long a connection may say nothing.</param>
    /// <param name="freeSpace">Bytes that a folder has room for.</param>
    /// <param name="network">Where requests go; null for the network.</param>
    internal CloudEngine(TimeSpan retryDelay, TimeSpan networkTimeout, Func<string, long> freeSpace, HttpMessageHandler? network = null) =>
        (_retryDelay, _networkTimeout, _freeSpace, _network) = (retryDelay, networkTimeout, freeSpace, network);

    private static long FreeSpace(string folder)
    {
        try
        {
            return new DriveInfo(OperatingSystem.IsWindows() ? Path.GetPathRoot(folder)! : folder).AvailableFreeSpace;
        }
        catch (Exception e) when (e is ArgumentException or IOException or UnauthorizedAccessException)
        {
            // A share, or a disk that does not tell: it shows when it is full.
            return long.MaxValue;
        }
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<ReceivedFhirFile> VerifyAsync(string folder, IProgress<FhirDeidProgress> progress, CancellationToken cancellation) => ReceivedFolder.VerifyAsync(folder, progress, cancellation);

    /// <inheritdoc/>
    public async Task<IFhirDeidConnection> ConnectAsync(FhirDeidConnectionOptions options, CancellationToken cancellation)
    {
        bool named = FhirServiceSearch.IsAskedFor(options);
        Uri? given = options.FhirServiceUri ?? options.Emulator?.FhirServiceUri;
        if (given is null && !named && options.Credential != FhirDeidCredential.Emulator)
        {
            throw new FhirDeidException("TargetMissing", FhirDeidErrorCategory.InvalidArgument, "It is not said which FHIR service to connect to.",
                "Give its URL as -FhirServiceUri, its resource id as -ResourceId, or the names that tell it from others: -Subscription, -ResourceGroupName, -WorkspaceName, -ServiceName.");
        }
        if (options.Credential == FhirDeidCredential.AccessToken && named)
        {
            throw new FhirDeidException("AccessTokenIsForFhirOnly", FhirDeidErrorCategory.InvalidArgument, "An access token for the FHIR service does not open the resource manager, which knows the names.",
                "Give the URL of the FHIR service as -FhirServiceUri, or connect with another credential.");
        }
        if (options.Credential == FhirDeidCredential.Emulator && options.Emulator is null)
            throw new FhirDeidException("CredentialIncomplete", FhirDeidErrorCategory.InvalidArgument, "This way to connect needs an emulator.", "Start one with Start-FhirDeidEmulator.");

        Uri? fhirService = given is null ? null : FhirService.BaseUri(given);
        AzureCloud cloud = AzureCloud.Of(fhirService, options.Environment);
        (Uri? blobEndpoint, string accountName) = BlobStorage.Account(options, cloud);
        HttpClient? emulatorClient = options.Emulator is { } emulator
            ? EmulatorTrust.Client(emulator, fhirService, emulator.TokenEndpoint, emulator.ResourceManagerEndpoint ?? fhirService, blobEndpoint ?? fhirService) : null;
        HttpPipelineTransport? transport = emulatorClient is not null ? new HttpClientTransport(emulatorClient) : _network is null ? null : new HttpClientTransport(new HttpClient(_network, disposeHandler: false));
        ShownCredential credential = new(TokenCredentials.Of(options, Scope(options, fhirService, null), cloud, emulatorClient));

        ResourceManager? resourceManager = null;
        FhirServiceId? id = null;
        JsonObject? resource = null;
        if (named)
        {
            resourceManager = new ResourceManager(options.Emulator?.ResourceManagerEndpoint ?? cloud.ResourceManager, cloud.ResourceManagerAudience, credential, transport, _retryDelay, _networkTimeout);
            (id, resource) = await new FhirServiceSearch(resourceManager, options).FindAsync(cancellation).ConfigureAwait(false);
            fhirService ??= id.Uri(cloud);
            if (accountName.Length == 0 && ControlPlane.ExportStorage(resource) is { Length: > 0 } exportStorage)
                (blobEndpoint, accountName) = await StorageAsync(new StorageAccounts(resourceManager, id), exportStorage, cloud, cancellation).ConfigureAwait(false);
        }
        credential.Scope = Scope(options, fhirService, resource);

        FhirService service = new(fhirService!, credential, credential.Scope, transport, _retryDelay, _networkTimeout);
        await service.CheckCapabilitiesAsync(cancellation).ConfigureAwait(false);
        AccessToken token = await credential.GetTokenAsync(new TokenRequestContext([credential.Scope]), cancellation).ConfigureAwait(false);
        AccessTokenClaims claims = AccessTokenClaims.Of(token.Token);
        FhirDeidContext context = new()
        {
            FhirServiceUri = fhirService,
            ResourceId = id?.ToString() ?? "",
            SubscriptionId = id?.SubscriptionId ?? "",
            Environment = cloud.Environment,
            Audience = credential.Scope[..^"/.default".Length],
            StorageAccountName = accountName,
            BlobEndpoint = blobEndpoint,
            Credential = options.Credential,
            Account = claims.Account,
            TenantId = claims.TenantId,
            ExpiresOn = token.ExpiresOn,
        };
        BlobStorage storage = new(blobEndpoint, accountName, credential, transport, _retryDelay, _networkTimeout);
        // In an emulator a role counts after a second.
        ControlPlane? controlPlane = id is null ? null
            : new ControlPlane(resourceManager!, id, credential, context, storage, options.Emulator is null ? TimeSpan.FromMinutes(2) : TimeSpan.FromSeconds(2));
        return new Connection(context, service, storage, credential, controlPlane, new FileTransfer(storage, service, _retryDelay), _freeSpace);
    }

    /// <summary>The account that a FHIR service exports to. Who may not see it as a resource may still reach its blobs, at the address that its name has in its cloud.</summary>
    private static async Task<(Uri? Endpoint, string Name)> StorageAsync(StorageAccounts accounts, string name, AzureCloud cloud, CancellationToken cancellation)
    {
        try
        {
            FhirExportStorage found = await accounts.FindAsync(name, cancellation).ConfigureAwait(false);
            if (found.BlobEndpoint is { } endpoint) return (endpoint, found.StorageAccountName);
        }
        catch (FhirDeidException e) when (e.ErrorId is "FhirDeid.StorageAccountNotFound" or "FhirDeid.StorageInOtherSubscription" or "FhirDeid.ResourceManagerForbidden")
        {
            // Test-FhirDeidReadiness tells what is wrong with it.
        }
        return BlobStorage.Account(new FhirDeidConnectionOptions { StorageAccountName = name }, cloud);
    }

    /// <summary>Scope of the FHIR service: by the audience that is given, else by the one of the resource, else by the URL.</summary>
    private static string Scope(FhirDeidConnectionOptions options, Uri? fhirService, JsonObject? resource)
    {
        string configured = resource.Text("properties", "authenticationConfiguration", "audience");
        string audience = !string.IsNullOrWhiteSpace(options.Audience) ? options.Audience.Trim() : configured.Length > 0 ? configured : fhirService?.AbsoluteUri ?? "";
        return audience.TrimEnd('/') + "/.default";
    }
}
