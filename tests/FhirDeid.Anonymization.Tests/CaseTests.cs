using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace FhirDeid.Anonymization.Tests;

/// <summary>Resources in, resources out: the rules' behaviour as data. A label stands for its coding, <c>hmac:text</c> for the keyed hash of the text.</summary>
public sealed partial class CaseTests
{
    public static TheoryData<string, string> Cases()
    {
        TheoryData<string, string> cases = [];
        foreach (string file in Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Cases")).Order(StringComparer.Ordinal))
        {
            foreach (JsonNode? node in JsonNode.Parse(File.ReadAllText(file))!.AsArray())
                cases.Add(Path.GetFileNameWithoutExtension(file), node!["about"]!.GetValue<string>());
        }
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_rules_do_what_the_case_says(string file, string about)
    {
        JsonNode test = JsonNode.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Cases", file + ".json")))!.AsArray()
            .Single(node => node!["about"]!.GetValue<string>() == about)!;
        JsonObject parameters = test["parameters"]?.DeepClone().AsObject() ?? [];
        string config = Engine.Config(parameters, [.. test["rules"]!.AsArray().Select(rule => rule!.AsArray())]);
        using Anonymizer anonymizer = Anonymizer.Create(config, test["path"]?.GetValue<string>(), Engine.Clock);

        string actual = Engine.Run(anonymizer, test["inputText"]?.GetValue<string>() ?? test["input"]!.ToJsonString());

        string key = parameters["cryptoHashKey"]?.GetValue<string>() ?? "";
        string expected = Hashes().Replace(Expand(test["output"]!).ToJsonString(), match => Hmac(key, match.Groups["text"].Value));
        JsonText.Equal(expected, actual);
        Assert.Equal(test["warnings"]?.GetValue<int>() ?? 0, new AnonymizationEngine().Parse(config, "case").Warnings.Length);
    }

    [GeneratedRegex(@"hmac:(?<text>[^""/]+(?=/_history)|[^""]+)")]
    private static partial Regex Hashes();

    private static string Hmac(string key, string text) =>
        Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(text)));

    private static JsonNode Expand(JsonNode node)
    {
        if (node is JsonValue value && value.TryGetValue(out string? text) && text is "REDACTED" or "ABSTRED" or "CRYTOHASH" or "PERTURBED" or "SUBSTITUTED")
            return node.Parent is JsonArray ? Label(node.GetValue<string>()) : node.DeepClone();
        return node switch
        {
            JsonArray array => new JsonArray([.. array.Select(item => item is null ? null : Expand(item))]),
            JsonObject map => new JsonObject(map.Select(p => KeyValuePair.Create(p.Key, p.Value is null ? null : Expand(p.Value)))),
            _ => node.DeepClone(),
        };
    }

    private static JsonObject Label(string code) => code switch
    {
        "PERTURBED" => new() { ["code"] = code, ["display"] = "exact value is replaced with another exact value" },
        "SUBSTITUTED" => new() { ["code"] = code, ["display"] = "exact value is replaced with a predefined value" },
        _ => new()
        {
            ["system"] = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
            ["code"] = code,
            ["display"] = code switch { "REDACTED" => "redacted", "ABSTRED" => "abstracted", _ => "cryptographic hash function" },
        },
    };
}
