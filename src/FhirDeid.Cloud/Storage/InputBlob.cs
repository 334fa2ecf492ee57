using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;

namespace FhirDeid.Cloud.Storage;

/// <summary>A blob to de-identify here: read as a stream, never stored.</summary>
internal sealed class InputBlob : IDeidentificationInput
{
    private readonly BlobStorage _storage;
    private readonly BlobClient _blob;
    private readonly ETag _etag;

    private InputBlob(BlobStorage storage, BlobClient blob, ETag etag, long length, long? count) =>
        (_storage, _blob, _etag, Length, Count) = (storage, blob, etag, length, count);

    public string FullName => OutputContainer.FullName(_storage, _blob.BlobContainerName, _blob.Name);

    public string Name => _blob.Name;

    public long Length { get; }

    public string Version => _etag.ToString("H");

    public long? Count { get; }

    /// <inheritdoc cref="IFhirDeidConnection.InputsAsync(string, Func{string, bool}, CancellationToken)"/>
    public static async Task<IReadOnlyList<IDeidentificationInput>> ListAsync(BlobStorage storage, string container, Func<string, bool> named, CancellationToken cancellation)
    {
        Fhir.KickOff.CheckContainer(container);
        BlobContainerClient client = storage.Container(container);
        List<InputBlob> blobs = [];
        try
        {
            await foreach (BlobItem blob in client.GetBlobsAsync(cancellationToken: cancellation).ConfigureAwait(false))
            {
                if (named(blob.Name)) blobs.Add(new InputBlob(storage, client.GetBlobClient(blob.Name), blob.Properties.ETag ?? default, blob.Properties.ContentLength ?? 0, null));
            }
        }
        catch (Exception e) when (storage.Plain(e, $"container {container}", cancellation) is { } plain)
        {
            throw plain;
        }
        return [.. blobs.OrderBy(blob => blob.Name, StringComparer.Ordinal)];
    }

    /// <inheritdoc cref="IFhirDeidConnection.InputsAsync(FhirExport, CancellationToken)"/>
    public static async Task<IReadOnlyList<IDeidentificationInput>> ListAsync(BlobStorage storage, FhirExport export, CancellationToken cancellation)
    {
        List<InputBlob> blobs = [];
        foreach (FhirExportFile file in export.Output)
        {
            BlobClient blob = storage.Blob(export, file);
            try
            {
                BlobProperties properties = await blob.GetPropertiesAsync(cancellationToken: cancellation).ConfigureAwait(false);
                blobs.Add(new InputBlob(storage, blob, properties.ETag, properties.ContentLength, file.Count));
            }
            catch (Exception e) when (storage.Plain(e, $"the exported file {blob.Name} in container {export.Container}", cancellation) is { } plain)
            {
                throw plain;
            }
        }
        return blobs;
    }

    public async Task<Stream> OpenAsync(CancellationToken cancellation)
    {
        try
        {
            // A broken connection is taken up again by the library, with the same condition: never two versions in one result.
            BlobDownloadOptions options = new() { Conditions = new BlobRequestConditions { IfMatch = _etag } };
            return (await _blob.DownloadStreamingAsync(options, cancellation).ConfigureAwait(false)).Value.Content;
        }
        catch (Exception e) when (Explain(e, cancellation) is { } plain)
        {
            throw plain;
        }
    }

    public FhirDeidException? Explain(Exception exception, CancellationToken cancellation) =>
        _storage.Plain(exception, $"blob {Name} in container {_blob.BlobContainerName}", cancellation);
}
