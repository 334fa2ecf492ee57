using System.Diagnostics;
using System.Text.Json.Nodes;
using Azure.Core;
using FhirDeid.Cloud.Fhir;

namespace FhirDeid.Cloud.ResourceManagement;

/// <summary>An update that goes on after its answer. It tells its end by Azure-AsyncOperation, by Location, or by the resource's own provisioningState, in this order of preference.</summary>
/// <param name="resourceManager">The resource manager.</param>
/// <param name="resource">Address of the resource.</param>
/// <param name="timeout">How long to wait.</param>
/// <param name="progress">Told how it goes.</param>
internal sealed class LongOperation(ResourceManager resourceManager, Uri resource, TimeSpan timeout, IProgress<FhirDeidProgress> progress)
{
    private const string NotAnswering = "The resource manager does not answer";

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly Stopwatch _watch = Stopwatch.StartNew();

    /// <summary>Does all of an update within the time that is given for it.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.UpdateTimeout</c>.</exception>
    public async Task<T> InTimeAsync<T>(Func<CancellationToken, Task<T>> update, CancellationToken cancellation)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(timeout);
        try
        {
            return await update(patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new FhirDeidException("UpdateTimeout", FhirDeidErrorCategory.OperationTimeout,
                $"The update of the FHIR service has not ended in {(timeout.TotalMinutes < 2 ? $"{timeout.TotalSeconds:0} seconds" : $"{timeout.TotalMinutes:0} minutes")}; Azure goes on with it.",
                "Run the same command again: it goes on waiting. Updates have taken 45 minutes; -TimeoutSeconds makes the command wait longer.", resource.AbsolutePath);
        }
    }

    /// <summary>Waits for the end of the update.</summary>
    /// <param name="answer">The answer that the update began with: 200, 201 or 202.</param>
    /// <param name="cancellation">Stops waiting.</param>
    /// <returns>The resource as it is then.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.UpdateFailed</c>.</exception>
    public async Task<JsonObject> EndAsync(ArmAnswer answer, CancellationToken cancellation)
    {
        // A 200 is the end already, unless it says otherwise. An operation elsewhere is not asked, because no token goes there: the resource tells its end too.
        if ((answer.AsyncOperation ?? answer.Location) is { } operation && FhirService.SameOrigin(operation, resource) && (answer.Status != 200 || answer.AsyncOperation is not null))
            await OperationAsync(operation, answer.AsyncOperation is not null, answer.RetryAfter, cancellation).ConfigureAwait(false);
        ArmAnswer end = await SettledAsync(answer.RetryAfter, cancellation).ConfigureAwait(false);
        return Ended(State(end), out bool failed) && failed ? throw Failed(end, State(end)) : end.Body!;
    }

    /// <summary>Waits until the resource is not being changed, however that ends.</summary>
    /// <param name="retryAfter">How long to wait before the second look, or null.</param>
    /// <param name="cancellation">Stops waiting.</param>
    /// <returns>The resource as it is then.</returns>
    public async Task<ArmAnswer> SettledAsync(TimeSpan? retryAfter, CancellationToken cancellation)
    {
        for (int look = 0; ; look++)
        {
            if (await TryAsync(resource, cancellation).ConfigureAwait(false) is { } answer)
            {
                if (answer.Status != 200 || answer.Body is null) throw ArmError.Explain(answer, "read the FHIR service", resource.AbsolutePath);
                if (IsSettled(answer)) return answer;
                Report(State(answer));
                retryAfter = answer.RetryAfter;
            }
            else
            {
                Report(NotAnswering);
            }
            await PauseAsync(look, retryAfter, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Whether a resource is not being changed.</summary>
    public static bool IsSettled(ArmAnswer answer) => Ended(State(answer), out _);

    /// <summary>Whether the last update of a resource failed or was cancelled: its settings may be in force or not.</summary>
    public static bool HasFailed(ArmAnswer answer) => State(answer).ToUpperInvariant() is "FAILED" or "CANCELED" or "CANCELLED";

    private static string State(ArmAnswer answer) => answer.Body.Text("properties", "provisioningState");

    private async Task OperationAsync(Uri operation, bool tellsStatus, TimeSpan? retryAfter, CancellationToken cancellation)
    {
        for (int look = 0; ; look++)
        {
            await PauseAsync(look, retryAfter, cancellation).ConfigureAwait(false);
            if (await TryAsync(operation, cancellation).ConfigureAwait(false) is not { } answer)
            {
                Report(NotAnswering);
                continue;
            }
            string state = answer.Body.Text("status");
            switch (answer.Status)
            {
                case 202:
                    break;
                case 200 or 201 or 204:
                    // A Location answers the result itself, in the end; it may also answer a status, as Azure-AsyncOperation always does.
                    if (state.Length == 0 ? !tellsStatus || answer.Status == 204 : Ended(state, out bool failed) && (failed ? throw Failed(answer, state) : true)) return;
                    break;
                case 404:
                    // Operations are forgotten some time after their end: the resource tells how it went.
                    return;
                case 401 or 403:
                    throw ArmError.Explain(answer, "ask how the update of the FHIR service goes", resource.AbsolutePath);
                default:
                    throw Failed(answer, $"status {answer.Status}");
            }
            Report(state);
            retryAfter = answer.RetryAfter;
        }
    }

    /// <summary>Null where the resource manager hiccups: the update does not end by that.</summary>
    private async Task<ArmAnswer?> TryAsync(Uri uri, CancellationToken cancellation)
    {
        try
        {
            ArmAnswer answer = await resourceManager.SendAsync(RequestMethod.Get, uri, null, null, cancellation).ConfigureAwait(false);
            return answer.Status is 408 or 429 or >= 500 ? null : answer;
        }
        catch (FhirDeidException e) when (e.ErrorId == "FhirDeid.EndpointUnreachable")
        {
            return null;
        }
    }

    private static bool Ended(string state, out bool failed)
    {
        failed = state.ToUpperInvariant() is "FAILED" or "CANCELED" or "CANCELLED" or "DEPROVISIONED" or "SUSPENDED";
        return failed || state.ToUpperInvariant() is "SUCCEEDED" or "WARNED" or "";
    }

    private FhirDeidException Failed(ArmAnswer answer, string state) => new("UpdateFailed", FhirDeidErrorCategory.InvalidOperation,
        $"The update of the FHIR service ended as {ServiceText.OneLine(state)}.{ArmError.Said(answer)}",
        $"Correct the cause, and run the command again. The activity log may tell more: Get-AzActivityLog -ResourceId {ReadinessFix.Quote(resource.AbsolutePath)}", resource.AbsolutePath);

    private void Report(string state) => progress.Report(new FhirDeidProgress("Updating the FHIR service",
        $"{(state.Length > 0 ? ServiceText.OneLine(state) : "Running")}, {_watch.Elapsed:h\\:mm\\:ss}; this can take minutes"));

    /// <summary>Pauses as long as the resource manager asks for, within bounds; else longer from look to look.</summary>
    /// <param name="look">How many looks there were before.</param>
    /// <param name="asked">Retry-After, or null.</param>
    /// <param name="cancellation">Stops waiting.</param>
    public Task PauseAsync(int look, TimeSpan? asked, CancellationToken cancellation)
    {
        TimeSpan pause = asked ?? resourceManager.RetryDelay * Math.Pow(2, Math.Min(look, 6));
        return Task.Delay(pause < resourceManager.RetryDelay ? resourceManager.RetryDelay : pause > LongestPause ? LongestPause : pause, cancellation);
    }
}
