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

    /// <summary>The command that puts it right; empty where nothing is to be done, or no command can do it.</summary>
    public string Fix { get; set; } = "";

    /// <summary>Object id of the principal that lacks a role; null in every other row. The names are those of New-AzRoleAssignment's parameters.</summary>
    public string? ObjectId { get; set; }

    /// <summary>Type of that principal.</summary>
    public FhirPrincipalType? ObjectType { get; set; }

    /// <summary>Name of the role that it lacks.</summary>
    public string? RoleDefinitionName { get; set; }

    /// <summary>Resource id that the role is to be for.</summary>
    public string? Scope { get; set; }

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
    /// <summary>It could not be looked at; the detail says why.</summary>
    Unknown,
    /// <summary>It is not there, and an export does not need it.</summary>
    Skipped,
}
