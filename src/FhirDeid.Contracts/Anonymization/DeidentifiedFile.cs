namespace FhirDeid;

/// <summary>What became of one input file.</summary>
public sealed class DeidentifiedFile
{
    /// <summary>The input file.</summary>
    public string Path { get; set; } = "";

    /// <summary>The file that was written; under this name only once it is complete.</summary>
    public string FullName { get; set; } = "";

    /// <summary>Resources read, one a line; blank lines do not count.</summary>
    public long Resources { get; set; }

    /// <summary>Resources that failed and were replaced by an empty one, with <c>processingErrors: skip</c>.</summary>
    public long Failures { get; set; }

    /// <summary>Bytes written.</summary>
    public long Length { get; set; }

    /// <summary>SHA-256 of the bytes written, 64 lower-case hex digits.</summary>
    public string Sha256 { get; set; } = "";

    /// <summary>Time taken.</summary>
    public TimeSpan Duration { get; set; }

    /// <inheritdoc/>
    public override string ToString() => FullName;
}
