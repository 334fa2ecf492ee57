using System.Text;
using System.Text.Json;

namespace FhirDeid.Anonymization.Authoring;

/// <summary>The text of a configuration file, changed in place: comments, unknown properties, order and layout stay.</summary>
internal sealed class ConfigurationText
{
    private static readonly JsonReaderOptions FileSyntax = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    private byte[] _utf8;

    /// <summary>Takes the text of a file.</summary>
    /// <exception cref="JsonException">It is not a JSON object.</exception>
    public ConfigurationText(string json)
    {
        _utf8 = Encoding.UTF8.GetBytes(json.TrimStart('\uFEFF'));
        Root();
    }

    public override string ToString() => Encoding.UTF8.GetString(_utf8);

    /// <summary>Inserts a rule.</summary>
    /// <param name="rule">JSON text.</param>
    /// <param name="index">Its index, from 0.</param>
    public void InsertRule(string rule, int index)
    {
        if (Value("fhirPathRules", JsonTokenType.StartArray) is { } rules)
            Insert(rules, Math.Min(index, rules.Parts.Count), rule);
        else
            Set(Root(), "fhirPathRules", $"[ {rule} ]");
    }

    public void RemoveRule(int index)
    {
        if (Value("fhirPathRules", JsonTokenType.StartArray) is { } rules && index < rules.Parts.Count)
            Remove(rules, index);
    }

    /// <summary>Sets a parameter, or <c>processingErrors</c>, whatever the case of its name in the file.</summary>
    public void SetParameter(string name, string value)
    {
        if (name == "processingErrors")
            Set(Root(), name, value);
        else if (Value("parameters", JsonTokenType.StartObject) is { } parameters)
            Set(parameters, name, value);
        else
            Set(Root(), "parameters", $$"""{ "{{name}}": {{value}} }""");
    }

    /// <summary>A property or an item: where it starts and ends, and where its value starts.</summary>
    private readonly record struct Part(string Name, int Start, int ValueStart, int End);

    /// <summary>An object or array: the offsets of its brackets, and what is in it.</summary>
    private sealed record Container(int Open, int Close, List<Part> Parts);

    private Container Root()
    {
        int open = SkipBlank(0);
        return open < _utf8.Length && _utf8[open] == '{' ? Read(open) : throw new JsonException();
    }

    private Container? Value(string name, JsonTokenType kind)
    {
        Part part = Root().Parts.Find(part => part.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
        return part.End > 0 && _utf8[part.ValueStart] == (kind == JsonTokenType.StartArray ? '[' : '{') ? Read(part.ValueStart) : null;
    }

    private Container Read(int open)
    {
        Utf8JsonReader reader = new(_utf8.AsSpan(open), FileSyntax);
        reader.Read();
        List<Part> parts = [];
        while (reader.Read() && reader.TokenType is not (JsonTokenType.EndObject or JsonTokenType.EndArray))
        {
            int start = open + (int)reader.TokenStartIndex;
            string name = "";
            if (reader.TokenType == JsonTokenType.PropertyName)
            {
                name = reader.GetString()!;
                reader.Read();
            }
            int valueStart = open + (int)reader.TokenStartIndex;
            reader.Skip();
            parts.Add(new Part(name, start, valueStart, open + (int)reader.BytesConsumed));
        }
        return new Container(open, open + (int)reader.TokenStartIndex, parts);
    }

    private void Set(Container parent, string name, string value)
    {
        Part part = parent.Parts.Find(part => part.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
        if (part.End > 0)
            Replace(part.ValueStart, part.End, value);
        else
            Insert(parent, parent.Parts.Count, $"\"{name}\": {value}");
    }

    private void Insert(Container parent, int index, string text)
    {
        if (parent.Parts.Count == 0)
        {
            string outside = Break(parent.Open), inside = outside + "  ";
            if (SkipBlank(parent.Open + 1, skipsComments: false) == parent.Close)
                Replace(parent.Open + 1, parent.Close, inside + text + outside);
            else
                Replace(parent.Close, parent.Close, "  " + text + outside);
            return;
        }
        bool isLast = index == parent.Parts.Count;
        Part neighbour = parent.Parts[isLast ? index - 1 : index];
        string separator = IsFirstOfLine(neighbour.Start) ? Break(neighbour.Start) : " ";
        if (isLast)
            Append(neighbour.End, text, separator);
        else
            InsertBefore(neighbour.Start, text + ",", separator);
    }

    /// <summary>Puts a part behind the last one: behind its comma, or a new one, and behind the comment that ends its line.</summary>
    private void Append(int offset, string text, string separator)
    {
        int comma = SkipBlank(offset);
        bool hasComma = _utf8[comma] == ',';
        if (!hasComma)
            Replace(comma = offset, offset, ",");
        int end = comma + 1;
        while (separator != " " && _utf8[end] is (byte)' ' or (byte)'\t')
            end++;
        bool endsLine = separator != " " && (_utf8[end] is (byte)'\r' or (byte)'\n' || _utf8.AsSpan(end).StartsWith("//"u8));
        end = endsLine ? end + _utf8.AsSpan(end).IndexOfAny((byte)'\r', (byte)'\n') : comma + 1;
        Replace(end, end, separator + text + (hasComma ? "," : ""));
    }

    /// <summary>Comments above a line belong to it: what comes before it comes before them.</summary>
    private void InsertBefore(int offset, string text, string separator)
    {
        while (IsFirstOfLine(offset) && LineStart(offset) is var line && LineStart(line - 1) is var above && SkipBlank(above, skipsComments: false) is var comment
            && comment < line && _utf8.AsSpan(comment).StartsWith("//"u8))
            offset = comment;
        Replace(offset, offset, text + separator);
    }

    private void Remove(Container parent, int index)
    {
        (int start, int end) = (parent.Parts[index].Start, parent.Parts[index].End);
        int comma = SkipBlank(end);
        bool hasComma = _utf8[comma] == ',';
        if (hasComma)
            end = comma + 1;
        if (IsFirstOfLine(start))
        {
            int rest = end;
            while (rest < _utf8.Length && _utf8[rest] is (byte)' ' or (byte)'\t' or (byte)'\r')
                rest++;
            if (_utf8[rest] == '\n')
                (start, end) = (LineStart(start), rest + 1);
        }
        Replace(start, end, "");
        if (!hasComma && index > 0)
        {
            // The last one has no comma of its own: that of the one before goes with it.
            int before = SkipBlank(parent.Parts[index - 1].End);
            Replace(before, before + 1, "");
        }
    }

    private void Replace(int start, int end, string text) =>
        _utf8 = [.. _utf8.AsSpan(0, start), .. Encoding.UTF8.GetBytes(text), .. _utf8.AsSpan(end)];

    /// <summary>A line break and the indentation of the line of an offset.</summary>
    private string Break(int offset)
    {
        int start = LineStart(offset), end = start;
        while (_utf8[end] is (byte)' ' or (byte)'\t')
            end++;
        return (_utf8.AsSpan().IndexOf("\r\n"u8) >= 0 ? "\r\n" : "\n") + Encoding.UTF8.GetString(_utf8, start, end - start);
    }

    private int LineStart(int offset) => _utf8.AsSpan(0, offset).LastIndexOf((byte)'\n') + 1;

    private bool IsFirstOfLine(int offset) => LineStart(offset) is var start && start > 0 && _utf8.AsSpan(start, offset - start).IndexOfAnyExcept((byte)' ', (byte)'\t') < 0;

    /// <summary>The first offset from here that holds neither white space nor a comment.</summary>
    private int SkipBlank(int offset, bool skipsComments = true)
    {
        while (offset < _utf8.Length)
        {
            ReadOnlySpan<byte> rest = _utf8.AsSpan(offset);
            if (rest[0] is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n')
                offset++;
            else if (skipsComments && rest.StartsWith("//"u8))
                offset += rest.IndexOf((byte)'\n') is var end and >= 0 ? end : rest.Length;
            else if (skipsComments && rest.StartsWith("/*"u8))
                offset += rest.IndexOf("*/"u8) + 2;
            else
                break;
        }
        return offset;
    }
}
