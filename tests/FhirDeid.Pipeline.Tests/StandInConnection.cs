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

    public IControlPlane ControlPlane => throw new NotSupportedException();

    public IAsyncEnumerable<FhirDeidCheck> CheckReadinessAsync(CancellationToken cancellation) => throw new NotSupportedException();

    public List<FhirExportRequest> Started { get; } = [];

    public List<(AnonymizationConfig Config, string Name, bool Force)> Published { get; } = [];

    /// <summary>Answers to the status requests of one job, one after the other; the last one stays.</summary>
    public Dictionary<string, Queue<Func<FhirExport, FhirExport>>> Answers { get; } = [];

    public List<FhirExport> Asked { get; } = [];

    public List<string> Received { get; } = [];

    public long Unlabelled { get; set; }

    public StandInConnection Answer(string job, params Func<FhirExport, FhirExport>[] answers)
    {
        Answers[job] = new(answers);
        return this;
    }

    public Task<PublishedAnonymizationConfig> PublishConfigAsync(AnonymizationConfig config, string configName, bool force, CancellationToken cancellation)
    {
        Published.Add((config, configName, force));
        return Task.FromResult(new PublishedAnonymizationConfig { ConfigName = configName, ConfigETag = "\"0x1\"", ConfigSha256 = config.Sha256, Container = "anonymization" });
    }

    public Task<FhirExport> StartExportAsync(FhirExportRequest request, CancellationToken cancellation)
    {
        Started.Add(request);
        return Task.FromResult(new FhirExport { JobId = "1", StatusUri = new Uri("https://lab.example/_operations/export/1"), Container = request.Container, ConfigName = request.ConfigName });
    }

    public Task<FhirExport> GetExportAsync(FhirExport export, CancellationToken cancellation)
    {
        lock (Asked) Asked.Add(export);
        Queue<Func<FhirExport, FhirExport>> answers = Answers[export.JobId];
        return Task.FromResult((answers.Count > 1 ? answers.Dequeue() : answers.Peek())(export));
    }

    public async Task<ReceivedFhirFile> ReceiveFileAsync(FhirExport export, FhirExportFile file, string destination, bool force, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        Received.Add(destination);
        await File.WriteAllTextAsync(destination, "{}\n", cancellation);
        return new ReceivedFhirFile { ResourceType = file.Type, Count = 1, UnlabelledCount = Unlabelled, FullName = destination, JobId = export.JobId };
    }
}
