namespace FhirDeid;

/// <summary>What to export, with which configuration, where to.</summary>
public sealed class FhirExportRequest
{
    /// <summary>Container for the files.</summary>
    public string Container { get; set; } = "";

    /// <summary>Blob name of the anonymization configuration. Never blank: the service would export identified data without a word.</summary>
    public string ConfigName { get; set; } = "";

    /// <summary>ETag that pins the configuration for every worker of the export.</summary>
    public string ConfigETag { get; set; } = "";

    /// <summary>SHA-256 of the configuration, for the record.</summary>
    public string ConfigSha256 { get; set; } = "";

    /// <summary>Resource types; all when empty.</summary>
    public string[] ResourceType { get; set; } = [];

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
}
