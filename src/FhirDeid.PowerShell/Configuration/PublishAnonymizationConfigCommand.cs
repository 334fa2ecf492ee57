using System.Management.Automation;
using FhirDeid.PowerShell.Connect;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Uploads an anonymization configuration to container 'anonymization' of the export storage account, where the FHIR service reads it, and pins it by its ETag.</summary>
/// <remarks>The blob holds the keys: keep readers of the exported data away from that container. A configuration without any rule that changes something is refused: an export with it would hold identified data. What the service would ignore is warned of; Test-AnonymizationConfig lists it with lines.</remarks>
/// <example><code>New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig</code>Uploads SafeHarbor.json.</example>
/// <example><code>Publish-AnonymizationConfig -Path ./study-7.json | Start-FhirDeidExport -Container research</code>Uploads a file and starts an export that uses exactly this version of it.</example>
/// <example><code>Publish-AnonymizationConfig -Path ./study-7.json -Name studies/7.json -Force</code>Replaces an earlier version. Exports under way that pinned it will fail rather than mix two versions.</example>
[Cmdlet(VerbsData.Publish, "AnonymizationConfig", DefaultParameterSetName = ByConfig, SupportsShouldProcess = true)]
[OutputType(typeof(PublishedAnonymizationConfig))]
public sealed class PublishAnonymizationConfigCommand : ConnectedCommand
{
    private const string ByConfig = "Config";
    private const string ByPath = "Path";

    /// <summary>The configuration.</summary>
    [Parameter(ParameterSetName = ByConfig, Mandatory = true, Position = 0, ValueFromPipeline = true)]
    public AnonymizationConfig? Config { get; set; }

    /// <summary>The configuration's file.</summary>
    [Parameter(ParameterSetName = ByPath, Mandatory = true)]
    [ValidateNotBlank]
    public string Path { get; set; } = "";

    /// <summary>Blob name; the configuration's own name with .json where it is not given.</summary>
    [Parameter]
    [ValidateNotBlank]
    public string? Name { get; set; }

    /// <summary>Replaces a different configuration of the same name.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        AnonymizationConfig config = Config ?? await AnonymizationConfigArgument.ReadAsync(await pipeline.InvokeAsync(() => this.FullPath(Path)), cancellation);
        foreach (string warning in config.Warnings) pipeline.WriteWarning(warning);
        string name = Name ?? (config.Name.EndsWith(".json", StringComparison.OrdinalIgnoreCase) ? config.Name : config.Name + ".json");
        if (!await pipeline.ShouldProcessAsync($"anonymization/{name} in storage account {Connection.Context.StorageAccountName}", "Upload configuration")) return;

        await pipeline.WriteObjectAsync(await Connection.PublishConfigAsync(config, name, Force, cancellation));
    }
}
