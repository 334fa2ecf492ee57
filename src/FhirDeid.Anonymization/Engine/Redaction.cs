using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using FhirDeid.Anonymization.Configuration;

namespace FhirDeid.Anonymization.Engine;

/// <summary>What redact leaves of dates, ages and postal codes, where the configuration allows partial values.</summary>
/// <remarks>HIPAA §164.514(b)(2)(i)(B) and (C): the year of a date, ages up to 89, three digits of a ZIP code with enough people.</remarks>
internal sealed class Redaction(AnonymizationConfiguration configuration)
{
    internal static readonly JsonSerializerOptions RelaxedJson = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly string[][] UnitsPerYear =
    [
        ["1", "a", "yr", "yrs", "year", "years"],
        ["12", "mo", "month", "months"],
        ["52", "wk", "week", "weeks"],
        ["365", "d", "day", "days"],
        ["8760", "h", "hour", "hours"],
        ["525600", "min", "minute", "minutes"],
    ];

    /// <summary>The year of a date or dateTime, or nothing.</summary>
    /// <returns>Whether a year was written, as a JSON string.</returns>
    public bool TryYear(FhirDate date, DateOnly today, Arena arena)
    {
        if (!configuration.PartialDates || date.IsOver89(today))
            return false;
        Span<byte> year = arena.GetSpan("\"yyyy\"".Length);
        year[0] = year[5] = (byte)'"';
        FhirDate.WriteDigits(date.Year, year.Slice(1, 4));
        arena.Advance("\"yyyy\"".Length);
        return true;
    }

    /// <summary>What stays of a postal code, or nothing.</summary>
    /// <returns>Whether a value was written, as a JSON string.</returns>
    /// <remarks>In a restricted area every digit becomes 0, elsewhere those after the third character. Codes of fewer than three characters cannot be cut and go, and so does what holds a word or a sign that no postal code has: letters stay, and could be a name.</remarks>
    public bool TryPostalCode(ReadOnlySpan<byte> text, Arena arena)
    {
        if (!configuration.PartialZipCodes)
            return false;
        string code = Encoding.UTF8.GetString(text);
        if (code.Trim().Length < 3 || !IsPostalCode(code))
            return false;
        bool isRestricted = configuration.RestrictedZipCodeAreas.Any(area => code.StartsWith(area, StringComparison.Ordinal));
        string kept = string.Create(code.Length, (code, isRestricted), static (span, state) =>
        {
            for (int i = 0; i < span.Length; i++)
                span[i] = char.IsDigit(state.code[i]) && (state.isRestricted || i >= 3) ? '0' : state.code[i];
        });
        arena.Append(JsonSerializer.SerializeToUtf8Bytes(kept, RelaxedJson));
        return true;
    }

    /// <summary>Whether a text is of letters, digits, spaces and hyphens, with no more than three letters in a row, and two behind the third character.</summary>
    private static bool IsPostalCode(string code)
    {
        int letters = 0;
        for (int i = 0; i < code.Length; i++)
        {
            letters = char.IsAsciiLetter(code[i]) ? letters + 1 : 0;
            if (letters > (i < 3 ? 3 : 2) || !char.IsLetterOrDigit(code[i]) && code[i] is not (' ' or '-') || char.IsLetter(code[i]) && !char.IsAsciiLetter(code[i]))
                return false;
        }
        return true;
    }

    /// <summary>Whether an Age may stay: at most 89 years, in a unit that is known.</summary>
    /// <param name="value">The number.</param>
    /// <param name="unit">UCUM code, or the unit's text where there is no code; empty counts as years.</param>
    /// <param name="isMore">Whether its comparator is <c>&gt;</c> or <c>&gt;=</c>.</param>
    /// <param name="isInYears">Whether the unit is the year: a bare number then says the same.</param>
    public bool KeepsAge(ReadOnlySpan<byte> value, ReadOnlySpan<byte> unit, bool isMore, out bool isInYears)
    {
        string[]? known = unit.Length == 0 ? UnitsPerYear[0] : KnownUnit(unit);
        isInYears = known == UnitsPerYear[0];
        return configuration.PartialAges && !isMore && known is not null && PrimitiveReader.TryDecimal(value, out decimal age)
            && age / decimal.Parse(known[0], CultureInfo.InvariantCulture) <= 89;
    }

    /// <summary>Whether the unit, code or system beside an age is one of those known here: any other text there may be about somebody.</summary>
    public static bool IsUnit(string property, ReadOnlySpan<byte> text) => property == "system"
        ? text.SequenceEqual("http://unitsofmeasure.org"u8)
        : KnownUnit(text) is not null;

    /// <summary>How many of a unit make a year, and its names; null where it is unknown.</summary>
    private static string[]? KnownUnit(ReadOnlySpan<byte> text)
    {
        foreach (string[] unit in UnitsPerYear)
        {
            for (int name = 1; name < unit.Length; name++)
            {
                if (Ascii.Equals(text, unit[name]))
                    return unit;
            }
        }
        return null;
    }
}
