using System.Buffers;
using System.Collections.Concurrent;
using System.Globalization;
using Azure;
using Azure.Storage.Blobs;
using FhirDeid.Anonymization;

namespace FhirDeid.Emulator;

/// <summary>One export: workers that read resources, de-identify them where a configuration is named, and write blobs.</summary>
internal sealed class ExportJob(long id, ExportRequest request, Fault? fault, ResourceStore resources, ExportStorage storage, int memory, Action checkAccess) : IDisposable
{
    /// <summary>A file that has grown beyond this is closed and the next one begun.</summary>
    private const long RollingFileSize = 64 << 20;

    private readonly DateTimeOffset _created = DateTimeOffset.UtcNow;
    private readonly ConcurrentQueue<ExportFailedException> _failures = new();
    private readonly ConcurrentBag<ExportedFile> _files = [];
    private readonly CancellationTokenSource _cancel = new();
    private Task<DateTimeOffset>? _run;

    /// <summary>Id in the status URL.</summary>
    public long Id { get; } = id;

    /// <summary>What the workers failed of, the first one first. One is enough to fail the job, while others still run.</summary>
    public ExportFailedException[] Failures => [.. _failures];

    /// <summary>When the last worker ended; null while one runs.</summary>
    public DateTimeOffset? Ended => fault?.Kind != FaultKind.Endless && _run is { IsCompletedSuccessfully: true } run ? run.Result : null;

    /// <summary>Starts the workers: one a resource type and range of resources, or a single one where the request asks for no parallelism.</summary>
    /// <param name="nextId">Gives each its id.</param>
    public void Start(Func<long> nextId)
    {
        // Nothing checks the types at kick-off; the service's query then fails without a word of why.
        if (!request.Types.All(R4.ResourceTypes.Contains)) _failures.Enqueue(new ExportFailedException(500, "Unknown Error."));

        if (fault?.Kind == FaultKind.Fail) _failures.Enqueue(new ExportFailedException(fault.Status, fault.Text!));

        IReadOnlyCollection<string>? patients = null;
        if (request.GroupId is { } group && (patients = resources.GroupMembers(group)) is null)
            _failures.Enqueue(new ExportFailedException(400, $"Group {group} was not found."));

        List<(string Type, ResourceStore.Entry[] Entries)> ranges =
        [
            .. from type in resources.Types
               where fault?.Kind != FaultKind.Empty
               where request.Types.Length == 0 || request.Types.Contains(type)
               where request.Level != ExportLevel.Group || type != "Group"
               let found = request.Level == ExportLevel.System ? resources.Find(type, request.Since, request.Till)
                   : resources.Find(type, patients, request.Since, request.Till)
               from entries in found.Chunk(request.MaxCount)
               select (type, entries),
        ];
        List<Worker> workers = request.Parallel ? [.. ranges.Select(range => new Worker(nextId(), [range]))]
            : ranges.Count > 0 ? [new Worker(nextId(), [.. ranges])] : [];
        _run = Task.Run(() => RunAsync(workers));
    }

    /// <summary>Ends the workers.</summary>
    public void Dispose()
    {
        _cancel.Cancel();
        _cancel.Dispose();
    }

    /// <summary>The manifest of a job that has ended well.</summary>
    public object Manifest() => new
    {
        transactionTime = _created,
        request = request.Url,
        requiresAccessToken = false,
        output = _files.OrderBy(file => file.Type, StringComparer.Ordinal).ThenBy(file => file.Worker).ThenBy(file => file.Number)
            .Select(file => new { type = file.Type, url = file.Url, count = file.Count }),
        error = Array.Empty<object>(),
        issues = Array.Empty<object>(),
    };

    private async Task<DateTimeOffset> RunAsync(List<Worker> workers)
    {
        if (_failures.IsEmpty)
        {
            ParallelOptions options = new() { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = _cancel.Token };
            await Parallel.ForEachAsync(workers, options, async (worker, cancellation) =>
            {
                try
                {
                    await RunAsync(worker, cancellation);
                }
                catch (Exception e) when (!cancellation.IsCancellationRequested)
                {
                    _failures.Enqueue(e switch
                    {
                        ExportFailedException failure => failure,
                        // Nothing answers at the account's address.
                        RequestFailedException { Status: 0 } => new ExportFailedException(404, "The storage account not found."),
                        // The service quotes whatever its storage says.
                        RequestFailedException refused => new ExportFailedException(refused.Status, refused.Message),
                        _ => new ExportFailedException(500, "Unknown Error."),
                    });
                }
            });
        }

        return DateTimeOffset.UtcNow;
    }

    private async Task RunAsync(Worker worker, CancellationToken cancellation)
    {
        checkAccess();
        if (memory > 0 && worker.Ranges.Any(range => range.Entries.Length > memory))
            throw new ExportFailedException(413, $"The FHIR Server ran out of memory while processing an export job. Please use the _maxCount parameter when requesting an export job to reduce the number of resources exported at one time. The count used in this job was {request.MaxCount}");
        BlobContainerClient container = await storage.ContainerAsync(request.Container ?? $"export-{Id}", cancellation);
        if (request.Registry is { } registry)
            throw new ExportFailedException(400, $"Failed to access container registry '{registry}', please check your configuration.");
        // Each worker reads the configuration by itself, when it starts: without an ETag, one export can run by two configurations.
        Anonymizer? anonymizer = request.AnonymizationConfig is { } name
            ? Compile(await storage.ReadConfigAsync(name, request.AnonymizationConfigEtag, cancellation)) : null;

        byte[] buffer = new byte[1 << 16];
        ArrayBufferWriter<byte> line = new(1 << 16);
        foreach ((string type, ResourceStore.Entry[] entries) in worker.Ranges)
        {
            int next = 0;
            while (next < entries.Length)
            {
                worker.FileNumbers.TryGetValue(type, out int number);
                worker.FileNumbers[type] = ++number;
                string folder = request.Container is null ? "" : string.Create(CultureInfo.InvariantCulture, $"{_created:yyyyMMddTHHmmss}-{Id}/");
                string blob = $"{folder}{type}-{worker.Id}-{number}.ndjson";
                int count = 0;
                await using (Stream stream = await ExportStorage.OpenWriteAsync(container, blob, cancellation))
                {
                    for (long length = 0; next < entries.Length && length < RollingFileSize; length += line.WrittenCount, count++)
                    {
                        line.ResetWrittenCount();
                        ReadOnlyMemory<byte> resource = resources.Read(entries[next++], ref buffer);
                        if (anonymizer is null) line.Write(resource.Span);
                        else Anonymize(anonymizer, resource.Span, line);
                        line.Write("\n"u8);
                        await stream.WriteAsync(line.WrittenMemory, cancellation);
                    }
                }

                _files.Add(new ExportedFile(type, container.GetBlobClient(blob).Uri.ToString(), count, worker.Id, number));
            }
        }
    }

    private static Anonymizer Compile(string config)
    {
        try
        {
            return Anonymizer.Create(config);
        }
        catch (FhirDeidException e)
        {
            throw new ExportFailedException(400, ConfigurationError.Of(config) ?? e.Message);
        }
    }

    private static void Anonymize(Anonymizer anonymizer, ReadOnlySpan<byte> resource, ArrayBufferWriter<byte> line)
    {
        try
        {
            anonymizer.Anonymize(resource, line);
        }
        catch (FhirDeidException e)
        {
            throw new ExportFailedException(400, $"Failed to anonymize resource. The job will be marked as failed. {e.Message}");
        }
    }

    private sealed record Worker(long Id, (string Type, ResourceStore.Entry[] Entries)[] Ranges)
    {
        public Dictionary<string, int> FileNumbers { get; } = [];
    }

    private sealed record ExportedFile(string Type, string Url, int Count, long Worker, int Number);
}

/// <summary>Why a job fails: the HTTP status that the poll answers, and the reason in its OperationOutcome.</summary>
internal sealed class ExportFailedException(int status, string reason) : Exception(reason)
{
    /// <summary>HTTP status of the poll.</summary>
    public int Status { get; } = status;
}
