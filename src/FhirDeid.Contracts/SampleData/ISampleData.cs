namespace FhirDeid;

/// <summary>Made-up patient records, rich in what de-identification has to catch.</summary>
public interface ISampleData
{
    /// <summary>Resource types that can be written.</summary>
    IReadOnlyList<string> ResourceTypes { get; }

    /// <summary>Writes one NDJSON file a resource type: the same bytes for the same seed and count.</summary>
    /// <param name="folder">Full path of the folder; created when missing.</param>
    /// <param name="patientCount">Number of patients, at least 1.</param>
    /// <param name="seed">Seed of the generator.</param>
    /// <param name="plantedValuesPath">Full path of an NDJSON file that lists every identifying value and where it stands, or null.</param>
    /// <param name="progress">Told how many patients are written.</param>
    /// <param name="cancellation">Stops; no file remains under its final name.</param>
    /// <returns>The files.</returns>
    Task<IReadOnlyList<SampleDataFile>> WriteAsync(string folder, int patientCount, int seed, string? plantedValuesPath,
        IProgress<FhirDeidProgress> progress, CancellationToken cancellation);
}

/// <summary>One NDJSON file of made-up resources.</summary>
public sealed class SampleDataFile
{
    /// <summary>The resource type of every line.</summary>
    public string ResourceType { get; set; } = "";

    /// <summary>Number of lines.</summary>
    public long Count { get; set; }

    /// <summary>Size in bytes.</summary>
    public long Length { get; set; }

    /// <summary>Full path.</summary>
    public string FullName { get; set; } = "";

    /// <inheritdoc/>
    public override string ToString() => FullName;
}
