using System.Security.Cryptography;
using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;

namespace FhirDeid.Cloud.Storage;

/// <summary>A container that results go to. The note on a result is in its metadata, with the hash of its content.</summary>
internal sealed class OutputContainer : IDeidentificationTarget
{
    private const string Note = "fhirdeid", Hash = "fhirdeid_sha256";

    private readonly BlobStorage _storage;
    private readonly BlobContainerClient _container;
    private bool _exists;

    /// <param name="storage">The account.</param>
    /// <param name="container">Name of the container.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ContainerInvalid</c>, <c>FhirDeid.ContainerHoldsKeys</c>, <c>FhirDeid.StorageAccountMissing</c>.</exception>
    public OutputContainer(BlobStorage storage, string container)
    {
        Fhir.KickOff.CheckContainer(container);
        if (container == ConfigPublishing.ContainerName)
        {
            throw new FhirDeidException("ContainerHoldsKeys", FhirDeidErrorCategory.SecurityError, $"Container {container} holds the configurations with their keys: whoever may read the results there may also read the keys.",
                "Choose another container.", container);
        }
        (_storage, _container) = (storage, storage.Container(container));
    }

    public string FullName(string name) => FullName(_storage, _container.Name, name);

    /// <summary>URL of a blob as text, not escaped.</summary>
    public static string FullName(BlobStorage storage, string container, string name) => $"{storage.Endpoint!.AbsoluteUri.TrimEnd('/')}/{container}/{name}";

    public async Task<string?> FindAsync(string name, CancellationToken cancellation)
    {
        if (await PropertiesAsync(name, cancellation).ConfigureAwait(false) is not { } there || !there.Metadata.TryGetValue(Note, out string? note) || !there.Metadata.TryGetValue(Hash, out string? hash)) return null;
        try
        {
            // Metadata are what somebody has written, and copies take them along: the content itself says what it is.
            BlobDownloadOptions options = new() { Conditions = new BlobRequestConditions { IfMatch = there.ETag } };
            using BlobDownloadStreamingResult blob = await _container.GetBlobClient(name).DownloadStreamingAsync(options, cancellation).ConfigureAwait(false);
            return Convert.ToHexString(await SHA256.HashDataAsync(blob.Content, cancellation).ConfigureAwait(false)).Equals(hash, StringComparison.OrdinalIgnoreCase) ? note : null;
        }
        catch (RequestFailedException e) when (e.Status is 404 or 412)
        {
            return null;
        }
        catch (Exception e) when (_storage.Plain(e, $"blob {name} in container {_container.Name}", cancellation) is { } plain)
        {
            throw plain;
        }
    }

    public async Task<IDeidentificationOutput> CreateAsync(IDeidentificationInput input, bool force, CancellationToken cancellation)
    {
        string name = input.Name;
        if (input.FullName.Equals(FullName(name), StringComparison.OrdinalIgnoreCase))
        {
            throw new FhirDeidException("DestinationIsSource", FhirDeidErrorCategory.InvalidArgument, "The output would replace the input.",
                "Give another container to -DestinationContainer.", input.FullName);
        }
        BlobProperties? there = await PropertiesAsync(name, cancellation).ConfigureAwait(false);
        if (there is not null && !force && !there.Metadata.ContainsKey(Note))
        {
            throw new FhirDeidException("FileExists", FhirDeidErrorCategory.ResourceExists, $"{FullName(name)} exists and is not a result of Invoke-FhirDeid.",
                "Choose another container, or replace the blob with -Force.", FullName(name));
        }
        try
        {
            if (!_exists && !await _container.ExistsAsync(cancellation).ConfigureAwait(false)) await _container.CreateIfNotExistsAsync(cancellationToken: cancellation).ConfigureAwait(false);
            _exists = true;
        }
        catch (Exception e) when (_storage.Plain(e, $"container {_container.Name}", cancellation) is { } plain)
        {
            throw plain;
        }
        // What somebody else puts there meanwhile is not overwritten.
        BlobRequestConditions conditions = there is null ? new BlobRequestConditions { IfNoneMatch = ETag.All } : new BlobRequestConditions { IfMatch = there.ETag };
        return new OutputBlob(_storage, _container.GetBlockBlobClient(name), conditions);
    }

    /// <summary>What is known of a blob; null where there is none.</summary>
    private async Task<BlobProperties?> PropertiesAsync(string name, CancellationToken cancellation)
    {
        try
        {
            return await _container.GetBlobClient(name).GetPropertiesAsync(cancellationToken: cancellation).ConfigureAwait(false);
        }
        catch (RequestFailedException e) when (e.Status == 404)
        {
            return null;
        }
        catch (Exception e) when (_storage.Plain(e, $"blob {name} in container {_container.Name}", cancellation) is { } plain)
        {
            throw plain;
        }
    }

    private sealed class OutputBlob(BlobStorage storage, BlockBlobClient blob, BlobRequestConditions conditions) : IDeidentificationOutput
    {
        private readonly BlockStream _blocks = new(blob);

        public Stream Stream => _blocks;

        public async Task CommitAsync(string sha256, string note, CancellationToken cancellation)
        {
            CommitBlockListOptions options = new()
            {
                Conditions = conditions,
                Metadata = new Dictionary<string, string> { [Note] = note, [Hash] = sha256 },
                HttpHeaders = new BlobHttpHeaders { ContentType = ContentType(blob.Name) },
            };
            await blob.CommitBlockListAsync(await _blocks.CompleteAsync(cancellation).ConfigureAwait(false), options, cancellation).ConfigureAwait(false);
        }

        public FhirDeidException? Explain(Exception exception, CancellationToken cancellation) =>
            storage.Plain(exception, $"blob {blob.Name} in container {blob.BlobContainerName}", cancellation);

        public ValueTask DisposeAsync() => _blocks.DisposeAsync();

        private static string ContentType(string name) =>
            name.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? "application/gzip" : name.EndsWith(".json", StringComparison.OrdinalIgnoreCase) ? "application/fhir+json" : "application/fhir+ndjson";
    }

    /// <summary>Stages what is written in blocks, one under way while the next one fills. A blob of blocks that are not committed does not exist for anyone.</summary>
    private sealed class BlockStream(BlockBlobClient blob) : Stream
    {
        private const int BlockSize = 8 * 1024 * 1024;

        private readonly byte[] _prefix = RandomNumberGenerator.GetBytes(12);
        private readonly List<string> _ids = [];
        private byte[] _filling = new byte[BlockSize];
        private byte[] _staging = [];
        private Task _staged = Task.CompletedTask;
        private int _length;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            while (!buffer.IsEmpty)
            {
                int count = Math.Min(buffer.Length, BlockSize - _length);
                buffer[..count].CopyTo(_filling.AsMemory(_length));
                _length += count;
                buffer = buffer[count..];
                if (_length == BlockSize) await StageAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        /// <summary>Stages the rest.</summary>
        /// <returns>The ids of all blocks, in order.</returns>
        public async Task<IReadOnlyList<string>> CompleteAsync(CancellationToken cancellation)
        {
            if (_length > 0) await StageAsync(cancellation).ConfigureAwait(false);
            await _staged.ConfigureAwait(false);
            return _ids;
        }

        public override async ValueTask DisposeAsync()
        {
            await _staged.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await base.DisposeAsync().ConfigureAwait(false);
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        private async Task StageAsync(CancellationToken cancellation)
        {
            await _staged.ConfigureAwait(false);
            (_staging, _filling) = (_filling, _staging.Length > 0 ? _staging : new byte[BlockSize]);
            string id = Convert.ToBase64String([.. _prefix, .. BitConverter.GetBytes(_ids.Count)]);
            _ids.Add(id);
            _staged = blob.StageBlockAsync(id, new MemoryStream(_staging, 0, _length), cancellationToken: cancellation);
            _length = 0;
        }
    }
}
