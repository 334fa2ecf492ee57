using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using FhirDeid.Anonymization.Bulk;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Lint;
using FhirDeid.Anonymization.Plan;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Coverage;

/// <summary>What a configuration does to every element that can hold an identifier: the compiled plan, asked along every path of R4.</summary>
internal static class ConfigurationCoverage
{
    private const int MaxDepth = 512;

    /// <summary>One object a category, with its elements.</summary>
    /// <param name="json">The configuration file's text.</param>
    /// <param name="resourceTypes">Resource types; all where there are none.</param>
    /// <param name="samples">Files in which to count the elements, or null.</param>
    /// <param name="cancellation">Stops.</param>
    public static async Task<IReadOnlyList<AnonymizationCoverage>> OfAsync(string json, IReadOnlyCollection<string> resourceTypes, IEnumerable<string>? samples, CancellationToken cancellation)
    {
        AnonymizationConfiguration configuration = ConfigurationReader.Read(json);
        EffectivePlan plan = EffectivePlan.Of(json, configuration);
        List<AnonymizationCoverageElement> elements = [];
        Dictionary<ElementTree, AnonymizationCoverageElement> byNode = [];
        foreach (FhirType type in Types(resourceTypes))
        {
            cancellation.ThrowIfCancellationRequested();
            Walk(ElementTree.Of(type), plan.Plan.Root(type));

            void Walk(ElementTree node, PlanState state)
            {
                foreach (ElementTree child in node.Children)
                {
                    PlanState below = state.Child(plan.Plan, child.Property!);
                    bool isListed = child.Category.Length > 0;
                    if (isListed || samples is not null && MayHoldWords(child))
                    {
                        AnonymizationCoverageElement element = Element(type, child, Outcome.Of(configuration, plan, below, child.Owner, child.Property!.Name));
                        if (isListed)
                            elements.Add(element);
                        if (samples is not null)
                            byNode.Add(child, element);
                    }
                    if (child.Children.Count > 0)
                        Walk(child, below);
                }
            }
        }
        if (samples is not null)
        {
            await CountAsync(byNode, samples, cancellation);
            elements.AddRange(byNode.Where(node => node.Key.Category.Length == 0 && node.Value.Found > 0).Select(node => node.Value));
        }
        return [.. Identifiers.Categories.Select(category => Category(category.Letter, category.Name, elements))];
    }

    /// <summary>Codes and the URIs of systems identify nobody, but R4 lets a sentence stand there: one is listed where data has it.</summary>
    private static bool MayHoldWords(ElementTree node) => node is { Category.Length: 0, Type.Name: "code" or "uri" };

    private static bool IsWords(JsonElement value) => value.ValueKind == JsonValueKind.String && value.GetString()!.Trim().Any(char.IsWhiteSpace);

    private static IEnumerable<FhirType> Types(IReadOnlyCollection<string> names)
    {
        if (names.Count == 0)
            return ModelPlaces.Resources.Select(place => place.Type);
        return names.Select(name => FhirModel.R4.Types.FirstOrDefault(type => type.Kind == FhirTypeKind.Resource && type.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
            ?? throw new FhirDeidException("ResourceTypeUnknown", FhirDeidErrorCategory.InvalidArgument, $"R4 has no resource type '{name}'.{Spelling.Question(name, FhirModel.R4.ResourceNames)}", "Give the name of a resource type.", name)).Distinct();
    }

    private static AnonymizationCoverageElement Element(FhirType type, ElementTree node, Outcome outcome) => new()
    {
        ResourceType = type.Name, Path = node.Path, Type = node.Type.Name, Category = node.Category.Length > 0 ? node.Category : Identifiers.Any, Effect = outcome.Effect, Method = outcome.Decision.Rule?.Method.Name() ?? "", Rule = outcome.Decision.Rule?.Number ?? 0,
        ConditionalRules = outcome.Decision.Conditional.Count == 0 ? [] : [.. outcome.Decision.Conditional.Select(rule => rule.Number)],
    };

    private static AnonymizationCoverage Category(string letter, string name, List<AnonymizationCoverageElement> all)
    {
        AnonymizationCoverageElement[] elements = [.. all.Where(element => letter == Identifiers.Any ? element.Category == letter : element.Category != Identifiers.Any && element.Category.Contains(letter, StringComparison.Ordinal))];
        int removed = elements.Count(element => element.Effect == AnonymizationEffect.Removed), unchanged = elements.Count(element => element.Effect == AnonymizationEffect.Unchanged);
        return new AnonymizationCoverage
        {
            Category = letter, Name = name, Total = elements.Length, Removed = removed, Unchanged = unchanged, Changed = elements.Length - removed - unchanged, Elements = elements,
            FoundUnchanged = elements.Any(element => element.Found is not null) ? elements.Where(element => element.Effect == AnonymizationEffect.Unchanged).Sum(element => element.Found ?? 0) : null,
        };
    }

    /// <summary>Counts in how many places of the data each element occurs. Values are looked at for their kind alone.</summary>
    private static async Task CountAsync(Dictionary<ElementTree, AnonymizationCoverageElement> elements, IEnumerable<string> files, CancellationToken cancellation)
    {
        foreach (AnonymizationCoverageElement element in elements.Values)
            element.Found = 0;
        foreach (string file in files)
        {
            await foreach (FhirResourceText resource in ResourceFile.ReadAsync(file, cancellation))
            {
                cancellation.ThrowIfCancellationRequested();
                string what = resource.Line > 0 ? $"Line {resource.Line} of '{file}'" : $"'{file}'";
                if (!Utf8.IsValid(resource.Json.Span))
                    throw Invalid($"{what} is not valid UTF-8.", file);
                try
                {
                    using JsonDocument document = JsonDocument.Parse(resource.Json, new JsonDocumentOptions { MaxDepth = MaxDepth });
                    if (!TryResource(document.RootElement, elements))
                        throw Invalid($"{what} is no resource of FHIR R4: nothing can be said of it.", file);
                }
                catch (Exception exception) when (exception is JsonException or InvalidOperationException)
                {
                    // The parser's own message quotes the data.
                    throw Invalid($"{what} is not JSON, or nests more than {MaxDepth} levels deep.", file);
                }
            }
        }
    }

    private static FhirDeidException Invalid(string message, string file) =>
        new("ResourceInvalid", FhirDeidErrorCategory.InvalidData, message, "Give NDJSON files with a resource a line, or JSON files with one resource or Bundle.", file);

    private static bool TryResource(JsonElement resource, Dictionary<ElementTree, AnonymizationCoverageElement> elements)
    {
        if (resource.ValueKind != JsonValueKind.Object || !resource.TryGetProperty("resourceType", out JsonElement name) || name.ValueKind != JsonValueKind.String
            || FhirModel.R4.Find(name.GetString()!) is not { Kind: FhirTypeKind.Resource } type)
            return false;
        Object(resource, ElementTree.Of(type), type, elements);
        return true;
    }

    private static void Object(JsonElement item, ElementTree? node, FhirType type, Dictionary<ElementTree, AnonymizationCoverageElement> elements)
    {
        foreach (JsonProperty property in item.EnumerateObject())
        {
            bool isTwin = property.Name.Length > 1 && property.Name[0] == '_';
            FhirProperty? known = type.Find(Encoding.UTF8.GetBytes(isTwin ? property.Name[1..] : property.Name));
            if (known is null)
                continue;
            ElementTree? child = node?.Children.Find(candidate => candidate.Property == known);
            foreach (JsonElement value in property.Value.ValueKind == JsonValueKind.Array ? property.Value.EnumerateArray().ToArray() : [property.Value])
            {
                if (known.Type is null)
                    TryResource(value, elements);
                else if (value.ValueKind == JsonValueKind.Object)
                {
                    if (!isTwin && child is not null && elements.TryGetValue(child, out AnonymizationCoverageElement? extension))
                        extension.Found++;
                    Object(value, child, known.Type, elements);
                }
                else if (value.ValueKind != JsonValueKind.Null && child is not null && elements.TryGetValue(child, out AnonymizationCoverageElement? element) && (!MayHoldWords(child) || IsWords(value)))
                    element.Found++;
            }
        }
    }
}
