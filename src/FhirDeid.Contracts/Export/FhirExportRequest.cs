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
}
