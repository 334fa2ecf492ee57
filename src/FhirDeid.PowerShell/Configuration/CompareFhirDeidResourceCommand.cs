using System.Management.Automation;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Shows what a configuration does to resources, value by value: before, after, and the rule that decided.</summary>
/// <remarks>The output holds the data as it was: treat it like the data. Nothing is written anywhere else. A warning names the rules that matched nothing in the sample.</remarks>
/// <example><code>Get-Content ./raw/Patient.ndjson -TotalCount 5 | Compare-FhirDeidResource -Configuration ./study-7.json</code>Shows what changes in five patients.</example>
/// <example><code>Compare-FhirDeidResource -Path ./raw/*.ndjson -Configuration ./study-7.json -Summary</code>Counts by rule what the rules do, and shows which of them match nothing.</example>
/// <example><code>$resource | Compare-FhirDeidResource -Configuration $config | Where-Object Method -eq dateShift</code>Shows what happens to dates.</example>
[Cmdlet(VerbsData.Compare, "FhirDeidResource", DefaultParameterSetName = ByResource)]
[OutputType(typeof(FhirElementChange), typeof(FhirRuleSummary))]
public sealed class CompareFhirDeidResourceCommand : FhirDeidCommand
{
    private const string ByResource = "Resource";
    private const string ByPath = "Path";
    private const string ByLiteralPath = "LiteralPath";

    private IResourcePreview _preview = null!;

    /// <summary>Resources as JSON, one a text.</summary>
    [Parameter(ParameterSetName = ByResource, Mandatory = true, ValueFromPipeline = true)]
    [AllowEmptyString]
    public string[] Resource { get; set; } = [];

    /// <summary>Files: NDJSON with a resource a line, or JSON with one resource or Bundle; wildcards are allowed.</summary>
    [Parameter(ParameterSetName = ByPath, Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>Files, without wildcards: what Get-ChildItem writes to the pipeline.</summary>
    [Parameter(ParameterSetName = ByLiteralPath, Mandatory = true, ValueFromPipelineByPropertyName = true)]
    [Alias("FullName", "PSPath")]
    [ValidateNotNullOrEmpty]
    public string[] LiteralPath { get; set; } = [];

    /// <summary>The configuration: an object, or the path of a file.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [Alias("Config")]
    public AnonymizationConfigArgument Configuration { get; set; } = null!;

    /// <summary>Writes one object a rule, with counts, and no values.</summary>
    [Parameter]
    public SwitchParameter Summary { get; set; }

    /// <inheritdoc/>
    protected override async Task BeginAsync(IPipeline pipeline, CancellationToken cancellation) =>
        _preview = Engine.Analysis.Preview(Configuration.Config?.ToJson() ??
            await AnonymizationConfigArgument.ReadTextAsync(await pipeline.InvokeAsync(() => this.FullPath(Configuration.Path)), cancellation));

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        foreach (string resource in Resource) await WriteAsync(resource, pipeline);
        foreach (string file in await pipeline.InvokeAsync(() => Path.SelectMany(this.ExistingPaths).Concat(LiteralPath.Select(this.FullPath)).ToList()))
        {
            IAsyncEnumerable<string> texts = System.IO.Path.GetExtension(file).Equals(".json", StringComparison.OrdinalIgnoreCase) ? Whole(file, cancellation) : File.ReadLinesAsync(file, cancellation);
            try
            {
                await foreach (string text in texts) await WriteAsync(text, pipeline);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                await pipeline.WriteErrorAsync(new FhirDeidException("FileUnreadable", FhirDeidErrorCategory.ReadError, $"The file '{file}' cannot be read: {exception.Message}", "Check the path and who may read it.", file, exception));
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
        int[] idle = [.. preview.Rules.Where(rule => rule.Matched == 0).Select(rule => rule.Rule)];
        if (idle.Length > 0) pipeline.WriteWarning($"Rules that matched nothing in the sample: {string.Join(", ", idle)}.");
    }

    private static async IAsyncEnumerable<string> Whole(string file, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        yield return await File.ReadAllTextAsync(file, cancellation);
    }

    private async Task WriteAsync(string resource, IPipeline pipeline)
    {
        if (string.IsNullOrWhiteSpace(resource)) return;
        try
        {
            IReadOnlyList<FhirElementChange> changes = _preview.Compare(resource);
            if (Summary) return;
            foreach (FhirElementChange change in changes) await pipeline.WriteObjectAsync(change);
        }
        catch (FhirDeidException error)
        {
            await pipeline.WriteErrorAsync(error);
        }
    }
}
