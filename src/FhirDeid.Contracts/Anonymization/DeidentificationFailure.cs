namespace FhirDeid;

/// <summary>A resource that could not be de-identified: where, and why, without anything of its content.</summary>
public sealed class DeidentificationFailure
{
    /// <summary>Full path or URL of the file; empty for a resource from the pipeline.</summary>
    public string Path { get; set; } = "";

    /// <summary>Line of the file, from 1; 0 where the file is one resource. From the pipeline: how many resources came, with this one.</summary>
    public long Line { get; set; }

    /// <summary>Type of the outermost resource; empty where it was not found out.</summary>
    public string ResourceType { get; set; } = "";

    /// <summary>Number of the rule that failed, from 1; null where the resource does not parse.</summary>
    public int? Rule { get; set; }

    /// <summary>Method of that rule; empty where there is none.</summary>
    public string Method { get; set; } = "";

    /// <summary>Why, as the end of a sentence.</summary>
    public string Reason { get; set; } = "";

    /// <inheritdoc/>
    public override string ToString() =>
        (Path.Length == 0 ? $"Resource {Line} of the pipeline: " : System.IO.Path.GetFileName(Path) + (Line > 0 ? $", line {Line}: " : ": ")) +
        (ResourceType.Length > 0 ? ResourceType : "a resource") +
        (Rule is { } rule ? $", rule {rule} ({Method})" : "") + $": {Reason}";
}
