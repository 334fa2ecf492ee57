using System.Text.Json.Nodes;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Tests;

/// <summary>The template denies by default: what no rule names is gone.</summary>
public sealed class SafeHarborTests
{
    private const string Planted = "planted-7f3a91";

    private static readonly string Template = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "templates", "SafeHarbor.json"))
        .Replace("\"cryptoHashKey\": \"\"", "\"cryptoHashKey\": \"k\"", StringComparison.Ordinal);

    public static TheoryData<string> ResourceTypes() => [.. FhirModel.R4.ResourceNames];

    [Theory]
    [MemberData(nameof(ResourceTypes))]
    public void A_text_planted_in_every_element_of_a_resource_is_gone(string resourceType)
    {
        JsonObject resource = Filled(FhirModel.R4.Find(resourceType)!, depth: 4);
        resource["resourceType"] = resourceType;

        string result = Engine.Run(Template, resource.ToJsonString());

        Assert.Contains(Planted, resource.ToJsonString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Planted, result, StringComparison.Ordinal);
        Assert.DoesNotContain("1987-06-05", result, StringComparison.Ordinal);
    }

    [Fact]
    public void The_template_has_no_rule_that_cannot_apply() => Assert.Empty(new AnonymizationEngine().Parse(Template, "SafeHarbor").Warnings);

    /// <summary>An object with a value in every property; codes, and what rules keep by name, hold ordinary values.</summary>
    private static JsonObject Filled(FhirType type, int depth)
    {
        JsonObject filled = [];
        HashSet<int> elements = [];
        foreach (FhirProperty property in type.Properties)
        {
            if (property.Type is null || depth == 0 && !property.IsPrimitive || !elements.Add(property.Element))
                continue;
            JsonNode value = property.IsPrimitive ? Value(type, property) : Filled(property.Type, depth - 1);
            if (value is JsonObject { Count: 0 })
                continue;
            filled[property.ToString()] = property.IsCollection ? new JsonArray(value) : value;
        }
        return filled;
    }

    private static JsonNode Value(FhirType type, FhirProperty property) => property.Type!.Syntax switch
    {
        PrimitiveSyntax.Boolean => true,
        PrimitiveSyntax.Integer => 5,
        PrimitiveSyntax.Decimal => 5.5,
        PrimitiveSyntax.Date => "1987-06-05",
        PrimitiveSyntax.DateTime => "1987-06-05T10:11:12Z",
        PrimitiveSyntax.Time => "10:11:12",
        _ when property.Type.Name == "code" || IsListed(type, property) => "ordinary",
        _ => Planted,
    };

    /// <summary>Text that the template lets pass by name.</summary>
    private static bool IsListed(FhirType type, FhirProperty property) => (type.Name, property.Name) is
        ("Coding", "system" or "version") or ("Address", "state" or "country") or ("Reference", "type") or
        ("Quantity" or "Duration" or "Count" or "Distance", "unit" or "system");
}
