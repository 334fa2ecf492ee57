using System.Globalization;
using System.IO.Compression;
using System.Net.Http.Headers;
using Azure;
using Azure.Core;
using Azure.Core.Pipeline;
using FhirDeid.Cloud.Fhir;

namespace FhirDeid.Cloud.Storage;

/// <summary>Opens the files of exports: in the storage account with its token, at the FHIR service's own address with that one's or without, and nowhere else.</summary>
/// <param name="storage">The storage account.</param>
/// <param name="service">The FHIR service.</param>
/// <param name="retryDelay">Pause before a broken transfer is taken up again; it doubles.</param>
internal sealed class FileTransfer(BlobStorage storage, FhirService service, TimeSpan retryDelay)
{
    private readonly BlobStorage _storage = storage;

    /// <summary>How often a transfer is taken up again without a byte having come.</summary>
    private const int MaxAttempts = 5;

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    /// <summary>An answer whose body is still to come.</summary>
    /// <param name="Body">The body from <paramref name="Start"/> on.</param>
    /// <param name="Start">Position of its first byte in the file.</param>
    /// <param name="Length">Length of the file as it is sent; null where it is not said.</param>
    /// <param name="ETag">The file's version where it is a strong one, else null.</param>
    /// <param name="IsGzip">Whether what is sent is packed.</param>
    private sealed record Part(Stream Body, long Start, long? Length, string? ETag, bool IsGzip);

    /// <summary>Opens a file.</summary>
    /// <param name="export">The export.</param>
    /// <param name="file">One of its files.</param>
    /// <param name="offset">Where to begin: beyond the start only with an ETag.</param>
    /// <param name="etag">The version wanted; null for whatever is there.</param>
    /// <param name="cancellation">Stops.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ForeignUrl</c>, <c>FhirDeid.BlobNotFound</c>, <c>FhirDeid.BlobChanged</c>, <c>FhirDeid.StorageForbidden</c>, <c>FhirDeid.StorageUnreachable</c>.</exception>
    public async Task<FileContent> OpenAsync(FhirExport export, FhirExportFile file, long offset, string? etag, CancellationToken cancellation)
    {
        Func<long, string?, Task<Part>> ask = Way(export, file, cancellation);
        Part first = await ask(offset, etag).ConfigureAwait(false);
        ResumedStream stream = new(this, ask, first, What(file), cancellation);
        return first.IsGzip
            ? new FileContent(new GZipStream(stream, CompressionMode.Decompress), null, null, IsWhole: true)
            : new FileContent(stream, first.Length, first.ETag, first.Start == 0);
    }

    /// <summary>Refuses a file whose URL leads where it must not, without sending anything.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ForeignUrl</c>.</exception>
    public void Check(FhirExport export, FhirExportFile file)
    {
        if (!service.Owns(file.Url)) _storage.Blob(export, file);
    }

    private static string What(FhirExportFile file) => $"the exported file {ServiceText.OneLine(file.Url!.AbsolutePath)}";

    /// <summary>How a file is asked for: decided by where its URL leads, before anything is sent.</summary>
    private Func<long, string?, Task<Part>> Way(FhirExport export, FhirExportFile file, CancellationToken cancellation)
    {
        if (service.Owns(file.Url))
            return (offset, etag) => AskAsync(service.Pipeline, file.Url!, offset, etag, export.RequiresAccessToken ? null : typeof(OriginBearer.Anonymous), file, cancellation);
        Uri blob = _storage.Blob(export, file).Uri;
        return (offset, etag) => AskAsync(_storage.Pipeline!, blob, offset, etag, null, file, cancellation);
    }

    private async Task<Part> AskAsync(HttpPipeline pipeline, Uri uri, long offset, string? etag, Type? mark, FhirExportFile file, CancellationToken cancellation)
    {
        using HttpMessage message = pipeline.CreateMessage();
        message.BufferResponse = false;
        message.Request.Method = RequestMethod.Get;
        message.Request.Uri.Reset(uri);
        message.Request.Headers.Add("Accept", "application/fhir+ndjson, application/octet-stream;q=0.9, */*;q=0.1");
        if (pipeline == _storage.Pipeline) message.Request.Headers.Add("x-ms-version", BlobStorage.Version);
        else message.Request.Headers.Add("Accept-Encoding", "gzip, identity");
        if (offset > 0) message.Request.Headers.Add("Range", $"bytes={offset.ToString(CultureInfo.InvariantCulture)}-");
        if (etag is not null) message.Request.Headers.Add("If-Match", etag);
        if (mark is not null) message.SetProperty(mark, true);
        try
        {
            await pipeline.SendAsync(message, cancellation).ConfigureAwait(false);
            Response response = message.Response;
            bool ranged = ContentRangeHeaderValue.TryParse(Header(response, "Content-Range"), out ContentRangeHeaderValue? range);
            if (offset > 0 && (response.Status == 416 || (response.Status == 206 && range?.From is null)))
            {
                // Nothing is left: all had come when the transfer was cut off. Anything else is another file.
                return range?.Length == offset ? new Part(Stream.Null, offset, offset, etag, false) : throw new RestartException();
            }
            if (response.Status is not (200 or 206)) throw await RefusalAsync(message, file, cancellation).ConfigureAwait(false);
            long start = 0;
            long? length = long.TryParse(Header(response, "Content-Length"), NumberStyles.None, CultureInfo.InvariantCulture, out long sent) ? sent : null;
            if (response.Status == 206)
            {
                if (!ranged || range!.From is not { } from) throw Broken(file, "a part of the file comes without saying which");
                (start, length) = (from, range.Length);
            }
            string? version = Header(response, "ETag") is { Length: > 2 } given && given[0] == '"' ? given : null;
            bool isGzip = Header(response, "Content-Encoding") is { } encoding && encoding.Contains("gzip", StringComparison.OrdinalIgnoreCase);
            return new Part(message.ExtractResponseContent() ?? Stream.Null, start, length, version, isGzip);
        }
        catch (Exception e) when (_storage.Plain(e, What(file), cancellation) is { } plain)
        {
            throw pipeline == _storage.Pipeline || plain.ErrorId != "FhirDeid.StorageUnreachable" ? plain : Unreachable(e);
        }
    }

    private static string? Header(Response response, string name) => response.Headers.TryGetValue(name, out string? value) ? value : null;

    private async Task<FhirDeidException> RefusalAsync(HttpMessage message, FhirExportFile file, CancellationToken cancellation)
    {
        Response response = message.Response;
        string? code = Header(response, "x-ms-error-code");
        if (!service.Owns(file.Url) || response.Status is 404 or 412) return _storage.Refusal(response.Status, code, response.Headers.Date, What(file));
        using Stream? body = message.ExtractResponseContent();
        BinaryData text = body is null ? new BinaryData("") : await BinaryData.FromStreamAsync(body, cancellation).ConfigureAwait(false);
        return service.Refusal(new FhirAnswer(response.Status, null, text, null, FhirResponseClassifier.RetryAfter(response), null), file.Url!);
    }

    private static FhirDeidException Broken(FhirExportFile file, string what) => new("TransferInvalid", FhirDeidErrorCategory.ProtocolError,
        $"{What(file)} cannot be received: {what}.", "Receive it again; if that does not help, start a new export.", file.Url);

    private FhirDeidException Unreachable(Exception e) => new("EndpointUnreachable", FhirDeidErrorCategory.ConnectionError,
        $"The FHIR service {service.Address("")} cannot be reached: {ConnectionFailure.Reason(e)}.", "Check the network, and run the command again: what has come is kept.", null, ConnectionFailure.Http(e)) { IsTransient = true };

    /// <summary>A file's bytes; a connection that breaks is taken up where it broke, on the same version of the file.</summary>
    private sealed class ResumedStream(FileTransfer transfer, Func<long, string?, Task<Part>> ask, Part first, string what, CancellationToken cancellation) : Stream
    {
        private Part _part = first;
        private long _position = first.Start;
        private int _attempts;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            while (true)
            {
                Exception failure;
                try
                {
                    int read = await _part.Body.ReadAsync(buffer, cancellation).ConfigureAwait(false);
                    _position += read;
                    if (read > 0) _attempts = 0;
                    if (read > 0 || _part.Length is not { } length || _position >= length) return read;
                    failure = new IOException("The connection ended before the file.");
                }
                catch (Exception e) when (ConnectionFailure.Is(e, cancellation))
                {
                    failure = e;
                }
                await ReopenAsync(failure).ConfigureAwait(false);
            }
        }

        private async Task ReopenAsync(Exception failure)
        {
            await _part.Body.DisposeAsync().ConfigureAwait(false);
            if (++_attempts > MaxAttempts) throw transfer._storage.Plain(failure, what, cancellation) ?? failure;
            TimeSpan pause = transfer.Pause(_attempts);
            await Task.Delay(pause, cancellation).ConfigureAwait(false);
            // Without a strong ETag nothing tells that the rest belongs to the beginning.
            if (_part.ETag is null) throw new RestartException();
            Part next = await ask(_position, _part.ETag).ConfigureAwait(false);
            if (next.ETag != _part.ETag || next.Start > _position || next.IsGzip != _part.IsGzip)
            {
                await next.Body.DisposeAsync().ConfigureAwait(false);
                throw new RestartException();
            }
            _part = next;
            // The server sends the whole file again: what is there is passed over.
            if (next.Start < _position) await SkipAsync(_position - next.Start).ConfigureAwait(false);
        }

        private async Task SkipAsync(long count)
        {
            byte[] nothing = new byte[81920];
            try
            {
                while (count > 0)
                {
                    int read = await _part.Body.ReadAsync(nothing.AsMemory(0, (int)Math.Min(nothing.Length, count)), cancellation).ConfigureAwait(false);
                    if (read == 0) throw new IOException("The connection ended before the file.");
                    count -= read;
                }
            }
            catch (Exception e) when (ConnectionFailure.Is(e, cancellation))
            {
                await ReopenAsync(e).ConfigureAwait(false);
            }
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Everything here is asynchronous.");

        public override async ValueTask DisposeAsync()
        {
            await _part.Body.DisposeAsync().ConfigureAwait(false);
            await base.DisposeAsync().ConfigureAwait(false);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) _part.Body.Dispose();
            base.Dispose(disposing);
        }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => _position; set => throw new NotSupportedException(); }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }

    private TimeSpan Pause(int attempt)
    {
        TimeSpan pause = retryDelay * Math.Pow(2, attempt - 1);
        return pause < LongestPause ? pause : LongestPause;
    }
}

/// <summary>A file that is being read.</summary>
/// <param name="Stream">Its bytes, unpacked.</param>
/// <param name="Length">Their number where it is known.</param>
/// <param name="ETag">Its version, where a broken transfer of it can be taken up in another run.</param>
/// <param name="IsWhole">Whether the bytes begin with the file's first one, whatever was asked for.</param>
internal sealed record FileContent(Stream Stream, long? Length, string? ETag, bool IsWhole);

/// <summary>A transfer broke and cannot go on where it broke: the file has to be read from its beginning.</summary>
internal sealed class RestartException : Exception;
