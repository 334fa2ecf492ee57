using System.Management.Automation.Host;
using FhirDeid.PowerShell.Connect;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Setup;

/// <summary>A cmdlet that sets up a FHIR service for exports. Each step looks first and changes only what is not as it should be.</summary>
public abstract class SetupCommand : ConnectedCommand
{
    private const string BlobRole = "Storage Blob Data Contributor";
    private const string QueueRole = "Storage Queue Data Contributor";

    private volatile bool _begun;

    /// <summary>Stands for the object id of an identity that is still off.</summary>
    private protected const string FutureIdentity = "(new identity)";

    /// <summary>The resource manager.</summary>
    private protected IControlPlane ControlPlane => Connection.ControlPlane;

    /// <summary>Switches on the system-assigned identity.</summary>
    /// <returns>The identity; null where it is off, and <c>-WhatIf</c> or the user keeps it so.</returns>
    private protected async Task<FhirServiceIdentity?> EnableIdentityAsync(TimeSpan timeout, IPipeline pipeline, CancellationToken cancellation)
    {
        FhirServiceIdentity identity = await ControlPlane.GetIdentityAsync(cancellation);
        if (identity.ObjectId.Length > 0 && IsSettled(identity.ProvisioningState))
        {
            pipeline.WriteVerbose($"The system-assigned identity {identity.ObjectId} is on already: nothing was changed.");
            return identity;
        }
        return await pipeline.ShouldProcessAsync(identity.ResourceId, identity.ObjectId.Length == 0 ? "Switch on system-assigned managed identity" : Finish(identity.ProvisioningState))
            ? await Begin().EnableIdentityAsync(timeout, pipeline.Progress, cancellation) : identity.ObjectId.Length > 0 ? identity : null;
    }

    /// <summary>The resource manager, for what Azure goes on with when the command is stopped.</summary>
    private protected IControlPlane Begin()
    {
        _begun = true;
        return ControlPlane;
    }

    /// <inheritdoc/>
    protected override void Stopped()
    {
        if (!_begun) return;
        try
        {
            Host?.UI?.WriteWarningLine("Azure goes on with an update of the FHIR service that has begun. The same command again waits for it, and leaves what is done.");
        }
        catch (HostException)
        {
            // A host without a screen.
        }
    }

    /// <summary>Whether the settings of a FHIR service are in force: no update is under way, and the last one has not failed.</summary>
    private protected static bool IsSettled(string provisioningState) => provisioningState is "" or "Succeeded";

    /// <summary>What is left to do where the settings are as they should be, and not in force.</summary>
    private protected static string Finish(string provisioningState) => provisioningState is "Failed" or "Canceled" ? $"Send the settings again: the last update is {provisioningState}" : $"Wait for the update that is under way: {provisioningState}";

    /// <summary>Looks for the roles of the FHIR service's identity and of a principal.</summary>
    /// <param name="storage">The storage account.</param>
    /// <param name="identity">The FHIR service's identity.</param>
    /// <param name="principal">Who else; null for the caller.</param>
    /// <param name="blobOnly">Leaves out the role for queues.</param>
    /// <param name="cancellation">Stops.</param>
    private protected async Task<List<FhirRoleAssignment>> FindRolesAsync(FhirExportStorage storage, FhirServiceIdentity identity, FhirPrincipal? principal, bool blobOnly, CancellationToken cancellation)
    {
        List<FhirRoleAssignment> assignments = [];
        principal ??= await ControlPlane.GetCallerAsync(cancellation);
        foreach (FhirPrincipal one in (FhirPrincipal[])[new(identity.ObjectId, FhirPrincipalType.ServicePrincipal), principal])
        {
            foreach (string role in blobOnly ? (string[])[BlobRole] : [BlobRole, QueueRole])
            {
                // An identity that -WhatIf kept off can only be spoken of.
                assignments.Add(one.ObjectId == FutureIdentity ? new FhirRoleAssignment { ObjectId = one.ObjectId, ObjectType = one.ObjectType, RoleDefinitionName = role, Scope = storage.StorageAccountId }
                    : await ControlPlane.FindRoleAsync(one, role, storage.StorageAccountId, cancellation));
            }
        }
        return assignments;
    }

    /// <summary>Assigns a role unless it is assigned already.</summary>
    /// <returns>The assignment; null where <c>-WhatIf</c> or the user leaves it out.</returns>
    private protected async Task<FhirRoleAssignment?> AssignRoleAsync(FhirRoleAssignment assignment, IPipeline pipeline, CancellationToken cancellation)
    {
        if (assignment.RoleAssignmentId.Length > 0)
        {
            pipeline.WriteVerbose($"{assignment.ObjectId} has the role {assignment.RoleDefinitionName} already: nothing was changed.");
            return assignment;
        }
        if (!await pipeline.ShouldProcessAsync(assignment.Scope, $"Assign role {assignment.RoleDefinitionName} to {assignment.ObjectType} {assignment.ObjectId}")) return null;
        return assignment.ObjectId == FutureIdentity ? throw IdentityMissing(Connection.Context.ResourceId) : await ControlPlane.AssignRoleAsync(assignment, pipeline.Progress, cancellation);
    }

    /// <summary>Waits until new roles take effect.</summary>
    private protected async Task WaitForRolesAsync(IEnumerable<FhirRoleAssignment> assignments, FhirExportStorage storage, IPipeline pipeline, CancellationToken cancellation)
    {
        if (await ControlPlane.WaitForRolesAsync([.. assignments.Where(assignment => assignment.Changed)], storage, pipeline.Progress, cancellation)) return;
        pipeline.WriteWarning($"Storage account {storage.StorageAccountName} does not let you in yet: new roles can take ten minutes, and its firewall must allow this machine. Test-FhirDeidReadiness tells more.");
    }

    /// <summary>Warns of a firewall that keeps the FHIR service out.</summary>
    private protected void WarnOfFirewall(FhirExportStorage storage, IPipeline pipeline)
    {
        if (storage.NetworkAccess == FhirStorageAccess.Disabled) pipeline.WriteWarning($"Public network access of storage account {storage.StorageAccountName} is off: exports will fail with AuthorizationFailure. Test-FhirDeidReadiness tells the commands that let the FHIR service in, and nobody else.");
        if (storage.NetworkAccess is not (FhirStorageAccess.Denied or FhirStorageAccess.Restricted)) return;
        pipeline.WriteWarning($"Storage account {storage.StorageAccountName} has a firewall without a resource instance rule for the FHIR service: exports will fail with AuthorizationFailure. Add one: "
            + $"Add-AzStorageAccountNetworkRule -ResourceGroupName {storage.StorageAccountId.Split('/').ElementAtOrDefault(4)} -Name {storage.StorageAccountName} -TenantId {Connection.Context.TenantId} -ResourceId {storage.ResourceId}");
    }

    /// <summary>The error for roles of an identity that is off.</summary>
    private protected static FhirDeidException IdentityMissing(string resourceId) => new("IdentityMissing", FhirDeidErrorCategory.InvalidOperation,
        "The FHIR service has no system-assigned identity that could have a role.", "Run Enable-FhirServiceIdentity first, or Set-FhirExportStorage with -EnableIdentity -GrantAccess.", resourceId);
}
