using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using FhirDeid.Anonymization.Engine;

namespace FhirDeid.Anonymization.Bulk;

/// <summary>Carries the lines of one stream through the engine into another: batches of lines, one worker a core, results in order.</summary>
/// <remarks>Memory is bounded by batch size times workers, not by the size of the stream.</remarks>
internal sealed class NdjsonStream(Anonymizer anonymizer, string name, IProgress<FhirDeidProgress> progress)
{
    private const int BatchSize = 1 << 20;

    /// <summary>A resource of more bytes than this is refused.</summary>
    private const int MaxResourceSize = 256 << 20;

    private readonly ConcurrentBag<Anonymizer> _idle = [anonymizer];
    private readonly string _activity = $"De-identifying {Path.GetFileName(name)}";
    private long _bytesRead;

    public long Resources { get; private set; }

    public long Failures { get; private set; }

    public long BytesWritten { get; private set; }

    /// <summary>SHA-256 of the bytes written, lower-case hex.</summary>
    public string Sha256 { get; private set; } = "";

    private sealed class Batch(byte[] bytes, int length, long firstLine) : IDisposable
    {
        public ReadOnlySpan<byte> Lines => bytes.AsSpan(0, length);

        public long FirstLine { get; } = firstLine;

        public int Length => length;

        public ArrayBufferWriter<byte> Output { get; } = new(length + length / 8 + 256);

        public long Resources { get; set; }

        public long Failures { get; set; }

        public void Dispose() => ArrayPool<byte>.Shared.Return(bytes);
    }

    /// <summary>De-identifies every line of a stream.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ResourceInvalid</c> with the line's number, <c>FhirDeid.ResourceTooLarge</c>.</exception>
    public async Task DeidentifyAsync(Stream input, Stream output, CancellationToken cancellation)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Channel<Task<Batch>> inFlight = Channel.CreateBounded<Task<Batch>>(Math.Max(Environment.ProcessorCount, 2));
        Task reading = ReadAsync(input, inFlight.Writer, stop.Token);
        try
        {
            await WriteAsync(inFlight.Reader, output, input.CanSeek ? input.Length : 0, stop.Token);
            await reading;
        }
        finally
        {
            await stop.CancelAsync();
            await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            // Batches that nobody took: their workers end before the engines they use are released.
            await foreach (Task<Batch> batch in inFlight.Reader.ReadAllAsync(CancellationToken.None))
                await ((Task)batch).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            foreach (Anonymizer engine in _idle)
                engine.Dispose();
        }
    }

    private async Task ReadAsync(Stream input, ChannelWriter<Task<Batch>> batches, CancellationToken cancellation)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BatchSize);
        int length = 0;
        long line = 1;
        try
        {
            while (true)
            {
                if (length == buffer.Length)
                    Grow(ref buffer, length, line);
                int read = await input.ReadAsync(buffer.AsMemory(length), cancellation);
                int end = read == 0 ? length : buffer.AsSpan(length, read).LastIndexOf((byte)'\n') is >= 0 and int newline ? length + newline + 1 : 0;
                length += read;
                if (end == 0 && read != 0)
                    continue;
                if (end > 0)
                {
                    byte[] rest = ArrayPool<byte>.Shared.Rent(Math.Max(BatchSize, length - end));
                    buffer.AsSpan(end, length - end).CopyTo(rest);
                    Batch batch = new(buffer, end, line);
                    line += batch.Lines.Count((byte)'\n');
                    (buffer, length) = (rest, length - end);
                    await batches.WriteAsync(Task.Run(() => Process(batch, cancellation), cancellation), cancellation);
                }
                if (read == 0)
                    return;
            }
        }
        catch (IOException exception)
        {
            throw NdjsonFile.Unreadable(name, exception);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            batches.Complete();
        }
    }

    private void Grow(ref byte[] buffer, int length, long line)
    {
        if (length >= MaxResourceSize)
        {
            throw new FhirDeidException("ResourceTooLarge", FhirDeidErrorCategory.LimitsExceeded, $"Line {line} of {Path.GetFileName(name)} is larger than 256 MiB.",
                "Split the Bundle at its source, or remove the attachment that makes it so large.", name);
        }
        byte[] larger = ArrayPool<byte>.Shared.Rent(length * 2);
        buffer.AsSpan(0, length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }

    private async Task WriteAsync(ChannelReader<Task<Batch>> batches, Stream output, long total, CancellationToken cancellation)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await foreach (Task<Batch> task in batches.ReadAllAsync(cancellation))
        {
            using Batch batch = await task;
            ReadOnlyMemory<byte> written = batch.Output.WrittenMemory;
            await output.WriteAsync(written, cancellation);
            hash.AppendData(written.Span);
            BytesWritten += written.Length;
            Resources += batch.Resources;
            Failures += batch.Failures;
            _bytesRead += batch.Length;
            progress.Report(new FhirDeidProgress(_activity, $"{Resources:N0} resources, {_bytesRead / 1048576.0:N0} MiB", total > 0 ? (int)Math.Min(100, _bytesRead * 100 / total) : -1));
        }
        Sha256 = Convert.ToHexString(hash.GetHashAndReset()).ToLowerInvariant();
    }

    private Batch Process(Batch batch, CancellationToken cancellation)
    {
        if (!_idle.TryTake(out Anonymizer? engine))
            engine = anonymizer.Clone();
        try
        {
            ReadOnlySpan<byte> lines = batch.Lines;
            for (long number = batch.FirstLine; !lines.IsEmpty; number++)
            {
                cancellation.ThrowIfCancellationRequested();
                int newline = lines.IndexOf((byte)'\n');
                ReadOnlySpan<byte> line = newline < 0 ? lines : lines[..newline];
                lines = lines[(newline < 0 ? lines.Length : newline + 1)..];
                if (number == 1 && line.StartsWith(Encoding.UTF8.Preamble))
                    line = line[Encoding.UTF8.Preamble.Length..];
                line = line.Trim(" \t\r"u8);
                if (line.IsEmpty)
                    continue;
                batch.Resources++;
                Process(engine, line, number, batch);
            }
            return batch;
        }
        finally
        {
            _idle.Add(engine);
        }
    }

    private void Process(Anonymizer engine, ReadOnlySpan<byte> line, long number, Batch batch)
    {
        try
        {
            engine.Anonymize(line, batch.Output);
        }
        catch (ResourceFailedException exception)
        {
            if (!engine.Configuration.SkipsFailures)
            {
                throw new FhirDeidException("ResourceInvalid", FhirDeidErrorCategory.InvalidData, $"{Path.GetFileName(name)}, line {number}: {exception.Message}",
                    exception.RecommendedAction, name);
            }
            batch.Failures++;
            batch.Output.Write(EmptyResource.Of(line));
        }
        batch.Output.Write("\n"u8);
    }
}
