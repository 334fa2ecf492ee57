using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace FhirDeid.Emulator.ResourceManagement;

/// <summary>Azure Resource Manager, as far as the settings of a de-identified export reach, by https on loopback.</summary>
internal sealed partial class ResourceManager : IAsyncDisposable
{
    private const string Group = "/subscriptions/{subscription}/resourceGroups/{group}";
    private const string Provider = "/providers/Microsoft.HealthcareApis";
    private const string Service = Group + Provider + "/workspaces/{workspace}/fhirservices/{name}";
    private const string Accounts = "/providers/Microsoft.Storage/storageAccounts";
    private const string RetryAfterSeconds = "1";

    private readonly Tokens _tokens;
    private readonly Subscription[] _subscriptions;
    private readonly RoleAssignments _roles;
    private readonly ConcurrentDictionary<string, (DateTimeOffset End, bool Fails)> _operations = new(StringComparer.OrdinalIgnoreCase);
    private LoopbackServer _server = null!;

    private ResourceManager(Tokens tokens, Subscription[] subscriptions, RoleAssignments roles)
    {
        _tokens = tokens;
        _subscriptions = subscriptions;
        _roles = roles;
    }

    /// <summary>Base URL.</summary>
    public Uri BaseUri => _server.BaseUri;

    /// <summary>Starts listening on a free port.</summary>
    public static async Task<ResourceManager> StartAsync(RunCertificates certificates, Tokens tokens, Subscription[] subscriptions, RoleAssignments roles,
        CancellationToken cancellation)
    {
        ResourceManager manager = new(tokens, subscriptions, roles);
        manager._server = await LoopbackServer.StartAsync(0, certificates.Server, manager.Map, cancellation);
        return manager;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private void Map(WebApplication application)
    {
        application.Use(AnswerErrorsAsync);
        application.Use(async (context, next) =>
        {
            context.User = await _tokens.CheckAsync(context.Request, Tokens.ResourceManagerAudiences);
            context.Items["api-version"] = ApiVersions.Read(context.Request);
            await next(context);
        });
        application.UseRouting();

        application.MapGet("/subscriptions", (HttpRequest request) => Page(request, _subscriptions.Select(Read)));
        application.MapGet("/subscriptions/{subscription}", (string subscription) => Json(Read(Find(subscription))));
        application.MapGet("/subscriptions/{subscription}/resourceGroups", (HttpRequest request, string subscription) => Page(request, [ReadGroup(Find(subscription))]));
        application.MapGet(Group, (string subscription, string group) => Json(ReadGroup(Find(subscription, group))));

        application.MapGet("/subscriptions/{subscription}" + Provider + "/workspaces", (HttpRequest request, string subscription) => Page(request, [ReadWorkspace(Find(subscription))]));
        application.MapGet(Group + Provider + "/workspaces", (HttpRequest request, string subscription, string group) => Page(request, [ReadWorkspace(Find(subscription, group))]));
        application.MapGet(Group + Provider + "/workspaces/{workspace}", (string subscription, string group, string workspace) =>
        {
            Subscription found = Find(subscription, group);
            return Same(workspace, found.Workspace) ? Json(ReadWorkspace(found)) : throw ArmException.NotFound("Microsoft.HealthcareApis/workspaces", workspace, group);
        });
        application.MapGet(Group + Provider + "/workspaces/{workspace}/fhirservices", (HttpRequest request, string subscription, string group, string workspace) =>
        {
            Subscription found = Find(subscription, group);
            if (!Same(workspace, found.Workspace))
                throw new ArmException(404, "ParentResourceNotFound", $"Failed to perform 'read' on resource(s) of type 'workspaces/fhirservices', because the parent resource '{found.ResourceGroupId}{Provider}/workspaces/{workspace}' could not be found.");
            return Page(request, found.FhirServices.Select(service => service.Read(ApiVersion(request))));
        });
        application.MapGet(Service, (HttpRequest request, string subscription, string group, string workspace, string name) =>
        {
            FhirServiceResource service = Find(subscription, group, workspace, name);
            JsonObject body = service.Read(ApiVersion(request));
            request.HttpContext.Response.Headers.ETag = (string?)body["etag"];
            return Json(body);
        });
        application.MapPut(Service, async (HttpRequest request, string subscription, string group, string workspace, string name) =>
        {
            if (!ResourceName().IsMatch(name))
                throw new ArmException(400, "InvalidResourceName", $"The resource name '{name}' is invalid. It must be 3 to 24 letters, digits or hyphens, and begin and end with a letter or digit.");
            FhirServiceResource service;
            try
            {
                service = Find(subscription, group, workspace, name);
            }
            catch (ArmException e) when (e.Code == "ResourceNotFound")
            {
                throw new ArmException(400, "NotSupportedByEmulator", $"Azure would create the FHIR service '{name}'; the emulator creates none.");
            }

            return Changed(request, subscription, service, service.Put(await BodyAsync(request), IfMatch(request), ObjectId(request)));
        });
        application.MapPatch(Service, async (HttpRequest request, string subscription, string group, string workspace, string name) =>
        {
            FhirServiceResource service = Find(subscription, group, workspace, name);
            return Changed(request, subscription, service, service.Patch(await BodyAsync(request), IfMatch(request), ObjectId(request)));
        });
        application.MapGet("/subscriptions/{subscription}" + Provider + "/locations/{location}/operationresults/{id}", (HttpRequest request, string subscription, string location, string id) =>
        {
            Find(subscription);
            if (!_operations.TryGetValue(id, out (DateTimeOffset End, bool Fails) operation))
                throw new ArmException(404, "OperationNotFound", $"The operation '{id}' was not found.");
            bool done = DateTimeOffset.UtcNow >= operation.End;
            if (!done) request.HttpContext.Response.Headers.RetryAfter = RetryAfterSeconds;
            JsonObject answer = new() { ["id"] = request.Path.Value, ["name"] = id, ["status"] = !done ? "Running" : operation.Fails ? "Failed" : "Succeeded" };
            if (done && operation.Fails) answer["error"] = new JsonObject { ["code"] = "InternalServerError", ["message"] = "The operation could not be completed." };
            return Json(answer, done ? 200 : 202);
        });

        application.MapGet("/subscriptions/{subscription}" + Accounts, (HttpRequest request, string subscription) => Page(request, ReadAccounts(Find(subscription))));
        application.MapGet(Group + Accounts, (HttpRequest request, string subscription, string group) => Page(request, ReadAccounts(Find(subscription, group))));
        application.MapGet(Group + Accounts + "/{name}", (string subscription, string group, string name) => Json(FindAccount(subscription, group, name).Read()));
        application.MapPatch(Group + Accounts + "/{name}", async (HttpRequest request, string subscription, string group, string name) =>
        {
            StorageAccount account = FindAccount(subscription, group, name);
            account.Patch(await BodyAsync(request));
            return Json(account.Read());
        });
        application.MapDelete(Group + Accounts + "/{name}", (string subscription, string group, string name) =>
        {
            if (Find(subscription, group).StorageAccount(name) is not { } account) return Results.NoContent();
            account.Deleted = true;
            return Results.Ok();
        });

        // A scope is a path of any length, and stands before.
        application.MapFallback(AuthorizationAsync);
    }

    private async Task<IResult> AuthorizationAsync(HttpRequest request)
    {
        string path = request.Path.Value!;
        if (Authorization().Match(path) is not { Success: true } match)
            throw new ArmException(404, "InvalidResourceType", $"The emulator serves nothing at '{path}'.");

        string scope = match.Groups["scope"].Value, name = match.Groups["name"].Value;
        string? filter = request.Query["$filter"];
        CheckScope(scope);
        if (Same(match.Groups["type"].Value, "roleDefinitions"))
        {
            return request.Method != "GET" ? throw NotAllowed(request)
                : name.Length > 0 ? Json(RoleAssignments.ReadDefinition(name)) : Page(request, RoleAssignments.ListDefinitions(filter));
        }

        string clientId = request.HttpContext.User.FindFirst("appid")!.Value;
        switch (request.Method)
        {
            case "GET":
                return name.Length > 0 ? Json(_roles.Read(scope, name)) : Page(request, _roles.List(scope, filter));
            case "PUT" when name.Length > 0:
                (bool created, JsonObject assignment) = _roles.Put(scope, name, await BodyAsync(request), ApiVersion(request), clientId, ObjectId(request));
                return Json(assignment, created ? 201 : 200);
            case "DELETE" when name.Length > 0:
                return _roles.Delete(scope, name, clientId, ObjectId(request)) is { } deleted ? Json(deleted) : Results.NoContent();
            default:
                throw NotAllowed(request);
        }
    }

    // Everything at or above what exists, and what lies in a storage account, is a scope.
    private void CheckScope(string scope)
    {
        string[] segments = scope.Split('/');
        Subscription subscription = Find(segments[2]);
        if (segments.Length >= 5 && Same(segments[3], "resourceGroups")) Find(segments[2], segments[4]);
        if (segments.Length <= 5) return;
        IEnumerable<string> accounts = subscription.StorageAccounts.Where(account => !account.Deleted).Select(account => account.Id);
        string[] ids = [subscription.WorkspaceId, .. subscription.FhirServices.Select(service => service.Id)];
        if (!ids.Any(id => Same(scope, id)) && !accounts.Any(id => Same(scope, id) || scope.StartsWith(id + "/", StringComparison.OrdinalIgnoreCase)))
            throw ArmException.NotFound(string.Join('/', segments.Skip(6).Take(2)), segments[^1], subscription.ResourceGroup);
    }

    private Subscription Find(string subscription) => _subscriptions.FirstOrDefault(known => Same(known.Id, subscription))
        ?? throw (Guid.TryParse(subscription, out _) ? new ArmException(404, "SubscriptionNotFound", $"The subscription '{subscription}' could not be found.")
            : new ArmException(400, "InvalidSubscriptionId", $"The provided subscription identifier '{subscription}' is malformed or invalid."));

    private Subscription Find(string subscription, string group)
    {
        Subscription found = Find(subscription);
        return Same(group, found.ResourceGroup) ? found : throw new ArmException(404, "ResourceGroupNotFound", $"Resource group '{group}' could not be found.");
    }

    private FhirServiceResource Find(string subscription, string group, string workspace, string name)
    {
        Subscription found = Find(subscription, group);
        return (Same(workspace, found.Workspace) ? found.FhirServices.FirstOrDefault(service => Same(service.Name, name)) : null)
            ?? throw ArmException.NotFound("Microsoft.HealthcareApis/workspaces", $"{workspace}/fhirservices/{name}", group);
    }

    private StorageAccount FindAccount(string subscription, string group, string name) =>
        Find(subscription, group).StorageAccount(name) ?? throw ArmException.NotFound(StorageAccount.Type, name, group);

    private static JsonObject Read(Subscription subscription) => new()
    {
        ["id"] = $"/subscriptions/{subscription.Id}",
        ["subscriptionId"] = subscription.Id,
        ["tenantId"] = Tokens.TenantId,
        ["displayName"] = subscription.DisplayName,
        ["state"] = "Enabled",
    };

    private static JsonObject ReadGroup(Subscription subscription) => new()
    {
        ["id"] = subscription.ResourceGroupId,
        ["name"] = subscription.ResourceGroup,
        ["type"] = "Microsoft.Resources/resourceGroups",
        ["location"] = Subscription.Location,
        ["properties"] = new JsonObject { ["provisioningState"] = "Succeeded" },
    };

    private static IEnumerable<JsonObject> ReadAccounts(Subscription subscription) =>
        subscription.StorageAccounts.Where(account => !account.Deleted).Select(account => account.Read());

    private static JsonObject ReadWorkspace(Subscription subscription) => new()
    {
        ["id"] = subscription.WorkspaceId,
        ["name"] = subscription.Workspace,
        ["type"] = "Microsoft.HealthcareApis/workspaces",
        ["location"] = Subscription.Location,
        ["tags"] = new JsonObject(),
        ["properties"] = new JsonObject { ["provisioningState"] = "Succeeded", ["publicNetworkAccess"] = "Enabled" },
    };

    // A change that is done at once is answered 200; otherwise 202 with where to ask how it goes.
    private IResult Changed(HttpRequest request, string subscription, FhirServiceResource service, (DateTimeOffset End, bool Fails) change)
    {
        JsonObject body = service.Read(ApiVersion(request));
        if (DateTimeOffset.UtcNow >= change.End) return Json(body);

        string id = Guid.NewGuid().ToString();
        _operations[id] = change;
        string operation = $"{_server.Origin}/subscriptions/{subscription}{Provider}/locations/{Subscription.Location}/operationresults/{id}?api-version={ApiVersion(request)}";
        IHeaderDictionary headers = request.HttpContext.Response.Headers;
        headers["Azure-AsyncOperation"] = operation;
        headers.Location = operation;
        headers.RetryAfter = RetryAfterSeconds;
        return Json(body, 202);
    }

    // One item a page: a client that reads the first page alone shall notice it here.
    private IResult Page(HttpRequest request, IEnumerable<JsonObject> items)
    {
        int skip = int.TryParse(request.Query["$skiptoken"], out int token) ? token : 0;
        JsonObject[] rest = [.. items.Skip(skip).Take(2)];
        JsonObject page = new() { ["value"] = new JsonArray([.. rest.Take(1)]) };
        if (rest.Length > 1)
        {
            string query = string.Concat(request.Query.Where(parameter => parameter.Key != "$skiptoken").Select(parameter => $"{parameter.Key}={Uri.EscapeDataString(parameter.Value.ToString())}&"));
            page["nextLink"] = $"{_server.Origin}{request.Path.ToUriComponent()}?{query}$skiptoken={skip + 1}";
        }

        return Json(page);
    }

    private static async Task<JsonObject> BodyAsync(HttpRequest request)
    {
        try
        {
            if (await JsonNode.ParseAsync(request.Body, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false }) is JsonObject body) return body;
        }
        catch (JsonException)
        {
        }

        throw ArmException.Invalid("The request content was invalid and could not be deserialized: it is not a JSON object.");
    }

    private static string ApiVersion(HttpRequest request) => (string)request.HttpContext.Items["api-version"]!;

    private static string? IfMatch(HttpRequest request) => request.Headers.IfMatch is [{ } etag] ? etag : null;

    private static string ObjectId(HttpRequest request) => request.HttpContext.User.FindFirst("oid")!.Value;

    private static IResult Json(JsonObject body, int status = 200) => Results.Json(body, FhirJson.Options, "application/json; charset=utf-8", status);

    private static bool Same(string left, string right) => left.Equals(right, StringComparison.OrdinalIgnoreCase);

    private static ArmException NotAllowed(HttpRequest request) =>
        new(405, "HttpMethodNotAllowed", $"The requested resource does not support http method '{request.Method}'.");

    private static async Task AnswerErrorsAsync(HttpContext context, RequestDelegate next)
    {
        context.Response.Headers["x-ms-request-id"] = Guid.NewGuid().ToString();
        try
        {
            await next(context);
        }
        catch (ArmException e)
        {
            await WriteAsync(e.Status, e.Code, e.Message);
        }
        catch (InvalidTokenException e)
        {
            context.Response.Headers.WWWAuthenticate = $"Bearer authorization_uri=\"https://login.microsoftonline.com/{Tokens.TenantId}\", error=\"invalid_token\", error_description=\"{e.Message}\"";
            await WriteAsync(401, e.Reason switch
            {
                InvalidTokenReason.Missing => "AuthenticationFailed",
                InvalidTokenReason.Audience => "InvalidAuthenticationTokenAudience",
                InvalidTokenReason.Expired => "ExpiredAuthenticationToken",
                _ => "InvalidAuthenticationToken",
            }, e.Reason switch
            {
                InvalidTokenReason.Missing => "Authentication failed. The 'Authorization' header is missing.",
                InvalidTokenReason.Audience => $"The access token has been obtained for wrong audience or resource. It should exactly match with one of the allowed audiences '{string.Join("','", Tokens.ResourceManagerAudiences)}'.",
                InvalidTokenReason.Expired => $"The access token is expired. {e.Message}",
                _ => "The access token is invalid.",
            });
        }

        Task WriteAsync(int status, string code, string message)
        {
            context.Response.StatusCode = status;
            return context.Response.WriteAsJsonAsync(new { error = new { code, message } }, FhirJson.Options, "application/json; charset=utf-8");
        }
    }

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9-]{1,22}[A-Za-z0-9]$")]
    private static partial Regex ResourceName();

    [GeneratedRegex("^(?<scope>/subscriptions/[^/]+(?:/.+?)?)/providers/Microsoft.Authorization/(?<type>roleAssignments|roleDefinitions)(?:/(?<name>[^/]+))?/?$", RegexOptions.IgnoreCase)]
    private static partial Regex Authorization();
}
