namespace FhirDeid.Anonymization.Engine;

/// <summary>A FHIR date or dateTime as it is written.</summary>
/// <remarks>Syntax: R4 datatypes, date and dateTime; as in the service, a time may lack minutes, seconds or zone, and a zone may follow a day.</remarks>
internal readonly ref struct FhirDate
{
    public int Year { get; private init; }

    /// <summary>1 to 12, or 0 where the date is a year.</summary>
    public int Month { get; private init; }

    /// <summary>1 to 31, or 0 where the date is a year or a month.</summary>
    public int Day { get; private init; }

    public bool HasTime { get; private init; }

    /// <summary>Reads a value.</summary>
    /// <param name="text">ASCII text.</param>
    /// <param name="allowTime">Whether a time may follow.</param>
    /// <param name="date">The date.</param>
    /// <returns>Whether the text is a date that exists.</returns>
    public static bool TryParse(ReadOnlySpan<byte> text, bool allowTime, out FhirDate date)
    {
        date = default;
        if (!TryNumber(text, 0, 4, out int year) || year == 0)
            return false;
        date = new FhirDate { Year = year };
        if (text.Length == 4)
            return true;
        if (text[4] != '-' || !TryNumber(text, 5, 2, out int month) || month is < 1 or > 12)
            return false;
        date = new FhirDate { Year = year, Month = month };
        if (text.Length == 7)
            return true;
        if (text[7] != '-' || !TryNumber(text, 8, 2, out int day) || day < 1 || day > DateTime.DaysInMonth(year, month))
            return false;
        bool hasTime = text.Length > 10;
        date = new FhirDate { Year = year, Month = month, Day = day, HasTime = hasTime };
        return !hasTime || allowTime && (text[10] == 'T' ? IsTime(text[11..], allowZone: true) : IsZone(text[10..]));
    }

    /// <summary>Whether a text is a time of day: hh[:mm[:ss[.f]]], with a zone where allowed.</summary>
    public static bool IsTime(ReadOnlySpan<byte> text, bool allowZone)
    {
        if (allowZone && text.Length > 0 && text[^1] == 'Z')
        {
            text = text[..^1];
        }
        else if (allowZone && text.Length > 6 && text[^6] is (byte)'+' or (byte)'-' && text[^3] == ':')
        {
            if (!TryNumber(text, text.Length - 5, 2, out int zoneHour) || zoneHour > 14 || !TryNumber(text, text.Length - 2, 2, out int zoneMinute) || zoneMinute > 59)
                return false;
            text = text[..^6];
        }
        if (!TryNumber(text, 0, 2, out int hour) || hour > 23)
            return false;
        if (text.Length == 2)
            return true;
        if (text[2] != ':' || !TryNumber(text, 3, 2, out int minute) || minute > 59)
            return false;
        if (text.Length == 5)
            return true;
        if (text[5] != ':' || !TryNumber(text, 6, 2, out int second) || second > 59)
            return false;
        return text.Length == 8 || text.Length > 9 && text[8] == '.' && !text[9..].ContainsAnyExceptInRange((byte)'0', (byte)'9');
    }

    /// <summary>Whether a text that is a dateTime has everything that an instant needs: a time with seconds, and a zone.</summary>
    public static bool IsInstant(ReadOnlySpan<byte> text) =>
        text.Length >= "yyyy-MM-ddThh:mm:ssZ".Length && text[16] == ':' && (text[^1] == 'Z' || text[^6] is (byte)'+' or (byte)'-');

    private static bool IsZone(ReadOnlySpan<byte> text) => text.SequenceEqual("Z"u8)
        || text.Length == 6 && text[0] is (byte)'+' or (byte)'-' && text[3] == ':' && TryNumber(text, 1, 2, out int hour) && hour <= 14 && TryNumber(text, 4, 2, out int minute) && minute <= 59;

    /// <summary>Whether someone born then is over 89 on a day: HIPAA §164.514(b)(2)(i)(C). A missing month or day counts as the first.</summary>
    public bool IsOver89(DateOnly today)
    {
        int month = Math.Max(Month, 1);
        int day = Math.Max(Day, 1);
        int age = today.Year - Year - (today.Month < month || today.Month == month && today.Day < day ? 1 : 0);
        return age > 89;
    }

    /// <summary>Writes a number with leading zeros.</summary>
    public static void WriteDigits(int number, Span<byte> digits)
    {
        for (int i = digits.Length - 1; i >= 0; i--)
        {
            digits[i] = (byte)('0' + number % 10);
            number /= 10;
        }
    }

    private static bool TryNumber(ReadOnlySpan<byte> text, int start, int length, out int value)
    {
        value = 0;
        if (text.Length < start + length)
            return false;
        foreach (byte digit in text.Slice(start, length))
        {
            if (!char.IsAsciiDigit((char)digit))
                return false;
            value = value * 10 + digit - '0';
        }
        return true;
    }
}
