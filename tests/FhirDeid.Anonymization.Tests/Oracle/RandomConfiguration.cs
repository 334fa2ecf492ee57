using System.Text.Json.Nodes;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Tests.Oracle;

/// <summary>Rules that have something to do with a resource: paths taken from it, types, names and values that it holds.</summary>
internal sealed class RandomConfiguration
{
    private static readonly string[] Methods = ["keep", "keep", "redact", "redact", "redact", "cryptoHash", "dateShift", "perturb", "substitute", "substitute", "generalize", "generalize"];

    private readonly Random _random;
    private readonly OracleNode[] _nodes;
    private readonly string[] _texts;
    private OracleNode? _last;

    private RandomConfiguration(int seed, JsonObject resource)
    {
        _random = new Random(seed);
        _nodes = [.. OracleNode.Read(resource).SelfAndBelow()];
        _texts = [.. _nodes.Where(node => node.Type.Syntax == PrimitiveSyntax.Text && node.Value is not null).Select(node => node.Value!.ToString()).Where(text => text.All(c => c is >= ' ' and <= '~')).Append("Ann")];
    }

    /// <summary>Where a path has led: the types that may be there, and whether there is one node at most.</summary>
    private sealed record Place(OracleExpression? Expression, FhirType[] Types, bool IsSingle)
    {
        /// <summary>Whether a resource of any type lies on the way: a replacement is then refused, whatever it is.</summary>
        public bool IsInAnyResource { get; init; }

        public PrimitiveSyntax? Syntax => Types.Length > 0 && Types.All(type => type.Syntax == Types[0].Syntax && type.Name is not ("xhtml" or "base64Binary")) ? Types[0].Syntax : null;

        public bool IsPrimitive => Syntax is not (null or PrimitiveSyntax.None);

        public Place Child(string name)
        {
            FhirProperty[] properties = [.. Types.SelectMany(type => type.Properties).Where(property => property.Name == name)];
            return new Place(OracleExpression.Child(Expression, name), [.. properties.SelectMany(Resolve).Distinct()], IsSingle && !properties.Any(property => property.IsCollection))
            {
                IsInAnyResource = IsInAnyResource || properties.Any(property => property.Type is null),
            };
        }

        private static IEnumerable<FhirType> Resolve(FhirProperty property) =>
            property.Type is null ? FhirModel.R4.Types.Where(type => type.Kind == FhirTypeKind.Resource) : [property.Type];

        public Place OfType(string name) => this with { Expression = OracleExpression.Call(Expression, "ofType", OracleExpression.Child(null, name)), Types = [.. Types.Where(type => type.Name == name)] };
    }

    public static JsonObject Parameters(int seed) => new()
    {
        ["cryptoHashKey"] = "hash key", ["dateShiftKey"] = "shift key",
        ["enablePartialDatesForRedact"] = seed % 2 == 0, ["enablePartialZipCodesForRedact"] = seed % 3 == 0,
        ["restrictedZipCodeTabulationAreas"] = new JsonArray("036"),
    };

    public static IEnumerable<OracleRule> Rules(int seed, JsonObject resource)
    {
        RandomConfiguration configuration = new(seed, resource);
        int count = configuration._random.Next(1, 8);
        for (int i = 0; i < count; i++)
            yield return configuration.Rule();
    }

    private bool OneIn(int n) => _random.Next(n) == 0;

    private T Any<T>(params T[] items) => items[_random.Next(items.Length)];

    /// <summary>A node for the next rule: often near the one before, so that conditions meet what earlier rules have done.</summary>
    private OracleNode Node()
    {
        if (_last?.Parent is { } parent && OneIn(2))
            return Any([.. parent.SelfAndBelow()]);
        OracleNode node = Any(_nodes);
        for (int again = 0; again < 3 && (node.Name is "id" or "url" || node.Parent?.Type.Name == "Extension"); again++)
            node = Any(_nodes);
        return node;
    }

    private OracleRule Rule()
    {
        OracleNode node = _last = Node();
        (string? resourceType, Place place) = Path(node);
        OracleRule rule = new(resourceType, place.Expression, Any(Methods));
        return rule.Method switch
        {
            "perturb" => rule with { RoundTo = _random.Next(3) },
            "substitute" when place is { IsPrimitive: true, IsInAnyResource: false, Types: [var type, ..] } => rule with { ReplaceWith = OneIn(4) ? null : Replacement(type) },
            "substitute" when place is { IsInAnyResource: false, Types: [{ Kind: FhirTypeKind.Complex } type] } && type.Properties.All(property => property.Type is not null)
                => rule with { ReplaceWith = OneIn(8) ? null : new RandomResource(_random.Next()).Object(type, 2) },
            "generalize" when place.IsPrimitive && place.Syntax != PrimitiveSyntax.Time => rule with { Cases = [.. Enumerable.Range(0, _random.Next(1, 4)).Select(_ => Case(place)).DistinctBy(c => c.When.ToString())], KeepsOtherValues = OneIn(2) },
            "substitute" or "generalize" => rule with { Method = "redact" },
            _ => rule,
        };
    }

    /// <summary>A path that leads to a node: a look-up, or step by step from a resource around it.</summary>
    private (string? ResourceType, Place Place) Path(OracleNode node)
    {
        Place byName = new Place(null, [.. FhirModel.R4.Types], false).Child(node.Name) with { Expression = Search("nodesByName", node.Name) };
        Place byType = new(Search("nodesByType", node.Type.Name), [.. FhirModel.R4.Types.Where(type => type.Name == node.Type.Name)], false);
        switch (_random.Next(10))
        {
            case 0 when node.Name != "":
                return (null, OneIn(2) ? byName : Narrow(byName, node));
            case 1:
                return (null, OneIn(2) ? byType : Narrow(byType, node));
            case 2 when node.Children.Count > 0:
                return (null, byType.Child(Any([.. node.Children]).Name));
            case 3:
                return (OneIn(2) ? "Resource" : _nodes[0].Type.Name, new Place(null, [], true));
            case 4 when node.Name != "" && OneIn(2):
                return (_nodes[0].Type.Name, OneIn(2) ? byName : byType);
        }
        List<OracleNode> steps = [];
        OracleNode at = node;
        while (at.Parent is not null && !(at.IsResource && steps.Count > 0 && !OneIn(3)))
        {
            steps.Insert(0, at);
            at = at.Parent;
        }
        Place place = new(null, [at.Type], true);
        if (steps.Count > 1 && OneIn(8))
            return (at.Type.Name, Far(node, steps));
        foreach (OracleNode step in steps)
        {
            place = step.Name == "extension" && OneIn(3) && step.Children.FirstOrDefault(child => child.Name == "url") is { Value: { } url }
                ? place.Child(step.Name) with { Expression = OracleExpression.Call(place.Expression, "extension", OracleExpression.Of(url.ToString())) }
                : place.Child(step.Name);
            if (OneIn(4))
                place = Narrow(place, step);
        }
        return (at.Type.Name, place);
    }

    private static OracleExpression Search(string function, string name) => OracleExpression.Call(null, function, OracleExpression.Of(name));

    /// <summary>Leaps over what lies between: children, descendants, repeat, a search within the resource.</summary>
    private Place Far(OracleNode node, List<OracleNode> steps)
    {
        Place all = new(null, [.. FhirModel.R4.Types.Where(type => type.Kind != FhirTypeKind.Resource)], false);
        Place far = _random.Next(4) switch
        {
            0 => all with { Expression = OracleExpression.Call(null, "descendants") },
            1 => all with { Expression = OracleExpression.Call(OracleExpression.Child(null, steps[0].Name), "children") },
            2 => all with { Expression = Search("nodesByName", node.Name) },
            _ => all with { Expression = OracleExpression.Call(null, "repeat", steps.Count > 2 && OneIn(2)
                ? OracleExpression.Operator(OracleExpression.Child(null, steps[0].Name), "|", OracleExpression.Child(null, steps[1].Name)) : OracleExpression.Child(null, steps[0].Name)) },
        };
        OracleNode target = far.Expression!.Evaluate(steps[0].Parent!).OfType<OracleNode>().Where(found => !found.IsResource).DefaultIfEmpty(node).ElementAt(0);
        far = OneIn(2) ? far.OfType(target.Type.Name) : Where(far, OracleExpression.Operator(OracleExpression.This, "is", OracleExpression.Child(null, target.Type.Name)));
        return OneIn(3) ? Narrow(far, target) : far;
    }

    /// <summary>Takes some of the nodes.</summary>
    private Place Narrow(Place place, OracleNode example) => _random.Next(10) switch
    {
        0 => place with { Expression = OracleExpression.At(place.Expression!, _random.Next(3)), IsSingle = true },
        1 => place with { Expression = OracleExpression.Call(place.Expression, Any("first", "last")), IsSingle = true },
        2 => place with { Expression = OracleExpression.Call(place.Expression, "tail") },
        3 => place with { Expression = OracleExpression.Call(place.Expression, Any("skip", "take"), OracleExpression.Of((decimal)_random.Next(3))) },
        4 => place.OfType(example.Type.Name),
        _ => Where(place, Condition(place with { Expression = null, IsSingle = true }, example, 2)),
    };

    private static Place Where(Place place, OracleExpression condition) => place with { Expression = OracleExpression.Call(place.Expression, "where", condition) };

    /// <summary>A condition on a node, or on what the place's expression leads to from it.</summary>
    private OracleExpression Condition(Place place, OracleNode? example, int depth)
    {
        if (depth > 0 && OneIn(5))
            return OracleExpression.Operator(Condition(place, example, depth - 1), Any("and", "or"), Condition(place, example, depth - 1));
        if (depth > 0 && OneIn(8))
            return OracleExpression.Call(Condition(place, example, depth - 1), "not");
        if (place.IsPrimitive && place.IsSingle && !OneIn(8))
            return OnValue(place.Expression ?? OracleExpression.This, place.Syntax!.Value, example);
        string[] present = [.. example?.Children.Select(node => node.Name).Distinct() ?? []];
        string[] names = present.Length > 0 && !OneIn(4) ? present : [.. place.Types.SelectMany(type => type.Properties).Take(20).Select(property => property.Name).Distinct()];
        if (names.Length == 0)
            return OracleExpression.Of(true);
        string name = Any(names);
        Place child = place.Child(name);
        OracleNode? childExample = example?.Children.FirstOrDefault(node => node.Name == name);
        OracleExpression path = child.Expression!;
        switch (_random.Next(12))
        {
            case 0:
                return OracleExpression.Call(path, "empty");
            case 1:
                return OracleExpression.Call(OracleExpression.Call(path, "exists"), "not");
            case 2:
                return OracleExpression.Operator(OracleExpression.Call(path, "count"), Any("=", ">", "<="), OracleExpression.Of((decimal)_random.Next(3)));
            case 3 when child.IsSingle && childExample is not null:
                return OracleExpression.Operator(path, "is", OracleExpression.Child(null, childExample.Type.Name));
            case 4 when childExample is not null:
                return OracleExpression.Call(OracleExpression.Call(path, "ofType", OracleExpression.Child(null, childExample.Type.Name)), "exists");
            case 5:
                return OracleExpression.Call(path, "exists");
            case 6:
                return OracleExpression.Call(OracleExpression.Call(place.Expression, "extension", OracleExpression.Of("http://e/" + _random.Next(3))), "exists");
            case 7 when !child.IsSingle && child.IsPrimitive:
                return OnValue(OracleExpression.Call(path, Any("first", "last")), child.Syntax!.Value, childExample);
            case 8 when child.Syntax == PrimitiveSyntax.Text:
                return OracleExpression.Operator(path, Any("=", "!="), OracleExpression.Of(Any(_texts)));
        }
        if (child.IsSingle && depth > 0)
            return Condition(child, childExample, depth - 1);
        OracleExpression inner = depth > 0 && !child.IsSingle ? Condition(child with { Expression = null, IsSingle = true }, childExample, depth - 1) : OracleExpression.Of(true);
        return !OneIn(3) ? OracleExpression.Call(path, Any("exists", "exists", "all"), inner) : OracleExpression.Call(OracleExpression.Call(path, "where", inner), Any("exists", "empty"));
    }

    /// <summary>A condition on the value of a primitive.</summary>
    private OracleExpression OnValue(OracleExpression on, PrimitiveSyntax syntax, OracleNode? example)
    {
        string text = example?.Value is { } value && OneIn(2) ? value.ToString() : Any(_texts);
        OracleExpression Compare(object literal, params string[] operators) => OracleExpression.Operator(on, Any(operators), OracleExpression.Of(literal));
        OracleExpression Function(string name, params object[] arguments) => OracleExpression.Call(on, name, [.. arguments.Select(OracleExpression.Of)]);
        switch (syntax)
        {
            case PrimitiveSyntax.Boolean:
                return OneIn(4) ? on : Compare(OneIn(2), "=", "!=");
            case PrimitiveSyntax.Integer:
                return Compare((decimal)_random.Next(-5, 100), "=", "!=", "<", "<=", ">", ">=");
            case PrimitiveSyntax.Decimal:
                return Compare(_random.Next(1000) / 10m, "=", "!=", "<", "<=", ">", ">=");
            case PrimitiveSyntax.Date:
                return Compare(new OracleDate(Any("1970-01-31", "1980-01-01", "2016-02", "1999")), "=", "<", "<=", ">", ">=");
            case PrimitiveSyntax.DateTime:
                return Compare(new OracleDate(Any("1970-01-31T10:11:12Z", "1980-01-01T00:00:00Z", "2016-02-29T08:11:12.12Z")), "<", "<=", ">", ">=");
            case PrimitiveSyntax.Time:
                return OracleExpression.Call(on, "exists");
        }
        text = text.All(c => c is >= ' ' and <= '~') ? text : "Ann";
        string part = text[..Math.Min(text.Length, _random.Next(1, 4))];
        return _random.Next(11) switch
        {
            0 => Compare(text, "!="),
            1 => Function("startsWith", part),
            2 => Function("endsWith", text[^1..]),
            3 => Function("contains", part),
            4 => OracleExpression.Operator(Function("length"), Any("=", ">", "<"), OracleExpression.Of((decimal)Any(3, 5, 20, 64))),
            5 => OracleExpression.Operator(Function("substring", 0m, (decimal)part.Length), "=", OracleExpression.Of(part)),
            6 => OracleExpression.Operator(Function("upper"), "=", OracleExpression.Of(text.ToUpperInvariant())),
            7 => Function("matches", Any("^[A-Z][a-z]+$", "^\\d+$", "^[0-9a-f]{64}$", "/")),
            8 => OracleExpression.Operator(Function("indexOf", part), Any("=", ">"), OracleExpression.Of(0m)),
            9 => Compare("Substitute", "="),
            _ => Compare(text, "="),
        };
    }

    private (OracleExpression When, OracleExpression Then) Case(Place place)
    {
        PrimitiveSyntax syntax = place.Syntax!.Value;
        OracleExpression self = OracleExpression.This;
        OracleExpression when = OneIn(4) ? OracleExpression.Of(true) : OnValue(self, syntax, _nodes.FirstOrDefault(node => place.Types.Contains(node.Type) && node.Value is not null));
        if (OneIn(10))
            return (when, OracleExpression.Of(Any<object?>(null, "abc", 12m)));
        return (when, syntax switch
        {
            PrimitiveSyntax.Boolean => OracleExpression.Of(OneIn(2)),
            PrimitiveSyntax.Integer => OneIn(2) ? OracleExpression.Of(7m) : OracleExpression.Operator(self, "+", OracleExpression.Of(1m)),
            PrimitiveSyntax.Decimal => OneIn(2) ? OracleExpression.Of(7.5m) : OracleExpression.Operator(OracleExpression.Operator(self, "div", OracleExpression.Of(10m)), "*", OracleExpression.Of(10m)),
            PrimitiveSyntax.Date => OracleExpression.Of(new OracleDate(Any("2000", "2000-01-01"))),
            PrimitiveSyntax.DateTime => OracleExpression.Of(new OracleDate(Any("2000", "2000-01-01T00:00:00Z"))),
            _ => OneIn(2) ? OracleExpression.Of("General") : OracleExpression.Call(self, "substring", OracleExpression.Of(0m), OracleExpression.Of(2m)),
        });
    }

    private static JsonNode Replacement(FhirType type) => type.Syntax switch
    {
        PrimitiveSyntax.Boolean => true,
        PrimitiveSyntax.Integer => 7,
        PrimitiveSyntax.Decimal => 7.5m,
        PrimitiveSyntax.Date => "2001-02-03",
        PrimitiveSyntax.DateTime => "2001-02-03T04:05:06Z",
        PrimitiveSyntax.Time => "01:02:03",
        _ => "Substitute",
    };
}
