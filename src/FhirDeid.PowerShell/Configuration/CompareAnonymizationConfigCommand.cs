using System.Management.Automation;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Says what changes in effect between two anonymization configurations, element by element, whatever their texts look like.</summary>
/// <remarks>Both are compiled and asked what they do to every element of FHIR R4. A data type that changes wherever it occurs is one object, with the places. Keys are compared and never shown.</remarks>
/// <example><code>Compare-AnonymizationConfig ./study-7.json ./study-8.json</code>Lists what changes, what weakens protection first.</example>
/// <example><code>New-AnonymizationConfig SafeHarbor | Add-AnonymizationRule Patient.gender redact -Before 1 | Compare-AnonymizationConfig ./study-7.json</code>Compares a configuration in the pipeline with a file.</example>
/// <example><code>if (Compare-AnonymizationConfig ./published.json ./new.json | Where-Object Change -eq Weaker) { throw 'The new rules protect less.' }</code>Guards a change in a script.</example>
[Cmdlet(VerbsData.Compare, "AnonymizationConfig")]
[OutputType(typeof(AnonymizationConfigDifference))]
public sealed class CompareAnonymizationConfigCommand : FhirDeidCommand
{
    /// <summary>The configuration to start from: an object of New-AnonymizationConfig, the path of a file, or JSON text.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    public AnonymizationConfigArgument ReferenceConfig { get; set; } = null!;

    /// <summary>The configuration to compare it with: an object of New-AnonymizationConfig, the path of a file, or JSON text.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipeline = true)]
    public AnonymizationConfigArgument DifferenceConfig { get; set; } = null!;

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        (string reference, _) = await ReferenceConfig.TextAsync(this, pipeline, cancellation);
        (string difference, _) = await DifferenceConfig.TextAsync(this, pipeline, cancellation);
        foreach (AnonymizationConfigDifference change in Engine.Analysis.Compare(reference, difference)) await pipeline.WriteObjectAsync(change);
    }
}
