using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Setup;

/// <summary>Shows the storage account that the FHIR service exports to, and whether its firewall lets the service in. StorageAccountName is empty where none is set.</summary>
/// <example><code>Get-FhirExportStorage</code>Shows the account.</example>
/// <example><code>(Get-FhirExportStorage).NetworkAccess</code>Tells whether the service gets through the account's firewall.</example>
/// <example><code>Get-FhirExportStorage | Grant-FhirExportAccess -BlobOnly</code>Gives the roles on it.</example>
[Cmdlet(VerbsCommon.Get, "FhirExportStorage")]
[OutputType(typeof(FhirExportStorage))]
public sealed class GetFhirExportStorageCommand : SetupCommand
{
    /// <inheritdoc/>
    protected override async Task EndAsync(IPipeline pipeline, CancellationToken cancellation) =>
        await pipeline.WriteObjectAsync(await ControlPlane.GetExportStorageAsync(cancellation));
}
