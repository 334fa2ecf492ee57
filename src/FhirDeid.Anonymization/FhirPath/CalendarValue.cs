using System.Globalization;

namespace FhirDeid.Anonymization.FhirPath;

/// <summary>A Date, DateTime or Time with the precision that it is written with.</summary>
internal readonly struct CalendarValue
{
    private enum Precision
    {
        Year,
        Month,
        Day,
        Hour,
        Minute,
        Second,
    }

    /// <summary>In UTC where there is a zone, as written otherwise. A time is on an arbitrary day.</summary>
    private DateTime Utc { get; init; }

    private Precision LastPart { get; init; }

    private bool HasZone { get; init; }

    /// <summary>Reads YYYY[-MM[-DD[Thh[:mm[:ss[.f]]][zone]]]], or hh[:mm[:ss[.f]]].</summary>
    /// <param name="kind">Date, DateTime or Time.</param>
    /// <param name="text">The text.</param>
    /// <returns>Whether the text is one.</returns>
    public static bool IsValid(FhirPathKind kind, string text) => TryParse(kind, text, out _);

    /// <summary>The order of two values of one kind; null where the precision of one does not tell, or only one has a zone.</summary>
    public static int? Compare(in FhirPathValue left, in FhirPathValue right)
    {
        if (!TryParse(left.Kind, left.Text, out CalendarValue l) || !TryParse(right.Kind, right.Text, out CalendarValue r))
            throw new FhirPathException("a date or time does not exist");
        for (Precision part = left.Kind == FhirPathKind.Time ? Precision.Hour : Precision.Year; part <= Precision.Second; part++)
        {
            if (l.LastPart < part != r.LastPart < part)
                return null;
            if (part == Precision.Hour && l.HasZone != r.HasZone)
                return null;
            // Below its precision a value counts as zero: the part before has told, or both are alike.
            if (Part(l.Utc, part).CompareTo(Part(r.Utc, part)) is not 0 and var order)
                return order;
        }
        return 0;
    }

    private static int Part(DateTime value, Precision part) => part switch
    {
        Precision.Year => value.Year,
        Precision.Month => value.Month,
        Precision.Day => value.Day,
        Precision.Hour => value.Hour,
        Precision.Minute => value.Minute,
        _ => value.Second * 1000 + value.Millisecond,
    };

    private static bool TryParse(FhirPathKind kind, ReadOnlySpan<char> text, out CalendarValue value)
    {
        value = default;
        DateTime date = new(2000, 1, 2);
        Precision last = Precision.Year;
        if (kind != FhirPathKind.Time)
        {
            int month = 1, day = 1;
            if (!TryNumber(ref text, 4, out int year) || year == 0)
                return false;
            if (text.StartsWith("-"))
            {
                last = Precision.Month;
                text = text[1..];
                if (!TryNumber(ref text, 2, out month) || month is < 1 or > 12)
                    return false;
                if (text.StartsWith("-"))
                {
                    last = Precision.Day;
                    text = text[1..];
                    if (!TryNumber(ref text, 2, out day) || day < 1 || day > DateTime.DaysInMonth(year, month))
                        return false;
                }
            }
            date = new DateTime(year, month, day);
            if (kind == FhirPathKind.DateTime && last == Precision.Day && text.StartsWith("T"))
            {
                text = text[1..];
                kind = FhirPathKind.Time;
            }
            else if (kind == FhirPathKind.Date || text.IsEmpty)
            {
                value = new CalendarValue { Utc = date, LastPart = last };
                return text.IsEmpty;
            }
        }
        if (kind == FhirPathKind.Time)
        {
            int minute = 0, second = 0, ticks = 0;
            last = Precision.Hour;
            if (!TryNumber(ref text, 2, out int hour) || hour > 23)
                return false;
            if (text.StartsWith(":"))
            {
                last = Precision.Minute;
                text = text[1..];
                if (!TryNumber(ref text, 2, out minute) || minute > 59)
                    return false;
                if (text.StartsWith(":"))
                {
                    last = Precision.Second;
                    text = text[1..];
                    if (!TryNumber(ref text, 2, out second) || second > 59)
                        return false;
                    if (text.StartsWith(".") && !TryFraction(ref text, out ticks))
                        return false;
                }
            }
            date = date.AddTicks(new TimeSpan(hour, minute, second).Ticks + ticks);
        }
        bool hasZone = !text.IsEmpty;
        if (hasZone && text is not "Z")
        {
            if (text.Length != 6 || text[0] is not ('+' or '-') || text[3] != ':'
                || !int.TryParse(text[1..3], NumberStyles.None, CultureInfo.InvariantCulture, out int hours)
                || !int.TryParse(text[4..], NumberStyles.None, CultureInfo.InvariantCulture, out int minutes) || hours > 14 || minutes > 59)
                return false;
            long ticks = date.Ticks - new TimeSpan(hours, minutes, 0).Ticks * (text[0] == '-' ? -1 : 1);
            if (ticks < 0 || ticks > DateTime.MaxValue.Ticks)
                return false;
            date = new DateTime(ticks);
        }
        value = new CalendarValue { Utc = date, LastPart = last, HasZone = hasZone };
        return true;
    }

    private static bool TryNumber(ref ReadOnlySpan<char> text, int digits, out int number)
    {
        number = 0;
        if (text.Length < digits || !int.TryParse(text[..digits], NumberStyles.None, CultureInfo.InvariantCulture, out number))
            return false;
        text = text[digits..];
        return true;
    }

    private static bool TryFraction(ref ReadOnlySpan<char> text, out int ticks)
    {
        ticks = 0;
        int end = 1;
        for (int unit = 1_000_000; end < text.Length && char.IsAsciiDigit(text[end]); end++, unit /= 10)
            ticks += (text[end] - '0') * unit;
        text = text[end..];
        return end > 1;
    }
}
