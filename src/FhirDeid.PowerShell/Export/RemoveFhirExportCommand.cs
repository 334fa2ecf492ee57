using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Export;

/// <summary>Ends the record of an export that has ended: the FHIR service forgets it, and so does the journal here. With -DeleteFiles its files are deleted before.</summary>
/// <remarks>
/// <para>Afterwards nobody can ask the service any more which files belong to the export: receive and share them first. Receive-FhirExport -Verify still checks what was received.</para>
/// <para>The files are those that the service's list names; the container is never searched. An export that was cancelled, or has failed, has no such list: what it has left is in the folder of the container whose name ends with its job id. An account with soft delete keeps deleted files for a while.</para>
/// <para>It asks before it removes anything: in a runbook give -Confirm:$false. An export that is removed already is no error.</para>
/// </remarks>
/// <example><code>$export | Remove-FhirExport</code>Ends the record of an export, and leaves its files.</example>
/// <example><code>$export | Receive-FhirExport ./research; $export | Remove-FhirExport -DeleteFiles -Confirm:$false</code>Downloads an export, and leaves nothing of it in the storage account.</example>
/// <example><code>Get-FhirExport | Where-Object Status -eq NotDeidentified | Remove-FhirExport -DeleteFiles -WhatIf</code>Lists what would be deleted.</example>
[Cmdlet(VerbsCommon.Remove, "FhirExport", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(void))]
public sealed class RemoveFhirExportCommand : FhirExportCommand
{
    /// <summary>Deletes the files that the service lists for the export, with their snapshots.</summary>
    [Parameter]
    public SwitchParameter DeleteFiles { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        FhirExport export = Export;
        bool known = true;
        try
        {
            export = await Connection.GetExportAsync(export, cancellation);
        }
        catch (FhirDeidException gone) when (gone.ErrorId == "FhirDeid.ExportNotFound")
        {
            known = false;
        }
        if (known && export.Status == FhirExportStatus.InProgress) throw Running(export);

        bool listed = known && export.TransactionTime is not null;
        IReadOnlyList<Uri> files = DeleteFiles && listed ? Connection.StoredFiles(export) : [];
        if (DeleteFiles && !listed)
            pipeline.WriteWarning($"The service has no list of files of export {export.JobId}: what it has left in container '{export.Container}', in the folder whose name ends with -{export.JobId}, stays.");
        string what = $"Remove export {export.StatusUri}" + (files.Count > 0 ? $" and delete its files ({files.Count}) in container '{export.Container}' of storage account '{export.StorageAccountName}'" : "");
        string each = files.Count > 0 ? what + string.Concat(files.Select(file => $"{Environment.NewLine}  {file}")) : what;
        if (!await pipeline.ShouldProcessAsync(each, what + "?", "Remove export")) return;

        // The files first: without the export nobody knows them.
        if (files.Count > 0) await Connection.DeleteFilesAsync(export, pipeline.Progress, cancellation);
        if (known) await Connection.RemoveExportAsync(export, cancellation);
        InJournal(journal => journal.Remove(StatusUri));
    }

    private static FhirDeidException Running(FhirExport export) => new("ExportInProgress", FhirDeidErrorCategory.InvalidOperation,
        $"Export {export.JobId} has not ended: it is not removed.", "Wait for it with Wait-FhirExport, or cancel it with Stop-FhirExport.", export.StatusUri);
}
