using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Export;

/// <summary>Waits until exports end, and shows how they ended. Several exports are waited for at once.</summary>
/// <remarks>
/// <para>The service is asked after 1 s, then ever less often, at last about every 15 s, or when it wants to be asked (Retry-After, 5 minutes at the most). It reports an end 15 s late at the earliest. Throttling and outages of up to half an hour do not end the waiting. An export has ended when the service says so, whatever the object says: one that claims an end, and that the service could not be asked for within -TimeoutSeconds, is returned as running, with the error.</para>
/// <para>Ctrl+C ends the waiting and not the export. The service may be asked again from another session or machine: with Get-FhirExport here, with an export that was saved, or by its job id.</para>
/// <para>Once an export has completed, the beginning of each of its files is looked at: where the configuration changes the id of every resource, every resource must bear the label of it. If one does not, or the service does not confirm the configuration, the status is NotDeidentified, and neither Receive-FhirExport nor Read-FhirExport nor New-ExportSasToken takes the export without being told to.</para>
/// </remarks>
/// <example><code>$published | Start-FhirDeidExport -Container research | Wait-FhirExport</code>Waits for an export just started.</example>
/// <example><code>Get-FhirExport | Where-Object Status -eq InProgress | Wait-FhirExport</code>Waits for all that still run.</example>
/// <example><code>Import-Clixml ./export.xml | Wait-FhirExport -TimeoutSeconds 600</code>Waits for an export of an earlier session, ten minutes at the most; then it is returned as it stands.</example>
/// <example><code>$export | Wait-FhirExport | Receive-FhirExport -Destination ./research</code>Waits and downloads.</example>
[Cmdlet(VerbsLifecycle.Wait, "FhirExport")]
[OutputType(typeof(FhirExport))]
public sealed class WaitFhirExportCommand : FhirExportCommand
{
    private readonly List<FhirExport> _exports = [];

    /// <summary>Longest time to wait, in seconds; 0 asks once. An export that has not ended then is returned as it stands, which is no error.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int? TimeoutSeconds { get; set; }

    /// <summary>Makes an export that has not ended in time an error too.</summary>
    [Parameter]
    public SwitchParameter ErrorOnTimeout { get; set; }

    /// <inheritdoc/>
    protected override Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        _exports.Add(Export);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    protected override Task EndAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        ExportWait wait = new(Connection, pipeline, TimeProvider.System)
        {
            Timeout = TimeoutSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
            ErrorOnTimeout = ErrorOnTimeout,
            Ended = async (export, stop) =>
            {
                export = await LookedIntoAsync(export, pipeline, mustLook: false, stop);
                Note(export);
                return export;
            },
        };
        return wait.RunAsync(_exports, cancellation);
    }

    /// <inheritdoc/>
    protected override void Stopped()
    {
        if (_exports is [{ StatusUri: { } one }])
            ShowWarning($"The export goes on in the service. Wait for it again with Wait-FhirExport {one}, cancel it with Stop-FhirExport {one}; Get-FhirExport lists what was started here.");
        else if (_exports.Count > 0)
            ShowWarning("The exports go on in the service. Wait for those that were started here with Get-FhirExport | Where-Object Status -eq InProgress | Wait-FhirExport.");
    }
}
