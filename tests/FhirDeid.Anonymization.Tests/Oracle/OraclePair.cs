using System.Text.Json.Nodes;

namespace FhirDeid.Anonymization.Tests.Oracle;

/// <summary>A configuration and a resource, on which the engine and the oracle agree or not.</summary>
internal sealed record OraclePair(OracleRule[] Rules, JsonObject Parameters, JsonObject Resource)
{
    private static readonly DateOnly Today = DateOnly.FromDateTime(Engine.Clock.GetUtcNow().DateTime);

    private string Config => new JsonObject
    {
        ["fhirVersion"] = "R4", ["fhirPathRules"] = new JsonArray([.. Rules.Select(rule => rule.ToJson())]), ["parameters"] = Parameters.DeepClone(),
    }.ToJsonString();

    public string? Difference()
    {
        string expected = new OracleEngine(Rules, Parameters, Today).Run(Resource.ToJsonString());
        try
        {
            return JsonText.Difference(expected, Engine.Run(Config, Resource.ToJsonString()));
        }
        catch (FhirDeidException exception)
        {
            return "the engine fails: " + exception.Message;
        }
    }

    /// <summary>Leaves out rules, parts of paths and of the resource, as long as engine and oracle differ in the same way.</summary>
    public OraclePair Smallest()
    {
        bool fails = Fails(this);
        OraclePair smallest = this;
        while (smallest.Smaller().FirstOrDefault(pair => pair.Difference() is not null && Fails(pair) == fails) is { } smaller)
            smallest = smaller;
        return smallest;

        static bool Fails(OraclePair pair) => pair.Difference()!.StartsWith("the engine", StringComparison.Ordinal);
    }

    private IEnumerable<OraclePair> Smaller()
    {
        for (int i = 0; i < Rules.Length; i++)
            yield return this with { Rules = [.. Rules[..i], .. Rules[(i + 1)..]] };
        string[] parts = [.. Parts(Resource).Select(part => part.GetPath())];
        foreach (string path in parts)
        {
            JsonObject resource = Resource.DeepClone().AsObject();
            JsonNode part = Parts(resource).First(node => node.GetPath() == path);
            Remove(part);
            yield return this with { Resource = resource };
        }
        for (int i = 0; i < Rules.Length; i++)
        {
            // A replacement or a case fits the nodes that the path leads to, and might not fit others.
            foreach (OracleExpression shorter in Rules[i].Method is "substitute" or "generalize" ? [] : Shorter(Rules[i].Expression))
                yield return this with { Rules = [.. Rules[..i], Rules[i] with { Expression = shorter }, .. Rules[(i + 1)..]] };
        }
    }

    /// <summary>Removes a part, and what is empty without it.</summary>
    private static void Remove(JsonNode part)
    {
        JsonNode parent = part.Parent!;
        if (parent is JsonArray array)
            array.Remove(part);
        else
            parent.AsObject().Remove(part.GetPropertyName());
        if (parent is JsonObject { Count: 0 } or JsonArray { Count: 0 } && parent.Parent is not null)
            Remove(parent);
    }

    /// <summary>Properties and items, the largest first; a resource keeps its type and an extension its url.</summary>
    private static IEnumerable<JsonNode> Parts(JsonNode node) => (node switch
    {
        JsonObject map => map.Where(pair => pair.Key is not ("resourceType" or "url") && pair.Value is not null).Select(pair => pair.Value!),
        JsonArray array => array.OfType<JsonNode>(),
        _ => [],
    }).SelectMany(part => Parts(part).Prepend(part));

    /// <summary>The expression without one of its filters, or with a part of a condition in place of the whole.</summary>
    private static IEnumerable<OracleExpression> Shorter(OracleExpression? expression)
    {
        if (expression is null)
            yield break;
        if (expression.On is { } on && (expression.Kind == OracleExpression.Form.Index || expression.Name is "where" or "first" or "last" or "tail" or "skip" or "take" or "ofType"))
            yield return on;
        if (expression is { Kind: OracleExpression.Form.Operator, Name: "and" or "or" })
        {
            yield return expression.On!;
            yield return expression.Arguments[0];
        }
        foreach (OracleExpression shorter in Shorter(expression.On))
            yield return expression with { On = shorter };
        if (expression is not { Kind: OracleExpression.Form.Call, Arguments: [var argument] })
            yield break;
        foreach (OracleExpression shorter in Shorter(argument))
            yield return expression with { Arguments = [shorter] };
    }

    public override string ToString() => $"{string.Join("\n", Rules.Select(rule => rule.ToJson().ToJsonString()))}\n{Parameters.ToJsonString()}\n{Resource.ToJsonString()}\n{Difference()}";
}
