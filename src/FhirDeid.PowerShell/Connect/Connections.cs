using System.Management.Automation.Runspaces;
using System.Runtime.CompilerServices;

namespace FhirDeid.PowerShell.Connect;

/// <summary>The connection of each runspace. Not one for the process: Azure Automation runs several jobs in one.</summary>
internal static class Connections
{
    private static readonly ConditionalWeakTable<Runspace, IFhirDeidConnection> s_connections = [];

    public static IFhirDeidConnection? Find(Runspace runspace) => s_connections.TryGetValue(runspace, out IFhirDeidConnection? connection) ? connection : null;

    public static IFhirDeidConnection Get(Runspace runspace) => Find(runspace) ??
        throw new FhirDeidException("NotConnected", FhirDeidErrorCategory.InvalidOperation, "This session is not connected to a FHIR service.",
            "Run Connect-FhirDeid first, in the same session or runspace.");

    public static void Set(Runspace runspace, IFhirDeidConnection connection) => s_connections.AddOrUpdate(runspace, connection);

    public static void Remove(Runspace runspace) => s_connections.Remove(runspace);
}
