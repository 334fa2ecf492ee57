using System.IO.Compression;
using System.Text;

namespace FhirDeid.Anonymization.Tests;

/// <summary>Coverage, previews and differences: what a configuration does, told without running it on all data.</summary>
public sealed class AnalysisTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("fhirdeid").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static string Config(string rules, string parameters = "") => $$"""{ "fhirVersion": "R4", "fhirPathRules": [ {{rules}} ], "parameters": { {{parameters}} } }""";

    private static string Rule(string path, string method) => $$"""{ "path": "{{path}}", "method": "{{method}}" }""";

    private static async Task<AnonymizationCoverageElement> Element(string config, string path) =>
        (await Cover(config, path.Split('.')[0])).SelectMany(category => category.Elements).First(element => element.Path == path);

    private static Task<IReadOnlyList<AnonymizationCoverage>> Cover(string config, string? resourceType = null, string[]? samples = null) =>
        new ConfigurationAnalysis().CoverAsync(config, resourceType is null ? [] : [resourceType], samples, TestContext.Current.CancellationToken);

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
    public async Task An_element_has_the_letters_of_what_it_can_hold(string path, string category) =>
        Assert.Equal(category, (await Element(Config(Rule("Resource", "redact")), path)).Category);

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
    public async Task The_effect_is_that_of_the_rule_that_decides(string path, string method, string element, AnonymizationEffect effect)
    {
        string config = Config(Rule(path, method), """ "cryptoHashKey": "k", "dateShiftKey": "k", "enablePartialZipCodesForRedact": true, "restrictedZipCodeTabulationAreas": ["036"] """);

        Assert.Equal(effect, (await Element(config, element)).Effect);
    }

    [Fact]
    public async Task A_condition_before_a_certain_rule_can_only_lessen_protection()
    {
        AnonymizationCoverageElement element = await Element(Config($"{Rule("Patient.name.where(use = 'anonymous')", "keep")}, {Rule("Patient.name", "redact")}"), "Patient.name.family");

        Assert.Equal((AnonymizationEffect.Unchanged, 2), (element.Effect, element.Rule));
        Assert.Equal([1], element.ConditionalRules);
    }

    [Fact]
    public async Task Nothing_that_can_hold_an_identifier_stays_with_SafeHarbor_and_everything_without_rules()
    {
        string safeHarbor = (await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "templates", "SafeHarbor.json"), TestContext.Current.CancellationToken)).Replace("\"cryptoHashKey\": \"\"", "\"cryptoHashKey\": \"k\"", StringComparison.Ordinal);

        Assert.All(await Cover(safeHarbor), category => Assert.Equal(0, category.Unchanged));
        Assert.All(await Cover(Config("")), category => Assert.True(category.Total > 0 && category.Unchanged == category.Total));
    }

    [Fact]
    public async Task Coverage_says_what_the_engine_does()
    {
        string config = Config($"{Rule("Patient.name.given", "keep")}, {Rule("nodesByType('HumanName')", "redact")}, {Rule("Patient.telecom.value", "cryptoHash")}", "\"cryptoHashKey\": \"k\"");
        string result = Engine.Run(config, """{"resourceType":"Patient","name":[{"family":"f","given":["g"]}],"contact":[{"name":{"family":"f"}}],"telecom":[{"value":"1"}],"address":[{"city":"c"}]}""");

        foreach ((string path, string value) in ((string, string)[])[("Patient.name.family", "\"f\""), ("Patient.name.given", "\"g\""), ("Patient.telecom.value", "\"1\""), ("Patient.address.city", "\"c\"")])
            Assert.Equal((await Element(config, path)).Effect == AnonymizationEffect.Unchanged, result.Contains(value, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Samples_are_counted_and_their_values_go_nowhere()
    {
        string file = Path.Combine(_folder, "Patient.ndjson");
        await File.WriteAllTextAsync(file, """
            {"resourceType":"Patient","name":[{"family":"Lovelace"},{"family":"Byron"}],"_birthDate":{"extension":[{"url":"u"}]}}

            {"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","name":[{"family":"King"}],"unknown":1}}]}
            """, TestContext.Current.CancellationToken);
        IReadOnlyList<AnonymizationCoverage> coverage = await Cover(Config(""), "Patient", [file]);

        Assert.Equal(3, coverage[0].FoundUnchanged);
        Assert.Equal(1, coverage[^1].Elements.Single(element => element.Path == "Patient.birthDate.extension").Found);
        Assert.Equal(0, coverage[0].Elements.Single(element => element.Path == "Patient.contact.name.family").Found);
        Assert.DoesNotContain("Lovelace", System.Text.Json.JsonSerializer.Serialize(coverage), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Words_where_a_code_or_a_system_belongs_are_listed_where_a_sample_has_them()
    {
        string file = Path.Combine(_folder, "Condition.ndjson");
        await File.WriteAllTextAsync(file, """
            {"resourceType":"Condition","code":{"coding":[{"system":"http://loinc.org","code":"a-1"},{"system":"the ward of Dr. Byron","code":"Ada Lovelace, ward 7"}]},"subject":{"type":"Patient"}}
            {"resourceType":"Condition","code":{"coding":[{"code":" b "},{"code":"Ada King"}]}}
            """, TestContext.Current.CancellationToken);

        IReadOnlyList<AnonymizationCoverage> coverage = await Cover(Config(Rule("nodesByType('uri')", "redact")), "Condition", [file]);

        Assert.Equal([("Condition.code.coding.system", 1L, AnonymizationEffect.Removed), ("Condition.code.coding.code", 2L, AnonymizationEffect.Unchanged)],
            coverage[^1].Elements.Where(element => element.Type is "code" or "uri").Select(element => (element.Path, element.Found!.Value, element.Effect)));
        Assert.Equal(2, coverage[^1].FoundUnchanged);
        Assert.DoesNotContain((await Cover(Config(""), "Condition"))[^1].Elements, element => element.Type is "code" or "uri");
    }

    [Fact]
    public async Task A_sample_that_is_not_JSON_is_named_with_its_line_and_without_its_text()
    {
        string file = Path.Combine(_folder, "Patient.ndjson");
        await File.WriteAllTextAsync(file, "{\"resourceType\":\"Patient\"}\nLovelace", TestContext.Current.CancellationToken);

        FhirDeidException error = await Assert.ThrowsAsync<FhirDeidException>(() => Cover(Config(""), null, [file]));

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

        Assert.Equal(["Patient.id", "Patient.name[0].use", "Patient.name[1].family", "Patient.meta.security[0]", "Patient.meta.security[1]"], changes.Select(change => change.Path));
        Assert.Equal([(3, "cryptoHash", "p1"), (2, "redact", "usual"), (2, "redact", "Lovelace"), (0, "", null), (0, "", null)], changes.Select(change => (change.Rule, change.Method, change.Before)));
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
        Assert.Equal(["Patient.gender", "Patient.meta.security[0]"], preview.Compare("""{"resourceType":"Patient","gender":"female"}""").Select(change => change.Path));
    }

    [Fact]
    public void A_preview_shows_the_labels_behind_those_that_are_there()
    {
        using IResourcePreview preview = new ConfigurationAnalysis().Preview(Config($"{Rule("Patient.gender", "redact")}, {Rule("Patient.id", "cryptoHash")}", "\"cryptoHashKey\": \"k\""));

        IReadOnlyList<FhirElementChange> changes = preview.Compare(
            """{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"p","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"REDACTED"}]},"gender":"female"}}]}""");

        FhirElementChange label = Assert.Single(changes, change => change.Path.Contains("entry[0].resource.meta", StringComparison.Ordinal));
        Assert.Equal(("Bundle.entry[0].resource.meta.security[1]", 0, null), (label.Path, label.Rule, label.Before));
        Assert.Contains("CRYTOHASH", label.After, StringComparison.Ordinal);
        Assert.Equal(2, changes.Count(change => change.Path.StartsWith("Bundle.meta.security[", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("Patient.birthDate", "2000-01-01", "\"_birthDate\":{\"id\":\"b\"}", "Patient.birthDate", "2000-01-01")]
    [InlineData("Patient.name.given", "x", "\"name\":[{\"_given\":[{\"id\":\"g\"}]}]", "Patient.name[0].given", "[\"x\"]")]
    [InlineData("Patient.name.where(use = 'usual').given", "x", "\"name\":[{\"use\":\"usual\",\"given\":[\"x\",null],\"_given\":[null,{\"id\":\"g\"}]}]", "Patient.name[0].given[1]", "x")]
    public void A_preview_shows_values_that_a_substitute_gives_to_elements_without_one(string path, string value, string element, string place, string after)
    {
        using IResourcePreview preview = new ConfigurationAnalysis().Preview($$"""{ "fhirPathRules": [ { "path": "{{path}}", "method": "substitute", "replaceWith": "{{value}}" } ] }""");

        FhirElementChange change = Assert.Single(preview.Compare($$"""{"resourceType":"Patient",{{element}}}"""), change => change.Before is null && !change.Path.Contains("meta", StringComparison.Ordinal));

        Assert.Equal((place, 1, "substitute", after), (change.Path, change.Rule, change.Method, change.After));
    }

    [Fact]
    public void Half_a_surrogate_pair_is_refused_by_a_preview_as_by_the_engine()
    {
        using IResourcePreview preview = new ConfigurationAnalysis().Preview(Config(Rule("Patient.gender", "redact")));

        foreach (string half in (string[])["\ud800", "\\ud800"])
        {
            FhirDeidException error = Assert.Throws<FhirDeidException>(() => preview.Compare($$"""{"resourceType":"Patient","name":[{"text":"Lovelace {{half}}"}]}"""));
            Assert.Equal("FhirDeid.ResourceInvalid", error.ErrorId);
            Assert.DoesNotContain("Lovelace", error.ToString(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(500, true)]
    [InlineData(520, false)]
    [InlineData(2_000, false)]
    public void A_preview_shows_512_levels_and_refuses_more(int depth, bool isShown)
    {
        string deep = string.Concat(Enumerable.Repeat("""{"url":"u","extension":[""", depth)) + """{"url":"u","valueString":"Lovelace"}""" + string.Concat(Enumerable.Repeat("]}", depth));
        string resource = $$"""{"resourceType":"Patient","extension":[{{deep}}]}""";
        using IResourcePreview preview = new ConfigurationAnalysis().Preview(Config(Rule("nodesByType('string')", "redact")));

        if (isShown)
        {
            Assert.Contains(preview.Compare(resource), change => change.Before == "Lovelace");
            return;
        }
        FhirDeidException error = Assert.Throws<FhirDeidException>(() => preview.Compare(resource));
        Assert.Equal("FhirDeid.ResourceInvalid", error.ErrorId);
        Assert.Contains("512", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"resourceType":"Nope","name":"Lovelace"}""")]
    [InlineData("""{"name":"Lovelace"}""")]
    [InlineData("""["Lovelace"]""")]
    public async Task Coverage_refuses_samples_that_are_no_resources_of_R4(string text)
    {
        string file = Path.Combine(_folder, "foreign.ndjson");
        await File.WriteAllTextAsync(file, "\n" + text, TestContext.Current.CancellationToken);

        FhirDeidException error = await Assert.ThrowsAsync<FhirDeidException>(() => Cover(Config(""), null, [file]));

        Assert.Equal("FhirDeid.ResourceInvalid", error.ErrorId);
        Assert.StartsWith("Line 2 of ", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Lovelace", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Coverage_refuses_samples_that_are_missing_or_cut_off_and_counts_packed_ones()
    {
        using MemoryStream memory = new();
        await using (GZipStream gzip = new(memory, CompressionLevel.Fastest, leaveOpen: true))
            await gzip.WriteAsync(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 300).Select(i => $$"""{"resourceType":"Patient","id":"{{i * 7919}}","name":[{"family":"Lovelace"}]}""" + "\n"))), TestContext.Current.CancellationToken);
        string file = Path.Combine(_folder, "Patient.ndjson.gz");

        await File.WriteAllBytesAsync(file, memory.ToArray(), TestContext.Current.CancellationToken);
        Assert.Equal(300, (await Cover(Config(""), "Patient", [file]))[0].FoundUnchanged);

        await File.WriteAllBytesAsync(file, memory.ToArray()[..^40], TestContext.Current.CancellationToken);
        Assert.Equal("FhirDeid.FileNotWhole", (await Assert.ThrowsAsync<FhirDeidException>(() => Cover(Config(""), "Patient", [file]))).ErrorId);
        Assert.Equal("FhirDeid.FileUnreadable", (await Assert.ThrowsAsync<FhirDeidException>(() => Cover(Config(""), "Patient", [file + "x"]))).ErrorId);
    }

    /// <summary>Lines longer than the reader's buffer, line ends within and at its borders, byte order mark, blank lines, no last line end: the lines are those that the engine numbers.</summary>
    [Fact]
    public async Task Samples_are_read_as_the_engine_reads_them()
    {
        string file = Path.Combine(_folder, "lines.ndjson");
        int[] lengths = [1, 70_000, 0, 65_535, 3, 65_536, 200_000, 65_534, 0];
        await File.WriteAllTextAsync(file, "\ufeff" + string.Join("\r\n", lengths.Select(length => new string('x', length))), TestContext.Current.CancellationToken);

        List<(long, int)> read = [];
        await foreach (FhirResourceText resource in new ConfigurationAnalysis().ReadAsync(file, TestContext.Current.CancellationToken))
        {
            Assert.Equal(file, resource.Path);
            Assert.True(resource.Json.Span.IndexOfAnyExcept((byte)'x') < 0);
            read.Add((resource.Line, resource.Json.Length));
        }

        Assert.Equal(lengths.Select((length, index) => (index + 1L, length)).Where(line => line.length > 0), read);
    }
}
