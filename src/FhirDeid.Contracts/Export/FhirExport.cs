namespace FhirDeid;

/// <summary>A bulk export of a FHIR service: everything needed to follow it from another process, and no secret.</summary>
public sealed class FhirExport
{
    /// <summary>The service's job id: the last part of the status URL.</summary>
    public string JobId { get; set; } = "";

    /// <summary>The job id in a status URL: the last segment of its path, or the last value of its query where it has one, as some Bulk Data servers write it.</summary>
    /// <param name="statusUri">An absolute URL.</param>
    /// <returns>The id; empty where there is none.</returns>
    public static string JobIdOf(Uri statusUri)
    {
        ArgumentNullException.ThrowIfNull(statusUri);
        return Uri.UnescapeDataString(statusUri.Query.Length > 1 ? statusUri.Query[(statusUri.Query.LastIndexOf('=') + 1)..] : statusUri.Segments[^1].Trim('/'));
    }

    /// <summary>Where the export stands.</summary>
    public FhirExportStatus Status { get; set; }

    /// <summary>Status URL: the Content-Location that the service answered at kick-off.</summary>
    public Uri? StatusUri { get; set; }

    /// <summary>Base URL of the FHIR service.</summary>
    public Uri? FhirServiceUri { get; set; }

    /// <summary>What was asked for: everything, or the compartments of patients.</summary>
    public FhirExportLevel Level { get; set; }

    /// <summary>Logical id of the Group, at group level.</summary>
    public string GroupId { get; set; } = "";

    /// <summary>Storage account that the files go to.</summary>
    public string StorageAccountName { get; set; } = "";

    /// <summary>Container that the files go to.</summary>
    public string Container { get; set; } = "";

    /// <summary>Blob name of the anonymization configuration.</summary>
    public string ConfigName { get; set; } = "";

    /// <summary>ETag that pins it.</summary>
    public string ConfigETag { get; set; } = "";

    /// <summary>SHA-256 of the configuration, where known.</summary>
    public string ConfigSha256 { get; set; } = "";

    /// <summary>Image of a container registry that the configuration is in, as <c>registry/image:tag</c> or <c>registry/image@sha256:…</c>; empty where it is a blob.</summary>
    public string ConfigCollectionReference { get; set; } = "";

    /// <summary>Whether the export was openly asked for as it is, to be de-identified while it is received.</summary>
    public bool DeidentifyLocally { get; set; }

    /// <summary>The request that started the export, where it was started here.</summary>
    public Uri? KickOffUri { get; set; }

    /// <summary>When the export was started here.</summary>
    public DateTimeOffset StartedAt { get; set; }

    /// <summary>The manifest's transactionTime: the state of the data that was exported, and the <c>_since</c> of the next one.</summary>
    public DateTimeOffset? TransactionTime { get; set; }

    /// <summary>The manifest's request: the URL that the service says it has served.</summary>
    public Uri? Request { get; set; }

    /// <summary>The manifest's requiresAccessToken: whether files at the FHIR service's own address want its token. Files in the storage account always want the account's.</summary>
    public bool RequiresAccessToken { get; set; }

    /// <summary>The files.</summary>
    public FhirExportFile[] Output { get; set; } = [];

    /// <summary>Files of OperationOutcome in which a Bulk Data server says what it could not export; Azure writes none.</summary>
    public FhirExportFile[] ErrorOutput { get; set; } = [];

    /// <summary>Files of Bundles in which a Bulk Data server says what was deleted since; Azure writes none.</summary>
    public FhirExportFile[] DeletedOutput { get; set; } = [];

    /// <summary>What went wrong, one line each: the reason of a failure, or issues and error files of a completed export.</summary>
    public string[] Issues { get; set; } = [];

    /// <summary>What a running export says of its progress (X-Progress); empty where the service says nothing, as Azure does.</summary>
    public string Progress { get; set; } = "";

    /// <summary>Seconds after which the service wants to be asked again (Retry-After); null where it says nothing.</summary>
    public double? RetryAfterSeconds { get; set; }

    /// <inheritdoc/>
    public override string ToString() => StatusUri?.ToString() ?? JobId;
}

/// <summary>Where an export stands.</summary>
public enum FhirExportStatus
{
    /// <summary>Accepted, not finished.</summary>
    InProgress,
    /// <summary>Finished; the service confirms the configuration that was asked for, or was openly asked for none.</summary>
    Completed,
    /// <summary>Finished, with issues, error files, or without what was asked for: see Issues.</summary>
    CompletedWithErrors,
    /// <summary>Finished, but the service does not confirm the configuration, or files do not bear the marks that it leaves: they may hold identified data.</summary>
    NotDeidentified,
    /// <summary>Ended without a manifest: see Issues.</summary>
    Failed,
    /// <summary>Cancelled: the service has forgotten it. Files that it had written stay.</summary>
    Cancelled,
}

/// <summary>Whose data an export takes.</summary>
public enum FhirExportLevel
{
    /// <summary>All resources of the service.</summary>
    System,
    /// <summary>All patients and what belongs to them.</summary>
    Patient,
    /// <summary>The patients of one Group and what belongs to them.</summary>
    Group,
}

/// <summary>One file of an export, as the manifest lists it.</summary>
public sealed class FhirExportFile
{
    /// <summary>Resource type of every line.</summary>
    public string Type { get; set; } = "";

    /// <summary>Where the file lies.</summary>
    public Uri? Url { get; set; }

    /// <summary>Number of resources, or null where the service does not say.</summary>
    public long? Count { get; set; }

    /// <inheritdoc/>
    public override string ToString() => Url?.AbsolutePath ?? "";
}
