using System.Text;
using System.Text.Json;
using Hl7.Fhir.ElementModel;
using Hl7.Fhir.FhirPath;
using Hl7.Fhir.Model;
using Hl7.Fhir.Serialization;
using Hl7.FhirPath;

namespace FhirDeid.SampleData.Tests;

/// <summary>What the resources hold, for 200 patients.</summary>
[Collection("One at a time")]
public sealed class ResourceTests(ResourceTests.Sample sample) : IClassFixture<ResourceTests.Sample>
{
    public sealed class Sample
    {
        public IReadOnlyList<GeneratedResource> Resources { get; } = [.. SampleGenerator.Generate(200, 42)];
    }

    [Fact]
    public void Every_resource_is_valid_R4_for_the_strict_parser()
    {
        var parser = new FhirJsonDeserializer(new DeserializerSettings().UsingMode(DeserializationMode.Strict));
        foreach (GeneratedResource resource in sample.Resources)
        {
            string json = Encoding.UTF8.GetString(resource.Utf8Json.Span);
            try
            {
                parser.DeserializeResource(json);
            }
            catch (DeserializationFailedException error)
            {
                Assert.Fail(error.Message + Environment.NewLine + json);
            }
        }
    }

    [Fact]
    public void The_strict_parser_does_refuse_what_is_not_valid()
    {
        var parser = new FhirJsonDeserializer(new DeserializerSettings().UsingMode(DeserializationMode.Strict));
        string observation = Encoding.UTF8.GetString(sample.Resources.First(r => r.ResourceType == "Observation").Utf8Json.Span);

        Assert.Throws<DeserializationFailedException>(() => parser.DeserializeResource(observation.Replace("\"status\":\"final\",", "")));
        Assert.Throws<DeserializationFailedException>(() => parser.DeserializeResource(observation.Replace("\"status\":\"final\",", "\"status\":\"nonsense\",")));
    }

    [Fact]
    public void Every_resource_type_is_present_even_for_one_patient()
    {
        var types = SampleGenerator.Generate(1, 1).Select(r => r.ResourceType).Distinct().Order(StringComparer.Ordinal);

        Assert.Equal(SampleGenerator.ResourceTypes, types);
    }

    [Fact]
    public void Every_category_is_planted() =>
        Assert.Equal(Enum.GetValues<PlantedCategory>(), Planted().Select(v => v.Category).Distinct().Order());

    [Fact]
    public void Every_planted_value_stands_at_its_path()
    {
        var parser = new FhirJsonDeserializer(new DeserializerSettings().UsingMode(DeserializationMode.Strict));
        foreach (GeneratedResource resource in sample.Resources)
        {
            Resource parsed = parser.DeserializeResource(Encoding.UTF8.GetString(resource.Utf8Json.Span));
            foreach (PlantedValue value in resource.PlantedValues)
            {
                Assert.Equal((resource.ResourceType, resource.Id), (value.ResourceType, value.Id));
                Base?[] found = [.. parsed.Select(value.Path)];
                Assert.True(found.Length == 1 && found[0]!.ToString()!.Contains(value.Value, StringComparison.Ordinal), $"{value}: {string.Join<Base?>(", ", found)}");
            }
        }
    }

    /// <summary>Two things in one: nothing identifying is unlisted, and no planted value is also an ordinary word, a code or a display.</summary>
    [Fact]
    public void No_planted_value_occurs_where_it_is_not_listed()
    {
        var rest = new HashSet<string>();
        foreach (GeneratedResource resource in sample.Resources)
        {
            using var json = JsonDocument.Parse(resource.Utf8Json);
            ILookup<string, string> planted = resource.PlantedValues.ToLookup(v => v.Path, v => v.Value);
            foreach ((string path, string text) in Texts(resource.ResourceType, json.RootElement))
                rest.Add(planted[path].OrderByDescending(v => v.Length).Aggregate(text, (left, value) => left.Replace(value, "\u0001")));
        }
        string all = string.Join('\u0002', rest);

        Assert.InRange(rest.Count, 300, 30_000);
        foreach (PlantedValue value in Planted().Where(v => v.Category != PlantedCategory.Age).DistinctBy(v => v.Value))
        {
            int at = all.IndexOf(value.Value, StringComparison.Ordinal);
            if (at >= 0) Assert.Fail($"{value} in “{all[Math.Max(0, at - 40)..Math.Min(all.Length, at + value.Value.Length + 40)]}”");
        }
    }

    [Fact]
    public void Values_can_be_searched_for_as_plain_text()
    {
        foreach (PlantedValue value in Planted().Where(v => v.Category != PlantedCategory.Age))
        {
            Assert.True(value.Value.Length >= 5, value.ToString());
            Assert.DoesNotContain(value.Value, c => c is '"' or '\\' or '<' or '>' or '&' or '\'' or '+');
        }
    }

    [Fact]
    public void References_lead_to_resources_that_come_in_the_same_data()
    {
        var known = sample.Resources.Select(r => $"{r.ResourceType}/{r.Id}").ToHashSet();
        HashSet<string> ids = [.. sample.Resources.Select(r => r.Id)];
        var kinds = new HashSet<string>();
        foreach (GeneratedResource resource in sample.Resources)
        {
            using var json = JsonDocument.Parse(resource.Utf8Json);
            foreach ((string path, string reference) in Texts(resource.ResourceType, json.RootElement).Where(t => t.Path.EndsWith(".reference", StringComparison.Ordinal)))
            {
                if (reference.StartsWith('#'))
                {
                    kinds.Add("contained");
                    Assert.Contains(json.RootElement.GetProperty("contained").EnumerateArray(), c => c.GetProperty("id").GetString() == reference[1..]);
                }
                else if (reference.StartsWith("urn:oid:", StringComparison.Ordinal)) kinds.Add("oid");
                else if (reference.StartsWith("urn:uuid:", StringComparison.Ordinal))
                {
                    kinds.Add("uuid");
                    Assert.Contains(reference["urn:uuid:".Length..], ids);
                }
                else if (reference.Contains('?'))
                {
                    kinds.Add("conditional");
                    string npi = reference[(reference.IndexOf('|') + 1)..];
                    Assert.Contains(sample.Resources, r => r.ResourceType == "Practitioner" && r.PlantedValues.Any(v => v.Value == npi));
                }
                else
                {
                    string[] parts = reference.Split("/_history/");
                    string[] segments = parts[0].Split('/');
                    kinds.Add((segments.Length > 2 ? "absolute" : "relative") + (parts.Length > 1 ? ", versioned" : ""));
                    Assert.True(known.Contains($"{segments[^2]}/{segments[^1]}"), $"{resource.ResourceType} {path}: {reference}");
                }
            }
        }
        Assert.Equal(["absolute", "absolute, versioned", "conditional", "contained", "oid", "relative", "relative, versioned", "uuid"], kinds.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Ids_are_unique() => Assert.Equal(sample.Resources.Count, sample.Resources.Select(r => r.Id).Distinct().Count());

    [Fact]
    public void Some_patients_are_over_89_some_live_in_restricted_areas_and_some_have_died()
    {
        GeneratedResource[] patients = [.. sample.Resources.Where(r => r.ResourceType == "Patient")];

        Assert.Equal(200, patients.Length);
        Assert.Contains(patients, p => p.PlantedValues.Any(v => v.Path == "Patient.birthDate" && string.CompareOrdinal(v.Value, "1930") < 0));
        Assert.Contains(patients, p => p.PlantedValues.Any(v => v.Path == "Patient.deceased"));
        string[] zips = [.. patients.SelectMany(p => p.PlantedValues).Where(v => v.Path == "Patient.address[0].postalCode").Select(v => v.Value)];
        Assert.Contains(zips, z => z.Length == 5);
        Assert.Contains(zips, z => z.Length == 10);
        foreach (string restricted in Vocabulary.RestrictedAreas.Select(a => a.Zip3).Take(5)) Assert.Contains(zips, z => z.StartsWith(restricted, StringComparison.Ordinal));
    }

    [Fact]
    public void Primitives_have_extensions_and_parallel_lists_have_place_holders()
    {
        string[] patients = [.. sample.Resources.Where(r => r.ResourceType == "Patient").Select(r => Encoding.UTF8.GetString(r.Utf8Json.Span))];

        Assert.Contains(patients, p => p.Contains("\"_birthDate\":{\"extension\"", StringComparison.Ordinal));
        Assert.Contains(patients, p => p.Contains(",null],\"_given\":[null,{", StringComparison.Ordinal));
    }

    private IEnumerable<PlantedValue> Planted() => sample.Resources.SelectMany(r => r.PlantedValues);

    /// <summary>Every string of a resource with its FHIRPath.</summary>
    private static IEnumerable<(string Path, string Text)> Texts(string path, JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                return element.EnumerateObject().SelectMany(p => Texts($"{path}.{FhirPathName(p.Name)}", p.Value));
            case JsonValueKind.Array:
                return element.EnumerateArray().SelectMany((item, index) => Texts($"{path}[{index}]", item));
            case JsonValueKind.String:
                return [(path, element.GetString()!)];
            default:
                return [];
        }
    }

    private static string FhirPathName(string name)
    {
        name = name.TrimStart('_');
        string[] choices = ["value", "deceased", "effective", "onset", "performed", "occurrence", "medication", "author", "age", "born", "serviced", "diagnosis", "bounds", "location", "occurred", "content"];
        return choices.FirstOrDefault(c => name.Length > c.Length && name.StartsWith(c, StringComparison.Ordinal) && char.IsUpper(name[c.Length])) ?? name;
    }
}
