using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Export;

/// <summary>Cancels an export that the FHIR service is running. Files that it has already written stay where they are; they are incomplete.</summary>
/// <remarks>An export that has completed is left alone, with a warning: cancelling it would take away the list of its files. One that has failed is cancelled too, because some of its workers may still write. One that was cancelled before gives a warning and no error; one that the service does not know is an error.</remarks>
/// <example><code>$export | Stop-FhirExport</code>Cancels an export.</example>
/// <example><code>$export = $export | Stop-FhirExport -PassThru</code>Cancels an export and keeps it with its status, Cancelled.</example>
[Cmdlet(VerbsLifecycle.Stop, "FhirExport", SupportsShouldProcess = true)]
[OutputType(typeof(FhirExport))]
public sealed class StopFhirExportCommand : FhirExportCommand
{
    /// <summary>Returns the export as it is after the cancellation.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (!await pipeline.ShouldProcessAsync(StatusUri, "Cancel export")) return;

        FhirExport export = await Connection.CancelExportAsync(Export, cancellation);
        Note(export);
        if (export.Status != FhirExportStatus.Cancelled) pipeline.WriteWarning($"Export {export.JobId} had already ended with status {export.Status}: there was nothing to cancel, and its files stay.");
        else if (Status == FhirExportStatus.Cancelled) pipeline.WriteWarning($"Export {export.JobId} had already been cancelled.");
        if (PassThru) await pipeline.WriteObjectAsync(export);
    }
}
