using System.Collections.Concurrent;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Lint;

/// <summary>The R4 model by the questions that paths ask of it.</summary>
internal static class ModelPlaces
{
    private static readonly Lazy<ILookup<string, Place>> s_byName = new(() => Every().ToLookup(place => place.Via!.Name));
    private static readonly Lazy<ILookup<string, Place>> s_byType = new(() => Every().ToLookup(place => place.Type.Name));
    private static readonly ConcurrentDictionary<(FhirType, string), Place[]> s_children = new();

    /// <summary>Every resource type, standing alone.</summary>
    public static IReadOnlyList<Place> Resources { get; } = [.. FhirModel.R4.Types.Where(type => type.Kind == FhirTypeKind.Resource).Select(type => new Place(type, null, null))];

    public static IEnumerable<string> TypeNames => FhirModel.R4.Types.Select(type => type.Name).Distinct();

    public static IEnumerable<string> ElementNames => s_byName.Value.Select(group => group.Key);

    /// <summary>Everything that has a type, by its exact name.</summary>
    public static IReadOnlyCollection<Place> OfType(string name) => [.. s_byType.Value[name].Distinct()];

    /// <summary>Everything that has an element name; a choice by its base name.</summary>
    public static IReadOnlyCollection<Place> Named(string name) => [.. s_byName.Value[name].Distinct()];

    public static FhirProperty? ByJsonName(string name) =>
        FhirModel.R4.Types.SelectMany(type => type.Properties).FirstOrDefault(property => property.Name != name && property.ToString() == name);

    public static Place[] Children(FhirType type, string name) =>
        s_children.GetOrAdd((type, name), static key => [.. key.Item1.Properties.Where(property => property.Name == key.Item2).SelectMany(property => Held(key.Item1, property))]);

    public static IEnumerable<Place> Children(FhirType type) => type.Properties.SelectMany(property => Held(type, property));

    private static IEnumerable<Place> Held(FhirType parent, FhirProperty property) =>
        property.Type is { } type ? [new Place(type, property, parent)] : Resources.Select(resource => new Place(resource.Type, property, parent));

    private static IEnumerable<Place> Every() => FhirModel.R4.Types.SelectMany(Children);
}
