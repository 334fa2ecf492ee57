using System.Text;
using FhirDeid.SampleData;

namespace FhirDeid.Benchmarks;

/// <summary>Resources, one a line, in memory.</summary>
/// <param name="Name">What the table calls them.</param>
/// <param name="Items">The lines, without line ends.</param>
public sealed record Lines(string Name, IReadOnlyList<ReadOnlyMemory<byte>> Items)
{
    /// <summary>Types on which the conditions of the table stand.</summary>
    private static readonly string[] ConditionTypes = ["Patient", "Observation", "Claim", "Encounter", "Condition"];

    /// <summary>Size in bytes, line ends included.</summary>
    public long Size { get; } = Items.Sum(line => line.Length + 1L);

    /// <summary>Made-up patients.</summary>
    /// <param name="size">Bytes, at the least.</param>
    public static Lines Sample(long size)
    {
        List<ReadOnlyMemory<byte>> lines = [];
        foreach (GeneratedResource resource in SampleGenerator.Generate(int.MaxValue, seed: 4))
        {
            lines.Add(resource.Utf8Json);
            if ((size -= resource.Utf8Json.Length + 1) <= 0)
                break;
        }
        return new Lines("sample", lines);
    }

    /// <summary>The NDJSON files of a folder, or null where it does not exist.</summary>
    public static Lines? Read(string folder)
    {
        if (!Directory.Exists(folder))
            return null;
        return new Lines(Path.GetFileName(folder),
            [.. Directory.EnumerateFiles(folder, "*.ndjson").Order(StringComparer.Ordinal).SelectMany(File.ReadLines).Select(line => (ReadOnlyMemory<byte>)Encoding.UTF8.GetBytes(line))]);
    }

    /// <summary>The resources of the five types alone.</summary>
    public Lines OfConditionTypes() => new(Name,
        [.. Items.Where(line => Array.Exists(ConditionTypes, type => line.Span.StartsWith(Encoding.UTF8.GetBytes($"{{\"resourceType\":\"{type}\""))))]);

    public override string ToString() => Name;
}
