using System.Text.Json.Nodes;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Tests.Oracle;

/// <summary>A resource made up from the R4 model: any element, with twins, nulls, extensions, contained and nested resources.</summary>
internal sealed class RandomResource(int seed)
{
    private static readonly string[] Texts = ["Ann", "http://x.org/a", "036", "98052", "ä\u2028\"\\/", "Patient/p1", "#c1", "http://x.org/fhir/Observation/o1/_history/2", "REDACTED", " pad", "a\u0001b"];
    private static readonly string[] Dates = ["1930-05-06", "1970-01-31", "2016-02-29", "2016-02", "1999", "1936-11-26", "1936-11-27"];
    private static readonly string[] Times = ["T10:11:12Z", "T10:11:12.120+02:00", "T23:59:59-05:00"];

    private readonly Random _random = new(seed);

    public JsonObject Resource(string type, int depth)
    {
        JsonObject resource = Object(FhirModel.R4.Find(type)!, depth);
        return _random.Next(4) == 0 ? new JsonObject([.. resource.Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone())), KeyValuePair.Create<string, JsonNode?>("resourceType", type)])
            : new JsonObject([KeyValuePair.Create<string, JsonNode?>("resourceType", type), .. resource.Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone()))]);
    }

    /// <summary>An object of a complex type.</summary>
    public JsonObject Object(FhirType type, int depth)
    {
        JsonObject json = [];
        foreach (IGrouping<int, FhirProperty> element in type.Properties.GroupBy(p => p.Element))
        {
            FhirProperty property = element.ElementAt(_random.Next(element.Count()));
            if (_random.Next(10) < (depth > 3 ? 4 : 7) || depth <= 0 && !property.IsPrimitive || property.Name is "modifierExtension" or "implicitRules")
                continue;
            Add(json, property, depth - 1);
        }
        if (type.Name == "Extension")
            json["url"] = "http://e/" + _random.Next(3);
        if (json.Count == 0 && type.Kind == FhirTypeKind.Complex)
            json["id"] = "e" + _random.Next(9);
        return json;
    }

    private void Add(JsonObject json, FhirProperty property, int depth)
    {
        int count = property.IsCollection ? _random.Next(1, 4) : 1;
        JsonNode?[] values = [.. Enumerable.Range(0, count).Select(_ => Value(property, depth))];
        JsonNode?[] twins = [.. Enumerable.Range(0, count).Select(_ => property.IsPrimitive && property.Name != "url" && depth > 0 && _random.Next(5) == 0 ? Twin(depth) : null)];
        if (property.IsPrimitive)
            values = [.. values.Select((value, i) => twins[i] is not null && _random.Next(3) == 0 ? null : value)];
        if (values.Any(value => value is not null))
            json[property.ToString()] = property.IsCollection ? new JsonArray(values) : values[0];
        if (twins.Any(twin => twin is not null))
            json["_" + property] = property.IsCollection ? new JsonArray(twins) : twins[0];
    }

    private JsonObject Twin(int depth) => _random.Next(2) == 0
        ? new() { ["id"] = "t" + _random.Next(9) }
        : new() { ["extension"] = new JsonArray(Object(FhirModel.R4.Find("Extension")!, depth - 1)) };

    private JsonNode Value(FhirProperty property, int depth)
    {
        if (property.Type is null)
            return Resource(_random.Next(3) switch { 0 => "Patient", 1 => "Observation", _ => "Basic" }, Math.Min(depth, 2));
        if (!property.IsPrimitive)
            return Object(property.Type, depth);
        return property.Type.Syntax switch
        {
            PrimitiveSyntax.Boolean => _random.Next(2) == 0,
            PrimitiveSyntax.Integer => property.Type.Name == "integer" ? _random.Next(-5, 100) : _random.Next(1, 100),
            PrimitiveSyntax.Decimal => _random.Next(1000) / 10m,
            PrimitiveSyntax.Date => Dates[_random.Next(Dates.Length)],
            PrimitiveSyntax.DateTime => property.Type.Name == "instant" || _random.Next(2) == 0 ? Dates[_random.Next(3)] + Times[_random.Next(Times.Length)] : Dates[_random.Next(Dates.Length)],
            PrimitiveSyntax.Time => "10:11:12",
            _ => property.Type.Name == "id" ? "i" + _random.Next(99) : Texts[_random.Next(Texts.Length)].Trim(),
        };
    }
}
