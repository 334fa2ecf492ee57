using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Reads anonymization configurations from files, as the FHIR service would: what it would refuse is an error here.</summary>
/// <remarks>Comments and trailing commas are accepted. The object holds the keys of the file and shows them nowhere but in its text.</remarks>
/// <example><code>Import-AnonymizationConfig ./study-7.json | Publish-AnonymizationConfig</code>Reads and publishes a file.</example>
/// <example><code>Import-AnonymizationConfig ./configs/*.json | Select-Object Name, Sha256</code>Compares what several files hold with what is published.</example>
[Cmdlet(VerbsData.Import, "AnonymizationConfig", DefaultParameterSetName = ByPath)]
[OutputType(typeof(AnonymizationConfig))]
public sealed class ImportAnonymizationConfigCommand : FhirDeidCommand
{
    private const string ByPath = "Path";
    private const string ByLiteralPath = "LiteralPath";

    /// <summary>Files; wildcards are allowed.</summary>
    [Parameter(ParameterSetName = ByPath, Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>Files, without wildcards: what Get-ChildItem writes to the pipeline.</summary>
    [Parameter(ParameterSetName = ByLiteralPath, Mandatory = true, ValueFromPipelineByPropertyName = true)]
    [Alias("FullName", "PSPath")]
    [ValidateNotNullOrEmpty]
    public string[] LiteralPath { get; set; } = [];

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        foreach (string file in await pipeline.InvokeAsync(() => Path.SelectMany(this.ExistingPaths).Concat(LiteralPath.Select(this.FullPath)).ToList()))
        {
            try
            {
                await pipeline.WriteObjectAsync(await new AnonymizationConfigArgument(new FileInfo(file)).ReadAsync(this, pipeline, cancellation));
            }
            catch (FhirDeidException error)
            {
                await pipeline.WriteErrorAsync(error);
            }
        }
    }
}
