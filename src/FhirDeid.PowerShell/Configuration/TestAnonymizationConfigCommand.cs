using System.Management.Automation;
using System.Text;
using FhirDeid.PowerShell.Export;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Says everything that is wrong with anonymization configurations: what the FHIR service would refuse or find out too late, and what cannot work as it is meant. With -Coverage: what they do to every element that can hold an identifier.</summary>
/// <remarks>Findings are objects; without any, nothing is written. Those with severity Error keep Publish-AnonymizationConfig from accepting the configuration, and with -ErrorAction Stop they end a script. docs/diagnostics explains each by its Id.</remarks>
/// <example><code>Test-AnonymizationConfig ./study-7.json</code>Lists the findings with line, rule and what to do.</example>
/// <example><code>if (-not (Test-AnonymizationConfig ./study-7.json -Quiet)) { throw 'The configuration is not fit for use.' }</code>Asks in a script whether the configuration has no error.</example>
/// <example><code>Test-AnonymizationConfig ./study-7.json -ErrorAction Stop</code>Ends a runbook at a configuration with an error.</example>
/// <example><code>New-AnonymizationConfig SafeHarbor | Test-AnonymizationConfig -Coverage</code>Shows, for each identifier of 45 CFR 164.514(b)(2), how many elements can hold it and what becomes of them.</example>
/// <example><code>(Test-AnonymizationConfig ./study-7.json -Coverage -ResourceType Patient -SampleData ./raw).Elements | Where-Object { $_.Effect -eq 'Unchanged' -and $_.Found }</code>Lists the elements of Patient that stay as they are and occur in the data.</example>
[Cmdlet(VerbsDiagnostic.Test, "AnonymizationConfig", DefaultParameterSetName = ByPath)]
[OutputType(typeof(AnonymizationConfigFinding), typeof(bool), typeof(AnonymizationCoverage))]
public sealed class TestAnonymizationConfigCommand : FhirDeidCommand
{
    private const long MostBytes = 5L << 20;
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

    /// <summary>The configuration: an object of New-AnonymizationConfig, the path of a file, or JSON text.</summary>
    [Parameter(ParameterSetName = ByConfig, Mandatory = true, ValueFromPipeline = true)]
    public AnonymizationConfigArgument? Config { get; set; }

    /// <summary>Writes for each configuration whether it has no finding of severity Error, and nothing else.</summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    /// <summary>Writes what the configuration does to every R4 element that can hold an identifier, one object a category; property Elements has the elements.</summary>
    [Parameter]
    public SwitchParameter Coverage { get; set; }

    /// <summary>With -Coverage: resource types to look at; all where none is given.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(FhirResourceTypeCompleter))]
    [ValidateFhirResourceType]
    public string[] ResourceType { get; set; } = [];

    /// <summary>With -Coverage: NDJSON or JSON files, or folders with such, packed by gzip or not, in which to count the elements. Codes and systems that hold words are listed under A-R. Values are not read into the result.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[]? SampleData { get; set; }

    /// <inheritdoc/>
    protected override Task BeginAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (!Coverage && (SampleData is not null || ResourceType.Length > 0))
            throw new FhirDeidException("CoverageRequired", FhirDeidErrorCategory.InvalidArgument, "-SampleData and -ResourceType say what -Coverage looks at.", "Add -Coverage, or leave them out.");
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (Config is { GivenPath: null } config)
        {
            (string json, string name) = await config.TextAsync(this, pipeline, cancellation);
            await WriteAsync(name, Encoding.UTF8.GetBytes(json), pipeline, cancellation);
            return;
        }
        foreach (string file in await pipeline.InvokeAsync(() => Path.SelectMany(this.ExistingPaths).Concat(LiteralPath.Append(Config?.GivenPath).OfType<string>().Select(this.FullPath)).ToList()))
        {
            try
            {
                await WriteAsync(file, await ReadAsync(file, cancellation), pipeline, cancellation);
            }
            catch (FhirDeidException error)
            {
                await pipeline.WriteErrorAsync(error);
            }
        }
    }

    private async Task WriteAsync(string name, byte[] file, IPipeline pipeline, CancellationToken cancellation)
    {
        if (Coverage)
        {
            List<string>? samples = SampleData is null ? null : [.. (await pipeline.InvokeAsync(() => SampleData.SelectMany(this.ExistingPaths).ToList())).SelectMany(SampleFiles.Of)];
            foreach (AnonymizationCoverage category in await Engine.Analysis.CoverAsync(Encoding.UTF8.GetString(file), ResourceType, samples, cancellation)) await pipeline.WriteObjectAsync(category);
            return;
        }
        IReadOnlyList<AnonymizationConfigFinding> findings = Engine.Analysis.Test(file);
        int errors = findings.Count(finding => finding.Severity == AnonymizationConfigSeverity.Error);
        if (Quiet)
        {
            await pipeline.WriteObjectAsync(errors == 0);
            return;
        }
        foreach (AnonymizationConfigFinding finding in findings) await pipeline.WriteObjectAsync(finding);
        if (errors > 0 && await pipeline.InvokeAsync(IsToStop))
        {
            throw new FhirDeidException("ConfigInvalid", FhirDeidErrorCategory.InvalidData, $"The configuration '{name}' has {errors} error{(errors == 1 ? "" : "s")}. Line {findings[0].Line}: {findings[0].Message}", findings[0].Fix, name);
        }
    }

    /// <summary>Findings are no errors of the command, unless a script asks to stop at errors.</summary>
    private bool IsToStop() => MyInvocation.BoundParameters.TryGetValue("ErrorAction", out object? action) && action is ActionPreference.Stop;

    private static async Task<byte[]> ReadAsync(string path, CancellationToken cancellation)
    {
        try
        {
            await using FileStream file = File.OpenRead(path);
            byte[] bytes = new byte[Math.Min(file.Length, MostBytes)];
            await file.ReadExactlyAsync(bytes, cancellation);
            return bytes;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new FhirDeidException("FileUnreadable", FhirDeidErrorCategory.ReadError, $"The configuration file '{path}' cannot be read: {exception.Message}", "Check the path and who may read it.", path, exception);
        }
    }
}
