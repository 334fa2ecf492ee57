namespace FhirDeid.PowerShell.Export;

/// <summary>What is wrong with an export whose files must not be used.</summary>
internal static class ExportErrors
{
    /// <summary>The error that a finished export stands for, or null when its files are good.</summary>
    public static FhirDeidException? Error(this FhirExport export) => export.Status switch
    {
        FhirExportStatus.Failed => new FhirDeidException("ExportFailed", FhirDeidErrorCategory.InvalidOperation,
            $"Export {export.JobId} failed: {string.Join(" ", export.Issues.DefaultIfEmpty("the service gave no reason."))}",
            "Resolve the reason and start a new export. Files that the failed one has left in the container are incomplete.", export.StatusUri),
        FhirExportStatus.NotDeidentified => new FhirDeidException("NotDeidentified", FhirDeidErrorCategory.SecurityError,
            $"Export {export.JobId} is not shown to be de-identified by configuration '{export.ConfigName}', and its files may hold identified data. {export.Issues.FirstOrDefault()}".TrimEnd(),
            $"Do not share container '{export.Container}'. Delete the files with Remove-FhirExport -DeleteFiles, and start the export again.", export.StatusUri),
        FhirExportStatus.Cancelled => new FhirDeidException("ExportCancelled", FhirDeidErrorCategory.InvalidOperation,
            $"Export {export.JobId} was cancelled: what it has left in container '{export.Container}' is incomplete.", "Start a new export.", export.StatusUri),
        _ => null,
    };

    /// <summary>The error of an export that has no files to read, or whose files must not be used; null when they are good.</summary>
    public static FhirDeidException? EndError(this FhirExport export) => export.Status == FhirExportStatus.InProgress
        ? new FhirDeidException("ExportInProgress", FhirDeidErrorCategory.InvalidOperation, $"Export {export.JobId} has not ended.", "Run Wait-FhirExport first.", export.StatusUri)
        : export.Error();

    /// <summary>What is known of a start that was cut off before the service had answered, and what to do.</summary>
    public static string CutOffStart(this FhirExport planned) =>
        $"At {planned.StartedAt:u} an export to container '{planned.Container}' of {planned.FhirServiceUri} {(planned.DeidentifyLocally ? "without de-identification" : $"with configuration '{planned.ConfigName}'")} was begun here, and what the service answered is not known: it may run. "
        + "If the service has taken it, a folder of that time comes up in the container within some minutes; the number behind the hyphen of its name is the job id for Get-FhirExport -JobId. If none does, start it again with Start-FhirDeidExport -Force.";
}
