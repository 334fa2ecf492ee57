using System.Diagnostics;
using System.Text.Json.Nodes;
using Azure.Core;
using FhirDeid.Cloud.Credentials;
using FhirDeid.Cloud.Storage;

namespace FhirDeid.Cloud.ResourceManagement;

/// <inheritdoc cref="IControlPlane"/>
/// <param name="resourceManager">The resource manager.</param>
/// <param name="id">The FHIR service.</param>
/// <param name="credential">The caller's.</param>
/// <param name="context">Learns of a new export storage.</param>
/// <param name="storage">Opens it.</param>
/// <param name="settling">How long new roles of others are given to take effect.</param>
internal sealed class ControlPlane(ResourceManager resourceManager, FhirServiceId id, TokenCredential credential, FhirDeidContext context, BlobStorage storage, TimeSpan settling) : IControlPlane
{
    /// <summary>How long the caller's new roles are asked for. Azure says that they can take ten minutes.</summary>
    private static readonly TimeSpan Propagation = TimeSpan.FromMinutes(10);

    /// <summary>How often a resource that others change meanwhile is read anew.</summary>
    private const int Attempts = 3;

    /// <summary>How often a resource that is not shown to be under change, and yet refuses one, is asked again: over some minutes.</summary>
    private const int Looks = 12;

    private readonly Uri _service = resourceManager.Address(id.ToString(), ResourceManager.FhirServiceVersion);
    private readonly StorageAccounts _accounts = new(resourceManager, id);
    private readonly RoleAssignments _roles = new(resourceManager, id.SubscriptionId);
    private long _newestRole;

    /// <summary>The FHIR service.</summary>
    public FhirServiceId Id { get; } = id;

    /// <summary>Role assignments in its subscription.</summary>
    public RoleAssignments Roles => _roles;

    /// <summary>Reads the FHIR service.</summary>
    public Task<ArmAnswer> ReadAsync(CancellationToken cancellation) => resourceManager.GetAsync(_service, "the FHIR service", cancellation);

    public async Task<FhirServiceIdentity> GetIdentityAsync(CancellationToken cancellation) => Identity((await ReadAsync(cancellation).ConfigureAwait(false)).Body!);

    public async Task<FhirServiceIdentity> EnableIdentityAsync(TimeSpan timeout, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        (JsonObject resource, bool changed) = await UpdateAsync(RequestMethod.Patch, current => FhirServiceBody.HasSystemAssigned(current.Text("identity", "type")),
            current => new JsonObject { ["identity"] = FhirServiceBody.Identity(current.Object("identity"), FhirServiceBody.WithSystemAssigned(current.Text("identity", "type"))) },
            timeout, progress, cancellation).ConfigureAwait(false);
        FhirServiceIdentity identity = Identity(resource);
        identity.Changed = changed;
        return identity;
    }

    public async Task<FhirExportStorage> GetExportStorageAsync(CancellationToken cancellation)
    {
        JsonObject resource = (await ReadAsync(cancellation).ConfigureAwait(false)).Body!;
        FhirExportStorage found = new() { ResourceId = Id.ToString(), StorageAccountName = ExportStorage(resource) };
        try
        {
            if (found.StorageAccountName.Length > 0) found = await _accounts.FindAsync(found.StorageAccountName, cancellation).ConfigureAwait(false);
        }
        catch (FhirDeidException e) when (e.ErrorId is "FhirDeid.StorageAccountNotFound" or "FhirDeid.StorageInOtherSubscription" or "FhirDeid.ResourceManagerForbidden")
        {
            // The name is all that can be told of it.
        }
        found.ProvisioningState = ProvisioningState(resource);
        return found;
    }

    public Task<FhirExportStorage> FindStorageAsync(string storageAccountName, CancellationToken cancellation)
    {
        BlobStorage.CheckName(storageAccountName);
        return _accounts.FindAsync(storageAccountName, cancellation);
    }

    public async Task<FhirExportStorage> SetExportStorageAsync(FhirExportStorage storageAccount, TimeSpan timeout, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        string? before = null;
        (JsonObject resource, bool changed) = await UpdateAsync(RequestMethod.Put, current =>
        {
            string name = ExportStorage(current);
            if (name.Equals(storageAccount.StorageAccountName, StringComparison.OrdinalIgnoreCase)) return true;
            return name.Equals(before ??= name, StringComparison.OrdinalIgnoreCase) ? false : throw new FhirDeidException("FhirServiceChanged", FhirDeidErrorCategory.ResourceExists,
                $"Someone else has set the export storage account of the FHIR service to '{ServiceText.OneLine(name)}' at the same time; it was left so.", "Agree on one account, and run the command again.", Id.ToString());
        }, current =>
        {
            JsonObject body = FhirServiceBody.Writable(current);
            if (body["properties"] is not JsonObject properties) body["properties"] = properties = [];
            if (properties["exportConfiguration"] is not JsonObject export) properties["exportConfiguration"] = export = [];
            export["storageAccountName"] = storageAccount.StorageAccountName;
            return body;
        }, timeout, progress, cancellation).ConfigureAwait(false);

        if (storageAccount.BlobEndpoint is { } endpoint && !context.StorageAccountName.Equals(storageAccount.StorageAccountName, StringComparison.OrdinalIgnoreCase))
        {
            storage.MoveTo(endpoint, storageAccount.StorageAccountName);
            (context.StorageAccountName, context.BlobEndpoint) = (storageAccount.StorageAccountName, endpoint);
        }
        return new FhirExportStorage
        {
            StorageAccountName = storageAccount.StorageAccountName,
            StorageAccountId = storageAccount.StorageAccountId,
            BlobEndpoint = storageAccount.BlobEndpoint,
            NetworkAccess = storageAccount.NetworkAccess,
            ResourceId = Id.ToString(),
            ProvisioningState = ProvisioningState(resource),
            Changes = changed ? [$"Export storage set to {storageAccount.StorageAccountName}"] : [],
        };
    }

    public async Task<FhirPrincipal> GetCallerAsync(CancellationToken cancellation)
    {
        return await CallerAsync(cancellation).ConfigureAwait(false) ?? throw new FhirDeidException("PrincipalUnknown", FhirDeidErrorCategory.InvalidOperation,
            "The token does not tell who you are.", "Give your object id as -PrincipalId: (Get-AzADUser -SignedIn).Id.");
    }

    public async Task<FhirRoleAssignment> FindRoleAsync(FhirPrincipal principal, string roleDefinitionName, string scope, CancellationToken cancellation)
    {
        FhirRoleAssignment? found = null;
        try
        {
            found = await _roles.FindAsync(principal, roleDefinitionName, scope, cancellation).ConfigureAwait(false);
        }
        catch (FhirDeidException e) when (e.ErrorId == "FhirDeid.ResourceManagerForbidden")
        {
            // Who may not list assignments finds out when making one: making it twice does no harm.
        }
        return found ?? new FhirRoleAssignment { ObjectId = principal.ObjectId, ObjectType = principal.ObjectType, RoleDefinitionName = roleDefinitionName, Scope = scope };
    }

    public async Task<FhirRoleAssignment> AssignRoleAsync(FhirRoleAssignment assignment, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        FhirRoleAssignment made = await _roles.AssignAsync(assignment, progress, cancellation).ConfigureAwait(false);
        if (made.Changed) _newestRole = Stopwatch.GetTimestamp();
        return made;
    }

    public async Task<bool> WaitForRolesAsync(IReadOnlyList<FhirRoleAssignment> assignments, FhirExportStorage storageAccount, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        const string Activity = "Waiting until the roles take effect";
        if (assignments.Count == 0) return true;
        Stopwatch watch = Stopwatch.StartNew();
        string? caller = (await CallerAsync(cancellation).ConfigureAwait(false))?.ObjectId;
        bool seen = true;
        if (storageAccount.BlobEndpoint is { } endpoint && assignments.Any(a => a.ObjectId == caller && a.RoleDefinitionName == RoleAssignments.BlobDataContributor))
        {
            BlobStorage account = storage.Of(endpoint, storageAccount.StorageAccountName);
            FhirDeidException? refusal;
            // A firewall does not open by waiting.
            for (int look = 0; (refusal = await account.ProbeAsync(cancellation).ConfigureAwait(false)) is { ErrorId: "FhirDeid.StorageForbidden" } && !BlobStorage.IsFirewall(refusal) && watch.Elapsed < Propagation; look++)
            {
                progress.Report(new FhirDeidProgress(Activity, $"The storage account does not let you in yet, {watch.Elapsed:m\\:ss}", (int)(100 * watch.Elapsed / Propagation)));
                TimeSpan pause = resourceManager.RetryDelay * Math.Pow(2, Math.Min(look, 4));
                await Task.Delay(pause, cancellation).ConfigureAwait(false);
            }
            seen = refusal is null;
        }
        if (assignments.Any(a => a.ObjectId != caller))
        {
            while (Stopwatch.GetElapsedTime(_newestRole) is var age && age < settling)
            {
                progress.Report(new FhirDeidProgress(Activity, $"Of the FHIR service, {age:m\\:ss} of {settling:m\\:ss}", (int)(100 * age / settling)));
                await Task.Delay(TimeSpan.FromSeconds(1), cancellation).ConfigureAwait(false);
            }
        }
        return seen;
    }

    /// <summary>Reads, edits and writes the FHIR service. Waits for an update that is under way, of this command's earlier run or of someone else; reads again when someone else was faster; writes again what a failed update may not have brought into force.</summary>
    /// <param name="method">PUT or PATCH.</param>
    /// <param name="isDone">Whether a resource is as it should be. Asked at each look, also before an update is waited for: so it sees what others change meanwhile, and may refuse to go on.</param>
    /// <param name="edit">The body that makes it so.</param>
    /// <param name="timeout">How long to wait for the update.</param>
    /// <param name="progress">Told how it goes.</param>
    /// <param name="cancellation">Stops waiting.</param>
    private Task<(JsonObject Resource, bool Changed)> UpdateAsync(RequestMethod method, Func<JsonObject, bool> isDone, Func<JsonObject, JsonObject> edit, TimeSpan timeout, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        LongOperation operation = new(resourceManager, _service, timeout, progress);
        return operation.InTimeAsync(async patience =>
        {
            bool changed = false;
            for (int refusals = 0, busy = 0; ;)
            {
                ArmAnswer current = await ReadAsync(patience).ConfigureAwait(false);
                bool done = isDone(current.Body!);
                if (!LongOperation.IsSettled(current))
                {
                    current = await operation.SettledAsync(current.RetryAfter, patience).ConfigureAwait(false);
                    done = isDone(current.Body!);
                }
                if (done && !LongOperation.HasFailed(current)) return (current.Body!, changed);
                changed = true;
                ArmAnswer answer = await resourceManager.SendAsync(method, _service, edit(current.Body!), FhirServiceBody.ETag(current), patience).ConfigureAwait(false);
                if (answer.Status is 200 or 201 or 202) return (await operation.EndAsync(answer, patience).ConfigureAwait(false), true);
                FhirDeidException refusal = ArmError.Explain(answer, "change the FHIR service", Id.ToString());
                if (refusal.ErrorId == "FhirDeid.FhirServiceBusy" && ++busy < Looks) await operation.PauseAsync(busy, answer.RetryAfter, patience).ConfigureAwait(false);
                else if (refusal.ErrorId != "FhirDeid.FhirServiceChanged" || ++refusals == Attempts) throw refusal;
            }
        }, cancellation);
    }

    private async Task<FhirPrincipal?> CallerAsync(CancellationToken cancellation)
    {
        AccessToken token = await credential.GetTokenAsync(new TokenRequestContext([resourceManager.Scope]), cancellation).ConfigureAwait(false);
        return AccessTokenClaims.Of(token.Token).Principal;
    }

    /// <summary>The identity of a FHIR service that was read.</summary>
    public FhirServiceIdentity Identity(JsonObject resource)
    {
        JsonObject? identity = resource.Object("identity");
        string type = identity.Text("type");
        return new FhirServiceIdentity
        {
            ResourceId = Id.ToString(),
            Type = type.Length > 0 ? type : "None",
            ObjectId = identity.Text("principalId"),
            TenantId = identity.Text("tenantId"),
            ProvisioningState = ProvisioningState(resource),
            UserAssignedIdentity = [.. (identity.Object("userAssignedIdentities") ?? []).Select(user => user.Key)],
        };
    }

    /// <summary>State of a FHIR service's settings; empty where it does not say.</summary>
    public static string ProvisioningState(JsonObject resource) => ServiceText.OneLine(resource.Text("properties", "provisioningState"));

    /// <summary>Name of the account that a FHIR service exports to; empty for none.</summary>
    public static string ExportStorage(JsonObject resource) => resource.Text("properties", "exportConfiguration", "storageAccountName");
}
