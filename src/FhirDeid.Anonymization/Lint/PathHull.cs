using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Lint;

/// <summary>A path without its conditions: element names, searches and type filters that lead to every node that the path can match.</summary>
internal sealed class PathHull
{
    /// <summary>Leads to all that a resource holds: where a path cannot be followed.</summary>
    private const string All = "Resource";

    private readonly IReadOnlyList<string> _alternatives;

    private PathHull(IReadOnlyList<string> alternatives, bool isConditional) => (_alternatives, IsConditional) = (alternatives, isConditional);

    /// <summary>Whether the path has conditions: it may match fewer nodes than the hull.</summary>
    public bool IsConditional { get; private init; }

    public static PathHull Of(PathNode node) => node switch
    {
        NameNode { Focus: null } name => new([Quoted(name.Name)], false),
        NameNode { Focus: { } focus } name => Of(focus).Then("." + Quoted(name.Name)),
        IndexNode index => Of(index.Focus).If(),
        TypeNode { IsTest: false } type => Of(type.Focus).Then($".ofType({type.TypeName})"),
        OperatorNode { Sign: "|" } union => Of(union.Left).Or(Of(union.Right)),
        VariableNode { Name: "$this" } => new([""], false),
        CallNode call => OfCall(call),
        _ => new([All], true),
    };

    /// <summary>The path of the hull, as a rule could have it.</summary>
    public override string ToString() => string.Join(" | ", _alternatives.Select(path => path.Length == 0 ? All : path).Distinct());

    private static PathHull OfCall(CallNode call)
    {
        PathHull focus = call.Focus is null ? new([""], false) : Of(call.Focus);
        switch (call.Name)
        {
            case "nodesByType" or "nodesByName" when call.Arguments[0] is LiteralNode { Text: { } name }:
                return focus.Then($".{call.Name}('{name}')");
            case "ofType" or "as" when call.Arguments[0] is NameNode type:
                return focus.Then($".ofType({type.Name})");
            case "where" or "first" or "last" or "tail" or "single" or "distinct" or "skip" or "take" or "trace" or "intersect" or "exclude":
                return focus.If();
            case "extension":
                return focus.Then(".extension").If();
            case "union" or "combine":
                return focus.Or(Of(call.Arguments[0]));
            case "select":
                PathHull selected = Of(call.Arguments[0]);
                return new([.. focus._alternatives.SelectMany(first => selected._alternatives.Select(second => Join(first, "." + second)))], focus.IsConditional || selected.IsConditional);
            default:
                return new([All], true);
        }
    }

    private PathHull Then(string step) => new([.. _alternatives.Select(path => Join(path, step))], IsConditional);

    private PathHull If() => new(_alternatives, true);

    private PathHull Or(PathHull other) => new([.. _alternatives, .. other._alternatives], IsConditional || other.IsConditional);

    private static string Join(string path, string step) => path.Length == 0 ? step.TrimStart('.') : path + step.TrimEnd('.');

    private static string Quoted(string name) => FhirModel.R4.Find(name) is not null || name.All(char.IsAsciiLetterOrDigit) ? name : $"`{name}`";
}
