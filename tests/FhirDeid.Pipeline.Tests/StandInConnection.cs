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

    public IControlPlane ControlPlane => throw new NotSupportedException();

    public IAsyncEnumerable<FhirDeidCheck> CheckReadinessAsync(CancellationToken cancellation) => throw new NotSupportedException();

    public List<FhirExportRequest> Started { get; } = [];

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

    public Task<PublishedAnonymizationConfig> PublishConfigAsync(AnonymizationConfig config, string configName, bool force, CancellationToken cancellation) => throw new NotSupportedException();

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

    public async IAsyncEnumerable<string> ReadFileAsync(FhirExport export, FhirExportFile file, IProgress<FhirDeidProgress> progress, [EnumeratorCancellation] CancellationToken cancellation)
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

    public Task<ExportSasToken> CreateSasTokenAsync(ExportSasRequest request, CancellationToken cancellation)
    {
        Shared.Add(request);
        return Task.FromResult(new ExportSasToken
        {
            Uri = new Uri($"https://labexports.example/{request.Container}?sv=1&sig=c2VjcmV0&sp=rl"),
            Token = "sv=1&sig=c2VjcmV0&sp=rl",
            Container = request.Container,
            ExpiresOn = request.ExpiresOn ?? DateTimeOffset.UtcNow.AddDays(7),
        });
    }

    public async Task<ReceivedFhirFile> ReceiveFileAsync(FhirExport export, FhirExportFile file, string destination, bool force, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        Received.Add(destination);
        await File.WriteAllTextAsync(destination, "{}\n", cancellation);
        return new ReceivedFhirFile { ResourceType = file.Type, Count = 1, UnlabelledCount = Unlabelled, FullName = destination, JobId = export.JobId };
    }
}
