using System.Text.Json.Nodes;

namespace FhirDeid.Cloud.ResourceManagement;

/// <summary>Finds the one FHIR service that names tell.</summary>
internal sealed class FhirServiceSearch(ResourceManager resourceManager, FhirDeidConnectionOptions options)
{
    /// <summary>Whether the options name a service to the resource manager.</summary>
    public static bool IsAskedFor(FhirDeidConnectionOptions options) =>
        new[] { options.ResourceId, options.Subscription, options.ResourceGroupName, options.WorkspaceName, options.ServiceName }.Any(name => !string.IsNullOrWhiteSpace(name));

    /// <summary>Finds it.</summary>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The id, and the resource as it is.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ResourceIdInvalid</c>, <c>FhirDeid.SubscriptionNotFound</c>, <c>FhirDeid.SubscriptionAmbiguous</c>, <c>FhirDeid.FhirServiceNotFound</c>, <c>FhirDeid.FhirServiceAmbiguous</c>, <c>FhirDeid.FhirVersionNotSupported</c>.</exception>
    public async Task<(FhirServiceId Id, JsonObject Resource)> FindAsync(CancellationToken cancellation)
    {
        if (!string.IsNullOrWhiteSpace(options.ResourceId))
        {
            FhirServiceId id = FhirServiceId.Parse(options.ResourceId);
            ArmAnswer answer = await resourceManager.GetAsync(resourceManager.Address(id.ToString(), ResourceManager.FhirServiceVersion), "the FHIR service", cancellation).ConfigureAwait(false);
            return (id, R4(id, answer.Body!));
        }

        string subscription = await SubscriptionAsync(cancellation).ConfigureAwait(false);
        List<(FhirServiceId Id, JsonObject Resource)> all = await ServicesAsync(subscription, options.ResourceGroupName, cancellation).ConfigureAwait(false);
        List<(FhirServiceId Id, JsonObject Resource)> found = [.. all.Where(service => Is(service.Id.WorkspaceName, options.WorkspaceName) && Is(service.Id.ServiceName, options.ServiceName))];
        if (found.Count == 1) return (found[0].Id, R4(found[0].Id, found[0].Resource));
        if (found.Count == 0 && !string.IsNullOrWhiteSpace(options.ResourceGroupName)) all = await ServicesAsync(subscription, null, cancellation).ConfigureAwait(false);

        string list(IEnumerable<(FhirServiceId Id, JsonObject Resource)> services) => string.Join(", ", services.Select(service => service.Id));
        throw found.Count == 0
            ? new FhirDeidException("FhirServiceNotFound", FhirDeidErrorCategory.ObjectNotFound,
                $"There is no FHIR service of that name in subscription {subscription}, or not for you.",
                all.Count > 0 ? $"Choose one that exists: {list(all)}." : "You see no FHIR service in this subscription: check the subscription, and that you have the role Reader there.", options.ServiceName ?? options.WorkspaceName ?? subscription)
            : new FhirDeidException("FhirServiceAmbiguous", FhirDeidErrorCategory.InvalidArgument,
                $"{found.Count} FHIR services fit: {list(found)}.", "Give -ResourceId, or the names that tell one from the other.", options.ServiceName ?? options.WorkspaceName ?? subscription);
    }

    private static bool Is(string name, string? wanted) => string.IsNullOrWhiteSpace(wanted) || name.Equals(wanted.Trim(), StringComparison.OrdinalIgnoreCase);

    private static JsonObject R4(FhirServiceId id, JsonObject resource)
    {
        string kind = resource.Text("kind");
        if (kind.Length == 0 || kind.Equals("fhir-R4", StringComparison.OrdinalIgnoreCase)) return resource;
        throw new FhirDeidException("FhirVersionNotSupported", FhirDeidErrorCategory.NotImplemented, $"{id} is a service of kind {ServiceText.OneLine(kind)}.", "Connect to a FHIR R4 service.", id.ToString());
    }

    private async Task<string> SubscriptionAsync(CancellationToken cancellation)
    {
        string wanted = options.Subscription?.Trim() ?? "";
        if (Guid.TryParse(wanted, out Guid id)) return id.ToString();

        List<(string Id, string Name)> all = await resourceManager.SubscriptionsAsync(cancellation).ConfigureAwait(false);
        List<(string Id, string Name)> found = [.. all.Where(subscription => Is(subscription.Name, wanted))];
        if (found.Count == 1) return found[0].Id;

        string list(IEnumerable<(string Id, string Name)> subscriptions) => string.Join(", ", subscriptions.Select(subscription => $"{subscription.Name} ({subscription.Id})"));
        throw found.Count == 0
            ? new FhirDeidException("SubscriptionNotFound", FhirDeidErrorCategory.ObjectNotFound, wanted.Length > 0 ? $"There is no subscription '{ServiceText.OneLine(wanted)}', or not for you." : "You see no subscription.",
                all.Count > 0 ? $"Choose one that exists: {list(all)}." : "Sign in to the tenant of the subscription.", wanted)
            : new FhirDeidException("SubscriptionAmbiguous", FhirDeidErrorCategory.InvalidArgument, $"{found.Count} subscriptions fit: {list(found)}.", "Give the id of one as -Subscription.", wanted);
    }

    private async Task<List<(FhirServiceId Id, JsonObject Resource)>> ServicesAsync(string subscription, string? resourceGroup, CancellationToken cancellation)
    {
        string scope = $"subscriptions/{subscription}" + (string.IsNullOrWhiteSpace(resourceGroup) ? "" : $"/resourceGroups/{Uri.EscapeDataString(resourceGroup.Trim())}");
        List<(FhirServiceId, JsonObject)> services = [];
        List<JsonObject> workspaces = [];
        try
        {
            workspaces = await resourceManager.ListAsync(resourceManager.Address(scope + "/providers/Microsoft.HealthcareApis/workspaces", ResourceManager.FhirServiceVersion),
                "the workspaces", cancellation).ConfigureAwait(false);
        }
        catch (FhirDeidException e) when (e.ErrorId == "FhirDeid.FhirServiceNotFound")
        {
            // No such resource group: the search goes on without it, to say what there is.
        }
        catch (FhirDeidException e) when (e.ErrorId == "FhirDeid.ResourceManagerForbidden" && string.IsNullOrWhiteSpace(resourceGroup))
        {
            throw new FhirDeidException("ResourceManagerForbidden", e.Category, e.Message, "Give -ResourceGroupName, or -ResourceId, if you may read that alone; else get the role Reader on the subscription.", subscription);
        }
        foreach (JsonObject workspace in workspaces)
        {
            Uri list = resourceManager.Address(workspace.Text("id") + "/fhirservices", ResourceManager.FhirServiceVersion);
            foreach (JsonObject service in await resourceManager.ListAsync(list, "the FHIR services of the workspace", cancellation).ConfigureAwait(false))
                services.Add((FhirServiceId.Parse(service.Text("id")), service));
        }
        return services;
    }
}
