using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using FhirDeid.SampleData;

namespace FhirDeid.Anonymization.Tests;

/// <summary>Templates over made-up patients: what identifies them is planted, listed, and looked for in all that is left.</summary>
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
        (HashSet<PlantedValue> planted, HashSet<string> left) = Run("SafeHarbor", oldest: 89);

        Assert.Empty(Enum.GetValues<PlantedCategory>().Except(planted.Select(value => value.Category)));
        Assert.Equal([], Found(planted, left));
        Assert.DoesNotContain(left, value => MoreThanAYear().IsMatch(value));
    }

    [Fact]
    public void LimitedDataSet_leaves_nothing_that_the_generator_planted_but_dates_ages_cities_and_ZIP_codes()
    {
        (HashSet<PlantedValue> planted, HashSet<string> left) = Run("LimitedDataSet", oldest: 120);
        HashSet<string> cities = [.. planted.Where(value => value.Path.EndsWith(".city", StringComparison.Ordinal)).Select(value => value.Value)];

        Assert.Equal([], Found(planted.Where(value => value.Category is not (PlantedCategory.Date or PlantedCategory.Zip) && !cities.Contains(value.Value)), left));
        Assert.Contains(left, cities.Contains);
        Assert.Contains(left, value => MoreThanAYear().IsMatch(value));
    }

    [Fact]
    public void What_SafeHarbor_leaves_is_valid_R4_but_for_Provenance_without_its_instant()
    {
        using Anonymizer anonymizer = Anonymizer.Create(Template("SafeHarbor"), null, Engine.Clock);
        Hl7.Fhir.Serialization.FhirJsonDeserializer reader = new();
        SortedSet<string> errors = new(StringComparer.Ordinal);
        foreach (GeneratedResource resource in SampleGenerator.Generate(PatientCount, seed: 7))
        {
            Utf8JsonReader json = new(Encoding.UTF8.GetBytes(Engine.Run(anonymizer, Encoding.UTF8.GetString(resource.Utf8Json.Span))));
            if (!reader.TryDeserializeResource(ref json, out _, out IEnumerable<Hl7.Fhir.Utility.CodedException> found))
                errors.UnionWith(found.Select(error => $"{resource.ResourceType}: {error.Message}"));
        }

        Assert.StartsWith("Provenance: Element '$this.recorded' with minimum cardinality 1", Assert.Single(errors), StringComparison.Ordinal);
    }

    /// <summary>What was planted, and all texts and numbers that a template leaves.</summary>
    private static (HashSet<PlantedValue> Planted, HashSet<string> Left) Run(string template, int oldest)
    {
        using Anonymizer anonymizer = Anonymizer.Create(Template(template), null, Engine.Clock);
        HashSet<PlantedValue> planted = [];
        HashSet<string> left = new(StringComparer.Ordinal);
        foreach (GeneratedResource resource in SampleGenerator.Generate(PatientCount, seed: 7))
        {
            planted.UnionWith(resource.PlantedValues);
            using JsonDocument output = JsonDocument.Parse(Engine.Run(anonymizer, Encoding.UTF8.GetString(resource.Utf8Json.Span)));
            Collect(output.RootElement, left, oldest);
        }
        return (planted, left);
    }

    private static string Template(string name) => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "templates", name + ".json"))
        .Replace("\"cryptoHashKey\": \"\"", "\"cryptoHashKey\": \"k\"", StringComparison.Ordinal);

    /// <summary>Short words count where they stand alone, so that "Ann" is not found in "Annual". Ages are numbers of two digits: Collect looks at them.</summary>
    private static IEnumerable<PlantedValue> Found(IEnumerable<PlantedValue> planted, HashSet<string> left)
    {
        string text = string.Join('\n', left.Where(value => !double.TryParse(value, CultureInfo.InvariantCulture, out _))).ToUpperInvariant();
        HashSet<string> words = [.. left, .. left.SelectMany(value => value.Split([' ', '/', '|', ':', ',', ';', '"']))];
        return planted.Where(value => value.Category != PlantedCategory.Age).DistinctBy(value => value.Value)
            .Where(value => words.Contains(value.Value) || value.Value.Length > 5 && text.Contains(value.Value.ToUpperInvariant(), StringComparison.Ordinal)).Take(20);
    }

    /// <summary>All texts and numbers of a resource, without the hashes that stand for ids.</summary>
    private static void Collect(JsonElement element, HashSet<string> left, int oldest)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (JsonProperty property in element.EnumerateObject())
                {
                    if (property.Name.EndsWith("Age", StringComparison.Ordinal) && property.Value.TryGetProperty("value", out JsonElement years))
                        Assert.InRange(years.GetDecimal(), 0, oldest);
                    Collect(property.Value, left, oldest);
                }
                break;
            case JsonValueKind.Array:
                foreach (JsonElement item in element.EnumerateArray())
                    Collect(item, left, oldest);
                break;
            default:
                left.Add(Hash().Replace(element.ToString(), ""));
                break;
        }
    }
}
