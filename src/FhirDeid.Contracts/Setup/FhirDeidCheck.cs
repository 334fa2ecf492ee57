namespace FhirDeid;

/// <summary>One check of Test-FhirDeidReadiness.</summary>
public sealed class FhirDeidCheck
{
    /// <summary>What was checked.</summary>
    public string Name { get; set; } = "";

    /// <summary>How it came out.</summary>
    public FhirDeidCheckStatus Status { get; set; }

    /// <summary>What was found.</summary>
    public string Detail { get; set; } = "";

    /// <summary>The command that puts it right; empty where nothing is to be done.</summary>
    public string Fix { get; set; } = "";

    /// <inheritdoc/>
    public override string ToString() => $"{Name}: {Status}";
}

/// <summary>How a check came out.</summary>
public enum FhirDeidCheckStatus
{
    /// <summary>As it should be.</summary>
    Passed,
    /// <summary>A de-identified export cannot work.</summary>
    Failed,
    /// <summary>It may work; see the detail.</summary>
    Warning,
    /// <summary>Could not be checked, or need not be.</summary>
    Skipped,
}
