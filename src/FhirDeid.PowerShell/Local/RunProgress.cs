using System.Diagnostics;

namespace FhirDeid.PowerShell.Local;

/// <summary>Shows how far a run over several files has come: rate, and time left at that rate.</summary>
/// <param name="screen">Where it is shown.</param>
/// <param name="total">Bytes of all inputs.</param>
internal sealed class RunProgress(IProgress<FhirDeidProgress> screen, long total) : IProgress<DeidentificationProgress>
{
    private readonly long _started = Stopwatch.GetTimestamp();
    private string _name = "";
    private long _before;
    private long _skipped;

    public void Begin(IDeidentificationInput input) => _name = input.Name;

    /// <summary>An input is done, or nothing more is to be done for it.</summary>
    public void End(IDeidentificationInput input, bool skipped)
    {
        _before += input.Length;
        if (skipped) _skipped += input.Length;
    }

    public void Report(DeidentificationProgress value)
    {
        long done = _before + value.BytesRead;
        double rate = (done - _skipped) / Math.Max(Stopwatch.GetElapsedTime(_started).TotalSeconds, 0.001);
        screen.Report(new FhirDeidProgress("De-identifying", $"{_name}: {value.Resources:N0} resources, {rate / 1e6:N1} MB/s",
            total > 0 ? (int)Math.Clamp(done * 100 / total, 0, 100) : -1, rate > 0 ? (int)Math.Clamp((total - done) / rate, 0, int.MaxValue) : -1));
    }
}
