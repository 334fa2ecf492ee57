using System.Diagnostics;
using FhirDeid.Cloud.Emulation;

namespace FhirDeid.Tests;

/// <summary>An emulator started by hand.</summary>
internal sealed class EmulatorProcess : IDisposable
{
    public EmulatorProcess(string temporaryFolder, params string[] arguments)
        : this(temporaryFolder, [], arguments)
    {
    }

    public EmulatorProcess(string temporaryFolder, Dictionary<string, string> environment, params string[] arguments)
    {
        ProcessStartInfo start = new(DotnetHost.Find(Environment.GetEnvironmentVariable), [Path.Combine(AppContext.BaseDirectory, "FhirDeid.Emulator.dll"), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            Environment = { ["TMPDIR"] = temporaryFolder, ["TMP"] = temporaryFolder },
        };
        foreach ((string name, string value) in environment) start.Environment[name] = value;
        Process = Process.Start(start)!;
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public Process Process { get; }

    public async Task<FhirDeidEmulator> ReadyAsync() => (await LastAsync()).Ready!;

    public async Task<EmulatorError> ErrorAsync()
    {
        EmulatorError error = (await LastAsync()).Error!;
        await Process.WaitForExitAsync(Cancellation);
        Assert.Equal(1, Process.ExitCode);
        return error;
    }

    /// <summary>Closes its standard input and waits for its end.</summary>
    public async Task EndAsync()
    {
        Process.StandardInput.Close();
        await Process.WaitForExitAsync(CancellationToken.None);
        Process.Dispose();
    }

    public void Dispose()
    {
        Process.Kill(entireProcessTree: true);
        Process.Dispose();
    }

    private async Task<EmulatorMessage> LastAsync()
    {
        while (EmulatorMessage.Parse((await Process.StandardOutput.ReadLineAsync(Cancellation).AsTask().WaitAsync(Service.Patience, Cancellation))!)! is { } message)
            if (message.Progress is null) return message;
        throw new InvalidOperationException();
    }
}
