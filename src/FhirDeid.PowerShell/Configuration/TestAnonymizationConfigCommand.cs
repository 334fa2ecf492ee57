using System.Management.Automation;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Says everything that is wrong with anonymization configurations: what the FHIR service would refuse or find out too late, and what it would ignore without a word.</summary>
/// <remarks>Findings are objects, not errors; without any, nothing is written. Those with severity Error keep Publish-AnonymizationConfig from accepting the configuration.</remarks>
/// <example><code>Test-AnonymizationConfig ./study-7.json</code>Lists the findings with line, rule and what to do.</example>
/// <example><code>if (-not (Test-AnonymizationConfig ./study-7.json -Quiet)) { throw 'The configuration is not fit for use.' }</code>Asks in a script whether the configuration has no error.</example>
/// <example><code>New-AnonymizationConfig SafeHarbor | Test-AnonymizationConfig</code>Tests a configuration object.</example>
[Cmdlet(VerbsDiagnostic.Test, "AnonymizationConfig", DefaultParameterSetName = ByPath)]
[OutputType(typeof(AnonymizationConfigFinding), typeof(bool))]
public sealed class TestAnonymizationConfigCommand : FhirDeidCommand
{
    private const string ByPath = "Path";
    private const string ByLiteralPath = "LiteralPath";
    private const string ByConfig = "Config";

    /// <summary>Files; wildcards are allowed.</summary>
    [Parameter(ParameterSetName = ByPath, Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>Files, without wildcards: what Get-ChildItem writes to the pipeline.</summary>
    [Parameter(ParameterSetName = ByLiteralPath, Mandatory = true, ValueFromPipelineByPropertyName = true)]
    [Alias("FullName", "PSPath")]
    [ValidateNotNullOrEmpty]
    public string[] LiteralPath { get; set; } = [];

    /// <summary>The configuration.</summary>
    [Parameter(ParameterSetName = ByConfig, Mandatory = true, ValueFromPipeline = true)]
    public AnonymizationConfig? Config { get; set; }

    /// <summary>Writes for each configuration whether it has no finding of severity Error, and nothing else.</summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (Config is { } config)
        {
            await WriteAsync(config.ToJson(), pipeline);
            return;
        }
        foreach (string file in await pipeline.InvokeAsync(() => Path.SelectMany(this.ExistingPaths).Concat(LiteralPath.Select(this.FullPath)).ToList()))
        {
            try
            {
                await WriteAsync(await AnonymizationConfigArgument.ReadTextAsync(file, cancellation), pipeline);
            }
            catch (FhirDeidException error)
            {
                await pipeline.WriteErrorAsync(error);
            }
        }
    }

    private async Task WriteAsync(string json, IPipeline pipeline)
    {
        IReadOnlyList<AnonymizationConfigFinding> findings = Engine.Anonymization.Test(json);
        if (Quiet)
        {
            await pipeline.WriteObjectAsync(findings.All(finding => finding.Severity != AnonymizationConfigSeverity.Error));
            return;
        }
        foreach (AnonymizationConfigFinding finding in findings) await pipeline.WriteObjectAsync(finding);
    }
}
