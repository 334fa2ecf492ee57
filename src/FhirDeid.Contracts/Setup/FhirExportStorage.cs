namespace FhirDeid;

/// <summary>The storage account that a FHIR service exports to.</summary>
public sealed class FhirExportStorage
{
    /// <summary>Name of the account; empty where none is set.</summary>
    public string StorageAccountName { get; set; } = "";

    /// <summary>Resource id of the account; empty where it cannot be found or read.</summary>
    public string StorageAccountId { get; set; } = "";

    /// <summary>Base URL of the account's blob service.</summary>
    public Uri? BlobEndpoint { get; set; }

    /// <summary>Whether the FHIR service gets through the account's firewall, as far as its settings tell.</summary>
    public FhirStorageAccess NetworkAccess { get; set; }

    /// <summary>Resource id of the FHIR service.</summary>
    public string ResourceId { get; set; } = "";

    /// <summary>State of the FHIR service's settings as the resource manager says it: <c>Succeeded</c>, <c>Updating</c>, <c>Failed</c> and others; empty where it does not say.</summary>
    public string ProvisioningState { get; set; } = "";

    /// <summary>What the command that returned this has changed, one line each; empty when all was as it should be.</summary>
    public string[] Changes { get; set; } = [];

    /// <inheritdoc/>
    public override string ToString() => StorageAccountName;
}

/// <summary>Whether a FHIR service gets through the firewall of a storage account.</summary>
public enum FhirStorageAccess
{
    /// <summary>The account could not be read.</summary>
    Unknown,
    /// <summary>The account has no firewall.</summary>
    Open,
    /// <summary>The firewall has a resource instance rule for the FHIR service.</summary>
    ResourceInstanceRule,
    /// <summary>The firewall lets only addresses, networks or other resources in: the FHIR service may not be among them.</summary>
    Restricted,
    /// <summary>The firewall lets nobody in.</summary>
    Denied,
    /// <summary>Public network access is off: rules do not count, and only private endpoints lead in.</summary>
    Disabled,
}
