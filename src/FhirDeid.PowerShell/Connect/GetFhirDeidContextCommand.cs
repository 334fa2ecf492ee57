using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Connect;

/// <summary>Shows who is connected where in this session; nothing when it is not connected.</summary>
/// <example><code>Get-FhirDeidContext</code>Shows the FHIR service, the storage account, the credential and when its token ends.</example>
[Cmdlet(VerbsCommon.Get, "FhirDeidContext")]
[OutputType(typeof(FhirDeidContext))]
public sealed class GetFhirDeidContextCommand : FhirDeidCommand
{
    /// <inheritdoc/>
    protected override async Task EndAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (Connections.Find(Runspace) is { } connection) await pipeline.WriteObjectAsync(connection.Context);
    }
}
