using System.Management.Automation;
using FhirDeid.PowerShell.Connect;

namespace FhirDeid.PowerShell.Export;

/// <summary>A cmdlet that takes exports from the pipeline, property by property: as they are, or as they come back from Import-Clixml and ConvertFrom-Json.</summary>
public abstract class FhirExportCommand : ConnectedCommand
{
    /// <summary>Status URL of the export: the Content-Location that the service answered at kick-off.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    public virtual Uri StatusUri { get; set; } = null!;

    /// <summary>The service's job id.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public virtual string? JobId { get; set; }

    /// <summary>Where the export stood when it was last asked for.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public FhirExportStatus Status { get; set; }

    /// <summary>Base URL of the FHIR service.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public Uri? FhirServiceUri { get; set; }

    /// <summary>Whose data the export takes.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public FhirExportLevel Level { get; set; }

    /// <summary>Logical id of the Group, at group level.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? GroupId { get; set; }

    /// <summary>Storage account that the files go to.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? StorageAccountName { get; set; }

    /// <summary>Container that the files go to.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public virtual string? Container { get; set; }

    /// <summary>Blob name of the anonymization configuration. Without it the export cannot be told from an identified one.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? ConfigName { get; set; }

    /// <summary>ETag that pins the configuration.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? ConfigETag { get; set; }

    /// <summary>SHA-256 of the configuration.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? ConfigSha256 { get; set; }

    /// <summary>When the export was started.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    [DeserializedTime]
    public DateTimeOffset StartedAt { get; set; }

    /// <summary>The manifest's transactionTime.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    [DeserializedTime]
    public DateTimeOffset? TransactionTime { get; set; }

    /// <summary>The manifest's request.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public Uri? Request { get; set; }

    /// <summary>The manifest's files.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public FhirExportFile[]? Output { get; set; }

    /// <summary>What went wrong.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string[]? Issues { get; set; }

    /// <summary>The export that the parameters describe.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.StatusUriInvalid</c>: the status URL is no URL, such as a job id alone.</exception>
    private protected FhirExport Export => !StatusUri.IsAbsoluteUri ? throw NoStatusUri() : new()
    {
        StatusUri = StatusUri,
        JobId = JobId ?? StatusUri.Segments[^1].Trim('/'),
        Status = Status,
        FhirServiceUri = FhirServiceUri ?? Connection.Context.FhirServiceUri,
        Level = Level,
        GroupId = GroupId ?? "",
        StorageAccountName = StorageAccountName ?? Connection.Context.StorageAccountName,
        Container = Container ?? "",
        ConfigName = ConfigName ?? "",
        ConfigETag = ConfigETag ?? "",
        ConfigSha256 = ConfigSha256 ?? "",
        StartedAt = StartedAt,
        TransactionTime = TransactionTime,
        Request = Request,
        Output = Output ?? [],
        Issues = Issues ?? [],
    };

    /// <summary>The export, asked for anew unless its files are known already.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ExportInProgress</c>, <c>FhirDeid.ExportFailed</c>, <c>FhirDeid.ExportCancelled</c>, <c>FhirDeid.NotDeidentified</c>: its files must not be used.</exception>
    private protected async Task<FhirExport> CompletedExportAsync(CancellationToken cancellation)
    {
        FhirExport export = Export;
        if (export.Status == FhirExportStatus.InProgress || export.Output.Length == 0) export = await Connection.GetExportAsync(export, cancellation);
        return export.EndError() is { } error ? throw error : export;
    }

    private FhirDeidException NoStatusUri() =>
        new("StatusUriInvalid", FhirDeidErrorCategory.InvalidArgument, $"'{StatusUri.OriginalString}' is not the status URL of an export.",
            "Give StatusUri of the export, as Start-FhirDeidExport returned it. With the job id alone: Get-FhirExport -JobId.", StatusUri);
}
