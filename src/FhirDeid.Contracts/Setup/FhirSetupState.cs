namespace FhirDeid;

/// <summary>How far a setup of several steps came before the error whose target this is.</summary>
public sealed class FhirSetupState
{
    /// <summary>Resource id of the FHIR service.</summary>
    public string ResourceId { get; set; } = "";

    /// <summary>The storage account that was to be set.</summary>
    public string StorageAccountName { get; set; } = "";

    /// <summary>What has been changed, one line each.</summary>
    public string[] Changes { get; set; } = [];

    /// <summary>The step that Azure goes on with: <c>identity</c> or <c>export storage</c>; empty where none is under way.</summary>
    public string UnderWay { get; set; } = "";

    /// <summary>Steps that are not done: <c>identity</c>, <c>roles</c>, <c>export storage</c>, in this order.</summary>
    public string[] NotDone { get; set; } = [];

    /// <summary>The command that goes on from here.</summary>
    public string Continue { get; set; } = "";

    /// <inheritdoc/>
    public override string ToString() => ResourceId;
}
