namespace FhirDeid.Anonymization.Tests;

/// <summary>JSON may write any letter of a property name as an escape: rules must not see another name for it.</summary>
public sealed class EscapedNameTests
{
    [Fact]
    public void A_Quantity_whose_value_has_an_escaped_name_is_perturbed_too()
    {
        string config = """{ "fhirPathRules": [ { "path": "Observation.value", "method": "perturb", "span": 1, "roundTo": 0 } ], "parameters": {} }""";

        string result = Engine.Run(config, """{"resourceType":"Observation","status":"final","code":{"text":"c"},"valueQuantity":{"v\u0061lue":72.123,"unit":"kg"}}""");

        Assert.DoesNotContain("72.123", result, StringComparison.Ordinal);
        Assert.Contains("PERTURBED", result, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"value":89,"comparat\u006fr":">","unit":"a"}""")]
    [InlineData("""{"value":12,"c\u006fde":"decade"}""")]
    [InlineData("""{"v\u0061lue":120,"unit":"a"}""")]
    public void An_age_over_89_goes_however_its_names_are_written(string age)
    {
        string config = Engine.Config(new() { ["enablePartialAgesForRedact"] = true }, ("nodesByType('Age')", "redact"));

        Assert.DoesNotContain("onsetAge", Engine.Run(config, $$"""{"resourceType":"Condition","subject":{"display":"x"},"onsetAge":{{age}}}"""), StringComparison.Ordinal);
    }

    [Fact]
    public void Dates_shift_by_the_id_however_its_name_is_written()
    {
        string config = Engine.Config(new() { ["dateShiftKey"] = "key" }, ("Patient.birthDate", "dateShift"));
        const string Patient = """{"resourceType":"Patient","id":"p1","birthDate":"1980-05-06"}""";

        string result = Engine.Run(config, Patient.Replace("\"id\"", "\"i\\u0064\"", StringComparison.Ordinal));

        Assert.Equal(Engine.Run(config, Patient), result.Replace("\\u0064", "d", StringComparison.Ordinal));
    }
}
