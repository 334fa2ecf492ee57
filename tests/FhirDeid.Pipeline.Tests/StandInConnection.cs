using System.Runtime.CompilerServices;

namespace FhirDeid.Tests;

/// <summary>A connection whose answers are the test's.</summary>
internal sealed class StandInConnection : IFhirDeidConnection
{
    public FhirDeidContext Context { get; } = new()
    {
        FhirServiceUri = new Uri("https://lab.example"),
        StorageAccountName = "labexports",
        Credential = FhirDeidCredential.AccessToken,
    };

    public IControlPlane ControlPlane { get; set; } = null!;

    public IAsyncEnumerable<FhirDeidCheck> CheckReadinessAsync(FhirReadinessOptions options, CancellationToken cancellation) => throw new NotSupportedException();

    public List<FhirExportRequest> Started { get; } = [];

    /// <summary>Answers to the status requests of one job, one after the other; the last one stays.</summary>
    public Dictionary<string, Queue<Func<FhirExport, FhirExport>>> Answers { get; } = [];

    public List<FhirExport> Asked { get; } = [];

    public List<string> Received { get; } = [];

    public long Unlabelled { get; set; }

    public DeidentificationFailure[] Failed { get; set; } = [];

    public StandInConnection Answer(string job, params Func<FhirExport, FhirExport>[] answers)
    {
        Answers[job] = new(answers);
        return this;
    }

    public Task<PublishedAnonymizationConfig> PublishConfigAsync(AnonymizationConfig config, string configName, bool force, CancellationToken cancellation) => throw new NotSupportedException();

    public Uri KickOffUri(FhirExportRequest request) => new($"https://lab.example/$export?_container={request.Container}&_anonymizationConfig={request.ConfigName}");

    public Func<FhirExportSize> Size { get; set; } = () => default;

    public Task<FhirExportSize> MeasureExportAsync(FhirExport export, CancellationToken cancellation) => Task.FromResult(Size());

    /// <summary>Runs while the service is asked to start an export.</summary>
    public Action Starting { get; set; } = () => { };

    /// <summary>How long the service takes to answer.</summary>
    public Func<CancellationToken, Task> Answering { get; set; } = _ => Task.CompletedTask;

    public async Task<FhirExport> StartExportAsync(FhirExportRequest request, CancellationToken cancellation)
    {
        Starting();
        Started.Add(request);
        await Answering(cancellation);
        return new FhirExport { JobId = "1", FhirServiceUri = Context.FhirServiceUri, StartedAt = DateTimeOffset.UtcNow, StatusUri = new Uri("https://lab.example/_operations/export/1"), Container = request.Container, ConfigName = request.ConfigName };
    }

    public Task<FhirExport> GetExportAsync(FhirExport export, CancellationToken cancellation)
    {
        lock (Asked) Asked.Add(export);
        if (!Answers.TryGetValue(export.JobId, out Queue<Func<FhirExport, FhirExport>>? answers)) return Task.FromResult(export);
        return Task.FromResult((answers.Count > 1 ? answers.Dequeue() : answers.Peek())(export));
    }

    public List<Uri> Deleted { get; } = [];

    public List<Uri> Removed { get; } = [];

    public IReadOnlyList<Uri> StoredFiles(FhirExport export) => [.. export.Output.Select(file => file.Url!)];

    public Task DeleteFilesAsync(FhirExport export, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        Deleted.AddRange(StoredFiles(export));
        return Task.CompletedTask;
    }

    public Task RemoveExportAsync(FhirExport export, CancellationToken cancellation)
    {
        Removed.Add(export.StatusUri!);
        return Task.CompletedTask;
    }

    public List<ExportSasRequest> Shared { get; } = [];

    public List<PublishedAnonymizationConfig> Configs { get; } = [];

    /// <summary>What each file holds.</summary>
    public List<string> Lines { get; } = [];

    public int LinesRead { get; private set; }

    public bool ReadingEnded { get; private set; }

    public Task<string> ReadConfigAsync(PublishedAnonymizationConfig config, CancellationToken cancellation) => throw new NotSupportedException();

    public Task<FhirExport> CancelExportAsync(FhirExport export, CancellationToken cancellation) => GetExportAsync(export, cancellation);

    public async IAsyncEnumerable<PublishedAnonymizationConfig> ListConfigsAsync(Func<string, bool> named, [EnumeratorCancellation] CancellationToken cancellation)
    {
        await Task.Yield();
        foreach (PublishedAnonymizationConfig config in Configs.Where(config => named(config.ConfigName))) yield return config;
    }

    public async IAsyncEnumerable<string> ReadFileAsync(FhirExport export, FhirExportFile file, FhirReadOptions options, IProgress<FhirDeidProgress> progress, [EnumeratorCancellation] CancellationToken cancellation)
    {
        try
        {
            foreach (string line in Lines)
            {
                await Task.Yield();
                LinesRead++;
                yield return line;
            }
        }
        finally
        {
            ReadingEnded = true;
        }
    }

    public Task<IReadOnlyList<IDeidentificationInput>> InputsAsync(string container, Func<string, bool> named, CancellationToken cancellation) => throw new NotSupportedException();

    public Task<IReadOnlyList<IDeidentificationInput>> InputsAsync(FhirExport export, CancellationToken cancellation) => throw new NotSupportedException();

    public IDeidentificationTarget Target(string container) => throw new NotSupportedException();

    public Task<ExportSasToken> CreateSasTokenAsync(ExportSasRequest request, CancellationToken cancellation)
    {
        Shared.Add(request);
        return Task.FromResult(new ExportSasToken(new Uri($"https://labexports.example/{request.Container}?sv=1&sig=c2VjcmV0&sp=rl"))
        {
            Container = request.Container,
            ExpiresOn = request.ExpiresOn ?? DateTimeOffset.UtcNow.AddDays(7),
        });
    }

    public FhirReceiveOptions? Options { get; private set; }

    public long Duplicates { get; set; }

    public async IAsyncEnumerable<ReceivedFhirFile> ReceiveExportAsync(FhirExport export, FhirReceiveOptions options, IProgress<FhirDeidProgress> progress, [EnumeratorCancellation] CancellationToken cancellation)
    {
        Options = options;
        foreach (FhirExportFile file in export.Output)
        {
            string path = Path.Combine(options.Destination, $"{file.Type}-{Received.Count + 1}.ndjson");
            Received.Add(path);
            await File.WriteAllTextAsync(path, "{}\n", cancellation);
            yield return new ReceivedFhirFile { ResourceType = file.Type, Count = 1, UnlabelledCount = Unlabelled, FailureCount = Failed.Length, FailedResources = Failed, DuplicateCount = Duplicates, FullName = path, JobId = export.JobId };
        }
    }

    public Task<string?> ReadConfigAsync(FhirExport export, CancellationToken cancellation) => Task.FromResult<string?>(null);

    /// <summary>What is wrong with the files of an export.</summary>
    public Func<IReadOnlyList<string>> Findings { get; set; } = () => [];

    public Task<IReadOnlyList<string>> CheckMarksAsync(FhirExport export, IReadOnlyDictionary<string, FhirResourceMark> marks, CancellationToken cancellation) => Task.FromResult(Findings());
}
