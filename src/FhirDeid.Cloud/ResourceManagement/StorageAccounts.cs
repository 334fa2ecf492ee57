using System.Text.Json.Nodes;

namespace FhirDeid.Cloud.ResourceManagement;

/// <summary>Storage accounts as resources.</summary>
internal sealed class StorageAccounts(ResourceManager resourceManager, FhirServiceId service)
{
    private const string Version = "2023-05-01";

    /// <summary>Finds the account that a FHIR service means by a bare name: one of its own subscription.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.StorageAccountNotFound</c>, <c>FhirDeid.StorageInOtherSubscription</c>.</exception>
    public async Task<FhirExportStorage> FindAsync(string name, CancellationToken cancellation)
    {
        if (await InAsync(service.SubscriptionId, name, cancellation).ConfigureAwait(false) is { } account)
        {
            return new FhirExportStorage
            {
                StorageAccountName = account.Text("name"),
                StorageAccountId = account.Text("id"),
                BlobEndpoint = Uri.TryCreate(account.Text("properties", "primaryEndpoints", "blob").TrimEnd('/'), UriKind.Absolute, out Uri? blob) ? blob : null,
                NetworkAccess = Access(account.Object("properties"), service.ToString()),
                ResourceId = service.ToString(),
            };
        }

        foreach ((string id, string displayName) in await resourceManager.SubscriptionsAsync(cancellation).ConfigureAwait(false))
        {
            if (id.Equals(service.SubscriptionId, StringComparison.OrdinalIgnoreCase) || await InOtherAsync(id).ConfigureAwait(false) is null) continue;
            throw new FhirDeidException("StorageInOtherSubscription", FhirDeidErrorCategory.InvalidArgument,
                $"Storage account '{name}' is in subscription {displayName} ({id}), the FHIR service in {service.SubscriptionId}: a FHIR service exports to an account of its own subscription only.",
                "Choose or create an account in the subscription of the FHIR service; Copy-FhirExport takes files elsewhere afterwards.", name);
        }
        throw new FhirDeidException("StorageAccountNotFound", FhirDeidErrorCategory.ObjectNotFound,
            $"There is no storage account '{name}' in subscription {service.SubscriptionId}, or not for you.",
            "Check the name (Get-AzStorageAccount lists the accounts), and that you have the role Reader on it.", name);

        async Task<JsonObject?> InOtherAsync(string subscription)
        {
            try
            {
                return await InAsync(subscription, name, cancellation).ConfigureAwait(false);
            }
            catch (FhirDeidException e) when (e.ErrorId == "FhirDeid.ResourceManagerForbidden")
            {
                return null;
            }
        }
    }

    private async Task<JsonObject?> InAsync(string subscription, string name, CancellationToken cancellation)
    {
        List<JsonObject> accounts;
        try
        {
            accounts = await ListAsync($"subscriptions/{subscription}").ConfigureAwait(false);
        }
        catch (FhirDeidException e) when (e.ErrorId == "FhirDeid.ResourceManagerForbidden" && subscription == service.SubscriptionId)
        {
            // Who may read the resource group alone finds the account there, where it mostly is.
            accounts = await ListAsync($"subscriptions/{subscription}/resourceGroups/{service.ResourceGroupName}").ConfigureAwait(false);
        }
        return accounts.Find(account => account.Text("name").Equals(name, StringComparison.OrdinalIgnoreCase));

        Task<List<JsonObject>> ListAsync(string scope) =>
            resourceManager.ListAsync(resourceManager.Address(scope + "/providers/Microsoft.Storage/storageAccounts", Version), "the storage accounts of the subscription", cancellation);
    }

    private static FhirStorageAccess Access(JsonObject? properties, string fhirService)
    {
        if (properties.Text("publicNetworkAccess").Equals("Disabled", StringComparison.OrdinalIgnoreCase)) return FhirStorageAccess.Disabled;
        JsonObject? rules = properties.Object("networkAcls");
        if (!rules.Text("defaultAction").Equals("Deny", StringComparison.OrdinalIgnoreCase)) return FhirStorageAccess.Open;
        if (Rules("resourceAccessRules").Any(rule => rule.Text("resourceId").TrimEnd('/').Equals(fhirService, StringComparison.OrdinalIgnoreCase))) return FhirStorageAccess.ResourceInstanceRule;
        return Rules("resourceAccessRules").Concat(Rules("ipRules")).Concat(Rules("virtualNetworkRules")).Any() ? FhirStorageAccess.Restricted : FhirStorageAccess.Denied;

        IEnumerable<JsonObject> Rules(string name) => (rules?[name] as JsonArray ?? []).OfType<JsonObject>();
    }
}
