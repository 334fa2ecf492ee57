using System.Management.Automation;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Emulator;

/// <summary>Stops emulators that this process started, and their storage with all that was exported to it.</summary>
/// <example><code>Stop-FhirDeidEmulator</code>Stops all emulators of this process.</example>
/// <example><code>$emulator | Stop-FhirDeidEmulator</code>Stops one.</example>
[Cmdlet(VerbsLifecycle.Stop, "FhirDeidEmulator", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class StopFhirDeidEmulatorCommand : FhirDeidCommand
{
    /// <summary>Process id of the emulator; all of this process where it is not given.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    public int? ProcessId { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        int[] processes = ProcessId is { } one ? [one] : [.. Engine.Emulators.Running.Select(emulator => emulator.ProcessId)];
        foreach (int process in processes)
        {
            if (await pipeline.ShouldProcessAsync($"Process {process}", "Stop FHIR service emulator")) await Engine.Emulators.StopAsync(process, cancellation);
        }
    }
}
