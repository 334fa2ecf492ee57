namespace FhirDeid;

/// <summary>A configuration as it lies in the storage account, pinned by its ETag.</summary>
public sealed class PublishedAnonymizationConfig
{
    /// <summary>Blob name, what <c>_anonymizationConfig</c> names.</summary>
    public string ConfigName { get; set; } = "";

    /// <summary>The blob's ETag, with its quotes: what <c>_anonymizationConfigEtag</c> names.</summary>
    public string ConfigETag { get; set; } = "";

    /// <summary>SHA-256 of the blob's bytes, 64 lower-case hex digits.</summary>
    public string ConfigSha256 { get; set; } = "";

    /// <summary>Size in bytes.</summary>
    public long Length { get; set; }

    /// <summary>Container: always <c>anonymization</c>, where the service looks.</summary>
    public string Container { get; set; } = "";

    /// <summary>Storage account that holds the container.</summary>
    public string StorageAccountName { get; set; } = "";

    /// <summary>When the blob was written.</summary>
    public DateTimeOffset PublishedAt { get; set; }

    /// <summary>Ids of the exports started by this user on this machine with exactly this version, the oldest first; empty where no journal is kept.</summary>
    public string[] ExportJobIds { get; set; } = [];

    /// <inheritdoc/>
    public override string ToString() => $"{Container}/{ConfigName}";
}
