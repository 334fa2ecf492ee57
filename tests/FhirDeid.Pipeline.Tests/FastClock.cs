namespace FhirDeid.Tests;

/// <summary>A clock that stands still until somebody waits: then the waiting is over and that much later it is.</summary>
internal sealed class FastClock : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly List<TimeSpan> _waits = [];
    private long _ticks;

    /// <summary>How long each wait was.</summary>
    public TimeSpan[] Waits
    {
        get
        {
            lock (_lock) return [.. _waits];
        }
    }

    public TimeSpan Elapsed => TimeSpan.FromTicks(Interlocked.Read(ref _ticks));

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Interlocked.Read(ref _ticks);

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch + Elapsed;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        lock (_lock)
        {
            _waits.Add(dueTime);
            _ticks += dueTime.Ticks;
        }
        return new Timer(callback, state, 0, -1);
    }
}
