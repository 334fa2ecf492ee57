namespace FhirDeid.Anonymization.Tests;

/// <summary>What a configuration leaves on every resource: what is found without it was not de-identified by it.</summary>
public sealed class MarkTests
{
    [Theory]
    [InlineData("""{"path":"Resource.id","method":"cryptoHash"}""", FhirResourceMark.HashedId, FhirResourceMark.HashedId)]
    [InlineData("""{"path":"Patient.id","method":"cryptoHash"}""", FhirResourceMark.HashedId, FhirResourceMark.None)]
    [InlineData("""{"path":"nodesByType('id')","method":"cryptoHash"}""", FhirResourceMark.HashedId, FhirResourceMark.HashedId)]
    [InlineData("""{"path":"Observation.id","method":"keep"},{"path":"Resource.id","method":"cryptoHash"}""", FhirResourceMark.HashedId, FhirResourceMark.None)]
    [InlineData("""{"path":"Patient","method":"redact"}""", FhirResourceMark.Label, FhirResourceMark.None)]
    [InlineData("""{"path":"nodesByType('HumanName')","method":"redact"}""", FhirResourceMark.None, FhirResourceMark.None)]
    [InlineData("""{"path":"Patient.where(active = true).id","method":"keep"},{"path":"Resource.id","method":"cryptoHash"}""", FhirResourceMark.None, FhirResourceMark.HashedId)]
    [InlineData("""{"path":"Resource.id","method":"cryptoHash"},{"path":"Patient.where(active = true).name","method":"redact"}""", FhirResourceMark.HashedId, FhirResourceMark.HashedId)]
    public void The_rule_that_decides_the_id_says_what_every_resource_bears(string rules, FhirResourceMark patient, FhirResourceMark observation)
    {
        string json = $$$"""{"fhirPathRules":[{{{rules}}}],"parameters":{"cryptoHashKey":"k","dateShiftKey":"k"}}""";

        IReadOnlyDictionary<string, FhirResourceMark> marks = new AnonymizationEngine().Marks(json, ["Patient", "Observation", "Nonsense"]);

        Assert.Equal((patient, observation), (marks.GetValueOrDefault("Patient"), marks.GetValueOrDefault("Observation")));
        Assert.False(marks.ContainsKey("Nonsense"));
    }

    [Fact]
    public void A_configuration_that_is_none_promises_nothing() =>
        Assert.All(new AnonymizationEngine().Marks("x", ["Patient"]).Values, mark => Assert.Equal(FhirResourceMark.None, mark));
}
