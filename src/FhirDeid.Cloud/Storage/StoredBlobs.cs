using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using FhirDeid.Cloud.Fhir;

namespace FhirDeid.Cloud.Storage;

/// <summary>The blobs of an export: what its manifest names, never what its container holds.</summary>
internal static class StoredBlobs
{
    /// <inheritdoc cref="IFhirDeidConnection.StoredFiles"/>
    public static BlobClient[] Of(BlobStorage storage, FhirService service, FhirExport export)
    {
        if (export.Container == ConfigPublishing.ContainerName)
        {
            throw new FhirDeidException("ContainerHoldsKeys", FhirDeidErrorCategory.SecurityError, $"Container '{export.Container}' holds the configurations with their keys: no file is deleted there.",
                "Delete the export's folder there by hand, with a look at each name.", export.Container);
        }
        FhirExportFile[] files = [.. export.Output.Concat(export.ErrorOutput).Concat(export.DeletedOutput).Where(file => !service.Owns(file.Url))];
        if (files.Length > 0) KickOff.CheckContainer(export.Container);
        return [.. files.Select(file => storage.Blob(export, file))];
    }

    /// <summary>Deletes blobs with their snapshots, eight at a time.</summary>
    public static async Task DeleteAsync(BlobStorage storage, FhirExport export, BlobClient[] blobs, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        int deleted = 0;
        await Parallel.ForEachAsync(blobs, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellation }, async (blob, stop) =>
        {
            try
            {
                await blob.DeleteIfExistsAsync(DeleteSnapshotsOption.IncludeSnapshots, cancellationToken: stop).ConfigureAwait(false);
            }
            catch (Exception e) when (storage.Plain(e, $"to delete {blob.Name} in container {export.Container}", stop) is { } plain)
            {
                throw plain;
            }
            int count = Interlocked.Increment(ref deleted);
            progress.Report(new FhirDeidProgress($"Deleting the files of export {export.JobId}", $"{count} of {blobs.Length} files", 100 * count / blobs.Length));
        }).ConfigureAwait(false);
    }
}
