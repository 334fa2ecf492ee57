using System.Collections.Concurrent;
using System.Globalization;

namespace FhirDeid.Emulator;

/// <summary>The export jobs of a run.</summary>
/// <param name="resources">What is exported.</param>
/// <param name="storage">Where to.</param>
/// <param name="without">What the service lacks.</param>
/// <param name="tail">How long a finished job still counts as running.</param>
internal sealed class Exports(ResourceStore resources, ExportStorage storage, FhirServiceSetting without, TimeSpan tail)
{
    private readonly ConcurrentDictionary<string, ExportJob> _jobs = new(StringComparer.Ordinal);
    private long _lastId;

    /// <summary>Whether an export storage account is set.</summary>
    public bool Enabled => !without.HasFlag(FhirServiceSetting.ExportStorage);

    /// <summary>Starts a job.</summary>
    /// <returns>Its id: one number of the queue that its workers' ids come from too.</returns>
    public long Start(ExportRequest request)
    {
        ExportJob job = new(NextId(), request, resources, storage, without);
        _jobs[job.Id.ToString(CultureInfo.InvariantCulture)] = job;
        job.Start(NextId);
        return job.Id;
    }

    /// <summary>How a job stands.</summary>
    /// <returns>The manifest, or null while the job runs.</returns>
    /// <exception cref="OperationOutcomeException">The job is unknown, or has failed: then with the failure's status.</exception>
    public object? Status(string id)
    {
        ExportJob job = _jobs.TryGetValue(id, out ExportJob? found) ? found : throw NotFound(id);
        ExportFailedException[] failures = job.Failures;
        if (failures.Length > 0)
        {
            IEnumerable<string> reasons = failures.Select(failure => failure.Message).Distinct();
            throw new OperationOutcomeException(failures[0].Status, "processing", $"export operation failed for reason: {string.Join("\r\n", reasons)}");
        }

        return job.Ended is { } ended && DateTimeOffset.UtcNow >= ended + tail ? job.Manifest() : null;
    }

    /// <summary>Cancels and forgets a job. What it has written stays.</summary>
    /// <exception cref="OperationOutcomeException">The job is unknown.</exception>
    public void Cancel(string id)
    {
        if (!_jobs.TryRemove(id, out ExportJob? job)) throw NotFound(id);
        job.Dispose();
    }

    private long NextId() => Interlocked.Increment(ref _lastId);

    private static OperationOutcomeException NotFound(string id) => new(404, "not-found", $"The requested job \"{id}\" was not found.");
}
