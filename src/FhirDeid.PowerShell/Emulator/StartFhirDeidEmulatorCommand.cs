using System.Management.Automation;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Emulator;

/// <summary>Starts an emulator of the FHIR service, its token endpoint, its storage account and its resource manager on this machine, and returns once they answer. It ends with this process.</summary>
/// <remarks>Needs ASP.NET Core 10 and Node.js. Azurite, Microsoft's storage emulator, is fetched by npm on first use. Any program on this machine can get tokens from it and read what it serves: do not serve identified data on a machine that others use.</remarks>
/// <example><code>Start-FhirDeidEmulator | Connect-FhirDeid -Emulator</code>Starts an emulator with 20 made-up patients and connects to it.</example>
/// <example><code>Start-FhirDeidEmulator -DataPath ./raw</code>Serves the NDJSON files and Bundles of a folder.</example>
/// <example><code>Start-FhirDeidEmulator -Without BlobRole</code>Leaves out the role of the managed identity, to see how an export fails without it.</example>
[Cmdlet(VerbsLifecycle.Start, "FhirDeidEmulator", DefaultParameterSetName = Generated, SupportsShouldProcess = true)]
[OutputType(typeof(FhirDeidEmulator))]
public sealed class StartFhirDeidEmulatorCommand : FhirDeidCommand
{
    private const string Generated = "Generated";
    private const string Data = "Data";

    /// <summary>File or folder of NDJSON or JSON Bundles to serve.</summary>
    [Parameter(ParameterSetName = Data, Mandatory = true)]
    [ValidateNotBlank]
    public string? DataPath { get; set; }

    /// <summary>Number of made-up patients, at least 1.</summary>
    [Parameter(ParameterSetName = Generated)]
    [ValidateRange(1, int.MaxValue)]
    public int PatientCount { get; set; } = 20;

    /// <summary>Seed of the made-up patients.</summary>
    [Parameter(ParameterSetName = Generated)]
    public int Seed { get; set; } = 1;

    /// <summary>Port of the FHIR service; 0 picks a free one.</summary>
    [Parameter]
    [ValidateRange(0, 65535)]
    public int Port { get; set; }

    /// <summary>What the service lacks at the start.</summary>
    [Parameter]
    public FhirServiceSetting Without { get; set; }

    /// <inheritdoc/>
    protected override async Task EndAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        FhirDeidEmulatorOptions options = new()
        {
            ProgramFolder = Path.Combine(Engine.ModuleFolder, "emulator"),
            DataPath = DataPath is null ? null : await pipeline.InvokeAsync(() => this.FullPath(DataPath)),
            PatientCount = PatientCount,
            Seed = Seed,
            Port = Port,
            Without = Without,
        };
        if (!await pipeline.ShouldProcessAsync("this machine", "Start FHIR service emulator")) return;

        await pipeline.WriteObjectAsync(await Engine.Emulators.StartAsync(options, pipeline.Progress, cancellation));
    }
}
