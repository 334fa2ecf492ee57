using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Connect;

/// <summary>Forgets the connection of this session and its tokens. Exports under way go on.</summary>
/// <example><code>Disconnect-FhirDeid</code>Ends the connection; it is no error when there is none.</example>
[Cmdlet(VerbsCommunications.Disconnect, "FhirDeid")]
[OutputType(typeof(void))]
public sealed class DisconnectFhirDeidCommand : FhirDeidCommand
{
    /// <inheritdoc/>
    protected override Task EndAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        Connections.Remove(Runspace);
        return Task.CompletedTask;
    }
}
