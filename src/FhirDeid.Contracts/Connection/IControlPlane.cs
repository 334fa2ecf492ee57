namespace FhirDeid;

/// <summary>What the resource manager does with one FHIR service and the storage account of its exports. Everything here can be repeated: what is as it should be stays as it is, and an update under way is waited for.</summary>
/// <remarks>All members throw <c>FhirDeid.ResourceManagerForbidden</c>, <c>FhirDeid.ResourceManagerRefused</c>, <c>FhirDeid.FhirServiceNotFound</c>, <c>FhirDeid.ResourceNotFound</c>, <c>FhirDeid.Unauthorized</c>, <c>FhirDeid.Throttled</c>, <c>FhirDeid.ServiceUnavailable</c>, <c>FhirDeid.EndpointUnreachable</c>, <c>FhirDeid.UnexpectedAnswer</c>, and what the credential says. Those that change the FHIR service also throw <c>FhirDeid.FhirServiceBusy</c>, <c>FhirDeid.FhirServiceChanged</c>, <c>FhirDeid.UpdateFailed</c> and <c>FhirDeid.UpdateTimeout</c>.</remarks>
public interface IControlPlane
{
    /// <summary>Reads the managed identity of the FHIR service.</summary>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The identity as it is.</returns>
    Task<FhirServiceIdentity> GetIdentityAsync(CancellationToken cancellation);

    /// <summary>Switches on the system-assigned identity; user-assigned ones stay.</summary>
    /// <param name="timeout">How long to wait for the update.</param>
    /// <param name="progress">Told how the update goes.</param>
    /// <param name="cancellation">Stops waiting; Azure finishes the update.</param>
    /// <returns>The identity as it is then.</returns>
    Task<FhirServiceIdentity> EnableIdentityAsync(TimeSpan timeout, IProgress<FhirDeidProgress> progress, CancellationToken cancellation);

    /// <summary>Reads which storage account the FHIR service exports to.</summary>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The export storage; its account name is empty where none is set.</returns>
    Task<FhirExportStorage> GetExportStorageAsync(CancellationToken cancellation);

    /// <summary>Looks up a storage account in the subscription of the FHIR service.</summary>
    /// <param name="storageAccountName">Its name.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The account, as it would be as export storage.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.StorageAccountInvalid</c>, <c>FhirDeid.StorageAccountNotFound</c>, <c>FhirDeid.StorageInOtherSubscription</c>.</exception>
    Task<FhirExportStorage> FindStorageAsync(string storageAccountName, CancellationToken cancellation);

    /// <summary>Sets the storage account that the FHIR service exports to, and changes nothing else of the service. The connection uses it from then on.</summary>
    /// <param name="storage">The account, as <see cref="FindStorageAsync"/> returns it.</param>
    /// <param name="timeout">How long to wait for the update.</param>
    /// <param name="progress">Told how the update goes.</param>
    /// <param name="cancellation">Stops waiting; Azure finishes the update.</param>
    /// <returns>The export storage as it is then.</returns>
    Task<FhirExportStorage> SetExportStorageAsync(FhirExportStorage storage, TimeSpan timeout, IProgress<FhirDeidProgress> progress, CancellationToken cancellation);

    /// <summary>Says who the caller is to the resource manager.</summary>
    /// <param name="cancellation">Stops.</param>
    /// <returns>Object id and type of the caller.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.PrincipalUnknown</c>: the token does not tell.</exception>
    Task<FhirPrincipal> GetCallerAsync(CancellationToken cancellation);

    /// <summary>Looks for a role of a principal, at the scope or above it.</summary>
    /// <param name="principal">Who.</param>
    /// <param name="roleDefinitionName">Name of the role: <c>Storage Blob Data Contributor</c> or <c>Storage Queue Data Contributor</c>.</param>
    /// <param name="scope">Resource id of the storage account.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The assignment: the one found, or the one to make, whose RoleAssignmentId is empty.</returns>
    Task<FhirRoleAssignment> FindRoleAsync(FhirPrincipal principal, string roleDefinitionName, string scope, CancellationToken cancellation);

    /// <summary>Assigns a role. An assignment that exists under another name is a success.</summary>
    /// <param name="assignment">The assignment, as <see cref="FindRoleAsync"/> returns it.</param>
    /// <param name="progress">Told when a new principal is waited for.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The assignment as it is then.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.RoleAssignmentForbidden</c>, <c>FhirDeid.PrincipalNotFound</c>, <c>FhirDeid.RoleAssignmentRefused</c>.</exception>
    Task<FhirRoleAssignment> AssignRoleAsync(FhirRoleAssignment assignment, IProgress<FhirDeidProgress> progress, CancellationToken cancellation);

    /// <summary>Waits until new roles take effect: the caller's by asking the storage account, another's for a fixed time, since only its owner could ask.</summary>
    /// <param name="assignments">The new assignments.</param>
    /// <param name="storage">The storage account.</param>
    /// <param name="progress">Told what is waited for.</param>
    /// <param name="cancellation">Stops waiting.</param>
    /// <returns>Whether the caller's roles were seen to work; true where the caller has no new one.</returns>
    Task<bool> WaitForRolesAsync(IReadOnlyList<FhirRoleAssignment> assignments, FhirExportStorage storage, IProgress<FhirDeidProgress> progress, CancellationToken cancellation);
}
