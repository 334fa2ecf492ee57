using System.Text;
using System.Text.Json;
using FhirDeid.Anonymization.Engine;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Plan;

/// <summary>What substitute puts in the place of an element that is no primitive: an object, read against the element's type.</summary>
internal sealed class Replacement
{
    private Replacement(IReadOnlyList<ReplacementElement> elements) => Elements = elements;

    /// <summary>Nothing: everything that no earlier rule decided goes.</summary>
    public static Replacement Empty { get; } = new([]);

    public IReadOnlyList<ReplacementElement> Elements { get; }

    /// <summary>Reads a replacement.</summary>
    /// <param name="json">An object.</param>
    /// <param name="type">Type of the element, or of the primitive whose id and extensions it holds.</param>
    /// <exception cref="FormatException">It does not fit the type; the message says where.</exception>
    public static Replacement Read(JsonElement json, FhirType type)
    {
        if (json.ValueKind != JsonValueKind.Object)
            throw new FormatException($"{type.Id} needs a JSON object");
        Dictionary<FhirProperty, ReplacementItem[]> elements = [];
        foreach (JsonProperty member in json.EnumerateObject())
        {
            bool isTwin = member.Name.StartsWith('_');
            FhirProperty? property = type.Find(Encoding.UTF8.GetBytes(isTwin ? member.Name[1..] : member.Name));
            if (property?.Type is null || isTwin && !property.IsPrimitive)
                throw new FormatException($"{type.Id} has no element '{member.Name}' that a replacement could give");
            JsonElement[] values = member.Value.ValueKind == JsonValueKind.Array && property.IsCollection ? [.. member.Value.EnumerateArray()] : [member.Value];
            if (elements.Keys.Any(other => other.Element == property.Element && other != property))
                throw new FormatException($"{type.Id}.{property.Name} is given with two types");
            ReplacementItem[] known = elements.GetValueOrDefault(property, []);
            elements[property] = [.. Enumerable.Range(0, Math.Max(values.Length, known.Length)).Select(i =>
            {
                ReplacementItem item = i < known.Length ? known[i] : default;
                if (i >= values.Length || values[i].ValueKind == JsonValueKind.Null)
                    return item;
                return property.IsPrimitive && !isTwin ? item with { Value = Primitive(values[i], property) } : item with { Content = Read(values[i], property.Type) };
            })];
        }
        return new Replacement([.. elements.Select(e => new ReplacementElement(e.Key, e.Value))]);
    }

    private static byte[] Primitive(JsonElement value, FhirProperty property)
    {
        string text = value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
        bool isScalar = value.ValueKind is JsonValueKind.String or JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False;
        if (!isScalar || text.Length == 0 || !PrimitiveReader.IsValid(text, property.Type!))
            throw new FormatException($"'{property}' needs a FHIR {property.Type!.Name}");
        Arena arena = new();
        PrimitiveReader.WriteValue(text, property.Type!, arena);
        return arena.Slice(0, arena.Length).ToArray();
    }
}

/// <summary>One element of a replacement.</summary>
/// <param name="Property">The element.</param>
/// <param name="Items">Its values; one where it does not repeat.</param>
internal sealed record ReplacementElement(FhirProperty Property, ReplacementItem[] Items);

/// <summary>One value of a replacement.</summary>
/// <param name="Value">For a primitive: its value as JSON, or null.</param>
/// <param name="Content">For anything else its elements; for a primitive its id and extensions.</param>
internal readonly record struct ReplacementItem(byte[]? Value, Replacement? Content);
