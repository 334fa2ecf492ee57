using System.Management.Automation;
using FhirDeid.PowerShell.Configuration;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Local;

/// <summary>De-identifies NDJSON files on this machine, by the same rules and with the same results as the FHIR service.</summary>
/// <remarks>Each file keeps its name in the destination folder, where it appears only when it is complete.</remarks>
/// <example><code>Invoke-FhirDeid -Path ./raw/*.ndjson -Destination ./research -Configuration ./study-7.json</code>De-identifies some files with a configuration file.</example>
/// <example><code>New-FhirSampleData ./raw -PatientCount 100 | Invoke-FhirDeid -Destination ./research -Configuration (New-AnonymizationConfig SafeHarbor)</code>De-identifies made-up patients.</example>
/// <example><code>Invoke-FhirDeid ./raw -Destination ./research -Configuration $config -WhatIf</code>Shows which files of a folder would be de-identified.</example>
[Cmdlet(VerbsLifecycle.Invoke, "FhirDeid", DefaultParameterSetName = ByPath, SupportsShouldProcess = true)]
[OutputType(typeof(DeidentifiedFile))]
public sealed class InvokeFhirDeidCommand : FhirDeidCommand
{
    private const string ByPath = "Path";
    private const string ByLiteralPath = "LiteralPath";

    private readonly HashSet<string> _written = new(StringComparer.OrdinalIgnoreCase);
    private AnonymizationConfig _config = null!;
    private string _folder = "";

    /// <summary>Files, or folders with *.ndjson files; wildcards are allowed.</summary>
    [Parameter(ParameterSetName = ByPath, Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>Files or folders, without wildcards: what other cmdlets write to the pipeline.</summary>
    [Parameter(ParameterSetName = ByLiteralPath, Mandatory = true, ValueFromPipelineByPropertyName = true)]
    [Alias("FullName", "PSPath")]
    [ValidateNotNullOrEmpty]
    public string[] LiteralPath { get; set; } = [];

    /// <summary>Folder for the results; created when missing, readable by its owner alone.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotBlank]
    public string Destination { get; set; } = "";

    /// <summary>The configuration: an object of New-AnonymizationConfig, or the path of a file.</summary>
    [Parameter(Mandatory = true, Position = 2)]
    [Alias("Config")]
    public AnonymizationConfigArgument Configuration { get; set; } = null!;

    /// <inheritdoc/>
    protected override async Task BeginAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        _folder = await pipeline.InvokeAsync(() => this.FullPath(Destination));
        _config = Configuration.Config ??
            await AnonymizationConfigArgument.ReadAsync(await pipeline.InvokeAsync(() => this.FullPath(Configuration.Path)), cancellation);
        foreach (string warning in _config.Warnings) pipeline.WriteWarning(warning);
    }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        List<string> inputs = await pipeline.InvokeAsync(() => Path.SelectMany(this.ExistingPaths).Concat(LiteralPath.Select(this.FullPath)).ToList());
        foreach (string input in inputs.SelectMany(Files))
        {
            try
            {
                string output = System.IO.Path.Combine(_folder, System.IO.Path.GetFileName(input));
                if (!_written.Add(output)) throw SameName(input);
                if (!await pipeline.ShouldProcessAsync(input, $"De-identify to {output}")) continue;

                FileSystemPaths.CreateOwnerOnlyFolder(_folder);
                await pipeline.WriteObjectAsync(await Engine.Anonymization.DeidentifyFileAsync(_config, input, output, pipeline.Progress, cancellation));
            }
            catch (FhirDeidException error)
            {
                await pipeline.WriteErrorAsync(error);
            }
        }
    }

    private static IEnumerable<string> Files(string path) =>
        Directory.Exists(path) ? Directory.EnumerateFiles(path, "*.ndjson").Order(StringComparer.Ordinal) : [path];

    private static FhirDeidException SameName(string input) =>
        new("FileNameTaken", FhirDeidErrorCategory.ResourceExists, $"'{input}' has the same name as a file that this command has already written.",
            "De-identify files of the same name into different folders.", input);
}
