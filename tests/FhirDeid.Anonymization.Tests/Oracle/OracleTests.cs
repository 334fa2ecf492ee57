using System.Text.Json.Nodes;
using CsCheck;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Tests.Oracle;

/// <summary>Random configurations on random resources: the engine and the oracle must agree. CsCheck shrinks what differs and prints the seed.</summary>
public sealed class OracleTests
{
    private static readonly string[] ResourceTypes = ["Patient", "Observation", "Encounter", "Condition", "Claim", "Bundle", "Parameters", "Questionnaire", "MedicationRequest", "Group"];

    private static readonly Gen<int> Seed = Gen.Int[0, int.MaxValue];

    [Fact]
    public void The_engine_and_the_oracle_agree()
    {
        long pairs = Environment.GetEnvironmentVariable("FHIRDEID_LONG") == "1" ? 100_000 : 1_000;

        Gen.Select(Seed, Seed).Sample((configuration, resource) => Agree(configuration, resource), iter: pairs);
    }

    private static void Agree(int configurationSeed, int resourceSeed)
    {
        RandomResource random = new(resourceSeed);
        JsonObject resource = random.Resource(ResourceTypes[resourceSeed % ResourceTypes.Length], depth: 5);
        (OracleRule[] rules, JsonObject parameters) = RandomConfiguration.Make(configurationSeed, resource);
        string config = Engine.Config(parameters, [.. rules.Select(rule => rule.Method == "substitute"
            ? new JsonArray(rule.Path, rule.Method, rule.ReplaceWith) : new JsonArray(rule.Path, rule.Method))]);

        string expected = new OracleEngine(rules, parameters, DateOnly.FromDateTime(Engine.Clock.GetUtcNow().DateTime)).Run(resource.ToJsonString());
        string actual = Engine.Run(config, resource.ToJsonString());

        if (JsonText.Difference(expected, actual) is { } difference)
            throw new InvalidOperationException($"{string.Join("; ", rules.Select(rule => $"{rule.Path} {rule.Method}"))}\n{parameters.ToJsonString()}\n{difference}\n{resource.ToJsonString()}");
    }
}

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

    private JsonObject Object(FhirType type, int depth)
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
            PrimitiveSyntax.Integer => _random.Next(-5, 100),
            PrimitiveSyntax.Decimal => _random.Next(1000) / 10m,
            PrimitiveSyntax.Date => Dates[_random.Next(Dates.Length)],
            PrimitiveSyntax.DateTime => property.Type.Name == "instant" || _random.Next(2) == 0 ? Dates[_random.Next(3)] + Times[_random.Next(Times.Length)] : Dates[_random.Next(Dates.Length)],
            PrimitiveSyntax.Time => "10:11:12",
            _ => property.Type.Name == "id" ? "i" + _random.Next(99) : Texts[_random.Next(Texts.Length)].Trim(),
        };
    }
}

/// <summary>Rules that have something to do with a resource: paths taken from it, types and names that it holds.</summary>
internal static class RandomConfiguration
{
    private static readonly string[] Methods = ["keep", "keep", "redact", "redact", "redact", "cryptoHash", "dateShift"];

    public static (OracleRule[] Rules, JsonObject Parameters) Make(int seed, JsonObject resource)
    {
        Random random = new(seed);
        OracleNode[] nodes = [.. OracleNode.Read(resource).SelfAndBelow()];
        OracleRule[] rules = [.. Enumerable.Range(0, random.Next(1, 8)).Select(_ => Rule(random, nodes[random.Next(nodes.Length)], nodes))];
        return (rules, new JsonObject
        {
            ["cryptoHashKey"] = "hash key", ["dateShiftKey"] = "shift key",
            ["enablePartialDatesForRedact"] = random.Next(2) == 0, ["enablePartialZipCodesForRedact"] = random.Next(2) == 0,
            ["restrictedZipCodeTabulationAreas"] = new JsonArray("036"),
        });
    }

    private static OracleRule Rule(Random random, OracleNode node, OracleNode[] nodes)
    {
        string method = Methods[random.Next(Methods.Length)];
        string byName = $"nodesByName('{node.Name}')", byType = $"nodesByType('{node.Type.Name}')";
        switch (random.Next(7))
        {
            case 0 when node.Name != "":
                return new OracleRule(null, [byName], method);
            case 1:
                return new OracleRule(null, [byType], method);
            case 2 when node.Children.Count > 0:
                return new OracleRule(null, [byType, node.Children[random.Next(node.Children.Count)].Name], method);
            case 3:
                return new OracleRule(random.Next(2) == 0 ? "Resource" : nodes[0].Type.Name, [], method);
            default:
                // From the nearest resource, or from one around it.
                List<string> steps = [];
                OracleNode at = node;
                while (at.Parent is not null && !(at.IsResource && (steps.Count > 0 || at == node) && random.Next(3) > 0))
                {
                    steps.Insert(0, at.Name);
                    at = at.Parent;
                }
                if (steps.Count == 0)
                    return new OracleRule(at.Type.Name, [], method);
                if (steps.Count > 1 && random.Next(5) == 0 && !node.IsResource)
                    steps = [steps[0], $"nodesByType('{node.Type.Name}')"];
                if (node.Type is { Syntax: PrimitiveSyntax.Text, Name: not ("id" or "xhtml") } && random.Next(6) == 0 && steps[^1] == node.Name && IsAlwaysText(at.Type, steps))
                    return new OracleRule(at.Type.Name, [.. steps], "substitute", random.Next(4) == 0 ? null : "Substitute");
                return new OracleRule(at.Type.Name, [.. steps], method);
        }
    }

    /// <summary>A substitute must fit every type that its path leads to.</summary>
    private static bool IsAlwaysText(FhirType type, List<string> steps)
    {
        FhirType?[] at = [type];
        foreach (string step in steps)
            at = [.. at.SelectMany(t => t is null ? [null] : t.Properties.Where(p => p.Name == step).Select(p => p.Type))];
        return at.All(t => t?.Syntax == PrimitiveSyntax.Text);
    }
}
