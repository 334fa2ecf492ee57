using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Engine;

/// <summary>Checks primitive values against their type, and gives their text.</summary>
internal sealed class PrimitiveReader
{
    private const NumberStyles DecimalStyle = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    private byte[] _scratch = new byte[256];

    /// <summary>Name of the property that holds a value, without escapes.</summary>
    /// <exception cref="ResourceException">An escape does not form a character.</exception>
    public ReadOnlySpan<byte> Name(ReadOnlySpan<byte> json, in Token token) => token.IsNameEscaped
        ? Unescape(json.Slice(token.NameStart - 1, token.NameLength + 2)) : json.Slice(token.NameStart, token.NameLength);

    /// <summary>Text of a JSON string, without escapes.</summary>
    /// <exception cref="ResourceException">An escape does not form a character.</exception>
    public ReadOnlySpan<byte> Unescape(ReadOnlySpan<byte> json, in Token token)
    {
        ReadOnlySpan<byte> quoted = json[token.Start..token.End];
        return token.IsEscaped ? Unescape(quoted) : quoted[1..^1];
    }

    /// <summary>Text of a value: of a string without quotes and escapes, of anything else as written.</summary>
    public ReadOnlySpan<byte> Text(ReadOnlySpan<byte> json, in Token token) =>
        token.Kind == JsonTokenType.String ? Unescape(json, token) : json[token.Start..token.End];

    /// <summary>Text of a quoted JSON string with escapes.</summary>
    /// <exception cref="ResourceException">An escape does not form a character.</exception>
    public ReadOnlySpan<byte> Unescape(ReadOnlySpan<byte> quoted)
    {
        if (_scratch.Length < quoted.Length)
            _scratch = new byte[quoted.Length * 2];
        Utf8JsonReader reader = new(quoted);
        try
        {
            reader.Read();
            return _scratch.AsSpan(0, reader.CopyString(_scratch));
        }
        catch (InvalidOperationException)
        {
            throw new ResourceException("a string holds half a surrogate pair");
        }
    }

    /// <summary>Checks a value. Numbers and booleans may be given as text, as the service accepts.</summary>
    /// <param name="json">The resource.</param>
    /// <param name="token">The value.</param>
    /// <param name="type">Its primitive type.</param>
    /// <param name="text">Its text, without quotes and escapes; empty where the value counts as none.</param>
    /// <param name="date">The date, where the type has one.</param>
    /// <returns>Whether the bytes are already what is to be written; otherwise <see cref="WriteCanonical"/> writes them.</returns>
    /// <exception cref="ResourceException">It does not parse for its type.</exception>
    public bool Read(ReadOnlySpan<byte> json, in Token token, FhirType type, out ReadOnlySpan<byte> text, out FhirDate date)
    {
        date = default;
        bool isString = token.Kind == JsonTokenType.String;
        text = isString ? Unescape(json, token) : json[token.Start..token.End];
        if (text.IsEmpty)
            return false;
        bool needsString = type.Syntax is PrimitiveSyntax.Text or PrimitiveSyntax.Date or PrimitiveSyntax.DateTime or PrimitiveSyntax.Time;
        bool isCanonical = type.Syntax switch
        {
            PrimitiveSyntax.Boolean => !isString,
            PrimitiveSyntax.Integer => !isString && (text.Length == 1 || text[0] is >= (byte)'1' and <= (byte)'9'),
            PrimitiveSyntax.Decimal => !isString && text.Length <= 28 && text[0] is >= (byte)'0' and <= (byte)'9' && text.IndexOfAny((byte)'e', (byte)'E') < 0,
            _ => true,
        };
        bool isValid = type.Syntax switch
        {
            PrimitiveSyntax.Date or PrimitiveSyntax.DateTime => FhirDate.TryParse(text, allowTime: type.Syntax == PrimitiveSyntax.DateTime, out date),
            // A JSON number of so few digits is a decimal.
            PrimitiveSyntax.Decimal when isCanonical => true,
            _ => IsValid(text, type.Syntax),
        };
        if (needsString && !isString || !isValid)
            throw new ResourceException($"a value is not a FHIR {type.Name}");
        return isCanonical;
    }

    /// <summary>Whether a text is a value of a primitive type.</summary>
    public static bool IsValid(ReadOnlySpan<byte> text, PrimitiveSyntax syntax) => syntax switch
    {
        PrimitiveSyntax.Boolean => text.SequenceEqual("true"u8) || text.SequenceEqual("false"u8),
        PrimitiveSyntax.Integer => Utf8Parser.TryParse(text, out int _, out int read) && read == text.Length,
        PrimitiveSyntax.Decimal => TryDecimal(text, out _),
        PrimitiveSyntax.Date => FhirDate.TryParse(text, allowTime: false, out _),
        PrimitiveSyntax.DateTime => FhirDate.TryParse(text, allowTime: true, out _),
        PrimitiveSyntax.Time => FhirDate.IsTime(text, allowZone: false),
        _ => true,
    };

    /// <summary>Whether a text may be written as a value of a primitive type: what the service accepts and FHIR does not, such as a year for an instant, is no value here.</summary>
    public static bool IsValid(string text, FhirType type)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        return IsValid(utf8, type.Syntax) && type.Name switch
        {
            "instant" => FhirDate.IsInstant(utf8),
            "dateTime" => utf8.Length <= 10 || FhirDate.IsInstant(utf8),
            "positiveInt" => text[0] != '-' && text.AsSpan().ContainsAnyExcept('0', '+'),
            "unsignedInt" => text[0] != '-',
            _ => true,
        };
    }

    /// <summary>Writes a number or boolean the way the service writes it: no quotes, no exponent, no −0, at most 29 digits.</summary>
    public static void WriteCanonical(ReadOnlySpan<byte> text, FhirType type, Arena arena)
    {
        switch (type.Syntax)
        {
            case PrimitiveSyntax.Integer:
                Write(int.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture), arena);
                break;
            case PrimitiveSyntax.Decimal:
                decimal number = decimal.Parse(text, DecimalStyle, CultureInfo.InvariantCulture);
                Write(number == 0 ? decimal.Abs(number) : number, arena);
                break;
            default:
                arena.Append(text);
                break;
        }
    }

    private static void Write<T>(T number, Arena arena) where T : IUtf8SpanFormattable
    {
        number.TryFormat(arena.GetSpan(32), out int written, default, CultureInfo.InvariantCulture);
        arena.Advance(written);
    }

    /// <summary>A number the way the service writes it.</summary>
    public static string Canonical(ReadOnlySpan<byte> text, FhirType type)
    {
        Arena arena = new();
        WriteCanonical(text, type, arena);
        return Encoding.UTF8.GetString(arena.Slice(0, arena.Length));
    }

    /// <summary>Writes a text that is a value of a primitive type as JSON.</summary>
    public static void WriteValue(string text, FhirType type, Arena arena)
    {
        if (type.Syntax is PrimitiveSyntax.Boolean or PrimitiveSyntax.Integer or PrimitiveSyntax.Decimal)
            WriteCanonical(Encoding.UTF8.GetBytes(text), type, arena);
        else
            arena.Append(JsonSerializer.SerializeToUtf8Bytes(text, Redaction.RelaxedJson));
    }

    /// <summary>Parses a FHIR decimal.</summary>
    public static bool TryDecimal(ReadOnlySpan<byte> text, out decimal number) =>
        decimal.TryParse(text, DecimalStyle, CultureInfo.InvariantCulture, out number);
}
