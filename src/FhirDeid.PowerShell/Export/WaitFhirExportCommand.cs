using System.Diagnostics;
using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Export;

/// <summary>Waits until exports end, and shows how they ended. Several exports are waited for at once.</summary>
/// <remarks>The service is asked after 1 s, then ever less often, at last every 15 s. It reports an end 15 s late at the earliest. Throttling and short outages do not end the waiting. The service may also be asked from another session or machine, with an export that was saved there.</remarks>
/// <example><code>$published | Start-FhirDeidExport -Container research | Wait-FhirExport</code>Waits for an export just started.</example>
/// <example><code>Import-Clixml ./export.xml | Wait-FhirExport -TimeoutSeconds 600</code>Waits for an export of an earlier session, ten minutes at the most; then it is returned as it stands.</example>
/// <example><code>$export | Wait-FhirExport | Receive-FhirExport -Destination ./research</code>Waits and downloads.</example>
[Cmdlet(VerbsLifecycle.Wait, "FhirExport")]
[OutputType(typeof(FhirExport))]
public sealed class WaitFhirExportCommand : FhirExportCommand
{
    private static readonly TimeSpan s_firstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan s_longestOutage = TimeSpan.FromMinutes(10);

    private readonly List<FhirExport> _exports = [];
    private int _ended;

    /// <summary>Longest time to wait, in seconds; 0 asks once. An export that has not ended then is returned as it stands, which is no error.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int? TimeoutSeconds { get; set; }

    /// <inheritdoc/>
    protected override Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        _exports.Add(Export);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    protected override async Task EndAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        Stopwatch clock = Stopwatch.StartNew();
        Task all = Task.WhenAll(_exports.Select(export => WaitAsync(export, clock, pipeline, cancellation)));
        while (await Task.WhenAny(all, Task.Delay(s_firstPause, cancellation)) != all)
        {
            pipeline.Progress.Report(new FhirDeidProgress("Waiting for FHIR exports", $"{_ended} of {_exports.Count} ended after {clock.Elapsed:h\\:mm\\:ss}"));
        }
        await all;
    }

    private async Task WaitAsync(FhirExport export, Stopwatch clock, IPipeline pipeline, CancellationToken cancellation)
    {
        TimeSpan limit = TimeoutSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : TimeSpan.MaxValue;
        TimeSpan pause = s_firstPause;
        TimeSpan? failingSince = null;
        while (true)
        {
            try
            {
                export = await Connection.GetExportAsync(export, cancellation);
                failingSince = null;
            }
            catch (FhirDeidException error) when (IsTransient(error) && clock.Elapsed - (failingSince ?? clock.Elapsed) < s_longestOutage)
            {
                if (failingSince is null) pipeline.WriteWarning($"Export {export.JobId}: {error.Message} The waiting goes on.");
                failingSince ??= clock.Elapsed;
            }
            catch (FhirDeidException error)
            {
                await pipeline.WriteErrorAsync(error);
                break;
            }

            TimeSpan left = limit - clock.Elapsed;
            if (export.Status != FhirExportStatus.InProgress || left <= TimeSpan.Zero)
            {
                await WriteAsync(export, pipeline);
                break;
            }
            await Task.Delay(left < pause ? left : pause, cancellation);
            pause = pause * 1.5 < s_longestPause ? pause * 1.5 : s_longestPause;
        }
        Interlocked.Increment(ref _ended);
    }

    private static async Task WriteAsync(FhirExport export, IPipeline pipeline)
    {
        if (export.Status == FhirExportStatus.CompletedWithErrors)
        {
            foreach (string issue in export.Issues) pipeline.WriteWarning($"Export {export.JobId}: {issue}");
        }
        await pipeline.WriteObjectAsync(export);
        if (export.Error() is { } error) await pipeline.WriteErrorAsync(error);
    }

    private static bool IsTransient(FhirDeidException error) =>
        error.ErrorId is "FhirDeid.Throttled" or "FhirDeid.ServiceUnavailable" or "FhirDeid.EndpointUnreachable";
}
