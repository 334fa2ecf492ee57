using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using FhirDeid.SampleData;

namespace FhirDeid.Anonymization.Tests;

/// <summary>SafeHarbor over made-up patients: what identifies them is planted, listed, and looked for in all that is left.</summary>
public sealed partial class SampleDataTests
{
    /// <summary>100 patients; 1,000 with FHIRDEID_LONG=1.</summary>
    private static readonly int PatientCount = Environment.GetEnvironmentVariable("FHIRDEID_LONG") == "1" ? 1000 : 100;

    [GeneratedRegex("(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")]
    private static partial Regex Hash();

    [GeneratedRegex(@"^\d{4}-\d\d(-\d\d|$)|\d:\d")]
    private static partial Regex MoreThanAYear();

    [Fact]
    public void SafeHarbor_leaves_nothing_that_the_generator_planted()
    {
        string template = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "templates", "SafeHarbor.json"))
            .Replace("\"cryptoHashKey\": \"\"", "\"cryptoHashKey\": \"k\"", StringComparison.Ordinal);
        using Anonymizer anonymizer = Anonymizer.Create(template, null, Engine.Clock);
        HashSet<PlantedValue> planted = [];
        HashSet<string> left = new(StringComparer.Ordinal);
        foreach (GeneratedResource resource in SampleGenerator.Generate(PatientCount, seed: 7))
        {
            planted.UnionWith(resource.PlantedValues);
            using JsonDocument output = JsonDocument.Parse(Engine.Run(anonymizer, Encoding.UTF8.GetString(resource.Utf8Json.Span)));
            Collect(output.RootElement, left);
        }

        PlantedCategory[] categories = Enum.GetValues<PlantedCategory>();
        Assert.Empty(categories.Except(planted.Select(value => value.Category)));
        // Short words count where they stand alone, so that "Ann" is not found in "Annual". Ages are numbers of two digits: Collect looks at them.
        string text = string.Join('\n', left.Where(value => !double.TryParse(value, CultureInfo.InvariantCulture, out _))).ToUpperInvariant();
        HashSet<string> words = [.. left, .. left.SelectMany(value => value.Split([' ', '/', '|', ':', ',', ';', '"']))];
        PlantedValue[] found = [.. planted.Where(value => value.Category != PlantedCategory.Age).DistinctBy(value => value.Value)
            .Where(value => words.Contains(value.Value) || value.Value.Length > 5 && text.Contains(value.Value.ToUpperInvariant(), StringComparison.Ordinal))];

        Assert.True(found.Length == 0, string.Join('\n', found.Take(20)));
        Assert.DoesNotContain(left, value => MoreThanAYear().IsMatch(value));
    }

    /// <summary>All texts and numbers of a resource, without the hashes that stand for ids.</summary>
    private static void Collect(JsonElement element, HashSet<string> left)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (JsonProperty property in element.EnumerateObject())
                {
                    if (property.Name.EndsWith("Age", StringComparison.Ordinal) && property.Value.TryGetProperty("value", out JsonElement years))
                        Assert.InRange(years.GetDecimal(), 0, 89);
                    Collect(property.Value, left);
                }
                break;
            case JsonValueKind.Array:
                foreach (JsonElement item in element.EnumerateArray())
                    Collect(item, left);
                break;
            default:
                left.Add(Hash().Replace(element.ToString(), ""));
                break;
        }
    }
}
