using System.Management.Automation;
using FhirDeid.PowerShell.Connect;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Setup;

/// <summary>Checks everything that a de-identified export needs, one row a check, each with the command that puts it right. Changes nothing.</summary>
/// <remarks>
/// <para>Status is one of five words. Passed: it is as it should be. Failed: a de-identified export cannot work. Warning: it may work, see the detail. Unknown: it could not be looked at, and the detail says why. Skipped: it is not there, and an export does not need it. After a job, Export-Clixml or another process compare the word: "$($_.Status)" -eq 'Failed'; to JSON it goes by ConvertTo-Json -EnumsAsStrings.</para>
/// <para>Fix is a command that does as it stands; what only you know, it asks for. It is empty where nothing is to be done, or no command can do it.</para>
/// <para>A row that lacks a role has ObjectId, ObjectType, RoleDefinitionName and Scope, the parameters of New-AzRoleAssignment; every other row has none of them.</para>
/// <para>Whether you may export and reach the storage account is asked there itself. The roles of the FHIR service cannot be asked for so: that they are assigned is all that can be seen, and new ones take minutes to take effect.</para>
/// </remarks>
/// <example><code>Test-FhirDeidReadiness</code>Shows all checks.</example>
/// <example><code>Test-FhirDeidReadiness | Where-Object Status -eq Failed | Format-List</code>Shows what keeps an export from working, and what to do.</example>
/// <example><code>(Test-FhirDeidReadiness).Fix</code>Shows the commands alone, one a line, to copy.</example>
/// <example><code>if (Test-FhirDeidReadiness | Where-Object Status -eq Failed) { throw 'not ready' }</code>Guards a script. -notin Passed, Skipped in place of -eq Failed guards it more strictly.</example>
/// <example><code>Get-AnonymizationConfig study-7.json | Test-FhirDeidReadiness -Container research</code>Looks also at the configuration that an export is to use, and at its container.</example>
/// <example><code>Test-FhirDeidReadiness | Where-Object RoleDefinitionName | New-AzRoleAssignment</code>Assigns the roles that are missing.</example>
[Cmdlet(VerbsDiagnostic.Test, "FhirDeidReadiness")]
[OutputType(typeof(FhirDeidCheck))]
public sealed class TestFhirDeidReadinessCommand : ConnectedCommand
{
    /// <summary>Name of the published configuration that is to be used. Without one, all that are published are looked at, in one row; of more than twenty the newest.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotBlank]
    public string? ConfigName { get; set; }

    /// <summary>ETag that it must still have.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotBlank]
    public string? ConfigETag { get; set; }

    /// <summary>Container that is to be exported into.</summary>
    [Parameter(Position = 0)]
    [Alias("ContainerName")]
    [ValidateNotBlank]
    public string? Container { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        FhirReadinessOptions options = new() { ConfigName = ConfigName ?? "", ConfigETag = ConfigETag ?? "", Container = Container ?? "", TestConfig = Engine.Anonymization.Test };
        await foreach (FhirDeidCheck check in Connection.CheckReadinessAsync(options, cancellation)) await pipeline.WriteObjectAsync(check);
    }
}
