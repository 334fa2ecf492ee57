using System.Text.Json.Nodes;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Tests.Oracle;

/// <summary>A node of the tree that rules run on: an element with its children; a primitive has a value, and its id and extensions as children.</summary>
internal sealed class OracleNode
{
    public required string Name { get; init; }

    public required string JsonName { get; init; }

    public required FhirType Type { get; init; }

    public bool IsCollection { get; init; }

    public bool IsResource => Type.Kind == FhirTypeKind.Resource;

    public OracleNode? Parent { get; set; }

    public JsonValue? Value { get; set; }

    public List<OracleNode> Children { get; } = [];

    public IEnumerable<OracleNode> SelfAndBelow() => Children.SelectMany(child => child.SelfAndBelow()).Prepend(this);

    /// <summary>All nodes below within the resource, with the roots of nested resources but nothing in them.</summary>
    public IEnumerable<OracleNode> BelowInResource() => Children.SelectMany(child => child.IsResource ? [child] : child.BelowInResource().Prepend(child));

    /// <summary>This node and all below it within the resource, without nested resources.</summary>
    public IEnumerable<OracleNode> SelfAndBelowInResource() => BelowInResource().Where(node => !node.IsResource).Prepend(this);

    public static OracleNode Read(JsonObject resource, OracleNode? parent = null, FhirProperty? property = null)
    {
        OracleNode node = new()
        {
            Name = property?.Name ?? "", JsonName = property?.ToString() ?? "", Parent = parent, IsCollection = property?.IsCollection ?? false,
            Type = FhirModel.R4.Find(resource["resourceType"]!.GetValue<string>())!,
        };
        node.ReadChildren(resource);
        return node;
    }

    /// <summary>An element that stands alone: the replacement of a node of the same type.</summary>
    public static OracleNode ReadLike(OracleNode node, JsonObject json)
    {
        OracleNode like = new() { Name = node.Name, JsonName = node.JsonName, Type = node.Type };
        like.ReadChildren(json);
        return like;
    }

    private void ReadChildren(JsonObject json)
    {
        HashSet<string> read = ["resourceType"];
        foreach (string key in json.Where(pair => pair.Value is not null).Select(pair => pair.Key))
        {
            string name = key.TrimStart('_');
            if (!read.Add(name))
                continue;
            FhirProperty property = Type.Properties.Single(p => p.ToString() == name);
            JsonNode?[] values = Items(json[name]), twins = Items(json["_" + name]);
            for (int i = 0; i < Math.Max(values.Length, twins.Length); i++)
                ReadChild(property, values.ElementAtOrDefault(i), twins.ElementAtOrDefault(i));
        }
    }

    private void ReadChild(FhirProperty property, JsonNode? value, JsonNode? twin)
    {
        if (value is null && twin is null)
            return;
        if (property.Type is null)
        {
            Children.Add(Read(value!.AsObject(), this, property));
            return;
        }
        OracleNode child = new() { Name = property.Name, JsonName = property.ToString(), Type = property.Type, Parent = this, IsCollection = property.IsCollection };
        Children.Add(child);
        if (property.IsPrimitive)
            child.Value = value?.DeepClone().AsValue();
        else
            child.ReadChildren(value!.AsObject());
        if (twin is not null)
            child.ReadChildren(twin.AsObject());
    }

    private static JsonNode?[] Items(JsonNode? node) => node switch { null => [], JsonArray array => [.. array], _ => [node] };

    public JsonObject Write()
    {
        JsonObject json = IsResource ? new() { ["resourceType"] = Type.Name } : [];
        foreach (IGrouping<string, OracleNode> group in Children.GroupBy(child => child.JsonName))
        {
            OracleNode first = group.First();
            if (first.Type.Kind != FhirTypeKind.Primitive)
            {
                json[group.Key] = first.IsCollection ? new JsonArray([.. group.Select(child => child.Write())]) : first.Write();
                continue;
            }
            if (group.Any(child => child.Value is not null))
                json[group.Key] = first.IsCollection ? new JsonArray([.. group.Select(child => child.Value?.DeepClone())]) : first.Value!.DeepClone();
            if (group.Any(child => child.Children.Count > 0))
                json["_" + group.Key] = first.IsCollection ? new JsonArray([.. group.Select(child => child.Children.Count > 0 ? child.Write() : null)]) : first.Write();
        }
        return json;
    }
}
