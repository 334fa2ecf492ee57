using System.Text.RegularExpressions;
using Azure;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;

namespace FhirDeid.Cloud.Storage;

/// <summary>The blob service of the account that exports go to.</summary>
internal sealed partial class BlobStorage
{
    private readonly TokenCredential _credential;
    private readonly HttpPipelineTransport? _transport;
    private readonly TimeSpan _retryDelay;
    private readonly TimeSpan _networkTimeout;
    private BlobServiceClient? _client;
    private HttpPipeline? _pipeline;

    private sealed class PipelineOptions : ClientOptions;

    /// <summary>Version of the blob service's protocol.</summary>
    public const string Version = "2026-06-06";

    public BlobStorage(Uri? endpoint, string accountName, TokenCredential credential, HttpPipelineTransport? transport, TimeSpan retryDelay, TimeSpan networkTimeout)
    {
        (_credential, _transport, _retryDelay, _networkTimeout) = (credential, transport, retryDelay, networkTimeout);
        AccountName = "";
        if (endpoint is not null) MoveTo(endpoint, accountName);
    }

    /// <summary>The blob service of another account, for the same caller.</summary>
    public BlobStorage Of(Uri endpoint, string accountName) => new(endpoint, accountName, _credential, _transport, _retryDelay, _networkTimeout);

    /// <summary>Goes over to another account: the FHIR service exports there from now on.</summary>
    public void MoveTo(Uri endpoint, string accountName)
    {
        Endpoint = endpoint;
        AccountName = accountName;
        BlobClientOptions options = new(BlobClientOptions.ServiceVersion.V2026_06_06)
        {
            Retry = { MaxRetries = 3, Delay = _retryDelay, MaxDelay = TimeSpan.FromSeconds(30) },
            Diagnostics = { IsLoggingContentEnabled = false, IsTelemetryEnabled = false, IsDistributedTracingEnabled = false },
            TransferValidation =
            {
                Upload = { ChecksumAlgorithm = StorageChecksumAlgorithm.MD5 },
                Download = { ChecksumAlgorithm = StorageChecksumAlgorithm.None },
            },
        };
        if (_transport is not null) options.Transport = _transport;
        _client = new BlobServiceClient(endpoint, _credential, options);
        PipelineOptions transfer = new()
        {
            Retry = { MaxRetries = 3, Delay = _retryDelay, MaxDelay = TimeSpan.FromSeconds(30), NetworkTimeout = _networkTimeout },
            Diagnostics = { IsLoggingContentEnabled = false, IsTelemetryEnabled = false, IsDistributedTracingEnabled = false },
        };
        if (_transport is not null) transfer.Transport = _transport;
        _pipeline = HttpPipelineBuilder.Build(transfer, [], [new Fhir.OriginBearer(_credential, Scope, endpoint)], new ResponseClassifier());
    }

    /// <summary>How far two clocks may be apart before tokens suffer from it.</summary>
    private static readonly TimeSpan LargestSkew = TimeSpan.FromMinutes(5);

    /// <summary>Scope of the storage service's tokens.</summary>
    private const string Scope = "https://storage.azure.com/.default";

    /// <summary>What files are read through, null where no account is known: the client library's own way does not say which part came.</summary>
    public HttpPipeline? Pipeline => _pipeline;

    /// <summary>Base URL, or null where no account is known.</summary>
    public Uri? Endpoint { get; private set; }

    /// <summary>Name of the account; empty where none is known.</summary>
    public string AccountName { get; private set; }

    /// <summary>Endpoint and name of the account that the options give, each derived from the other where only one is given.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.StorageAccountInvalid</c>, <c>FhirDeid.EndpointInvalid</c>, <c>FhirDeid.InsecureEndpoint</c>.</exception>
    public static (Uri? Endpoint, string AccountName) Account(FhirDeidConnectionOptions options, AzureCloud cloud)
    {
        string name = First(options.StorageAccountName, options.Emulator?.StorageAccountName);
        if (name.Length > 0) CheckName(name);
        Uri? endpoint = options.BlobEndpoint ?? options.Emulator?.BlobEndpoint;
        if (endpoint is null) return name.Length > 0 ? (new Uri($"https://{name}.{cloud.BlobSuffix}"), name) : (null, "");
        Fhir.FhirService.RefuseInsecure(endpoint, "blob service");
        endpoint = new Uri(endpoint.GetLeftPart(UriPartial.Path).TrimEnd('/'));
        if (name.Length == 0) name = endpoint.AbsolutePath.Trim('/') is { Length: > 0 } path ? path : endpoint.Host.Split('.')[0];
        return (endpoint, name);

        static string First(string? one, string? other) => !string.IsNullOrWhiteSpace(one) ? one.Trim() : other?.Trim() ?? "";
    }

    /// <exception cref="FhirDeidException"><c>FhirDeid.StorageAccountInvalid</c>.</exception>
    public static void CheckName(string name)
    {
        if (ValidName().IsMatch(name)) return;
        throw new FhirDeidException("StorageAccountInvalid", FhirDeidErrorCategory.InvalidArgument, $"'{ServiceText.OneLine(name)}' cannot be the name of a storage account.",
            "Give the bare name: 3 to 24 lower-case letters and digits.", name);
    }

    /// <summary>Whether there is a container of that name.</summary>
    public async Task<bool> ExistsAsync(string container, CancellationToken cancellation)
    {
        try
        {
            return await Container(container).ExistsAsync(cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (Plain(e, $"to look for container {container}", cancellation) is { } plain)
        {
            throw plain;
        }
    }

    /// <summary>Counts what lies in an export's folder, <c>{time}-{job id}/</c>.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ContainerRequired</c>, <c>FhirDeid.ContainerInvalid</c>, and what the storage account says.</exception>
    public async Task<FhirExportSize> MeasureAsync(FhirExport export, CancellationToken cancellation)
    {
        Fhir.KickOff.CheckContainer(export.Container);
        BlobContainerClient container = Container(export.Container);
        long files = 0, bytes = 0;
        await foreach (BlobItem blob in FilesAsync(export, container, cancellation).ConfigureAwait(false))
        {
            files++;
            bytes += blob.Properties.ContentLength ?? 0;
        }
        return new FhirExportSize(files, bytes);
    }

    /// <summary>Sizes of what lies in an export's folder, by URL.</summary>
    /// <exception cref="FhirDeidException">As <see cref="MeasureAsync"/>.</exception>
    public async Task<IReadOnlyDictionary<string, long>> SizesAsync(FhirExport export, CancellationToken cancellation)
    {
        Fhir.KickOff.CheckContainer(export.Container);
        BlobContainerClient container = Container(export.Container);
        Dictionary<string, long> sizes = new(StringComparer.Ordinal);
        await foreach (BlobItem blob in FilesAsync(export, container, cancellation).ConfigureAwait(false)) sizes[container.GetBlobClient(blob.Name).Uri.AbsoluteUri] = blob.Properties.ContentLength ?? 0;
        return sizes;
    }

    private async IAsyncEnumerable<BlobItem> FilesAsync(FhirExport export, BlobContainerClient container, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        List<BlobItem> files = [];
        try
        {
            await foreach (BlobHierarchyItem folder in container.GetBlobsByHierarchyAsync(new GetBlobsByHierarchyOptions { Delimiter = "/" }, cancellation).ConfigureAwait(false))
            {
                if (!folder.IsPrefix || !folder.Prefix.EndsWith($"-{export.JobId}/", StringComparison.Ordinal)) continue;
                await foreach (BlobItem blob in container.GetBlobsAsync(new GetBlobsOptions { Prefix = folder.Prefix }, cancellation).ConfigureAwait(false)) files.Add(blob);
            }
        }
        catch (RequestFailedException e) when (e.ErrorCode == BlobErrorCode.ContainerNotFound)
        {
            // The service makes it with the first file.
        }
        catch (Exception e) when (Plain(e, $"to list container {export.Container}", cancellation) is { } plain)
        {
            throw plain;
        }
        foreach (BlobItem file in files) yield return file;
    }

    /// <summary>Asks whether the caller gets in: lists a container or two.</summary>
    /// <returns>Why not, or null.</returns>
    public async Task<FhirDeidException?> ProbeAsync(CancellationToken cancellation)
    {
        try
        {
            await foreach (Page<BlobContainerItem> _ in _client!.GetBlobContainersAsync(cancellationToken: cancellation).AsPages(pageSizeHint: 1).ConfigureAwait(false)) break;
            return null;
        }
        catch (Exception e) when (Plain(e, "to list the containers", cancellation) is { } plain)
        {
            return plain;
        }
    }

    /// <summary>Whether a refusal is one of the account's firewall, not of its roles.</summary>
    public static bool IsFirewall(FhirDeidException refusal) => refusal.Message.EndsWith(", AuthorizationFailure).", StringComparison.Ordinal);

    /// <exception cref="FhirDeidException"><c>FhirDeid.StorageAccountMissing</c>.</exception>
    public BlobServiceClient Service => _client ?? throw new FhirDeidException("StorageAccountMissing", FhirDeidErrorCategory.InvalidOperation,
        "The connection names no storage account.", "Connect with -StorageAccountName.");

    /// <exception cref="FhirDeidException"><c>FhirDeid.StorageAccountMissing</c>.</exception>
    public BlobContainerClient Container(string name) => Service.GetBlobContainerClient(name);

    /// <summary>The blob that a manifest's URL names, if it lies in the export's container.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ForeignUrl</c>.</exception>
    public BlobClient Blob(FhirExport export, FhirExportFile file)
    {
        BlobContainerClient container = Container(export.Container);
        string folder = $"{Endpoint!.AbsoluteUri.TrimEnd('/')}/{export.Container}/";
        string url = file.Url is { IsAbsoluteUri: true } given ? given.GetLeftPart(UriPartial.Path) : "";
        if (export.Container.Length > 0 && url.StartsWith(folder, StringComparison.Ordinal) && Uri.UnescapeDataString(url[folder.Length..]) is { Length: > 0 } name
            && !name.Split('/', '\\').Any(segment => segment is "." or ".."))
            return container.GetBlobClient(name);
        throw new FhirDeidException("ForeignUrl", FhirDeidErrorCategory.SecurityError,
            $"The export's file '{ServiceText.OneLine(url)}' does not lie in container '{export.Container}' of storage account {AccountName}: no token is sent there.",
            "Connect with the storage account that the FHIR service exports to.", file.Url);
    }

    /// <summary>The plain error for what the client library throws; null for what is to pass as it is.</summary>
    public FhirDeidException? Plain(Exception exception, string what, CancellationToken cancellation)
    {
        if (exception is FhirDeidException) return null;
        if (ConnectionFailure.Own(exception) is { } own) return own;
        // The cause is not kept: its text quotes headers and the service's whole answer.
        if (ConnectionFailure.Chain(exception).OfType<RequestFailedException>().FirstOrDefault(e => e.Status != 0) is { } refused) return Refusal(refused.Status, refused.ErrorCode, refused.GetRawResponse()?.Headers.Date, what);
        if (!ConnectionFailure.Is(exception, cancellation)) return null;
        return new FhirDeidException("StorageUnreachable", FhirDeidErrorCategory.ConnectionError,
            $"Storage account {AccountName} ({Endpoint}) cannot be reached: {ConnectionFailure.Reason(exception)}.",
            "Check the account's name, the network and, if the account has a firewall or a private endpoint, whether this machine may use it.", Endpoint, ConnectionFailure.Http(exception)) { IsTransient = true };
    }

    /// <summary>The plain error for an answer that is none.</summary>
    /// <param name="status">HTTP status.</param>
    /// <param name="errorCode">The service's code; null where it says none.</param>
    /// <param name="date">What time it is there.</param>
    /// <param name="what">What was asked for.</param>
    public FhirDeidException Refusal(int status, string? errorCode, DateTimeOffset? date, string what)
    {
        string code = errorCode is { Length: > 0 } known ? ServiceText.OneLine(known) : "no code";
        string refused = $"Storage account {AccountName} refused {what} ({status}, {code}).";
        string clocks = DateTimeOffset.UtcNow - date is { } apart && apart.Duration() > LargestSkew ? $" Its clock and this machine's are {apart.Duration().TotalMinutes:0} minutes apart." : "";
        return (status, errorCode) switch
        {
            (403, "AuthorizationFailure") => Forbidden("Allow this machine's network in the firewall of the storage account, and make sure that you have the role Storage Blob Data Contributor there."),
            (403, "AuthenticationFailed") or (401, _) => new FhirDeidException("StorageUnauthorized", FhirDeidErrorCategory.AuthenticationError, refused + clocks,
                "Connect again; check that the clock of this machine is right and that the tenant is the storage account's.", Endpoint),
            (403, _) => Forbidden("Get the role Storage Blob Data Contributor on the storage account (Storage Blob Data Reader is enough to receive files), and wait a few minutes until it takes effect; the account's firewall must allow this machine too."),
            (404, _) => new FhirDeidException("BlobNotFound", FhirDeidErrorCategory.ObjectNotFound, $"Storage account {AccountName} has no such thing: {what} ({code}).",
                "Check that the connection names the account that the FHIR service exports to, and that nothing was deleted.", Endpoint),
            (409 or 412, _) => new FhirDeidException("BlobChanged", FhirDeidErrorCategory.ResourceExists, $"Someone else changed it at the same time: {what} ({code}).", "Run the command again.", Endpoint),
            _ => new FhirDeidException("StorageUnavailable", FhirDeidErrorCategory.ResourceUnavailable, refused, "Try again in some minutes.", Endpoint),
        };

        FhirDeidException Forbidden(string advice) => new("StorageForbidden", FhirDeidErrorCategory.PermissionDenied, refused, advice, Endpoint);
    }

    [GeneratedRegex(@"\A[a-z0-9]{3,24}\z")]
    private static partial Regex ValidName();
}
