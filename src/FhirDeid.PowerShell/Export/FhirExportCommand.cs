using System.Management.Automation;
using FhirDeid.PowerShell.Connect;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Export;

/// <summary>A cmdlet that takes exports from the pipeline, property by property: as they are, or as they come back from Import-Clixml and ConvertFrom-Json.</summary>
public abstract class FhirExportCommand : ConnectedCommand
{
    /// <summary>Status URL of the export: the Content-Location that the service answered at kick-off.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    public virtual Uri StatusUri { get; set; } = null!;

    /// <summary>The service's job id.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public virtual string? JobId { get; set; }

    /// <summary>Where the export stood when it was last asked for.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public FhirExportStatus Status { get; set; }

    /// <summary>Base URL of the FHIR service.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public Uri? FhirServiceUri { get; set; }

    /// <summary>Whose data the export takes.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public FhirExportLevel Level { get; set; }

    /// <summary>Logical id of the Group, at group level.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? GroupId { get; set; }

    /// <summary>Storage account that the files go to.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? StorageAccountName { get; set; }

    /// <summary>Container that the files go to.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public virtual string? Container { get; set; }

    /// <summary>Blob name of the anonymization configuration. Without it the export cannot be told from an identified one.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? ConfigName { get; set; }

    /// <summary>ETag that pins the configuration.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? ConfigETag { get; set; }

    /// <summary>SHA-256 of the configuration.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? ConfigSha256 { get; set; }

    /// <summary>Image of a container registry that the configuration is in.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? ConfigCollectionReference { get; set; }

    /// <summary>Whether the export is to be de-identified while it is received.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public bool DeidentifyLocally { get; set; }

    /// <summary>The request that started the export.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public Uri? KickOffUri { get; set; }

    /// <summary>When the export was started.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    [DeserializedTime]
    public DateTimeOffset StartedAt { get; set; }

    /// <summary>The manifest's transactionTime.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    [DeserializedTime]
    public DateTimeOffset? TransactionTime { get; set; }

    /// <summary>The manifest's request.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public Uri? Request { get; set; }

    /// <summary>The manifest's requiresAccessToken.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public bool RequiresAccessToken { get; set; }

    /// <summary>The manifest's files.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public FhirExportFile[]? Output { get; set; }

    /// <summary>The manifest's files of errors.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public FhirExportFile[]? ErrorOutput { get; set; }

    /// <summary>The manifest's files of deletions.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public FhirExportFile[]? DeletedOutput { get; set; }

    /// <summary>What went wrong.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string[]? Issues { get; set; }

    /// <summary>The export that the parameters describe. Of one that is named by its status URL or its id alone, the journal may know what it has to be.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.StatusUriInvalid</c>: the status URL is no URL, such as a job id alone.</exception>
    private protected FhirExport Export => !StatusUri.IsAbsoluteUri ? throw NoStatusUri() : Known() ?? new()
    {
        StatusUri = StatusUri,
        JobId = JobId ?? FhirExport.JobIdOf(StatusUri),
        Status = Status,
        FhirServiceUri = FhirServiceUri ?? Connection.Context.FhirServiceUri,
        Level = Level,
        GroupId = GroupId ?? "",
        StorageAccountName = StorageAccountName ?? Connection.Context.StorageAccountName,
        Container = Container ?? "",
        ConfigName = ConfigName ?? "",
        ConfigETag = ConfigETag ?? "",
        ConfigSha256 = ConfigSha256 ?? "",
        ConfigCollectionReference = ConfigCollectionReference ?? "",
        DeidentifyLocally = DeidentifyLocally,
        KickOffUri = KickOffUri,
        StartedAt = StartedAt,
        TransactionTime = TransactionTime,
        Request = Request,
        RequiresAccessToken = RequiresAccessToken,
        Output = Output ?? [],
        ErrorOutput = ErrorOutput ?? [],
        DeletedOutput = DeletedOutput ?? [],
        Issues = Issues ?? [],
    };

    private FhirExport? Known()
    {
        FhirExport? known = null;
        if ((Container ?? ConfigName) is null && KickOffUri is null) InJournal(journal => known = journal.Find(StatusUri));
        // How it stands is for the service to say.
        if (known is not null) known.Status = Status;
        return known;
    }

    /// <summary>Has the journal, where there is one, take over how an export stands now.</summary>
    private protected static void Note(FhirExport export) => InJournal(journal => journal.Update(export));

    /// <summary>Does something with the journal, where there is one. That it cannot be done is no reason to fail: the service knows.</summary>
    private protected static void InJournal(Action<ExportJournal> act)
    {
        try
        {
            if (ExportJournal.Open() is { } journal) act(journal);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
        }
    }

    /// <summary>The export as the service has it now: what an object says of itself may have been written by anyone.</summary>
    /// <param name="allowNotDeidentified">Takes an export that is not confirmed as de-identified, and one that the service has forgotten but whose files are known.</param>
    /// <param name="cancellation">Stops.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ExportInProgress</c>, <c>FhirDeid.ExportFailed</c>, <c>FhirDeid.ExportCancelled</c>, <c>FhirDeid.NotDeidentified</c>: its files must not be used.</exception>
    private protected async Task<FhirExport> CompletedExportAsync(bool allowNotDeidentified, CancellationToken cancellation)
    {
        FhirExport export = Export;
        try
        {
            export = await AskAsync(export, cancellation);
        }
        catch (FhirDeidException gone) when (gone.ErrorId == "FhirDeid.ExportNotFound" && allowNotDeidentified && export.Output.Length > 0)
        {
        }
        return export.EndError() is { } error && !(allowNotDeidentified && export.Status == FhirExportStatus.NotDeidentified) ? throw error : export;
    }

    /// <summary>How an export stands. What was found not to be de-identified stays so: the service does not look into the files.</summary>
    private protected async Task<FhirExport> AskAsync(FhirExport export, CancellationToken cancellation)
    {
        FhirExportStatus known = export.Status;
        InJournal(journal => known = journal.Find(export.StatusUri!)?.Status is FhirExportStatus.NotDeidentified ? FhirExportStatus.NotDeidentified : known);
        export = await Connection.GetExportAsync(export, cancellation);
        if (known == FhirExportStatus.NotDeidentified && export.Status is FhirExportStatus.Completed or FhirExportStatus.CompletedWithErrors) export.Status = known;
        return export;
    }

    /// <summary>What the configuration of an export leaves on every resource; where that cannot be known, a label is asked of each.</summary>
    /// <param name="export">The export.</param>
    /// <param name="pipeline">Told where it cannot be known.</param>
    /// <param name="warn">Whether by a warning: data are about to be taken without that look at them.</param>
    /// <param name="cancellation">Stops.</param>
    private protected async Task<IReadOnlyDictionary<string, FhirResourceMark>> MarksAsync(FhirExport export, IPipeline pipeline, bool warn, CancellationToken cancellation)
    {
        string? config = export.DeidentifyLocally ? null : await Connection.ReadConfigAsync(export, cancellation);
        if (config is not null) return Engine.Anonymization.Marks(config, export.Output.Select(file => file.Type).Distinct());
        string unknown = $"Export {export.JobId}: the version of the configuration that it was started with cannot be read, so that it is not known which resources must bear a label: every one has to.";
        if (export.DeidentifyLocally) return new Dictionary<string, FhirResourceMark>();
        if (warn) pipeline.WriteWarning(unknown);
        else pipeline.WriteVerbose(unknown);
        return export.Output.Select(file => file.Type).Distinct().ToDictionary(type => type, _ => FhirResourceMark.Label);
    }

    /// <summary>A completed export, with its status set by what its files show: their beginnings are looked at.</summary>
    /// <param name="export">The export.</param>
    /// <param name="pipeline">Told what keeps the files from being looked at.</param>
    /// <param name="mustLook">Whether that is an error.</param>
    /// <param name="cancellation">Stops.</param>
    private protected async Task<FhirExport> LookedIntoAsync(FhirExport export, IPipeline pipeline, bool mustLook, CancellationToken cancellation)
    {
        if (export.Status is not (FhirExportStatus.Completed or FhirExportStatus.CompletedWithErrors)) return export;
        try
        {
            IReadOnlyList<string> findings = await Connection.CheckMarksAsync(export, await MarksAsync(export, pipeline, warn: false, cancellation), cancellation);
            if (findings.Count == 0) return export;
            export.Status = FhirExportStatus.NotDeidentified;
            export.Issues = [.. findings, .. export.Issues];
        }
        catch (FhirDeidException error) when (!mustLook)
        {
            pipeline.WriteWarning($"Export {export.JobId}: its files could not be looked at for the labels of de-identification. {error.Message}");
        }
        return export;
    }

    private FhirDeidException NoStatusUri() =>
        new("StatusUriInvalid", FhirDeidErrorCategory.InvalidArgument, $"'{StatusUri.OriginalString}' is not the status URL of an export.",
            "Give StatusUri of the export, as Start-FhirDeidExport returned it. With the job id alone: Get-FhirExport -JobId.", StatusUri);
}
