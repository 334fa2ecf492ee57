using System.Diagnostics;
using System.Reflection;
using System.Text;

namespace FhirDeid.Tests;

/// <summary>What a run of the lab showed, and how it ended.</summary>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Screen">Standard output.</param>
/// <param name="Errors">Standard error.</param>
public sealed record LabRun(int ExitCode, string Screen, string Errors);

/// <summary>The built lab as a child process, with a folder for temporary files of its own.</summary>
public sealed class LabProcess : IDisposable
{
    private readonly TemporaryFolder _temporary = new("lab");

    /// <summary>Path of lab.ps1.</summary>
    public static string Script { get; } = Metadata("Script");

    /// <summary>Runs the lab to its end.</summary>
    public Task<LabRun> RunAsync(params string[] arguments) => RunAsync(arguments, (_, _) => Task.CompletedTask);

    /// <summary>Runs the lab and interrupts it, as Ctrl+C does, once a text is on its screen.</summary>
    public Task<LabRun> InterruptAsync(string text, params string[] arguments) => RunAsync(arguments, async (lab, line) =>
    {
        if (!line.Contains(text, StringComparison.Ordinal)) return;
        using Process kill = Process.Start("kill", ["-INT", $"{lab.Id}"]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
    });

    /// <summary>Temporary files of ours that are left.</summary>
    public IEnumerable<string> LeftFiles() => Directory.EnumerateFileSystemEntries(_temporary.FullName, "fhirdeid*").Select(Path.GetFileName)!;

    /// <summary>Command lines of processes that work with those files: emulator and Azurite name theirs.</summary>
    public IEnumerable<string> LeftProcesses() => Directory.EnumerateDirectories("/proc")
        .Select(process => Path.Combine(process, "cmdline")).Where(File.Exists).Select(Read)
        .Where(commandLine => commandLine.Contains(_temporary.FullName, StringComparison.Ordinal));

    public void Dispose() => _temporary.Dispose();

    private async Task<LabRun> RunAsync(string[] arguments, Func<Process, string, Task> seen)
    {
        ProcessStartInfo start = new("dotnet", [Metadata("Lab"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        start.Environment[OperatingSystem.IsWindows() ? "TMP" : "TMPDIR"] = _temporary.FullName;

        CancellationToken cancellation = TestContext.Current.CancellationToken;
        using Process lab = Process.Start(start)!;
        lab.StandardInput.Close();
        try
        {
            Task<string> errors = lab.StandardError.ReadToEndAsync(cancellation);
            StringBuilder screen = new();
            while (await lab.StandardOutput.ReadLineAsync(cancellation) is { } line)
            {
                screen.Append(line).Append('\n');
                await seen(lab, line);
            }
            await lab.WaitForExitAsync(cancellation);
            return new LabRun(lab.ExitCode, screen.ToString(), await errors);
        }
        finally
        {
            if (!lab.HasExited) lab.Kill(entireProcessTree: true);
        }
    }

    private static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (IOException)
        {
            // Ended meanwhile.
            return "";
        }
    }

    private static string Metadata(string key) =>
        Assembly.GetExecutingAssembly().GetCustomAttributes<AssemblyMetadataAttribute>().Single(data => data.Key == key).Value!;
}
