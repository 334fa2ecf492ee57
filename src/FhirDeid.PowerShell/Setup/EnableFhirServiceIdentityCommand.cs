using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Setup;

/// <summary>Switches on the system-assigned managed identity of the FHIR service, as which it writes exports. User-assigned identities stay; an identity that is on stays as it is.</summary>
/// <remarks>Azure takes minutes for it, at times half an hour. An identity that was off before is a new one, and needs its roles anew: Grant-FhirExportAccess.</remarks>
/// <example><code>Enable-FhirServiceIdentity</code>Switches the identity on and shows its object id; Changed tells whether it was off.</example>
/// <example><code>Enable-FhirServiceIdentity -WhatIf</code>Tells whether there is something to do.</example>
/// <example><code>Enable-FhirServiceIdentity; Grant-FhirExportAccess -StorageAccountName contosoexports</code>Switches it on and gives it its roles.</example>
[Cmdlet(VerbsLifecycle.Enable, "FhirServiceIdentity", SupportsShouldProcess = true)]
[OutputType(typeof(FhirServiceIdentity))]
public sealed class EnableFhirServiceIdentityCommand : SetupCommand
{
    /// <summary>How long to wait for Azure, in seconds; an hour where it is not given. Azure goes on afterwards.</summary>
    [Parameter]
    [ValidateRange(1, 86400)]
    public int TimeoutSeconds { get; set; } = 3600;

    /// <inheritdoc/>
    protected override async Task EndAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (await EnableIdentityAsync(TimeSpan.FromSeconds(TimeoutSeconds), pipeline, cancellation) is { } identity) await pipeline.WriteObjectAsync(identity);
    }
}
