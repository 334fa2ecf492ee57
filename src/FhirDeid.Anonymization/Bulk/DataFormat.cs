namespace FhirDeid.Anonymization.Bulk;

/// <summary>How a file holds resources, told by its name.</summary>
/// <param name="IsSingle">One resource or Bundle; else one a line.</param>
/// <param name="IsPacked">By gzip.</param>
internal readonly record struct DataFormat(bool IsSingle, bool IsPacked)
{
    /// <summary>The format of a file. What has no known ending holds a resource a line.</summary>
    public static DataFormat Of(string name) => new(Ends(Unpacked(name), ".json"), Ends(name, ".gz"));

    /// <inheritdoc cref="IAnonymization.Reads"/>
    public static bool Reads(string name) => Ends(Unpacked(name), ".json") || Ends(Unpacked(name), ".ndjson");

    private static string Unpacked(string name) => Ends(name, ".gz") ? name[..^3] : name;

    private static bool Ends(string name, string ending) => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase);
}
