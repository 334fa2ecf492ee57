using System.Management.Automation;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Emulator;

/// <summary>Says what goes wrong with the next requests to an emulator, to see how a script takes it. Without faults, nothing does any more.</summary>
/// <remarks>
/// <para>Each text is what becomes of one request, one after the other; then requests are served again. What was said before and has not happened is forgotten. Repeat a text for a fault that lasts: @('503') * 20.</para>
/// <para>Of a start and of a status request: ok (nothing), reset (the connection is closed), silence 5 (nothing is said for 5 seconds, then the connection is closed; silence alone: as long as the caller waits), expired (the token counts as expired from now on), 503 (or any other error status), 429 Retry-After: 5 (or whatever stands behind it: a date, or what is no time).</para>
/// <para>Of a start also: lost (the export is started, and its answer lost), and what becomes of the export: endless (it never ends), empty (it ends without files, as one that the service has cancelled by itself), identified (it is not de-identified, and the service says nothing of it), fail 403 reason (it fails, with that status and that text).</para>
/// <para>Of a status request also: cut (once the export has ended, half of its list of files is sent).</para>
/// </remarks>
/// <example><code>Set-FhirDeidEmulator -StatusFault '429 Retry-After: 2', '503', 'reset'; $export | Wait-FhirExport</code>Waits through throttling, an outage and a broken connection.</example>
/// <example><code>Set-FhirDeidEmulator -StartFault ok, 'fail 500 Unknown Error.'</code>Has the second export from now fail.</example>
/// <example><code>Set-FhirDeidEmulator -StartFault lost; { ./nightly.ps1 } | Should -Throw; Get-FhirExport</code>Loses the answer to a start, in a Pester test.</example>
/// <example><code>Set-FhirDeidEmulator</code>Ends all faults.</example>
[Cmdlet(VerbsCommon.Set, "FhirDeidEmulator", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class SetFhirDeidEmulatorCommand : FhirDeidCommand
{
    /// <summary>What becomes of the next requests that start an export, or of their exports.</summary>
    [Parameter]
    public string[] StartFault { get; set; } = [];

    /// <summary>What becomes of the next requests for the status of an export.</summary>
    [Parameter]
    public string[] StatusFault { get; set; } = [];

    /// <summary>Base URL of the emulator, which comes with it; the newest of this process where none is given.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public Uri? FhirServiceUri { get; set; }

    /// <summary>Certificate authority of the emulator, PEM.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? CertificateAuthority { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        FhirDeidEmulator emulator = CertificateAuthority is not null ? new() { FhirServiceUri = FhirServiceUri, CertificateAuthority = CertificateAuthority }
            : Engine.Emulators.Running.LastOrDefault(running => FhirServiceUri is null || running.FhirServiceUri == FhirServiceUri) ?? throw NotFound();
        if (!await pipeline.ShouldProcessAsync(emulator, StartFault.Length + StatusFault.Length == 0 ? "End faults" : "Set faults")) return;

        await Engine.Emulators.SetFaultsAsync(emulator, StartFault, StatusFault, cancellation);
    }

    private static FhirDeidException NotFound() => new("EmulatorNotFound", FhirDeidErrorCategory.ObjectNotFound, "No such emulator was started by this process.",
        "Run Start-FhirDeidEmulator first, or pipe its result to Set-FhirDeidEmulator.");
}
