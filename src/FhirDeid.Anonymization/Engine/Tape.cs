using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
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

    /// <summary>Whether it holds nothing, as null or an object without properties does: to the service's parser there is no element then.</summary>
    /// <param name="index">Its own index.</param>
    public readonly bool IsNothing(int index) => Kind == JsonTokenType.Null || Kind == JsonTokenType.StartObject && Next == index + 1;

    public readonly bool IsContainer => Kind is JsonTokenType.StartObject or JsonTokenType.StartArray;
}

/// <summary>First walk: the tokens of one resource in document order, each knowing where its subtree ends.</summary>
internal sealed class Tape
{
    /// <summary>JSON may nest this deep: beyond what any FHIR resource does, and below what could exhaust memory.</summary>
    private const int MaxDepth = 16_384;

    /// <summary>JSON may hold this many values: their tokens take two gigabytes of memory.</summary>
    private const int MaxCount = 1 << 25;

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
        if (!TryRead(json))
            throw new ResourceException(Utf8.IsValid(json) ? Fault(json) : "it is not valid UTF-8");
    }

    /// <summary>Returns whether the text is one well-formed JSON object (RFC 8259) in UTF-8.</summary>
    private bool TryRead(ReadOnlySpan<byte> json)
    {
        _count = 0;
        int depth = 0;
        int at = 0;
        int space = -1;
        // Whether the innermost container is an array; the root has no name either.
        bool isArray = true;
        SkipSpace(json, ref at, ref space);
        if (At(json, at) != '{')
            return false;
        while (true)
        {
            ref Token token = ref Add();
            token = default;
            if (!isArray)
            {
                if (At(json, at) != '"')
                    return false;
                token.NameStart = ++at;
                if (!SkipString(json, ref at, out token.IsNameEscaped))
                    return false;
                token.NameLength = at - 1 - token.NameStart;
                SkipSpace(json, ref at, ref space);
                if (At(json, at++) != ':')
                    return false;
                SkipSpace(json, ref at, ref space);
            }
            token.Start = at;
            token.Next = _count;
            switch (At(json, at++))
            {
                case '"':
                    token.Kind = JsonTokenType.String;
                    if (!SkipString(json, ref at, out token.IsEscaped))
                        return false;
                    if (token.NameLength == 12 && json.Slice(token.NameStart, 12).SequenceEqual("resourceType"u8))
                        _tokens[_open[depth - 1]].ResourceType = _count - 1;
                    break;
                case '{' or '[':
                    isArray = json[at - 1] == '[';
                    token.Kind = isArray ? JsonTokenType.StartArray : JsonTokenType.StartObject;
                    if (depth == MaxDepth)
                        return false;
                    if (depth == _open.Length)
                        Array.Resize(ref _open, depth * 2);
                    _open[depth++] = _count - 1;
                    SkipSpace(json, ref at, ref space);
                    if (At(json, at) != (isArray ? ']' : '}'))
                        continue;
                    break;
                case 't':
                    token.Kind = JsonTokenType.True;
                    if (!SkipWord(json, ref at, "true"u8))
                        return false;
                    break;
                case 'f':
                    token.Kind = JsonTokenType.False;
                    if (!SkipWord(json, ref at, "false"u8))
                        return false;
                    break;
                case 'n':
                    token.Kind = JsonTokenType.Null;
                    if (!SkipWord(json, ref at, "null"u8))
                        return false;
                    break;
                default:
                    token.Kind = JsonTokenType.Number;
                    at = token.Start;
                    if (!SkipNumber(json, ref at))
                        return false;
                    break;
            }
            token.End = at;

            // A comma, or the ends of containers before it.
            while (true)
            {
                SkipSpace(json, ref at, ref space);
                int next = At(json, at++);
                if (next == ',')
                    break;
                if (next != (isArray ? ']' : '}'))
                    return false;
                ref Token container = ref _tokens[_open[--depth]];
                container.End = at;
                container.Next = _count;
                container.HasWhiteSpace = space > container.Start;
                if (depth == 0)
                {
                    SkipSpace(json, ref at, ref space);
                    return at == json.Length;
                }
                isArray = _tokens[_open[depth - 1]].Kind == JsonTokenType.StartArray;
            }
            SkipSpace(json, ref at, ref space);
        }
    }

    /// <summary>The byte at a position, or −1 behind the end.</summary>
    private static int At(ReadOnlySpan<byte> json, int at) => (uint)at < (uint)json.Length ? json[at] : -1;

    /// <summary>Skips white space; notes the position of the last.</summary>
    private static void SkipSpace(ReadOnlySpan<byte> json, ref int at, ref int space)
    {
        while (At(json, at) is ' ' or '\t' or '\r' or '\n')
            space = at++;
    }

    /// <summary>Skips the rest of a string and the quote that ends it.</summary>
    /// <remarks>Most strings are so short that a call to search them takes longer than the search, and hold ASCII alone: as signed numbers, all other bytes are below the space as well.</remarks>
    private static bool SkipString(ReadOnlySpan<byte> json, ref int at, out bool isEscaped)
    {
        isEscaped = false;
        int start = at;
        bool isAscii = true;
        while (true)
        {
            while (at + Vector128<byte>.Count <= json.Length)
            {
                Vector128<byte> bytes = Vector128.LoadUnsafe(ref MemoryMarshal.GetReference(json), (nuint)at);
                Vector128<byte> stops = Vector128.Equals(bytes, Vector128.Create((byte)'"')) | Vector128.Equals(bytes, Vector128.Create((byte)'\\'))
                    | Vector128.LessThan(bytes.AsSByte(), Vector128.Create((sbyte)' ')).AsByte();
                if (stops != Vector128<byte>.Zero)
                {
                    at += BitOperations.TrailingZeroCount(stops.ExtractMostSignificantBits());
                    break;
                }
                at += Vector128<byte>.Count;
            }
            while (At(json, at) is >= ' ' and not ('"' or '\\') and int other)
            {
                isAscii &= other < 0x80;
                at++;
            }
            int stop = At(json, at++);
            if (stop == '"')
                return isAscii || Utf8.IsValid(json[start..at]);
            if (stop != '\\' || !SkipEscape(json, ref at))
                return false;
            isEscaped = true;
        }
    }

    /// <summary>Skips what follows a backslash.</summary>
    private static bool SkipEscape(ReadOnlySpan<byte> json, ref int at)
    {
        switch (At(json, at++))
        {
            case '"' or '\\' or '/' or 'b' or 'f' or 'n' or 'r' or 't':
                return true;
            case 'u':
                int digits = at;
                while (at - digits < 4 && char.IsAsciiHexDigit((char)At(json, at)))
                    at++;
                return at - digits == 4;
            default:
                return false;
        }
    }

    /// <summary>Skips a word whose first letter is behind.</summary>
    private static bool SkipWord(ReadOnlySpan<byte> json, ref int at, ReadOnlySpan<byte> word)
    {
        bool isWord = json[(at - 1)..].StartsWith(word);
        at += word.Length - 1;
        return isWord;
    }

    private static bool SkipNumber(ReadOnlySpan<byte> json, ref int at)
    {
        if (At(json, at) == '-')
            at++;
        if (At(json, at) == '0')
            at++;
        else if (!SkipDigits(json, ref at))
            return false;
        if (At(json, at) == '.')
        {
            at++;
            if (!SkipDigits(json, ref at))
                return false;
        }
        if (At(json, at) is not ('e' or 'E'))
            return true;
        at++;
        if (At(json, at) is '+' or '-')
            at++;
        return SkipDigits(json, ref at);
    }

    private static bool SkipDigits(ReadOnlySpan<byte> json, ref int at)
    {
        int start = at;
        while (At(json, at) is >= '0' and <= '9')
            at++;
        return at > start;
    }

    /// <summary>What is wrong with the text that <see cref="TryRead"/> did not accept.</summary>
    private static string Fault(ReadOnlySpan<byte> json)
    {
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        try
        {
            while (reader.Read())
            {
            }
            return "it is not a JSON object";
        }
        catch (JsonException exception)
        {
            // The parser's own message quotes the input.
            return exception.BytePositionInLine is { } position ? $"it is not valid JSON at byte {position + 1}" : "it is not valid JSON";
        }
    }

    private ref Token Add()
    {
        if (_count == MaxCount)
            throw new ResourceException("it holds more than 33,554,432 JSON values");
        if (_count == _tokens.Length)
            Array.Resize(ref _tokens, _count * 2);
        return ref _tokens[_count++];
    }
}
