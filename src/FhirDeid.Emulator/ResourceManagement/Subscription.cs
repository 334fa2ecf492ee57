namespace FhirDeid.Emulator.ResourceManagement;

/// <summary>A subscription with one resource group and one workspace.</summary>
internal sealed class Subscription(string id, string displayName, string resourceGroup, string workspace)
{
    /// <summary>Where everything lies.</summary>
    public const string Location = "westeurope";

    /// <summary>Subscription id.</summary>
    public string Id { get; } = id;

    /// <summary>Name that people read.</summary>
    public string DisplayName { get; } = displayName;

    /// <summary>Name of its resource group.</summary>
    public string ResourceGroup { get; } = resourceGroup;

    /// <summary>Name of its workspace.</summary>
    public string Workspace { get; } = workspace;

    /// <summary>Resource id of the resource group.</summary>
    public string ResourceGroupId => $"/subscriptions/{Id}/resourceGroups/{ResourceGroup}";

    /// <summary>Resource id of the workspace.</summary>
    public string WorkspaceId => $"{ResourceGroupId}/providers/Microsoft.HealthcareApis/workspaces/{Workspace}";

    /// <summary>The FHIR services of the workspace.</summary>
    public List<FhirServiceResource> FhirServices { get; } = [];

    /// <summary>The storage accounts of the resource group, deleted ones too.</summary>
    public List<StorageAccount> StorageAccounts { get; } = [];

    /// <summary>A storage account that is there, by name.</summary>
    public StorageAccount? StorageAccount(string name) =>
        StorageAccounts.FirstOrDefault(account => !account.Deleted && account.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
}
