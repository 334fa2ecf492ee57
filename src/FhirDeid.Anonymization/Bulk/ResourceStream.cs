using System.Buffers;
using System.IO.Compression;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using System.Text;
using FhirDeid.Anonymization.Configuration;

namespace FhirDeid.Anonymization.Bulk;

/// <summary>Carries the resources of one file through the engine into another.</summary>
/// <remarks>
/// Each worker reads a batch of whole lines, works on it, waits for its turn and writes: as many threads as workers, no queue, and no more memory than two buffers a worker, however long the file is.
/// A batch does not depend on the number of workers, so neither do the bytes of a packed result: each batch is a member of its own.
/// </remarks>
internal sealed class ResourceStream : IDisposable
{
    /// <summary>A resource of more bytes than this is refused.</summary>
    public const int MaxResourceSize = 256 << 20;

    /// <summary>Failed resources that are described; the rest is only counted.</summary>
    private const int MaxDescribed = 100;

    private const int BatchSize = 1 << 20;

    /// <summary>A batch of more bytes than this is alone: it holds a line of more than half of it.</summary>
    private const int LargeBatchSize = 8 << 20;

    /// <summary>Nothing, packed: GZipStream writes no byte for it, which is no gzip file (RFC 1952).</summary>
    private static readonly byte[] s_emptyMember = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    private readonly Anonymizer _engine;
    private readonly IDeidentificationInput _input;
    private readonly IDeidentificationOutput _output;
    private readonly int _throttleLimit;
    private readonly IProgress<DeidentificationProgress> _progress;
    private readonly DataFormat _format;
    private readonly int _firstSize;
    private readonly CountingStream _packed;
    private readonly Stream _source;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly long[] _changes = new long[Enum.GetValues<AnonymizationMethod>().Length];
    private readonly List<DeidentificationFailure> _failures = [];

    /// <summary>Held by the worker that reads; while a large batch is worked on, by its worker.</summary>
    private readonly SemaphoreSlim _reading = new(1);

    private Task _lastWritten = Task.CompletedTask;
    private ExceptionDispatchInfo? _failure;
    private byte[] _rest = [];
    private int _restLength;
    private long _line = 1;
    private bool _ended;

    /// <param name="engine">The engine of this file; workers get clones of it.</param>
    /// <param name="input">What is read.</param>
    /// <param name="source">Its bytes.</param>
    /// <param name="output">What is written.</param>
    /// <param name="throttleLimit">Workers at the most.</param>
    /// <param name="progress">Told after each batch.</param>
    public ResourceStream(Anonymizer engine, IDeidentificationInput input, Stream source, IDeidentificationOutput output, int throttleLimit, IProgress<DeidentificationProgress> progress)
    {
        (_engine, _input, _output, _throttleLimit, _progress) = (engine, input, output, throttleLimit, progress);
        _format = DataFormat.Of(input.Name);
        _packed = new CountingStream(source);
        _source = _format.IsPacked ? new GzipReader(_packed) : _packed;
        // A folder can hold very many small files.
        _firstSize = _format.IsPacked ? BatchSize : (int)Math.Clamp(input.Length + 1, 4096, BatchSize);
    }

    public long Resources { get; private set; }

    public long Failures { get; private set; }

    public long Length { get; private set; }

    /// <summary>The first of the resources that failed.</summary>
    public IReadOnlyList<DeidentificationFailure> FailedResources => _failures;

    public Dictionary<string, long> Changes => Enum.GetValues<AnonymizationMethod>().Where(method => _changes[(int)method] > 0)
        .ToDictionary(method => method.Name(), method => _changes[(int)method]);

    /// <summary>De-identifies all of it.</summary>
    /// <returns>SHA-256 of the bytes written, lower-case hex.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ResourceInvalid</c>, <c>FhirDeid.ResourceTooLarge</c>, <c>FhirDeid.EncodingNotSupported</c>, <c>FhirDeid.FileNotWhole</c>, <c>FhirDeid.FileChanged</c>, and those of input and output: the first in the order of the input.</exception>
    public async Task<string> RunAsync(CancellationToken cancellation)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await Task.Run(() => WorkAsync(1, stop), cancellation);
        cancellation.ThrowIfCancellationRequested();
        _failure?.Throw();
        if (_format.IsPacked && Length == 0)
            await WriteAsync(s_emptyMember, cancellation);
        return Convert.ToHexString(_hash.GetHashAndReset()).ToLowerInvariant();
    }

    public void Dispose()
    {
        _hash.Dispose();
        _reading.Dispose();
        _source.Dispose();
    }

    /// <summary>A thread's own: its engine, its batch and what comes of it.</summary>
    private sealed class Worker(Anonymizer engine, int size) : IDisposable
    {
        public Anonymizer Engine { get; } = engine;

        public byte[] Input = new byte[size];

        public int Length;

        public long FirstLine;

        public ArrayBufferWriter<byte> Output { get; } = new(size + 256);

        public MemoryStream Packed { get; } = new();

        public long Resources;

        public List<DeidentificationFailure> Failures { get; } = [];

        public long FailureCount;

        public void Dispose() => Engine.Dispose();
    }

    /// <summary>The loop of one worker. The first one that finds more to read starts the next.</summary>
    private async Task WorkAsync(int number, CancellationTokenSource stop)
    {
        CancellationToken cancellation = stop.Token;
        Task next = Task.CompletedTask;
        Worker worker = new(_engine.Clone(), _firstSize);
        try
        {
            while (true)
            {
                TaskCompletionSource written = new(TaskCreationOptions.RunContinuationsAsynchronously);
                Task turn;
                bool isLarge = false;
                await _reading.WaitAsync(cancellation);
                try
                {
                    turn = _lastWritten;
                    if (!await TryReadAsync(worker, turn, cancellation))
                        break;
                    _lastWritten = written.Task;
                    isLarge = worker.Length > LargeBatchSize;
                    if (!_ended && number < _throttleLimit && next.IsCompleted)
                        next = Task.Run(() => WorkAsync(number + 1, stop), CancellationToken.None);
                }
                finally
                {
                    if (!isLarge)
                        _reading.Release();
                }
                try
                {
                    ExceptionDispatchInfo? failure = Process(worker, cancellation);
                    await turn.WaitAsync(cancellation);
                    failure?.Throw();
                    await WriteAsync(worker, cancellation);
                    written.SetResult();
                    if (isLarge)
                        worker = Renew(worker);
                }
                finally
                {
                    if (isLarge)
                        _reading.Release();
                }
            }
        }
        catch (Exception exception)
        {
            // Only the worker whose turn it is fails by anything but a cancellation.
            if (exception is not OperationCanceledException || !cancellation.IsCancellationRequested)
                _failure ??= ExceptionDispatchInfo.Capture(exception);
            await stop.CancelAsync();
        }
        finally
        {
            await next;
            Retire(worker);
        }
    }

    /// <summary>Buffers and engine that grew with a large resource are let go.</summary>
    private Worker Renew(Worker worker)
    {
        Retire(worker);
        _rest = _rest[.._restLength];
        return new Worker(_engine.Clone(), BatchSize);
    }

    private void Retire(Worker worker)
    {
        lock (_changes)
        {
            for (int method = 0; method < _changes.Length; method++)
                _changes[method] += worker.Engine.Changes[method];
        }
        worker.Dispose();
    }

    private async Task<bool> TryReadAsync(Worker worker, Task turn, CancellationToken cancellation)
    {
        try
        {
            return await ReadAsync(worker, cancellation);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            await turn.WaitAsync(cancellation);
            throw exception switch
            {
                FhirDeidException => exception,
                InvalidDataException => NotWhole(_input.FullName),
                _ => _input.Explain(exception, cancellation) ?? exception,
            };
        }
    }

    /// <summary>Fills a worker's buffer and cuts it behind the last whole line.</summary>
    /// <returns>Whether there was anything.</returns>
    private async Task<bool> ReadAsync(Worker worker, CancellationToken cancellation)
    {
        if (_ended)
            return false;
        // Batches are cut by the content alone, whatever buffer a worker has by now.
        int size = _firstSize, length = _restLength, end = 0;
        while (size <= length)
            size *= 2;
        Reserve(worker, size, 0);
        _rest.AsSpan(0, length).CopyTo(worker.Input);
        while (true)
        {
            int from = length;
            while (length < size && !_ended)
            {
                int read = await _source.ReadAsync(worker.Input.AsMemory(length, size - length), cancellation);
                if (_packed.Count > _input.Length)
                    throw Changed(_input);
                _ended = read == 0;
                length += read;
            }
            end = _ended ? length : _format.IsSingle ? 0 : worker.Input.AsSpan(from, length - from).LastIndexOf((byte)'\n') is >= 0 and int newline ? from + newline + 1 : 0;
            if (end > 0 || _ended)
                break;
            if (length > MaxResourceSize)
                throw TooLarge(_input.FullName, _format.IsSingle ? 0 : _line);
            // One byte more than a resource may have, and its line end.
            size = (int)Math.Min(size * 2L, MaxResourceSize + 2);
            Reserve(worker, size, length);
        }
        _restLength = length - end;
        if (_rest.Length < _restLength)
            _rest = new byte[Math.Max(_restLength, BatchSize)];
        worker.Input.AsSpan(end, _restLength).CopyTo(_rest);
        worker.Length = end;
        worker.FirstLine = _line;
        if (_line == 1)
            RefuseOtherEncodings(_input.FullName, worker.Input.AsSpan(0, end));
        _line += worker.Input.AsSpan(0, end).Count((byte)'\n');
        return end > 0 || _format.IsSingle;
    }

    private static void Reserve(Worker worker, int size, int length)
    {
        if (worker.Input.Length >= size)
            return;
        byte[] larger = new byte[size];
        worker.Input.AsSpan(0, length).CopyTo(larger);
        worker.Input = larger;
    }

    /// <summary>A resource has more than 256 MiB.</summary>
    /// <param name="path">Full path or URL of its file.</param>
    /// <param name="line">Its line, or 0 where the file is one resource.</param>
    public static FhirDeidException TooLarge(string path, long line) => new("ResourceTooLarge", FhirDeidErrorCategory.LimitsExceeded,
        (line > 0 ? $"Line {line} of " : "") + $"{Path.GetFileName(path)} is larger than 256 MiB.",
        "Split the Bundle at its source, or remove the attachment that makes it so large.", path);

    /// <summary>A file is not gzip as its name says, or not all of it is there.</summary>
    public static FhirDeidException NotWhole(string path) => new("FileNotWhole", FhirDeidErrorCategory.InvalidData, $"{Path.GetFileName(path)} is not gzip, or was cut off.",
        "Transfer it again, and test it with gzip -t.", path);

    /// <summary>The input is not what it was when it was opened.</summary>
    public static FhirDeidException Changed(IDeidentificationInput input) => new("FileChanged", FhirDeidErrorCategory.ReadError,
        $"{Path.GetFileName(input.FullName)} was changed, moved or removed while it was read; nothing is written.", "Run the command again once nobody writes to the file.", input.FullName);

    /// <param name="path">Full path or URL of the file.</param>
    /// <param name="start">Its first bytes.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.EncodingNotSupported</c>.</exception>
    public static void RefuseOtherEncodings(string path, ReadOnlySpan<byte> start)
    {
        if (start.StartsWith((ReadOnlySpan<byte>)[0xFE, 0xFF]) || start.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE]))
        {
            throw new FhirDeidException("EncodingNotSupported", FhirDeidErrorCategory.InvalidData, $"{Path.GetFileName(path)} is UTF-16 or UTF-32; FHIR's JSON is UTF-8.",
                "Write it again as UTF-8: Get-Content … | Set-Content … -Encoding utf8NoBOM.", path);
        }
    }

    /// <summary>Works on a worker's batch.</summary>
    /// <returns>What went wrong.</returns>
    private ExceptionDispatchInfo? Process(Worker worker, CancellationToken cancellation)
    {
        worker.Output.ResetWrittenCount();
        worker.Resources = worker.FailureCount = 0;
        worker.Failures.Clear();
        try
        {
            ReadOnlySpan<byte> lines = worker.Input.AsSpan(0, worker.Length);
            for (long number = worker.FirstLine; !lines.IsEmpty || _format.IsSingle; number++)
            {
                cancellation.ThrowIfCancellationRequested();
                int newline = _format.IsSingle ? -1 : lines.IndexOf((byte)'\n');
                ReadOnlySpan<byte> line = newline < 0 ? lines : lines[..newline];
                lines = lines[(newline < 0 ? lines.Length : newline + 1)..];
                if (number == 1 && line.StartsWith(Encoding.UTF8.Preamble))
                    line = line[Encoding.UTF8.Preamble.Length..];
                line = line.Trim(" \t\r\n"u8);
                if (!line.IsEmpty || _format.IsSingle)
                    Process(worker, line, _format.IsSingle ? 0 : number);
                if (_format.IsSingle)
                    break;
            }
            if (_format.IsPacked && worker.Output.WrittenCount > 0)
                Pack(worker.Output.WrittenSpan, worker.Packed);
            return null;
        }
        catch (Exception exception)
        {
            return ExceptionDispatchInfo.Capture(exception);
        }
    }

    private void Process(Worker worker, ReadOnlySpan<byte> resource, long line)
    {
        if (resource.Length > MaxResourceSize)
            throw TooLarge(_input.FullName, line);
        worker.Resources++;
        if (Deidentification.Run(worker.Engine, resource, worker.Output, _input.FullName, line) is { } failure)
        {
            worker.FailureCount++;
            if (worker.Failures.Count < MaxDescribed)
                worker.Failures.Add(failure);
        }
        worker.Output.Write("\n"u8);
    }

    private static void Pack(ReadOnlySpan<byte> bytes, MemoryStream packed)
    {
        packed.SetLength(0);
        using GZipStream gzip = new(packed, CompressionLevel.Fastest, leaveOpen: true);
        gzip.Write(bytes);
    }

    private async Task WriteAsync(Worker worker, CancellationToken cancellation)
    {
        if (worker.Output.WrittenCount > 0)
            await WriteAsync(_format.IsPacked ? worker.Packed.GetBuffer().AsMemory(0, (int)worker.Packed.Length) : worker.Output.WrittenMemory, cancellation);
        Resources += worker.Resources;
        Failures += worker.FailureCount;
        _failures.AddRange(worker.Failures.Take(MaxDescribed - _failures.Count));
        _progress.Report(new DeidentificationProgress(_packed.Count, Resources));
    }

    private async Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellation)
    {
        try
        {
            await _output.Stream.WriteAsync(bytes, cancellation);
        }
        catch (Exception exception) when (_output.Explain(exception, cancellation) is { } plain)
        {
            throw plain;
        }
        _hash.AppendData(bytes.Span);
        Length += bytes.Length;
    }
}
