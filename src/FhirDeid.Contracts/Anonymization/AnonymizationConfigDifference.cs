namespace FhirDeid;

/// <summary>How a change bears on protection.</summary>
public enum AnonymizationConfigChange
{
    /// <summary>More of the value is left.</summary>
    Weaker,
    /// <summary>As much is left, in another form.</summary>
    Different,
    /// <summary>Less of the value is left.</summary>
    Stronger,
}

/// <summary>One thing that two configurations do differently.</summary>
public sealed class AnonymizationConfigDifference
{
    /// <summary>How it bears on protection.</summary>
    public AnonymizationConfigChange Change { get; set; }

    /// <summary>The element, or the data type wherever it occurs: <c>Patient.gender</c>, <c>HumanName.family</c>; or the parameter.</summary>
    public string Element { get; set; } = "";

    /// <summary>What the first configuration does: method, and what is left. Never a key.</summary>
    public string Before { get; set; } = "";

    /// <summary>What the second one does.</summary>
    public string After { get; set; } = "";

    /// <summary>Number of places.</summary>
    public int Count { get; set; }

    /// <summary>The places, as paths from a resource.</summary>
    public string[] Paths { get; set; } = [];

    /// <inheritdoc/>
    public override string ToString() => $"{Change}: {Element}, {Before} -> {After}";
}
