using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace FhirDeid.Emulator.ResourceManagement;

/// <summary>The role assignments of the tenant. One counts a while after it was made, as it does in Azure.</summary>
/// <param name="directory">Who roles can be assigned to.</param>
/// <param name="propagation">How long that takes.</param>
internal sealed partial class RoleAssignments(PrincipalDirectory directory, TimeSpan propagation)
{
    /// <summary>The resource type.</summary>
    public const string Type = "Microsoft.Authorization/roleAssignments";

    /// <summary>A client that may change resources but not assign roles, as a Contributor. Every other client is an Owner.</summary>
    public const string NoOwnerClientId = "no-owner";

    /// <summary>Storage Blob Data Contributor.</summary>
    public const string BlobDataContributor = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";

    private const string FhirDataExporter = "3db33094-8700-4567-8da5-1501d4e7e843";
    private const string FhirDataContributor = "5a1fc7df-4bf1-4951-a576-89034ee01acd";
    private const string BlobDataOwner = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b";
    private const string DefinitionType = "Microsoft.Authorization/roleDefinitions";

    private static readonly Dictionary<string, string> Definitions = new(StringComparer.OrdinalIgnoreCase)
    {
        ["8e3af657-a8ff-443c-a75c-2fe8c4bcb635"] = "Owner",
        ["b24988ac-6180-42a0-ab88-20f7382dd24c"] = "Contributor",
        ["acdd72a7-3385-48ef-bd42-f606fba81ae7"] = "Reader",
        ["18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"] = "User Access Administrator",
        ["f58310d9-a9f6-439a-9e8d-f62e7b41a168"] = "Role Based Access Control Administrator",
        [BlobDataContributor] = "Storage Blob Data Contributor",
        ["2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"] = "Storage Blob Data Reader",
        [BlobDataOwner] = "Storage Blob Data Owner",
        ["db58b8e5-c6ad-4a2a-8342-4190687cbf4a"] = "Storage Blob Delegator",
        ["974c5e8b-45b9-4653-ba55-5f855dd0fb88"] = "Storage Queue Data Contributor",
        [FhirDataExporter] = "FHIR Data Exporter",
        [FhirDataContributor] = "FHIR Data Contributor",
        ["4c8d0bbc-75d3-4935-991f-5f3c56d81508"] = "FHIR Data Reader",
        ["3f88fce4-5892-4214-ae73-ba5294559913"] = "FHIR Data Writer",
        ["4465e953-8ced-4406-a58e-0f6e3f3b530b"] = "FHIR Data Importer",
        ["a1705bd2-3a8f-45a5-8683-466fcfd5cc24"] = "FHIR Data Converter",
        ["7f951dda-4ed3-4680-a7ca-43fe172d538d"] = "AcrPull",
    };

    private readonly ConcurrentDictionary<string, Assignment> _assignments = new(StringComparer.OrdinalIgnoreCase);
    private readonly Lock _lock = new();

    /// <summary>Assigns a role as if long ago.</summary>
    public void Add(string scope, string role, string principalId)
    {
        string name = Guid.NewGuid().ToString();
        _assignments[$"{scope}/{name}"] = new Assignment(scope, name, role, principalId, "ServicePrincipal", DateTimeOffset.UtcNow - TimeSpan.FromDays(1), "");
    }

    /// <summary>Whether a principal may read and write the blobs of an account, by a role at the account or above whose assignment has come through.</summary>
    public bool MayWriteBlobs(string principalId, string accountId) => Has(principalId, accountId, BlobDataContributor, BlobDataOwner);

    /// <summary>Whether a principal may export from a FHIR service, by a role at the service or above whose assignment has come through.</summary>
    public bool MayExport(string principalId, string serviceId) => Has(principalId, serviceId, FhirDataExporter, FhirDataContributor);

    private bool Has(string principalId, string resourceId, params string[] roles) => _assignments.Values.Any(assignment =>
        roles.Contains(assignment.RoleId) && assignment.PrincipalId.Equals(principalId, StringComparison.OrdinalIgnoreCase)
        && Covers(assignment.Scope, resourceId) && DateTimeOffset.UtcNow >= assignment.CreatedOn + (assignment.CreatedBy.Length > 0 ? propagation : TimeSpan.Zero));

    /// <summary>The assignments that concern a scope.</summary>
    /// <param name="scope">Resource id, resource group or subscription.</param>
    /// <param name="filter">atScope(): at the scope and above; principalId eq '…': at, above and below; none: the same for everybody.</param>
    /// <exception cref="ArmException">Another filter.</exception>
    public IEnumerable<JsonObject> List(string scope, string? filter)
    {
        bool atScope = false;
        string? principal = null;
        if (!string.IsNullOrEmpty(filter))
        {
            if (Filter().Match(filter) is not { Success: true } match)
                throw new ArmException(400, "UnsupportedQuery", $"The filter '{filter}' is not supported. Supported filters are either 'atScope()' or 'principalId eq '{{value}}' or 'assignedTo('{{value}}')'.");
            atScope = match.Groups["at"].Success;
            if (match.Groups["id"] is { Success: true, Value: { } id }) principal = id;
        }

        return from assignment in _assignments.Values
               where Covers(assignment.Scope, scope) || !atScope && Covers(scope, assignment.Scope)
               where principal is null || assignment.PrincipalId.Equals(principal, StringComparison.OrdinalIgnoreCase)
               orderby assignment.CreatedOn, assignment.Name
               select assignment.Read();
    }

    /// <summary>One assignment.</summary>
    /// <exception cref="ArmException">There is none.</exception>
    public JsonObject Read(string scope, string name) => _assignments.TryGetValue($"{scope}/{name}", out Assignment? assignment) ? assignment.Read()
        : throw new ArmException(404, "RoleAssignmentNotFound", $"The role assignment '{name}' is not found.");

    /// <summary>Assigns a role.</summary>
    /// <returns>Whether it is new, and the assignment.</returns>
    /// <exception cref="ArmException">A rule of the service is broken.</exception>
    public (bool New, JsonObject Assignment) Put(string scope, string name, JsonObject body, string apiVersion, string clientId, string caller)
    {
        Authorize("write", scope, name, clientId, caller);
        if (!Guid.TryParseExact(name, "D", out _))
            throw new ArmException(400, "InvalidRoleAssignmentId", $"The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID.");
        if (body["properties"] is not JsonObject properties) throw ArmException.Invalid("The request content was invalid: it has no properties.");
        if (Text(properties, "principalId") is not { } principal || !Guid.TryParse(principal, out _))
            throw new ArmException(400, "InvalidPrincipalId", $"A valid principal ID must be provided for role assignment.");
        if (DefinitionId().Match(Text(properties, "roleDefinitionId") ?? "") is not { Success: true } definition)
            throw new ArmException(400, "InvalidRoleDefinitionId", "The role definition ID of the role assignment is not valid.");
        string role = definition.Groups["id"].Value.ToLowerInvariant();
        if (!Definitions.ContainsKey(role))
            throw new ArmException(404, "RoleDefinitionDoesNotExist", $"The specified role definition with ID '{role.Replace("-", "", StringComparison.Ordinal)}' does not exist.");
        string type = PrincipalType(principal, Text(properties, "principalType"), apiVersion);

        lock (_lock)
        {
            if (_assignments.TryGetValue($"{scope}/{name}", out Assignment? existing))
            {
                return existing.RoleId == role && existing.PrincipalId.Equals(principal, StringComparison.OrdinalIgnoreCase) ? (false, existing.Read())
                    : throw new ArmException(400, "RoleAssignmentUpdateNotPermitted", "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.");
            }

            Assignment assignment = new(scope, name, role, principal, type, DateTimeOffset.UtcNow, caller);
            if (_assignments.Values.FirstOrDefault(other => other.RoleId == role && other.Scope.Equals(scope, StringComparison.OrdinalIgnoreCase)
                && other.PrincipalId.Equals(principal, StringComparison.OrdinalIgnoreCase)) is { } same)
                throw new ArmException(409, "RoleAssignmentExists", $"The role assignment already exists. The ID of the existing role assignment is {Guid.Parse(same.Name):N}.");
            _assignments[$"{scope}/{name}"] = assignment;
            return (true, assignment.Read());
        }
    }

    /// <summary>Takes a role back.</summary>
    /// <returns>What it was; null if there was none.</returns>
    /// <exception cref="ArmException">The caller may not.</exception>
    public JsonObject? Delete(string scope, string name, string clientId, string caller)
    {
        Authorize("delete", scope, name, clientId, caller);
        return _assignments.TryRemove($"{scope}/{name}", out Assignment? assignment) ? assignment.Read() : null;
    }

    /// <summary>The built-in roles that matter here, or those of one name.</summary>
    /// <exception cref="ArmException">A filter other than roleName eq '…'.</exception>
    public static IEnumerable<JsonObject> ListDefinitions(string? filter)
    {
        if (string.IsNullOrEmpty(filter)) return Definitions.Keys.Select(ReadDefinition);
        if (RoleName().Match(filter) is not { Success: true } match)
            throw new ArmException(400, "UnsupportedQuery", $"The filter '{filter}' is not supported. Supported filters are 'roleName eq '{{value}}''.");
        return Definitions.Where(definition => definition.Value.Equals(match.Groups["name"].Value, StringComparison.OrdinalIgnoreCase)).Select(definition => ReadDefinition(definition.Key));
    }

    /// <summary>A built-in role.</summary>
    /// <exception cref="ArmException">There is none.</exception>
    public static JsonObject ReadDefinition(string id) => Definitions.TryGetValue(id, out string? name)
        ? new JsonObject
        {
            ["properties"] = new JsonObject { ["roleName"] = name, ["type"] = "BuiltInRole", ["assignableScopes"] = new JsonArray("/") },
            ["id"] = $"/providers/{DefinitionType}/{id}",
            ["type"] = DefinitionType,
            ["name"] = id,
        }
        : throw new ArmException(404, "RoleDefinitionDoesNotExist", $"The specified role definition with ID '{id.Replace("-", "", StringComparison.Ordinal)}' does not exist.");

    // Without a type the service looks the principal up, where a new one is not yet known. As a ServicePrincipal it takes any, even one that is deleted.
    private string PrincipalType(string principal, string? type, string apiVersion)
    {
        if (type is not (null or "User" or "Group" or "ServicePrincipal" or "ForeignGroup" or "Device"))
            throw ArmException.Invalid($"The request content was invalid: '{type}' is not a principal type.");
        if (type is not null && string.CompareOrdinal(apiVersion, type == "ServicePrincipal" ? "2018-09-01-preview" : "2020-03-01-preview") < 0) type = null;
        string? known = directory.TypeOf(principal);
        if (type == "ServicePrincipal" && known is null) return type;
        if (known is null)
            throw new ArmException(400, "PrincipalNotFound", $"Principal {Guid.Parse(principal):N} does not exist in the directory {Tokens.TenantId}. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype");
        if (type is not null && type != known)
            throw new ArmException(400, "UnmatchedPrincipalType", $"The PrincipalId '{Guid.Parse(principal):N}' has type '{known}' , which is different from specified PrinciaplType '{type}'.");
        return known;
    }

    private static void Authorize(string action, string scope, string name, string clientId, string caller)
    {
        if (clientId == NoOwnerClientId)
            throw new ArmException(403, "AuthorizationFailed", $"The client '{caller}' with object id '{caller}' does not have authorization to perform action '{Type}/{action}' over scope '{scope}/providers/{Type}/{name}' or the scope is invalid. If access was recently granted, please refresh your credentials.");
    }

    // The scope itself, or one below it.
    private static bool Covers(string scope, string below) =>
        below.StartsWith(scope, StringComparison.OrdinalIgnoreCase) && (below.Length == scope.Length || below[scope.Length] == '/');

    private static string? Text(JsonObject body, string name) => body[name] is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    [GeneratedRegex(@"^\s*(?:(?<at>atScope\(\))|principalId eq '(?<id>[^']*)'|(?:(?<at>atScope\(\)) and )?assignedTo\('(?<id>[^']*)'\))\s*$", RegexOptions.IgnoreCase)]
    private static partial Regex Filter();

    [GeneratedRegex("^(?:/subscriptions/[^/]+)?/providers/Microsoft.Authorization/roleDefinitions/(?<id>[0-9a-f-]{36})$", RegexOptions.IgnoreCase)]
    private static partial Regex DefinitionId();

    [GeneratedRegex("^roleName eq '(?<name>[^']*)'$", RegexOptions.IgnoreCase)]
    private static partial Regex RoleName();

    private sealed record Assignment(string Scope, string Name, string RoleId, string PrincipalId, string PrincipalType, DateTimeOffset CreatedOn, string CreatedBy)
    {
        public JsonObject Read() => new()
        {
            ["properties"] = new JsonObject
            {
                ["roleDefinitionId"] = $"/{string.Join('/', Scope.Split('/')[1..3])}/providers/{DefinitionType}/{RoleId}",
                ["principalId"] = PrincipalId,
                ["principalType"] = PrincipalType,
                ["scope"] = Scope,
                ["condition"] = null,
                ["conditionVersion"] = null,
                ["createdOn"] = CreatedOn,
                ["updatedOn"] = CreatedOn,
                ["createdBy"] = CreatedBy,
                ["updatedBy"] = CreatedBy,
                ["delegatedManagedIdentityResourceId"] = null,
                ["description"] = null,
            },
            ["id"] = $"{Scope}/providers/{Type}/{Name}",
            ["type"] = Type,
            ["name"] = Name,
        };
    }
}
