using System.Management.Automation;

namespace FhirDeid.PowerShell.Export;

/// <summary>Accepts times that come back from Import-Clixml: PowerShell makes property bags of them, and binds those to nothing without a word.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class DeserializedTimeAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData) =>
        inputData is PSObject bag && bag.Properties["UtcTicks"]?.Value is long ticks ? new DateTimeOffset(ticks, TimeSpan.Zero) : inputData;
}
