using System.Net;
using System.Text.Json.Nodes;

namespace FhirDeid.Tests;

/// <summary>Role assignments, by the rules of Azure.</summary>
public sealed class RoleAssignmentTests(SharedEmulator shared)
{
    private const string Reader = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1";
    private const string Contributor = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";
    private const string User = "0a5b1d5e-7a0c-4f0e-9a43-6f2f3f0c7b11";

    private readonly Service _service = shared.Service;

    private string Account => _service.Emulator.StorageAccountId;

    private string Subscription => "/subscriptions/" + _service.Emulator.SubscriptionId;

    [Fact]
    public async Task A_role_is_assigned_once()
    {
        string name = Guid.NewGuid().ToString(), principal = Guid.NewGuid().ToString();
        ArmAnswer first = await AssignAsync(Account, name, Reader, principal, "ServicePrincipal");
        Assert.Equal(HttpStatusCode.Created, first.Status);
        Assert.Equal($"{Account}/providers/Microsoft.Authorization/roleAssignments/{name}", (string?)first.Json["id"]);
        Assert.Equal(principal, (string?)first.Json["properties"]!["principalId"]);
        Assert.EndsWith(Reader, (string?)first.Json["properties"]!["roleDefinitionId"]);
        Assert.Equal(Account, (string?)first.Json["properties"]!["scope"]);

        Assert.Equal(HttpStatusCode.OK, (await AssignAsync(Account, name, Reader, principal, "ServicePrincipal")).Status);
        (await AssignAsync(Account, Guid.NewGuid().ToString(), Reader, principal, "ServicePrincipal"))
            .IsError(409, "RoleAssignmentExists", $"The role assignment already exists. The ID of the existing role assignment is {Guid.Parse(name):N}.");
        (await AssignAsync(Account, name, Contributor, principal, "ServicePrincipal")).IsError(400, "RoleAssignmentUpdateNotPermitted");
        (await AssignAsync(Account, name, Reader, Guid.NewGuid().ToString(), "ServicePrincipal")).IsError(400, "RoleAssignmentUpdateNotPermitted");
        Assert.Equal(HttpStatusCode.Created, (await AssignAsync(Subscription, name, Reader, principal, "ServicePrincipal")).Status);
    }

    [Fact]
    public async Task A_role_is_taken_back()
    {
        string name = Guid.NewGuid().ToString(), path = $"{Account}/providers/Microsoft.Authorization/roleAssignments/{name}";
        await AssignAsync(Account, name, Reader, Guid.NewGuid().ToString(), "ServicePrincipal");

        Assert.Equal(HttpStatusCode.OK, (await _service.ArmAsync(HttpMethod.Get, path, "2022-04-01")).Status);
        Assert.Equal(HttpStatusCode.OK, (await _service.ArmAsync(HttpMethod.Delete, path, "2022-04-01")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await _service.ArmAsync(HttpMethod.Delete, path, "2022-04-01")).Status);
        (await _service.ArmAsync(HttpMethod.Get, path, "2022-04-01")).IsError(404, "RoleAssignmentNotFound");
    }

    [Theory]
    [InlineData("not-a-guid", Reader, User, "User", 400, "InvalidRoleAssignmentId")]
    [InlineData(null, "00000000-1111-2222-3333-444444444444", User, "User", 404, "RoleDefinitionDoesNotExist")]
    [InlineData(null, "Storage Blob Data Reader", User, "User", 400, "InvalidRoleDefinitionId")]
    [InlineData(null, Reader, "somebody@example.org", "User", 400, "InvalidPrincipalId")]
    [InlineData(null, Reader, "d5f4b0b5-19b1-4a7b-8a52-0d9b1c4e7f10", null, 400, "PrincipalNotFound")]
    [InlineData(null, Reader, "d5f4b0b5-19b1-4a7b-8a52-0d9b1c4e7f10", "User", 400, "PrincipalNotFound")]
    [InlineData(null, Reader, User, "ServicePrincipal", 400, "UnmatchedPrincipalType")]
    [InlineData(null, Reader, User, "Human", 400, "InvalidRequestContent")]
    public async Task An_assignment_that_breaks_a_rule_is_refused(string? name, string role, string principal, string? type, int status, string code) =>
        (await AssignAsync(Account, name ?? Guid.NewGuid().ToString(), role, principal, type)).IsError(status, code);

    [Fact]
    public async Task A_person_and_a_known_client_need_no_principal_type()
    {
        string me = new Microsoft.IdentityModel.JsonWebTokens.JsonWebToken(await _service.TokenAsync(clientId: "me")).GetClaim("oid").Value;

        Assert.Equal("User", (string?)(await AssignAsync(Account, Guid.NewGuid().ToString(), Contributor, User, null)).Json["properties"]!["principalType"]);
        Assert.Equal("ServicePrincipal", (string?)(await AssignAsync(Account, Guid.NewGuid().ToString(), Contributor, me, null)).Json["properties"]!["principalType"]);
    }

    [Fact]
    public async Task An_api_version_that_does_not_know_the_principal_type_leaves_it_aside() =>
        (await AssignAsync(Account, Guid.NewGuid().ToString(), Reader, Guid.NewGuid().ToString(), "ServicePrincipal", "2018-01-01-preview")).IsError(400, "PrincipalNotFound");

    [Theory]
    [InlineData("PUT", "write")]
    [InlineData("DELETE", "delete")]
    public async Task A_caller_who_is_no_owner_assigns_no_roles(string method, string action)
    {
        string token = await _service.TokenAsync("https://management.azure.com", "no-owner"), scope = Account;
        string me = new Microsoft.IdentityModel.JsonWebTokens.JsonWebToken(token).GetClaim("oid").Value, name = Guid.NewGuid().ToString();

        (await _service.ArmAsync(new HttpMethod(method), $"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}", "2022-04-01", Body(Reader, me, "ServicePrincipal"), token))
            .IsError(403, "AuthorizationFailed", $"The client '{me}' with object id '{me}' does not have authorization to perform action 'Microsoft.Authorization/roleAssignments/{action}' over scope '{scope}/providers/Microsoft.Authorization/roleAssignments/{name}' or the scope is invalid. If access was recently granted, please refresh your credentials.");
        Assert.Equal(HttpStatusCode.OK, (await _service.ArmAsync(HttpMethod.Get, $"{scope}/providers/Microsoft.Authorization/roleAssignments", "2022-04-01", token: token)).Status);
    }

    [Fact]
    public async Task Assignments_are_listed_by_scope_and_by_principal()
    {
        string principal = Guid.NewGuid().ToString(), other = Guid.NewGuid().ToString();
        string container = Account + "/blobServices/default/containers/c", group = $"{Subscription}/resourceGroups/{_service.Emulator.ResourceGroupName}";
        foreach (string scope in (string[])[Subscription, group, Account, container]) await AssignAsync(scope, Guid.NewGuid().ToString(), Reader, principal, "ServicePrincipal");
        await AssignAsync(Account, Guid.NewGuid().ToString(), Reader, other, "ServicePrincipal");

        Assert.Equal([Subscription, group, Account], await ScopesAsync(Account, "atScope()"));
        Assert.Equal([Subscription, group, Account, container], await ScopesAsync(Account, ""));
        Assert.Equal([Subscription, group, Account, container], await ScopesAsync(Account, $"principalId eq '{principal}'"));
        Assert.Equal([Subscription, group], await ScopesAsync(group, $"atScope() and assignedTo('{principal}')"));
        Assert.Equal([Subscription, group, Account, container], await ScopesAsync(Subscription, $"assignedTo('{principal}')"));
        List<JsonNode> ofPrincipal = await _service.ArmListAsync(List(Account, $"principalId eq '{principal}'"), "2022-04-01");
        Assert.All(ofPrincipal, assignment => Assert.Equal(principal, (string?)assignment["properties"]!["principalId"]));
        (await _service.ArmAsync(HttpMethod.Get, List(Account, $"principalId eq '{principal}' and atScope()"), "2022-04-01")).IsError(400, "UnsupportedQuery");

        async Task<string[]> ScopesAsync(string scope, string filter) =>
        [
            .. (await _service.ArmListAsync(List(scope, filter), "2022-04-01")).Where(assignment => (string?)assignment["properties"]!["principalId"] == principal)
                .Select(assignment => (string)assignment["properties"]!["scope"]!),
        ];
    }

    [Fact]
    public async Task The_service_has_its_role_on_the_storage_account_from_the_start()
    {
        string principal = (string)(await _service.ArmAsync(HttpMethod.Get, _service.Emulator.ResourceId)).Json["identity"]!["principalId"]!;
        JsonNode assignment = (await _service.ArmListAsync(List(Account, $"principalId eq '{principal}'"), "2022-04-01")).Single();

        Assert.Equal(Account, (string?)assignment["properties"]!["scope"]);
        Assert.EndsWith(Contributor, (string?)assignment["properties"]!["roleDefinitionId"]);
    }

    [Fact]
    public async Task Roles_are_found_by_name_and_by_id()
    {
        string definitions = Account + "/providers/Microsoft.Authorization/roleDefinitions";
        JsonNode role = (await _service.ArmListAsync($"{definitions}?$filter={Uri.EscapeDataString("roleName eq 'Storage Blob Data Contributor'")}", "2022-04-01")).Single();

        Assert.Equal(Contributor, (string?)role["name"]);
        Assert.Equal("Storage Blob Data Reader", (string?)(await _service.ArmAsync(HttpMethod.Get, $"{definitions}/{Reader}", "2022-04-01")).Json["properties"]!["roleName"]);
        (await _service.ArmAsync(HttpMethod.Get, $"{definitions}/{Guid.NewGuid()}", "2022-04-01")).IsError(404, "RoleDefinitionDoesNotExist");
    }

    private static string List(string scope, string filter) =>
        $"{scope}/providers/Microsoft.Authorization/roleAssignments{(filter.Length > 0 ? "?$filter=" + Uri.EscapeDataString(filter) : "")}";

    private static string Body(string role, string principal, string? type) => new JsonObject
    {
        ["properties"] = new JsonObject
        {
            ["roleDefinitionId"] = $"/providers/Microsoft.Authorization/roleDefinitions/{role}", ["principalId"] = principal, ["principalType"] = type,
        },
    }.ToJsonString();

    private Task<ArmAnswer> AssignAsync(string scope, string name, string role, string principal, string? type, string apiVersion = "2022-04-01") =>
        _service.ArmAsync(HttpMethod.Put, $"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}", apiVersion, Body(role, principal, type));
}
