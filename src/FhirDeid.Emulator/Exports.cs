using System.Collections.Concurrent;
using System.Globalization;
using FhirDeid.Emulator.ResourceManagement;

namespace FhirDeid.Emulator;

/// <summary>The export jobs of a run.</summary>
/// <param name="resources">What is exported.</param>
/// <param name="service">How the service is set.</param>
/// <param name="roles">What its managed identity may do.</param>
/// <param name="storage">Opens a storage account by its blob endpoint.</param>
/// <param name="anonymized">Whether the service de-identifies at all.</param>
/// <param name="memory">Most resources of one worker that memory holds; 0 for any number.</param>
/// <param name="tail">How long a finished job still counts as running.</param>
internal sealed class Exports(ResourceStore resources, FhirServiceResource service, RoleAssignments roles, Func<Uri, ExportStorage> storage, bool anonymized, int memory, TimeSpan tail)
{
    private static readonly string[] Raw = ["export", "patient-export", "group-export"];

    private readonly ConcurrentDictionary<string, ExportJob> _jobs = new(StringComparer.Ordinal);
    private long _lastId;

    /// <summary>Whether an export storage account is set.</summary>
    public bool Enabled => service.ExportStorage is not null;

    /// <summary>Operations that the capability statement lists.</summary>
    public IEnumerable<string> Operations => !Enabled ? [] : anonymized ? [.. Raw, "anonymized-export"] : Raw;

    /// <summary>Whether exports can be de-identified.</summary>
    public bool AnonymizedEnabled => anonymized;

    /// <summary>Whether a container registry may hold configurations.</summary>
    public bool Registered(string registry) => service.Registries.Contains(registry, StringComparer.OrdinalIgnoreCase);

    /// <summary>Audience that the service takes tokens for.</summary>
    public string Audience => service.TokenAudience;

    /// <summary>Whether a caller may export: by the token, or by a role on the service.</summary>
    public bool MayExport(HttpContext context) => Tokens.MayExport(context) || roles.MayExport(context.User.FindFirst("oid")!.Value, service.Id);

    /// <summary>Starts a job.</summary>
    /// <param name="request">What it exports.</param>
    /// <param name="fault">What becomes of it; null for nothing out of the ordinary.</param>
    /// <returns>Its id: one number of the queue that its workers' ids come from too.</returns>
    public long Start(ExportRequest request, Fault? fault)
    {
        StorageAccount account = service.ExportStorage ?? throw ExportRequest.NotEnabled();
        ExportJob job = new(NextId(), fault?.Kind == FaultKind.Identified ? request with { AnonymizationConfig = null } : request, fault, resources, storage(account.BlobEndpoint), memory, () => CheckAccess(account));
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

    // What the storage account says to the managed identity, as the service quotes it.
    private void CheckAccess(StorageAccount account)
    {
        if (service.ExportStorage != account)
            throw new ExportFailedException(400, "Export job connection settings have changed since the job was created.");
        if (service.PrincipalId is not { } principal)
            throw new ExportFailedException(403, "Unable to get access token for storage account.");
        if (account.Deleted)
            throw new ExportFailedException(404, "The storage account not found.");
        if (!account.Admits(service.Id))
            throw Forbidden("This request is not authorized to perform this operation.", "AuthorizationFailure");
        if (!roles.MayWriteBlobs(principal, account.Id))
            throw Forbidden("This request is not authorized to perform this operation using this permission.", "AuthorizationPermissionMismatch");

        static ExportFailedException Forbidden(string text, string code) => new(403,
            $"{text}\nRequestId:{Guid.NewGuid()}\nTime:{DateTimeOffset.UtcNow:O}\nStatus: 403 ({text})\nErrorCode: {code}\n");
    }

    private long NextId() => Interlocked.Increment(ref _lastId);

    private static OperationOutcomeException NotFound(string id) => new(404, "not-found", $"The requested job \"{id}\" was not found.");
}
