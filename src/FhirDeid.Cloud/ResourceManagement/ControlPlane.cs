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

    private const int Attempts = 3;

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
        (JsonObject resource, bool changed) = await UpdateAsync(RequestMethod.Patch, current =>
        {
            string type = current.Text("identity", "type");
            return FhirServiceBody.HasSystemAssigned(type) ? null
                : new JsonObject { ["identity"] = FhirServiceBody.Identity(current.Object("identity"), FhirServiceBody.WithSystemAssigned(type)) };
        }, timeout, progress, cancellation).ConfigureAwait(false);
        FhirServiceIdentity identity = Identity(resource);
        identity.Changed = changed;
        return identity;
    }

    public async Task<FhirExportStorage> GetExportStorageAsync(CancellationToken cancellation)
    {
        string name = ExportStorage((await ReadAsync(cancellation).ConfigureAwait(false)).Body!);
        if (name.Length == 0) return new FhirExportStorage { ResourceId = Id.ToString() };
        try
        {
            return await _accounts.FindAsync(name, cancellation).ConfigureAwait(false);
        }
        catch (FhirDeidException e) when (e.ErrorId is "FhirDeid.StorageAccountNotFound" or "FhirDeid.StorageInOtherSubscription" or "FhirDeid.ResourceManagerForbidden")
        {
            return new FhirExportStorage { ResourceId = Id.ToString(), StorageAccountName = name };
        }
    }

    public Task<FhirExportStorage> FindStorageAsync(string storageAccountName, CancellationToken cancellation)
    {
        BlobStorage.CheckName(storageAccountName);
        return _accounts.FindAsync(storageAccountName, cancellation);
    }

    public async Task<FhirExportStorage> SetExportStorageAsync(FhirExportStorage storageAccount, TimeSpan timeout, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        (_, bool changed) = await UpdateAsync(RequestMethod.Put, current =>
        {
            if (ExportStorage(current).Equals(storageAccount.StorageAccountName, StringComparison.OrdinalIgnoreCase)) return null;
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

    public async Task<FhirRoleAssignment> AssignRoleAsync(FhirRoleAssignment assignment, CancellationToken cancellation)
    {
        FhirRoleAssignment made = await _roles.AssignAsync(assignment, cancellation).ConfigureAwait(false);
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
            for (int look = 0; (refusal = await account.ProbeAsync(cancellation).ConfigureAwait(false)) is { ErrorId: "FhirDeid.StorageForbidden" } && watch.Elapsed < Propagation; look++)
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

    /// <summary>Reads, edits and writes the FHIR service; reads again when someone else was faster.</summary>
    /// <param name="method">PUT or PATCH.</param>
    /// <param name="edit">The body for a resource, or null where nothing is to be done.</param>
    /// <param name="timeout">How long to wait for the update.</param>
    /// <param name="progress">Told how it goes.</param>
    /// <param name="cancellation">Stops waiting.</param>
    private async Task<(JsonObject Resource, bool Changed)> UpdateAsync(RequestMethod method, Func<JsonObject, JsonObject?> edit, TimeSpan timeout, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        LongOperation operation = new(resourceManager, _service, timeout, progress);
        for (int attempt = 1; ; attempt++)
        {
            ArmAnswer current = await ReadAsync(cancellation).ConfigureAwait(false);
            if (edit(current.Body!) is not { } body) return (current.Body!, false);
            ArmAnswer answer = await resourceManager.SendAsync(method, _service, body, FhirServiceBody.ETag(current), cancellation).ConfigureAwait(false);
            if (answer.Status is 200 or 201 or 202) return (await operation.EndAsync(answer, cancellation).ConfigureAwait(false), true);
            FhirDeidException refusal = ArmError.Explain(answer, "change the FHIR service", Id.ToString());
            if (attempt == Attempts || refusal.ErrorId is not ("FhirDeid.FhirServiceChanged" or "FhirDeid.FhirServiceBusy")) throw refusal;
            if (answer.Status == 409) await operation.SettledAsync(answer.RetryAfter, cancellation).ConfigureAwait(false);
        }
    }

    private async Task<FhirPrincipal?> CallerAsync(CancellationToken cancellation)
    {
        AccessToken token = await credential.GetTokenAsync(new TokenRequestContext([resourceManager.Scope]), cancellation).ConfigureAwait(false);
        return AccessTokenClaims.Of(token.Token).Principal;
    }

    private FhirServiceIdentity Identity(JsonObject resource)
    {
        JsonObject? identity = resource.Object("identity");
        string type = identity.Text("type");
        return new FhirServiceIdentity
        {
            ResourceId = Id.ToString(),
            Type = type.Length > 0 ? type : "None",
            ObjectId = identity.Text("principalId"),
            TenantId = identity.Text("tenantId"),
            UserAssignedIdentity = [.. (identity.Object("userAssignedIdentities") ?? []).Select(user => user.Key)],
        };
    }

    /// <summary>Name of the account that a FHIR service exports to; empty for none.</summary>
    public static string ExportStorage(JsonObject resource) => resource.Text("properties", "exportConfiguration", "storageAccountName");
}
