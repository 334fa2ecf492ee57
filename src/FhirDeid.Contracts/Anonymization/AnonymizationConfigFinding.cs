namespace FhirDeid;

/// <summary>One thing that <c>Test-AnonymizationConfig</c> has to say about a configuration.</summary>
public sealed class AnonymizationConfigFinding
{
    /// <summary>Stable identifier of the kind of finding, e.g. <c>PathMatchesNothing</c>.</summary>
    public string Id { get; set; } = "";

    /// <summary>How bad it is.</summary>
    public AnonymizationConfigSeverity Severity { get; set; }

    /// <summary>Line of the file, from 1.</summary>
    public int Line { get; set; }

    /// <summary>Column in that line, from 1.</summary>
    public int Column { get; set; }

    /// <summary>Number of the rule, from 1; 0 where no rule is concerned.</summary>
    public int Rule { get; set; }

    /// <summary>The rule's path, or the property that is concerned.</summary>
    public string Path { get; set; } = "";

    /// <summary>What is wrong. Never a key.</summary>
    public string Message { get; set; } = "";

    /// <summary>What to do about it.</summary>
    public string Fix { get; set; } = "";

    /// <inheritdoc/>
    public override string ToString() => $"{Severity} {Id}: {Message}";
}

/// <summary>How bad a finding is.</summary>
public enum AnonymizationConfigSeverity
{
    /// <summary>The service refuses the configuration, or data falls apart.</summary>
    Error,
    /// <summary>Something cannot work as it is meant.</summary>
    Warning,
    /// <summary>Good to know.</summary>
    Information,
}
