namespace FhirDeid.Anonymization.Tests;

/// <summary>Coverage, previews and differences: what a configuration does, told without running it on all data.</summary>
public sealed class AnalysisTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("fhirdeid").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static string Config(string rules, string parameters = "") => $$"""{ "fhirVersion": "R4", "fhirPathRules": [ {{rules}} ], "parameters": { {{parameters}} } }""";

    private static string Rule(string path, string method) => $$"""{ "path": "{{path}}", "method": "{{method}}" }""";

    private static AnonymizationCoverageElement Element(string config, string path, IEnumerable<string>? samples = null) =>
        new ConfigurationAnalysis().Cover(config, [path.Split('.')[0]], samples, TestContext.Current.CancellationToken).SelectMany(category => category.Elements).First(element => element.Path == path);

    private static AnonymizationConfigDifference Difference(string before, string after) => Assert.Single(new ConfigurationAnalysis().Compare(before, after));

    [Theory]
    [InlineData("Patient.name.family", "A")]
    [InlineData("Patient.address.city", "B")]
    [InlineData("Patient.birthDate", "C")]
    [InlineData("Observation.effective.ofType(Period).start", "C")]
    [InlineData("Condition.onset.ofType(Age).value", "C")]
    [InlineData("Patient.contact.telecom.value", "DEF")]
    [InlineData("Coverage.subscriberId", "I")]
    [InlineData("Device.serialNumber", "M")]
    [InlineData("AuditEvent.agent.network.address", "O")]
    [InlineData("Patient.photo.data", "Q")]
    [InlineData("Patient.id", "R")]
    [InlineData("Observation.subject.reference", "R")]
    [InlineData("Observation.note.text", "A-R")]
    [InlineData("Patient.birthDate.extension", "A-R")]
    public void An_element_has_the_letters_of_what_it_can_hold(string path, string category) =>
        Assert.Equal(category, Element(Config(Rule("Resource", "redact")), path).Category);

    [Theory]
    [InlineData("Patient.name", "redact", "Patient.name.family", AnonymizationEffect.Removed)]
    [InlineData("Patient.name", "keep", "Patient.name.family", AnonymizationEffect.Unchanged)]
    [InlineData("Patient.contact", "redact", "Patient.name.family", AnonymizationEffect.Unchanged)]
    [InlineData("Resource.id", "cryptoHash", "Patient.id", AnonymizationEffect.Hashed)]
    [InlineData("Patient.birthDate", "cryptoHash", "Patient.birthDate", AnonymizationEffect.Removed)]
    [InlineData("Patient", "dateShift", "Patient.birthDate", AnonymizationEffect.Shifted)]
    [InlineData("Patient", "dateShift", "Patient.name.family", AnonymizationEffect.Unchanged)]
    [InlineData("nodesByType('Address')", "redact", "Patient.address.postalCode", AnonymizationEffect.Partial)]
    [InlineData("nodesByType('Address')", "redact", "Patient.address.city", AnonymizationEffect.Removed)]
    [InlineData("Patient.name.where(use = 'official')", "redact", "Patient.name.family", AnonymizationEffect.Unchanged)]
    public void The_effect_is_that_of_the_rule_that_decides(string path, string method, string element, AnonymizationEffect effect)
    {
        string config = Config(Rule(path, method), """ "cryptoHashKey": "k", "dateShiftKey": "k", "enablePartialZipCodesForRedact": true, "restrictedZipCodeTabulationAreas": ["036"] """);

        Assert.Equal(effect, Element(config, element).Effect);
    }

    [Fact]
    public void A_condition_before_a_certain_rule_can_only_lessen_protection()
    {
        AnonymizationCoverageElement element = Element(Config($"{Rule("Patient.name.where(use = 'anonymous')", "keep")}, {Rule("Patient.name", "redact")}"), "Patient.name.family");

        Assert.Equal((AnonymizationEffect.Unchanged, 2), (element.Effect, element.Rule));
        Assert.Equal([1], element.ConditionalRules);
    }

    [Fact]
    public void Nothing_that_can_hold_an_identifier_stays_with_SafeHarbor_and_everything_without_rules()
    {
        string safeHarbor = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "templates", "SafeHarbor.json")).Replace("\"cryptoHashKey\": \"\"", "\"cryptoHashKey\": \"k\"", StringComparison.Ordinal);

        Assert.All(new ConfigurationAnalysis().Cover(safeHarbor, [], null, TestContext.Current.CancellationToken), category => Assert.Equal(0, category.Unchanged));
        Assert.All(new ConfigurationAnalysis().Cover(Config(""), [], null, TestContext.Current.CancellationToken), category => Assert.True(category.Total > 0 && category.Unchanged == category.Total));
    }

    [Fact]
    public void Coverage_says_what_the_engine_does()
    {
        string config = Config($"{Rule("Patient.name.given", "keep")}, {Rule("nodesByType('HumanName')", "redact")}, {Rule("Patient.telecom.value", "cryptoHash")}", "\"cryptoHashKey\": \"k\"");
        string result = Engine.Run(config, """{"resourceType":"Patient","name":[{"family":"f","given":["g"]}],"contact":[{"name":{"family":"f"}}],"telecom":[{"value":"1"}],"address":[{"city":"c"}]}""");

        foreach ((string path, string value) in (ReadOnlySpan<(string, string)>)[("Patient.name.family", "\"f\""), ("Patient.name.given", "\"g\""), ("Patient.telecom.value", "\"1\""), ("Patient.address.city", "\"c\"")])
            Assert.Equal(Element(config, path).Effect == AnonymizationEffect.Unchanged, result.Contains(value, StringComparison.Ordinal));
    }

    [Fact]
    public void Samples_are_counted_and_their_values_go_nowhere()
    {
        string file = Path.Combine(_folder, "Patient.ndjson");
        File.WriteAllText(file, """
            {"resourceType":"Patient","name":[{"family":"Lovelace"},{"family":"Byron"}],"_birthDate":{"extension":[{"url":"u"}]}}

            {"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","name":[{"family":"King"}],"unknown":1}}]}
            """);
        IReadOnlyList<AnonymizationCoverage> coverage = new ConfigurationAnalysis().Cover(Config(""), ["Patient"], [file], TestContext.Current.CancellationToken);

        Assert.Equal(3, coverage[0].FoundUnchanged);
        Assert.Equal(1, coverage[^1].Elements.Single(element => element.Path == "Patient.birthDate.extension").Found);
        Assert.Equal(0, coverage[0].Elements.Single(element => element.Path == "Patient.contact.name.family").Found);
        Assert.DoesNotContain("Lovelace", System.Text.Json.JsonSerializer.Serialize(coverage), StringComparison.Ordinal);
    }

    [Fact]
    public void A_sample_that_is_not_JSON_is_named_with_its_line_and_without_its_text()
    {
        string file = Path.Combine(_folder, "Patient.ndjson");
        File.WriteAllText(file, "{\"resourceType\":\"Patient\"}\nLovelace");

        FhirDeidException error = Assert.Throws<FhirDeidException>(() => new ConfigurationAnalysis().Cover(Config(""), [], [file], TestContext.Current.CancellationToken));

        Assert.Contains("Line 2", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Lovelace", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_order_of_rules_that_do_the_same_is_no_difference() =>
        Assert.Empty(new ConfigurationAnalysis().Compare(Config($"{Rule("Patient.name", "redact")}, {Rule("Patient.gender", "redact")}"), Config($"{Rule("Patient.gender", "redact")}, {Rule("Patient.name.family | Patient.name", "redact")}")));

    [Fact]
    public void A_rule_that_goes_is_one_weaker_data_type_with_its_places()
    {
        AnonymizationConfigDifference difference = Difference(Config($"{Rule("nodesByType('HumanName')", "redact")}, {Rule("Patient.id", "redact")}"), Config(Rule("Patient.id", "redact")));

        Assert.Equal((AnonymizationConfigChange.Weaker, "HumanName", "redact", "unchanged"), (difference.Change, difference.Element, difference.Before, difference.After));
        Assert.Contains("Patient.contact.name", difference.Paths);
        Assert.Equal(difference.Paths.Length, difference.Count);
    }

    [Theory]
    [InlineData("redact", "cryptoHash", AnonymizationConfigChange.Weaker)]
    [InlineData("encrypt", "cryptoHash", AnonymizationConfigChange.Stronger)]
    [InlineData("keep", "redact", AnonymizationConfigChange.Stronger)]
    public void Methods_are_compared_by_what_they_leave(string before, string after, AnonymizationConfigChange change)
    {
        const string Keys = "\"cryptoHashKey\": \"k\", \"encryptKey\": \"7c1f0b9e5a3d8264\"";

        Assert.Equal(change, Difference(Config(Rule("Patient.name.family", before), Keys), Config(Rule("Patient.name.family", after), Keys)).Change);
    }

    [Fact]
    public void A_condition_added_is_a_change_and_another_key_too_and_no_key_is_shown()
    {
        Assert.Equal(AnonymizationConfigChange.Stronger, Difference(Config(Rule("Patient.id", "redact")), Config($"{Rule("Patient.id", "redact")}, {Rule("Patient.gender.where($this = 'other')", "redact")}")).Change);
        AnonymizationConfigDifference key = Difference(Config(Rule("Patient.id", "cryptoHash"), "\"cryptoHashKey\": \"secret-a\""), Config(Rule("Patient.id", "cryptoHash"), "\"cryptoHashKey\": \"secret-b\""));
        Assert.Equal(("parameters.cryptoHashKey", AnonymizationConfigChange.Different), (key.Element, key.Change));
        Assert.DoesNotContain("secret-", System.Text.Json.JsonSerializer.Serialize(key), StringComparison.Ordinal);
    }

    [Fact]
    public void A_preview_tells_each_change_with_its_rule_and_the_rules_that_matched_nothing()
    {
        using IResourcePreview preview = new ConfigurationAnalysis().Preview(Config(
            $"{Rule("Patient.name.where(use = 'usual').given", "keep")}, {Rule("Patient.name", "redact")}, {Rule("Patient.id", "cryptoHash")}, {Rule("Observation.note", "redact")}", "\"cryptoHashKey\": \"k\""));

        IReadOnlyList<FhirElementChange> changes = preview.Compare("""{"resourceType":"Patient","id":"p1","name":[{"use":"usual","given":["Ada"]},{"family":"Lovelace"}],"gender":"female"}""");

        Assert.Equal(["Patient.id", "Patient.name[0].use", "Patient.name[1].family"], changes.Select(change => change.Path));
        Assert.Equal([(3, "cryptoHash", "p1"), (2, "redact", "usual"), (2, "redact", "Lovelace")], changes.Select(change => (change.Rule, change.Method, change.Before)));
        Assert.Equal(64, changes[0].After!.Length);
        Assert.Null(changes[2].After);
        Assert.All(changes, change => Assert.Equal(("Patient", "p1"), (change.ResourceType, change.ResourceId)));
        Assert.Equal([(1L, 0L), (2L, 2L), (1L, 1L), (0L, 0L)], preview.Rules.Select(rule => (rule.Matched, rule.Changed)));
    }

    [Fact]
    public void A_preview_enters_bundles_and_shows_whole_replacements()
    {
        using IResourcePreview preview = new ConfigurationAnalysis().Preview("""{ "fhirPathRules": [ { "path": "Patient.name", "method": "substitute", "replaceWith": { "text": "x" } } ] }""");

        IReadOnlyList<FhirElementChange> changes = preview.Compare("""{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","name":[{"family":"Lovelace"}]}}]}""");

        Assert.Contains(changes, change => change.Path.StartsWith("Bundle.entry[0].resource.name[0]", StringComparison.Ordinal) && change.Rule == 1);
        Assert.DoesNotContain("Lovelace", string.Concat(changes.Select(change => change.After)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_resource_that_is_none_is_an_error_and_the_next_one_has_its_turn()
    {
        using IResourcePreview preview = new ConfigurationAnalysis().Preview(Config(Rule("Patient.gender", "redact")));

        Assert.ThrowsAny<FhirDeidException>(() => preview.Compare("{}"));
        Assert.Single(preview.Compare("""{"resourceType":"Patient","gender":"female"}"""));
    }
}
