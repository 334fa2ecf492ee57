using System.Management.Automation;

namespace FhirDeid.PowerShell.Pipeline;

/// <summary>Refuses null, an empty string and white space. For a configuration's name that is more than tidiness: the service answers a blank one with an identified export.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ValidateNotBlankAttribute : ValidateArgumentsAttribute
{
    /// <inheritdoc/>
    protected override void Validate(object arguments, EngineIntrinsics engineIntrinsics)
    {
        if (string.IsNullOrWhiteSpace((arguments is PSObject wrapped ? wrapped.BaseObject : arguments) as string))
        {
            throw new ValidationMetadataException("The argument is blank. Give a value; a variable that is not set counts as blank.");
        }
    }
}
