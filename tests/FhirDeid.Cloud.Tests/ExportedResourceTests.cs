using System.Text;
using FhirDeid.Cloud.Storage;

namespace FhirDeid.Cloud.Tests;

/// <summary>What is told of a line is true of all of it: what two readers could understand in two ways is no resource.</summary>
public sealed class ExportedResourceTests
{
    private const string Hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    [Theory]
    [InlineData("""{"resourceType":"Patient","id":"1","meta":{"versionId":"2","security":[{"system":"s","code":"REDACTED"}]},"n":[1,{"a":"}]\"["}]}""", true, false)]
    [InlineData(" { \"id\" : \"" + Hash + "\" , \"resourceType\" : \"Patient\" , \"x\" : null , \"y\" : -1.5e3 } \r", false, true)]
    [InlineData("""{"resourceType":"Patient","id":"\u0031","meta":{"security":[{"code":"\u0052EDACTED"}]}}""", true, false)]
    [InlineData("""{"r\u0065sourceType":"Patient","\u0069d":"Lovelace"}""", false, false)]
    [InlineData("""{"meta":{"security":[{"code":"x"},{"code":"MASKED"}]},"resourceType":"Patient"}""", true, true)]
    [InlineData("""{"meta":{"tag":[{"code":"REDACTED"}],"security":[],"extension":[{"security":[{"code":"REDACTED"}]}]},"resourceType":"Patient"}""", false, true)]
    [InlineData("""{"meta":{"security":[{"extension":[{"code":"REDACTED"}],"display":"REDACTED"}]},"resourceType":"Patient"}""", false, true)]
    [InlineData("""{"contained":[{"resourceType":"Patient","id":"1","meta":{"security":[{"code":"REDACTED"}]}}],"resourceType":"Patient"}""", false, true)]
    public void Labels_and_ids_are_looked_for_where_they_belong(string line, bool isLabelled, bool hasHashedId)
    {
        ExportedResource resource = Assert.NotNull(ExportedResource.Read(Encoding.UTF8.GetBytes(line), "Patient"));

        Assert.Equal((isLabelled, hasHashedId), (resource.IsLabelled, resource.HasHashedId));
    }

    [Theory]
    [InlineData("""{"resourceType":"Patient","id":"Lovelace","id":"HASH"}""")]
    [InlineData("""{"resourceType":"Patient","id":"HASH","\u0069d":"Lovelace"}""")]
    [InlineData("""{"resourceType":"Patient","id":19150}""")]
    [InlineData("""{"resourceType":"Patient","id":["Lovelace"]}""")]
    [InlineData("""{"resourceType":"Patient","id":null}""")]
    [InlineData("""{"resourceType":"Patient","meta":{"security":[{"code":"MASKED"}]},"meta":{}}""")]
    [InlineData("""{"resourceType":"Patient","meta":{"security":[{"code":"MASKED"}],"security":[]}}""")]
    [InlineData("""{"resourceType":"Patient","meta":{"security":{"code":"MASKED"}}}""")]
    [InlineData("""{"resourceType":"Patient","meta":{"security":[["MASKED"]]}}""")]
    [InlineData("""{"resourceType":"Patient","meta":"x"}""")]
    [InlineData("""{"resourceType":"Patient","resourceType":"Patient"}""")]
    [InlineData("""{"resourceType":"Observation"}""")]
    [InlineData("""{"resourceType":"Patient","name":[{"family":}]}""")]
    [InlineData("""{"resourceType":"Patient","name":[{"family":"x"]}}""")]
    [InlineData("""{"resourceType":"Patient","x":{"a":[}],"id":"Lovelace"},"id":"HASH"}""")]
    [InlineData("""{"resourceType":"Patient","active":tru}""")]
    [InlineData("""{"resourceType":"Patient","active":01}""")]
    [InlineData("""{"resourceType":"Patient"} {}""")]
    [InlineData("""{"resourceType":"Patient",}""")]
    [InlineData("""{"resourceType":"Patient""id":"1"}""")]
    [InlineData("""[{"resourceType":"Patient"}]""")]
    [InlineData("""{"id":"1"}""")]
    [InlineData("{}")]
    [InlineData("")]
    public void What_can_be_understood_in_two_ways_or_not_at_all_is_no_resource(string line) =>
        Assert.Null(ExportedResource.Read(Encoding.UTF8.GetBytes(line.Replace("HASH", Hash, StringComparison.Ordinal)), "Patient"));

    [Fact]
    public void A_line_that_was_cut_is_no_resource()
    {
        byte[] line = Encoding.UTF8.GetBytes("""{"resourceType":"Patient","id":"1","meta":{"security":[{"code":"MASKED"}]},"name":[{"given":["é"]}]}""");

        for (int length = 0; length < line.Length; length++) Assert.Null(ExportedResource.Read(line.AsSpan(0, length), "Patient"));
        Assert.NotNull(ExportedResource.Read(line, "Patient"));
    }

    [Fact]
    public void Resources_are_told_apart_by_id_and_version()
    {
        UInt128?[] keys = [.. new[] { """{"resourceType":"Patient"}""", Patient("1", null), Patient("1", "1"), Patient("1", "2"), Patient("2", "1"), Patient(Hash, "1") }
            .Select(line => ExportedResource.Read(Encoding.UTF8.GetBytes(line), "Patient")!.Value.Key)];

        Assert.Null(keys[0]);
        Assert.Equal(keys.Length, keys.Distinct().Count());
        Assert.Equal(keys[2], ExportedResource.Read(Encoding.UTF8.GetBytes("""{"meta":{"versionId":"\u0031"},"active":true,"id":"\u0031","resourceType":"Patient"}"""), "Patient")!.Value.Key);

        static string Patient(string id, string? version) => $$"""{"resourceType":"Patient","id":"{{id}}"{{(version is null ? "" : $$""","meta":{"versionId":"{{version}}"}""")}}}""";
    }
}
