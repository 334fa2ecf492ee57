using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace FhirDeid.Emulator.ResourceManagement;

/// <summary>A FHIR service as a resource: what it is set to, not what it serves. Changes take a while; the service works by the old settings until then.</summary>
internal sealed partial class FhirServiceResource
{
    /// <summary>The resource type.</summary>
    public const string Type = "Microsoft.HealthcareApis/workspaces/fhirservices";

    // Properties that only the service writes; a PUT may carry them and they are left aside.
    private static readonly string[] ReadOnly = ["provisioningState", "eventState", "privateEndpointConnections"];

    // No version that this emulator was written after: a client that PUTs only what it knows loses it.
    private const string Future = "fhirDeidFutureConfiguration";

    private readonly Lock _lock = new();
    private readonly Subscription _subscription;
    private readonly PrincipalDirectory _directory;
    private readonly TimeSpan _duration;
    private readonly DateTimeOffset _created = DateTimeOffset.UtcNow;
    private DateTimeOffset _modified = DateTimeOffset.UtcNow;
    private string _modifiedBy = "emulator";
    private JsonObject _body;
    private JsonObject _former;
    private DateTimeOffset _settled = DateTimeOffset.MinValue;
    private string _etag = NewETag();
    private string _state = "Succeeded";
    private int _failing;
    private bool _fails;

    /// <summary>A service as somebody has left it: some settings are not the defaults.</summary>
    public FhirServiceResource(Subscription subscription, string name, string kind, PrincipalDirectory directory, TimeSpan duration, bool identity, string? storageAccount, int failing = 0)
    {
        _subscription = subscription;
        _directory = directory;
        _duration = duration;
        _failing = failing;
        Name = name;
        Kind = kind;
        Id = $"{subscription.WorkspaceId}/fhirservices/{name}";
        Audience = $"https://{subscription.Workspace}-{name}.fhir.azurehealthcareapis.com";
        _body = _former = new JsonObject
        {
            ["tags"] = new JsonObject { ["owner"] = "lab" },
            ["identity"] = Identity(new JsonObject { ["type"] = identity ? "SystemAssigned" : "None" }, null),
            ["properties"] = Properties(new JsonObject
            {
                ["exportConfiguration"] = storageAccount is null ? null : new JsonObject { ["storageAccountName"] = storageAccount },
                ["corsConfiguration"] = new JsonObject
                {
                    ["origins"] = new JsonArray("https://lab.example"), ["headers"] = new JsonArray("*"), ["methods"] = new JsonArray("GET"),
                    ["maxAge"] = 600, ["allowCredentials"] = false,
                },
                ["implementationGuidesConfiguration"] = new JsonObject { ["usCoreMissingData"] = true },
                ["resourceVersionPolicyConfiguration"] = new JsonObject
                {
                    ["default"] = "versioned", ["resourceTypeOverrides"] = new JsonObject { ["Observation"] = "no-version" },
                },
                [Future] = new JsonObject { ["mode"] = "custom" },
            }),
        };
        if (PrincipalId is { } principal) directory.Add(principal);
    }

    /// <summary>Name.</summary>
    public string Name { get; }

    /// <summary>fhir-R4 or fhir-Stu3.</summary>
    public string Kind { get; }

    /// <summary>Resource id.</summary>
    public string Id { get; }

    /// <summary>Audience of the service's tokens, unless it is set to another.</summary>
    public string Audience { get; set; }

    /// <summary>Audience that the service takes tokens for.</summary>
    public string TokenAudience => Effective(body => (string?)body["properties"]!["authenticationConfiguration"]?["audience"])?.TrimEnd('/') ?? Audience;

    /// <summary>Object id of the system-assigned managed identity that exports run as; null without one.</summary>
    public string? PrincipalId => Effective(body => (string?)body["identity"]!["principalId"]);

    /// <summary>The account that exports go to; null for none.</summary>
    public StorageAccount? ExportStorage => Effective(body => (string?)body["properties"]!["exportConfiguration"]?["storageAccountName"]) is { } name
        ? _subscription.StorageAccounts.FirstOrDefault(account => account.Name.Equals(name, StringComparison.OrdinalIgnoreCase)) : null;

    /// <summary>Login servers of the container registries that the service may read configurations from.</summary>
    public string[] Registries => Effective<string[]>(body =>
    {
        JsonNode? registries = body["properties"]!["acrConfiguration"];
        return
        [
            .. (registries?["loginServers"] as JsonArray ?? []).Select(server => (string?)server).OfType<string>(),
            .. (registries?["ociArtifacts"] as JsonArray ?? []).Select(artifact => (string?)artifact?["loginServer"]).OfType<string>(),
        ];
    });

    private bool Settled => DateTimeOffset.UtcNow >= _settled;

    // A JSON tree is no good for two readers at once.
    private T Effective<T>(Func<JsonObject, T> read)
    {
        lock (_lock)
        {
            Settle();
            return read(Settled ? _body : _former);
        }
    }

    // A change that fails leaves the settings as they were.
    private void Settle()
    {
        if (!Settled || !_fails) return;
        if ((string?)_body["identity"]!["principalId"] is { } principal && principal != (string?)_former["identity"]!["principalId"]) _directory.Delete(principal);
        (_body, _state, _fails, _etag) = (_former, "Failed", false, NewETag());
    }

    /// <summary>The resource as the resource manager answers it; an api-version does not show what came after it.</summary>
    public JsonObject Read(string apiVersion)
    {
        lock (_lock)
        {
            Settle();
            JsonObject body = _body.DeepClone().AsObject();
            JsonObject properties = body["properties"]!.AsObject();
            JsonObject authentication = properties["authenticationConfiguration"]!.AsObject();
            authentication["authority"] ??= $"https://login.microsoftonline.com/{Tokens.TenantId}";
            authentication["audience"] ??= Audience;
            if (string.CompareOrdinal(apiVersion, ApiVersions.NewestHealthcareApis) < 0) properties.Remove(Future);
            properties["provisioningState"] = Settled ? _state : "Updating";
            properties["eventState"] = "Disabled";
            properties["privateEndpointConnections"] = new JsonArray();
            return new JsonObject
            {
                ["id"] = Id,
                ["name"] = $"{_subscription.Workspace}/{Name}",
                ["type"] = Type,
                ["etag"] = _etag,
                ["location"] = Subscription.Location,
                ["kind"] = Kind,
                ["tags"] = Take(body, "tags"),
                ["identity"] = Take(body, "identity"),
                ["systemData"] = new JsonObject
                {
                    ["createdBy"] = "emulator", ["createdByType"] = "Application", ["createdAt"] = _created,
                    ["lastModifiedBy"] = _modifiedBy, ["lastModifiedByType"] = "Application", ["lastModifiedAt"] = _modified,
                },
                ["properties"] = Take(body, "properties"),
            };
        }
    }

    /// <summary>Replaces the whole resource: what the body leaves out goes back to its default.</summary>
    /// <returns>When the change ends, and whether it fails.</returns>
    /// <exception cref="ArmException">The body is not one of this resource, or the resource has changed or is changing.</exception>
    public (DateTimeOffset End, bool Fails) Put(JsonObject body, string? ifMatch, string caller)
    {
        string location = Text(body, "location") ?? throw new ArmException(400, "LocationRequired", "The location property is required for this definition.");
        if (!location.Replace(" ", "", StringComparison.Ordinal).Equals(Subscription.Location, StringComparison.OrdinalIgnoreCase))
            throw new ArmException(409, "InvalidResourceLocation", $"The resource '{Name}' already exists in location '{Subscription.Location}' in resource group '{_subscription.ResourceGroup}'. A resource with the same name cannot be created in location '{location}'. Please select a new resource name.");
        if (Text(body, "kind") != Kind)
            throw new ArmException(400, "BadRequest", $"The kind of a FHIR service cannot be changed: it is '{Kind}'.");

        return Change(ifMatch, Text(body, "etag"), caller, () => new JsonObject
        {
            ["tags"] = Tags(body),
            ["identity"] = Identity(Object(body, "identity"), null),
            ["properties"] = Properties(Object(body, "properties")),
        });
    }

    /// <summary>Changes tags and identity; nothing else can be patched.</summary>
    /// <returns>When the change ends, and whether it fails.</returns>
    /// <exception cref="ArmException">The body holds something else, or the resource has changed or is changing.</exception>
    public (DateTimeOffset End, bool Fails) Patch(JsonObject body, string? ifMatch, string caller)
    {
        if (body.FirstOrDefault(member => member.Key is not ("tags" or "identity")) is { Key: { } other })
            throw ArmException.Invalid($"Could not find member '{other}' on object of type 'FhirServicePatchResource'. Path '{other}'.");

        return Change(ifMatch, null, caller, () => new JsonObject
        {
            ["tags"] = body.ContainsKey("tags") ? Tags(body) : _body["tags"]!.DeepClone(),
            ["identity"] = Object(body, "identity") is { } identity ? Identity(identity, _body["identity"]!.AsObject()) : _body["identity"]!.DeepClone(),
            ["properties"] = _body["properties"]!.DeepClone(),
        });
    }

    private (DateTimeOffset End, bool Fails) Change(string? ifMatch, string? etag, string caller, Func<JsonObject> next)
    {
        lock (_lock)
        {
            Settle();
            if (!Settled) throw new ArmException(409, "Conflict", $"The resource '{Id}' is being changed by another operation (provisioning state 'Updating'). Please try again when it has ended.");
            foreach (string? expected in (string?[])[ifMatch, etag])
            {
                if (expected is not null && expected != "*" && expected.Trim('"') != _etag.Trim('"'))
                    throw new ArmException(412, "PreconditionFailed", $"The etag '{expected}' does not match the current etag '{_etag}' of the resource '{Id}'.");
            }

            string? principal = (string?)_body["identity"]!["principalId"];
            JsonObject changed = next();
            string? nextPrincipal = (string?)changed["identity"]!["principalId"];
            if (principal != nextPrincipal && principal is not null) _directory.Delete(principal);
            if (principal != nextPrincipal && nextPrincipal is not null) _directory.Create(nextPrincipal);
            _former = _body;
            _body = changed;
            _etag = NewETag();
            _modified = DateTimeOffset.UtcNow;
            _modifiedBy = caller;
            _state = "Succeeded";
            _fails = _failing > 0 && _failing-- > 0;
            return (_settled = _modified + _duration, _fails);
        }
    }

    private JsonObject Properties(JsonObject? given)
    {
        JsonObject properties = given?.DeepClone().AsObject() ?? [];
        foreach (string name in ReadOnly) properties.Remove(name);
        foreach (string name in properties.Where(property => property.Value is null).Select(property => property.Key).ToArray()) properties.Remove(name);

        JsonObject export = Section("exportConfiguration");
        string? account = Text(export, "storageAccountName");
        if (string.IsNullOrEmpty(account)) export.Remove("storageAccountName");
        else if (_subscription.StorageAccount(account) is null)
            throw new ArmException(400, "BadRequest", $"The storage account '{account}' of the export configuration was not found in subscription '{_subscription.Id}'.");

        properties["acrConfiguration"] ??= new JsonObject { ["loginServers"] = new JsonArray() };
        Section("authenticationConfiguration")["smartProxyEnabled"] ??= false;
        properties["corsConfiguration"] ??= new JsonObject
        {
            ["origins"] = new JsonArray(), ["headers"] = new JsonArray(), ["methods"] = new JsonArray(), ["allowCredentials"] = false,
        };
        properties["importConfiguration"] ??= new JsonObject { ["enabled"] = false, ["initialImportMode"] = false };
        properties["implementationGuidesConfiguration"] ??= new JsonObject { ["usCoreMissingData"] = false };
        properties["resourceVersionPolicyConfiguration"] ??= new JsonObject { ["default"] = "versioned", ["resourceTypeOverrides"] = new JsonObject() };
        properties["publicNetworkAccess"] ??= "Enabled";
        return properties;

        JsonObject Section(string name)
        {
            properties[name] ??= new JsonObject();
            return Object(properties, name)!;
        }
    }

    // The system-assigned identity keeps its principal as long as it stays on; on again, it is another one.
    private JsonObject Identity(JsonObject? given, JsonObject? patched)
    {
        string[] types = (given is null ? "None" : Text(given, "type") ?? throw ArmException.Invalid("The identity has no type."))
            .Split(',', StringSplitOptions.TrimEntries);
        if (types.Any(type => type is not ("None" or "SystemAssigned" or "UserAssigned")) || types.Length > 1 && types.Contains("None"))
            throw new ArmException(400, "InvalidIdentityType", $"The identity type '{string.Join(", ", types)}' is invalid. Allowed values: None, SystemAssigned, UserAssigned, SystemAssigned,UserAssigned.");

        JsonObject identity = new() { ["type"] = string.Join(',', types.Order(StringComparer.Ordinal)) };
        if (types.Contains("SystemAssigned"))
        {
            identity["principalId"] = (string?)_body?["identity"]?["principalId"] ?? Guid.NewGuid().ToString();
            identity["tenantId"] = Tokens.TenantId;
        }

        JsonObject users = patched is null ? [] : Object(patched, "userAssignedIdentities")?.DeepClone().AsObject() ?? [];
        foreach ((string id, JsonNode? value) in Object(given ?? [], "userAssignedIdentities") ?? [])
        {
            if (!UserAssignedIdentityId().IsMatch(id)) throw new ArmException(400, "InvalidIdentityId", $"'{id}' is not the resource id of a user-assigned identity.");
            // null takes it away, as a JSON merge patch does.
            if (value is null) users.Remove(id);
            else users[id] ??= _body?["identity"]?["userAssignedIdentities"]?[id]?.DeepClone() ?? new JsonObject { ["principalId"] = Guid.NewGuid().ToString(), ["clientId"] = Guid.NewGuid().ToString() };
        }

        if (!types.Contains("UserAssigned")) return identity;
        if (users.Count == 0) throw new ArmException(400, "MissingIdentityIds", "The identity type is 'UserAssigned' and no user-assigned identity is given.");
        identity["userAssignedIdentities"] = users;
        return identity;
    }

    private static JsonObject Tags(JsonObject body) => Object(body, "tags")?.DeepClone().AsObject() ?? [];

    private static JsonNode? Take(JsonObject from, string name)
    {
        from.Remove(name, out JsonNode? value);
        return value;
    }

    private static JsonObject? Object(JsonObject body, string name) => body[name] switch
    {
        null => null,
        JsonObject value => value,
        _ => throw ArmException.Invalid($"The request content was invalid and could not be deserialized: '{name}' is not an object."),
    };

    private static string? Text(JsonObject body, string name) => body[name] switch
    {
        null => null,
        JsonValue value when value.TryGetValue(out string? text) => text,
        _ => throw ArmException.Invalid($"The request content was invalid and could not be deserialized: '{name}' is not a string."),
    };

    private static string NewETag() => $"\"{Guid.NewGuid()}\"";

    [GeneratedRegex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.ManagedIdentity/userAssignedIdentities/[^/]+$", RegexOptions.IgnoreCase)]
    private static partial Regex UserAssignedIdentityId();
}
