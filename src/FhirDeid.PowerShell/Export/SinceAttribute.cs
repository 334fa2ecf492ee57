using System.Management.Automation;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Export;

/// <summary>Takes a time, or an earlier export: the time of the data that it holds, live or as it comes back from a file.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class SinceAttribute : IsoTimeAttribute
{
    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        if (inputData is null || PSObject.AsPSObject(inputData).Properties[nameof(FhirExport.TransactionTime)] is not { } property)
            return base.Transform(engineIntrinsics, inputData);
        object time = property.Value ?? throw new ArgumentTransformationMetadataException("The earlier export has no transactionTime: it has not completed. Wait for it, or give a time.");
        return base.Transform(engineIntrinsics, new DeserializedTimeAttribute().Transform(engineIntrinsics, time));
    }
}
