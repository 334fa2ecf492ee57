using System.Diagnostics;
using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Runspaces;
using PS = System.Management.Automation.PowerShell;

namespace FhirDeid.Benchmarks;

/// <summary>A new process that runs one script: pwsh where it is on the PATH, else this program with the same engine.</summary>
internal static class ModuleProcess
{
    private const string HostSwitch = "--host";

    private static readonly string? Pwsh = Environment.GetEnvironmentVariable("PATH")!.Split(Path.PathSeparator)
        .SelectMany(folder => new[] { Path.Combine(folder, "pwsh"), Path.Combine(folder, "pwsh.exe") }).FirstOrDefault(File.Exists);

    /// <summary>What runs the scripts.</summary>
    public static string Engine => Pwsh is null ? $"System.Management.Automation {typeof(PS).Assembly.GetName().Version}" : "pwsh";

    /// <summary>Runs a script and returns the numbers that it writes.</summary>
    /// <param name="script">The script; it may use the language and Microsoft.PowerShell.Core alone.</param>
    /// <param name="elapsed">From start to exit.</param>
    public static double[] Run(string script, out TimeSpan elapsed)
    {
        ProcessStartInfo start = new(Pwsh ?? Environment.ProcessPath!) { RedirectStandardOutput = true };
        foreach (string argument in Pwsh is null ? [HostSwitch, script] : (string[])["-NoProfile", "-NonInteractive", "-Command", script])
            start.ArgumentList.Add(argument);
        long started = Stopwatch.GetTimestamp();
        using Process child = Process.Start(start)!;
        string output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        elapsed = Stopwatch.GetElapsedTime(started);
        if (child.ExitCode != 0)
            throw new InvalidOperationException($"The script ended with {child.ExitCode}: {script}");
        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(line => double.Parse(line, CultureInfo.InvariantCulture))];
    }

    /// <summary>In the child, without pwsh: runs the script that the parent gave.</summary>
    /// <returns>Its exit code, or null where this is no child.</returns>
    public static int? Host(string[] args)
    {
        if (args is not [HostSwitch, string script])
            return null;
        using Runspace runspace = RunspaceFactory.CreateRunspace(InitialSessionState.CreateDefault2());
        runspace.Open();
        using PS shell = PS.Create(runspace);
        foreach (PSObject line in shell.AddScript(script).Invoke())
            Console.WriteLine(line);
        foreach (ErrorRecord error in shell.Streams.Error)
            Console.Error.WriteLine(error);
        return shell.HadErrors ? 1 : 0;
    }
}
