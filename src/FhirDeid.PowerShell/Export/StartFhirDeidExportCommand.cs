using System.Management.Automation;
using FhirDeid.PowerShell.Connect;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Export;

/// <summary>Starts a de-identified export of the FHIR service into a container. A blank configuration is refused before anything is sent: the service would export identified data without a word.</summary>
/// <remarks>The ETag pins the configuration: replaced meanwhile, it makes the export fail instead of mixing two versions.</remarks>
/// <example><code>$published | Start-FhirDeidExport -Container research | Wait-FhirExport</code>Exports all data with a published configuration and waits for the end.</example>
/// <example><code>$published | Start-FhirDeidExport -Container research -ResourceType Patient, Observation -Since 2026-01-01</code>Exports two resource types, and of them what has changed since.</example>
/// <example><code>Start-FhirDeidExport -Container research -ConfigName study-7.json -ConfigETag '"0x8DC5F2A1B3C4D5E"'</code>Names the configuration by hand.</example>
[Cmdlet(VerbsLifecycle.Start, "FhirDeidExport", SupportsShouldProcess = true)]
[Alias("Start-FhirExport")]
[OutputType(typeof(FhirExport))]
public sealed class StartFhirDeidExportCommand : ConnectedCommand
{
    private const string KeyContainer = "anonymization";

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
    public DateTimeOffset? Since { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (Container.Equals(KeyContainer, StringComparison.OrdinalIgnoreCase))
        {
            pipeline.WriteWarning($"Container '{KeyContainer}' holds the configurations with their keys: whoever may read the exported files there may also read the keys. Choose another container.");
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
        };
        await pipeline.WriteObjectAsync(await Connection.StartExportAsync(request, cancellation));
    }
}
