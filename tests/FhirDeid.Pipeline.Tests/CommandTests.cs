using System.Diagnostics;
using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;
using Body = System.Func<FhirDeid.PowerShell.Pipeline.IPipeline, object?, System.Threading.CancellationToken, System.Threading.Tasks.Task>;
using Phase = System.Func<FhirDeid.PowerShell.Pipeline.IPipeline, System.Threading.CancellationToken, System.Threading.Tasks.Task>;

namespace FhirDeid.Tests;

public sealed class CommandTests : IDisposable
{
    private const string Secret = "Jane Roe 1970-05-06";

    private readonly Shell _shell = new();
    private bool _ended;
    private int _produced;

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Ctrl_C_cancels_the_body_and_waits_for_its_end()
    {
        TaskCompletionSource started = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Body body = async (_, _, cancellation) =>
        {
            started.SetResult();
            await EndSlowlyAsync(Task.Delay(Timeout.Infinite, cancellation));
        };
        using System.Management.Automation.PowerShell shell = _shell.Script("Test-Body -Body $a", body);
        Task<PSDataCollection<PSObject>> run = shell.InvokeAsync();
        await started.Task;

        shell.Stop();

        Assert.True(_ended);
        await Assert.ThrowsAsync<PipelineStoppedException>(() => run);
        Assert.Equal(PSInvocationState.Stopped, shell.InvocationStateInfo.State);
    }

    [Fact]
    public async Task Ctrl_C_reaches_a_body_that_waits_for_a_slow_reader()
    {
        using ManualResetEventSlim reading = new();
        using ManualResetEventSlim readOn = new();
        Action<object?> read = _ =>
        {
            reading.Set();
            readOn.Wait();
        };
        using System.Management.Automation.PowerShell shell = _shell.Script("Test-Body -Body $a | Test-Reader -Read $b", (Body)ProduceAsync, read);
        Task<PSDataCollection<PSObject>> run = shell.InvokeAsync();
        reading.Wait(TestContext.Current.CancellationToken);

        IAsyncResult stop = shell.BeginStop(null, null);
        readOn.Set();
        shell.EndStop(stop);

        Assert.True(_ended);
        await Assert.ThrowsAsync<PipelineStoppedException>(() => run);
    }

    [Fact]
    public void A_break_of_the_next_command_ends_the_body()
    {
        using System.Management.Automation.PowerShell shell = _shell.Script("foreach ($i in 1) { Test-Body -Body $a | ForEach-Object { break } }; 'after'", (Body)ProduceAsync);

        Assert.Equal("after", Assert.Single(shell.Invoke()).BaseObject);
        Assert.True(_ended);
    }

    [Fact]
    public void A_reader_that_has_enough_ends_the_body()
    {
        using System.Management.Automation.PowerShell shell = _shell.Script("Test-Body -Body $a | Test-First; 'after'", (Body)ProduceAsync);

        Assert.Equal([0, "after"], shell.Invoke().Select(result => result.BaseObject));
        Assert.True(_ended);
        Assert.Equal(1, _produced);
    }

    [Fact]
    public void A_throw_of_the_next_command_ends_the_body_and_is_what_the_user_sees()
    {
        using System.Management.Automation.PowerShell shell = _shell.Script("Test-Body -Body $a | ForEach-Object { throw 'enough' }", (Body)ProduceAsync);

        Assert.Equal("enough", Assert.ThrowsAny<RuntimeException>(() => shell.Invoke()).Message);
        Assert.True(_ended);
    }

    [Fact]
    public void A_cmdlet_that_has_stopped_is_not_processed_further()
    {
        int phases = 0;
        Phase end = (_, _) => Task.FromResult(phases++);
        using System.Management.Automation.PowerShell shell = _shell.Script("foreach ($i in 1) { Test-Body -Body $a -End $b | ForEach-Object { break } }", (Body)ProduceAsync, end);
        shell.Invoke();

        Assert.Equal(0, phases);
    }

    [Fact]
    public void A_producer_is_never_ahead_of_its_reader()
    {
        int read = 0;
        Body body = async (pipeline, _, _) =>
        {
            for (int i = 0; i < 500; i++)
            {
                _produced++;
                await pipeline.WriteObjectAsync(i);
            }
        };
        Action<object?> reader = _ => Assert.Equal(++read, _produced);
        using System.Management.Automation.PowerShell shell = _shell.Script("Test-Body -Body $a | Test-Reader -Read $b", body, reader);
        shell.Invoke();

        Assert.Equal(500, read);
        Assert.Empty(shell.Streams.Error);
    }

    [Fact]
    public void Several_producers_are_ahead_by_one_object_each()
    {
        const int producers = 8;
        int read = 0;
        Body body = (pipeline, _, _) => Task.WhenAll(Enumerable.Range(0, producers).Select(producer => Task.Run(async () =>
        {
            for (int i = 0; i < 100; i++)
            {
                Interlocked.Increment(ref _produced);
                await pipeline.WriteObjectAsync(i);
            }
        })));
        Action<object?> reader = _ => Assert.InRange(Volatile.Read(ref _produced) - ++read, -1, producers);
        using System.Management.Automation.PowerShell shell = _shell.Script("Test-Body -Body $a | Test-Reader -Read $b", body, reader);
        shell.Invoke();

        Assert.Equal(producers * 100, read);
        Assert.Empty(shell.Streams.Error);
    }

    [Fact]
    public void Messages_do_not_pile_up_before_a_slow_reader()
    {
        int read = 0;
        int messages = 0;
        Body body = async (pipeline, _, _) =>
        {
            Task write = pipeline.WriteObjectAsync("object");
            for (; messages < 1000; messages++) pipeline.WriteWarning("message");
            await write;
        };
        Action<object?> reader = _ =>
        {
            Thread.Sleep(50);
            read = Volatile.Read(ref messages);
        };
        using System.Management.Automation.PowerShell shell = _shell.Script("Test-Body -Body $a -WarningAction SilentlyContinue | Test-Reader -Read $b", body, reader);
        shell.Invoke();

        Assert.InRange(read, 0, 65);
        Assert.Equal(1000, messages);
    }

    [Fact]
    public void What_the_body_writes_arrives_in_order()
    {
        Body body = async (pipeline, _, _) =>
        {
            for (int i = 0; i < 200; i++)
            {
                pipeline.WriteVerbose("verbose " + i);
                pipeline.WriteWarning("warning " + i);
                await pipeline.WriteObjectAsync("object " + i);
            }
        };
        using System.Management.Automation.PowerShell shell = _shell.Script("Test-Body -Body $a -Verbose -WarningAction Continue 3>&1 4>&1", body);

        IEnumerable<string> expected = Enumerable.Range(0, 200).SelectMany(i => new[] { "verbose " + i, "warning " + i, "object " + i });
        Assert.Equal(expected, shell.Invoke().Select(result => result.ToString()));
    }

    [Fact]
    public void An_error_of_one_item_leaves_the_others_alone()
    {
        Body body = async (pipeline, input, _) =>
        {
            if (input is 2) throw Forbidden();
            await pipeline.WriteObjectAsync(input!);
        };
        using System.Management.Automation.PowerShell shell = _shell.Script("1, 2, 3 | Test-Body -Body $a", body);

        Assert.Equal([1, 3], shell.Invoke().Select(result => result.BaseObject));
        ErrorRecord error = Assert.Single(shell.Streams.Error);
        Assert.Equal("FhirDeid.Forbidden,FhirDeid.Tests.TestBodyCommand", error.FullyQualifiedErrorId);
        Assert.Equal(ErrorCategory.PermissionDenied, error.CategoryInfo.Category);
        Assert.Equal("The identity lacks a role.", error.ToString());
        Assert.Equal("Grant it.", error.ErrorDetails.RecommendedAction);
        Assert.Equal("container", error.TargetObject);
        Assert.IsType<FhirDeidException>(error.Exception);
    }

    [Fact]
    public void ErrorAction_Stop_ends_the_command_at_the_first_error()
    {
        int items = 0;
        Body body = (_, _, _) =>
        {
            items++;
            throw Forbidden();
        };
        using System.Management.Automation.PowerShell shell = _shell.Script("1, 2, 3 | Test-Body -Body $a -ErrorAction Stop", body);

        ActionPreferenceStopException exception = Assert.ThrowsAny<ActionPreferenceStopException>(() => shell.Invoke());
        Assert.StartsWith("FhirDeid.Forbidden,", exception.ErrorRecord.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(1, items);
    }

    [Fact]
    public void ErrorAction_Stop_ends_a_body_that_writes_an_error()
    {
        Body body = async (pipeline, _, cancellation) =>
        {
            await EndSlowlyAsync(pipeline.WriteErrorAsync(Forbidden()));
            _produced++;
        };
        using System.Management.Automation.PowerShell shell = _shell.Script("Test-Body -Body $a -ErrorAction Stop", body);

        Assert.ThrowsAny<ActionPreferenceStopException>(() => shell.Invoke());
        Assert.True(_ended);
        Assert.Equal(0, _produced);
    }

    [Theory]
    [InlineData("Begin")]
    [InlineData("End")]
    public void An_error_outside_of_an_item_ends_the_command(string phase)
    {
        Phase fail = (_, _) => throw Forbidden();
        ErrorRecord error = Catch($"Test-Body -{phase} $a", fail);

        Assert.Equal("FhirDeid.Forbidden,FhirDeid.Tests.TestBodyCommand", error.FullyQualifiedErrorId);
        Assert.Equal("Grant it.", error.ErrorDetails.RecommendedAction);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_unknown_exception_ends_the_command_and_its_text_is_not_shown(bool afterAwait)
    {
        Body body = async (_, _, _) =>
        {
            if (afterAwait) await Task.Yield();
            throw new InvalidOperationException(Secret);
        };
        using System.Management.Automation.PowerShell shell = _shell.Script("try { Test-Body -Body $a -Verbose 4>&1 } catch { $_ }", body);

        object[] results = [.. shell.Invoke().Select(result => result.BaseObject)];
        Assert.Equal(2, results.Length);
        Assert.DoesNotContain(Secret, Assert.IsType<VerboseRecord>(results[0]).Message, StringComparison.Ordinal);
        ErrorRecord error = Assert.IsType<ErrorRecord>(results[1]);
        Assert.StartsWith("FhirDeid.Unexpected,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, error.Exception.ToString(), StringComparison.Ordinal);
        Assert.Contains(nameof(InvalidOperationException), error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_cancellation_that_is_not_the_users_is_an_error_and_not_a_stop()
    {
        Body body = (_, _, _) => throw new TaskCanceledException("The request timed out.");

        Assert.StartsWith("FhirDeid.Unexpected,", Catch("Test-Body -Body $a", body).FullyQualifiedErrorId, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("-WhatIf", false)]
    [InlineData("-Confirm:$false", true)]
    public void ShouldProcess_is_asked_and_answered(string parameter, bool expected)
    {
        Body body = async (pipeline, _, _) => await pipeline.WriteObjectAsync(await pipeline.ShouldProcessAsync("target", "action"));
        using System.Management.Automation.PowerShell shell = _shell.Script($"$ConfirmPreference = 'High'; Test-Body -Body $a {parameter}", body);

        Assert.Equal(expected, Assert.Single(shell.Invoke()).BaseObject);
    }

    [Fact]
    public void Confirm_false_overrides_a_session_that_asks_for_everything()
    {
        Body body = async (pipeline, _, _) => await pipeline.WriteObjectAsync(await pipeline.ShouldProcessAsync("target", "action"));
        using System.Management.Automation.PowerShell shell = _shell.Script("$ConfirmPreference = 'Low'; Test-Body -Body $a -Confirm:$false", body);

        Assert.Equal(true, Assert.Single(shell.Invoke()).BaseObject);
    }

    [Fact]
    public void A_question_that_nobody_can_answer_ends_the_body()
    {
        Body body = async (pipeline, _, _) =>
        {
            await EndSlowlyAsync(pipeline.ShouldProcessAsync("target", "action"));
            _produced++;
        };
        Catch("Test-Body -Body $a -Confirm", body);

        Assert.True(_ended);
        Assert.Equal(0, _produced);
    }

    [Fact]
    public void Progress_is_rare_and_completed()
    {
        Stopwatch clock = Stopwatch.StartNew();
        Body body = (pipeline, _, _) =>
        {
            for (int i = 0; i < 20_000; i++) pipeline.Progress.Report(new FhirDeidProgress("Counting", "Number " + i, i / 200));
            return Task.CompletedTask;
        };
        using System.Management.Automation.PowerShell shell = _shell.Script("Test-Body -Body $a", body);
        shell.Invoke();

        ProgressRecord[] records = [.. shell.Streams.Progress];
        Assert.InRange(records.Length, 2, 2 + (int)(clock.ElapsedMilliseconds / 500));
        Assert.Equal("Number 0", records[0].StatusDescription);
        Assert.Equal(ProgressRecordType.Completed, records[^1].RecordType);
        Assert.All(records, record => Assert.Equal(("Counting", records[0].ActivityId), (record.Activity, record.ActivityId)));
        Assert.Single(records, record => record.RecordType == ProgressRecordType.Completed);
    }

    [Fact]
    public void Progress_is_completed_after_an_error_and_after_a_break()
    {
        Body body = async (pipeline, input, _) =>
        {
            pipeline.Progress.Report(new FhirDeidProgress("Working", "Now"));
            await pipeline.WriteObjectAsync(input!);
            throw Forbidden();
        };
        using System.Management.Automation.PowerShell shell = _shell.Script("foreach ($i in 1) { 1, 2 | Test-Body -Body $a | ForEach-Object { if ($_ -eq 2) { break } } }", body);
        shell.Invoke();

        Assert.Equal([ProgressRecordType.Processing, ProgressRecordType.Completed, ProgressRecordType.Processing, ProgressRecordType.Completed],
            shell.Streams.Progress.Select(record => record.RecordType));
    }

    [Fact]
    public void Work_for_the_pipeline_thread_runs_there()
    {
        int? readerThread = null;
        Body body = async (pipeline, _, _) =>
        {
            int bodyThread = Environment.CurrentManagedThreadId;
            int pipelineThread = await pipeline.InvokeAsync(() => Environment.CurrentManagedThreadId);
            Assert.NotEqual(bodyThread, pipelineThread);
            await pipeline.WriteObjectAsync(pipelineThread);
        };
        Action<object?> reader = thread =>
        {
            readerThread = Environment.CurrentManagedThreadId;
            Assert.Equal(thread, readerThread);
        };
        using System.Management.Automation.PowerShell shell = _shell.Script("Test-Body -Body $a | Test-Reader -Read $b", body, reader);
        shell.Invoke();

        Assert.NotNull(readerThread);
    }

    [Fact]
    public void Work_for_the_pipeline_thread_can_call_commands_of_the_session()
    {
        Body body = async (pipeline, _, _) => await pipeline.WriteObjectAsync(await pipeline.InvokeAsync(() =>
        {
            using var command = System.Management.Automation.PowerShell.Create(RunspaceMode.CurrentRunspace);
            return command.AddCommand("Get-Answer").Invoke().Single().BaseObject;
        }));
        using System.Management.Automation.PowerShell shell = _shell.Script("function Get-Answer { 42 }; Test-Body -Body $a", body);

        Assert.Equal(42, Assert.Single(shell.Invoke()).BaseObject);
    }

    [Fact]
    public void An_exception_of_work_for_the_pipeline_thread_is_the_bodys()
    {
        Body body = async (pipeline, _, _) =>
        {
            await Assert.ThrowsAsync<FileNotFoundException>(() => pipeline.InvokeAsync<int>(() => throw new FileNotFoundException()));
            await pipeline.WriteObjectAsync("went on");
        };
        using System.Management.Automation.PowerShell shell = _shell.Script("Test-Body -Body $a", body);

        Assert.Equal("went on", Assert.Single(shell.Invoke()).BaseObject);
    }

    /// <summary>Writes objects for ever.</summary>
    private async Task ProduceAsync(IPipeline pipeline, object? input, CancellationToken cancellation)
    {
        while (true) await EndSlowlyAsync(pipeline.WriteObjectAsync(_produced++));
    }

    /// <summary>Takes a while to end, so that a cmdlet that does not wait is found out.</summary>
    private async Task EndSlowlyAsync(Task task)
    {
        try
        {
            await task;
        }
        catch (OperationCanceledException)
        {
            await Task.Delay(100, CancellationToken.None);
            _ended = true;
            throw;
        }
    }

    /// <summary>Runs a script and returns the error that ended it.</summary>
    private ErrorRecord Catch(string script, object argument)
    {
        using System.Management.Automation.PowerShell shell = _shell.Script($"try {{ {script} }} catch {{ $_ }}", argument);
        return Assert.IsType<ErrorRecord>(Assert.Single(shell.Invoke()).BaseObject);
    }

    private static FhirDeidException Forbidden() =>
        new("Forbidden", FhirDeidErrorCategory.PermissionDenied, "The identity lacks a role.", "Grant it.", "container");
}
