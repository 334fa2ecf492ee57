using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Setup;

/// <summary>Sets the storage account that the FHIR service exports to, and changes nothing else of the service. With -EnableIdentity and -GrantAccess it does the whole setup, and can be repeated: what is done stays as it is.</summary>
/// <remarks>The account must be in the subscription of the FHIR service. Azure takes minutes for the update, at times half an hour. The connection uses the account from then on.</remarks>
/// <example><code>Set-FhirExportStorage -StorageAccountName contosoexports -EnableIdentity -GrantAccess</code>Switches on the identity, gives the roles and sets the account; Changes tells what there was to do.</example>
/// <example><code>Set-FhirExportStorage contosoexports</code>Sets the account alone.</example>
/// <example><code>Set-FhirExportStorage contosoexports -EnableIdentity -GrantAccess -BlobOnly -WhatIf</code>Tells what would be done.</example>
[Cmdlet(VerbsCommon.Set, "FhirExportStorage", SupportsShouldProcess = true)]
[OutputType(typeof(FhirExportStorage))]
public sealed class SetFhirExportStorageCommand : SetupCommand
{
    /// <summary>The storage account.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [ValidatePattern("^[a-z0-9]{3,24}$")]
    public string StorageAccountName { get; set; } = "";

    /// <summary>Switches on the service's system-assigned identity first, as Enable-FhirServiceIdentity does.</summary>
    [Parameter]
    public SwitchParameter EnableIdentity { get; set; }

    /// <summary>Gives the service's identity and you the roles on the account first, as Grant-FhirExportAccess does.</summary>
    [Parameter]
    public SwitchParameter GrantAccess { get; set; }

    /// <summary>Of the roles, leaves out the one for queues, which $export does not need.</summary>
    [Parameter]
    public SwitchParameter BlobOnly { get; set; }

    /// <summary>How long to wait for each update of Azure, in seconds; an hour where it is not given. Azure goes on afterwards.</summary>
    [Parameter]
    [ValidateRange(1, 86400)]
    public int TimeoutSeconds { get; set; } = 3600;

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        TimeSpan timeout = TimeSpan.FromSeconds(TimeoutSeconds);
        List<string> changes = [];
        Queue<string> open = new([.. EnableIdentity ? ["identity"] : Array.Empty<string>(), .. GrantAccess ? ["roles"] : Array.Empty<string>(), "export storage"]);
        try
        {
            FhirExportStorage storage = await ControlPlane.FindStorageAsync(StorageAccountName, cancellation);
            WarnOfFirewall(storage, pipeline);

            FhirServiceIdentity? identity = EnableIdentity ? await EnableIdentityAsync(timeout, pipeline, cancellation) : GrantAccess ? await ControlPlane.GetIdentityAsync(cancellation) : null;
            if (identity is { Changed: true }) changes.Add($"Identity {identity.ObjectId} switched on");
            if (EnableIdentity) open.Dequeue();

            List<FhirRoleAssignment> assigned = [];
            if (GrantAccess)
            {
                identity ??= new FhirServiceIdentity { ObjectId = FutureIdentity };
                if (identity.ObjectId.Length == 0) throw IdentityMissing(identity.ResourceId);
                foreach (FhirRoleAssignment wanted in await FindRolesAsync(storage, identity, null, BlobOnly, cancellation))
                {
                    if (await AssignRoleAsync(wanted, pipeline, cancellation) is not { Changed: true } assignment) continue;
                    assigned.Add(assignment);
                    changes.Add($"{assignment.RoleDefinitionName} given to {(assignment.ObjectId == identity.ObjectId ? "the FHIR service" : "you")}");
                }
                open.Dequeue();
            }

            bool isSet = (await ControlPlane.GetExportStorageAsync(cancellation)).StorageAccountName == storage.StorageAccountName;
            if (!isSet && !await pipeline.ShouldProcessAsync(storage.ResourceId, $"Set export storage account {storage.StorageAccountName}")) return;
            FhirExportStorage now = await ControlPlane.SetExportStorageAsync(storage, timeout, pipeline.Progress, cancellation);
            changes.AddRange(now.Changes);
            open.Dequeue();
            await WaitForRolesAsync(assigned, storage, pipeline, cancellation);

            now.Changes = [.. changes];
            if (changes.Count == 0) pipeline.WriteVerbose("Everything was as it should be: nothing was changed.");
            await pipeline.WriteObjectAsync(now);
        }
        catch (FhirDeidException cause) when (EnableIdentity || GrantAccess)
        {
            throw Interrupted(cause, changes, open);
        }
    }

    private FhirDeidException Interrupted(FhirDeidException cause, List<string> changes, Queue<string> open)
    {
        string done = changes.Count > 0 ? string.Join(", ", changes) : "nothing";
        string command = $"Set-FhirExportStorage -StorageAccountName {StorageAccountName}{(EnableIdentity ? " -EnableIdentity" : "")}{(GrantAccess ? " -GrantAccess" : "")}{(BlobOnly ? " -BlobOnly" : "")}";
        return new FhirDeidException(cause.ErrorId["FhirDeid.".Length..], cause.Category,
            $"{cause.Message} Changed so far: {done}. Not done: {(open.Count > 0 ? string.Join(", ", open) : "waiting for the roles")}.",
            $"{cause.RecommendedAction} Then go on with: {command}", cause.Target, cause.InnerException);
    }
}
