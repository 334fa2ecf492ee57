using System.Management.Automation;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Shows what a configuration does to resources, value by value: before, after, and the rule that decided.</summary>
/// <remarks>The output holds the data as it was: treat it like the data. Nothing is written anywhere else. A change without Before is a value that is added: by a substitute, or, with rule 0, a label in meta.security that says what was done. A change without After is a value that is removed. A warning names the rules that matched nothing in the sample.</remarks>
/// <example><code>Get-Content ./raw/Patient.ndjson -TotalCount 5 | Compare-FhirDeidResource -Config ./study-7.json</code>Shows what changes in five patients.</example>
/// <example><code>Compare-FhirDeidResource -Path ./raw -Config ./study-7.json -Summary</code>Counts by rule what the rules do, and shows which of them match nothing.</example>
/// <example><code>$resource | Compare-FhirDeidResource -Config $config | Where-Object Method -eq dateShift</code>Shows what happens to dates.</example>
[Cmdlet(VerbsData.Compare, "FhirDeidResource", DefaultParameterSetName = ByResource)]
[OutputType(typeof(FhirElementChange), typeof(FhirRuleSummary))]
public sealed class CompareFhirDeidResourceCommand : FhirDeidCommand
{
    private const string ByResource = "Resource";
    private const string ByPath = "Path";
    private const string ByLiteralPath = "LiteralPath";

    private IResourcePreview _preview = null!;
    private long _seen;

    /// <summary>Resources as JSON, one a text.</summary>
    [Parameter(ParameterSetName = ByResource, Mandatory = true, ValueFromPipeline = true)]
    [AllowEmptyString]
    public string[] Resource { get; set; } = [];

    /// <summary>Files, or folders with such: NDJSON with a resource a line, or JSON with one resource or Bundle, packed by gzip or not; wildcards are allowed.</summary>
    [Parameter(ParameterSetName = ByPath, Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>Files or folders, without wildcards: what Get-ChildItem writes to the pipeline.</summary>
    [Parameter(ParameterSetName = ByLiteralPath, Mandatory = true, ValueFromPipelineByPropertyName = true)]
    [Alias("FullName", "PSPath")]
    [ValidateNotNullOrEmpty]
    public string[] LiteralPath { get; set; } = [];

    /// <summary>The configuration: an object of New-AnonymizationConfig, the path of a file, or JSON text.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [Alias("Configuration")]
    public AnonymizationConfigArgument Config { get; set; } = null!;

    /// <summary>Writes one object a rule, with counts, and no values.</summary>
    [Parameter]
    public SwitchParameter Summary { get; set; }

    /// <inheritdoc/>
    protected override async Task BeginAsync(IPipeline pipeline, CancellationToken cancellation) =>
        _preview = Engine.Analysis.Preview((await Config.TextAsync(this, pipeline, cancellation)).Json);

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        foreach (string resource in Resource)
        {
            if (!resource.TrimStart().StartsWith('{') && await pipeline.InvokeAsync(() => this.Exists(resource)))
                await pipeline.WriteErrorAsync(new FhirDeidException("ResourceExpected", FhirDeidErrorCategory.InvalidArgument, $"'{resource}' in the pipeline is the path of a file or folder, not a resource.", "Give it to -Path, or pipe it as Get-Item writes it.", resource));
            else if (!string.IsNullOrWhiteSpace(resource)) await WriteAsync(() => _preview.Compare(resource), pipeline);
        }
        foreach (string path in await pipeline.InvokeAsync(() => Path.SelectMany(this.ExistingPaths).Concat(LiteralPath.Select(this.FullPath)).ToList()))
        {
            try
            {
                foreach (string file in SampleFiles.Of(path))
                {
                    await foreach (FhirResourceText resource in Engine.Analysis.ReadAsync(file, cancellation)) await WriteAsync(() => _preview.Compare(resource), pipeline);
                }
            }
            catch (FhirDeidException error)
            {
                await pipeline.WriteErrorAsync(error);
            }
        }
    }

    /// <inheritdoc/>
    protected override async Task EndAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        using IResourcePreview preview = _preview;
        if (Summary)
        {
            foreach (FhirRuleSummary rule in preview.Rules) await pipeline.WriteObjectAsync(rule);
            return;
        }
        // Where nothing could be looked at there is no sample to speak of.
        if (_seen == 0) return;
        int[] idle = [.. preview.Rules.Where(rule => rule.Matched == 0).Select(rule => rule.Rule)];
        if (idle.Length > 0) pipeline.WriteWarning($"Rules that matched nothing in the sample: {string.Join(", ", idle)}.");
    }

    private async Task WriteAsync(Func<IReadOnlyList<FhirElementChange>> compare, IPipeline pipeline)
    {
        try
        {
            IReadOnlyList<FhirElementChange> changes = compare();
            _seen++;
            if (Summary) return;
            foreach (FhirElementChange change in changes) await pipeline.WriteObjectAsync(change);
        }
        catch (FhirDeidException error)
        {
            await pipeline.WriteErrorAsync(error);
        }
    }
}
