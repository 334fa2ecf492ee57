using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Export;

/// <summary>Asks the FHIR service how an export stands: running, completed with its files, or failed with its reason.</summary>
/// <remarks>The service is asked once; Wait-FhirExport waits. An export that is known by its id alone takes its configuration and container from the service's manifest. The service forgets an export that is cancelled.</remarks>
/// <example><code>$export = $export | Get-FhirExport</code>Asks for an export anew.</example>
/// <example><code>Get-FhirExport -JobId 42</code>Asks the connected service for an export by its id, such as one that another person has started.</example>
/// <example><code>Get-FhirExport https://contoso.fhir.azurehealthcareapis.com/_operations/export/42 | Receive-FhirExport ./research</code>Takes up a completed export by its status URL.</example>
[Cmdlet(VerbsCommon.Get, "FhirExport", DefaultParameterSetName = ByJobId)]
[OutputType(typeof(FhirExport))]
public sealed class GetFhirExportCommand : FhirExportCommand
{
    private const string ByStatusUri = "StatusUri";
    private const string ByJobId = "JobId";

    /// <summary>Status URL of the export: the Content-Location that the service answered at kick-off.</summary>
    [Parameter(ParameterSetName = ByStatusUri, Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    public override Uri StatusUri { get; set; } = null!;

    /// <summary>The service's job id: a number.</summary>
    [Parameter(ParameterSetName = ByStatusUri, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = ByJobId, Mandatory = true, ValueFromPipelineByPropertyName = true)]
    [ValidatePattern("^[0-9]{1,19}\\z")]
    public override string? JobId { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (ParameterSetName == ByJobId) StatusUri = new Uri($"{Connection.Context.FhirServiceUri!.AbsoluteUri.TrimEnd('/')}/_operations/export/{JobId}");
        await pipeline.WriteObjectAsync(await Connection.GetExportAsync(Export, cancellation));
    }
}
