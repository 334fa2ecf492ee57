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

    /// <summary>A NUL between tokens, in a string and at the end; half of a surrogate pair as bytes; an overlong byte; numbers past every range; text cut off within a character and within an escape.</summary>
    [Theory]
    [InlineData("7B 22 72 65 73 6F 75 72 63 65 54 79 70 65 22 3A 00 22 50 61 74 69 65 6E 74 22 7D")]
    [InlineData("7B 22 72 65 73 6F 75 72 63 65 54 79 70 65 22 3A 22 50 61 74 69 65 6E 74 22 2C 22 69 64 22 3A 22 00 22 7D")]
    [InlineData("7B 22 72 65 73 6F 75 72 63 65 54 79 70 65 22 3A 22 50 61 74 69 65 6E 74 22 7D 00")]
    [InlineData("7B 22 72 65 73 6F 75 72 63 65 54 79 70 65 22 3A 22 50 61 74 69 65 6E 74 22 2C 22 69 64 22 3A 22 ED A0 80 22 7D")]
    [InlineData("7B 22 72 65 73 6F 75 72 63 65 54 79 70 65 22 3A 22 50 61 74 69 65 6E 74 22 2C 22 69 64 22 3A 22 C0 80 22 7D")]
    [InlineData("7B 22 72 65 73 6F 75 72 63 65 54 79 70 65 22 3A 22 50 61 74 69 65 6E 74 22 2C 22 69 64 22 3A 22 C3")]
    [InlineData("7B 22 72 65 73 6F 75 72 63 65 54 79 70 65 22 3A 22 50 61 74 69 65 6E 74 22 2C 22 69 64 22 3A 22 5C 75 64 38")]
    public void Bytes_that_are_no_JSON_are_an_error(string hex)
    {
        using Anonymizer anonymizer = Anonymizer.Create(Config);
        ArrayBufferWriter<byte> output = new();

        Assert.Throws<ResourceFailedException>(() => anonymizer.Anonymize(Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal)), output));
        Assert.Equal(0, output.WrittenCount);
    }

    [Theory]
    [InlineData("1e400")]
    [InlineData("-1e29")]
    [InlineData("79228162514264337593543950336")]
    [InlineData("NaN")]
    [InlineData("Infinity")]
    public void A_number_beyond_the_range_of_decimals_is_an_error(string number)
    {
        string resource = """{"resourceType":"Observation","status":"final","code":{"text":"c"},"valueQuantity":{"value":#}}""".Replace("#", number, StringComparison.Ordinal);

        Assert.Throws<ResourceFailedException>(() => Engine.Run(Config, resource));
    }

    [Fact]
    public void Ten_million_elements_in_an_array_pass()
    {
        if (Environment.GetEnvironmentVariable("FHIRDEID_LONG") != "1")
            Assert.Skip("Takes more than a gigabyte of memory: FHIRDEID_LONG=1 runs it.");
        string items = string.Concat(Enumerable.Repeat("\"a\",", 10_000_000));

        string result = Engine.Run(Config, $$"""{"resourceType":"Patient","gender":"male","address":[{"line":[{{items}}"z"]}],"name":[{"given":[{{items}}"z"]}]}""");

        Assert.Contains("\"z\"]}],\"meta\"", result, StringComparison.Ordinal);
        Assert.InRange(result.Length, 40_000_000, 40_001_000);
    }

    [Fact]
    public void More_than_33_554_432_values_are_refused()
    {
        if (Environment.GetEnvironmentVariable("FHIRDEID_LONG") != "1")
            Assert.Skip("Takes five gigabytes of memory: FHIRDEID_LONG=1 runs it.");
        string resource = $$"""{"resourceType":"Patient","name":[{{string.Join(',', Enumerable.Repeat('0', 1 << 25))}}]}""";

        ResourceFailedException error = Assert.Throws<ResourceFailedException>(() => Engine.Run(Config, resource));

        Assert.Equal("it holds more than 33,554,432 JSON values", error.Reason);
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
