namespace FhirDeid;

/// <summary>A role of a principal on the export storage account. The names are those of New-AzRoleAssignment's parameters.</summary>
public sealed class FhirRoleAssignment
{
    /// <summary>Object id of the principal.</summary>
    public string ObjectId { get; set; } = "";

    /// <summary>Type of the principal.</summary>
    public FhirPrincipalType ObjectType { get; set; }

    /// <summary>Name of the role.</summary>
    public string RoleDefinitionName { get; set; } = "";

    /// <summary>Resource id that the role is for: the storage account, or what lies above it.</summary>
    public string Scope { get; set; } = "";

    /// <summary>Resource id of the assignment; empty for one that is not made yet.</summary>
    public string RoleAssignmentId { get; set; } = "";

    /// <summary>Whether the command that returned this has made it.</summary>
    public bool Changed { get; set; }

    /// <inheritdoc/>
    public override string ToString() => $"{RoleDefinitionName} of {ObjectId}";
}

/// <summary>Someone who can have a role.</summary>
/// <param name="ObjectId">Object id in Microsoft Entra.</param>
/// <param name="ObjectType">What it is. Sent along with an assignment, it saves a look-up that fails for identities made a moment ago.</param>
public sealed record FhirPrincipal(string ObjectId, FhirPrincipalType ObjectType);

/// <summary>What a principal is, as the resource manager names it.</summary>
public enum FhirPrincipalType
{
    /// <summary>A user.</summary>
    User,
    /// <summary>A group.</summary>
    Group,
    /// <summary>A service principal or managed identity.</summary>
    ServicePrincipal,
}
