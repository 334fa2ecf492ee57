using System.Management.Automation;
using FhirDeid.PowerShell.Connect;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Export;

/// <summary>Starts a de-identified export of the FHIR service into a container. A blank configuration is refused before anything is sent: the service would export identified data without a word.</summary>
/// <remarks>
/// <para>The ETag pins the configuration: replaced meanwhile, it makes the export fail instead of mixing two versions.</para>
/// <para>The export is noted in a journal of your own on this machine before it is started, and with its status URL before anything else is done: Get-FhirExport lists it, in any session. Azure Automation has no journal: keep the export that is returned.</para>
/// <para>Where a start was cut off before the service had answered, the service may have taken it. The same command is then refused for twelve hours, with what to look for, and later warned of: -Force starts it again.</para>
/// <para>-WhatIf prints the request.</para>
/// </remarks>
/// <example><code>$published | Start-FhirDeidExport -Container research | Wait-FhirExport</code>Exports all data with a published configuration and waits for the end.</example>
/// <example><code>$published | Start-FhirDeidExport -Container research -ResourceType Patient, Observation -Since 2026-01-01</code>Exports two resource types, and of them what has changed since.</example>
/// <example><code>$published | Start-FhirDeidExport -Container research -Since $previous</code>Exports what has changed since an earlier export, which misses nothing.</example>
/// <example><code>Start-FhirDeidExport -Container research -ConfigName study-7.json -ConfigETag '"0x8DC5F2A1B3C4D5E"'</code>Names the configuration by hand.</example>
/// <example><code>$published | Start-FhirDeidExport -Container research -ResourceType Observation -TypeFilter 'Observation?category=laboratory'</code>Exports laboratory results alone.</example>
/// <example><code>Start-FhirDeidExport -DeidentifyLocally | Wait-FhirExport | Receive-FhirExport ./research -Config $config</code>Exports from a server that does not de-identify; the files are de-identified while they are received.</example>
/// <example><code>$published | Start-FhirDeidExport -Container research -Group study-7</code>Exports the patients of a Group and what belongs to them, where the service supports that.</example>
[Cmdlet(VerbsLifecycle.Start, "FhirDeidExport", DefaultParameterSetName = AtSystemLevel, SupportsShouldProcess = true)]
[Alias("Start-FhirExport")]
[OutputType(typeof(FhirExport))]
public sealed class StartFhirDeidExportCommand : ConnectedCommand
{
    private const string KeyContainer = "anonymization";
    private const string AtSystemLevel = "System";
    private const string AtPatientLevel = "Patient";
    private const string AtGroupLevel = "Group";

    // The same command within this time is a second try; later it is the next export.
    private static readonly TimeSpan s_again = TimeSpan.FromHours(12);

    private volatile FhirExport? _sent;

    /// <summary>Container of the export storage account that the files go to. Only servers other than Azure's do without one.</summary>
    [Parameter(Position = 0)]
    [Alias("ContainerName")]
    [ValidateNotBlank]
    public string Container { get; set; } = "";

    /// <summary>Blob name of the published configuration, or its file name in the image.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotBlank]
    public string ConfigName { get; set; } = "";

    /// <summary>ETag of the published configuration.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotBlank]
    public string ConfigETag { get; set; } = "";

    /// <summary>Image of a container registry that holds the configuration, in place of the ETag: registry.azurecr.io/image@sha256:… pins it, a tag does not. The registry must be set at the FHIR service.</summary>
    [Parameter]
    [ValidateNotBlank]
    public string ConfigCollectionReference { get; set; } = "";

    /// <summary>Exports without a configuration: the files hold identified data. For servers that do not de-identify; Receive-FhirExport -Config then de-identifies before anything is written to disk.</summary>
    [Parameter]
    public SwitchParameter DeidentifyLocally { get; set; }

    /// <summary>SHA-256 of the published configuration, for the record.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotBlank]
    public string? ConfigSha256 { get; set; }

    /// <summary>Resource types to export; all where none is given.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(FhirResourceTypeCompleter))]
    [ValidateFhirResourceType]
    public string[] ResourceType { get; set; } = [];

    /// <summary>Search queries of the form Type?parameter=value: of that type, only what matches is exported. Needs the type in -ResourceType, and makes the service work with one worker.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] TypeFilter { get; set; } = [];

    /// <summary>Exports only resources that have changed since then: a time, or an earlier export, whose data this one goes on from.</summary>
    [Parameter]
    [Since]
    public DateTimeOffset? Since { get; set; }

    /// <summary>Exports resources as they were before then; the time of the start where it is not given. An export that begins where another has ended misses nothing.</summary>
    [Parameter]
    [IsoTime]
    public DateTimeOffset? Until { get; set; }

    /// <summary>Exports all patients and what belongs to them. A resource that belongs to several is exported several times.</summary>
    [Parameter(ParameterSetName = AtPatientLevel, Mandatory = true)]
    public SwitchParameter Patient { get; set; }

    /// <summary>Logical id of a Group: exports its patients and what belongs to them, but not the Group itself.</summary>
    [Parameter(ParameterSetName = AtGroupLevel, Mandatory = true)]
    [Alias("GroupId")]
    [ValidateNotBlank]
    public string Group { get; set; } = "";

    /// <summary>Resources that a worker of the service reads at a time, 1 to 10000: fewer where the service ran out of memory.</summary>
    [Parameter]
    [ValidateRange(1, 10_000)]
    public int? MaxCount { get; set; }

    /// <summary>Has one worker of the service do all: slower.</summary>
    [Parameter(ParameterSetName = AtSystemLevel)]
    public SwitchParameter NoParallel { get; set; }

    /// <summary>Exports earlier versions of resources too.</summary>
    [Parameter(ParameterSetName = AtSystemLevel)]
    public SwitchParameter IncludeHistory { get; set; }

    /// <summary>Exports deleted resources too. The service marks them after de-identification.</summary>
    [Parameter(ParameterSetName = AtSystemLevel)]
    public SwitchParameter IncludeDeleted { get; set; }

    /// <summary>Starts the export although an earlier start of the same one was cut off before the service had answered: it may run. The journal forgets that one.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (Container.Equals(KeyContainer, StringComparison.OrdinalIgnoreCase))
        {
            pipeline.WriteWarning($"Container '{KeyContainer}' holds the configurations with their keys: whoever may read the exported files there may also read the keys. Choose another container.");
        }
        FhirExportLevel level = Enum.Parse<FhirExportLevel>(ParameterSetName);
        if (level != FhirExportLevel.System && !DeidentifyLocally)
        {
            pipeline.WriteWarning("Azure documents de-identified export at system level only. The service's source does it at this level too, but yours may refuse it; look at what it exports.");
        }
        FhirExportRequest request = new()
        {
            Container = Container,
            ConfigName = ConfigName,
            ConfigETag = ConfigETag,
            ConfigSha256 = ConfigSha256 ?? "",
            ConfigCollectionReference = ConfigCollectionReference,
            DeidentifyLocally = DeidentifyLocally,
            ResourceType = ResourceType,
            TypeFilter = TypeFilter,
            Since = Since,
            Until = Until,
            Level = level,
            GroupId = Group,
            MaxCount = MaxCount,
            NoParallel = NoParallel,
            IncludeHistory = IncludeHistory,
            IncludeDeleted = IncludeDeleted,
        };
        Uri kickOff = Connection.KickOffUri(request);
        if (DeidentifyLocally) pipeline.WriteWarning("The export is not de-identified: whoever may read its files reads identified data. Receive it with -Config, and delete the files then.");
        if (ConfigCollectionReference.Length > 0 && !ConfigCollectionReference.Contains('@'))
            pipeline.WriteWarning("The tag of an image can move: a configuration that is replaced meanwhile would be used by some workers of the service and not by others. A digest (@sha256:…) pins it.");
        if (!await pipeline.ShouldProcessAsync($"GET {kickOff.AbsoluteUri}", DeidentifyLocally ? "Start export without de-identification" : $"Start export with configuration {ConfigName}")) return;
        await pipeline.WriteObjectAsync(await StartAsync(request, kickOff, pipeline, cancellation));
    }

    /// <inheritdoc/>
    protected override void Stopped()
    {
        if (_sent is { } planned) ShowWarning(planned.CutOffStart());
    }

    /// <summary>Starts the export, noted in the journal before and after.</summary>
    private async Task<FhirExport> StartAsync(FhirExportRequest request, Uri kickOff, IPipeline pipeline, CancellationToken cancellation)
    {
        ExportJournal? journal = ExportJournal.Open();
        FhirExport planned = new()
        {
            FhirServiceUri = Connection.Context.FhirServiceUri,
            StorageAccountName = Connection.Context.StorageAccountName,
            Level = request.Level,
            GroupId = request.GroupId,
            Container = request.Container,
            ConfigName = request.ConfigName,
            ConfigETag = request.ConfigETag,
            ConfigSha256 = request.ConfigSha256,
            ConfigCollectionReference = request.ConfigCollectionReference,
            DeidentifyLocally = request.DeidentifyLocally,
            KickOffUri = kickOff,
            StartedAt = DateTimeOffset.UtcNow,
        };
        if (journal?.CutOff(planned) is { } cutOff)
        {
            if (Force) ExportJournal.Remove(cutOff.Entry);
            else if (planned.StartedAt - cutOff.Export.StartedAt < s_again) throw MayRun(cutOff.Export);
            else pipeline.WriteWarning(cutOff.Export.CutOffStart());
        }
        string? entry = Note(null, planned);
        FhirExport export;
        _sent = planned;
        try
        {
            export = await Connection.StartExportAsync(request, cancellation);
        }
        catch (FhirDeidException error) when (error.ErrorId is not ("FhirDeid.ExportUncertain" or "FhirDeid.ContentLocationMissing" or "FhirDeid.ForeignUrl"))
        {
            // The service has taken nothing.
            if (entry is not null) ExportJournal.Remove(entry);
            throw;
        }
        finally
        {
            // Not when it is stopped: then nobody knows.
            if (!cancellation.IsCancellationRequested) _sent = null;
        }
        Note(entry, export);
        return export;

        string? Note(string? at, FhirExport what)
        {
            if (journal is null) return null;
            try
            {
                if (at is null) return journal.Begin(what);
                ExportJournal.Write(at, what);
                return at;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                pipeline.WriteWarning($"The export cannot be noted in the journal ({exception.GetType().Name}): keep the object that is returned.");
                return null;
            }
        }
    }

    private static FhirDeidException MayRun(FhirExport cutOff) => new("ExportUncertain", FhirDeidErrorCategory.ResourceExists, "The same export was started before. " + cutOff.CutOffStart(),
        "Look into the container; -Force starts a second export.", cutOff.FhirServiceUri);
}
