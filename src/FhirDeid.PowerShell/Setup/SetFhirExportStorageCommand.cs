using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Setup;

/// <summary>Sets the storage account that the FHIR service exports to, and changes nothing else of the service. With -EnableIdentity and -GrantAccess it does the whole setup, and can be repeated: what is done stays as it is.</summary>
/// <remarks>
/// <para>The account must be in the subscription of the FHIR service. Azure takes minutes for the update, at times half an hour. The connection uses the account from then on.</para>
/// <para>An error in the middle says what has been changed, what Azure goes on with, and what is not done; so does its TargetObject, a FhirDeid.FhirSetupState with Changes, UnderWay, NotDone and Continue. The same command again goes on: it waits for an update that is under way, and leaves what is done.</para>
/// </remarks>
/// <example><code>Set-FhirExportStorage -StorageAccountName contosoexports -EnableIdentity -GrantAccess</code>Switches on the identity, gives the roles and sets the account; Changes tells what there was to do.</example>
/// <example><code>try { Set-FhirExportStorage contosoexports -EnableIdentity -GrantAccess -TimeoutSeconds 7200 -Confirm:$false -ErrorAction Stop } catch { $_.TargetObject.Changes; $_.TargetObject.NotDone }</code>In a script: waits up to two hours for each update, and tells how far it came.</example>
/// <example><code>Set-FhirExportStorage contosoexports</code>Sets the account alone.</example>
/// <example><code>Set-FhirExportStorage contosoexports -EnableIdentity -GrantAccess -BlobOnly -WhatIf</code>Tells what would be done.</example>
[Cmdlet(VerbsCommon.Set, "FhirExportStorage", SupportsShouldProcess = true)]
[OutputType(typeof(FhirExportStorage))]
public sealed class SetFhirExportStorageCommand : SetupCommand
{
    /// <summary>The storage account.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(StorageAccountCompleter))]
    [ValidateNotBlank]
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
        FhirExportStorage storage = await ControlPlane.FindStorageAsync(StorageAccountName, cancellation);
        WarnOfFirewall(storage, pipeline);
        try
        {
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

            FhirExportStorage before = await ControlPlane.GetExportStorageAsync(cancellation);
            bool isSet = before.StorageAccountName.Equals(storage.StorageAccountName, StringComparison.OrdinalIgnoreCase);
            if (!(isSet && IsSettled(before.ProvisioningState)) && !await pipeline.ShouldProcessAsync(storage.ResourceId, isSet ? Finish(before.ProvisioningState)
                : $"Set export storage account {storage.StorageAccountName}{(before.StorageAccountName.Length > 0 ? $" in place of {before.StorageAccountName}" : "")}")) return;
            FhirExportStorage now = await Begin().SetExportStorageAsync(storage, timeout, pipeline.Progress, cancellation);
            changes.AddRange(now.Changes);
            open.Dequeue();
            await WaitForRolesAsync(assigned, storage, pipeline, cancellation);

            now.Changes = [.. changes];
            if (changes.Count == 0) pipeline.WriteVerbose("Everything was as it should be: nothing was changed.");
            await pipeline.WriteObjectAsync(now);
        }
        catch (FhirDeidException cause)
        {
            throw Interrupted(cause, changes, open);
        }
    }

    private FhirDeidException Interrupted(FhirDeidException cause, List<string> changes, Queue<string> open)
    {
        // Azure goes on with the step that was given up waiting for.
        string underWay = cause.ErrorId == "FhirDeid.UpdateTimeout" ? open.Dequeue() : "";
        FhirSetupState state = new()
        {
            ResourceId = Connection.Context.ResourceId,
            StorageAccountName = StorageAccountName,
            Changes = [.. changes],
            UnderWay = underWay,
            NotDone = [.. open],
            Continue = $"Set-FhirExportStorage -StorageAccountName {StorageAccountName}{(EnableIdentity ? " -EnableIdentity" : "")}{(GrantAccess ? " -GrantAccess" : "")}{(BlobOnly ? " -BlobOnly" : "")}",
        };
        string[] parts = [$"Changed so far: {(changes.Count > 0 ? string.Join(", ", changes) : "nothing")}.", underWay.Length > 0 ? $"Under way: {underWay}." : "", open.Count > 0 ? $"Not done: {string.Join(", ", open)}." : ""];
        return new FhirDeidException(cause.ErrorId["FhirDeid.".Length..], cause.Category, $"{cause.Message} {string.Join(' ', parts.Where(part => part.Length > 0))}",
            $"{cause.RecommendedAction} Then go on with: {state.Continue}", state, cause.InnerException);
    }
}
