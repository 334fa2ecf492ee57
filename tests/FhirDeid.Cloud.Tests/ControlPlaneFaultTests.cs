using System.Text.Json.Nodes;
using FhirDeid.Cloud.ResourceManagement;
using FhirDeid.Tests;
using Microsoft.AspNetCore.Http;

namespace FhirDeid.Cloud.Tests;

/// <summary>Injects each fault of the table "Setting up" in docs/reliability.md into a FHIR service that takes changes and ends them some looks later, and compares how it ends.</summary>
public sealed class ControlPlaneFaultTests : IAsyncLifetime
{
    private const string Storage = "export storage", Role = "role";
    private const string Subscription = "11111111-2222-3333-4444-555555555555";
    private const string Id = $"/subscriptions/{Subscription}/resourceGroups/rg/providers/Microsoft.HealthcareApis/workspaces/work/fhirservices/fhir";
    private const string Account = $"/subscriptions/{Subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/{StandIn.Account}";

    private readonly FhirRoleAssignment _wanted = new() { ObjectId = "aaaaaaaa-0000-0000-0000-000000000001", ObjectType = FhirPrincipalType.ServicePrincipal, RoleDefinitionName = "Storage Blob Data Contributor", Scope = Account };
    private StandIn _service = null!;
    private JsonObject _resource = null!;
    private int _version = 1, _looksLeft, _puts, _asked;
    private string _end = "Succeeded";
    private string? _then;
    private bool _assigned;
    private TimeSpan _timeout = TimeSpan.FromHours(1);
    private Func<int, Func<HttpContext, Task>?> _onPut = _ => null, _onOperation = _ => null;

    public async ValueTask InitializeAsync()
    {
        _service = await StandIn.StartAsync();
        _resource = (JsonObject)JsonNode.Parse($$"""
            {
              "id": "{{Id}}", "kind": "fhir-R4", "location": "westeurope", "tags": {}, "identity": { "type": "SystemAssigned", "principalId": "p" },
              "properties": {
                "provisioningState": "Succeeded", "authenticationConfiguration": { "audience": "{{_service.Fhir.AbsoluteUri}}" },
                "exportConfiguration": { "storageAccountName": "formerstore" }
              }
            }
            """)!;
        _service.OnResourceManager = AnswerAsync;
    }

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    // -- what is injected, and what comes of it ------------------------------------------------------------------

    private static readonly (FaultRow Row, Func<ControlPlaneFaultTests, Task<string>> Run)[] Faults =
    [
        Fault(Storage, "429, Retry-After in seconds", "set, 2 PUTs", bench => bench.OnPut(Times(1, StandIn.Answer(429, headers: [("Retry-After", "0"), ("x-ms-retry-after-ms", "5")])))),
        Fault(Storage, "429 for ever", "FhirDeid.Throttled, 4 PUTs; again: set, 1 PUT", bench => bench.OnPut(Times(99, StandIn.Answer(429)))),
        Fault(Storage, "429, Retry-After as a time of day in seconds since 1970", "FhirDeid.Throttled, 1 PUT; again: set, 1 PUT", bench => bench.OnPut(Times(99, StandIn.Answer(429, headers: ("Retry-After", "1790000000"))))),
        Fault(Storage, "503 twice", "set, 3 PUTs", bench => bench.OnPut(Times(2, StandIn.Answer(503)))),
        Fault(Storage, "503 for ever", "FhirDeid.ServiceUnavailable, 4 PUTs; again: set, 1 PUT", bench => bench.OnPut(Times(99, StandIn.Answer(503)))),
        Fault(Storage, "connection reset before the update is taken", "set, 2 PUTs", bench => bench.OnPut(Times(1, Reset))),
        Fault(Storage, "connection reset after the update is taken: it is known by its ETag and waited for", "set, 2 PUTs", bench => bench.OnPut(number => number == 1 ? bench.TakenAndReset : null)),
        Fault(Storage, "a socket that says nothing, once", "set, 2 PUTs", bench => bench.Patience(1000).OnPut(Times(1, Silence))),
        Fault(Storage, "connections reset for ever", "FhirDeid.EndpointUnreachable, 4 PUTs; again: set, 1 PUT", bench => bench.OnPut(Times(99, Reset))),
        Fault(Storage, "a token that the resource manager no longer takes", "set, 2 PUTs", bench => bench.OnPut(Times(1, StandIn.Answer(401, headers: ("WWW-Authenticate", "Bearer error=\"invalid_token\""))))),
        Fault(Storage, "an answer that is none of the resource manager's", "FhirDeid.UnexpectedAnswer, 1 PUT; again: set, 1 PUT", bench => bench.OnPut(Times(99, StandIn.Answer(302, "<html>Sign in</html>", "text/html")))),
        Fault(Storage, "412: someone else has changed the tags; they stay", "set, 2 PUTs", bench => bench.OnPut(number => number == 1 ? bench.TheirTags : null)),
        Fault(Storage, "412: someone else has set another account; it stays", "FhirDeid.FhirServiceChanged, 1 PUT; again: set, 1 PUT", bench => bench.OnPut(number => number == 1 ? bench.TheirAccount : null)),
        Fault(Storage, "412: someone else has set the same account", "set, 1 PUT", bench => bench.OnPut(number => number == 1 ? bench.SameAccount : null)),
        Fault(Storage, "412 every time", "FhirDeid.FhirServiceChanged, 3 PUTs; again: set, 1 PUT", bench => bench.OnPut(Times(99, StandIn.Answer(412)))),
        Fault(Storage, "409: an update of someone else has begun; it is waited for", "set, 2 PUTs", bench => bench.OnPut(number => number == 1 ? bench.TheirUpdate : null)),
        Fault(Storage, "409 without an update to be seen, some times", "set, 4 PUTs", bench => bench.OnPut(Times(3, Conflict))),
        Fault(Storage, "409 for ever", "FhirDeid.FhirServiceBusy, 12 PUTs; again: set, 1 PUT", bench => bench.OnPut(Times(99, Conflict))),
        Fault(Storage, "an update of someone else is under way", "set, 1 PUT", bench => bench.Under("Updating").OnPut(_ => null)),
        Fault(Storage, "an update of someone else is under way, and sets another account; it stays", "FhirDeid.FhirServiceChanged, 0 PUTs; again: set, 1 PUT", bench => bench.Under("Updating", then: "theirstore").OnPut(_ => null)),
        Fault(Storage, "an earlier update that set the same account is under way; it is waited for", "set, 0 PUTs", bench => bench.Under("Updating", StandIn.Account).OnPut(_ => null)),
        Fault(Storage, "an earlier update that set the same account has failed; it is sent again", "set, 1 PUT", bench => bench.Under("Failed", StandIn.Account).OnPut(_ => null)),

        Fault(Storage, "operation: 500, 503, 429 in turn", "set, 1 PUT", bench => bench.OnOperation(number => number <= 12 ? StandIn.Answer(number % 3 == 0 ? 500 : number % 3 == 1 ? 503 : 429) : null)),
        Fault(Storage, "operation: connection reset, six times", "set, 1 PUT", bench => bench.OnOperation(Times(6, Reset))),
        Fault(Storage, "operation: Retry-After as a time of day in seconds since 1970, which is cut to 30 s", "FhirDeid.UpdateTimeout, 1 PUT; again: set, 0 PUTs", bench => bench.In(2).OnOperation(Times(1, StandIn.Answer(200, """{"status":"Running"}""", "application/json", ("Retry-After", "1790000000"))))),
        Fault(Storage, "operation: running for ever", "FhirDeid.UpdateTimeout, 1 PUT; again: set, 0 PUTs", bench => bench.In(1).OnOperation(Times(9999, StandIn.Answer(200, """{"status":"Running"}""", "application/json")))),
        Fault(Storage, "operation: forgotten (404); the resource tells the end", "set, 1 PUT", bench => bench.OnOperation(Times(99, StandIn.Answer(404)))),
        Fault(Storage, "operation: no longer to be read (403)", "FhirDeid.ResourceManagerForbidden, 1 PUT; again: set, 0 PUTs", bench => bench.OnOperation(Times(99, StandIn.Answer(403)))),
        Fault(Storage, "operation: failed", "FhirDeid.UpdateFailed, 1 PUT: No access to the key. (KeyVault); again: set, 1 PUT", bench => bench.Ends("Failed")),
        Fault(Storage, "operation: canceled", "FhirDeid.UpdateFailed, 1 PUT; again: set, 1 PUT", bench => bench.Ends("Canceled")),
        Fault(Storage, "operation: succeeded, and the resource has failed", "FhirDeid.UpdateFailed, 1 PUT; again: set, 1 PUT", bench =>
        {
            bench._end = "Failed";
            return bench.OnOperation(Times(99, StandIn.Answer(200, """{"status":"Succeeded"}""", "application/json")));
        }),

        Fault(Role, "503 twice", "assigned, 3 PUTs", bench => bench.AssignAsync(Times(2, StandIn.Answer(503)))),
        Fault(Role, "connection reset before the assignment is taken", "assigned, 2 PUTs", bench => bench.AssignAsync(Times(1, Reset))),
        Fault(Role, "PrincipalNotFound three times: the identity is new", "assigned, 4 PUTs", bench => bench.AssignAsync(Times(3, Error(400, "PrincipalNotFound")))),
        Fault(Role, "PrincipalNotFound for ever", "FhirDeid.PrincipalNotFound, 12 PUTs; again: assigned, 1 PUT", bench => bench.AssignAsync(Times(99, Error(400, "PrincipalNotFound")))),
        Fault(Role, "RoleAssignmentExists under another name", "there already, 1 PUT", bench => bench.AssignAsync(Times(1, Error(409, "RoleAssignmentExists")))),
        Fault(Role, "the caller may not assign roles", "FhirDeid.RoleAssignmentForbidden, 1 PUT; again: assigned, 1 PUT", bench => bench.AssignAsync(Times(99, Error(403, "AuthorizationFailed")))),
        Fault(Role, "a lock on the storage account", "FhirDeid.ResourceManagerRefused, 1 PUT; again: assigned, 1 PUT", bench => bench.AssignAsync(Times(99, Error(409, "ScopeLocked")))),
        Fault(Role, "the storage account is deleted meanwhile", "FhirDeid.ResourceNotFound, 1 PUT; again: assigned, 1 PUT", bench => bench.AssignAsync(Times(99, Error(404, "ResourceNotFound")))),
    ];

    private static (FaultRow, Func<ControlPlaneFaultTests, Task<string>>) Fault(string phase, string name, string end, Func<ControlPlaneFaultTests, Task<string>> run) => (new FaultRow(phase, name, end), run);

    public static TheoryData<string, string> Names() => [.. Faults.Select(fault => (fault.Row.Phase, fault.Row.Name))];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Each_fault_ends_as_documented(string phase, string name)
    {
        (FaultRow row, Func<ControlPlaneFaultTests, Task<string>> run) = Faults.Single(fault => (fault.Row.Phase, fault.Row.Name) == (phase, name));

        Assert.Equal(row.End, await run(this));
    }

    [Fact]
    public void The_page_lists_the_faults_that_were_run() => ReliabilityPage.Check("setup", Faults.Select(fault => fault.Row));

    // -- what is done --------------------------------------------------------------------------------------------

    private Task<string> OnPut(Func<int, Func<HttpContext, Task>?> fault)
    {
        _onPut = fault;
        return SetAsync();
    }

    private Task<string> OnOperation(Func<int, Func<HttpContext, Task>?> fault)
    {
        _onOperation = fault;
        return SetAsync();
    }

    private Task<string> Ends(string end)
    {
        _end = end;
        return SetAsync();
    }

    private ControlPlaneFaultTests Under(string state, string account = "formerstore", string? then = null)
    {
        _resource["properties"]!["provisioningState"] = state;
        _resource["properties"]!["exportConfiguration"]!["storageAccountName"] = account;
        (_looksLeft, _then) = (state == "Updating" ? 3 : 0, then);
        return this;
    }

    private ControlPlaneFaultTests In(int seconds)
    {
        _timeout = TimeSpan.FromSeconds(seconds);
        return this;
    }

    private ControlPlaneFaultTests Patience(int milliseconds)
    {
        _service.NetworkTimeout = TimeSpan.FromMilliseconds(milliseconds);
        return this;
    }

    private Task<string> SetAsync() => TwiceAsync(async () =>
    {
        FhirExportStorage storage = new() { StorageAccountName = StandIn.Account, StorageAccountId = Account, BlobEndpoint = new Uri(_service.BlobBase) };
        FhirExportStorage set = await (await ControlPlaneAsync()).SetExportStorageAsync(storage, _timeout, new Nobody(), TestContext.Current.CancellationToken);
        Assert.Equal(("Succeeded", StandIn.Account), (set.ProvisioningState, (string?)_resource["properties"]!["exportConfiguration"]!["storageAccountName"]));
        return "set";
    });

    private Task<string> AssignAsync(Func<int, Func<HttpContext, Task>?> fault)
    {
        _onPut = fault;
        return TwiceAsync(async () => (await (await ControlPlaneAsync()).AssignRoleAsync(_wanted, new Nobody(), TestContext.Current.CancellationToken)).Changed ? "assigned" : "there already");
    }

    private async Task<string> TwiceAsync(Func<Task<string>> act)
    {
        string end = await OnceAsync();
        if (!end.StartsWith("FhirDeid.", StringComparison.Ordinal)) return end;
        (_onPut, _onOperation, _end, _timeout, _puts) = (_ => null, _ => null, "Succeeded", TimeSpan.FromHours(1), 0);
        return $"{end}; again: {await OnceAsync()}";

        async Task<string> OnceAsync()
        {
            string told, reason = "";
            try
            {
                told = await act();
            }
            catch (FhirDeidException e)
            {
                Assert.NotEmpty(e.RecommendedAction);
                Assert.DoesNotContain('\n', e.Message);
                Assert.DoesNotContain(StandIn.Signature, e.ToString(), StringComparison.Ordinal);
                told = e.ErrorId;
                if (e.Message.Contains("It says: ", StringComparison.Ordinal) && told == "FhirDeid.UpdateFailed") reason = ": " + e.Message[(e.Message.IndexOf("It says: ", StringComparison.Ordinal) + 9)..];
            }
            Assert.DoesNotContain(_service.Requests, request => request.Port == _service.Foreign.Port);
            return $"{told}, {_puts} PUT{(_puts == 1 ? "" : "s")}{reason}";
        }
    }

    private async Task<IControlPlane> ControlPlaneAsync()
    {
        FhirDeidConnectionOptions options = _service.Options;
        options.ResourceId = Id;
        return (await _service.ConnectAsync(options)).ControlPlane;
    }

    // -- a FHIR service as a resource ----------------------------------------------------------------------------

    private Task AnswerAsync(HttpContext context, string body)
    {
        string path = context.Request.Path.Value!;
        switch (context.Request.Method)
        {
            case "GET" when path == Id:
                Look();
                return StandIn.Answer(200, _resource.ToJsonString(), "application/json", ("ETag", $"\"{_version}\""))(context);
            case "GET" when path == "/operation":
                if (_onOperation(++_asked) is { } fault) return fault(context);
                Look();
                return StandIn.Answer(200, _looksLeft > 0 ? """{"status":"Running"}""" : _end == "Failed"
                    ? """{"status":"Failed","error":{"code":"KeyVault","message":"No access\r\nto the key."}}""" : $$"""{"status":"{{_end}}"}""", "application/json")(context);
            case "GET":
                return StandIn.Answer(200, """{"value":[]}""", "application/json")(context);
            case "PUT" when path == Id:
                return (_onPut(++_puts) ?? (http => TakeAsync(http, body)))(context);
            case "PUT":
                return (_onPut(++_puts) ?? AssignedAsync)(context);
            default:
                return StandIn.Answer(404)(context);
        }
    }

    private Task AssignedAsync(HttpContext context)
    {
        (bool there, _assigned) = (_assigned, true);
        return StandIn.Answer(there ? 200 : 201, "{}", "application/json")(context);
    }

    private async Task TakeAsync(HttpContext context, string body)
    {
        if (context.Request.Headers.IfMatch != $"\"{_version}\"")
        {
            await StandIn.Answer(412, """{"error":{"code":"PreconditionFailed","message":"etag"}}""", "application/json")(context);
            return;
        }
        Take((JsonObject)JsonNode.Parse(body)!);
        await StandIn.Answer(202, _resource.ToJsonString(), "application/json", ("Azure-AsyncOperation", _service.ResourceManager.AbsoluteUri + "operation"), ("Retry-After", "0"))(context);
    }

    private void Take(JsonObject body)
    {
        _resource = body;
        _resource["properties"]!["provisioningState"] = "Updating";
        (_version, _looksLeft) = (_version + 1, 3);
    }

    private void Look()
    {
        if (_looksLeft == 0 || --_looksLeft > 0) return;
        _resource["properties"]!["provisioningState"] = _end;
        if (_then is not null) _resource["properties"]!["exportConfiguration"]!["storageAccountName"] = _then;
        _then = null;
    }

    private Task TakenAndReset(HttpContext context)
    {
        Take(JsonNode.Parse(_service.Requests[^1].Body)!.AsObject());
        return Reset(context);
    }

    private Task TheirTags(HttpContext context)
    {
        _resource["tags"] = new JsonObject { ["theirs"] = "kept" };
        _version++;
        return StandIn.Answer(412)(context);
    }

    private Task TheirAccount(HttpContext context) => TheirAccount(context, "theirstore");

    private Task SameAccount(HttpContext context) => TheirAccount(context, StandIn.Account);

    private Task TheirAccount(HttpContext context, string account)
    {
        _resource["properties"]!["exportConfiguration"]!["storageAccountName"] = account;
        _version++;
        return StandIn.Answer(412)(context);
    }

    private Task TheirUpdate(HttpContext context)
    {
        Take(_resource);
        return Conflict(context);
    }

    private static Task Conflict(HttpContext context) => Error(409, "Conflict")(context);

    private static Func<HttpContext, Task> Error(int status, string code) => StandIn.Answer(status, $$"""{"error":{"code":"{{code}}","message":"The reason."} }""", "application/json");

    private static Func<int, Func<HttpContext, Task>?> Times(int count, Func<HttpContext, Task> fault) => number => number <= count ? fault : null;

    private static Task Reset(HttpContext context)
    {
        context.Abort();
        return Task.CompletedTask;
    }

    private static Task Silence(HttpContext context) => Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);

    private sealed class Nobody : IProgress<FhirDeidProgress>
    {
        public void Report(FhirDeidProgress value)
        {
        }
    }
}
