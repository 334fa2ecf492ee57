using System.Text;
using System.Text.Json;

namespace FhirDeid.Anonymization.Configuration;

/// <summary>Where the rules and properties of a configuration file stand.</summary>
internal sealed class FilePositions
{
    private readonly byte[] _utf8;
    private readonly List<int> _rules = [];
    private readonly Dictionary<string, int> _properties = new(StringComparer.Ordinal);

    private FilePositions(byte[] utf8) => _utf8 = utf8;

    public static FilePositions Of(string json)
    {
        FilePositions positions = new(Encoding.UTF8.GetBytes(json));
        positions.Scan();
        return positions;
    }

    /// <summary>Line and column of a rule, from 1; of the file's start where there is none of that number.</summary>
    public (int Line, int Column) Rule(int number) => number >= 1 && number <= _rules.Count ? At(_rules[number - 1]) : (1, 1);

    /// <summary>Line and column of the first property of a name outside the rules.</summary>
    public (int Line, int Column) Property(string name) => _properties.TryGetValue(name, out int offset) ? At(offset) : (1, 1);

    private void Scan()
    {
        Utf8JsonReader reader = new(_utf8, new JsonReaderOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
        bool inRules = false;
        try
        {
            while (reader.Read())
            {
                if (reader is { CurrentDepth: 1, TokenType: JsonTokenType.PropertyName })
                    inRules = string.Equals(reader.GetString(), "fhirPathRules", StringComparison.OrdinalIgnoreCase);
                if (inRules && reader.CurrentDepth == 2 && reader.TokenType is not (JsonTokenType.EndObject or JsonTokenType.EndArray))
                    _rules.Add((int)reader.TokenStartIndex);
                else if (!inRules && reader.TokenType == JsonTokenType.PropertyName)
                    _properties.TryAdd(reader.GetString()!, (int)reader.TokenStartIndex);
            }
        }
        catch (JsonException)
        {
            // Positions as far as the file can be read; the reader of the configuration says what is wrong.
        }
    }

    private (int Line, int Column) At(int offset)
    {
        ReadOnlySpan<byte> before = _utf8.AsSpan(0, offset);
        int start = before.LastIndexOf((byte)'\n') + 1;
        return (before.Count((byte)'\n') + 1, Encoding.UTF8.GetCharCount(before[start..]) + 1);
    }
}
