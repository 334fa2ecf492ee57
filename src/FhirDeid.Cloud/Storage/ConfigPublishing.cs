using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;

namespace FhirDeid.Cloud.Storage;

/// <summary>Puts a configuration where the FHIR service looks for it.</summary>
internal static class ConfigPublishing
{
    /// <summary>The container is fixed by the FHIR service.</summary>
    public const string ContainerName = "anonymization";

    /// <summary>Largest configuration that the FHIR service reads, in bytes.</summary>
    public const int MaxBytes = 1024 * 1024;

    /// <inheritdoc cref="IFhirDeidConnection.PublishConfigAsync"/>
    public static async Task<PublishedAnonymizationConfig> PublishAsync(BlobStorage storage, AnonymizationConfig config, string configName, bool force, CancellationToken cancellation)
    {
        if (string.IsNullOrWhiteSpace(configName))
            throw new FhirDeidException("ConfigNameInvalid", FhirDeidErrorCategory.InvalidArgument, "The configuration needs a name.", "Name it, such as safe-harbor.json.");
        ConfigName.Check(configName);
        if (config.Rules.All(rule => rule.Method.Equals("keep", StringComparison.OrdinalIgnoreCase)))
        {
            throw new FhirDeidException("ConfigKeepsEverything", FhirDeidErrorCategory.SecurityError,
                $"The configuration '{configName}' has no rule that changes anything: an export with it would hold identified data.",
                "Add rules that redact, hash or generalize; New-AnonymizationConfig SafeHarbor starts from a complete set. A file is read with Import-AnonymizationConfig.", configName);
        }
        byte[] bytes = Encoding.UTF8.GetBytes(config.ToJson());
        if (bytes.Length > MaxBytes)
        {
            throw new FhirDeidException("ConfigTooLarge", FhirDeidErrorCategory.LimitsExceeded,
                $"The configuration has {bytes.Length} bytes; the FHIR service reads at most {MaxBytes}.", "Make it smaller: fewer rules, or shorter lists in them.", configName);
        }
        BlobContainerClient container = storage.Container(ContainerName);
        BlobClient blob = container.GetBlobClient(configName);
        try
        {
            if (!await UploadedAsync(new BlobRequestConditions { IfNoneMatch = ETag.All }).ConfigureAwait(false))
            {
                BlobDownloadResult there = await blob.DownloadContentAsync(cancellation).ConfigureAwait(false);
                if (there.Content.ToMemory().Span.SequenceEqual(bytes)) return Published(there);
                if (!force) throw Exists($"Container {ContainerName} already has another configuration named '{configName}'.", "Publish under a new name, or replace it with -Force: exports that run with the old one will fail.");
                if (!await UploadedAsync(new BlobRequestConditions { IfMatch = there.Details.ETag }).ConfigureAwait(false))
                    throw Exists($"Someone else changed '{configName}' at the same time.", "Look at it and publish again.");
            }
            BlobDownloadResult written = await blob.DownloadContentAsync(cancellation).ConfigureAwait(false);
            return written.Content.ToMemory().Span.SequenceEqual(bytes) ? Published(written)
                : throw Exists($"What '{configName}' holds now is not what was written: someone else changed it at the same time.", "Look at it and publish again.");
        }
        catch (Exception e) when (storage.Plain(e, $"the configuration '{configName}' in container {ContainerName}", cancellation) is { } plain)
        {
            throw plain;
        }

        // False where the condition does not hold.
        async Task<bool> UploadedAsync(BlobRequestConditions conditions)
        {
            BlobUploadOptions options = new() { Conditions = conditions, HttpHeaders = new BlobHttpHeaders { ContentType = "application/json" } };
            try
            {
                await blob.UploadAsync(new BinaryData(bytes), options, cancellation).ConfigureAwait(false);
                return true;
            }
            catch (RequestFailedException e) when (e.ErrorCode == BlobErrorCode.ContainerNotFound)
            {
                await container.CreateIfNotExistsAsync(cancellationToken: cancellation).ConfigureAwait(false);
                await blob.UploadAsync(new BinaryData(bytes), options, cancellation).ConfigureAwait(false);
                return true;
            }
            catch (RequestFailedException e) when (e.ErrorCode == BlobErrorCode.BlobAlreadyExists || e.ErrorCode == BlobErrorCode.ConditionNotMet)
            {
                return false;
            }
        }

        FhirDeidException Exists(string message, string advice) => new("ConfigExists", FhirDeidErrorCategory.ResourceExists, message, advice, configName);

        PublishedAnonymizationConfig Published(BlobDownloadResult there) => ConfigPublishing.Published(storage, configName, there);
    }

    /// <inheritdoc cref="IFhirDeidConnection.ListConfigsAsync"/>
    public static async IAsyncEnumerable<PublishedAnonymizationConfig> ListAsync(BlobStorage storage, Func<string, bool> named, [EnumeratorCancellation] CancellationToken cancellation)
    {
        BlobContainerClient container = storage.Container(ContainerName);
        List<BlobItem> blobs = [];
        try
        {
            await foreach (BlobItem blob in container.GetBlobsAsync(cancellationToken: cancellation).ConfigureAwait(false))
            {
                // A larger file is none: the service refuses it.
                if (named(blob.Name) && blob.Properties.ContentLength <= MaxBytes) blobs.Add(blob);
            }
        }
        catch (RequestFailedException e) when (e.ErrorCode == BlobErrorCode.ContainerNotFound)
        {
            yield break;
        }
        catch (Exception e) when (storage.Plain(e, $"container {ContainerName}", cancellation) is { } plain)
        {
            throw plain;
        }
        foreach (BlobItem blob in blobs.OrderBy(blob => blob.Name, StringComparer.Ordinal))
        {
            if (await ReadAsync(blob.Name).ConfigureAwait(false) is { } there) yield return Published(storage, blob.Name, there);
        }

        // Name, ETag and hash of one answer belong together; null for what was removed meanwhile.
        async Task<BlobDownloadResult?> ReadAsync(string name)
        {
            try
            {
                return await container.GetBlobClient(name).DownloadContentAsync(cancellation).ConfigureAwait(false);
            }
            catch (RequestFailedException e) when (e.ErrorCode == BlobErrorCode.BlobNotFound)
            {
                return null;
            }
            catch (Exception e) when (storage.Plain(e, $"the configuration '{name}' in container {ContainerName}", cancellation) is { } plain)
            {
                throw plain;
            }
        }
    }

    /// <inheritdoc cref="IFhirDeidConnection.ReadConfigAsync(PublishedAnonymizationConfig, CancellationToken)"/>
    public static async Task<string> ReadAsync(BlobStorage storage, PublishedAnonymizationConfig config, CancellationToken cancellation)
    {
        BlobDownloadOptions listed = new() { Conditions = new BlobRequestConditions { IfMatch = new ETag(config.ConfigETag) } };
        try
        {
            BlobDownloadResult there = await storage.Container(ContainerName).GetBlobClient(config.ConfigName).DownloadContentAsync(listed, cancellation).ConfigureAwait(false);
            return Encoding.UTF8.GetString(there.Content.ToMemory().Span);
        }
        catch (RequestFailedException e) when (e.ErrorCode == BlobErrorCode.BlobNotFound || e.ErrorCode == BlobErrorCode.ConditionNotMet)
        {
            throw new FhirDeidException("ConfigNotFound", FhirDeidErrorCategory.ObjectNotFound, $"The configuration '{config.ConfigName}' was removed or replaced meanwhile.",
                "List it again with Get-AnonymizationConfig.", config.ConfigName, e);
        }
        catch (Exception e) when (storage.Plain(e, $"the configuration '{config.ConfigName}' in container {ContainerName}", cancellation) is { } plain)
        {
            throw plain;
        }
    }

    /// <inheritdoc cref="IFhirDeidConnection.ReadConfigAsync(FhirExport, CancellationToken)"/>
    public static async Task<string?> ReadAsync(BlobStorage storage, FhirExport export, CancellationToken cancellation)
    {
        if (storage.Endpoint is null || export.ConfigName.Length == 0 || export.ConfigETag.Length == 0) return null;
        try
        {
            BlobDownloadOptions pinned = new() { Conditions = new BlobRequestConditions { IfMatch = new ETag(export.ConfigETag) } };
            BlobDownloadResult there = await storage.Container(ContainerName).GetBlobClient(export.ConfigName).DownloadContentAsync(pinned, cancellation).ConfigureAwait(false);
            return there.Content.ToString();
        }
        catch (RequestFailedException e) when (e.Status is 401 or 403 or 404 or 412)
        {
            return null;
        }
        catch (FhirDeidException e) when (e.ErrorId == "FhirDeid.AccessTokenIsForFhirOnly")
        {
            return null;
        }
        catch (Exception e) when (storage.Plain(e, $"the configuration '{export.ConfigName}' in container {ContainerName}", cancellation) is { } plain)
        {
            throw plain;
        }
    }

    private static PublishedAnonymizationConfig Published(BlobStorage storage, string configName, BlobDownloadResult there) => new()
    {
        ConfigName = configName,
        ConfigETag = there.Details.ETag.ToString("H"),
        ConfigSha256 = Convert.ToHexString(SHA256.HashData(there.Content.ToMemory().Span)).ToLowerInvariant(),
        Length = there.Content.ToMemory().Length,
        Container = ContainerName,
        StorageAccountName = storage.AccountName,
        PublishedAt = there.Details.LastModified,
    };
}
