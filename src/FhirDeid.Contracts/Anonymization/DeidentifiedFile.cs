namespace FhirDeid;

/// <summary>What became of one file or blob.</summary>
public sealed class DeidentifiedFile
{
    /// <summary>The input: full path or URL.</summary>
    public string Path { get; set; } = "";

    /// <summary>What was written: full path or URL; under this name only once it is complete.</summary>
    public string FullName { get; set; } = "";

    /// <summary>Whether it was complete already, and left as it was. Counts, size and hash are those of the earlier run.</summary>
    public bool Skipped { get; set; }

    /// <summary>Resources read; blank lines do not count.</summary>
    public long Resources { get; set; }

    /// <summary>Values changed or removed, by method.</summary>
    public Dictionary<string, long> Changes { get; set; } = [];

    /// <summary>Resources that failed and were replaced by an empty one, with <c>processingErrors: skip</c>.</summary>
    public long Failures { get; set; }

    /// <summary>The first 100 of them; none where the file was skipped.</summary>
    public DeidentificationFailure[] FailedResources { get; set; } = [];

    /// <summary>Bytes written.</summary>
    public long Length { get; set; }

    /// <summary>SHA-256 of the bytes written, 64 lower-case hex digits.</summary>
    public string Sha256 { get; set; } = "";

    /// <summary>Time taken.</summary>
    public TimeSpan Duration { get; set; }

    /// <inheritdoc/>
    public override string ToString() => FullName;
}
