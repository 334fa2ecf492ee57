using System.Buffers;
using System.Text;

namespace FhirDeid.Anonymization.Tests;

public sealed class InvalidResourceTests
{
    private static readonly string Config = Engine.Config(null, ("Patient.name", "redact"));

    [Theory]
    [InlineData("""{"resourceType":"Patient","id":""")]
    [InlineData("""[{"resourceType":"Patient"}]""")]
    [InlineData("""{"id":"x"}""")]
    [InlineData("""{"resourceType":"Nope"}""")]
    [InlineData("""{"resourceType":"HumanName"}""")]
    [InlineData("""{"resourceType":"Patient","nickname":"Secret"}""")]
    [InlineData("""{"resourceType":"Patient","_name":[{"id":"Secret"}]}""")]
    [InlineData("""{"resourceType":"Patient","valueString":"Secret"}""")]
    [InlineData("""{"resourceType":"Patient","gender":"male","gender":"Secret"}""")]
    [InlineData("""{"resourceType":"Patient","deceasedBoolean":true,"deceasedDateTime":"2015"}""")]
    [InlineData("""{"resourceType":"Patient","deceasedBoolean":true,"_deceasedDateTime":{"id":"Secret"}}""")]
    [InlineData("""{"resourceType":"Patient","birthDate":"2015-02-30"}""")]
    [InlineData("""{"resourceType":"Patient","birthDate":"0000"}""")]
    [InlineData("""{"resourceType":"Patient","birthDate":"2015-02-03T10:00:00Z"}""")]
    [InlineData("""{"resourceType":"Patient","deceasedDateTime":"2015-02-03T24:00:00Z"}""")]
    [InlineData("""{"resourceType":"Patient","deceasedDateTime":"2015-02-03T23:59:60Z"}""")]
    [InlineData("""{"resourceType":"Patient","multipleBirthInteger":2.5}""")]
    [InlineData("""{"resourceType":"Patient","multipleBirthInteger":3000000000}""")]
    [InlineData("""{"resourceType":"Patient","active":"Secret"}""")]
    [InlineData("""{"resourceType":"Patient","active":1}""")]
    [InlineData("""{"resourceType":"Patient","gender":["male"]}""")]
    [InlineData("""{"resourceType":"Patient","gender":{"x":"Secret"}}""")]
    [InlineData("""{"resourceType":"Patient","gender":7}""")]
    [InlineData("""{"resourceType":"Patient","name":"Secret"}""")]
    [InlineData("""{"resourceType":"Patient","name":["Secret"]}""")]
    [InlineData("""{"resourceType":"Patient","name":[[{"text":"Secret"}]]}""")]
    [InlineData("""{"resourceType":"Patient","name":[{"given":[{"text":"Secret"}]}]}""")]
    [InlineData("""{"resourceType":"Patient","contained":["Secret"]}""")]
    [InlineData("""{"resourceType":"Patient","contained":[{"id":"Secret"}]}""")]
    [InlineData("""{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Nope"}}]}""")]
    [InlineData("""{"resourceType":"Observation","status":"final","code":{"text":"c"},"valueQuantity":{"value":123456789012345678901234567890.5}}""")]
    [InlineData("""{"resourceType":"Patient","name":[{"text":"Secret \ud800"}]}""")]
    public void What_R4_does_not_know_is_an_error_that_quotes_nothing(string resource)
    {
        using Anonymizer anonymizer = Anonymizer.Create(Config);
        ArrayBufferWriter<byte> output = new();

        FhirDeidException error = Assert.Throws<ResourceFailedException>(() => anonymizer.Anonymize(Encoding.UTF8.GetBytes(resource), output));

        Assert.Equal("FhirDeid.ResourceInvalid", error.ErrorId);
        Assert.DoesNotContain("Secret", error.ToString(), StringComparison.Ordinal);
        Assert.Equal(0, output.WrittenCount);
    }

    [Fact]
    public void Invalid_UTF8_is_an_error()
    {
        using Anonymizer anonymizer = Anonymizer.Create(Config);

        FhirDeidException error = Assert.Throws<ResourceFailedException>(() =>
            anonymizer.Anonymize([.. "{\"resourceType\":\"Patient\",\"gender\":\""u8, 0xFF, .. "\"}"u8], new ArrayBufferWriter<byte>()));

        Assert.Equal("FhirDeid.ResourceInvalid", error.ErrorId);
    }

    [Fact]
    public void An_engine_goes_on_after_a_failure()
    {
        using Anonymizer anonymizer = Anonymizer.Create(Config, null, Engine.Clock);
        Assert.Throws<ResourceFailedException>(() => Engine.Run(anonymizer, """{"resourceType":"Patient","name":[{"text":"x"}],"entry":[]}"""));

        JsonText.Equal("""{"resourceType":"Patient","gender":"male"}""", Engine.Run(anonymizer, """{"resourceType":"Patient","gender":"male"}"""));
    }

    [Theory]
    [InlineData(2_000)]
    [InlineData(5_000)]
    public void Deep_nesting_is_no_recursion(int depth)
    {
        string deep = string.Concat(Enumerable.Repeat("""{"url":"u","extension":[""", depth)) + """{"url":"u","valueString":"x"}""" + string.Concat(Enumerable.Repeat("]}", depth));

        string result = Engine.Run(Engine.Config(null, ("Patient.gender", "redact")), $$"""{"resourceType":"Patient","gender":"male","extension":[{{deep}}]}""");

        Assert.Contains(deep, result, StringComparison.Ordinal);
        Assert.DoesNotContain("gender", result, StringComparison.Ordinal);
    }
}
