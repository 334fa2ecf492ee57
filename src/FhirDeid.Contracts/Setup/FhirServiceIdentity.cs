namespace FhirDeid;

/// <summary>The managed identity of a FHIR service. Exports use the system-assigned one.</summary>
public sealed class FhirServiceIdentity
{
    /// <summary>Resource id of the FHIR service.</summary>
    public string ResourceId { get; set; } = "";

    /// <summary>As the resource manager says: <c>None</c>, <c>SystemAssigned</c>, <c>UserAssigned</c>, or <c>SystemAssigned,UserAssigned</c>.</summary>
    public string Type { get; set; } = "None";

    /// <summary>Object id of the system-assigned identity; empty without one.</summary>
    public string ObjectId { get; set; } = "";

    /// <summary>Tenant of the system-assigned identity; empty without one.</summary>
    public string TenantId { get; set; } = "";

    /// <summary>Resource ids of the user-assigned identities.</summary>
    public string[] UserAssignedIdentity { get; set; } = [];

    /// <summary>State of the FHIR service's settings as the resource manager says it: <c>Succeeded</c>, <c>Updating</c>, <c>Failed</c> and others; empty where it does not say.</summary>
    public string ProvisioningState { get; set; } = "";

    /// <summary>Whether the command that returned this has changed it.</summary>
    public bool Changed { get; set; }

    /// <inheritdoc/>
    public override string ToString() => ObjectId;
}
