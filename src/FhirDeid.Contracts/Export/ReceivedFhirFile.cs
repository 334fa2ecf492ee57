namespace FhirDeid;

/// <summary>One file of an export, downloaded and checked.</summary>
public sealed class ReceivedFhirFile
{
    /// <summary>Resource type of every line.</summary>
    public string ResourceType { get; set; } = "";

    /// <summary>Number of resources.</summary>
    public long Count { get; set; }

    /// <summary>Number of resources without any of the labels that anonymization writes into meta.security. Resources that no rule touched have none either.</summary>
    public long UnlabelledCount { get; set; }

    /// <summary>Number of resources that the export held already when they came: same type, id and version. With -Unique they are left out, and Count is without them.</summary>
    public long DuplicateCount { get; set; }

    /// <summary>Number of resources that could not be de-identified here and were replaced by an empty one: <c>processingErrors: skip</c> of the configuration that they were received with.</summary>
    public long FailureCount { get; set; }

    /// <summary>The first 100 of them; none where the file was there already.</summary>
    public DeidentificationFailure[] FailedResources { get; set; } = [];

    /// <summary>Size in bytes.</summary>
    public long Length { get; set; }

    /// <summary>SHA-256 of the bytes, 64 lower-case hex digits.</summary>
    public string Sha256 { get; set; } = "";

    /// <summary>Full path.</summary>
    public string FullName { get; set; } = "";

    /// <summary>The export it belongs to.</summary>
    public string JobId { get; set; } = "";

    /// <inheritdoc/>
    public override string ToString() => FullName;
}
