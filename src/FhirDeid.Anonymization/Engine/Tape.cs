using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Engine;

/// <summary>What happens to a token when the resource is written.</summary>
internal enum TokenAction : byte
{
    /// <summary>Its bytes are copied as they are.</summary>
    Copy,
    /// <summary>It is left out.</summary>
    Drop,
    /// <summary>Its value is taken from the arena.</summary>
    Replace,
    /// <summary>Its parts are written one by one.</summary>
    Descend,
}

/// <summary>One JSON value of a resource, with the name of the property that holds it.</summary>
internal struct Token
{
    /// <summary>First byte of the value.</summary>
    public int Start;

    /// <summary>First byte after the value.</summary>
    public int End;

    /// <summary>First byte of the property name inside its quotes; 0 for items of an array and for the root.</summary>
    public int NameStart;

    public int NameLength;

    /// <summary>Index of the token after this one and everything below it.</summary>
    public int Next;

    /// <summary>For objects: the token of the property <c>resourceType</c>, or 0.</summary>
    public int ResourceType;

    /// <summary>The token of the same element's other half, value and <c>_</c> twin; or 0.</summary>
    public int Twin;

    /// <summary>Offset of the replacement in the arena.</summary>
    public int ArenaStart;

    public int ArenaLength;

    /// <summary>For resources, and for the meta that gets their labels: index of the resource.</summary>
    public int Resource;

    /// <summary>First of the evaluated rules whose path leads to the node; 0 for none (<see cref="RuleMatches"/>).</summary>
    public int Match;

    public FhirProperty? Property;

    public JsonTokenType Kind;

    public TokenAction Action;

    /// <summary>What a rule did to the value.</summary>
    public Operations Operation;

    /// <summary>Whether it is settled what is written for the value.</summary>
    public bool IsDecided;

    /// <summary>Whether the value, if a string, or the name holds escapes.</summary>
    public bool IsEscaped;

    public bool IsNameEscaped;

    /// <summary>Whether the bytes hold what compact JSON does not: white space between tokens.</summary>
    public bool HasWhiteSpace;

    /// <summary>Whether the property is a <c>_</c> twin.</summary>
    public bool IsTwin;

    /// <summary>Whether a single value stands where FHIR has an array.</summary>
    public bool IsSingleInArray;

    public readonly bool IsWritten => Action != TokenAction.Drop;

    public readonly bool IsContainer => Kind is JsonTokenType.StartObject or JsonTokenType.StartArray;
}

/// <summary>First walk: the tokens of one resource in document order, each knowing where its subtree ends.</summary>
internal sealed class Tape
{
    /// <summary>JSON may nest this deep: beyond what any FHIR resource does, and below what could exhaust memory.</summary>
    private const int MaxDepth = 16_384;

    private Token[] _tokens = new Token[1024];
    private int[] _open = new int[64];
    private int _count;

    public Span<Token> Tokens => _tokens.AsSpan(0, _count);

    /// <summary>The tokens and unused ones behind them, until the next resource is read.</summary>
    public Token[] Buffer => _tokens;

    /// <summary>Reads a resource.</summary>
    /// <exception cref="ResourceException">It is not one well-formed JSON object in UTF-8.</exception>
    public void Read(ReadOnlySpan<byte> json)
    {
        if (!Utf8.IsValid(json))
            throw new ResourceException("it is not valid UTF-8");
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        try
        {
            Read(json, ref reader);
        }
        catch (JsonException exception)
        {
            // The parser's own message quotes the input.
            throw new ResourceException(exception.BytePositionInLine is { } position ? $"it is not valid JSON at byte {position + 1}" : "it is not valid JSON");
        }
    }

    private void Read(ReadOnlySpan<byte> json, ref Utf8JsonReader reader)
    {
        _count = 0;
        int depth = 0;
        int nameStart = 0, nameLength = 0;
        bool isNameEscaped = false;
        int expected = 0;
        while (reader.Read())
        {
            int start = (int)reader.TokenStartIndex;
            bool gap = start != expected;
            switch (reader.TokenType)
            {
                case JsonTokenType.PropertyName:
                    nameStart = start + 1;
                    nameLength = reader.ValueSpan.Length;
                    isNameEscaped = reader.ValueIsEscaped;
                    // The reader stands behind the colon.
                    if (gap || reader.BytesConsumed != nameStart + nameLength + 2)
                        _tokens[_open[depth - 1]].HasWhiteSpace = true;
                    expected = (int)reader.BytesConsumed;
                    continue;
                case JsonTokenType.EndObject:
                case JsonTokenType.EndArray:
                    ref Token container = ref _tokens[_open[--depth]];
                    container.End = start + 1;
                    container.Next = _count;
                    // After the last item no comma follows.
                    container.HasWhiteSpace |= _count == _open[depth] + 1 ? gap : start != expected - 1;
                    if (container.HasWhiteSpace && depth > 0)
                        _tokens[_open[depth - 1]].HasWhiteSpace = true;
                    break;
                default:
                    if (gap && depth > 0)
                        _tokens[_open[depth - 1]].HasWhiteSpace = true;
                    ref Token token = ref Add();
                    token = default;
                    token.Kind = reader.TokenType;
                    token.Start = start;
                    token.NameStart = nameStart;
                    token.NameLength = nameLength;
                    token.IsNameEscaped = isNameEscaped;
                    token.Next = _count;
                    nameStart = nameLength = 0;
                    isNameEscaped = false;
                    if (token.IsContainer)
                    {
                        if (depth == _open.Length)
                            Array.Resize(ref _open, depth * 2);
                        _open[depth++] = _count - 1;
                        expected = start + 1;
                        continue;
                    }
                    token.End = (int)reader.BytesConsumed;
                    token.IsEscaped = token.Kind == JsonTokenType.String && reader.ValueIsEscaped;
                    if (token.Kind == JsonTokenType.String && token.NameLength == 12 && json.Slice(token.NameStart, 12).SequenceEqual("resourceType"u8))
                        _tokens[_open[depth - 1]].ResourceType = _count - 1;
                    break;
            }
            // One comma is expected before what follows; a container that ends here takes it back.
            expected = (int)reader.BytesConsumed + 1;
        }
        if (_tokens[0].Kind != JsonTokenType.StartObject)
            throw new ResourceException("it is not a JSON object");
    }

    private ref Token Add()
    {
        if (_count == _tokens.Length)
            Array.Resize(ref _tokens, _count * 2);
        return ref _tokens[_count++];
    }
}
