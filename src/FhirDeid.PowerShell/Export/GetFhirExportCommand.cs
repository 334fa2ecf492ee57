using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Export;

/// <summary>Asks the FHIR service how an export stands: running, completed with its files, or failed with its reason. Without parameters it lists the exports that you have started on this machine, in whatever session.</summary>
/// <remarks>
/// <para>The service is asked once; Wait-FhirExport waits. An export that is known by its id alone takes its configuration and container from the service's manifest. The service forgets an export that is cancelled.</para>
/// <para>The list comes from a journal on this machine, yours alone. Exports of the connected service that had not ended are asked for again; others are listed as they were last known. Forgotten are exports that ended 90 days ago, and those of an emulator after a day. Azure Automation has no journal.</para>
/// </remarks>
/// <example><code>Get-FhirExport</code>Lists the exports that were started here, also those of a window that is closed.</example>
/// <example><code>Get-FhirExport | Where-Object Status -eq InProgress | Wait-FhirExport</code>Goes on waiting for all that still run.</example>
/// <example><code>$export = $export | Get-FhirExport</code>Asks for an export anew.</example>
/// <example><code>Get-FhirExport -JobId 42</code>Asks the connected service for an export by its id, such as one that another person has started.</example>
/// <example><code>Get-FhirExport https://contoso.fhir.azurehealthcareapis.com/_operations/export/42 | Receive-FhirExport ./research</code>Takes up a completed export by its status URL.</example>
[Cmdlet(VerbsCommon.Get, "FhirExport")]
[OutputType(typeof(FhirExport))]
public sealed class GetFhirExportCommand : FhirExportCommand
{
    private static readonly TimeSpan s_emulatedFor = TimeSpan.FromDays(1);
    private static readonly TimeSpan s_uncertainFor = TimeSpan.FromDays(7);
    private static readonly TimeSpan s_endedFor = TimeSpan.FromDays(90);

    /// <summary>Status URL of the export: the Content-Location that the service answered at kick-off.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    public override Uri StatusUri { get; set; } = null!;

    /// <summary>The service's job id: a number.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidatePattern("^[0-9]{1,19}\\z")]
    public override string? JobId { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (StatusUri is null && JobId is null)
        {
            if (MyInvocation.ExpectingInput) throw NoExport();
            await ListAsync(pipeline, cancellation);
            return;
        }
        bool byId = StatusUri is null;
        if (byId) StatusUri = new Uri($"{Connection.Context.FhirServiceUri!.AbsoluteUri.TrimEnd('/')}/_operations/export/{JobId}");
        FhirExport asked = Export;
        // The next object from the pipeline may have an id alone too.
        if (byId) StatusUri = null!;
        FhirExport export = await Connection.GetExportAsync(asked, cancellation);
        Note(export);
        await pipeline.WriteObjectAsync(export);
    }

    private static FhirDeidException NoExport() => new("StatusUriInvalid", FhirDeidErrorCategory.InvalidArgument, "What comes from the pipeline is no export: it has neither a StatusUri nor a JobId.",
        "Look whether the variable holds an export; without pipeline and parameters, Get-FhirExport lists what was started here.");

    private async Task ListAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (ExportJournal.Open() is not { } journal)
        {
            pipeline.WriteWarning("There is no journal here: exports are known by the objects that are kept of them, or by -JobId.");
            return;
        }
        foreach ((string entry, FhirExport known) in journal.Read())
        {
            if (DateTimeOffset.UtcNow - known.StartedAt > KeptFor(known))
            {
                ExportJournal.Remove(entry);
                continue;
            }
            if (known.StatusUri is null)
            {
                pipeline.WriteWarning($"At {known.StartedAt:u} an export to container '{known.Container}' with configuration '{known.ConfigName}' was being started when the connection or the session ended: it may run. Look for a folder of that time in the container; the number behind its hyphen is the job id for Get-FhirExport -JobId.");
                continue;
            }
            await pipeline.WriteObjectAsync(known.Status == FhirExportStatus.InProgress && known.FhirServiceUri == Connection.Context.FhirServiceUri
                ? await AskAsync(known, pipeline, cancellation) : known);
        }
    }

    private static TimeSpan KeptFor(FhirExport known) =>
        known.FhirServiceUri is { IsLoopback: true } ? s_emulatedFor
        : known.StatusUri is null ? s_uncertainFor
        : known.Status == FhirExportStatus.InProgress ? TimeSpan.MaxValue
        : s_endedFor;

    private async Task<FhirExport> AskAsync(FhirExport known, IPipeline pipeline, CancellationToken cancellation)
    {
        try
        {
            FhirExport export = await Connection.GetExportAsync(known, cancellation);
            Note(export);
            return export;
        }
        catch (FhirDeidException error) when (error.ErrorId == "FhirDeid.ExportNotFound")
        {
            known.Status = FhirExportStatus.Cancelled;
            known.Issues = ["The service no longer knows the export: it was cancelled or removed elsewhere."];
            Note(known);
        }
        catch (FhirDeidException error)
        {
            await pipeline.WriteErrorAsync(error);
        }
        return known;
    }
}
