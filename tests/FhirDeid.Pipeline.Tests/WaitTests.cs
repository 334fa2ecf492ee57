using System.Collections.Concurrent;
using FhirDeid.PowerShell.Export;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.Tests;

/// <summary>How the waiting behaves over hours, by a clock that takes none.</summary>
public sealed class WaitTests
{
    private readonly StandInConnection _connection = new();
    private readonly FastClock _clock = new();
    private readonly Recorder _pipeline = new();

    private Task WaitAsync(TimeSpan? timeout = null, bool errorOnTimeout = false) =>
        new ExportWait(_connection, _pipeline, _clock) { Timeout = timeout, ErrorOnTimeout = errorOnTimeout }.RunAsync([Export()], TestContext.Current.CancellationToken);

    private static FhirExport Export() => new() { JobId = "1", Container = "research", StatusUri = new Uri("https://lab.example/_operations/export/1") };

    private static FhirExport Ended(FhirExport export)
    {
        export.Status = FhirExportStatus.Completed;
        return export;
    }

    /// <summary>The pauses between two questions; the clock sees them in steps of a second.</summary>
    private TimeSpan[] Pauses => [.. _asked.Zip(_asked.Skip(1), (one, next) => next - one)];

    private readonly List<TimeSpan> _asked = [];

    private void Answer(params Func<FhirExport, FhirExport>[] answers) =>
        _connection.Answer("1", [.. answers.Select(answer => (Func<FhirExport, FhirExport>)(export =>
        {
            _asked.Add(_clock.Elapsed);
            return answer(export);
        }))]);

    private static Func<FhirExport, FhirExport> Running(double? retryAfter = null) => export =>
    {
        export.RetryAfterSeconds = retryAfter;
        return export;
    };

    /// <summary>An export that says of itself that it has completed.</summary>
    private static Func<FhirExport, FhirExport> Saved(Func<FhirExport, FhirExport> answer) => export =>
    {
        export.Status = FhirExportStatus.Completed;
        return answer(export);
    };

    private static Func<FhirExport, FhirExport> Busy(TimeSpan? retryAfter = null) =>
        _ => throw new FhirDeidException("Throttled", FhirDeidErrorCategory.ResourceUnavailable, "Busy.", "Wait.") { IsTransient = true, RetryAfter = retryAfter };

    [Fact]
    public async Task The_service_is_asked_ever_less_often_and_at_last_about_every_15_seconds()
    {
        Answer([.. Enumerable.Repeat(Running(), 20), Ended]);

        await WaitAsync();

        Assert.InRange(Pauses[0], TimeSpan.FromSeconds(0.8), TimeSpan.FromSeconds(1.2));
        Assert.All(Pauses[10..], pause => Assert.InRange(pause, TimeSpan.FromSeconds(13), TimeSpan.FromSeconds(17)));
        Assert.NotEqual(Pauses[11], Pauses[12]);
    }

    [Theory]
    [InlineData(7, 7)]
    [InlineData(0, 1)]
    [InlineData(-5, 1)]
    [InlineData(1_790_000_000, 300)]
    [InlineData(1e300, 300)]
    public async Task What_the_service_asks_for_counts_between_a_second_and_five_minutes(double retryAfter, int expected)
    {
        Answer(Running(retryAfter), Ended);
        await WaitAsync();
        Assert.Equal(TimeSpan.FromSeconds(expected), Assert.Single(Pauses));

        _asked.Clear();
        Answer(Busy(retryAfter > 1e9 ? TimeSpan.MaxValue : TimeSpan.FromSeconds(retryAfter)), Ended);
        await WaitAsync();
        Assert.Equal(TimeSpan.FromSeconds(expected), Assert.Single(Pauses));
    }

    [Fact]
    public async Task An_outage_of_twenty_minutes_is_waited_out_and_one_of_forty_is_an_error()
    {
        int failures = 0;
        Func<FhirExport, FhirExport> down = export => _clock.Elapsed < TimeSpan.FromMinutes(20) ? Fail() : Ended(export);
        FhirExport Fail()
        {
            failures++;
            return Busy()(null!);
        }
        Answer(down);
        await WaitAsync();
        Assert.Equal(FhirExportStatus.Completed, Assert.Single(_pipeline.Objects.OfType<FhirExport>()).Status);
        Assert.True(failures > 50);
        Assert.Single(_pipeline.Warnings);

        Answer(Busy());
        await WaitAsync();
        Assert.Equal("FhirDeid.Throttled", Assert.Single(_pipeline.Errors).ErrorId);
        Assert.InRange(_clock.Elapsed, TimeSpan.FromMinutes(50), TimeSpan.FromMinutes(52));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_export_that_never_ends_is_returned_when_the_time_is_up(bool errorOnTimeout)
    {
        Answer(Running());

        await WaitAsync(TimeSpan.FromHours(3), errorOnTimeout);

        Assert.Equal(FhirExportStatus.InProgress, Assert.Single(_pipeline.Objects.OfType<FhirExport>()).Status);
        Assert.InRange(_clock.Elapsed, TimeSpan.FromHours(3), TimeSpan.FromHours(3) + TimeSpan.FromSeconds(1));
        Assert.Equal(errorOnTimeout ? ["FhirDeid.ExportTimeout"] : [], _pipeline.Errors.Select(error => error.ErrorId));
        // Nothing was written in all that time: the service may be stuck.
        Assert.Contains("has written nothing for 30 minutes", Assert.Single(_pipeline.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Progress_shows_the_time_the_files_and_what_the_service_says()
    {
        long files = 0;
        _connection.Size = () => new FhirExportSize(++files, files * 3_000_000);
        Answer([.. Enumerable.Repeat<Func<FhirExport, FhirExport>>(export => { export.Progress = "40% done"; return export; }, 30), Ended]);

        await WaitAsync();

        FhirDeidProgress last = _pipeline.Reports.Last();
        Assert.Equal("Waiting for export 1", last.Activity);
        Assert.Matches(@"^0:0\d:\d\d, \d+ files, \d+\.\d MiB so far, 40% done$", last.Status);
        Assert.Empty(_pipeline.Warnings);
    }

    [Fact]
    public async Task Who_may_not_look_into_the_container_waits_all_the_same()
    {
        int looked = 0;
        _connection.Size = () =>
        {
            looked++;
            throw new FhirDeidException("StorageForbidden", FhirDeidErrorCategory.PermissionDenied, "No.", "Ask.");
        };
        Answer([.. Enumerable.Repeat(Running(), 30), Ended]);

        await WaitAsync();

        Assert.Equal(1, looked);
        Assert.Empty(_pipeline.Warnings);
        Assert.Single(_pipeline.Objects);
    }

    private static readonly (FaultRow Row, Func<WaitTests, Task> Run)[] s_faults =
    [
        (new FaultRow("wait", "202 for ever, -TimeoutSeconds 10800", "InProgress after 3:00:00, 1 warning"), test => test.WaitAsync(TimeSpan.FromHours(3), false, Running())),
        (new FaultRow("wait", "202 for ever, -TimeoutSeconds 10800 -ErrorOnTimeout", "InProgress and FhirDeid.ExportTimeout after 3:00:00, 1 warning"), test => test.WaitAsync(TimeSpan.FromHours(3), true, Running())),
        (new FaultRow("wait", "202 with Retry-After: 120, then the end", "Completed after 0:02:00"), test => test.WaitAsync(null, false, Running(120), Ended)),
        (new FaultRow("wait", "202 with a time of day as Retry-After, then the end", "Completed after 0:05:00"), test => test.WaitAsync(null, false, Running(1_790_000_000), Ended)),
        (new FaultRow("wait", "429 with Retry-After: 90, then the end", "Completed after 0:01:30, 1 warning"), test => test.WaitAsync(null, false, Busy(TimeSpan.FromSeconds(90)), Ended)),
        (new FaultRow("wait", "429 with an hour as Retry-After, then the end", "Completed after 0:05:00, 1 warning"), test => test.WaitAsync(null, false, Busy(TimeSpan.FromHours(1)), Ended)),
        (new FaultRow("wait", "three 503 with Retry-After: 10, then the end", "Completed after 0:00:30, 1 warning"), test => test.WaitAsync(null, false, Busy(TimeSpan.FromSeconds(10)), Busy(TimeSpan.FromSeconds(10)), Busy(TimeSpan.FromSeconds(10)), Ended)),
        (new FaultRow("wait", "503 with Retry-After: 60 for ever", "FhirDeid.Throttled after 0:30:00, 1 warning"), test => test.WaitAsync(null, false, Busy(TimeSpan.FromSeconds(60)))),
        (new FaultRow("wait", "429 for ever, -TimeoutSeconds 60", "InProgress after 0:01:00, 1 warning"), test => test.WaitAsync(TimeSpan.FromMinutes(1), false, Busy())),
        (new FaultRow("wait", "a saved export that says it has completed, and no service to ask: -TimeoutSeconds 60", "InProgress and FhirDeid.Throttled after 0:01:00, 1 warning"), test => test.WaitAsync(TimeSpan.FromMinutes(1), false, Saved(Busy()))),
        (new FaultRow("wait", "the same with -ErrorOnTimeout", "InProgress and FhirDeid.ExportTimeout after 0:01:00, 1 warning"), test => test.WaitAsync(TimeSpan.FromMinutes(1), true, Saved(Busy()))),
        (new FaultRow("wait", "the same, and the service is back after ten minutes: the job still runs, and ends", "Completed after 0:10:00, 1 warning"), test => test.WaitAsync(null, false, Saved(Busy(TimeSpan.FromMinutes(5))), Saved(Busy(TimeSpan.FromMinutes(5))), Ended)),
        (new FaultRow("wait", "404: cancelled elsewhere", "FhirDeid.ExportNotFound after 0:00:00"), test => test.WaitAsync(null, false, _ => throw new FhirDeidException("ExportNotFound", FhirDeidErrorCategory.ObjectNotFound, "Gone.", "Start again."))),
        (new FaultRow("wait", "the job has failed", "Failed and FhirDeid.ExportFailed after 0:00:00"), test => test.WaitAsync(null, false, export => { export.Status = FhirExportStatus.Failed; return export; })),
    ];

    public static TheoryData<string> Faults() => [.. s_faults.Select(fault => fault.Row.Name)];

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Each_fault_ends_as_documented(string name)
    {
        (FaultRow row, Func<WaitTests, Task> run) = s_faults.Single(fault => fault.Row.Name == name);

        await run(this);

        string end = string.Join(" and ", _pipeline.Objects.OfType<FhirExport>().Select(export => export.Status.ToString()).Concat(_pipeline.Errors.Select(error => error.ErrorId)));
        end += $" after {(int)_clock.Elapsed.TotalHours}:{_clock.Elapsed:mm\\:ss}";
        if (!_pipeline.Warnings.IsEmpty) end += $", {_pipeline.Warnings.Count} warning";
        Assert.Equal(row.End, end);
    }

    [Fact]
    public void The_page_lists_the_faults_that_were_run() => ReliabilityPage.Check("waiting", s_faults.Select(fault => fault.Row));

    private Task WaitAsync(TimeSpan? timeout, bool errorOnTimeout, params Func<FhirExport, FhirExport>[] answers)
    {
        Answer(answers);
        return WaitAsync(timeout, errorOnTimeout);
    }

    /// <summary>A pipeline that keeps what is written to it.</summary>
    private sealed class Recorder : IPipeline, IProgress<FhirDeidProgress>
    {
        public ConcurrentQueue<object> Objects { get; } = new();

        public ConcurrentQueue<FhirDeidException> Errors { get; } = new();

        public ConcurrentQueue<string> Warnings { get; } = new();

        public ConcurrentQueue<FhirDeidProgress> Reports { get; } = new();

        public IProgress<FhirDeidProgress> Progress => this;

        public Task WriteObjectAsync(object value)
        {
            Objects.Enqueue(value);
            return Task.CompletedTask;
        }

        public Task WriteErrorAsync(FhirDeidException error)
        {
            Errors.Enqueue(error);
            return Task.CompletedTask;
        }

        public Task<bool> ShouldProcessAsync(object target, string action) => throw new NotSupportedException();

        public Task<bool> ShouldProcessAsync(string description, string question, string caption) => throw new NotSupportedException();

        public Task<T> InvokeAsync<T>(Func<T> work) => throw new NotSupportedException();

        public void WriteWarning(string message) => Warnings.Enqueue(message);

        public void WriteVerbose(string message)
        {
        }

        public void Report(FhirDeidProgress value) => Reports.Enqueue(value);
    }
}
