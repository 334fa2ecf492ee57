using System.Management.Automation;
using FhirDeid.PowerShell.Connect;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Uploads an anonymization configuration to container 'anonymization' of the export storage account, where the FHIR service reads it, and pins it by its ETag.</summary>
/// <remarks>
/// <para>The configuration is tested first: with an error it is refused, and what the service would ignore is warned of; Test-AnonymizationConfig lists both. A configuration without any rule that changes something is refused too: an export with it would hold identified data. What was written is read back and compared.</para>
/// <para>The blob holds the keys: keep readers of the exported data away from that container. With -ContentAddressed its name ends with its SHA-256, so that another version is another blob and the export's manifest names exactly what was used. The hash gives away nothing of random keys; a short key of your own could be tried out against it.</para>
/// </remarks>
/// <example><code>New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig</code>Uploads SafeHarbor.json.</example>
/// <example><code>Publish-AnonymizationConfig ./study-7.json | Start-FhirDeidExport -Container research</code>Uploads a file and starts an export that uses exactly this version of it.</example>
/// <example><code>Publish-AnonymizationConfig -Path ./study-7.json -Name studies/7.json -Force</code>Replaces an earlier version. Exports under way that pinned it will fail rather than mix two versions.</example>
/// <example><code>Publish-AnonymizationConfig -Path ./study-7.json -ContentAddressed</code>Uploads it as study-7-(SHA-256).json, beside earlier versions.</example>
[Cmdlet(VerbsData.Publish, "AnonymizationConfig", DefaultParameterSetName = ByConfig, SupportsShouldProcess = true)]
[OutputType(typeof(PublishedAnonymizationConfig))]
public sealed class PublishAnonymizationConfigCommand : ConnectedCommand
{
    private const string ByConfig = "Config";
    private const string ByPath = "Path";
    private const int MaxFindingsShown = 5;

    /// <summary>The configuration: an object of New-AnonymizationConfig, the path of a file, or JSON text.</summary>
    [Parameter(ParameterSetName = ByConfig, Mandatory = true, Position = 0, ValueFromPipeline = true)]
    public AnonymizationConfigArgument? Config { get; set; }

    /// <summary>The configuration's file.</summary>
    [Parameter(ParameterSetName = ByPath, Mandatory = true)]
    [ValidateNotBlank]
    public string Path { get; set; } = "";

    /// <summary>Blob name; the configuration's own name with .json where it is not given.</summary>
    [Parameter]
    [ValidateNotBlank]
    public string? Name { get; set; }

    /// <summary>Ends the blob name with the SHA-256 of the configuration.</summary>
    [Parameter]
    public SwitchParameter ContentAddressed { get; set; }

    /// <summary>Replaces a different configuration of the same name.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        AnonymizationConfigArgument argument = Config ?? new AnonymizationConfigArgument(new FileInfo(await pipeline.InvokeAsync(() => this.FullPath(Path))));
        (string json, string given) = await argument.TextAsync(this, pipeline, cancellation);
        RefuseErrors(given, json);
        AnonymizationConfig config = await argument.ReadAsync(this, pipeline, cancellation);
        foreach (string warning in config.Warnings) pipeline.WriteWarning(warning);
        string name = Name ?? (config.Name.EndsWith(".json", StringComparison.OrdinalIgnoreCase) ? config.Name : config.Name + ".json");
        if (ContentAddressed) name = $"{System.IO.Path.ChangeExtension(name, null)}-{config.Sha256}{System.IO.Path.GetExtension(name)}";
        if (!await pipeline.ShouldProcessAsync($"anonymization/{name} in storage account {Connection.Context.StorageAccountName}", "Upload configuration")) return;

        await pipeline.WriteObjectAsync(await Connection.PublishConfigAsync(config, name, Force, cancellation));
    }

    private static void RefuseErrors(string name, string json)
    {
        AnonymizationConfigFinding[] errors = [.. Engine.Anonymization.Test(json).Where(finding => finding.Severity == AnonymizationConfigSeverity.Error)];
        if (errors.Length == 0) return;
        string more = errors.Length > MaxFindingsShown ? $" … and {errors.Length - MaxFindingsShown} more." : "";
        throw new FhirDeidException(errors[0].Id switch { "KeyEmpty" => "KeyMissing", "KeepsEverything" => "ConfigKeepsEverything", _ => "ConfigInvalid" }, FhirDeidErrorCategory.InvalidData,
            $"The configuration '{name}' is not published: {string.Join(" ", errors.Take(MaxFindingsShown).Select(error => $"Line {error.Line}: {error.Message}"))}{more}",
            errors.Length == 1 ? errors[0].Fix : "Test-AnonymizationConfig lists all of it, with what to do.", name);
    }
}
