using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Reflection;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.Tests;

/// <summary>A runspace with the module's cmdlets and the tests', and nothing else but PowerShell's core.</summary>
public sealed class Shell : IDisposable
{

    public Shell()
    {
        InitialSessionState state = InitialSessionState.CreateDefault2();
        foreach (Type type in typeof(FhirDeidCommand).Assembly.GetExportedTypes().Concat(typeof(Shell).Assembly.GetExportedTypes()))
        {
            if (type.GetCustomAttribute<CmdletAttribute>() is { } cmdlet) state.Commands.Add(new SessionStateCmdletEntry($"{cmdlet.VerbName}-{cmdlet.NounName}", type, null));
        }
        Runspace = RunspaceFactory.CreateRunspace(state);
        Runspace.Open();
    }

    public Runspace Runspace { get; }

    /// <summary>A script; <c>$a</c>, <c>$b</c>, … in it are the arguments.</summary>
    public System.Management.Automation.PowerShell Script(string script, params object[] arguments)
    {
        var shell = System.Management.Automation.PowerShell.Create(Runspace);
        string parameters = string.Join(", ", arguments.Select((_, index) => $"${(char)('a' + index)}"));
        shell.AddScript($"param({parameters}) {script}");
        foreach (object argument in arguments) shell.AddArgument(argument);
        return shell;
    }

    public void Dispose() => Runspace.Dispose();
}
