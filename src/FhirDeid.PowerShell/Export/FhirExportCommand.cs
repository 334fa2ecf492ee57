using System.Management.Automation;
using FhirDeid.PowerShell.Connect;

namespace FhirDeid.PowerShell.Export;

/// <summary>A cmdlet that takes exports from the pipeline, property by property: as they are, or as they come back from Import-Clixml and ConvertFrom-Json.</summary>
public abstract class FhirExportCommand : ConnectedCommand
{
    /// <summary>Status URL of the export: the Content-Location that the service answered at kick-off.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    public Uri StatusUri { get; set; } = null!;

    /// <summary>The service's job id.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? JobId { get; set; }

    /// <summary>Where the export stood when it was last asked for.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public FhirExportStatus Status { get; set; }

    /// <summary>Base URL of the FHIR service.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public Uri? FhirServiceUri { get; set; }

    /// <summary>Storage account that the files go to.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? StorageAccountName { get; set; }

    /// <summary>Container that the files go to.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? Container { get; set; }

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
    private protected FhirExport Export => new()
    {
        StatusUri = StatusUri,
        JobId = JobId ?? StatusUri.Segments[^1].Trim('/'),
        Status = Status,
        FhirServiceUri = FhirServiceUri ?? Connection.Context.FhirServiceUri,
        StorageAccountName = StorageAccountName ?? "",
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
}
