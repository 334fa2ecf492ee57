using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Tests.Oracle;

/// <summary>One rule of a random configuration, its path in parts: a resource type or none, then steps.</summary>
internal sealed record OracleRule(string? ResourceType, string[] Steps, string Method, string? ReplaceWith = null)
{
    public string Path => string.Join('.', Steps.Prepend(ResourceType).Where(part => part is not null));
}

/// <summary>The rules by the shortest route: a tree, a set of visited nodes, rule after rule. Slow, and written apart from the engine.</summary>
internal sealed partial class OracleEngine(IReadOnlyList<OracleRule> rules, JsonObject parameters, DateOnly today)
{
    private static readonly string[] LabelOrder = ["REDACTED", "ABSTRED", "CRYTOHASH", "PERTURBED", "SUBSTITUTED"];
    private readonly HashSet<OracleNode> _visited = [];

    /// <summary>dateShift claims dates and not what lies below them: later rules still reach that.</summary>
    private readonly HashSet<OracleNode> _shifted = [];
    private OracleNode _document = null!;

    public string Run(string json)
    {
        _document = OracleNode.Read(JsonNode.Parse(json)!.AsObject());
        Process(_document);
        foreach (OracleNode extension in _document.SelfAndBelow().Where(node => node.Type.Name == "Extension" && node.Children.Any(c => c is { Name: "url", Value: null })).ToArray())
            extension.Parent!.Children.Remove(extension);
        RemoveEmpty(_document);
        return _document.Write().ToJsonString();
    }

    /// <summary>Runs a resource's rules, then those of the resources in it; returns what was done.</summary>
    private HashSet<string> Process(OracleNode resource)
    {
        HashSet<string> done = [];
        OracleNode[] below = [.. resource.BelowInResource()];
        foreach (OracleRule rule in rules.Where(rule => rule.ResourceType is null or "Resource" || rule.ResourceType == resource.Type.Name))
        {
            foreach (OracleNode node in Find(resource, below, rule).ToArray())
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

    private static IEnumerable<OracleNode> Find(OracleNode resource, OracleNode[] below, OracleRule rule)
    {
        if (rule.Steps.Length == 0)
            return [resource];
        IEnumerable<OracleNode> nodes = [resource];
        bool isLookup = rule.ResourceType is null && Search().IsMatch(rule.Steps[0]);
        for (int i = 0; i < rule.Steps.Length; i++)
        {
            string step = rule.Steps[i];
            if (Search().Match(step) is { Success: true } search)
            {
                string name = search.Groups["name"].Value;
                IEnumerable<OracleNode> reached = isLookup && i == 0 ? below : nodes.SelectMany(node => node.BelowInResource().Prepend(node));
                nodes = reached.Where(node => (search.Groups["kind"].Value == "Type" ? node.Type.Name : node.Name) == name);
            }
            else
            {
                nodes = nodes.SelectMany(node => node.Children.Where(child => child.Name == step));
            }
        }
        return nodes;
    }

    [GeneratedRegex(@"^nodesBy(?<kind>Type|Name)\('(?<name>\w+)'\)$")]
    private static partial Regex Search();

    private void Apply(OracleNode node, OracleRule rule, bool isMatched, HashSet<string> done)
    {
        bool isVisited = _visited.Contains(node);
        if (isVisited && !_shifted.Contains(node))
            return;
        bool claims = rule.Method != "dateShift" || node.Type.Name is "date" or "dateTime" or "instant";
        OracleNode[] children = [.. node.Children];
        if (claims && !isVisited)
        {
            _visited.Add(node);
            if (rule.Method == "dateShift")
                _shifted.Add(node);
            Change(node, rule, isMatched, done);
        }
        foreach (OracleNode child in children.Where(child => !child.IsResource))
            Apply(child, rule, isMatched: false, done);
    }

    private void Change(OracleNode node, OracleRule rule, bool isMatched, HashSet<string> done)
    {
        if (node.Type.Kind != FhirTypeKind.Primitive || rule.Method == "keep")
            return;
        if (rule.Method == "substitute")
        {
            if (isMatched)
                done.Add("SUBSTITUTED");
            node.Value = isMatched ? JsonValue.Create(rule.ReplaceWith) : null;
            return;
        }
        if (node.Value is null)
            return;
        string text = node.Value.ToString();
        (node.Value, string label) = rule.Method switch
        {
            "redact" => Redact(node, text, isMatched),
            "cryptoHash" when node.Type.Syntax == PrimitiveSyntax.Text => (JsonValue.Create(Hash(node, text)), "CRYTOHASH"),
            "dateShift" => Shift(node, text),
            _ => (null, "REDACTED"),
        };
        done.Add(label);
    }

    private (JsonValue? Value, string Label) Redact(OracleNode node, string text, bool isMatched)
    {
        if (node.Name == "postalCode" && Flag("enablePartialZipCodesForRedact") && text.Length >= 3 && Regex.IsMatch(text, "^[A-Za-z0-9 -]+$") && !Regex.IsMatch(text, "^.+[A-Za-z]{3}"))
        {
            bool restricted = text.StartsWith("036", StringComparison.Ordinal);
            return (JsonValue.Create(string.Concat(text.Select((c, i) => char.IsDigit(c) && (restricted || i > 2) ? '0' : c))), "ABSTRED");
        }
        bool isDate = node.Type.Name is "date" or "dateTime" || node.Type.Name == "instant" && !isMatched && node.Parent!.Type.Name != "Meta";
        return (isDate && Flag("enablePartialDatesForRedact") && !IsOver89(text) ? JsonValue.Create(text[..4]) : null, "REDACTED");
    }

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
        Match match = Regex.Match(text, @"^(?<before>#|((https?://[A-Za-z0-9\\/.:%$]*)?(" + string.Join('|', FhirModel.R4.ResourceNames) + @")/))(?<id>[A-Za-z0-9\-.]{1,64})(?<after>/_history/[A-Za-z0-9\-.]{1,64})?$");
        return match.Success ? match.Groups["before"].Value + Hex(match.Groups["id"].Value) + match.Groups["after"].Value : Hex(text);
    }

    private string Hex(string text) => Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(parameters["cryptoHashKey"]!.GetValue<string>()), Encoding.UTF8.GetBytes(text)));

    private bool Flag(string name) => parameters[name]?.GetValue<bool>() ?? false;

    private static void AddLabels(OracleNode resource, HashSet<string> done)
    {
        OracleNode meta = resource.Children.FirstOrDefault(child => child.Name == "meta") ?? Add(resource, "meta");
        bool isChanged = false;
        foreach (string code in LabelOrder.Where(done.Contains))
        {
            string? system = code is "PERTURBED" or "SUBSTITUTED" ? null : "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
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
                "PERTURBED" => "exact value is replaced with another exact value", _ => "exact value is replaced with a predefined value",
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
            if (child.Value is null && child.Children.Count == 0 && !child.IsResource)
                node.Children.Remove(child);
        }
    }
}
