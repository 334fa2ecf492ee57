using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.FhirPath;

/// <summary>A node of the tree that an expression walks, as the rules before it have left it.</summary>
internal interface IFhirPathNode
{
    /// <summary>Element name, the base name for a choice (<c>value</c>); empty for a resource that stands alone.</summary>
    string Name { get; }

    /// <summary>R4 type; <see cref="FhirType.Name"/> is what <c>is</c> and <c>ofType</c> compare.</summary>
    FhirType Type { get; }

    /// <summary>Text of a primitive's value: a number as written, <c>true</c>, a date as written; null where it has none.</summary>
    string? Text { get; }

    /// <summary>Adds the children in document order; of a primitive its id and extensions.</summary>
    /// <param name="children">Receives them.</param>
    void AddChildren(List<IFhirPathNode> children);

    /// <summary>Adds the children of one element name in document order.</summary>
    /// <param name="name">Element name; for a choice its base name.</param>
    /// <param name="children">Receives them.</param>
    void AddChildren(string name, List<IFhirPathNode> children);
}
