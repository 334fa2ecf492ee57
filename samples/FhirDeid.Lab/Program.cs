using System.Management.Automation.Runspaces;
using System.Reflection;
using System.Runtime.InteropServices;
using FhirDeid.Lab;

// dotnet run --project samples/FhirDeid.Lab [-- FOLDER]                        the lab, each command shown as typed
// dotnet run --project samples/FhirDeid.Lab -- -File x.ps1 [arguments]         any other script, with the module loaded
const int Usage = 64, NoInput = 66;

bool lab = args is not [['-', ..], ..];
if (!lab && !(args[0].Equals("-File", StringComparison.OrdinalIgnoreCase) && args.Length > 1))
{
    Console.Error.WriteLine("Usage: FhirDeid.Lab [FOLDER] | FhirDeid.Lab -File SCRIPT [ARGUMENTS]");
    return Usage;
}

string file = lab ? Metadata("Script") : Path.GetFullPath(args[1]);
if (!File.Exists(file))
{
    Console.Error.WriteLine($"The script '{file}' does not exist.");
    return NoInput;
}

InitialSessionState state = InitialSessionState.CreateDefault2();
state.ImportPSModule([Path.Combine(Metadata("ModuleFolder"), "FhirDeid.PowerShell.psd1")]);
if (OperatingSystem.IsWindows()) state.ExecutionPolicy = Microsoft.PowerShell.ExecutionPolicy.RemoteSigned;

Terminal terminal = new();
using Runspace runspace = RunspaceFactory.CreateRunspace(new TerminalHost(terminal), state);
runspace.Open();

// A stop, not an end: the script's finally blocks run.
ScriptRun run = new(runspace, terminal);
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using PosixSignalRegistration hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);

return lab ? run.ShowAndRun(file, args) : run.Run(file, args[2..]);

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    run.Stop();
}

static string Metadata(string key) =>
    Assembly.GetExecutingAssembly().GetCustomAttributes<AssemblyMetadataAttribute>().Single(data => data.Key == key).Value!;
