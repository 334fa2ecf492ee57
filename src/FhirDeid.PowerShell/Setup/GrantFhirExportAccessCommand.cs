using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Setup;

/// <summary>Gives the FHIR service's identity and you, or another principal, the roles Storage Blob Data Contributor and Storage Queue Data Contributor on the export storage account, and waits until they take effect.</summary>
/// <remarks>
/// <para>$export itself writes blobs alone and needs no role for queues: -BlobOnly leaves that one out. It is among the defaults because setups that are driven by queues want it.</para>
/// <para>New roles take minutes to take effect, in Azure up to ten. Yours are asked for until they do; the FHIR service's cannot be asked for, and are given two minutes. An export that fails with AuthorizationPermissionMismatch came too early: start it again.</para>
/// <para>Roles that are assigned already, there or above, stay as they are. Assigning needs the role Owner, User Access Administrator or Role Based Access Control Administrator on the account.</para>
/// </remarks>
/// <example><code>Grant-FhirExportAccess -StorageAccountName contosoexports</code>Gives the FHIR service and you both roles.</example>
/// <example><code>Grant-FhirExportAccess -BlobOnly</code>Gives the role for blobs alone, on the account that the service exports to.</example>
/// <example><code>Grant-FhirExportAccess -PrincipalId (Get-AzADGroup -DisplayName Researchers).Id -PrincipalType Group -BlobOnly</code>Gives a group the role in your place.</example>
[Cmdlet(VerbsSecurity.Grant, "FhirExportAccess", SupportsShouldProcess = true)]
[OutputType(typeof(FhirRoleAssignment))]
public sealed class GrantFhirExportAccessCommand : SetupCommand
{
    /// <summary>The storage account; the one that the FHIR service exports to where it is not given.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(StorageAccountCompleter))]
    public string? StorageAccountName { get; set; }

    /// <summary>Object id of the user, group or service principal that works with the account; yours where it is not given.</summary>
    [Parameter]
    public Guid? PrincipalId { get; set; }

    /// <summary>What -PrincipalId is.</summary>
    [Parameter]
    public FhirPrincipalType PrincipalType { get; set; } = FhirPrincipalType.User;

    /// <summary>Leaves out the role for queues, which $export does not need.</summary>
    [Parameter]
    public SwitchParameter BlobOnly { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        FhirServiceIdentity identity = await ControlPlane.GetIdentityAsync(cancellation);
        if (identity.ObjectId.Length == 0) throw IdentityMissing(identity.ResourceId);
        FhirExportStorage storage = await StorageAsync(cancellation);
        WarnOfFirewall(storage, pipeline);

        FhirPrincipal? principal = PrincipalId is { } id ? new(id.ToString(), PrincipalType) : null;
        List<FhirRoleAssignment> assigned = [];
        foreach (FhirRoleAssignment wanted in await FindRolesAsync(storage, identity, principal, BlobOnly, cancellation))
        {
            if (await AssignRoleAsync(wanted, pipeline, cancellation) is not { } assignment) continue;
            assigned.Add(assignment);
            await pipeline.WriteObjectAsync(assignment);
        }
        await WaitForRolesAsync(assigned, storage, pipeline, cancellation);
    }

    private async Task<FhirExportStorage> StorageAsync(CancellationToken cancellation)
    {
        if (StorageAccountName is { Length: > 0 } given) return await ControlPlane.FindStorageAsync(given, cancellation);
        string name = (await ControlPlane.GetExportStorageAsync(cancellation)).StorageAccountName;
        if (name.Length == 0) name = Connection.Context.StorageAccountName;
        return name.Length > 0 ? await ControlPlane.FindStorageAsync(name, cancellation)
            : throw new FhirDeidException("StorageAccountMissing", FhirDeidErrorCategory.InvalidOperation, "The FHIR service has no export storage account yet.", "Name the account as -StorageAccountName.", Connection.Context.ResourceId);
    }
}
