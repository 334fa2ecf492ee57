using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace FhirDeid.Anonymization.Tests;

/// <summary>Methods whose results differ from run to run: what holds for every result.</summary>
public sealed class RandomMethodTests
{
    private const string EncryptKey = "0123456789abcdef";

    [Fact]
    public void An_encrypted_text_decrypts_to_what_it_was_and_never_looks_the_same()
    {
        string config = Config("""{ "path": "Patient.name.family", "method": "encrypt" }""");
        const string Patient = """{"resourceType":"Patient","name":[{"family":" D\u00fcck\n"}]}""";

        string[] results = [.. Enumerable.Range(0, 5).Select(_ => JsonNode.Parse(Engine.Run(config, Patient))!["name"]![0]!["family"]!.GetValue<string>())];

        Assert.Equal(5, results.Distinct().Count());
        Assert.All(results, result => Assert.Equal("Dück", Decrypt(result)));
        Assert.Contains("\"MASKED\"", Engine.Run(config, Patient), StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_hold_a_cipher_text_is_removed()
    {
        string result = Engine.Run(Config("""{ "path": "Patient.birthDate", "method": "encrypt" }"""), """{"resourceType":"Patient","birthDate":"1970-05-06","active":true}""");

        Assert.DoesNotContain("birthDate", result, StringComparison.Ordinal);
        Assert.Contains("\"REDACTED\"", result, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(""" "span": 10, "roundTo": 1 """, "valueQuantity", "100.50", 95.5, 105.5, 1)]
    [InlineData(""" "span": 0.2, "rangeType": "Proportional" """, "valueQuantity", "-10", -11, -9, 2)]
    [InlineData(""" "span": 0, "roundTo": 0 """, "valueQuantity", "2.5", 2, 2, 0)]
    [InlineData(""" "span": "6" """, "valueInteger", "2", -1, 5, 0)]
    public void A_perturbed_number_stays_within_half_the_span_and_its_decimals(string settings, string property, string value, double low, double high, int decimals)
    {
        string config = Config($$"""{ "path": "Observation.value", "method": "perturb", {{settings}} }""");
        string json = property == "valueInteger" ? value : $$"""{"value":{{value}},"unit":"mm"}""";

        for (int i = 0; i < 50; i++)
        {
            JsonNode result = JsonNode.Parse(Engine.Run(config, $$"""{"resourceType":"Observation","status":"final","code":{"text":"c"},"{{property}}":{{json}}}"""))!;
            string text = (property == "valueInteger" ? result[property]! : result[property]!["value"]!).ToJsonString();
            Assert.InRange(double.Parse(text, CultureInfo.InvariantCulture), low, high);
            Assert.True((text.Split('.') is [_, var fraction] ? fraction.Length : 0) <= decimals, text);
            Assert.Contains("PERTURBED", result["meta"]!.ToJsonString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_perturbed_Quantity_keeps_its_unit_from_later_rules_and_one_without_a_number_does_not()
    {
        string config = Config("""{ "path": "Observation.component", "method": "perturb", "span": 4 }, { "path": "Observation.component.value", "method": "redact" }""");

        JsonNode result = JsonNode.Parse(Engine.Run(config, """
            {"resourceType":"Observation","status":"final","code":{"text":"c"},"component":[
              {"code":{"text":"1"},"valueQuantity":{"value":120,"unit":"mm","extension":[{"url":"u","valueDecimal":7}]}},
              {"code":{"text":"2"},"valueQuantity":{"unit":"John Smith"}},
              {"code":{"text":"3"},"valueString":"John Smith"}]}
            """.ReplaceLineEndings("")))!;

        Assert.Equal("mm", result["component"]![0]!["valueQuantity"]!["unit"]!.GetValue<string>());
        Assert.Equal(7, result["component"]![0]!["valueQuantity"]!["extension"]![0]!["valueDecimal"]!.GetValue<int>());
        Assert.InRange(result["component"]![0]!["valueQuantity"]!["value"]!.GetValue<double>(), 118, 122);
        Assert.DoesNotContain("John Smith", result.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Hashes_stay_right_however_many_texts_come_and_come_again()
    {
        using Anonymizer anonymizer = Anonymizer.Create(Engine.Config(new() { ["cryptoHashKey"] = "k" }, ("Patient.id", "cryptoHash")));
        for (int round = 0; round < 2; round++)
        {
            for (int i = 0; i < 20_000; i++)
            {
                string expected = Convert.ToHexStringLower(HMACSHA256.HashData("k"u8, Encoding.UTF8.GetBytes($"p{i}")));
                Assert.StartsWith($$"""{"resourceType":"Patient","id":"{{expected}}",""", Engine.Run(anonymizer, $$"""{"resourceType":"Patient","id":"p{{i}}"}"""), StringComparison.Ordinal);
            }
        }
    }

    private static string Config(string rules) => $$"""{ "fhirPathRules": [ {{rules}} ], "parameters": { "encryptKey": "{{EncryptKey}}" } }""";

    private static string Decrypt(string base64)
    {
        byte[] bytes = Convert.FromBase64String(base64);
        using Aes aes = Aes.Create();
        aes.Key = Encoding.UTF8.GetBytes(EncryptKey);
        return Encoding.UTF8.GetString(aes.DecryptCbc(bytes.AsSpan(16), bytes.AsSpan(0, 16)));
    }
}
