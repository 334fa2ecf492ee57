using System.Text.Json.Nodes;
using FhirDeid.Anonymization.FhirPath;
using FhirDeid.Anonymization.Schema;
using FhirDeid.Anonymization.Tests.Oracle;

namespace FhirDeid.Anonymization.Tests.FhirPath;

/// <summary>The oracle's tree as expressions see it. Each visit makes an object of its own: equality tells the node.</summary>
internal sealed record TreeNode(OracleNode Element) : IFhirPathNode
{
    public string Name => Element.Name;

    public FhirType Type => Element.Type;

    public string? Text => Element.Value is not { } value ? null : value.TryGetValue(out string? text) ? text : value.ToJsonString();

    public void AddChildren(List<IFhirPathNode> children) => children.AddRange(Element.Children.Select(child => new TreeNode(child)));

    public void AddChildren(string name, List<IFhirPathNode> children) =>
        children.AddRange(Element.Children.Where(child => child.Name == name).Select(child => new TreeNode(child)));

    public static TreeNode Read(string json) => new(OracleNode.Read(JsonNode.Parse(json)!.AsObject()));

    /// <summary>The node of an expression that leads to one.</summary>
    public TreeNode Find(string expression)
    {
        List<IFhirPathNode> nodes = [];
        FhirPathExpression.Compile(expression).Select(this, nodes);
        return (TreeNode)Assert.Single(nodes);
    }

    /// <summary>What an expression gives: nodes by their text or type, a computed value by its kind and text.</summary>
    public string Evaluate(string expression)
    {
        FhirPathExpression compiled = FhirPathExpression.Compile(expression);
        if (!compiled.YieldsNodes)
            return compiled.TrySingle(this, out FhirPathValue value) ? $"{value.Kind} {value.Text}" : "";
        List<IFhirPathNode> nodes = [];
        compiled.Select(this, nodes);
        return string.Join(", ", nodes.Select(node => node.Text ?? $"<{node.Type.Name}>"));
    }
}
