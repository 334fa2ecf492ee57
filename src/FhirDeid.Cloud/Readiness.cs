using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Azure;
using Azure.Core;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using FhirDeid.Cloud.Credentials;
using FhirDeid.Cloud.Fhir;
using FhirDeid.Cloud.ResourceManagement;
using FhirDeid.Cloud.Storage;
using static FhirDeid.FhirDeidCheckStatus;

namespace FhirDeid.Cloud;

/// <summary>Looks at everything that a de-identified export needs, in the order in which it is set up. Only reads. What could not be looked at is Unknown, never Passed.</summary>
internal sealed class Readiness(FhirDeidContext context, FhirService service, BlobStorage storage, TokenCredential credential, ControlPlane? controlPlane, FhirReadinessOptions options)
{
    /// <summary>Most of the newest configurations that are read where none is named.</summary>
    private const int MostConfigs = 20;

    /// <summary>Skew that SAS and token checks bear.</summary>
    private static readonly TimeSpan MostSkew = TimeSpan.FromMinutes(5);

    private readonly ReadinessFix _fix = new(context);

    /// <inheritdoc cref="IFhirDeidConnection.CheckReadinessAsync"/>
    public async IAsyncEnumerable<FhirDeidCheck> CheckAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        FhirAnswer? metadata = null;
        yield return await CheckAsync("FHIR service answers", async () =>
        {
            metadata = await service.GetAsync(service.Address("metadata"), "application/fhir+json", cancellation, typeof(OriginBearer.Anonymous)).ConfigureAwait(false);
            return metadata.Status == 200 ? new(Passed, $"{context.FhirServiceUri}") : throw service.Refusal(metadata, context.FhirServiceUri!);
        }, Failed).ConfigureAwait(false);
        JsonObject? statement = Statement(metadata);

        // Who asks, as far as the token tells; the same to every service of a tenant.
        AccessTokenClaims? claims = null;
        FhirDeidException? noToken = null;
        DateTimeOffset expires = default;
        try
        {
            AccessToken token = await credential.GetTokenAsync(new TokenRequestContext([context.Audience + "/.default"]), cancellation).ConfigureAwait(false);
            (claims, expires) = (AccessTokenClaims.Of(token.Token), token.ExpiresOn);
        }
        catch (FhirDeidException e)
        {
            noToken = e;
        }
        FhirPrincipal? caller = claims?.Principal;

        JsonObject? resource = null;
        FhirDeidCheck kind = controlPlane is null ? Row("Kind", Blind()) : await CheckAsync("Kind", async () =>
        {
            resource = (await controlPlane.ReadAsync(cancellation).ConfigureAwait(false)).Body;
            string text = ServiceText.OneLine(resource.Text("kind"));
            return text.Equals("fhir-R4", StringComparison.OrdinalIgnoreCase) ? new(Passed, text) : new(Failed, $"{text}: de-identified export works with fhir-R4.");
        }, Unknown, caller, context.ResourceId).ConfigureAwait(false);

        string name = resource is null ? "" : ControlPlane.ExportStorage(resource);
        yield return await CheckAsync("Feature anonymized-export", () => Task.FromResult(Feature(metadata, statement, resource is null ? null : name)), Unknown).ConfigureAwait(false);
        yield return Row("Clock", Clock(metadata));
        yield return await CheckAsync("Token", () => Task.FromResult(noToken is null ? Token(claims!, expires, resource, statement) : Explain(noToken, Failed)), Unknown).ConfigureAwait(false);
        yield return noToken is null ? await CheckAsync("Caller may export", () => MayExportAsync(caller, cancellation), Unknown).ConfigureAwait(false)
            : Row("Caller may export", new(Unknown, "There is no token to ask with; see above."));
        yield return kind;
        Finding provisioning = resource is null ? Blind() : Provisioning(ControlPlane.ProvisioningState(resource));
        yield return Row("Provisioning", provisioning);
        // Settings that are shown while an update is not through may not be in force.
        Finding inForce(Finding finding) => finding.Status == Passed && provisioning.Status != Passed ? new(provisioning.Status, $"{finding.Detail}, but that may not be in force: see Provisioning.", provisioning.Fix) : finding;

        FhirServiceIdentity? identity = resource is null ? null : controlPlane!.Identity(resource);
        yield return Row("Identity", identity is null ? Blind() : identity.ObjectId.Length > 0 ? inForce(new(Passed, $"{identity.Type}, {identity.ObjectId}"))
            : new(Failed, $"The FHIR service has no system-assigned identity{(identity.UserAssignedIdentity.Length > 0 ? ", only user-assigned ones" : "")}; exports use no other.", "Enable-FhirServiceIdentity"));

        FhirExportStorage? account = null;
        yield return Row("Export storage", resource is null ? Blind()
            : name.Length == 0 ? new(Failed, "The FHIR service has no export storage account.", ReadinessFix.SetStorage(context.StorageAccountName))
            : context.StorageAccountName.Length > 0 && !name.Equals(context.StorageAccountName, StringComparison.OrdinalIgnoreCase)
                ? new(Warning, $"The FHIR service exports to {name}, this connection works with {context.StorageAccountName}. The command takes the connection over; of the service it changes nothing.", ReadinessFix.TakeOver(name))
            : inForce(new(Passed, name)));
        string looked = name.Length > 0 ? name : context.StorageAccountName;
        yield return resource is null ? Row("Same subscription", Blind()) : looked.Length == 0 ? Row("Same subscription", new(Unknown, "No storage account is known.")) : await CheckAsync("Same subscription", async () =>
        {
            try
            {
                account = await controlPlane!.FindStorageAsync(looked, cancellation).ConfigureAwait(false);
                return new(Passed, account.StorageAccountId);
            }
            catch (FhirDeidException e) when (e.ErrorId is "FhirDeid.StorageAccountNotFound" or "FhirDeid.StorageInOtherSubscription")
            {
                // Which account it is to be instead, only the user knows: the command asks.
                return new(Failed, e.Message, ReadinessFix.SetStorage(""));
            }
        }, Unknown, caller, $"/subscriptions/{context.SubscriptionId}").ConfigureAwait(false);

        yield return Row("Network rules", account is null ? Blind() : Network(account));
        FhirPrincipal? self = identity is { ObjectId.Length: > 0 } ? new(identity.ObjectId, FhirPrincipalType.ServicePrincipal) : null;
        yield return await RoleAsync("Blob role of the service", self, account, RoleAssignments.BlobDataContributor, caller,
            new(Failed, "There is no identity to have the role.", "Enable-FhirServiceIdentity; " + ReadinessFix.Grant(looked)),
            lacking => new(Failed, "The identity of the FHIR service has no role for blobs on the storage account.", ReadinessFix.Grant(looked), lacking), cancellation).ConfigureAwait(false);
        yield return await RoleAsync("Queue role of the service", self, account, RoleAssignments.QueueDataContributor, caller,
            new(Skipped, "There is no identity to have the role; an export needs none for queues."), _ => new(Skipped, "Not assigned; an export needs no role for queues."), cancellation).ConfigureAwait(false);
        Finding stranger = new(Unknown, "The token does not tell who you are.");
        yield return await RoleAsync("Blob role of the caller", caller, account, RoleAssignments.BlobDataContributor, caller, stranger,
            lacking => new(Warning, "You have no role that writes blobs on the storage account: you cannot publish configurations, and without the role Storage Blob Data Reader not receive files.", ReadinessFix.Grant(looked), lacking), cancellation).ConfigureAwait(false);
        yield return await RoleAsync("Queue role of the caller", caller, account, RoleAssignments.QueueDataContributor, caller, stranger,
            _ => new(Skipped, "Not assigned; an export needs no role for queues."), cancellation).ConfigureAwait(false);
        if (resource is not null && Registries(resource, identity!) is { } registries) yield return registries;

        Finding? closed = await ClosedAsync(account, cancellation).ConfigureAwait(false);
        yield return closed is not null ? Row("Containers", closed) : await CheckAsync("Containers", async () =>
            await storage.ExistsAsync(ConfigPublishing.ContainerName, cancellation).ConfigureAwait(false) ? new(Passed, "Container anonymization, which holds the configurations, is there.")
                : new(Warning, "There is no container anonymization yet: no configuration was published.", FirstConfig), Unknown).ConfigureAwait(false);
        Finding unseen = new(Unknown, "The storage account could not be looked into; see above.");
        if (options.Container.Length > 0)
        {
            yield return closed is not null ? Row("Export container", unseen) : await CheckAsync("Export container", async () =>
            {
                KickOff.CheckContainer(options.Container);
                return await storage.ExistsAsync(options.Container, cancellation).ConfigureAwait(false) ? new(Passed, $"Container {options.Container} is there.")
                    : new(Warning, $"There is no container {options.Container}. The service's source makes it; Azure's documentation asks for one that exists.", _fix.MakeContainer(options.Container));
            }, Unknown).ConfigureAwait(false);
        }
        yield return closed is not null ? Row("Configuration", unseen)
            : await CheckAsync("Configuration", () => options.ConfigName.Length > 0 ? ConfigAsync(cancellation) : ConfigsAsync(cancellation), Unknown).ConfigureAwait(false);
    }

    private const string FirstConfig = "New-AnonymizationConfig -Template SafeHarbor | Publish-AnonymizationConfig";

    /// <param name="Status">How it came out.</param>
    /// <param name="Detail">What was found.</param>
    /// <param name="Fix">The command that puts it right.</param>
    /// <param name="Lacking">The role that is missing, where one is.</param>
    private sealed record Finding(FhirDeidCheckStatus Status, string Detail, string Fix = "", FhirRoleAssignment? Lacking = null);

    private static FhirDeidCheck Row(string name, Finding finding) => new()
    {
        Name = name,
        Status = finding.Status,
        Detail = finding.Detail,
        Fix = finding.Fix,
        ObjectId = finding.Lacking?.ObjectId,
        ObjectType = finding.Lacking?.ObjectType,
        RoleDefinitionName = finding.Lacking?.RoleDefinitionName,
        Scope = finding.Lacking?.Scope,
    };

    /// <summary>Runs a check. An error in it is a row of its own kind, and not the end.</summary>
    /// <param name="name">Name of the check.</param>
    /// <param name="check">What finds out.</param>
    /// <param name="otherwise">Status where it cannot find out.</param>
    /// <param name="caller">Who lacks the role Reader where the resource manager refuses.</param>
    /// <param name="scope">On what.</param>
    private async Task<FhirDeidCheck> CheckAsync(string name, Func<Task<Finding>> check, FhirDeidCheckStatus otherwise, FhirPrincipal? caller = null, string scope = "")
    {
        try
        {
            return Row(name, await check().ConfigureAwait(false));
        }
        catch (FhirDeidException e)
        {
            return Row(name, Explain(e, otherwise, caller, scope));
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return Row(name, Puzzling(e));
        }
    }

    private Finding Explain(FhirDeidException e, FhirDeidCheckStatus otherwise, FhirPrincipal? caller = null, string scope = "")
    {
        switch (e.ErrorId)
        {
            case "FhirDeid.Unauthorized" or "FhirDeid.AuthenticationFailed" or "FhirDeid.TokenExpired" or "FhirDeid.StorageUnauthorized":
                return new(Failed, $"{e.Message} {e.RecommendedAction}", _fix.Connect());
            case "FhirDeid.ResourceManagerForbidden" when caller is not null && scope.Length > 0:
                FhirRoleAssignment reader = new() { ObjectId = caller.ObjectId, ObjectType = caller.ObjectType, RoleDefinitionName = "Reader", Scope = scope };
                return new(Unknown, e.Message, ReadinessFix.Assign(reader), reader);
            case "FhirDeid.ConfigNameInvalid" or "FhirDeid.ContainerInvalid" or "FhirDeid.FhirServiceNotFound" or "FhirDeid.SubscriptionNotFound":
                return new(Failed, $"{e.Message} {e.RecommendedAction}");
            case "FhirDeid.EndpointUnreachable" or "FhirDeid.StorageUnreachable":
                return new(otherwise, $"{e.Message} {e.RecommendedAction}", ReadinessFix.Reach(e.Target as Uri));
            default:
                return new(otherwise, $"{e.Message} {e.RecommendedAction}");
        }
    }

    /// <summary>What answers may be something else than it says: the other checks tell more. The exception's message stays here, as it may hold data.</summary>
    private static Finding Puzzling(Exception e) => new(Unknown, $"The answer could not be understood ({e.GetType().Name}).");

    private Finding Blind() => controlPlane is null ? new(Unknown, "Only the URL of the FHIR service is known.", _fix.ConnectById()) : new(Unknown, "What it depends on could not be read; see above.");

    private static JsonObject? Statement(FhirAnswer? metadata)
    {
        try
        {
            return metadata is { Status: 200 } ? JsonNode.Parse(metadata.Body.ToMemory().Span) as JsonObject : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private Finding Feature(FhirAnswer? metadata, JsonObject? statement, string? exportStorage)
    {
        if (metadata is not { Status: 200 }) return new(Unknown, "The FHIR service did not answer.");
        if (statement is null) return new(Unknown, "The capability statement cannot be read.");
        string[] names = [.. Items(First(statement["rest"])?["operation"]).Select(operation => operation.Text("name"))];
        return names.Contains("anonymized-export") ? new(Passed, "The capability statement names it.")
            : names.Contains("export") ? new(Failed, "The service exports, but does not de-identify. Azure support turns the feature on; until then, Start-FhirDeidExport -DeidentifyLocally with Receive-FhirExport -AnonymizationConfig de-identifies here.")
            : exportStorage is null ? new(Warning, "The capability statement names no export: it is off, or no export storage account is set.", controlPlane is null ? _fix.ConnectById() : "")
            : exportStorage.Length > 0 ? new(Warning, "The capability statement names no export, though an export storage account is set: an update of the service has not come into force yet, or export is off.")
            : new(Failed, "The capability statement names no export: no export storage account is set.", ReadinessFix.SetStorage(context.StorageAccountName));
    }

    private static Finding Clock(FhirAnswer? metadata)
    {
        if (metadata?.Date is not { } date) return new(Unknown, "The FHIR service does not tell its time.");
        TimeSpan skew = (DateTimeOffset.UtcNow - date).Duration();
        return skew <= MostSkew ? new(Passed, $"Differs by {skew.TotalSeconds:0} s from the service's.")
            : new(Failed, $"Differs by {skew.TotalMinutes:0} min from the service's: tokens and links will be refused.", ReadinessFix.SetClock());
    }

    private Finding Token(AccessTokenClaims claims, DateTimeOffset expires, JsonObject? resource, JsonObject? statement)
    {
        if (claims.Audience.Length == 0) return new(Unknown, "The token does not tell whom it is for.");
        string configured = resource.Text("properties", "authenticationConfiguration", "audience").TrimEnd('/');
        string audience = configured.Length > 0 ? configured : context.Audience;
        bool same = claims.Audience.TrimEnd('/').Equals(audience, StringComparison.OrdinalIgnoreCase);
        if (!same && Guid.TryParse(claims.Audience, out _)) return new(Unknown, $"The token is for application {claims.Audience}; whether that is the service's, {audience}, does not show.");
        if (!same && configured.Length > 0) return new(Failed, $"The token is for {claims.Audience}; the service takes tokens for {audience}.", _fix.Connect());
        if (!same) return new(Warning, $"The token is for {claims.Audience}; the service is expected to take tokens for {audience}.", _fix.Connect($" -Audience {ReadinessFix.Quote(claims.Audience)}"));

        string tenant = Tenant(resource, statement);
        if (tenant.Length == 0 || claims.TenantId.Length == 0) return new(Unknown, $"The token is for {claims.Audience}; which tenant {(tenant.Length == 0 ? "the service trusts" : "it is of")} does not show.");
        if (!tenant.Equals(claims.TenantId, StringComparison.OrdinalIgnoreCase))
        {
            return new(Failed, $"The token is of tenant {claims.TenantId}; the service trusts {tenant}.{(context.Credential == FhirDeidCredential.ManagedIdentity ? " A managed identity belongs to one tenant: connect as a service principal of the other." : "")}",
                context.Credential == FhirDeidCredential.ManagedIdentity ? "" : _fix.Connect(tenant: tenant));
        }
        return new(Passed, $"{claims.Account}, for {claims.Audience}, tenant {claims.TenantId}, until {expires:u}");
    }

    /// <summary>The tenant that the service trusts, by its settings, or else by the token endpoint that its capability statement names; empty where neither tells.</summary>
    private static string Tenant(JsonObject? resource, JsonObject? statement)
    {
        string authority = resource.Text("properties", "authenticationConfiguration", "authority");
        if (authority.Length > 0) return authority.TrimEnd('/').Split('/')[^1];
        IEnumerable<string> endpoints = Items(First(statement?["rest"]).Object("security")?["extension"]).SelectMany(oauth => Items(oauth["extension"]))
            .Where(uri => uri.Text("url") == "token").Select(uri => uri.Text("valueUri"));
        return endpoints.Select(uri => Uri.TryCreate(uri, UriKind.Absolute, out Uri? address) ? address.AbsolutePath.Split('/')[1] : "").FirstOrDefault(part => Guid.TryParse(part, out _)) ?? "";
    }

    /// <summary>Asks for an export that cannot exist: who may export is told so, anybody else is refused.</summary>
    private async Task<Finding> MayExportAsync(FhirPrincipal? caller, CancellationToken cancellation)
    {
        FhirAnswer answer = await service.GetAsync(service.Address("_operations/export/0"), "application/json", cancellation).ConfigureAwait(false);
        if (answer.Status == 404) return new(Passed, "The FHIR service lets you ask for exports; more it does not tell before one is started.");
        FhirDeidException refusal = service.Refusal(answer, context.FhirServiceUri!);
        if (answer.Status != 403) throw refusal;
        if (caller is null) return new(Failed, $"{refusal.Message} {refusal.RecommendedAction}");
        if (controlPlane is null) return new(Failed, refusal.Message, _fix.AssignOnService(caller.ObjectId, "FHIR Data Exporter"));
        FhirRoleAssignment lacking = new() { ObjectId = caller.ObjectId, ObjectType = caller.ObjectType, RoleDefinitionName = "FHIR Data Exporter", Scope = context.ResourceId };
        return new(Failed, refusal.Message, ReadinessFix.Assign(lacking), lacking);
    }

    private static Finding Provisioning(string state) => state.ToUpperInvariant() switch
    {
        "SUCCEEDED" => new(Passed, state),
        "" => new(Unknown, "The resource manager does not tell the state of the service's settings."),
        "FAILED" or "CANCELED" => new(Warning, $"{state}: the last update of the service may not have come into force; the command sees it through.", "Enable-FhirServiceIdentity"),
        _ => new(Warning, $"{state}: an update of the service is under way, and its settings change; the command waits for the end.", "Enable-FhirServiceIdentity"),
    };

    private Finding Network(FhirExportStorage account) => account.NetworkAccess switch
    {
        FhirStorageAccess.Open => new(Passed, "The storage account has no firewall."),
        FhirStorageAccess.ResourceInstanceRule => new(Passed, "The firewall has a resource instance rule for the FHIR service."),
        FhirStorageAccess.Restricted => new(Warning, "The firewall has rules, and none of them names the FHIR service: exports work only if its addresses are among those.", _fix.Admit(account)),
        FhirStorageAccess.Denied => new(Failed, "The firewall of the storage account does not let the FHIR service in.", _fix.Admit(account)),
        FhirStorageAccess.Disabled => new(Failed, "Public network access of the storage account is off: its firewall's rules do not count, and the FHIR service has no other way in.", _fix.Admit(account)),
        _ => new(Unknown, "The storage account could not be read."),
    };

    private async Task<FhirDeidCheck> RoleAsync(string name, FhirPrincipal? principal, FhirExportStorage? account, string role, FhirPrincipal? caller, Finding absent, Func<FhirRoleAssignment, Finding> missing, CancellationToken cancellation)
    {
        if (account is null) return Row(name, Blind());
        if (principal is null) return Row(name, absent);
        return await CheckAsync(name, async () =>
        {
            string[] enough = role == RoleAssignments.BlobDataContributor ? [role, RoleAssignments.BlobDataOwner] : [role];
            foreach (bool byGroup in (bool[])[false, true])
            {
                foreach (string one in enough)
                {
                    if (await controlPlane!.Roles.FindAsync(principal, one, account.StorageAccountId, cancellation, byGroup).ConfigureAwait(false) is not null) return new(Passed, byGroup ? one + ", by a group" : one);
                }
            }
            return missing(new FhirRoleAssignment { ObjectId = principal.ObjectId, ObjectType = principal.ObjectType, RoleDefinitionName = role, Scope = account.StorageAccountId });
        }, Unknown, caller, account.StorageAccountId).ConfigureAwait(false);
    }

    /// <summary>Where configurations may come from registries, the role for them is not looked at: it belongs to the registries, which have resource managers' names of their own.</summary>
    private static FhirDeidCheck? Registries(JsonObject resource, FhirServiceIdentity identity)
    {
        JsonObject? settings = resource.Object("properties").Object("acrConfiguration");
        string[] servers = [.. (settings?["loginServers"] as JsonArray ?? []).Select(server => server?.ToString() ?? "").Concat(Items(settings?["ociArtifacts"]).Select(artifact => artifact.Text("loginServer")))
            .Where(server => server.Length > 0).Distinct(StringComparer.OrdinalIgnoreCase)];
        if (servers.Length == 0) return null;
        return Row("Registry role of the service", new(Unknown, $"Whether the FHIR service has the role AcrPull on {ServiceText.OneLine(string.Join(", ", servers))} is not looked at; only configurations from there need it.",
            identity.ObjectId.Length == 0 ? "" : ReadinessFix.AssignOnRegistry(identity.ObjectId, servers[0])));
    }

    /// <summary>Why the caller cannot look into the storage account; null where it is open.</summary>
    private async Task<Finding?> ClosedAsync(FhirExportStorage? account, CancellationToken cancellation)
    {
        if (storage.Endpoint is null) return new(Unknown, "No storage account is known.", context.ResourceId.Length > 0 ? ReadinessFix.SetStorage("") : _fix.Connect(" -StorageAccountName (Read-Host -Prompt 'Storage account')"));
        if (context.Credential == FhirDeidCredential.AccessToken) return new(Unknown, "The access token opens the FHIR service alone.", _fix.Connect());
        FhirDeidException? refusal;
        try
        {
            refusal = await storage.ProbeAsync(cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return Puzzling(e);
        }
        if (refusal is null) return null;
        return refusal.ErrorId switch
        {
            "FhirDeid.StorageForbidden" when BlobStorage.IsFirewall(refusal) => new(Failed, $"{refusal.Message} {refusal.RecommendedAction}", ReadinessFix.AdmitSelf(account)),
            "FhirDeid.StorageForbidden" => new(Failed, $"{refusal.Message} {refusal.RecommendedAction}", context.ResourceId.Length > 0 ? ReadinessFix.Grant(context.StorageAccountName) : _fix.ConnectById()),
            "FhirDeid.StorageUnreachable" => Explain(refusal, Failed),
            _ => Explain(refusal, Unknown),
        };
    }

    private async Task<Finding> ConfigAsync(CancellationToken cancellation)
    {
        string name = options.ConfigName;
        ConfigName.Check(name);
        (Finding? wrong, string etag) = await LookAsync(name, cancellation).ConfigureAwait(false);
        if (wrong is { Status: Failed }) return wrong;
        string wanted = options.ConfigETag.Trim().Trim('"');
        return wanted.Length > 0 && wanted != etag.Trim('"')
            ? new(Failed, $"'{name}' is no longer the configuration of ETag {options.ConfigETag}, but that of {etag}: an export with the former would fail.", $"Get-AnonymizationConfig -Name {ReadinessFix.Quote(name)} | Test-FhirDeidReadiness")
            : wrong ?? new(Passed, $"'{name}', ETag {etag}: read and found without errors.");
    }

    private async Task<Finding> ConfigsAsync(CancellationToken cancellation)
    {
        List<BlobItem> blobs = [];
        try
        {
            await foreach (BlobItem blob in storage.Container(ConfigPublishing.ContainerName).GetBlobsAsync(cancellationToken: cancellation).ConfigureAwait(false)) blobs.Add(blob);
        }
        catch (RequestFailedException e) when (e.ErrorCode == BlobErrorCode.ContainerNotFound)
        {
            // None, then.
        }
        catch (Exception e) when (storage.Plain(e, "to list the configurations", cancellation) is { } plain)
        {
            throw plain;
        }
        if (blobs.Count == 0) return new(Warning, "No configuration is published.", FirstConfig);

        string[] newest = [.. blobs.OrderByDescending(blob => blob.Properties.LastModified).Take(MostConfigs).Select(blob => blob.Name)];
        List<(string Name, Finding Wrong)> wrong = [];
        foreach (string name in newest)
        {
            if ((await LookAsync(name, cancellation).ConfigureAwait(false)).Wrong is { } finding) wrong.Add((name, finding));
        }
        string read = newest.Length < blobs.Count ? $"{newest.Length} newest of {blobs.Count}" : $"{blobs.Count}";
        if (wrong.Count == 0) return new(Passed, $"{read} published, read and found without errors.");
        (string first, Finding worst) = wrong.OrderBy(one => one.Wrong.Status == Failed ? 0 : 1).First();
        return new(wrong.Count(one => one.Wrong.Status == Failed) == newest.Length ? Failed : Warning, $"{wrong.Count} of {read} published cannot be used as they are. {worst.Detail}",
            wrong.Count == 1 ? worst.Fix : $"Test-FhirDeidReadiness -ConfigName {ReadinessFix.Quote(first)}");
    }

    /// <summary>Reads a configuration as the FHIR service would.</summary>
    /// <returns>What is wrong with it, or null; and its ETag.</returns>
    private async Task<(Finding? Wrong, string ETag)> LookAsync(string name, CancellationToken cancellation)
    {
        BlobClient blob = storage.Container(ConfigPublishing.ContainerName).GetBlobClient(name);
        try
        {
            BlobProperties properties = await blob.GetPropertiesAsync(cancellationToken: cancellation).ConfigureAwait(false);
            if (properties.ContentLength > ConfigPublishing.MaxBytes)
                return (new(Failed, $"'{name}' has {properties.ContentLength} bytes; the FHIR service reads at most {ConfigPublishing.MaxBytes}.", ReadinessFix.Republish(name)), "");
            BlobDownloadResult there = await blob.DownloadContentAsync(cancellation).ConfigureAwait(false);
            return (Lint(name, Encoding.UTF8.GetString(there.Content.ToMemory().Span)), there.Details.ETag.ToString("H"));
        }
        catch (RequestFailedException e) when (e.Status == 404)
        {
            return (new(Failed, $"There is no configuration '{name}' in container {ConfigPublishing.ContainerName}.", ReadinessFix.Republish(name)), "");
        }
        catch (Exception e) when (storage.Plain(e, $"to read the configuration '{name}'", cancellation) is { } plain)
        {
            throw plain;
        }
    }

    private Finding? Lint(string name, string text)
    {
        if (options.TestConfig is not { } test) return null;
        AnonymizationConfigFinding[] findings = [.. test(text).Where(finding => finding.Severity != AnonymizationConfigSeverity.Information).OrderBy(finding => finding.Severity)];
        if (findings.Length == 0) return null;
        string detail = $"'{name}', line {findings[0].Line}: {findings[0].Message}{(findings.Length > 1 ? $" {findings.Length - 1} more." : "")}";
        return findings[0].Severity == AnonymizationConfigSeverity.Error ? new(Failed, detail, ReadinessFix.Republish(name))
            : new(Warning, detail, $"Get-AnonymizationConfig -Name {ReadinessFix.Quote(name)} -Download | Test-AnonymizationConfig");
    }

    private static IEnumerable<JsonObject> Items(JsonNode? list) => (list as JsonArray ?? []).OfType<JsonObject>();

    private static JsonObject? First(JsonNode? list) => Items(list).FirstOrDefault();
}
