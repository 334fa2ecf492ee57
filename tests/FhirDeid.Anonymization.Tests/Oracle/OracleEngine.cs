using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Tests.Oracle;

/// <summary>One rule of a configuration: the resource type and the expression of its path, either or both, and the settings of its method.</summary>
internal sealed record OracleRule(string? ResourceType, OracleExpression? Expression, string Method)
{
    public JsonNode? ReplaceWith { get; init; }

    /// <summary>Conditions and values of generalize.</summary>
    public IReadOnlyList<(OracleExpression When, OracleExpression Then)> Cases { get; init; } = [];

    public bool KeepsOtherValues { get; init; }

    /// <summary>Decimals of perturb, whose span is 0 here.</summary>
    public int RoundTo { get; init; } = 2;

    public string Path => string.Join('.', new[] { ResourceType, Expression?.ToString() }.Where(part => part is not null));

    /// <summary>nodesByType('…') or nodesByName('…') without a resource type, alone or with one name behind it.</summary>
    public bool IsLookup => ResourceType is null && IsSearch(Expression is { Kind: OracleExpression.Form.Child, On: { } search } ? search : Expression);

    public JsonObject ToJson()
    {
        JsonObject json = new() { ["path"] = Path, ["method"] = Method };
        if (Method == "substitute")
            json["replaceWith"] = ReplaceWith?.DeepClone();
        if (Method == "perturb")
            (json["span"], json["roundTo"]) = (0, RoundTo);
        if (Method == "generalize")
            (json["cases"], json["otherValues"]) = (new JsonObject(Cases.Select(c => KeyValuePair.Create<string, JsonNode?>(c.When.ToString(), c.Then.ToString()))), KeepsOtherValues ? "keep" : "redact");
        return json;
    }

    private static bool IsSearch(OracleExpression? expression) => expression is { Kind: OracleExpression.Form.Call, On: null, Name: "nodesByType" or "nodesByName" };
}

/// <summary>The rules by the shortest route: a tree, a set of visited nodes, rule after rule. Slow, and written apart from the engine.</summary>
internal sealed partial class OracleEngine(IReadOnlyList<OracleRule> rules, JsonObject parameters, DateOnly today)
{
    private static readonly string[] LabelOrder = ["REDACTED", "ABSTRED", "CRYTOHASH", "PERTURBED", "SUBSTITUTED", "GENERALIZED"];
    private readonly HashSet<OracleNode> _visited = [];

    /// <summary>dateShift claims dates, and perturb numbers, and not what lies below them: later rules still reach that.</summary>
    private readonly HashSet<OracleNode> _claimedAlone = [];

    /// <summary>Nodes that came with a value: perturb leaves a Quantity without a number to the rules after it.</summary>
    private readonly HashSet<OracleNode> _given = [];
    private OracleNode _document = null!;

    public string Run(string json)
    {
        _document = OracleNode.Read(JsonNode.Parse(json)!.AsObject());
        _given.UnionWith(_document.SelfAndBelow().Where(node => node.Value is not null));
        Process(_document);
        RemoveEmpty(_document);
        return _document.Write().ToJsonString();
    }

    /// <summary>Runs a resource's rules, then those of the resources in it; returns what was done.</summary>
    private HashSet<string> Process(OracleNode resource)
    {
        HashSet<string> done = [];
        // Made once: a look-up meets what a substitute has removed, and not what it has added.
        OracleNode[] below = [.. resource.BelowInResource()];
        foreach (OracleRule rule in rules.Where(rule => rule.ResourceType is null or "Resource" or "DomainResource" || rule.ResourceType == resource.Type.Name))
        {
            foreach (OracleNode node in Find(resource, below, rule))
                Apply(node, rule, isMatched: true, done);
        }
        foreach (OracleNode nested in NestedResources(resource).ToArray())
            done.UnionWith(Process(nested));
        if (done.Count > 0 && resource.Name != "contained")
            AddLabels(resource, done);
        return done;
    }

    private static IEnumerable<OracleNode> NestedResources(OracleNode node) =>
        node.Children.SelectMany(child => child.IsResource ? [child] : NestedResources(child));

    private static OracleNode[] Find(OracleNode resource, OracleNode[] below, OracleRule rule)
    {
        if (rule.Expression is not { } expression)
            return [resource];
        if (!rule.IsLookup)
            return [.. expression.Evaluate(resource).Cast<OracleNode>()];
        OracleExpression search = expression.On ?? expression;
        string name = (string)search.Arguments[0].Value!;
        IEnumerable<OracleNode> found = below.Where(node => (search.Name == "nodesByType" ? node.Type.Name : node.Name) == name);
        return [.. expression == search ? found : found.SelectMany(node => node.Children.Where(child => child.Name == expression.Name))];
    }

    private void Apply(OracleNode node, OracleRule rule, bool isMatched, HashSet<string> done)
    {
        bool isVisited = _visited.Contains(node);
        if (isVisited && !_claimedAlone.Contains(node))
            return;
        if (rule.Method == "perturb" && IsQuantity(node) && node.Children.FirstOrDefault(child => child.Name == "value") is { } number && _given.Contains(number))
        {
            if (_visited.Add(number))
                Change(number, rule, isMatched: false, done);
            _visited.UnionWith(node.SelfAndBelow());
            return;
        }
        if (rule.Method == "substitute")
        {
            Substitute(node, rule, isVisited, done);
            return;
        }
        OracleNode[] children = [.. node.Children];
        if (!isVisited && Claims(node, rule))
        {
            _visited.Add(node);
            if (rule.Method is "dateShift" or "perturb")
                _claimedAlone.Add(node);
            Change(node, rule, isMatched, done);
        }
        foreach (OracleNode child in children.Where(child => !child.IsResource))
            Apply(child, rule, isMatched: false, done);
    }

    private static bool Claims(OracleNode node, OracleRule rule) => rule.Method switch
    {
        "dateShift" => node.Type.Name is "date" or "dateTime" or "instant",
        "perturb" => node.Type.Syntax is PrimitiveSyntax.Integer or PrimitiveSyntax.Decimal,
        _ => true,
    };

    private static bool IsQuantity(OracleNode node) =>
        node.Type.Name is "Quantity" or "SimpleQuantity" or "Age" or "Count" or "Duration" or "Distance" or "Money" or "MoneyQuantity";

    private void Change(OracleNode node, OracleRule rule, bool isMatched, HashSet<string> done)
    {
        if (node.Value is null || rule.Method == "keep")
            return;
        string text = node.Value.ToString();
        (node.Value, string label) = rule.Method switch
        {
            "redact" => Redact(node, text, isMatched),
            "cryptoHash" when node.Type.Syntax == PrimitiveSyntax.Text => (JsonValue.Create(Hash(node, text)), "CRYTOHASH"),
            "dateShift" => Shift(node, text),
            "perturb" => (Round(node, text, rule.RoundTo), "PERTURBED"),
            "generalize" => (Generalize(node, rule, isMatched), "GENERALIZED"),
            _ => (null, "REDACTED"),
        };
        done.Add(label);
    }

    /// <summary>Makes a node equal to the replacement, around what earlier rules have decided; later rules leave all of it alone.</summary>
    private void Substitute(OracleNode node, OracleRule rule, bool isVisited, HashSet<string> done)
    {
        if (isVisited)
        {
            Empty(node);
            return;
        }
        done.Add("SUBSTITUTED");
        OracleNode by = node.Type.Kind == FhirTypeKind.Primitive
            ? new() { Name = node.Name, JsonName = node.JsonName, Type = node.Type, Value = rule.ReplaceWith is null ? null : Typed(node.Type, rule.ReplaceWith.ToString()) }
            : OracleNode.ReadLike(node, rule.ReplaceWith?.AsObject() ?? []);
        Replace(node, by);
        _visited.UnionWith(node.SelfAndBelow());
        _claimedAlone.ExceptWith(node.SelfAndBelow());
    }

    /// <summary>Pairs the children of each name by position: replaces, removes what is too many, adds what is missing.</summary>
    private void Replace(OracleNode node, OracleNode by)
    {
        node.Value = by.Value;
        foreach (string name in node.Children.Concat(by.Children).Select(child => child.Name).Distinct().ToArray())
        {
            OracleNode[] old = [.. node.Children.Where(child => child.Name == name)], replacements = [.. by.Children.Where(child => child.Name == name)];
            for (int i = 0; i < Math.Max(old.Length, replacements.Length); i++)
                Pair(node, old.ElementAtOrDefault(i), replacements.ElementAtOrDefault(i));
        }
    }

    private void Pair(OracleNode parent, OracleNode? old, OracleNode? replacement)
    {
        if (old is not null && replacement is not null && old.Type == replacement.Type && !_visited.Contains(old))
        {
            Replace(old, replacement);
            return;
        }
        // A choice takes the type of its replacement; all else that an earlier rule has decided stays.
        if (old is not null && (_visited.Contains(old) || replacement is null && old.SelfAndBelow().Any(_visited.Contains)))
        {
            Empty(old);
            return;
        }
        int index = old is null ? parent.Children.Count : parent.Children.IndexOf(old);
        if (old is not null)
            parent.Children.Remove(old);
        if (replacement is not null)
        {
            replacement.Parent = parent;
            parent.Children.Insert(index, replacement);
        }
    }

    /// <summary>Removes everything in a node but what earlier rules have decided.</summary>
    private void Empty(OracleNode node)
    {
        if (!_visited.Contains(node))
            node.Value = null;
        else if (!_claimedAlone.Contains(node))
            return;
        foreach (OracleNode child in node.Children.ToArray())
            Pair(node, child, null);
    }

    /// <summary>The value of the first case that holds; id and extensions of the primitive, which no case is about, go.</summary>
    private static JsonValue? Generalize(OracleNode node, OracleRule rule, bool isMatched)
    {
        if (!isMatched)
            return null;
        foreach ((OracleExpression when, OracleExpression then) in rule.Cases)
        {
            if (!when.IsTrue(node))
                continue;
            List<object> results = then.Evaluate(node);
            return results.Count switch
            {
                0 => null,
                1 => OracleExpression.Text(results[0]) is { } text ? Typed(node.Type, text) : null,
                _ => throw new InvalidOperationException("more than one value"),
            };
        }
        return rule.KeepsOtherValues ? node.Value : null;
    }

    /// <summary>A text as a value of a type: a number as a number; null where it is none.</summary>
    private static JsonValue? Typed(FhirType type, string text) => type.Syntax switch
    {
        PrimitiveSyntax.Boolean => text is "true" or "false" ? JsonValue.Create(text == "true") : null,
        PrimitiveSyntax.Integer => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) && (type.Name == "integer" || number >= (type.Name == "positiveInt" ? 1 : 0)) ? JsonValue.Create(number) : null,
        PrimitiveSyntax.Decimal => decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out decimal number) ? JsonValue.Create(number) : null,
        PrimitiveSyntax.Date => FhirDate().IsMatch(text) ? JsonValue.Create(text) : null,
        PrimitiveSyntax.DateTime => (type.Name == "instant" ? ZonedTime().IsMatch(text.Length > 10 ? text[10..] : "") : FhirDate().IsMatch(text) || text.Length > 10 && ZonedTime().IsMatch(text[10..])) ? JsonValue.Create(text) : null,
        _ => text.Length > 0 ? JsonValue.Create(text) : null,
    };

    [GeneratedRegex(@"^\d{4}(-\d\d(-\d\d)?)?$")]
    private static partial Regex FhirDate();

    /// <summary>perturb with span 0: no noise, rounded.</summary>
    private static JsonValue Round(OracleNode node, string text, int decimals)
    {
        decimal value = decimal.Round(decimal.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture), node.Type.Syntax == PrimitiveSyntax.Integer ? 0 : decimals);
        return JsonValue.Create(node.Type.Name switch { "positiveInt" => Math.Max(value, 1), "unsignedInt" => Math.Max(value, 0), _ => value });
    }

    private (JsonValue? Value, string Label) Redact(OracleNode node, string text, bool isMatched)
    {
        if (node.Name == "postalCode" && Flag("enablePartialZipCodesForRedact") && text.Length >= 3 && Regex.IsMatch(text, "^[A-Za-z0-9 -]+$") && !Regex.IsMatch(text, "^.+[A-Za-z]{3}"))
        {
            bool restricted = parameters["restrictedZipCodeTabulationAreas"]?.AsArray().Any(area => text.StartsWith(area!.ToString(), StringComparison.Ordinal)) ?? false;
            return (JsonValue.Create(string.Concat(text.Select((c, i) => char.IsDigit(c) && (restricted || i > 2) ? '0' : c))), "ABSTRED");
        }
        if (node.Name == "value" && node.Parent!.Type.Name == "Age" && Flag("enablePartialAgesForRedact") && decimal.Parse(text, CultureInfo.InvariantCulture) <= 89 && AgeUnit(node.Parent) is null or "a")
            return (node.Value, "REDACTED");
        bool isDate = node.Type.Name is "date" or "dateTime" || node.Type.Name == "instant" && !isMatched && node.Parent!.Type.Name != "Meta";
        return (isDate && Flag("enablePartialDatesForRedact") && !IsOver89(text) ? JsonValue.Create(text[..4]) : null, "REDACTED");
    }

    /// <summary>Years only: other units of an age are beyond the oracle.</summary>
    private static string? AgeUnit(OracleNode age) => Text(age, "code") ?? Text(age, "unit");

    private (JsonValue? Value, string Label) Shift(OracleNode node, string text)
    {
        if (text.Length >= 10 && !IsOver89(text))
        {
            DateOnly shifted = DateOnly.ParseExact(text[..10], "yyyy-MM-dd", CultureInfo.InvariantCulture).AddDays(Offset());
            string time = ZonedTime().IsMatch(text[10..]) ? Regex.Replace(text[10..19], @"\d", "0") + Fraction().Replace(text[19..], m => "." + new string('0', m.Length - 1)) : "";
            return (JsonValue.Create(shifted.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) + time), "PERTURBED");
        }
        return (text.Length < 10 && !IsOver89(text) && Flag("enablePartialDatesForRedact") ? JsonValue.Create(text[..4]) : null, "REDACTED");
    }

    [GeneratedRegex(@"^T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")]
    private static partial Regex ZonedTime();

    [GeneratedRegex(@"^\.\d+")]
    private static partial Regex Fraction();

    private int Offset()
    {
        if (parameters["dateShiftFixedOffsetInDays"] is { } days)
            return int.Parse(days.ToString(), CultureInfo.InvariantCulture);
        string id = _document.Children.FirstOrDefault(child => child.Name == "id")?.Value?.ToString() ?? "";
        int hash = 0;
        foreach (byte b in Encoding.UTF8.GetBytes(id + parameters["dateShiftKey"]))
            hash = (hash * 131 + b) % 101;
        return hash - 50;
    }

    private bool IsOver89(string text)
    {
        int[] parts = [.. text[..Math.Min(text.Length, 10)].Split('-').Select(part => int.Parse(part, CultureInfo.InvariantCulture))];
        int month = parts.ElementAtOrDefault(1) is 0 ? 1 : parts[1], day = parts.ElementAtOrDefault(2) is 0 ? 1 : parts[2];
        return today.Year - parts[0] - ((today.Month, today.Day).CompareTo((month, day)) < 0 ? 1 : 0) > 89;
    }

    private string Hash(OracleNode node, string text)
    {
        if (node.Name != "reference" || node.Parent!.Type.Name != "Reference")
            return Hex(text);
        if (text.StartsWith('#'))
            return text.Length == 1 ? text : "#" + Hex(text[1..]);
        Match match = Regex.Match(text, @"^(?<before>(https?://[A-Za-z0-9\\/.:%$]*)?(" + string.Join('|', FhirModel.R4.ResourceNames) + @")/)(?<id>[A-Za-z0-9\-.]{1,64})(?<after>/_history/[A-Za-z0-9\-.]{1,64})?$"
            + "|^(?<before>urn:oid:)(?<id>[0-2](\\.(0|[1-9][0-9]*))+)$|^(?<before>urn:uuid:)(?<id>[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})$");
        return match.Success ? match.Groups["before"].Value + Hex(match.Groups["id"].Value) + match.Groups["after"].Value : Hex(text);
    }

    private string Hex(string text) => Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(parameters["cryptoHashKey"]!.GetValue<string>()), Encoding.UTF8.GetBytes(text)));

    private bool Flag(string name) => parameters[name]?.ToString() == "true";

    private static void AddLabels(OracleNode resource, HashSet<string> done)
    {
        OracleNode meta = resource.Children.FirstOrDefault(child => child.Name == "meta") ?? Add(resource, "meta");
        bool isChanged = false;
        foreach (string code in LabelOrder.Where(done.Contains))
        {
            string? system = code is "PERTURBED" or "SUBSTITUTED" or "GENERALIZED" ? null : "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
            if (meta.Children.Any(c => c.Name == "security" && Text(c, "code") == code && (Text(c, "system") ?? system) == system))
                continue;
            isChanged = true;
            OracleNode coding = Add(meta, "security");
            if (system is not null)
                Add(coding, "system").Value = JsonValue.Create(system);
            Add(coding, "code").Value = JsonValue.Create(code);
            Add(coding, "display").Value = JsonValue.Create(code switch
            {
                "REDACTED" => "redacted", "ABSTRED" => "abstracted", "CRYTOHASH" => "cryptographic hash function",
                "PERTURBED" => "exact value is replaced with another exact value",
                "SUBSTITUTED" => "exact value is replaced with a predefined value", _ => "exact value is replaced with a general value",
            });
        }
        OracleNode? lastUpdated = meta.Children.FirstOrDefault(child => child.Name == "lastUpdated");
        if (isChanged && lastUpdated?.Value?.ToString() is { Length: > 19 } text)
            lastUpdated.Value = JsonValue.Create(DateTimeOffset.Parse(text, CultureInfo.InvariantCulture).ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFFzzz", CultureInfo.InvariantCulture));
    }

    private static string? Text(OracleNode node, string child) => node.Children.FirstOrDefault(c => c.Name == child)?.Value?.ToString();

    private static OracleNode Add(OracleNode parent, string name)
    {
        FhirProperty property = parent.Type.Properties.First(p => p.Name == name);
        OracleNode node = new() { Name = name, JsonName = name, Type = property.Type!, Parent = parent, IsCollection = property.IsCollection };
        parent.Children.Add(node);
        return node;
    }

    private static void RemoveEmpty(OracleNode node)
    {
        foreach (OracleNode child in node.Children.ToArray())
        {
            RemoveEmpty(child);
            bool saysNothing = child.Type.Name == "Extension" && !child.Children.Any(c => c.Name == "extension" || c is { Name: "url", Value: not null });
            if (child.Value is null && (child.Children.Count == 0 || saysNothing) && !child.IsResource)
                node.Children.Remove(child);
        }
    }
}
