namespace FhirDeid;

/// <summary>What is left of a value under a configuration, the least protected first.</summary>
public enum AnonymizationEffect
{
    /// <summary>It stays as it is, by a keep rule or because no rule reaches it.</summary>
    Unchanged,
    /// <summary>A number moves at random.</summary>
    Perturbed,
    /// <summary>A date moves.</summary>
    Shifted,
    /// <summary>A more general value takes its place, for the cases that the rule has.</summary>
    Generalized,
    /// <summary>A cipher text takes its place: who has the key can read it.</summary>
    Encrypted,
    /// <summary>A keyed hash takes its place: who has the key can test values.</summary>
    Hashed,
    /// <summary>The year of a date, an age up to 89, or the first three characters of a postal code stay.</summary>
    Partial,
    /// <summary>A fixed value takes its place.</summary>
    Substituted,
    /// <summary>It is removed.</summary>
    Removed,
}

/// <summary>One category of the identifiers of 45 CFR 164.514(b)(2)(i), and what a configuration does to the elements that can hold them.</summary>
public sealed class AnonymizationCoverage
{
    /// <summary>Letter of the regulation, A to R; <c>A-R</c> for free text and extensions, which can hold any of them.</summary>
    public string Category { get; set; } = "";

    /// <summary>What the category is.</summary>
    public string Name { get; set; } = "";

    /// <summary>Number of R4 elements that can hold it.</summary>
    public int Total { get; set; }

    /// <summary>Elements that are removed.</summary>
    public int Removed { get; set; }

    /// <summary>Elements that are changed in any other way.</summary>
    public int Changed { get; set; }

    /// <summary>Elements that are, or may be, left as they are.</summary>
    public int Unchanged { get; set; }

    /// <summary>With sample data: how often unchanged elements occur in it. Null without.</summary>
    public long? FoundUnchanged { get; set; }

    /// <summary>The elements.</summary>
    public AnonymizationCoverageElement[] Elements { get; set; } = [];

    /// <inheritdoc/>
    public override string ToString() => $"{Category} {Name}";
}

/// <summary>One R4 element that can hold an identifier, and what a configuration does to it.</summary>
public sealed class AnonymizationCoverageElement
{
    /// <summary>Resource type.</summary>
    public string ResourceType { get; set; } = "";

    /// <summary>Path from the resource, by FHIRPath's names: <c>Patient.name.family</c>.</summary>
    public string Path { get; set; } = "";

    /// <summary>R4 type.</summary>
    public string Type { get; set; } = "";

    /// <summary>Letters of the categories that it can hold; <c>A-R</c> for free text and extensions.</summary>
    public string Category { get; set; } = "";

    /// <summary>What is left of its value; where a condition decides, the least protected outcome.</summary>
    public AnonymizationEffect Effect { get; set; }

    /// <summary>The method; empty where no rule reaches it.</summary>
    public string Method { get; set; } = "";

    /// <summary>Number of the rule that decides it, 0 where none does.</summary>
    public int Rule { get; set; }

    /// <summary>Rules that decide it instead where their conditions hold.</summary>
    public int[] ConditionalRules { get; set; } = [];

    /// <summary>With sample data: how often it occurs there. Null without.</summary>
    public long? Found { get; set; }

    /// <inheritdoc/>
    public override string ToString() => $"{Path}: {Effect}";
}
