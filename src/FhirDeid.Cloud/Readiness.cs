using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Azure.Core;
using FhirDeid.Cloud.Credentials;
using FhirDeid.Cloud.Fhir;
using FhirDeid.Cloud.ResourceManagement;
using FhirDeid.Cloud.Storage;
using static FhirDeid.FhirDeidCheckStatus;

namespace FhirDeid.Cloud;

/// <summary>Looks at everything that a de-identified export needs, in the order in which it is set up. Only reads.</summary>
internal sealed class Readiness(FhirDeidContext context, FhirService service, BlobStorage storage, TokenCredential credential, ControlPlane? controlPlane)
{
    private const string ConnectById = "Connect-FhirDeid -ResourceId <resource id>";

    /// <summary>Skew that SAS and token checks bear.</summary>
    private static readonly TimeSpan MostSkew = TimeSpan.FromMinutes(5);

    /// <inheritdoc cref="IFhirDeidConnection.CheckReadinessAsync"/>
    public async IAsyncEnumerable<FhirDeidCheck> CheckAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        string setStorage = $"Set-FhirExportStorage -StorageAccountName {Known(context.StorageAccountName, "<account>")} -EnableIdentity -GrantAccess";
        FhirAnswer? metadata = null;
        yield return await CheckAsync("FHIR service answers", async () =>
        {
            metadata = await service.GetAsync(service.Address("metadata"), "application/fhir+json", cancellation, typeof(OriginBearer.Anonymous)).ConfigureAwait(false);
            return metadata.Status == 200 ? new(Passed, $"{context.FhirServiceUri}") : throw service.Refusal(metadata, context.FhirServiceUri!);
        }).ConfigureAwait(false);
        yield return Capabilities(metadata, setStorage);
        yield return Clock(metadata);
        yield return await CheckAsync("Token", () => TokenAsync(cancellation)).ConfigureAwait(false);
        yield return await CheckAsync("Caller may export", () => MayExportAsync(cancellation)).ConfigureAwait(false);

        JsonObject? resource = null;
        if (controlPlane is not null)
        {
            yield return await CheckAsync("Kind", async () =>
            {
                resource = (await controlPlane.ReadAsync(cancellation).ConfigureAwait(false)).Body;
                string kind = resource.Text("kind");
                return kind.Equals("fhir-R4", StringComparison.OrdinalIgnoreCase) ? new(Passed, kind) : new(Failed, $"{kind}: de-identified export works with fhir-R4.");
            }).ConfigureAwait(false);
        }
        else
        {
            yield return Unknown("Kind");
        }
        FhirServiceIdentity? identity = null;
        yield return resource is null ? Unknown("Identity") : await CheckAsync("Identity", async () =>
        {
            identity = await controlPlane!.GetIdentityAsync(cancellation).ConfigureAwait(false);
            return identity.ObjectId.Length > 0 ? new(Passed, $"{identity.Type}, {identity.ObjectId}")
                : new(Failed, "The FHIR service has no system-assigned identity; exports use no other.", "Enable-FhirServiceIdentity");
        }).ConfigureAwait(false);

        FhirExportStorage? account = null;
        string name = resource is null ? "" : ControlPlane.ExportStorage(resource);
        yield return resource is null ? Unknown("Export storage")
            : name.Length > 0 && context.StorageAccountName.Length > 0 && name != context.StorageAccountName
                ? Row("Export storage", new(Warning, $"The FHIR service exports to {name}, this connection works with {context.StorageAccountName}.", $"Connect-FhirDeid -ResourceId {context.ResourceId}"))
            : name.Length > 0 ? Row("Export storage", new(Passed, name))
            : Row("Export storage", new(Failed, "The FHIR service has no export storage account.", setStorage));
        string looked = Known(name, context.StorageAccountName);
        yield return resource is null ? Unknown("Same subscription") : looked.Length == 0 ? Row("Same subscription", new(Skipped, "No storage account is known.")) : await CheckAsync("Same subscription", async () =>
        {
            try
            {
                account = await controlPlane!.FindStorageAsync(looked, cancellation).ConfigureAwait(false);
                return new(Passed, account.StorageAccountId);
            }
            catch (FhirDeidException e) when (e.ErrorId is "FhirDeid.StorageAccountNotFound" or "FhirDeid.StorageInOtherSubscription")
            {
                return new(Failed, e.Message, "Set-FhirExportStorage -StorageAccountName <account of this subscription> -EnableIdentity -GrantAccess");
            }
        }).ConfigureAwait(false);

        yield return account is null ? Unknown("Network rules") : Row("Network rules", Network(account));
        FhirPrincipal? caller = null;
        if (account is not null)
        {
            try
            {
                caller = await controlPlane!.GetCallerAsync(cancellation).ConfigureAwait(false);
            }
            catch (FhirDeidException)
            {
                // The rows about the caller say so.
            }
        }
        Finding stranger = new(Skipped, "The token does not tell who you are.");
        FhirPrincipal? self = identity is { ObjectId.Length: > 0 } ? new(identity.ObjectId, FhirPrincipalType.ServicePrincipal) : null;
        yield return await RoleAsync("Blob role of the service", self, account, RoleAssignments.BlobDataContributor,
            new(Failed, "There is no identity to have the role.", "Enable-FhirServiceIdentity; " + Grant(account, " -BlobOnly")),
            new(Failed, "The identity of the FHIR service has no role for blobs on the storage account.", Grant(account, " -BlobOnly")), cancellation).ConfigureAwait(false);
        yield return await RoleAsync("Queue role of the service", self, account, RoleAssignments.QueueDataContributor,
            new(Skipped, "There is no identity to have the role."),
            new(Skipped, "Not assigned; an export itself needs no role for queues."), cancellation).ConfigureAwait(false);
        yield return await RoleAsync("Blob role of the caller", caller, account, RoleAssignments.BlobDataContributor, stranger,
            new(Warning, "You have no direct role for blobs on the storage account; you may have one by a group.", Grant(account, " -BlobOnly")), cancellation).ConfigureAwait(false);
        yield return await RoleAsync("Queue role of the caller", caller, account, RoleAssignments.QueueDataContributor, stranger,
            new(Skipped, "Not assigned; an export itself needs no role for queues."), cancellation).ConfigureAwait(false);
        yield return await CheckAsync("Containers", () => ContainersAsync(cancellation)).ConfigureAwait(false);
    }

    private sealed record Finding(FhirDeidCheckStatus Status, string Detail, string Fix = "");

    private static FhirDeidCheck Row(string name, Finding finding) => new() { Name = name, Status = finding.Status, Detail = finding.Detail, Fix = finding.Fix };

    private static async Task<FhirDeidCheck> CheckAsync(string name, Func<Task<Finding>> check)
    {
        try
        {
            return Row(name, await check().ConfigureAwait(false));
        }
        catch (FhirDeidException e)
        {
            return Row(name, new(Failed, e.Message, e.RecommendedAction));
        }
    }

    private FhirDeidCheck Unknown(string name) => controlPlane is null
        ? Row(name, new(Skipped, "Only the URL of the FHIR service is known.", ConnectById))
        : Row(name, new(Skipped, "What it depends on could not be read; see above."));

    private static string Known(string one, string other) => one.Length > 0 ? one : other;

    private static string Grant(FhirExportStorage? account, string arguments) => $"Grant-FhirExportAccess -StorageAccountName {account?.StorageAccountName}{arguments}";

    private static FhirDeidCheck Capabilities(FhirAnswer? metadata, string setStorage)
    {
        const string Name = "Feature anonymized-export";
        if (metadata is not { Status: 200 }) return Row(Name, new(Skipped, "The FHIR service did not answer."));
        try
        {
            JsonArray operations = JsonNode.Parse(metadata.Body.ToMemory().Span)?["rest"]?[0]?["operation"] as JsonArray ?? [];
            string[] names = [.. operations.OfType<JsonObject>().Select(operation => operation.Text("name"))];
            return Row(Name, names.Contains("anonymized-export") ? new(Passed, "The capability statement names it.")
                : names.Contains("export") ? new(Failed, "The service exports, but does not de-identify.", "Ask Azure support to turn on the feature anonymized-export.")
                : new(Warning, "The capability statement names no export: it is off, or no export storage is set.", setStorage));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentOutOfRangeException)
        {
            return Row(Name, new(Failed, "The capability statement cannot be read."));
        }
    }

    private static FhirDeidCheck Clock(FhirAnswer? metadata)
    {
        const string Name = "Clock";
        if (metadata?.Date is not { } date) return Row(Name, new(Skipped, "The FHIR service does not tell its time."));
        TimeSpan skew = (DateTimeOffset.UtcNow - date).Duration();
        return Row(Name, skew <= MostSkew ? new(Passed, $"Differs by {skew.TotalSeconds:0} s from the service's.")
            : new(Failed, $"Differs by {skew.TotalMinutes:0} min from the service's: tokens and links will be refused.", OperatingSystem.IsWindows() ? "w32tm /resync" : "timedatectl set-ntp true"));
    }

    private async Task<Finding> TokenAsync(CancellationToken cancellation)
    {
        AccessToken token = await credential.GetTokenAsync(new TokenRequestContext([context.Audience + "/.default"]), cancellation).ConfigureAwait(false);
        AccessTokenClaims claims = AccessTokenClaims.Of(token.Token);
        if (claims.Audience.Length > 0 && !claims.Audience.TrimEnd('/').Equals(context.Audience, StringComparison.OrdinalIgnoreCase))
            return new(Warning, $"The token is for {claims.Audience}; the service expects {context.Audience}.", $"Connect-FhirDeid {context.FhirServiceUri} -Audience {claims.Audience}");
        string tenant = controlPlane is null ? "" : (await controlPlane.ReadAsync(cancellation).ConfigureAwait(false)).Body.Text("properties", "authenticationConfiguration", "authority").TrimEnd('/').Split('/')[^1];
        return tenant.Length > 0 && claims.TenantId.Length > 0 && !tenant.Equals(claims.TenantId, StringComparison.OrdinalIgnoreCase)
            ? new(Failed, $"The token is of tenant {claims.TenantId}; the service trusts {tenant}.", $"Connect-AzAccount -Tenant {tenant}")
            : new(Passed, $"{claims.Account}, tenant {claims.TenantId}, until {token.ExpiresOn:u}");
    }

    /// <summary>Asks for an export that cannot exist: who may export is told so, anybody else is refused.</summary>
    private async Task<Finding> MayExportAsync(CancellationToken cancellation)
    {
        FhirAnswer answer = await service.GetAsync(service.Address("_operations/export/0"), "application/json", cancellation).ConfigureAwait(false);
        if (answer.Status == 404) return new(Passed, "The FHIR service lets you ask for exports.");
        FhirDeidException refusal = service.Refusal(answer, context.FhirServiceUri!);
        return answer.Status == 403 && controlPlane is not null
            ? new(Failed, refusal.Message, $"New-AzRoleAssignment -ObjectId {await CallerAsync().ConfigureAwait(false)} -RoleDefinitionName 'FHIR Data Exporter' -Scope {context.ResourceId}")
            : throw refusal;

        async Task<string> CallerAsync() => (await controlPlane!.GetCallerAsync(cancellation).ConfigureAwait(false)).ObjectId;
    }

    private Finding Network(FhirExportStorage account) => account.NetworkAccess switch
    {
        FhirStorageAccess.Open => new(Passed, "The storage account has no firewall."),
        FhirStorageAccess.ResourceInstanceRule => new(Passed, "The firewall has a resource instance rule for the FHIR service."),
        FhirStorageAccess.Restricted => new(Warning, "The firewall has rules, and none of them names the FHIR service.", NetworkRule(account, context.TenantId)),
        FhirStorageAccess.Denied => new(Failed, "The firewall of the storage account does not let the FHIR service in.", NetworkRule(account, context.TenantId)),
        _ => new(Skipped, "The storage account could not be read."),
    };

    /// <summary>The command that lets a FHIR service through the firewall of its storage account.</summary>
    private static string NetworkRule(FhirExportStorage account, string tenant) =>
        $"Add-AzStorageAccountNetworkRule -ResourceGroupName {account.StorageAccountId.Split('/').ElementAtOrDefault(4)} -Name {account.StorageAccountName} -TenantId {tenant} -ResourceId {account.ResourceId}";

    private async Task<FhirDeidCheck> RoleAsync(string name, FhirPrincipal? principal, FhirExportStorage? account, string role, Finding absent, Finding missing, CancellationToken cancellation)
    {
        if (account is null) return Unknown(name);
        if (principal is null) return Row(name, absent);
        return await CheckAsync(name, async () =>
        {
            try
            {
                FhirRoleAssignment? found = await controlPlane!.Roles.FindAsync(principal, role, account.StorageAccountId, cancellation).ConfigureAwait(false);
                if (found is null && role == RoleAssignments.BlobDataContributor)
                    found = await controlPlane.Roles.FindAsync(principal, RoleAssignments.BlobDataOwner, account.StorageAccountId, cancellation).ConfigureAwait(false);
                return found is null ? missing : new(Passed, found.RoleDefinitionName);
            }
            catch (FhirDeidException e) when (e.ErrorId == "FhirDeid.ResourceManagerForbidden")
            {
                return new(Skipped, e.Message, e.RecommendedAction);
            }
        }).ConfigureAwait(false);
    }

    private async Task<Finding> ContainersAsync(CancellationToken cancellation)
    {
        if (storage.Endpoint is null) return new(Skipped, "No storage account is known.");
        if (context.Credential == FhirDeidCredential.AccessToken) return new(Skipped, "The access token opens the FHIR service alone.");
        if (await storage.ProbeAsync(cancellation).ConfigureAwait(false) is { } refusal) throw refusal;
        return await storage.ExistsAsync("anonymization", cancellation).ConfigureAwait(false) ? new(Passed, "Container anonymization, which holds the configurations, is there.")
            : new(Warning, "There is no container anonymization yet: no configuration was published.", "New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig");
    }
}
