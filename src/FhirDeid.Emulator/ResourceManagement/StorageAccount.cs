using System.Text.Json.Nodes;

namespace FhirDeid.Emulator.ResourceManagement;

/// <summary>A storage account: the resource, not its data.</summary>
/// <remarks>Azurite knows neither roles nor network rules: in Azure the caller, too, needs Storage Blob Data Contributor to reach blobs, here any token for storage opens them.
/// Only the export job is held to what this resource and the role assignments say.</remarks>
internal sealed class StorageAccount(Subscription subscription, string name, Uri blobEndpoint, bool behindFirewall = false)
{
    /// <summary>The resource type.</summary>
    public const string Type = "Microsoft.Storage/storageAccounts";

    private readonly DateTimeOffset _created = DateTimeOffset.UtcNow;
    private readonly Lock _lock = new();
    private string _publicNetworkAccess = "Enabled";
    private JsonObject _networkAcls = new()
    {
        ["resourceAccessRules"] = new JsonArray(),
        ["bypass"] = "AzureServices",
        ["virtualNetworkRules"] = new JsonArray(),
        ["ipRules"] = new JsonArray(),
        ["defaultAction"] = behindFirewall ? "Deny" : "Allow",
    };

    /// <summary>Name.</summary>
    public string Name { get; } = name;

    /// <summary>Resource id.</summary>
    public string Id { get; } = $"{subscription.ResourceGroupId}/providers/{Type}/{name}";

    /// <summary>Base URL of its blob service.</summary>
    public Uri BlobEndpoint { get; } = blobEndpoint;

    /// <summary>Whether it has been deleted; a FHIR service that exports to it is not told.</summary>
    public bool Deleted { get; set; }

    /// <summary>Whether the network rules let a FHIR service of the account's region in: by no firewall, by a resource instance rule, or by the addresses that the region's services come from.</summary>
    public bool Admits(string resourceId)
    {
        lock (_lock)
        {
            return _publicNetworkAccess == "Enabled" && ((string?)_networkAcls["defaultAction"] != "Deny"
                || Values("resourceAccessRules", "resourceId").Contains(resourceId, StringComparer.OrdinalIgnoreCase) || Values("ipRules", "value").Contains("100.64.0.0/10"));
        }
    }

    private IEnumerable<string?> Values(string rules, string name) => (_networkAcls[rules] as JsonArray ?? []).Select(rule => (string?)rule?[name]);

    /// <summary>The resource as the resource manager answers it.</summary>
    public JsonObject Read()
    {
        lock (_lock)
        {
            return new JsonObject
            {
                ["sku"] = new JsonObject { ["name"] = "Standard_LRS", ["tier"] = "Standard" },
                ["kind"] = "StorageV2",
                ["id"] = Id,
                ["name"] = Name,
                ["type"] = Type,
                ["location"] = Subscription.Location,
                ["tags"] = new JsonObject(),
                ["properties"] = new JsonObject
                {
                    ["minimumTlsVersion"] = "TLS1_2",
                    ["allowBlobPublicAccess"] = false,
                    ["allowSharedKeyAccess"] = false,
                    ["publicNetworkAccess"] = _publicNetworkAccess,
                    ["isHnsEnabled"] = false,
                    ["networkAcls"] = _networkAcls.DeepClone(),
                    ["supportsHttpsTrafficOnly"] = true,
                    ["accessTier"] = "Hot",
                    ["provisioningState"] = "Succeeded",
                    ["creationTime"] = _created,
                    ["primaryEndpoints"] = new JsonObject { ["blob"] = $"{BlobEndpoint}/" },
                    ["primaryLocation"] = Subscription.Location,
                    ["statusOfPrimary"] = "available",
                },
            };
        }
    }

    /// <summary>Replaces the network rules, whole lists at a time, or public network access; nothing else of an account can be changed here.</summary>
    /// <exception cref="ArmException">The body asks for something else.</exception>
    public void Patch(JsonObject body)
    {
        if (body.Count != 1 || body["properties"] is not JsonObject properties || properties.Any(property => property.Key is not ("networkAcls" or "publicNetworkAccess")))
            throw ArmException.Invalid("The emulator changes nothing of a storage account but properties.networkAcls and properties.publicNetworkAccess.");
        string access = (string?)properties["publicNetworkAccess"] ?? _publicNetworkAccess;
        if (access is not ("Enabled" or "Disabled")) throw ArmException.Invalid($"The value '{access}' of publicNetworkAccess is not one of 'Enabled', 'Disabled'.");
        lock (_lock)
        {
            JsonObject networkAcls = _networkAcls.DeepClone().AsObject();
            foreach ((string key, JsonNode? value) in properties["networkAcls"] as JsonObject ?? []) networkAcls[key] = value?.DeepClone();
            (_networkAcls, _publicNetworkAccess) = (networkAcls, access);
        }
    }
}
