using System.Buffers;
using System.Collections.Concurrent;
using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;

namespace FhirDeid.Cloud.Storage;

/// <summary>Looks at what a link would open before it is made: no configuration, because that holds the keys; nothing to read that shows no sign of de-identification.</summary>
internal static class SharedContent
{
    private const int Parallel = 8;

    /// <summary>How much of an NDJSON file is looked at, in bytes.</summary>
    private const int SampleBytes = 256 * 1024;

    // What a configuration that is worth protecting has, in whatever case; the service reads these names without regard to it.
    private static readonly string[] ConfigurationNames = ["fhirPathRules", "cryptoHashKey", "dateShiftKey", "encryptKey"];

    /// <summary>Refuses what must not be shared.</summary>
    /// <param name="storage">The account.</param>
    /// <param name="container">The container.</param>
    /// <param name="request">The link.</param>
    /// <param name="reads">Whether the link lets its holder read.</param>
    /// <param name="cancellation">Stops.</param>
    /// <remarks>
    /// A container is searched whole, because the link opens it whole. A blob is taken for a configuration if its text has one of the names of one; only blobs that the service could read as one, up to 1 MiB, and the beginnings of NDJSON files are searched. Packed or encrypted files are not looked into.
    /// An NDJSON file counts as de-identified if it belongs to the export that the request names, or if one of the resources in its first 256 KiB bears a label of the service's anonymization. Files of other kinds are not judged.
    /// </remarks>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ContainerHoldsKeys</c>, <c>FhirDeid.NotDeidentified</c>, <c>FhirDeid.ForeignUrl</c>, <c>FhirDeid.ContainerNotFound</c>, <c>FhirDeid.BlobNotFound</c>.</exception>
    public static async Task CheckAsync(BlobStorage storage, BlobContainerClient container, ExportSasRequest request, bool reads, CancellationToken cancellation)
    {
        HashSet<string> proven = reads && request.Export is { } export
            ? [.. export.Output.Select(file => storage.Blob(export, file).Name)] : [];
        ConcurrentBag<string> unproven = [];
        try
        {
            if (request.Blob.Length == 0)
            {
                await System.Threading.Tasks.Parallel.ForEachAsync(container.GetBlobsAsync(cancellationToken: cancellation),
                    new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellation },
                    async (blob, stop) => await LookAsync(blob.Name, blob.Properties.ContentLength ?? 0, stop).ConfigureAwait(false)).ConfigureAwait(false);
            }
            else if (reads)
            {
                BlobProperties properties = await container.GetBlobClient(request.Blob).GetPropertiesAsync(cancellationToken: cancellation).ConfigureAwait(false);
                await LookAsync(request.Blob, properties.ContentLength, cancellation).ConfigureAwait(false);
            }
        }
        catch (RequestFailedException e) when (e.ErrorCode == BlobErrorCode.ContainerNotFound)
        {
            throw new FhirDeidException("ContainerNotFound", FhirDeidErrorCategory.ObjectNotFound,
                $"Storage account {storage.AccountName} has no container '{request.Container}'.", "Check the name; the container must be there before a link to it is made.", request.Container);
        }
        catch (Exception e) when (storage.Plain(e, request.Blob.Length > 0 ? $"blob {request.Blob} in container {request.Container}" : $"container {request.Container}", cancellation) is { } plain)
        {
            throw plain;
        }
        if (!unproven.IsEmpty && !request.Force) throw Unproven(request, [.. unproven.Order(StringComparer.Ordinal)]);

        async Task LookAsync(string name, long length, CancellationToken stop)
        {
            bool isNdjson = name.EndsWith(".ndjson", StringComparison.OrdinalIgnoreCase);
            if (length == 0 || (!isNdjson && length > ConfigPublishing.MaxBytes)) return;
            // A range, because the file may be large; the answer to a whole file would come with 200 as well.
            HttpRange range = new(0, isNdjson ? SampleBytes : ConfigPublishing.MaxBytes);
            BlobDownloadStreamingResult download = await container.GetBlobClient(name).DownloadStreamingAsync(new BlobDownloadOptions { Range = range }, stop).ConfigureAwait(false);
            byte[] bytes;
            using (download)
            using (MemoryStream sample = new())
            {
                await download.Content.CopyToAsync(sample, stop).ConfigureAwait(false);
                bytes = sample.ToArray();
            }
            if (IsConfiguration(bytes)) throw HoldsKeys(request.Container, $"blob '{ServiceText.OneLine(name)}' is one, or quotes one");
            if (isNdjson && reads && !proven.Contains(name) && !IsLabelled(bytes, bytes.Length >= length)) unproven.Add(name);
        }
    }

    /// <summary>The error for a container that must not be opened to anyone.</summary>
    /// <param name="container">The container.</param>
    /// <param name="why">Why it counts as one that holds keys.</param>
    public static FhirDeidException HoldsKeys(string container, string why) => new("ContainerHoldsKeys", FhirDeidErrorCategory.SecurityError,
        $"Container '{container}' holds anonymization configurations ({why}). Their keys give the hashed ids back: no link to it is made.",
        "Share a container that holds exported files alone; -Force does not change this.", container);

    private static bool IsConfiguration(byte[] bytes)
    {
        // The service reads files by their byte order mark, UTF-8 without one.
        using StreamReader reader = new(new MemoryStream(bytes));
        string text = reader.ReadToEnd();
        return Array.Exists(ConfigurationNames, name => text.Contains($"\"{name}\"", StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Whether one of the resources bears a label; blank files hold none that would need one.</summary>
    /// <param name="bytes">The beginning of the file.</param>
    /// <param name="whole">Whether that is all of it.</param>
    private static bool IsLabelled(byte[] bytes, bool whole)
    {
        ReadOnlySequence<byte> rest = new(bytes);
        bool blank = true;
        while (rest.Length > 0)
        {
            SequencePosition? end = rest.PositionOf((byte)'\n');
            if (end is null && !whole) return false;
            ReadOnlySequence<byte> line = rest.Slice(0, end ?? rest.End);
            if (ExportedResource.Read(line.FirstSpan, null) is { IsLabelled: true }) return true;
            if (line.Length > 0 && !(line.Length == 1 && line.FirstSpan[0] == '\r')) blank = false;
            rest = end is { } there ? rest.Slice(rest.GetPosition(1, there)) : rest.Slice(rest.End);
        }
        return blank && whole;
    }

    private static FhirDeidException Unproven(ExportSasRequest request, string[] names)
    {
        string what = names.Length == 1 ? $"'{ServiceText.OneLine(names[0])}' shows" : $"'{ServiceText.OneLine(names[0])}' and {names.Length - 1} more show";
        return new FhirDeidException("NotDeidentified", FhirDeidErrorCategory.SecurityError,
            $"{what} no sign of de-identification: in container '{request.Container}' the link would open what may be identified data.",
            "Pass the completed export on ($export | New-ExportSasToken), which proves its own files; move other files away. Where you know that no rule applies to them, use -Force.", request.Container);
    }
}
