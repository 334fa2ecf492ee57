using System.Text;
using System.Text.Json;

namespace FhirDeid.Anonymization.Configuration;

/// <summary>Where the rules and properties of a configuration file stand, and what in it is not plain JSON.</summary>
internal sealed class FilePositions
{
    private readonly byte[] _utf8;
    private readonly List<int> _lines = [0];
    private readonly List<int> _rules = [];
    private readonly Dictionary<(int Rule, string Name), int> _properties = [];
    private readonly List<(string Name, int Rule, int Offset)> _duplicates = [];

    private FilePositions(byte[] utf8) => _utf8 = utf8;

    /// <summary>Properties given twice in one object, with the rule they stand in, or 0: the service's parser takes them for an error, System.Text.Json takes the last.</summary>
    public IReadOnlyList<(string Name, int Rule, int Offset)> Duplicates => _duplicates;

    /// <summary>Offset of the first comment or trailing comma, or −1.</summary>
    public int Leniency { get; private set; } = -1;

    public static FilePositions Of(string json)
    {
        FilePositions positions = new(Encoding.UTF8.GetBytes(json));
        positions.Scan();
        return positions;
    }

    /// <summary>Line and column of a rule, from 1; of the file's start where there is none of that number.</summary>
    public (int Line, int Column) Rule(int number) => number >= 1 && number <= _rules.Count ? At(_rules[number - 1]) : (1, 1);

    /// <summary>Line and column of a rule's property; of the rule where it has none of that name.</summary>
    public (int Line, int Column) Rule(int number, string property) => _properties.TryGetValue((number, property), out int offset) ? At(offset) : Rule(number);

    /// <summary>Line and column of the first property of a name, in whatever case, outside the rules.</summary>
    public (int Line, int Column) Property(string name) => _properties.TryGetValue((0, name.ToUpperInvariant()), out int offset) ? At(offset) : (1, 1);

    /// <summary>Line and column of an offset in the UTF-8 text, from 1.</summary>
    public (int Line, int Column) At(int offset)
    {
        int line = _lines.BinarySearch(offset);
        if (line < 0)
            line = ~line - 1;
        return (line + 1, Encoding.UTF8.GetCharCount(_utf8.AsSpan(_lines[line], offset - _lines[line])) + 1);
    }

    private void Scan()
    {
        for (int i = 0; i < _utf8.Length; i++)
        {
            if (_utf8[i] == '\n')
                _lines.Add(i + 1);
        }
        Utf8JsonReader reader = new(_utf8, new JsonReaderOptions { CommentHandling = JsonCommentHandling.Allow, AllowTrailingCommas = true });
        Stack<HashSet<string>> open = [];
        bool inRules = false;
        int comma = -1;
        try
        {
            while (reader.Read())
            {
                int offset = (int)reader.TokenStartIndex;
                switch (reader.TokenType)
                {
                    case JsonTokenType.Comment:
                        // The templates explain themselves in such comments.
                        if (!_utf8.AsSpan(offset).StartsWith("///"u8))
                            Lenient(offset);
                        continue;
                    case JsonTokenType.StartObject:
                        open.Push(new HashSet<string>(StringComparer.Ordinal));
                        break;
                    case JsonTokenType.EndObject:
                        open.Pop();
                        break;
                }
                bool closes = reader.TokenType is JsonTokenType.EndObject or JsonTokenType.EndArray;
                if (closes && comma >= 0)
                    Lenient(comma);
                comma = Comma((int)reader.BytesConsumed);
                if (reader is { CurrentDepth: 1, TokenType: JsonTokenType.PropertyName })
                    inRules = string.Equals(reader.GetString(), "fhirPathRules", StringComparison.OrdinalIgnoreCase);
                if (inRules && reader.CurrentDepth == 2 && !closes)
                    _rules.Add(offset);
                else if (reader.TokenType == JsonTokenType.PropertyName)
                    Property(reader.GetString()!, inRules && reader.CurrentDepth > 1 ? _rules.Count : 0, offset, open.Peek());
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // Positions as far as the file can be read; the reader of the configuration says what is wrong.
        }
    }

    private void Property(string name, int rule, int offset, HashSet<string> names)
    {
        _properties.TryAdd((rule, rule == 0 ? name.ToUpperInvariant() : name), offset);
        if (!names.Add(name))
            _duplicates.Add((name, rule, offset));
    }

    private void Lenient(int offset) => Leniency = Leniency < 0 ? offset : Math.Min(Leniency, offset);

    /// <summary>Offset of a comma that follows a value, with nothing but white space between; or −1.</summary>
    private int Comma(int offset)
    {
        int gap = _utf8.AsSpan(offset).IndexOfAnyExcept(" \t\r\n"u8);
        return gap >= 0 && _utf8[offset + gap] == ',' ? offset + gap : -1;
    }
}
