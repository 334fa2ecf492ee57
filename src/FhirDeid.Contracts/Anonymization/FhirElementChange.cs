namespace FhirDeid;

/// <summary>One value of a resource that a configuration changes, adds or removes. It holds data: of the resource as it was, too.</summary>
public sealed class FhirElementChange
{
    /// <summary>Resource type.</summary>
    public string ResourceType { get; set; } = "";

    /// <summary>The resource's id, as it was.</summary>
    public string ResourceId { get; set; } = "";

    /// <summary>Path of the value, with JSON's names and positions from 0: <c>Patient.name[0].family</c>.</summary>
    public string Path { get; set; } = "";

    /// <summary>Number of the rule that decided it; 0 for what the engine does by itself, such as the labels that it adds.</summary>
    public int Rule { get; set; }

    /// <summary>That rule's method.</summary>
    public string Method { get; set; } = "";

    /// <summary>The value as it was; null where it is added.</summary>
    public string? Before { get; set; }

    /// <summary>The value as it is written; null where it is removed.</summary>
    public string? After { get; set; }

    /// <inheritdoc/>
    public override string ToString() => Path;
}

/// <summary>What one rule did to the resources of a preview.</summary>
public sealed class FhirRuleSummary
{
    /// <summary>Number of the rule.</summary>
    public int Rule { get; set; }

    /// <summary>Its path.</summary>
    public string Path { get; set; } = "";

    /// <summary>Its method.</summary>
    public string Method { get; set; } = "";

    /// <summary>Values that it decided, those it left as they are too. 0: it matched nothing in the sample.</summary>
    public long Matched { get; set; }

    /// <summary>Values that it changed or removed.</summary>
    public long Changed { get; set; }

    /// <inheritdoc/>
    public override string ToString() => $"Rule {Rule}: {Matched}";
}
