using System.Diagnostics;
using System.Text.Json.Nodes;
using Azure.Core;

namespace FhirDeid.Cloud.ResourceManagement;

/// <summary>An update that goes on after its answer. It tells its end by Azure-AsyncOperation, by Location, or by the resource's own provisioningState, in this order of preference.</summary>
/// <param name="resourceManager">The resource manager.</param>
/// <param name="resource">Address of the resource.</param>
/// <param name="timeout">How long to wait.</param>
/// <param name="progress">Told how it goes.</param>
internal sealed class LongOperation(ResourceManager resourceManager, Uri resource, TimeSpan timeout, IProgress<FhirDeidProgress> progress)
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly Stopwatch _watch = Stopwatch.StartNew();

    /// <summary>Waits for the end of the update.</summary>
    /// <param name="answer">The answer that the update began with: 200, 201 or 202.</param>
    /// <param name="cancellation">Stops waiting.</param>
    /// <returns>The resource as it is then.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.UpdateFailed</c>, <c>FhirDeid.UpdateTimeout</c>.</exception>
    public Task<JsonObject> EndAsync(ArmAnswer answer, CancellationToken cancellation) => InTimeAsync(async patience =>
    {
        // A 200 is the end already, unless it says otherwise.
        if ((answer.AsyncOperation ?? answer.Location) is { } operation && (answer.Status != 200 || answer.AsyncOperation is not null))
            await OperationAsync(operation, answer.AsyncOperation is not null, answer.RetryAfter, patience).ConfigureAwait(false);
        return await LookAsync(answer.RetryAfter, ours: true, patience).ConfigureAwait(false);
    }, cancellation);

    /// <summary>Waits until the resource is not being changed by someone else, however that ends.</summary>
    /// <param name="retryAfter">How long to wait before the second look, or null.</param>
    /// <param name="cancellation">Stops waiting.</param>
    /// <returns>The resource as it is then.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.UpdateTimeout</c>.</exception>
    public Task<JsonObject> SettledAsync(TimeSpan? retryAfter, CancellationToken cancellation) => InTimeAsync(patience => LookAsync(retryAfter, ours: false, patience), cancellation);

    private async Task<JsonObject> InTimeAsync(Func<CancellationToken, Task<JsonObject>> wait, CancellationToken cancellation)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(timeout);
        try
        {
            return await wait(patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new FhirDeidException("UpdateTimeout", FhirDeidErrorCategory.OperationTimeout,
                $"The update of the FHIR service has not ended in {timeout.TotalMinutes:0} minutes; Azure goes on with it.",
                "Look later with Get-FhirExportStorage or Test-FhirDeidReadiness; updates have taken 45 minutes. -TimeoutSeconds makes the command wait longer.", resource.AbsolutePath);
        }
    }

    private async Task<JsonObject> LookAsync(TimeSpan? retryAfter, bool ours, CancellationToken cancellation)
    {
        for (int look = 0; ; look++)
        {
            if (await TryAsync(resource, cancellation).ConfigureAwait(false) is { } answer)
            {
                if (answer.Status != 200 || answer.Body is null) throw ArmError.Explain(answer, "read the FHIR service", resource.AbsolutePath);
                string state = answer.Body.Text("properties", "provisioningState");
                if (Ended(state, out bool failed)) return failed && ours ? throw Failed(answer, state) : answer.Body;
                Report(state);
                retryAfter = answer.RetryAfter;
            }
            await PauseAsync(look, retryAfter, cancellation).ConfigureAwait(false);
        }
    }

    private async Task OperationAsync(Uri operation, bool tellsStatus, TimeSpan? retryAfter, CancellationToken cancellation)
    {
        for (int look = 0; ; look++)
        {
            await PauseAsync(look, retryAfter, cancellation).ConfigureAwait(false);
            if (await TryAsync(operation, cancellation).ConfigureAwait(false) is not { } answer)
            {
                Report("Not answering");
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
        "Look at the activity log of the FHIR service (Get-AzActivityLog -ResourceId …), correct the cause, and run the command again.", resource.AbsolutePath);

    private void Report(string state) => progress.Report(new FhirDeidProgress("Updating the FHIR service",
        $"{(state.Length > 0 ? ServiceText.OneLine(state) : "Running")}, {_watch.Elapsed:h\\:mm\\:ss}; this can take minutes"));

    /// <summary>As long as the resource manager asks for, within bounds; else longer from look to look.</summary>
    private Task PauseAsync(int look, TimeSpan? asked, CancellationToken cancellation)
    {
        TimeSpan pause = asked ?? resourceManager.RetryDelay * Math.Pow(2, Math.Min(look, 10));
        return Task.Delay(pause < resourceManager.RetryDelay ? resourceManager.RetryDelay : pause > LongestPause ? LongestPause : pause, cancellation);
    }
}
