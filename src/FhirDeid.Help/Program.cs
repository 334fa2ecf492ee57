using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Xml.Linq;
using FhirDeid.Help;
using PS = System.Management.Automation.PowerShell;

if (args is not [string module, string documentation, string output])
{
    Console.Error.WriteLine("usage: FhirDeid.Help MODULE.psd1 DOCUMENTATION.xml OUTPUT.xml");
    return 2;
}

InitialSessionState state = InitialSessionState.CreateDefault2();
state.ImportPSModule([module]);
using Runspace runspace = RunspaceFactory.CreateRunspace(state);
runspace.Open();
using PS shell = PS.Create(runspace);
shell.AddCommand("Get-Command").AddParameter("Module", Path.GetFileNameWithoutExtension(module)).AddParameter("CommandType", CommandTypes.Cmdlet);

Directory.CreateDirectory(Path.GetDirectoryName(output)!);
Maml.Write(shell.Invoke<CmdletInfo>(), XDocument.Load(documentation)).Save(output);
return 0;
