using FhirDeid.Anonymization.Configuration;

namespace FhirDeid.Anonymization.Engine;

/// <summary>Moves dates by whole days: by a fixed number, by one for the whole file or folder, or by one that depends on the id of the document.</summary>
internal sealed class DateShift
{
    private readonly uint _keyHash;
    private readonly uint _keyFactor = 1;
    private int? _daysBefore;
    private int? _daysAfter;

    /// <param name="configuration">The parameters.</param>
    /// <param name="scopeName">Name of the input file or folder that dates shift by; empty where they shift by the document's id.</param>
    public DateShift(AnonymizationConfiguration configuration, byte[] scopeName)
    {
        _keyHash = Fold(configuration.DateShiftKey);
        foreach (byte _ in configuration.DateShiftKey)
            _keyFactor = _keyFactor * 131 % 101;
        Days = configuration.DateShiftFixedOffsetInDays ?? (scopeName.Length > 0 ? OffsetDays(scopeName) : null);
    }

    /// <summary>Days by which every date moves; null where they depend on the document's id.</summary>
    public int? Days { get; }

    /// <summary>Days by which dates of one scope move, in [-50, 50].</summary>
    /// <param name="prefix">Resource id, file name or folder name, by the configured scope; may be empty.</param>
    /// <remarks>h = (h·131 + b) mod 101 over UTF-8(prefix + dateShiftKey), minus 50: the service's own function. Not a secure hash: docs/compatibility.md, "Date shift".</remarks>
    private int OffsetDays(ReadOnlySpan<byte> prefix) => (int)((Fold(prefix) * _keyFactor + _keyHash) % 101) - 50;

    /// <summary>Four bytes at a time: modulo 101, 131 is 30, its square 92, its cube 33 and its fourth power 81.</summary>
    private static uint Fold(ReadOnlySpan<byte> text)
    {
        uint hash = 0;
        for (; text.Length >= 4; text = text[4..])
            hash = (hash * 81 + text[0] * 33u + text[1] * 92u + text[2] * 30u + text[3]) % 101;
        foreach (byte b in text)
            hash = (hash * 30 + b) % 101;
        return hash;
    }

    /// <summary>Begins a document: its dates may depend on its id.</summary>
    public void Begin() => _daysBefore = _daysAfter = null;

    /// <summary>Days by which dates of this document move, where they are known already.</summary>
    /// <param name="isChanged">Whether a rule has changed the document's id before.</param>
    public int? KnownDays(bool isChanged) => isChanged ? _daysAfter : _daysBefore;

    /// <summary>Days by which dates of this document move.</summary>
    /// <param name="id">The document's id, as it is then; may be empty.</param>
    /// <param name="isChanged">Whether a rule has changed it before.</param>
    public int DaysFor(ReadOnlySpan<byte> id, bool isChanged)
    {
        int days = OffsetDays(id);
        if (isChanged)
            _daysAfter = days;
        else
            _daysBefore = days;
        return days;
    }

    /// <summary>Writes a shifted date as a JSON string.</summary>
    /// <param name="text">The date as it is; it must have a day.</param>
    /// <param name="date">The same, read.</param>
    /// <param name="days">How far it moves.</param>
    /// <param name="arena">Receives the value.</param>
    /// <returns>Whether the shifted day exists; nothing is written otherwise.</returns>
    /// <remarks>A complete time with its zone is kept as zeros, digit by digit; any other time is left out.</remarks>
    public static bool TryWrite(ReadOnlySpan<byte> text, FhirDate date, int days, Arena arena)
    {
        long day = new DateOnly(date.Year, date.Month, date.Day).DayNumber + (long)days;
        if (day < DateOnly.MinValue.DayNumber || day > DateOnly.MaxValue.DayNumber)
            return false;
        (int year, int month, int dayOfMonth) = DateOnly.FromDayNumber((int)day);
        Span<byte> written = arena.GetSpan("\"yyyy-MM-dd".Length);
        written[0] = (byte)'"';
        FhirDate.WriteDigits(year, written.Slice(1, 4));
        written[5] = (byte)'-';
        FhirDate.WriteDigits(month, written.Slice(6, 2));
        written[8] = (byte)'-';
        FhirDate.WriteDigits(dayOfMonth, written.Slice(9, 2));
        arena.Advance("\"yyyy-MM-dd".Length);
        if (date.HasTime && IsComplete(text[10..], out int zone))
        {
            foreach (byte b in text.Slice(10, zone))
                arena.Append(b is >= (byte)'0' and <= (byte)'9' ? (byte)'0' : b);
            arena.Append(text[(10 + zone)..]);
        }
        arena.Append((byte)'"');
        return true;
    }

    /// <summary>Whether a time has hours, minutes, seconds and a zone; where the zone starts.</summary>
    private static bool IsComplete(ReadOnlySpan<byte> time, out int zone)
    {
        zone = time[^1] == 'Z' ? time.Length - 1 : time.Length > 6 && time[^6] is (byte)'+' or (byte)'-' ? time.Length - 6 : -1;
        return zone >= "Thh:mm:ss".Length;
    }
}
