using FhirDeid.Anonymization.Authoring;

namespace FhirDeid.Anonymization.Tests;

public sealed class AuthoringTests
{
    private const string File = """
        {
          // who wrote it
          "fhirVersion": "R4", "x-note": { "kept": true },
          "fhirPathRules": [
            // names
            { "path": "Patient.name", "method": "redact" }, // all of them
            /* a, list: [ */
            { "path": "Patient.address", "method": "redact" },

            // the rest
            { "path": "Resource", "method": "keep" }
          ],
          "Parameters": {
            "enablePartialDatesForRedact": false,
          }
        }
        """;

    private const string Rule = """{ "path": "Patient.photo", "method": "redact" }""";

    private readonly AnonymizationAuthoring _authoring = new();

    private static AnonymizationConfig Config(string json = File) => new AnonymizationEngine().Parse(json, "study");

    private static string[] Paths(AnonymizationConfig config) => [.. config.Rules.Select(rule => rule.Path)];

    [Theory]
    [InlineData(1, "Patient.photo", "Patient.name", "Patient.address", "Resource")]
    [InlineData(2, "Patient.name", "Patient.photo", "Patient.address", "Resource")]
    [InlineData(3, "Patient.name", "Patient.address", "Patient.photo", "Resource")]
    [InlineData(4, "Patient.name", "Patient.address", "Resource", "Patient.photo")]
    public void A_rule_gets_the_number_that_is_asked_for_and_all_else_stays(int number, params string[] paths)
    {
        AnonymizationConfig config = _authoring.InsertRule(Config(), Rule, number);

        Assert.Equal(paths, Paths(config));
        Assert.Equal("study", config.Name);
        string[] lines = config.ToJson().Split('\n');
        Assert.Single(lines, line => line.Trim().TrimEnd(',') == Rule && line.StartsWith("    {", StringComparison.Ordinal));
        Assert.Equal(File.Split('\n').Select(line => line.TrimEnd(',')), lines.Where(line => !line.Contains("photo", StringComparison.Ordinal)).Select(line => line.TrimEnd(',')));
    }

    [Fact]
    public void A_rule_comes_before_the_comment_of_the_one_that_it_is_put_before()
    {
        string json = _authoring.InsertRule(Config(), Rule, 3).ToJson();

        Assert.Contains($"    {Rule},\n    // the rest\n    {{ \"path\": \"Resource\"", json, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"fhirPathRules":[]}""")]
    [InlineData("""{"fhirPathRules":[ // none yet""" + "\n]}")]
    [InlineData("""{"fhirPathRules":[{"path":"Patient.name","method":"redact"}]}""")]
    [InlineData("""{"fhirPathRules":[{"path":"Patient.name","method":"redact"},]}""")]
    [InlineData("\uFEFF{\r\n\t\"fhirPathRules\" : [\r\n\t\t{\"path\":\"Patient.name\",\"method\":\"redact\"} /* , */ , // ]\r\n\t]\r\n}")]
    public void Files_of_any_layout_take_rules_and_parameters_and_give_them_back(string json)
    {
        AnonymizationConfig before = Config(json);

        AnonymizationConfig config = _authoring.InsertRule(before, Rule, before.Rules.Length + 1);
        Assert.Equal([.. Paths(before), "Patient.photo"], Paths(config));

        config = _authoring.SetParameters(config, new Dictionary<string, string> { ["enablePartialAgesForRedact"] = "true" });
        Assert.True(config.Parameters.EnablePartialAgesForRedact);

        config = _authoring.RemoveRules(config, [config.Rules.Length]);
        Assert.Equal(Paths(before), Paths(config));
        Assert.Empty(_authoring.RemoveRules(config, [1, 2]).Rules);
    }

    [Fact]
    public void The_last_rule_keeps_the_comment_at_its_end()
    {
        const string json = "{\n  \"fhirPathRules\": [\n    { \"path\": \"Patient.name\", \"method\": \"redact\" } // names\n  ]\n}";

        Assert.Contains($"}}, // names\n    {Rule}\n  ]", _authoring.InsertRule(Config(json), Rule, 2).ToJson(), StringComparison.Ordinal);
        Assert.Contains($"}}, // names\n    {Rule},\n  ]", _authoring.InsertRule(Config(json.Replace("} // ", "}, // ", StringComparison.Ordinal)), Rule, 2).ToJson(), StringComparison.Ordinal);
    }

    [Fact]
    public void Rules_are_removed_by_number()
    {
        Assert.Equal(["Patient.address"], Paths(_authoring.RemoveRules(Config(), [3, 1])));
        Assert.Contains("// all of them", _authoring.RemoveRules(Config(), [1]).ToJson(), StringComparison.Ordinal);
        Assert.DoesNotContain(",\n\n    // the rest\n  ]", _authoring.RemoveRules(Config(), [3]).ToJson(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_parameter_is_set_whatever_the_case_of_its_name()
    {
        AnonymizationConfig config = _authoring.SetParameters(Config(), new Dictionary<string, string> { ["EnablePartialDatesForRedact"] = "true", ["cryptoHashKey"] = "\"key\"" });

        Assert.True(config.Parameters is { EnablePartialDatesForRedact: true, HasCryptoHashKey: true });
        Assert.Contains("\"enablePartialDatesForRedact\": true,", config.ToJson(), StringComparison.Ordinal);
        Assert.Single(config.ToJson().Split('\n'), line => line == "    \"cryptoHashKey\": \"key\",");
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("[]")]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("""{"fhirPathRules":17}""")]
    public void What_is_no_configuration_is_refused(string json) => Assert.Equal("FhirDeid.ConfigInvalid",
        Assert.Throws<FhirDeidException>(() => _authoring.InsertRule(new AnonymizationConfig(json), """{"method":"redact"}""", 1)).ErrorId);

    [Fact]
    public void A_rule_that_the_service_would_refuse_is_refused()
    {
        Assert.Equal("FhirDeid.ConfigInvalid", Assert.Throws<FhirDeidException>(() => _authoring.InsertRule(Config(), """{ "path": "Patient.name", "method": "redakt" }""", 1)).ErrorId);
        Assert.Equal("FhirDeid.KeyMissing", Assert.Throws<FhirDeidException>(() => _authoring.InsertRule(Config(), """{ "path": "Resource.id", "method": "cryptoHash" }""", 1)).ErrorId);
    }

    [Theory]
    [InlineData("Patient.na", "Patient.name")]
    [InlineData("patien", "Patient")]
    [InlineData("Patient.name.fam", "Patient.name.family")]
    [InlineData("Patient.contact.name.giv", "Patient.contact.name.given")]
    [InlineData("nodesByType('HumanN", "nodesByType('HumanName')")]
    [InlineData("nodesByType(\"HumanN", "nodesByType(\"HumanName\")")]
    [InlineData("nodesByType('HumanName').fam", "nodesByType('HumanName').family")]
    [InlineData("nodesByName('abatem", "nodesByName('abatement')")]
    [InlineData("nodesByT", "nodesByType('")]
    [InlineData("Observation.value.ofType(Quan", "Observation.value.ofType(Quantity)")]
    [InlineData("Observation.value.ofType(Quantity).uni", "Observation.value.ofType(Quantity).unit")]
    [InlineData("Patient.name | Patient.addr", "Patient.name | Patient.address")]
    [InlineData("Resource.impl", "Resource.implicitRules")]
    [InlineData("Bundle.entry.resource.x")]
    [InlineData("Patient.nonsense.x")]
    [InlineData("Patient.where(active).na")]
    public void A_path_goes_on_as_R4_knows_it(string beginning, params string[] paths) => Assert.Equal(paths, _authoring.CompletePath(beginning));

    [Fact]
    public void A_search_offers_all_types_and_all_names()
    {
        Assert.Contains("nodesByType('base64Binary')", _authoring.CompletePath("nodesByType('"));
        Assert.Contains("nodesByName('birthDate')", _authoring.CompletePath("nodesByName('"));
        Assert.Contains("Patient", _authoring.CompletePath(""));
        Assert.Contains("Observation.value.ofType(Quantity)", _authoring.CompletePath("Observation.value."));
    }

    [Theory]
    [InlineData("Patient.birthDate", "dateShift", true)]
    [InlineData("Patient.name.family", "dateShift", false)]
    [InlineData("Patient.active", "cryptoHash", false)]
    [InlineData("Resource.id", "cryptoHash", true)]
    [InlineData("nodesByType('decimal')", "perturb", true)]
    [InlineData("Patient.name", "perturb", true)]
    [InlineData("Patient.name", "generalize", false)]
    [InlineData("Patient.where(active).birthDate", "dateShift", true)]
    public void Methods_are_those_that_act_on_the_path(string path, string method, bool acts) => Assert.Equal(acts, _authoring.MethodsFor(path).Contains(method));
}
