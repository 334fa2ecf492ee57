namespace FhirDeid;

/// <summary>What is asked of the files of an export before they are used.</summary>
public class FhirReadOptions
{
    /// <summary>What the configuration leaves on every resource of a type, where that is known: a line without it is refused.</summary>
    public IReadOnlyDictionary<string, FhirResourceMark> Marks { get; set; } = new Dictionary<string, FhirResourceMark>();

    /// <summary>Takes files although nothing proves them de-identified: they may hold identified data.</summary>
    public bool AllowNotDeidentified { get; set; }
}

/// <summary>How the files of an export are received.</summary>
public sealed class FhirReceiveOptions : FhirReadOptions
{
    /// <summary>Full path of an existing folder.</summary>
    public string Destination { get; set; } = "";

    /// <summary>Replaces what stands in the way, each file once the new one is complete.</summary>
    public bool Force { get; set; }

    /// <summary>Leaves out resources that the export holds already: same type, id and version.</summary>
    public bool Unique { get; set; }

    /// <summary>Makes an engine that de-identifies what arrives, one for each file; null to take files as they are.</summary>
    public Func<IResourceAnonymizer>? Deidentify { get; set; }

    /// <summary>SHA-256 of the configuration that <see cref="Deidentify"/> runs; empty without one.</summary>
    public string DeidentifySha256 { get; set; } = "";
}

/// <summary>What a configuration leaves on every resource of a type.</summary>
public enum FhirResourceMark
{
    /// <summary>Nothing that could be relied on: no rule changes every resource.</summary>
    None,
    /// <summary>A label in meta.security: a rule changes every id.</summary>
    Label,
    /// <summary>A label, and an id of 64 hex digits: a rule hashes every id.</summary>
    HashedId,
}
