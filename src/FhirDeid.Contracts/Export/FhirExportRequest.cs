namespace FhirDeid;

/// <summary>What to export, with which configuration, where to.</summary>
public sealed class FhirExportRequest
{
    /// <summary>Container for the files; empty for none with <see cref="DeidentifyLocally"/>.</summary>
    public string Container { get; set; } = "";

    /// <summary>Blob name of the anonymization configuration, or its file name in the image. Never blank but with <see cref="DeidentifyLocally"/>: the service would export identified data without a word.</summary>
    public string ConfigName { get; set; } = "";

    /// <summary>ETag that pins the configuration for every worker of the export.</summary>
    public string ConfigETag { get; set; } = "";

    /// <summary>Image of a container registry that the configuration is in; empty for a blob. It takes the place of the ETag.</summary>
    public string ConfigCollectionReference { get; set; } = "";

    /// <summary>Asks openly for data as they are, without any configuration: for servers that do not de-identify.</summary>
    public bool DeidentifyLocally { get; set; }

    /// <summary>SHA-256 of the configuration, for the record.</summary>
    public string ConfigSha256 { get; set; } = "";

    /// <summary>Resource types; all when empty.</summary>
    public string[] ResourceType { get; set; } = [];

    /// <summary>Search queries, <c>Type?parameter=value</c>: of that type, only what matches. The type must be among the resource types.</summary>
    public string[] TypeFilter { get; set; } = [];

    /// <summary>Only resources changed since then.</summary>
    public DateTimeOffset? Since { get; set; }

    /// <summary>Only resources as they were before then (<c>_till</c>); null for the time of the start.</summary>
    public DateTimeOffset? Until { get; set; }

    /// <summary>Whose data.</summary>
    public FhirExportLevel Level { get; set; }

    /// <summary>Logical id of the Group, at group level.</summary>
    public string GroupId { get; set; } = "";

    /// <summary>Resources that a worker of the service reads at a time, 1 to 10,000; null for the service's own number.</summary>
    public int? MaxCount { get; set; }

    /// <summary>Has one worker of the service do all, at system level: slower, and no two workers read the configuration at different times.</summary>
    public bool NoParallel { get; set; }

    /// <summary>Exports earlier versions of resources too, at system level.</summary>
    public bool IncludeHistory { get; set; }

    /// <summary>Exports deleted resources too, at system level.</summary>
    public bool IncludeDeleted { get; set; }
}
