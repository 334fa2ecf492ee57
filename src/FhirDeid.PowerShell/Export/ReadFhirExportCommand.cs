using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Export;

/// <summary>Reads the resources of a completed export into the pipeline, one by one as they arrive, and keeps no file.</summary>
/// <remarks>What is checked is the same as for Receive-FhirExport; the number of resources can only be known wrong after the last one, which is then an error. The service is asked for the export again, and where its configuration changes every id, a resource without the label of it is an error before it is written. When the pipeline stops, the transfer stops. An export of patients or a Group can hold a resource several times.</remarks>
/// <example><code>$export | Read-FhirExport -ResourceType Patient | Select-Object -First 3</code>Looks at three patients; no more is transferred than that needs.</example>
/// <example><code>$export | Read-FhirExport -ResourceType Patient -AsObject | Group-Object gender -NoElement</code>Counts patients by gender.</example>
/// <example><code>$export | Read-FhirExport Observation | Set-Content ./observations.ndjson</code>Writes all observations into one file.</example>
[Cmdlet(VerbsCommunications.Read, "FhirExport")]
[OutputType(typeof(string), typeof(PSObject))]
public sealed class ReadFhirExportCommand : FhirExportCommand
{
    /// <summary>Resource types to read; all where none is given.</summary>
    [Parameter(Position = 0)]
    [ArgumentCompleter(typeof(FhirResourceTypeCompleter))]
    [ValidateFhirResourceType]
    public string[] ResourceType { get; set; } = [];

    /// <summary>Reads although nothing proves the export de-identified: what comes may be identified data.</summary>
    [Parameter]
    public SwitchParameter AllowNotDeidentified { get; set; }

    /// <summary>Writes objects instead of JSON text. Dates stay text, because FHIR's may be parts of a date.</summary>
    [Parameter]
    public SwitchParameter AsObject { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        FhirExport export = await CompletedExportAsync(AllowNotDeidentified, cancellation);
        FhirReadOptions options = new() { AllowNotDeidentified = AllowNotDeidentified };
        if (!AllowNotDeidentified) options.Marks = await MarksAsync(export, pipeline, warn: true, cancellation);
        foreach (FhirExportFile file in export.Output.Where(file => ResourceType.Length == 0 || ResourceType.Contains(file.Type)))
        {
            await foreach (string resource in Connection.ReadFileAsync(export, file, options, pipeline.Progress, cancellation))
            {
                await pipeline.WriteObjectAsync(AsObject ? ResourceObject.Of(resource) : resource);
            }
        }
    }
}
