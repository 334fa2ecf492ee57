using System.Text.Json.Nodes;

namespace FhirDeid.Cloud.ResourceManagement;

/// <summary>The JSON of a FHIR service, from a GET to a PUT: everything that is not named here stays as it is, whatever later versions add.</summary>
internal static class FhirServiceBody
{
    private static readonly string[] ReadOnly = ["id", "name", "type", "systemData"];
    private static readonly string[] ReadOnlyProperties = ["provisioningState", "eventState", "privateEndpointConnections"];
    private static readonly string[] ReadOnlyIdentity = ["principalId", "tenantId"];

    /// <summary>A copy without what only the service writes.</summary>
    public static JsonObject Writable(JsonObject resource)
    {
        JsonObject body = resource.DeepClone().AsObject();
        foreach (string name in ReadOnly) body.Remove(name);
        foreach (string name in ReadOnlyProperties) body.Object("properties")?.Remove(name);
        if (body.Object("identity") is { } identity) body["identity"] = Identity(identity, identity.Text("type"));
        return body;
    }

    /// <summary>The identity as it is sent: user-assigned identities are named, and what the service knows about them is left out.</summary>
    public static JsonObject Identity(JsonObject? identity, string type)
    {
        JsonObject sent = identity?.DeepClone().AsObject() ?? [];
        foreach (string name in ReadOnlyIdentity) sent.Remove(name);
        sent["type"] = type;
        if (sent.Object("userAssignedIdentities") is { } users)
        {
            foreach (string id in users.Select(user => user.Key).ToArray()) users[id] = new JsonObject();
        }
        return sent;
    }

    /// <summary>Whether an identity type includes a system-assigned identity.</summary>
    public static bool HasSystemAssigned(string type) => Types(type).Contains("SystemAssigned", StringComparer.OrdinalIgnoreCase);

    /// <summary>The type with a system-assigned identity added.</summary>
    public static string WithSystemAssigned(string type) => Types(type).Contains("UserAssigned", StringComparer.OrdinalIgnoreCase) ? "SystemAssigned,UserAssigned" : "SystemAssigned";

    /// <summary>What the resource must still be like when it is written.</summary>
    public static string? ETag(ArmAnswer answer)
    {
        string etag = answer.ETag ?? answer.Body.Text("etag");
        return etag.Length == 0 ? null : etag.EndsWith('"') ? etag : $"\"{etag}\"";
    }

    private static string[] Types(string type) => type.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}
