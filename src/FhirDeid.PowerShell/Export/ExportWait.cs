using System.Globalization;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Export;

/// <summary>Waits for exports to end, all at once.</summary>
/// <param name="connection">Where to ask.</param>
/// <param name="pipeline">Where ended exports, warnings and progress go.</param>
/// <param name="clock">The time.</param>
/// <remarks>The service tells nothing of its progress and holds its end back for 15 s: so it is asked after 1 s, then ever less often, at last about every 15 s. What it asks for itself (Retry-After) counts between 1 s and 5 min: some services send times of day there.</remarks>
internal sealed class ExportWait(IFhirDeidConnection connection, IPipeline pipeline, TimeProvider clock)
{
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan s_longestRetryAfter = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan s_longestOutage = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan s_longestSilence = TimeSpan.FromMinutes(30);

    private readonly long _started = clock.GetTimestamp();

    /// <summary>Longest time to wait; null for any.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Whether an export that has not ended by then is an error too.</summary>
    public bool ErrorOnTimeout { get; init; }

    /// <summary>Takes over what is known of an export, whenever it has ended.</summary>
    public Func<FhirExport, CancellationToken, Task<FhirExport>> Ended { get; init; } = (export, _) => Task.FromResult(export);

    private TimeSpan Elapsed => clock.GetElapsedTime(_started);

    /// <summary>Waits until all have ended, each written as soon as it has.</summary>
    public Task RunAsync(IEnumerable<FhirExport> exports, CancellationToken cancellation) =>
        Task.WhenAll(exports.Select(export => WaitAsync(export, cancellation)));

    private async Task WaitAsync(FhirExport export, CancellationToken cancellation)
    {
        TimeSpan limit = Timeout ?? TimeSpan.MaxValue;
        TimeSpan backOff = s_second;
        (TimeSpan Since, FhirDeidException Error)? outage = null;
        Seen seen = new();
        while (true)
        {
            TimeSpan? asked = null;
            try
            {
                export = await connection.GetExportAsync(export, cancellation);
                outage = null;
                asked = export.RetryAfterSeconds is { } seconds ? Clamped(seconds) : null;
            }
            catch (FhirDeidException error) when (error.IsTransient && Elapsed - (outage?.Since ?? Elapsed) < s_longestOutage)
            {
                if (outage is null) pipeline.WriteWarning($"Export {export.JobId}: {error.Message} The waiting goes on.");
                outage = (outage?.Since ?? Elapsed, error);
                asked = error.RetryAfter is { } wait ? Clamped(wait.TotalSeconds) : null;
            }
            catch (FhirDeidException error)
            {
                await pipeline.WriteErrorAsync(error);
                return;
            }

            // What an export says of itself may be old, or anyone's: it has ended once the service says so.
            if (outage is null && export.Status != FhirExportStatus.InProgress)
            {
                await WriteAsync(await Ended(export, cancellation));
                return;
            }
            TimeSpan left = limit - Elapsed;
            if (left <= TimeSpan.Zero)
            {
                // One that claims an end which nobody can confirm is an error; one that ran goes on.
                FhirDeidException? unconfirmed = export.Status is FhirExportStatus.InProgress or FhirExportStatus.Cancelled ? null : outage?.Error;
                if (unconfirmed is not null) export.Status = FhirExportStatus.InProgress;
                await pipeline.WriteObjectAsync(export);
                if (ErrorOnTimeout) await pipeline.WriteErrorAsync(TimedOut(export, outage?.Error));
                else if (unconfirmed is not null) await pipeline.WriteErrorAsync(unconfirmed);
                return;
            }
            TimeSpan pause = asked ?? backOff * (0.9 + 0.2 * Random.Shared.NextDouble());
            await PauseAsync(export, left < pause ? left : pause, seen, cancellation);
            backOff = backOff * 1.5 < s_longestPause ? backOff * 1.5 : s_longestPause;
        }
    }

    private static TimeSpan Clamped(double seconds) => TimeSpan.FromSeconds(Math.Clamp(seconds, s_second.TotalSeconds, s_longestRetryAfter.TotalSeconds));

    /// <summary>Lets time pass, and shows what there is to see meanwhile.</summary>
    private async Task PauseAsync(FhirExport export, TimeSpan pause, Seen seen, CancellationToken cancellation)
    {
        for (TimeSpan rest = pause; rest > TimeSpan.Zero; rest -= s_second)
        {
            await LookAsync(export, seen, cancellation);
            pipeline.Progress.Report(new FhirDeidProgress($"Waiting for export {export.JobId}", seen.Status(Elapsed, export.Progress)));
            await Task.Delay(rest < s_second ? rest : s_second, clock, cancellation);
        }
    }

    /// <summary>Counts the files in the container now and then. Who waits need not be allowed to look there.</summary>
    private async Task LookAsync(FhirExport export, Seen seen, CancellationToken cancellation)
    {
        if (seen.IsBlind || Elapsed < seen.LookAgainAt) return;
        seen.LookAgainAt = Elapsed + s_longestPause;
        try
        {
            FhirExportSize size = await connection.MeasureExportAsync(export, cancellation);
            if (size != seen.Size) (seen.Size, seen.ChangedAt) = (size, Elapsed);
        }
        catch (FhirDeidException)
        {
            seen.IsBlind = true;
            return;
        }
        if (seen.IsWarned || Elapsed - seen.ChangedAt < s_longestSilence) return;
        seen.IsWarned = true;
        pipeline.WriteWarning($"Export {export.JobId} has written nothing for {s_longestSilence.TotalMinutes:0} minutes. The service can get stuck, such as after an update of its own: Stop-FhirExport cancels the export, and another can be started.");
    }

    private async Task WriteAsync(FhirExport export)
    {
        if (export.Status is FhirExportStatus.CompletedWithErrors or FhirExportStatus.Cancelled)
        {
            foreach (string issue in export.Issues) pipeline.WriteWarning($"Export {export.JobId}: {issue}");
        }
        await pipeline.WriteObjectAsync(export);
        if (export.Error() is { } error) await pipeline.WriteErrorAsync(error);
    }

    private FhirDeidException TimedOut(FhirExport export, FhirDeidException? outage) => new("ExportTimeout", FhirDeidErrorCategory.OperationTimeout,
        $"Export {export.JobId} {(outage is null ? "has not ended" : "is not known to have ended")} within {(long)(Timeout ?? default).TotalSeconds} s. {outage?.Message ?? "It goes on in the service."}", "Wait for it again with Wait-FhirExport, or cancel it with Stop-FhirExport.", export.StatusUri);

    private sealed class Seen
    {
        public FhirExportSize Size { get; set; }

        public TimeSpan ChangedAt { get; set; }

        public TimeSpan LookAgainAt { get; set; } = s_longestPause;

        public bool IsBlind { get; set; }

        public bool IsWarned { get; set; }

        public string Status(TimeSpan elapsed, string progress)
        {
            string text = string.Create(CultureInfo.InvariantCulture, $"{(int)elapsed.TotalHours}:{elapsed:mm\\:ss}");
            if (Size.Files > 0) text += string.Create(CultureInfo.InvariantCulture, $", {Size.Files} files, {Size.Bytes / 1048576.0:0.0} MiB so far");
            return progress.Length > 0 ? $"{text}, {progress}" : text;
        }
    }
}
