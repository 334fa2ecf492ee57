using System.Management.Automation;
using System.Management.Automation.Runspaces;

namespace FhirDeid.Tests;

/// <summary>A runspace with the test cmdlets and nothing else but PowerShell's core.</summary>
public sealed class Shell : IDisposable
{
    private readonly Runspace _runspace;

    public Shell()
    {
        InitialSessionState state = InitialSessionState.CreateDefault2();
        state.Commands.Add(new SessionStateCmdletEntry("Test-Body", typeof(TestBodyCommand), null));
        state.Commands.Add(new SessionStateCmdletEntry("Test-Reader", typeof(TestReaderCommand), null));
        state.Commands.Add(new SessionStateCmdletEntry("Test-First", typeof(TestFirstCommand), null));
        _runspace = RunspaceFactory.CreateRunspace(state);
        _runspace.Open();
    }

    /// <summary>A script; <c>$a</c>, <c>$b</c>, … in it are the arguments.</summary>
    public System.Management.Automation.PowerShell Script(string script, params object[] arguments)
    {
        var shell = System.Management.Automation.PowerShell.Create(_runspace);
        string parameters = string.Join(", ", arguments.Select((_, index) => $"${(char)('a' + index)}"));
        shell.AddScript($"param({parameters}) {script}");
        foreach (object argument in arguments) shell.AddArgument(argument);
        return shell;
    }

    public void Dispose() => _runspace.Dispose();
}
