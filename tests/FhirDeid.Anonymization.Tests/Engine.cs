using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FhirDeid.Anonymization.Tests;

internal static class Engine
{
    /// <summary>26 November 2026: who was born before 27 November 1936 is over 89.</summary>
    public static TimeProvider Clock { get; } = new FixedClock();

    public static string Config(JsonObject? parameters, params (string Path, string Method)[] rules) =>
        Config(parameters, [.. rules.Select(rule => new JsonArray(rule.Path, rule.Method))]);

    /// <summary>Each rule: path, method, and for substitute the replacement.</summary>
    public static string Config(JsonObject? parameters, params JsonArray[] rules) => new JsonObject
    {
        ["fhirVersion"] = "R4",
        ["fhirPathRules"] = new JsonArray([.. rules.Select(Rule)]),
        ["parameters"] = parameters?.DeepClone() ?? new JsonObject(),
    }.ToJsonString();

    private static JsonObject Rule(JsonArray rule)
    {
        JsonObject json = new() { ["path"] = rule[0]!.DeepClone(), ["method"] = rule[1]!.DeepClone() };
        if (rule.Count > 2)
            json["replaceWith"] = rule[2]?.DeepClone();
        return json;
    }

    public static string Run(Anonymizer anonymizer, string resource)
    {
        ArrayBufferWriter<byte> output = new();
        anonymizer.Anonymize(Encoding.UTF8.GetBytes(resource), output);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }

    public static string Run(string config, string resource)
    {
        using Anonymizer anonymizer = Anonymizer.Create(config, null, Clock);
        return Run(anonymizer, resource);
    }

    private sealed class FixedClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);

        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;
    }
}

/// <summary>Compares JSON: properties in any order, items in order, numbers by their text, a property twice is an error.</summary>
internal static class JsonText
{
    public static void Equal(string expected, string actual) => Assert.Equal(Sorted(expected), Sorted(actual));

    /// <summary>The lines around the first difference, or null.</summary>
    public static string? Difference(string expected, string actual)
    {
        string[] left = Sorted(expected).Split('\n'), right = Sorted(actual).Split('\n');
        int at = Enumerable.Range(0, Math.Max(left.Length, right.Length)).FirstOrDefault(i => left.ElementAtOrDefault(i) != right.ElementAtOrDefault(i), -1);
        return at < 0 ? null : $"expected:\n{string.Join('\n', left.Skip(at - 8).Take(16))}\nactual:\n{string.Join('\n', right.Skip(at - 8).Take(16))}";
    }

    private static string Sorted(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 20_000, AllowDuplicateProperties = false });
        StringBuilder text = new();
        Write(document.RootElement, text, "\n");
        return text.ToString();
    }

    private static void Write(JsonElement element, StringBuilder text, string indent)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (JsonProperty property in element.EnumerateObject().OrderBy(p => p.Name, StringComparer.Ordinal))
                {
                    text.Append(indent).Append(property.Name).Append(": ");
                    Write(property.Value, text, indent + "  ");
                }
                break;
            case JsonValueKind.Array:
                foreach (JsonElement item in element.EnumerateArray())
                {
                    text.Append(indent).Append("- ");
                    Write(item, text, indent + "  ");
                }
                break;
            case JsonValueKind.String:
                text.Append('"').Append(element.GetString()).Append('"');
                break;
            default:
                text.Append(element.GetRawText());
                break;
        }
    }
}
