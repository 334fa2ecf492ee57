using System.Collections.Concurrent;
using System.Management.Automation;
using System.Runtime.ExceptionServices;

namespace FhirDeid.PowerShell.Pipeline;

/// <summary>One run of a cmdlet's body: it writes to a bounded queue, which the pipeline thread drains.</summary>
internal sealed class CommandPipeline(PSCmdlet cmdlet, CancellationToken cancellation) : IPipeline, IProgress<FhirDeidProgress>, IDisposable
{
    private const int Capacity = 64;
    private const int ProgressPause = 500;

    private static readonly AsyncLocal<IPipeline?> s_current = new();

    private readonly BlockingCollection<Action> _queue = new(Capacity);
    private readonly Dictionary<string, (int Id, long ShownAt)> _activities = [];

    /// <summary>The pipeline of the cmdlet whose body this code runs for, on whatever thread; null outside of one.</summary>
    public static IPipeline? Current => s_current.Value;

    public IProgress<FhirDeidProgress> Progress => this;

    /// <summary>Starts the body on the thread pool.</summary>
    public Task Start(Func<IPipeline, CancellationToken, Task> body) => Task.Run(async () =>
    {
        s_current.Value = this;
        try
        {
            await body(this, cancellation);
        }
        finally
        {
            _queue.CompleteAdding();
        }
    });

    /// <summary>Writes what the body hands over, until it ends.</summary>
    public void Drain()
    {
        foreach (Action write in _queue.GetConsumingEnumerable()) write();
    }

    public void CompleteProgress()
    {
        foreach ((string activity, (int id, _)) in _activities)
        {
            try
            {
                cmdlet.WriteProgress(new ProgressRecord(id, activity, " ") { RecordType = ProgressRecordType.Completed });
            }
            catch (PipelineStoppedException)
            {
                // Stopped by the user: the host clears its progress itself.
                return;
            }
        }
    }

    public Task WriteObjectAsync(object value) => RoundTripAsync(() =>
    {
        cmdlet.WriteObject(value);
        return true;
    });

    public Task WriteErrorAsync(FhirDeidException error) => RoundTripAsync(() =>
    {
        cmdlet.WriteError(error.ToErrorRecord());
        return true;
    });

    public Task<bool> ShouldProcessAsync(object target, string action) =>
        RoundTripAsync(() => cmdlet.ShouldProcess(target.ToString(), action));

    public Task<bool> ShouldProcessAsync(string description, string question, string caption) =>
        RoundTripAsync(() => cmdlet.ShouldProcess(description, question, caption));

    public async Task<T> InvokeAsync<T>(Func<T> work)
    {
        ExceptionDispatchInfo? failure = null;
        T result = await RoundTripAsync(() =>
        {
            try
            {
                return work();
            }
            catch (Exception exception) when (exception is not PipelineStoppedException)
            {
                failure = ExceptionDispatchInfo.Capture(exception);
                return default!;
            }
        });
        failure?.Throw();
        return result;
    }

    public void WriteWarning(string message) => Post(() => cmdlet.WriteWarning(message));

    public void WriteVerbose(string message) => Post(() => cmdlet.WriteVerbose(message));

    public void Report(FhirDeidProgress value)
    {
        int id;
        lock (_activities)
        {
            long now = Environment.TickCount64;
            bool known = _activities.TryGetValue(value.Activity, out (int Id, long ShownAt) activity);
            if (known && now - activity.ShownAt < ProgressPause) return;

            id = known ? activity.Id : _activities.Count + 1;
            _activities[value.Activity] = (id, now);
        }
        ProgressRecord record = new(id, value.Activity, value.Status) { PercentComplete = value.PercentComplete, SecondsRemaining = value.SecondsRemaining };
        Post(() => cmdlet.WriteProgress(record));
    }

    public void Dispose() => _queue.Dispose();

    /// <summary>Has the pipeline thread do something and waits for it. What PowerShell throws meanwhile (a stop, a <c>break</c>, an error of the next command) stays on that thread; the body sees a cancellation.</summary>
    private async Task<T> RoundTripAsync<T>(Func<T> work)
    {
        TaskCompletionSource<T> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _queue.Add(() => done.SetResult(work()), cancellation);
        return await done.Task.WaitAsync(cancellation);
    }

    private void Post(Action write)
    {
        try
        {
            _queue.Add(write, cancellation);
        }
        catch (OperationCanceledException)
        {
            // Nobody reads any more.
        }
    }
}
