using System.Collections.Concurrent;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Coverage;

/// <summary>An element of a resource type, by its path, with the elements below it.</summary>
/// <remarks>A data type is not entered again inside of itself, what extensions hold is not entered at all, and extensions are listed for a resource and its own elements.</remarks>
internal sealed class ElementTree
{
    private const int DeepestExtension = 2;

    private static readonly ConcurrentDictionary<FhirType, ElementTree> s_all = new();

    private ElementTree(FhirProperty? property, FhirType type, FhirType owner, string path, string category) =>
        (Property, Type, Owner, Path, Category) = (property, type, owner, path, category);

    /// <summary>The property that holds it; null for the resource.</summary>
    public FhirProperty? Property { get; }

    public FhirType Type { get; }

    /// <summary>The type that has the element.</summary>
    public FhirType Owner { get; }

    public string Path { get; }

    /// <summary>Letters of the identifiers that it can hold itself; empty for none.</summary>
    public string Category { get; }

    public List<ElementTree> Children { get; } = [];

    /// <summary>Whether it is listed itself, and not only what is below it.</summary>
    public bool IsLeaf => Type.Kind == FhirTypeKind.Primitive || Type.Name == "Extension";

    /// <summary>The elements of a resource type.</summary>
    public static ElementTree Of(FhirType resource) => s_all.GetOrAdd(resource, static resource =>
    {
        ElementTree root = new(null, resource, resource, resource.Name, "");
        root.Grow(resource, [resource], 1);
        return root;
    });

    private void Grow(FhirType resource, HashSet<FhirType> around, int depth)
    {
        foreach (FhirProperty property in Type.Properties)
        {
            if (property.Type is not { } type || type.Name == "Extension" && depth > DeepestExtension || Type.Kind == FhirTypeKind.Primitive && type.Name != "Extension")
                continue;
            string category = type.Name == "Extension" ? Identifiers.Any : type.Kind == FhirTypeKind.Primitive ? Identifiers.Of(resource, Type, property) : "";
            // The types of a choice have one name in a path.
            bool isChoice = property.Name != property.ToString();
            ElementTree child = new(property, type, Type, isChoice ? $"{Path}.{property.Name}.ofType({type.Name})" : $"{Path}.{property.Name}", category);
            if (type.Name != "Extension" && (type.Kind != FhirTypeKind.Primitive || depth < DeepestExtension) && around.Add(type))
            {
                child.Grow(resource, around, depth + 1);
                around.Remove(type);
            }
            if (child.IsLeaf || child.Children.Count > 0)
                Children.Add(child);
        }
    }
}
