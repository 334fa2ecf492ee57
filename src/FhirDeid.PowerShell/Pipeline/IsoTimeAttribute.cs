using System.Globalization;
using System.Management.Automation;

namespace FhirDeid.PowerShell.Pipeline;

/// <summary>Reads a time of the form 2026-01-01 (ISO 8601) alike everywhere. PowerShell reads arguments in the calendar of the session's culture, in which that can be another year or none.</summary>
[AttributeUsage(AttributeTargets.Property)]
public class IsoTimeAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData) =>
        (inputData is PSObject wrapped ? wrapped.BaseObject : inputData) is string { Length: >= 10 } text && text[4] == '-' && text[7] == '-' &&
            DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out DateTimeOffset time) ? time : inputData;
}
