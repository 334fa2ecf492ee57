using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Azure.Core;

namespace FhirDeid.Cloud.ResourceManagement;

/// <summary>Role assignments on a storage account.</summary>
internal sealed partial class RoleAssignments(ResourceManager resourceManager, string subscription)
{
    public const string BlobDataContributor = "Storage Blob Data Contributor";
    public const string BlobDataOwner = "Storage Blob Data Owner";
    public const string QueueDataContributor = "Storage Queue Data Contributor";

    private const string Version = "2022-04-01";
    private const int Attempts = 12;

    /// <summary>How long a new principal is waited for: its creation takes minutes to be known everywhere.</summary>
    private static readonly TimeSpan Replication = TimeSpan.FromMinutes(3);

    /// <summary>Names of the built-in roles and the ids of their definitions, which are the same everywhere.</summary>
    private static readonly Dictionary<string, string> Definitions = new(StringComparer.OrdinalIgnoreCase)
    {
        [BlobDataContributor] = "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        [BlobDataOwner] = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        [QueueDataContributor] = "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    };

    /// <summary>Assignments of a role to a principal, at the scope or above it.</summary>
    /// <param name="principal">Who.</param>
    /// <param name="role">Name of the role.</param>
    /// <param name="scope">Resource id.</param>
    /// <param name="cancellation">Stops.</param>
    /// <param name="byGroup">Counts the roles of the principal's groups, too.</param>
    /// <returns>The assignment found, or null.</returns>
    public async Task<FhirRoleAssignment?> FindAsync(FhirPrincipal principal, string role, string scope, CancellationToken cancellation, bool byGroup = false)
    {
        Uri list = resourceManager.Address($"{scope}/providers/Microsoft.Authorization/roleAssignments", Version,
            byGroup ? $"atScope() and assignedTo('{principal.ObjectId}')" : $"principalId eq '{principal.ObjectId}'");
        foreach (JsonObject item in await resourceManager.ListAsync(list, "the role assignments of the storage account", cancellation).ConfigureAwait(false))
        {
            string at = item.Text("properties", "scope");
            if (!item.Text("properties", "roleDefinitionId").EndsWith("/" + Definitions[role], StringComparison.OrdinalIgnoreCase)
                || !byGroup && !item.Text("properties", "principalId").Equals(principal.ObjectId, StringComparison.OrdinalIgnoreCase)
                || !(scope + "/").StartsWith(at.TrimEnd('/') + "/", StringComparison.OrdinalIgnoreCase))
                continue;
            return Assignment(principal, role, at, item.Text("id"));
        }
        return null;
    }

    /// <inheritdoc cref="IControlPlane.AssignRoleAsync"/>
    public async Task<FhirRoleAssignment> AssignAsync(FhirRoleAssignment wanted, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        FhirPrincipal principal = new(wanted.ObjectId, wanted.ObjectType);
        string id = $"{wanted.Scope}/providers/Microsoft.Authorization/roleAssignments/{Name(wanted)}";
        JsonObject body = new()
        {
            ["properties"] = new JsonObject
            {
                ["roleDefinitionId"] = $"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{Definitions[wanted.RoleDefinitionName]}",
                ["principalId"] = wanted.ObjectId,
                ["principalType"] = wanted.ObjectType.ToString(),
            },
        };
        TimeSpan waited = TimeSpan.Zero;
        for (int attempt = 1; ; attempt++)
        {
            ArmAnswer answer = await resourceManager.SendAsync(RequestMethod.Put, resourceManager.Address(id, Version), body, null, cancellation).ConfigureAwait(false);
            switch (answer.Status, ArmError.Code(answer))
            {
                case (200 or 201, _):
                    FhirRoleAssignment made = Assignment(principal, wanted.RoleDefinitionName, wanted.Scope, id);
                    made.Changed = answer.Status == 201;
                    return made;
                case (409, "RoleAssignmentExists"):
                    return await FindAsync(principal, wanted.RoleDefinitionName, wanted.Scope, cancellation).ConfigureAwait(false)
                        ?? Assignment(principal, wanted.RoleDefinitionName, wanted.Scope, ExistingId(answer, wanted.Scope));
                // An identity made a moment ago is not known everywhere yet.
                case (400, "PrincipalNotFound") when waited < Replication && attempt < Attempts && wanted.ObjectType == FhirPrincipalType.ServicePrincipal:
                    TimeSpan pause = resourceManager.RetryDelay * Math.Pow(2, Math.Min(attempt, 5));
                    progress.Report(new FhirDeidProgress("Assigning roles", $"The tenant does not know {wanted.ObjectId} yet, {waited:m\\:ss}", (int)(100 * waited / Replication)));
                    await Task.Delay(pause, cancellation).ConfigureAwait(false);
                    waited += pause;
                    break;
                default:
                    throw Refusal(answer, wanted);
            }
        }
    }

    /// <summary>Name of an assignment: a GUID made of scope, principal and role (RFC 9562, version 5), so that the same assignment has the same name on every run.</summary>
    public static Guid Name(FhirRoleAssignment assignment)
    {
        // The namespace is this module's own.
        byte[] text = [.. new Guid("6c1f5d0a-2f0b-4c39-9a55-0d5d8f1f7c21").ToByteArray(bigEndian: true),
            .. Encoding.UTF8.GetBytes($"{assignment.Scope}|{assignment.ObjectId}|{Definitions[assignment.RoleDefinitionName]}".ToLowerInvariant())];
#pragma warning disable CA5350 // Names things; nothing depends on SHA-1 being hard to collide.
        byte[] hash = SHA1.HashData(text);
#pragma warning restore CA5350
        hash[6] = (byte)((hash[6] & 0x0F) | 0x50);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash.AsSpan(0, 16), bigEndian: true);
    }

    private static FhirRoleAssignment Assignment(FhirPrincipal principal, string role, string scope, string id) => new()
    {
        ObjectId = principal.ObjectId,
        ObjectType = principal.ObjectType,
        RoleDefinitionName = role,
        Scope = scope,
        RoleAssignmentId = id,
    };

    private static string ExistingId(ArmAnswer answer, string scope) =>
        Guid.TryParseExact(HexId().Match(answer.Body.Text("error", "message")).Value, "N", out Guid name) ? $"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}" : scope + "/providers/Microsoft.Authorization/roleAssignments";

    private static FhirDeidException Refusal(ArmAnswer answer, FhirRoleAssignment wanted)
    {
        string byHand = $"New-AzRoleAssignment -ObjectId {wanted.ObjectId} -RoleDefinitionName '{wanted.RoleDefinitionName}' -Scope {ReadinessFix.Quote(wanted.Scope)}";
        return (answer.Status, ArmError.Code(answer)) switch
        {
            (403, not ("RequestDisallowedByPolicy" or "ScopeLocked")) => new FhirDeidException("RoleAssignmentForbidden", FhirDeidErrorCategory.PermissionDenied,
                $"You may not assign roles on {wanted.Scope}.",
                $"Get the role Owner, User Access Administrator or Role Based Access Control Administrator on the storage account, or have someone who has it run: {byHand}", wanted.Scope),
            (400, "PrincipalNotFound") => new FhirDeidException("PrincipalNotFound", FhirDeidErrorCategory.ObjectNotFound,
                $"The tenant has no {wanted.ObjectType} with object id {wanted.ObjectId}: it was deleted, or is of another tenant or type.",
                "Check the object id (not the client id) and -PrincipalType. For the service's own identity run Enable-FhirServiceIdentity, and try again in some minutes.", wanted.ObjectId),
            (400, "UnmatchedPrincipalType" or "InvalidPrincipalId") or (400, "RoleAssignmentUpdateNotPermitted") or (_, "RoleAssignmentLimitExceeded") => new FhirDeidException("RoleAssignmentRefused", FhirDeidErrorCategory.InvalidOperation,
                $"The resource manager refused the role {wanted.RoleDefinitionName} of {wanted.ObjectId}.{ArmError.Said(answer)}", $"Correct what it names; by hand: {byHand}", wanted.Scope),
            _ => ArmError.Explain(answer, "assign roles on the storage account", wanted.Scope),
        };
    }

    [GeneratedRegex("[0-9a-f]{32}", RegexOptions.IgnoreCase)]
    private static partial Regex HexId();
}
