using System.Management.Automation;
using FhirDeid.PowerShell.Connect;

namespace FhirDeid.Tests;

/// <summary>The cmdlets of the setup, against a resource manager that fails where the test says.</summary>
public sealed class SetupCommandTests : IDisposable
{
    private const string All = "Set-FhirExportStorage labexports -EnableIdentity -GrantAccess";

    private readonly ControlPlane _azure = new();
    private readonly Shell _shell = new();

    public SetupCommandTests() => Connections.Set(_shell.Runspace, new StandInConnection { ControlPlane = _azure });

    public void Dispose() => _shell.Dispose();

    /// <summary>Each place where the one line can break off, and what the error says of it.</summary>
    private static readonly FaultRow[] s_rows =
    [
        new("identity", "UpdateFailed", "changed: nothing; not done: identity, roles, export storage; again: 6 changes"),
        new("identity", "UpdateTimeout", "changed: nothing; under way: identity; not done: roles, export storage; again: 5 changes"),
        new("first role", "RoleAssignmentForbidden", "changed: identity; not done: roles, export storage; again: 5 changes"),
        new("third role", "PrincipalNotFound", "changed: identity, 2 roles; not done: roles, export storage; again: 3 changes"),
        new("export storage", "FhirServiceBusy", "changed: identity, 4 roles; not done: export storage; again: 1 change"),
        new("export storage", "UpdateTimeout", "changed: identity, 4 roles; under way: export storage; again: 0 changes"),
        new("waiting for the roles", "StorageUnreachable", "changed: identity, 4 roles, export storage; again: 0 changes"),
    ];

    public static TheoryData<string, string> Places() => [.. s_rows.Select(row => (row.Phase, row.Name))];

    [Theory]
    [MemberData(nameof(Places))]
    public void An_error_says_what_is_done_and_the_same_command_goes_on(string step, string id)
    {
        _azure.Fail(step, id);
        using System.Management.Automation.PowerShell first = _shell.Script(All);
        Assert.Empty(first.Invoke());

        ErrorRecord error = Assert.Single(first.Streams.Error);
        Assert.StartsWith($"FhirDeid.{id},", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        FhirSetupState state = Assert.IsType<FhirSetupState>(error.TargetObject);
        Assert.Equal(All.Replace("labexports", "-StorageAccountName labexports", StringComparison.Ordinal), state.Continue);
        Assert.EndsWith(state.Continue, error.ErrorDetails.RecommendedAction, StringComparison.Ordinal);
        Assert.All(state.Changes.Concat(state.NotDone).Append(state.UnderWay), part => Assert.Contains(part, error.Exception.Message, StringComparison.Ordinal));

        using System.Management.Automation.PowerShell again = _shell.Script(state.Continue);
        FhirExportStorage set = Assert.IsType<FhirExportStorage>(Assert.Single(again.Invoke()).BaseObject);
        Assert.Empty(again.Streams.Error);
        string end = $"changed: {Changed(state.Changes)}{(state.UnderWay.Length > 0 ? $"; under way: {state.UnderWay}" : "")}{(state.NotDone.Length > 0 ? $"; not done: {string.Join(", ", state.NotDone)}" : "")}; again: {set.Changes.Length} change{(set.Changes.Length == 1 ? "" : "s")}";
        Assert.Equal(s_rows.Single(row => (row.Phase, row.Name) == (step, id)).End, end);

        static string Changed(string[] changes)
        {
            int roles = changes.Count(change => change.StartsWith("Storage ", StringComparison.Ordinal));
            string[] parts = [.. changes.Where(change => change.StartsWith("Identity", StringComparison.Ordinal)).Select(_ => "identity"), .. roles > 0 ? [$"{roles} roles"] : Array.Empty<string>(),
                .. changes.Where(change => change.StartsWith("Export", StringComparison.Ordinal)).Select(_ => "export storage")];
            return parts.Length > 0 ? string.Join(", ", parts) : "nothing";
        }
    }

    [Fact]
    public void The_page_lists_the_places_that_were_run() => ReliabilityPage.Check("halfway", s_rows);

    [Theory]
    [InlineData("", 3600)]
    [InlineData("-TimeoutSeconds 7200", 7200)]
    public void An_hour_is_waited_unless_it_is_said_otherwise(string arguments, int seconds)
    {
        Run($"{All} {arguments}");
        Run($"Enable-FhirServiceIdentity {arguments}", () => _azure.IdentityState = "Updating");

        Assert.All(_azure.Timeouts, timeout => Assert.Equal(TimeSpan.FromSeconds(seconds), timeout));
        Assert.Equal(3, _azure.Timeouts.Count);
    }

    [Fact]
    public void WhatIf_tells_every_change_and_makes_none()
    {
        Run($"{All} -WhatIf; Enable-FhirServiceIdentity -WhatIf");

        string seen = _shell.Seen;
        Assert.All((string[])["Switch on system-assigned managed identity", "Assign role Storage Blob Data Contributor to ServicePrincipal (new identity)", "Assign role Storage Queue Data Contributor to User you", "Set export storage account labexports in place of formerexports"],
            text => Assert.Contains(text, seen, StringComparison.Ordinal));
        Assert.Empty(_azure.Changes);

        // An identity that is on, in settings that are not in force yet.
        Run("Enable-FhirServiceIdentity");
        _azure.Changes.Clear();
        Run($"{All} -WhatIf", () => _azure.IdentityState = "Updating");
        seen = _shell.Seen;
        Assert.Contains("Wait for the update that is under way: Updating", seen, StringComparison.Ordinal);
        Assert.Contains("Assign role Storage Blob Data Contributor to ServicePrincipal service", seen, StringComparison.Ordinal);
        Assert.Empty(_azure.Changes);
    }

    [Fact]
    public void Settings_that_are_as_they_should_be_and_in_force_are_left_alone()
    {
        Run(All);
        _azure.Changes.Clear();

        Run($"{All}; Enable-FhirServiceIdentity");
        Assert.Empty(_azure.Changes);

        // Set and not in force: seen through.
        Run("Enable-FhirServiceIdentity", () => _azure.IdentityState = "Failed");
        Run("Set-FhirExportStorage labexports", () => _azure.StorageState = "Updating");
        Assert.Equal(["identity", "export storage"], _azure.Changes);
    }

    [Fact]
    public async Task A_setup_that_is_stopped_says_that_Azure_goes_on()
    {
        TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _azure.Wait = cancellation =>
        {
            begun.TrySetResult();
            return Task.Delay(Timeout.Infinite, cancellation);
        };
        using System.Management.Automation.PowerShell shell = _shell.Script(All);
        Task running = shell.InvokeAsync();
        await begun.Task;

        await shell.StopAsync(null, null);

        await Assert.ThrowsAsync<PipelineStoppedException>(() => running);
        Assert.Contains("The same command again waits for it", _shell.Seen, StringComparison.Ordinal);
    }

    private void Run(string script, Action? before = null)
    {
        before?.Invoke();
        using System.Management.Automation.PowerShell shell = _shell.Script(script);
        shell.Invoke();
        Assert.Empty(shell.Streams.Error);
    }

    /// <summary>A service that exports elsewhere, without identity and roles.</summary>
    private sealed class ControlPlane : IControlPlane
    {
        private readonly HashSet<string> _roles = [];
        private string _step = "", _id = "";
        private bool _identity;
        private string _storage = "formerexports";

        public List<string> Changes { get; } = [];

        public List<TimeSpan> Timeouts { get; } = [];

        public string IdentityState { get; set; } = "Succeeded";

        public string StorageState { get; set; } = "Succeeded";

        public Func<CancellationToken, Task> Wait { get; set; } = _ => Task.CompletedTask;

        public void Fail(string step, string id) => (_step, _id) = (step, id);

        public Task<FhirServiceIdentity> GetIdentityAsync(CancellationToken cancellation) => Task.FromResult(Identity(false));

        public async Task<FhirServiceIdentity> EnableIdentityAsync(TimeSpan timeout, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
        {
            Timeouts.Add(timeout);
            Changes.Add("identity");
            await Wait(cancellation);
            // What was given up waiting for is done when the next command looks.
            bool changed = !_identity;
            _identity = _step != "identity" || _id == "UpdateTimeout";
            Throw("identity");
            IdentityState = "Succeeded";
            return Identity(changed);
        }

        public Task<FhirExportStorage> GetExportStorageAsync(CancellationToken cancellation) => Task.FromResult(Storage(_storage));

        public Task<FhirExportStorage> FindStorageAsync(string storageAccountName, CancellationToken cancellation) => Task.FromResult(Storage(storageAccountName));

        public Task<FhirExportStorage> SetExportStorageAsync(FhirExportStorage storage, TimeSpan timeout, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
        {
            Timeouts.Add(timeout);
            bool changed = _storage != storage.StorageAccountName;
            if (changed || StorageState != "Succeeded") Changes.Add("export storage");
            if (_step != "export storage" || _id == "UpdateTimeout") _storage = storage.StorageAccountName;
            Throw("export storage");
            StorageState = "Succeeded";
            FhirExportStorage now = Storage(_storage);
            now.Changes = changed ? [$"Export storage set to {_storage}"] : [];
            return Task.FromResult(now);
        }

        public Task<FhirPrincipal> GetCallerAsync(CancellationToken cancellation) => Task.FromResult(new FhirPrincipal("you", FhirPrincipalType.User));

        public Task<FhirRoleAssignment> FindRoleAsync(FhirPrincipal principal, string roleDefinitionName, string scope, CancellationToken cancellation) =>
            Task.FromResult(Role(principal, roleDefinitionName, _roles.Contains(principal.ObjectId + roleDefinitionName) ? "/a" : ""));

        public Task<FhirRoleAssignment> AssignRoleAsync(FhirRoleAssignment assignment, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
        {
            Throw(_roles.Count == 0 ? "first role" : _roles.Count == 2 ? "third role" : "");
            Changes.Add("role");
            _roles.Add(assignment.ObjectId + assignment.RoleDefinitionName);
            FhirRoleAssignment made = Role(new(assignment.ObjectId, assignment.ObjectType), assignment.RoleDefinitionName, "/a");
            made.Changed = true;
            return Task.FromResult(made);
        }

        public Task<bool> WaitForRolesAsync(IReadOnlyList<FhirRoleAssignment> assignments, FhirExportStorage storage, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
        {
            Throw("waiting for the roles");
            return Task.FromResult(true);
        }

        private void Throw(string step)
        {
            if (step.Length == 0 || step != _step) return;
            _step = "";
            throw new FhirDeidException(_id, FhirDeidErrorCategory.InvalidOperation, "It broke.", "Mend it.", "/x");
        }

        private FhirServiceIdentity Identity(bool changed) => new() { ResourceId = "/fhir", ObjectId = _identity ? "service" : "", ProvisioningState = IdentityState, Changed = changed };

        private FhirExportStorage Storage(string name) => new() { ResourceId = "/fhir", StorageAccountName = name, StorageAccountId = "/s/rg/x/g/" + name, ProvisioningState = StorageState };

        private static FhirRoleAssignment Role(FhirPrincipal principal, string role, string id) => new() { ObjectId = principal.ObjectId, ObjectType = principal.ObjectType, RoleDefinitionName = role, Scope = "/s", RoleAssignmentId = id };
    }
}
