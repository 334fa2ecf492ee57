using System.Text.Json.Nodes;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Tests;

/// <summary>What the templates let pass of resources that have a value in every element that R4 knows.</summary>
public sealed class TemplateTests
{
    private const string Planted = "planted-7f3a91";
    private const int PlantedNumber = 739_179;
    private const string PlantedDate = "1987-06-05";
    private const string PlantedTime = "10:11:12";

    /// <summary>Text and numbers of open types that SafeHarbor lets pass by name: element of a type, or of anything where the type is empty.</summary>
    private static readonly HashSet<(string Type, string Element)> Listed =
    [
        ("Coding", "system"), ("Reference", "type"), ("Address", "state"), ("Address", "country"), ("Age", "system"),
        ("Quantity", "system"), ("Duration", "system"), ("Count", "system"), ("Distance", "system"),
        ("Quantity", "value"), ("Duration", "value"), ("Count", "value"), ("Distance", "value"), ("Money", "value"),
        ("Observation", "value"), ("Observation.component", "value"), ("Patient", "multipleBirth"), ("MolecularSequence", "coordinateSystem"), ("Dosage", "sequence"),
        ("Timing.repeat", "duration"), ("Timing.repeat", "durationMax"), ("Timing.repeat", "period"), ("Timing.repeat", "periodMax"),
        ("", "factor"), ("ClaimResponse.adjudication", "value"), ("ExplanationOfBenefit.adjudication", "value"),
        ("RiskAssessment.prediction", "probability"), ("RiskAssessment.prediction", "relativeRisk"), ("VisionPrescription.lensSpecification.prism", "amount"),
        ("VisionPrescription.lensSpecification", "sphere"), ("VisionPrescription.lensSpecification", "cylinder"),
        ("VisionPrescription.lensSpecification", "axis"), ("VisionPrescription.lensSpecification", "add"),
    ];

    /// <summary>Required elements that SafeHarbor removes: docs/templates.md, "What is no longer valid". Definitional resources are not listed one by one.</summary>
    private static readonly string[] Invalid =
    [
        "AuditEvent.recorded", "Bundle.entry.request.url", "Device.version.value", "DeviceDefinition.deviceName.name", "Endpoint.address", "GuidanceResponse.module",
        "MedicinalProduct.name.namePart.part", "MedicinalProduct.name.productName",
        "MessageHeader.destination.endpoint", "MessageHeader.event", "MessageHeader.response.identifier", "MessageHeader.source.endpoint", "Parameters.parameter.name",
        "Provenance.recorded", "Slot.end", "Slot.start", "Subscription.criteria", "Subscription.reason", "SubstanceSpecification.name.name",
        "Task.input.type", "Task.output.type", "TestReport.participant.uri",
    ];

    private static readonly string[] Definitional = ["DataRequirement", "RelatedArtifact", "TriggerDefinition"];

    public static TheoryData<string> ResourceTypes() => [.. FhirModel.R4.ResourceNames];

    public static TheoryData<string> Templates() => ["SafeHarbor", "LimitedDataSet", "RedactAll"];

    [Theory]
    [MemberData(nameof(ResourceTypes))]
    public void SafeHarbor_leaves_nothing_of_what_is_planted_in_every_element_of_a_resource(string resourceType)
    {
        FhirType type = FhirModel.R4.Find(resourceType)!;
        using Anonymizer anonymizer = Anonymizer.Create(Template("SafeHarbor"), null, Engine.Clock);
        for (int choice = 0; choice < Choices(type, depth: 4); choice++)
        {
            string resource = Resource(type, new Filling(choice, Plants: true));
            string result = Engine.Run(anonymizer, resource);

            Assert.Contains(Planted, resource, StringComparison.Ordinal);
            Assert.All([Planted, $"{PlantedNumber}", PlantedDate[4..], PlantedTime], text => Assert.DoesNotContain(text, result, StringComparison.Ordinal));
        }
    }

    [Theory]
    [MemberData(nameof(ResourceTypes))]
    public void What_SafeHarbor_leaves_has_its_required_elements_but_for_those_that_the_docs_list(string resourceType)
    {
        FhirType type = FhirModel.R4.Find(resourceType)!;
        using Anonymizer anonymizer = Anonymizer.Create(Template("SafeHarbor"), null, Engine.Clock);
        SortedSet<string> missing = new(StringComparer.Ordinal);
        for (int choice = 0; choice < Choices(type, depth: 4); choice++)
            FindMissing(type, (JsonObject)JsonNode.Parse(Engine.Run(anonymizer, Resource(type, new Filling(choice, Plants: false))))!, missing);

        missing.RemoveWhere(element => Definitional.Contains(element[..element.IndexOf('.', StringComparison.Ordinal)]));
        if (type.Find("publisher"u8) is null && type.Find("experimental"u8) is null)
            Assert.Equal(Invalid.Where(element => element.StartsWith(resourceType + ".", StringComparison.Ordinal)), missing);
    }

    /// <summary>Finds required elements that an object no longer has, below the resource's own nested types.</summary>
    private static void FindMissing(FhirType type, JsonObject json, SortedSet<string> missing)
    {
        HashSet<int> there = [];
        foreach ((string name, JsonNode? value) in json)
        {
            FhirProperty? property = type.Find(System.Text.Encoding.UTF8.GetBytes(name));
            if (property is null)
                continue;
            there.Add(property.Element);
            foreach (JsonNode? item in value is JsonArray array ? array.ToArray() : [value])
            {
                if (item is JsonObject child && property.Type is not null)
                    FindMissing(property.Type, child, missing);
            }
        }
        missing.UnionWith(type.Properties.Where(p => p.IsRequired && !there.Contains(p.Element)).Select(p => $"{type.Id}.{p.Name}"));
    }

    [Theory]
    [MemberData(nameof(ResourceTypes))]
    public void LimitedDataSet_leaves_dates_and_no_text(string resourceType)
    {
        FhirType type = FhirModel.R4.Find(resourceType)!;
        using Anonymizer anonymizer = Anonymizer.Create(Template("LimitedDataSet"), null, Engine.Clock);
        for (int choice = 0; choice < Choices(type, depth: 4); choice++)
        {
            string result = Engine.Run(anonymizer, Resource(type, new Filling(choice, Plants: true)).Replace($"\"city\":\"{Planted}\"", "\"city\":\"Boston\"", StringComparison.Ordinal)
                .Replace($"\"postalCode\":\"{Planted}\"", "\"postalCode\":\"02139\"", StringComparison.Ordinal));

            Assert.DoesNotContain(Planted, result, StringComparison.Ordinal);
            Assert.DoesNotContain($"{PlantedNumber}", result.Replace($"\"value\":{PlantedNumber}", "", StringComparison.Ordinal), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void LimitedDataSet_keeps_dates_ages_city_state_and_ZIP_code()
    {
        string result = Engine.Run(Template("LimitedDataSet"), """
            {"resourceType":"Patient","id":"1","birthDate":"1931-02-03","deceasedDateTime":"2025-01-02T03:04:05Z","name":[{"family":"Lovelace"}],
             "address":[{"line":["1 Main Street"],"city":"Boston","district":"Suffolk","state":"MA","postalCode":"02139-1234"}]}
            """);

        Assert.All(["1931-02-03", "2025-01-02T03:04:05Z", "Boston", "MA", "02139-1234"], kept => Assert.Contains(kept, result, StringComparison.Ordinal));
        Assert.All(["Lovelace", "Main", "Suffolk"], gone => Assert.DoesNotContain(gone, result, StringComparison.Ordinal));
        Assert.Contains("\"value\":93,", Engine.Run(Template("LimitedDataSet"), """{"resourceType":"Condition","onsetAge":{"value":93,"system":"http://unitsofmeasure.org","code":"a"}}"""), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(ResourceTypes))]
    public void RedactAll_leaves_the_type_and_a_label(string resourceType)
    {
        JsonObject result = (JsonObject)JsonNode.Parse(Engine.Run(Template("RedactAll"), Resource(FhirModel.R4.Find(resourceType)!, new Filling(0, Plants: true))))!;

        Assert.All(result.Select(property => property.Key), name => Assert.Contains(name, (string[])["resourceType", "meta", "contained", "entry", "parameter"]));
        Assert.DoesNotContain(Planted, result.ToJsonString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1987-06-05", "1987")]
    [InlineData("1937-01-01", "1937")]
    [InlineData("1936-11-26", null)]
    [InlineData("1936", null)]
    [InlineData("1901-06-05", null)]
    public void SafeHarbor_keeps_the_year_of_birth_up_to_89_years_ago(string birthDate, string? kept)
    {
        JsonNode result = JsonNode.Parse(Engine.Run(Template("SafeHarbor"), $$"""{"resourceType":"Patient","birthDate":"{{birthDate}}"}"""))!;

        Assert.Equal(kept, (string?)result["birthDate"]);
    }

    [Theory]
    [InlineData("""{"value":89,"system":"http://unitsofmeasure.org","code":"a"}""", "89")]
    [InlineData("""{"value":90,"system":"http://unitsofmeasure.org","code":"a"}""", null)]
    [InlineData("""{"value":1080,"system":"http://unitsofmeasure.org","code":"mo"}""", null)]
    [InlineData("""{"value":60,"comparator":">","system":"http://unitsofmeasure.org","code":"a"}""", null)]
    public void SafeHarbor_keeps_ages_up_to_89_with_their_unit(string age, string? kept)
    {
        JsonNode? result = JsonNode.Parse(Engine.Run(Template("SafeHarbor"), $$"""{"resourceType":"Condition","onsetAge":{{age}}}"""))!["onsetAge"];

        Assert.Equal(kept, result?["value"]?.ToJsonString());
        Assert.NotNull(result?["code"]);
    }

    [Theory]
    [InlineData("""{"resourceType":"Condition","onsetRange":{"low":{"value":91},"high":{"value":93}}}""")]
    [InlineData("""{"resourceType":"AllergyIntolerance","onsetRange":{"low":{"value":91}}}""")]
    [InlineData("""{"resourceType":"Procedure","performedRange":{"low":{"value":91}}}""")]
    [InlineData("""{"resourceType":"FamilyMemberHistory","ageRange":{"low":{"value":91}},"deceasedRange":{"low":{"value":91}},"condition":[{"onsetRange":{"low":{"value":91}}}]}""")]
    [InlineData("""{"resourceType":"Observation","referenceRange":[{"age":{"low":{"value":91}}}]}""")]
    [InlineData("""{"resourceType":"Observation","valueQuantity":{"value":91.5,"system":"http://unitsofmeasure.org","code":"a"},"component":[{"valueQuantity":{"value":91,"unit":"years"}},{"valueQuantity":{"value":1091,"code":"mo"}}]}""")]
    [InlineData("""{"resourceType":"RiskAssessment","prediction":[{"whenRange":{"low":{"value":91}}}]}""")]
    [InlineData("""{"resourceType":"QuestionnaireResponse","item":[{"answer":[{"valueInteger":91},{"valueDecimal":91}]}]}""")]
    [InlineData("""{"resourceType":"Location","position":{"longitude":-71.191,"latitude":42.391}}""")]
    [InlineData("""{"resourceType":"MedicationRequest","dosageInstruction":[{"timing":{"event":["2015-03-09"],"repeat":{"dayOfWeek":["mon91"]}}}]}""")]
    public void SafeHarbor_removes_what_may_be_an_age_a_day_or_a_place(string resource) =>
        Assert.DoesNotContain("91", Engine.Run(Template("SafeHarbor"), resource).Replace("09", "", StringComparison.Ordinal), StringComparison.Ordinal);

    [Fact]
    public void SafeHarbor_blanks_the_ZIP_codes_of_areas_with_few_people()
    {
        // The 17 areas of the census of 2000 in the guidance of HHS, those of 2020, and some where nobody is counted.
        string[] few = ["036", "059", "063", "102", "203", "556", "692", "790", "821", "823", "830", "831", "878", "879", "884", "890", "893", "202", "204", "205", "369", "753", "772", "090", "340", "962"];
        Assert.All(few, area => Assert.Equal("00000-0000", PostalCode(area + "12-3456")));
        Assert.All(["021", "941", "008", "969"], area => Assert.Equal(area + "00-0000", PostalCode(area + "12-3456")));
        Assert.Null(PostalCode("02"));

        static string? PostalCode(string code) => (string?)JsonNode.Parse(Engine.Run(Template("SafeHarbor"),
            $$"""{"resourceType":"Patient","address":[{"city":"Boston","state":"MA","postalCode":"{{code}}"}]}"""))!["address"]![0]!["postalCode"];
    }

    [Fact]
    public void SafeHarbor_keeps_what_research_is_about()
    {
        string observation = """
            {"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"2093-3"}]},"subject":{"reference":"Patient/1","type":"Patient"},
             "effectiveDateTime":"2018","valueQuantity":{"value":268.1,"comparator":"<","system":"http://unitsofmeasure.org","code":"mg/dL"},
             "component":[{"code":{"coding":[{"system":"http://loinc.org","code":"1"}]},"valueInteger":7},{"code":{"coding":[{"system":"http://loinc.org","code":"30525-0"}]},"valueQuantity":{"value":89,"system":"http://unitsofmeasure.org","code":"a"}},{"code":{"coding":[{"system":"http://loinc.org","code":"2"}]},"valueBoolean":true}]}
            """;

        JsonObject result = (JsonObject)JsonNode.Parse(Engine.Run(Template("SafeHarbor"), observation))!;

        Assert.StartsWith("Patient/", (string?)result["subject"]!["reference"], StringComparison.Ordinal);
        result["subject"]!["reference"] = "Patient/1";
        result.Remove("meta");
        JsonText.Equal(observation, result.ToJsonString());
    }

    [Theory]
    [MemberData(nameof(Templates))]
    public void A_template_has_no_rule_that_cannot_apply_and_runs_here(string name) =>
        Assert.DoesNotContain(new AnonymizationEngine().Test(Template(name).Replace("\"cryptoHashKey\": \"k\"", "\"cryptoHashKey\": \"9f3b1c6a2e5d4f8079a1b3c5d7e9f102\"", StringComparison.Ordinal)),
            finding => finding.Severity != AnonymizationConfigSeverity.Information);

    [Fact]
    public void Resources_within_resources_are_treated_alike_and_still_belong_together()
    {
        string result = Engine.Run(Template("SafeHarbor"), """
            {"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"p1","name":[{"family":"Lovelace"}],"gender":"female"}},
             {"resource":{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/p1","display":"Ada Lovelace"},"performer":[{"reference":"#c1"}],
              "contained":[{"resourceType":"Practitioner","id":"c1","name":[{"text":"Dr Lovelace"}],"active":true}]}}]}
            """);

        Assert.DoesNotContain("Lovelace", result, StringComparison.Ordinal);
        JsonNode[] resources = [.. JsonNode.Parse(result)!["entry"]!.AsArray().Select(entry => entry!["resource"]!)];
        Assert.Equal("Patient/" + resources[0]["id"], (string?)resources[1]["subject"]!["reference"]);
        Assert.Equal("#" + resources[1]["contained"]![0]!["id"], (string?)resources[1]["performer"]![0]!["reference"]);
        Assert.Equal(("female", "true"), ((string?)resources[0]["gender"], resources[1]["contained"]![0]!["active"]!.ToJsonString()));
    }

    [Theory]
    [MemberData(nameof(Templates))]
    public void Each_rule_of_a_template_is_explained_in_the_docs(string name)
    {
        string docs = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "docs", "templates.md"));

        Assert.All(new AnonymizationEngine().Parse(Template(name), name).Rules, rule => Assert.Contains($"`{rule.Path}`", docs, StringComparison.Ordinal));
    }

    private static string Template(string name)
    {
        string json = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "templates", name + ".json"));
        return json.Replace("\"cryptoHashKey\": \"\"", "\"cryptoHashKey\": \"k\"", StringComparison.Ordinal);
    }

    /// <param name="Choice">Which type every choice element has, counted around.</param>
    /// <param name="Plants">Whether values of open types that no list names are to be found again; else all are valid and ordinary.</param>
    private sealed record Filling(int Choice, bool Plants);

    private static int Choices(FhirType type, int depth) => depth == 0 ? 1 : Math.Max(
        type.Properties.GroupBy(p => p.Element).Max(element => element.Count()),
        type.Properties.Select(p => p.Type).OfType<FhirType>().Distinct().Where(t => t.Kind == FhirTypeKind.Complex && t.Name != "Extension").Select(t => Choices(t, depth - 1)).DefaultIfEmpty().Max());

    private static string Resource(FhirType type, Filling filling)
    {
        JsonObject resource = Filled(type, depth: 4, filling);
        resource["resourceType"] = type.Name;
        return resource.ToJsonString();
    }

    private static JsonObject Filled(FhirType type, int depth, Filling filling)
    {
        JsonObject filled = [];
        foreach (FhirProperty[] choices in type.Properties.GroupBy(p => p.Element).Select(element => element.ToArray()))
        {
            FhirProperty property = choices[filling.Choice % choices.Length];
            if (property.Type is null || depth <= 0 && !property.IsPrimitive && !property.IsRequired)
                continue;
            if (!filling.Plants && (property.Name is "extension" or "modifierExtension" || (type.Name, property.Name) is ("Reference", "identifier")))
                continue;
            if (!filling.Plants && property.Type.Name == "CodeableConcept")
            {
                JsonObject cc = new() { ["coding"] = new JsonArray(new JsonObject { ["system"] = "x", ["code"] = "y" }) };
                filled[property.ToString()] = property.IsCollection ? new JsonArray(cc) : cc;
                continue;
            }
            JsonNode value = property.IsPrimitive ? Value(type, property, filling) : Filled(property.Type, Math.Max(depth - 1, property.IsRequired ? 1 : 0), filling);
            if (value is JsonObject { Count: 0 })
                continue;
            filled[property.ToString()] = property.IsCollection ? new JsonArray(value) : value;
            if (!filling.Plants || !property.IsPrimitive || property.Name is "id")
                continue;
            JsonObject twin = new() { ["id"] = Planted, ["extension"] = new JsonArray(new JsonObject { ["url"] = Planted, ["valueString"] = Planted }) };
            filled["_" + property] = property.IsCollection ? new JsonArray(twin) : twin;
        }
        return filled;
    }

    private static JsonNode Value(FhirType type, FhirProperty property, Filling filling)
    {
        bool plants = filling.Plants && !Listed.Contains((type.Id, property.Name)) && !Listed.Contains(("", property.Name));
        return property.Type!.Name switch
        {
            "boolean" => true,
            "positiveInt" or "unsignedInt" => 5,
            "integer" or "decimal" => plants ? PlantedNumber : 5,
            "date" => PlantedDate,
            "dateTime" or "instant" => $"{PlantedDate}T{PlantedTime}Z",
            "time" => PlantedTime,
            "code" => "ordinary",
            _ => plants ? Planted : "ordinary",
        };
    }
}
