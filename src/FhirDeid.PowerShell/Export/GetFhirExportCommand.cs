using System.Management.Automation;
using FhirDeid.PowerShell.Connect;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Export;

/// <summary>Asks the FHIR service how an export stands: running, completed with its files, or failed with its reason. Without parameters it lists the exports that you have started on this machine, in whatever session.</summary>
/// <remarks>
/// <para>The service is asked once; Wait-FhirExport waits. An export that is known by its id alone takes its configuration and container from the journal, or from the service's manifest. The service forgets an export that is cancelled. Each service numbers its exports itself: an id alone is one of the connected service.</para>
/// <para>The list comes from a journal on this machine, yours alone, and needs no connection. Exports of the connected service that had not ended are asked for again; others are listed as they were last known, without their files: piped to Get-FhirExport they are asked for. Forgotten are exports that started 90 days ago and have ended, and those of an emulator after a day. Azure Automation has no journal.</para>
/// <para>A start that was cut off before the service had answered is told as a warning, for a week. Once its export is found by its id and has completed, the journal knows it.</para>
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
    /// <summary>Status URL of the export: the Content-Location that the service answered at kick-off.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    public override Uri StatusUri { get; set; } = null!;

    /// <summary>The service's job id. In Azure it is a number; that of another server does where the export was started here.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidatePattern(@"^[^\s/\\?#]{1,128}\z")]
    public override string? JobId { get; set; }

    private bool IsList => StatusUri is null && JobId is null && !MyInvocation.ExpectingInput;

    /// <inheritdoc/>
    protected override Task BeginAsync(IPipeline pipeline, CancellationToken cancellation) =>
        IsList && Connections.Find(Runspace) is null ? Task.CompletedTask : base.BeginAsync(pipeline, cancellation);

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (IsList)
        {
            await ListAsync(pipeline, cancellation);
            return;
        }
        if (StatusUri is null && JobId is null) throw NoExport();
        FhirExport export = await AskAsync(Asked(), cancellation);
        Note(export);
        await pipeline.WriteObjectAsync(export);
    }

    /// <summary>The export to ask for.</summary>
    private FhirExport Asked()
    {
        if (StatusUri is not null) return Export;
        Uri service = Connection.Context.FhirServiceUri!;
        if (FhirServiceUri is not null && FhirServiceUri != service) throw OtherService(FhirServiceUri, service);
        InJournal(journal => StatusUri = journal.Find(service, JobId!)?.StatusUri!);
        // Azure's own address of an export.
        if (StatusUri is null && JobId!.All(char.IsAsciiDigit)) StatusUri = new Uri($"{service.AbsoluteUri.TrimEnd('/')}/_operations/export/{JobId}");
        FhirExport asked = StatusUri is null ? throw NotNumbered() : Export;
        // The next object from the pipeline may have an id alone too.
        StatusUri = null!;
        return asked;
    }

    private static FhirDeidException NoExport() => new("StatusUriInvalid", FhirDeidErrorCategory.InvalidArgument, "What comes from the pipeline is no export: it has neither a StatusUri nor a JobId.",
        "Look whether the variable holds an export; without pipeline and parameters, Get-FhirExport lists what was started here.");

    private FhirDeidException NotNumbered() => new("StatusUriInvalid", FhirDeidErrorCategory.InvalidArgument, $"'{JobId}' is no number, and no export of that id was started here at {Connection.Context.FhirServiceUri}.",
        "Give the status URL of the export as -StatusUri.", JobId);

    private FhirDeidException OtherService(Uri named, Uri connected) => new("ForeignUrl", FhirDeidErrorCategory.InvalidArgument,
        $"Export {JobId} is one of {named}, and this session is connected to {connected}: each service numbers its exports itself.", "Connect to the service of the export.", named);

    private async Task ListAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (ExportJournal.Open() is not { } journal)
        {
            pipeline.WriteWarning("There is no journal here: exports are known by the objects that are kept of them, or by -JobId.");
            return;
        }
        Uri? service = Connections.Find(Runspace)?.Context.FhirServiceUri;
        List<FhirExport> notAsked = [];
        foreach ((_, FhirExport known) in journal.Read().OrderBy(known => known.Export.FhirServiceUri?.AbsoluteUri, StringComparer.Ordinal))
        {
            if (known.StatusUri is null)
            {
                pipeline.WriteWarning(known.CutOffStart());
                continue;
            }
            bool asks = known.Status == FhirExportStatus.InProgress && known.FhirServiceUri == service;
            if (known.Status == FhirExportStatus.InProgress && !asks) notAsked.Add(known);
            await pipeline.WriteObjectAsync(asks ? await AskAsync(known, pipeline, cancellation) : known);
        }
        if (notAsked.Count > 0)
        {
            pipeline.WriteWarning($"Exports that ran when they were last asked for are listed as they stood then ({notAsked.Count}): "
                + (service is null ? "this session is not connected." : $"they are of {string.Join(", ", notAsked.Select(export => export.FhirServiceUri).Distinct())}, and this session is connected to {service}.")
                + " Connect-FhirDeid, and list them again.");
        }
    }

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
