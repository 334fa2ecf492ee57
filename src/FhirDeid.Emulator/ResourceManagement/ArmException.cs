namespace FhirDeid.Emulator.ResourceManagement;

/// <summary>Why the resource manager does not do what it is asked.</summary>
internal sealed class ArmException(int status, string code, string message) : Exception(message)
{
    /// <summary>HTTP status.</summary>
    public int Status { get; } = status;

    /// <summary>The error's code.</summary>
    public string Code { get; } = code;

    /// <summary>A body that is not what the resource type takes: 400.</summary>
    public static ArmException Invalid(string message) => new(400, "InvalidRequestContent", message);

    /// <summary>There is no such resource: 404.</summary>
    public static ArmException NotFound(string type, string name, string resourceGroup) => new(404, "ResourceNotFound",
        $"The Resource '{type}/{name}' under resource group '{resourceGroup}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix");
}
