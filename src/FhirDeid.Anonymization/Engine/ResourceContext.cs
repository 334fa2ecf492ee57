using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Engine;

/// <summary>One resource of a document: the one that stands alone, an entry's, a parameter's, a contained one.</summary>
internal struct ResourceContext
{
    public FhirType Type;

    /// <summary>The resource around it, or −1.</summary>
    public int Parent;

    /// <summary>How many resources are around it.</summary>
    public int Depth;

    /// <summary>Contained resources get no label: what is done to them counts for their container.</summary>
    public bool IsContained;

    /// <summary>Token of its <c>meta</c>, or 0.</summary>
    public int Meta;

    /// <summary>What its rules did, in it and in the resources nested in it.</summary>
    public Operations Operations;

    /// <summary>Labels that <c>meta.security</c> does not hold yet.</summary>
    public Operations NewLabels;
}
