using System.Text.RegularExpressions;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Lint;

/// <summary>An element that a path can lead to.</summary>
/// <param name="Type">Its type.</param>
/// <param name="Via">The property that holds it; null for a resource that stands alone.</param>
/// <param name="Parent">The type that has the property.</param>
internal readonly record struct Place(FhirType Type, FhirProperty? Via, FhirType? Parent)
{
    public override string ToString() => Parent is null ? Type.Id : $"{Parent.Id}.{Via!.Name}";
}

/// <summary>Where an expression can lead in R4.</summary>
/// <param name="Places">The elements.</param>
/// <param name="IsOpen">Whether it may lead to others as well.</param>
/// <param name="IsComputed">Whether it yields a value that is no element.</param>
internal sealed record Reach(IReadOnlyCollection<Place> Places, bool IsOpen = false, bool IsComputed = false)
{
    public static readonly Reach Nothing = new([]);

    public static readonly Reach Anything = new([], IsOpen: true);

    public static readonly Reach Value = new([], IsComputed: true);

    public bool IsNothing => Places.Count == 0 && !IsOpen && !IsComputed;
}

/// <summary>Something in a path that cannot be as it is meant.</summary>
internal sealed record PathProblem(string Id, AnonymizationConfigSeverity Severity, string Message, string Fix);

/// <summary>What a rule's path means in R4: where it leads, and what in it leads nowhere.</summary>
internal sealed partial class RuleReading
{
    private static readonly string[] AbstractTypes = ["Resource", "DomainResource", "Element", "BackboneElement", "SimpleQuantity", "MoneyQuantity", "Quantity"];
    private static readonly string[] SystemTypes = ["Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity", "Any"];

    private readonly List<PathProblem> _problems = [];
    private readonly string _prefix;

    private RuleReading(ConfigurationRule rule)
    {
        Rule = rule;
        _prefix = $"Rule {rule.Number}: ";
        Match split = Split().Match(rule.Path.Trim());
        string resourceType = split.Groups["type"].Value;
        Expression = PathParser.Parse(rule.Path);
        IsLookup = Lookup().IsMatch(rule.Path);
        if (IsCut(split))
            Problem("PathCrashesService", AnonymizationConfigSeverity.Error, $"the service cuts '{resourceType}' off the path '{rule.Path}' and cannot read what remains: the run ends when the first resource comes.",
                $"Write a dot, without spaces, behind {resourceType}, or put the whole path in parentheses.");
        Reach start = new([.. AllResources().Where(place => resourceType is "" or "Resource" or "DomainResource" || place.Type.Name == resourceType)]);
        if (start.Places.Count == 0)
            UnknownResourceType(resourceType);
        Reach = start.Places.Count == 0 ? Reach.Nothing : Evaluate(Expression, start);
        CheckEnd();
        if (Reach.IsNothing && _problems.Count == 0)
            Problem("PathMatchesNothing", AnonymizationConfigSeverity.Warning, $"the path '{rule.Path}' leads to nothing that FHIR R4 has, so the rule never applies.", "Correct the path, or remove the rule.");
        PathHull hull = PathHull.Of(Expression);
        // A hull that would be cut in two by its first word cannot stand as a path: what it leads to may be anywhere.
        (IsConditional, Hull) = IsCut(Split().Match(hull.ToString())) ? (true, "Resource") : (hull.IsConditional, hull.ToString());
    }

    public ConfigurationRule Rule { get; }

    public PathNode Expression { get; }

    /// <summary>Where the path leads.</summary>
    public Reach Reach { get; }

    /// <summary>What is wrong with the path.</summary>
    public IReadOnlyList<PathProblem> Problems => _problems;

    /// <summary>Whether it is one of the look-ups that leave the resource itself out.</summary>
    public bool IsLookup { get; }

    /// <summary>Whether which nodes it matches depends on their values or positions.</summary>
    public bool IsConditional { get; }

    /// <summary>A path of element names and searches alone that leads to every node this one can match.</summary>
    public string Hull { get; }

    /// <summary>Whether the path ends in the name of an element, and not in a search by type or name.</summary>
    public bool EndsInName => Last(Expression) is NameNode name && !char.IsUpper(name.Name[0]);

    [GeneratedRegex(@"^(?<type>[A-Z][a-zA-Z]*)?(?<rest>.*)$", RegexOptions.Singleline)]
    private static partial Regex Split();

    [GeneratedRegex(@"^nodesBy(Type|Name)\(['""][A-Za-z0-9]+['""]\)(\.[A-Za-z0-9]+)?$")]
    private static partial Regex Lookup();

    [GeneratedRegex(@"\((?:[^()\\]|\\.)*[+*](?:[^()\\]|\\.)*\)(?:[+*]|\{\d+,)", RegexOptions.CultureInvariant)]
    private static partial Regex NestedRepetition();

    /// <summary>Whether what the service takes for the resource type is only the beginning of a longer term.</summary>
    private static bool IsCut(Match split) => split.Groups["type"].Length > 0 && split.Groups["rest"].Value is [not '.', ..];

    /// <summary>Reads a rule's path.</summary>
    /// <exception cref="PathSyntaxException">It is not FHIRPath.</exception>
    public static RuleReading Of(ConfigurationRule rule) => new(rule);

    /// <summary>Reads an expression that is evaluated on the nodes of the rule's path.</summary>
    /// <returns>What in it leads nowhere.</returns>
    public IReadOnlyList<PathProblem> ProblemsOf(string expression)
    {
        int before = _problems.Count;
        try
        {
            Evaluate(PathParser.Parse(expression), Reach.IsNothing ? Reach.Anything : Reach);
        }
        catch (PathSyntaxException)
        {
            // The reader of the configuration has said so.
            return [];
        }
        PathProblem[] found = [.. _problems.Skip(before)];
        _problems.RemoveRange(before, found.Length);
        return found;
    }

    private static IEnumerable<Place> AllResources() => ModelPlaces.Resources;

    private void Problem(string id, AnonymizationConfigSeverity severity, string message, string fix)
    {
        PathProblem problem = new(id, severity, _prefix + message, fix);
        if (!_problems.Contains(problem))
            _problems.Add(problem);
    }

    private void UnknownResourceType(string name)
    {
        if (FhirModel.R4.Find(name) is not null)
        {
            Problem("DataTypeAsResource", AnonymizationConfigSeverity.Warning, $"'{name}' is a data type; the service takes it for a resource type, so the rule never applies.", $"Search for it: nodesByType('{name}').");
            return;
        }
        Problem("ResourceTypeUnknown", AnonymizationConfigSeverity.Warning, $"R4 has no resource type '{name}', so the rule never applies.{Spelling.Question(name, FhirModel.R4.ResourceNames)}", "Correct the resource type.");
    }

    /// <summary>Paths that end in one of these, or in a value, abort the run in the service.</summary>
    private void CheckEnd()
    {
        if (Reach.IsComputed && !Reach.IsOpen)
            Problem("PathCrashesService", AnonymizationConfigSeverity.Error, $"the path '{Rule.Path}' yields a value and not elements: the service's run ends on it.", "Put the condition into where(…), behind the element that it is about.");
        else if (Expression is CallNode { Name: "first" or "last" or "single" } call && Reach.Places.Any(place => place.Type.Kind == FhirTypeKind.Primitive))
            Problem("PathCrashesService", AnonymizationConfigSeverity.Error, $"the path '{Rule.Path}' ends in {call.Name}() on a primitive element: the service's run ends on it.", call.Name == "first" ? "Write [0] in place of first()." : "Use an index, skip(…) or where(…) in its place.");
    }

    private static PathNode Last(PathNode node) => node switch
    {
        IndexNode index => Last(index.Focus),
        TypeNode { IsTest: false } type => Last(type.Focus),
        CallNode { Name: "where" or "first" or "last" or "tail" or "skip" or "take" or "single" or "distinct" or "ofType" or "as", Focus: { } focus } => Last(focus),
        _ => node,
    };

    private Reach Evaluate(PathNode node, Reach scope) => node switch
    {
        NameNode { Focus: null } name => Start(name, scope),
        NameNode name => Children(Evaluate(name.Focus!, scope), name.Name),
        CallNode call => Call(call, call.Focus is null ? scope : Evaluate(call.Focus, scope), scope),
        IndexNode index => Both(index.Index, scope, Evaluate(index.Focus, scope)),
        TypeNode type => OfType(Evaluate(type.Focus, scope), type.TypeName, type.IsTest),
        OperatorNode { Sign: "|" } union => Union(Evaluate(union.Left, scope), Evaluate(union.Right, scope)),
        OperatorNode @operator => Both(@operator.Left, scope, Both(@operator.Right, scope, Reach.Value)),
        SignNode sign => Both(sign.Operand, scope, Reach.Value),
        VariableNode { Name: "$this" } => scope,
        VariableNode { Name: "$index" or "$total" } => Reach.Value,
        VariableNode => Reach.Anything,
        _ => Reach.Value,
    };

    /// <summary>Looks for problems in an expression; the result is another one's.</summary>
    private Reach Both(PathNode node, Reach scope, Reach result)
    {
        Evaluate(node, scope);
        return result;
    }

    private static Reach Union(Reach a, Reach b) => new([.. a.Places.Union(b.Places)], a.IsOpen || b.IsOpen, a.IsComputed && b.IsComputed);

    private Reach Start(NameNode node, Reach scope)
    {
        if (!char.IsUpper(node.Name[0]))
            return Children(scope, node.Name);
        if (node.Name is "Resource" or "DomainResource")
            return scope with { Places = [.. scope.Places.Where(place => place.Type.Kind == FhirTypeKind.Resource)] };
        Place[] places = [.. scope.Places.Where(place => place.Type.Name == node.Name)];
        if (places.Length == 0 && !scope.IsOpen)
        {
            if (FhirModel.R4.Find(node.Name) is { Kind: FhirTypeKind.Resource })
                Problem("PathMatchesNothing", AnonymizationConfigSeverity.Warning, $"'{node.Name}' can never be met there, so that part of the path leads nowhere.", "Give each resource type a rule of its own.");
            else
                UnknownResourceType(node.Name);
        }
        return scope with { Places = places };
    }

    private Reach Children(Reach focus, string name)
    {
        if (focus.IsComputed || focus.IsNothing)
            return Reach.Nothing with { IsOpen = focus.IsComputed };
        Place[] places = [.. focus.Places.SelectMany(place => ModelPlaces.Children(place.Type, name)).Distinct()];
        if (places.Length == 0 && !focus.IsOpen)
            UnknownElement(focus, name);
        return focus with { Places = places };
    }

    private void UnknownElement(Reach focus, string name)
    {
        FhirType[] types = [.. focus.Places.Select(place => place.Type).Distinct()];
        string owner = types.Length <= 3 ? string.Join(" or ", types.Select(type => type.Id)) : $"none of the {types.Length} types there";
        string has = types.Length <= 3 ? $"{owner} has no element '{name}'" : $"{owner} has an element '{name}'";
        FhirProperty? choice = types.SelectMany(type => type.Properties).FirstOrDefault(property => property.Name != name && property.ToString() == name);
        if (choice is not null)
        {
            Problem("ChoiceElementName", AnonymizationConfigSeverity.Warning, $"'{name}' is a name in JSON: in a path the element is '{choice.Name}', and '{name}' matches nothing.", $"Write {choice.Name}, or {choice.Name}.ofType({choice.Type!.Name}).");
            return;
        }
        Problem("ElementUnknown", AnonymizationConfigSeverity.Warning, $"{has}, so this part of the path '{Rule.Path}' leads nowhere.{Spelling.Question(name, types.SelectMany(type => type.Properties).Select(property => property.Name).Distinct())}", "Correct the element's name.");
    }

    private Reach OfType(Reach focus, string name, bool isTest)
    {
        bool isKnown = name.StartsWith("System.", StringComparison.Ordinal) || SystemTypes.Contains(name) || AbstractTypes.Contains(name) || FhirModel.R4.Find(name) is not null;
        if (!isKnown)
        {
            Problem("TypeUnknown", AnonymizationConfigSeverity.Warning, $"R4 has no type '{name}', so this part of the path '{Rule.Path}' leads nowhere.{Spelling.Question(name, ModelPlaces.TypeNames)}", "Correct the type's name; upper and lower case count.");
            return isTest ? Reach.Value : Reach.Nothing;
        }
        if (isTest)
            return Reach.Value;
        Reach found = focus with { Places = [.. focus.Places.Where(place => place.Type.Name == name)] };
        if (found.IsNothing && !focus.IsNothing)
            Problem("TypeImpossible", AnonymizationConfigSeverity.Warning, $"the element before ofType({name}) can only be {string.Join(", ", focus.Places.Select(place => place.Type.Name).Distinct().Take(12))}: the path '{Rule.Path}' leads nowhere.", "Name a type that the element can have.");
        return found;
    }

    private Reach Call(CallNode call, Reach focus, Reach scope)
    {
        switch (call.Name)
        {
            case "ofType" or "as" or "is":
                return OfType(focus, TypeName(call.Arguments[0]), call.Name == "is");
            case "nodesByType" or "nodesByName":
                return Search(call, focus);
            case "where":
                return Both(call.Arguments[0], focus, focus);
            case "first" or "last" or "tail" or "single" or "distinct":
                return focus;
            case "skip" or "take" or "trace" or "intersect" or "exclude":
                Arguments(call, scope);
                return focus;
            case "union" or "combine":
                return Union(focus, Evaluate(call.Arguments[0], scope));
            case "select":
                return Evaluate(call.Arguments[0], focus);
            case "repeat":
                return Both(call.Arguments[0], focus with { IsOpen = true }, Reach.Anything);
            case "extension":
                return Children(focus, "extension");
            case "children":
                return focus with { Places = [.. focus.Places.SelectMany(place => ModelPlaces.Children(place.Type)).Distinct()] };
            case "descendants" or "resolve":
                return Reach.Anything;
            case "iif":
                Evaluate(call.Arguments[0], focus);
                return call.Arguments.Skip(1).Select(argument => Evaluate(argument, focus)).Aggregate(Union);
            case "matches" or "replaceMatches":
                Pattern(call.Arguments[0]);
                break;
        }
        Arguments(call, call.Name is "exists" or "all" ? focus : scope);
        return Reach.Value;
    }

    private void Arguments(CallNode call, Reach scope)
    {
        foreach (PathNode argument in call.Arguments)
            Evaluate(argument, scope);
    }

    private static string TypeName(PathNode node) => node switch
    {
        NameNode { Focus: NameNode { Focus: null, Name: "FHIR" } } name => name.Name,
        NameNode { Focus: NameNode { Focus: null, Name: "System" } } name => "System." + name.Name,
        NameNode { Focus: null } name => name.Name,
        LiteralNode { Text: { } text } => text,
        _ => "",
    };

    private Reach Search(CallNode call, Reach focus)
    {
        if (call.Arguments[0] is not LiteralNode { Text: { } name })
            return Reach.Anything;
        if (focus.IsNothing)
            return focus;
        bool isByType = call.Name == "nodesByType";
        IReadOnlyCollection<Place> places = isByType ? ModelPlaces.OfType(name) : ModelPlaces.Named(name);
        if (places.Count > 0 || focus.IsComputed)
        {
            if (isByType && call.Focus is null && IsLookup && FhirModel.R4.Find(name) is { Kind: FhirTypeKind.Resource })
                Problem("ResourceTypeInLookup", AnonymizationConfigSeverity.Warning, $"nodesByType('{name}') searches inside of resources: a {name} that stands alone, as in an export, is not found.", $"Start the path with the type: {name}{Rule.Path[(Rule.Path.IndexOf(')', StringComparison.Ordinal) + 1)..]}.");
            return new Reach(places);
        }
        if (isByType)
            Problem("TypeUnknown", AnonymizationConfigSeverity.Warning, $"R4 has no type '{name}', so {call.Name}('{name}') finds nothing.{Spelling.Question(name, ModelPlaces.TypeNames)}", "Correct the type's name; upper and lower case count.");
        else if (ModelPlaces.ByJsonName(name) is { } choice)
            Problem("ChoiceElementName", AnonymizationConfigSeverity.Warning, $"'{name}' is a name in JSON: in a path the element is '{choice.Name}', and '{name}' matches nothing.", $"Write {choice.Name}, and ofType({choice.Type!.Name}) behind it where only that type is meant.");
        else
            Problem("ElementUnknown", AnonymizationConfigSeverity.Warning, $"R4 has no element '{name}', so {call.Name}('{name}') finds nothing.{Spelling.Question(name, ModelPlaces.ElementNames)}", "Correct the element's name.");
        return Reach.Nothing;
    }

    /// <summary>A regular expression in a path: one that cannot be read ends the run, and one that repeats what repeats can take for ever.</summary>
    private void Pattern(PathNode node)
    {
        if (node is not LiteralNode { Text: { } pattern })
            return;
        try
        {
            _ = new Regex(pattern);
        }
        catch (ArgumentException)
        {
            Problem("PatternInvalid", AnonymizationConfigSeverity.Error, $"'{pattern}' is no regular expression: the run ends when a value meets it.", "Correct the expression; in FHIRPath a backslash is written twice.");
            return;
        }
        if (NestedRepetition().IsMatch(pattern))
            Problem("PatternSlow", AnonymizationConfigSeverity.Warning, $"the regular expression '{pattern}' repeats a group that repeats itself: one unlucky value can keep the service busy for hours.", "Write it without a repetition inside of a repeated group.");
    }
}
