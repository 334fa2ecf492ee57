using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Reflection;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.Tests;

/// <summary>A runspace with the module's cmdlets and the tests', and nothing else but PowerShell's core.</summary>
public sealed class Shell : IDisposable
{
    private readonly ScreenHost _host = new();

    public Shell()
    {
        InitialSessionState state = InitialSessionState.CreateDefault2();
        foreach (Type type in typeof(FhirDeidCommand).Assembly.GetExportedTypes().Concat(typeof(Shell).Assembly.GetExportedTypes()))
        {
            if (type.GetCustomAttribute<CmdletAttribute>() is { } cmdlet) state.Commands.Add(new SessionStateCmdletEntry($"{cmdlet.VerbName}-{cmdlet.NounName}", type, null));
        }
        Runspace = RunspaceFactory.CreateRunspace(_host, state);
        Runspace.Open();
    }

    public Runspace Runspace { get; }

    /// <summary>What the user has seen since the last look.</summary>
    public string Seen => _host.Read();

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
