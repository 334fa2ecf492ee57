using System.Management.Automation;
using FhirDeid.PowerShell.Connect;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Setup;

/// <summary>Checks everything that a de-identified export needs, one row a check, each with the command that puts it right. Changes nothing.</summary>
/// <remarks>A connection by URL alone skips the checks that need the resource manager. Roles that you have by a group are not seen; whether you may export and reach the storage account is asked there itself.</remarks>
/// <example><code>Test-FhirDeidReadiness</code>Shows all checks.</example>
/// <example><code>Test-FhirDeidReadiness | Where-Object Status -eq Failed | Format-List</code>Shows what keeps an export from working, and what to do.</example>
/// <example><code>if ((Test-FhirDeidReadiness).Status -contains 'Failed') { throw 'not ready' }</code>Guards a script.</example>
[Cmdlet(VerbsDiagnostic.Test, "FhirDeidReadiness")]
[OutputType(typeof(FhirDeidCheck))]
public sealed class TestFhirDeidReadinessCommand : ConnectedCommand
{
    /// <inheritdoc/>
    protected override async Task EndAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        await foreach (FhirDeidCheck check in Connection.CheckReadinessAsync(cancellation)) await pipeline.WriteObjectAsync(check);
    }
}
