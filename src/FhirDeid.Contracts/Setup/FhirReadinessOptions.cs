namespace FhirDeid;

/// <summary>What is looked at beside the setup itself.</summary>
public sealed class FhirReadinessOptions
{
    /// <summary>Name of the published configuration that is to be used; empty for all of them together.</summary>
    public string ConfigName { get; set; } = "";

    /// <summary>ETag that it must have; empty for any.</summary>
    public string ConfigETag { get; set; } = "";

    /// <summary>Container that is to be exported into; empty where it is not said.</summary>
    public string Container { get; set; } = "";

    /// <summary>Says what is wrong with the text of a configuration: <see cref="IAnonymization.Test"/>.</summary>
    public Func<string, IReadOnlyList<AnonymizationConfigFinding>>? TestConfig { get; set; }
}
