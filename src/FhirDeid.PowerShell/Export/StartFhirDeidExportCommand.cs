using System.Management.Automation;
using FhirDeid.PowerShell.Connect;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Export;

/// <summary>Starts a de-identified export of the FHIR service into a container. A blank configuration is refused before anything is sent: the service would export identified data without a word.</summary>
/// <remarks>The ETag pins the configuration: replaced meanwhile, it makes the export fail instead of mixing two versions.</remarks>
/// <example><code>$published | Start-FhirDeidExport -Container research | Wait-FhirExport</code>Exports all data with a published configuration and waits for the end.</example>
/// <example><code>$published | Start-FhirDeidExport -Container research -ResourceType Patient, Observation -Since 2026-01-01</code>Exports two resource types, and of them what has changed since.</example>
/// <example><code>Start-FhirDeidExport -Container research -ConfigName study-7.json -ConfigETag '"0x8DC5F2A1B3C4D5E"'</code>Names the configuration by hand.</example>
/// <example><code>$published | Start-FhirDeidExport -Container research -Group study-7</code>Exports the patients of a Group and what belongs to them, where the service supports that.</example>
[Cmdlet(VerbsLifecycle.Start, "FhirDeidExport", DefaultParameterSetName = AtSystemLevel, SupportsShouldProcess = true)]
[Alias("Start-FhirExport")]
[OutputType(typeof(FhirExport))]
public sealed class StartFhirDeidExportCommand : ConnectedCommand
{
    private const string KeyContainer = "anonymization";
    private const string AtSystemLevel = "System";
    private const string AtPatientLevel = "Patient";
    private const string AtGroupLevel = "Group";

    /// <summary>Container of the export storage account that the files go to.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [Alias("ContainerName")]
    [ValidateNotBlank]
    public string Container { get; set; } = "";

    /// <summary>Blob name of the published configuration.</summary>
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotBlank]
    public string ConfigName { get; set; } = "";

    /// <summary>ETag of the published configuration.</summary>
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotBlank]
    public string ConfigETag { get; set; } = "";

    /// <summary>SHA-256 of the published configuration, for the record.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotBlank]
    public string? ConfigSha256 { get; set; }

    /// <summary>Resource types to export; all where none is given.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(FhirResourceTypeCompleter))]
    [ValidateFhirResourceType]
    public string[] ResourceType { get; set; } = [];

    /// <summary>Exports only resources that have changed since then.</summary>
    [Parameter]
    [IsoTime]
    public DateTimeOffset? Since { get; set; }

    /// <summary>Exports resources as they were before then; the time of the start where it is not given. An export that begins where another has ended misses nothing.</summary>
    [Parameter]
    [IsoTime]
    public DateTimeOffset? Until { get; set; }

    /// <summary>Exports all patients and what belongs to them. A resource that belongs to several is exported several times.</summary>
    [Parameter(ParameterSetName = AtPatientLevel, Mandatory = true)]
    public SwitchParameter Patient { get; set; }

    /// <summary>Logical id of a Group: exports its patients and what belongs to them, but not the Group itself.</summary>
    [Parameter(ParameterSetName = AtGroupLevel, Mandatory = true)]
    [Alias("GroupId")]
    [ValidateNotBlank]
    public string Group { get; set; } = "";

    /// <summary>Resources that a worker of the service reads at a time, 1 to 10000: fewer where the service ran out of memory.</summary>
    [Parameter]
    [ValidateRange(1, 10_000)]
    public int? MaxCount { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (Container.Equals(KeyContainer, StringComparison.OrdinalIgnoreCase))
        {
            pipeline.WriteWarning($"Container '{KeyContainer}' holds the configurations with their keys: whoever may read the exported files there may also read the keys. Choose another container.");
        }
        FhirExportLevel level = Enum.Parse<FhirExportLevel>(ParameterSetName);
        if (level != FhirExportLevel.System)
        {
            pipeline.WriteWarning("Azure documents de-identified export at system level only. The service's source does it at this level too, but yours may refuse it; look at what it exports.");
        }
        if (!await pipeline.ShouldProcessAsync($"{Connection.Context.FhirServiceUri} to container {Container}", $"Start export with configuration {ConfigName}")) return;

        FhirExportRequest request = new()
        {
            Container = Container,
            ConfigName = ConfigName,
            ConfigETag = ConfigETag,
            ConfigSha256 = ConfigSha256 ?? "",
            ResourceType = ResourceType,
            Since = Since,
            Until = Until,
            Level = level,
            GroupId = Group,
            MaxCount = MaxCount,
        };
        await pipeline.WriteObjectAsync(await Connection.StartExportAsync(request, cancellation));
    }
}
