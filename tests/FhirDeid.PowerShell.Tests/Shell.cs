using System.Diagnostics;
using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Reflection;
using PS = System.Management.Automation.PowerShell;

namespace FhirDeid.Tests;

/// <summary>What a script gave.</summary>
/// <param name="Output">Objects.</param>
/// <param name="Errors">Errors, terminating or not.</param>
/// <param name="Warnings">Warnings.</param>
/// <param name="Text">What the user saw on the screen.</param>
public sealed record Outcome(PSObject[] Output, ErrorRecord[] Errors, string[] Warnings, string Text);

/// <summary>A runspace with the built module, and nothing else but PowerShell's core.</summary>
public sealed class Shell : IDisposable
{
    private readonly ScreenHost _host = new();
    private readonly Runspace _runspace;

    public Shell()
        : this(Module)
    {
    }

    public Shell(string module)
    {
        InitialSessionState state = InitialSessionState.CreateDefault2();
        state.ImportPSModule([module]);
        _runspace = RunspaceFactory.CreateRunspace(_host, state);
        _runspace.Open();
    }

    /// <summary>Path of the built module's manifest.</summary>
    public static string Module { get; } = Path.Combine(Metadata("ModuleFolder"), "FhirDeid.PowerShell.psd1");

    public static string Metadata(string key) =>
        typeof(Shell).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(data => data.Key == key).Value!;

    /// <summary>Runs a script; <c>$a</c>, <c>$b</c>, … in it are the arguments.</summary>
    public async Task<Outcome> TryAsync(string script, params object[] arguments)
    {
        using PS shell = PS.Create(_runspace);
        string parameters = string.Join(", ", arguments.Select((_, index) => $"${(char)('a' + index)}"));
        shell.AddScript($"param({parameters}) {script}");
        foreach (object argument in arguments) shell.AddArgument(argument);

        PSDataCollection<PSObject> output = [];
        List<ErrorRecord> thrown = [];
        try
        {
            await shell.InvokeAsync<PSObject, PSObject>(null, output);
        }
        catch (RuntimeException exception)
        {
            thrown.Add(exception.ErrorRecord);
        }
        return new Outcome([.. output], [.. shell.Streams.Error, .. thrown], [.. shell.Streams.Warning.Select(warning => warning.Message)], _host.Read());
    }

    /// <summary>Runs a script and hands over each object when it is written.</summary>
    public async Task StreamAsync(string script, Action<object> write)
    {
        using PS shell = PS.Create(_runspace);
        shell.AddScript(script);
        PSDataCollection<PSObject> output = [];
        output.DataAdded += (_, added) => write(output[added.Index]);
        await shell.InvokeAsync<PSObject, PSObject>(null, output);
        foreach (ErrorRecord error in shell.Streams.Error) Console.Error.WriteLine(error);
    }

    /// <summary>Runs a script that must not fail, and returns what it writes.</summary>
    public async Task<PSObject[]> RunAllAsync(string script, params object[] arguments)
    {
        Outcome outcome = await TryAsync(script, arguments);
        Assert.Empty(outcome.Errors.Select(error => $"{error.FullyQualifiedErrorId}: {error}"));
        return outcome.Output;
    }

    /// <summary>Runs a script that must not fail, and returns the one object it writes.</summary>
    public async Task<PSObject> RunAsync(string script, params object[] arguments) => Assert.Single(await RunAllAsync(script, arguments));

    /// <summary>Runs a script that must fail with one error of the given id.</summary>
    public async Task<ErrorRecord> FailsAsync(string id, string script, params object[] arguments)
    {
        ErrorRecord error = Assert.Single((await TryAsync(script, arguments)).Errors);
        Assert.StartsWith(id + ",", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        return error;
    }

    /// <summary>Runs a script and returns what the user sees of its objects.</summary>
    public async Task<string> ShowAsync(string script, params object[] arguments)
    {
        await RunAllAsync($"{script} | Out-Host", arguments);
        return _host.Last;
    }

    /// <summary>Completes a command line at its end.</summary>
    public string[] Complete(string line)
    {
        using PS shell = PS.Create(_runspace);
        return [.. CommandCompletion.CompleteInput(line, line.Length, [], shell).CompletionMatches.Select(match => match.CompletionText)];
    }

    /// <summary>Runs a script in a process of its own, which has none of our assemblies beside it.</summary>
    public static async Task<string> RunInChildAsync(string module, string script, Dictionary<string, string>? environment = null)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet") start.ArgumentList.Add(typeof(Shell).Assembly.Location);
        foreach (string argument in (string[])["--shell", module, script]) start.ArgumentList.Add(argument);
        foreach ((string name, string value) in environment ?? []) start.Environment[name] = value;

        using Process child = Process.Start(start)!;
        Task<string> errors = child.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = await child.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await child.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal("", await errors);
        Assert.Equal(0, child.ExitCode);
        return output;
    }

    public void Dispose() => _runspace.Dispose();
}

/// <summary>What tests read of an object whose type they do not know.</summary>
public static class PSObjectReading
{
    public static object? Value(this PSObject item, string property) => item.Properties[property]?.Value;

    public static string Text(this PSObject item, string property) => item.Value(property)?.ToString() ?? "";
}
