using System.Management.Automation;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Local;

/// <summary>Writes made-up patient records as NDJSON, rich in what de-identification has to catch. The same seed and number give the same bytes.</summary>
/// <example><code>New-FhirSampleData ./raw -PatientCount 100</code>Writes 100 patients and what belongs to them, one file a resource type.</example>
/// <example><code>New-FhirSampleData ./raw -PatientCount 100 -Seed 7 -PlantedValuesPath ./planted.ndjson</code>Also lists every identifying value and where it stands, to look for them in de-identified data.</example>
/// <example><code>New-FhirSampleData ./raw | Invoke-FhirDeid -Destination ./research -Config $config</code>Writes patients and de-identifies them.</example>
[Cmdlet(VerbsCommon.New, "FhirSampleData", SupportsShouldProcess = true)]
[OutputType(typeof(SampleDataFile))]
public sealed class NewFhirSampleDataCommand : FhirDeidCommand
{
    /// <summary>Folder for the files; created when missing.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotBlank]
    public string Path { get; set; } = "";

    /// <summary>Number of patients, at least 1.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int PatientCount { get; set; } = 20;

    /// <summary>Seed of the generator.</summary>
    [Parameter]
    public int Seed { get; set; } = 1;

    /// <summary>File for the list of identifying values, NDJSON. Keep it out of the folder of the data.</summary>
    [Parameter]
    [ValidateNotBlank]
    public string? PlantedValuesPath { get; set; }

    /// <summary>Replaces files of the same name: they may be records of your own.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    protected override async Task EndAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        string folder = await pipeline.InvokeAsync(() => this.FullPath(Path));
        string? planted = PlantedValuesPath is null ? null : await pipeline.InvokeAsync(() => this.FullPath(PlantedValuesPath));
        IEnumerable<string> files = Engine.SampleData.ResourceTypes.Select(type => System.IO.Path.Combine(folder, type + ".ndjson")).Concat(planted is null ? [] : [planted]);
        if (!Force && files.FirstOrDefault(File.Exists) is { } existing) throw FileSystemPaths.FileExists(existing);
        if (!await pipeline.ShouldProcessAsync(folder, $"Write {PatientCount} made-up patients")) return;

        foreach (SampleDataFile file in await Engine.SampleData.WriteAsync(folder, PatientCount, Seed, planted, pipeline.Progress, cancellation))
        {
            await pipeline.WriteObjectAsync(file);
        }
    }
}
