using Azure;
using Azure.Core.Pipeline;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;

namespace FhirDeid.Emulator;

/// <summary>The export storage account, as the FHIR service's managed identity sees it.</summary>
internal sealed class ExportStorage(Uri blobEndpoint, Tokens tokens, HttpClient http)
{
    private const string ConfigContainer = "anonymization";
    private const int MaximumConfigLength = 1 << 20;

    private readonly BlobServiceClient _service = new(blobEndpoint, tokens.ManagedIdentity(),
        new BlobClientOptions { Transport = new HttpClientTransport(http) });

    /// <summary>Asks the blob service for anything.</summary>
    public Task ProbeAsync(CancellationToken cancellation) => _service.GetPropertiesAsync(cancellation);

    /// <summary>Creates a container unless it exists.</summary>
    public async Task<BlobContainerClient> ContainerAsync(string name, CancellationToken cancellation)
    {
        BlobContainerClient container = _service.GetBlobContainerClient(name);
        await container.CreateIfNotExistsAsync(cancellationToken: cancellation);
        return container;
    }

    /// <summary>Opens a block blob that is written as it grows; it is complete when the stream is disposed of.</summary>
    public static Task<Stream> OpenWriteAsync(BlobContainerClient container, string name, CancellationToken cancellation) =>
        container.GetBlockBlobClient(name).OpenWriteAsync(overwrite: true, cancellationToken: cancellation);

    /// <summary>Reads an anonymization configuration.</summary>
    /// <param name="name">Blob name.</param>
    /// <param name="etag">ETag that it must have, with or without quotes; null for any.</param>
    /// <param name="cancellation">Stops.</param>
    /// <exception cref="ExportFailedException">It is not there, too large, or another one.</exception>
    public async Task<string> ReadConfigAsync(string name, string? etag, CancellationToken cancellation)
    {
        BlobRequestConditions conditions = new();
        if (etag is not null) conditions.IfMatch = new ETag(etag.StartsWith('"') ? etag : $"\"{etag}\"");
        try
        {
            using BlobDownloadStreamingResult blob = await _service.GetBlobContainerClient(ConfigContainer).GetBlobClient(name)
                .DownloadStreamingAsync(new BlobDownloadOptions { Conditions = conditions }, cancellation);
            if (blob.Details.ContentLength > MaximumConfigLength)
                throw new ExportFailedException(400, "Anonymization configuration is too large > 1MB.");
            using StreamReader reader = new(blob.Content);
            return await reader.ReadToEndAsync(cancellation);
        }
        catch (RequestFailedException e) when (e.ErrorCode == BlobErrorCode.ContainerNotFound)
        {
            throw new ExportFailedException(400, "Anonymization container not found on the destination storage.");
        }
        catch (RequestFailedException e) when (e.Status == 404)
        {
            throw new ExportFailedException(400, $"Anonymization configuration '{name}' not found. ");
        }
        catch (RequestFailedException e) when (e.Status == 412)
        {
            throw new ExportFailedException(400, e.Message);
        }
    }
}
