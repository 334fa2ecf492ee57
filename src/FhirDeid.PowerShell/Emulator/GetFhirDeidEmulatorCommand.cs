using System.Management.Automation;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Emulator;

/// <summary>Gets the emulators that this process started and that still run, the newest last.</summary>
/// <example><code>Get-FhirDeidEmulator</code>Shows process ids and URLs.</example>
[Cmdlet(VerbsCommon.Get, "FhirDeidEmulator")]
[OutputType(typeof(FhirDeidEmulator))]
public sealed class GetFhirDeidEmulatorCommand : FhirDeidCommand
{
    /// <inheritdoc/>
    protected override async Task EndAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        foreach (FhirDeidEmulator emulator in Engine.Emulators.Running) await pipeline.WriteObjectAsync(emulator);
    }
}
