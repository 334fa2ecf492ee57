using System.Buffers.Text;
using FhirDeid.Anonymization.Configuration;

namespace FhirDeid.Anonymization.Engine;

/// <summary>Moves dates by whole days: by a fixed number, by one for the whole file or folder, or by one that depends on the id of the document.</summary>
internal sealed class DateShift
{
    private readonly byte[] _key;
    private int? _daysBefore;
    private int? _daysAfter;

    /// <param name="configuration">The parameters.</param>
    /// <param name="scopeName">Name of the input file or folder that dates shift by; empty where they shift by the document's id.</param>
    public DateShift(AnonymizationConfiguration configuration, byte[] scopeName)
    {
        _key = configuration.DateShiftKey;
        Days = configuration.DateShiftFixedOffsetInDays ?? (scopeName.Length > 0 ? OffsetDays(scopeName, _key) : null);
    }

    /// <summary>Days by which every date moves; null where they depend on the document's id.</summary>
    public int? Days { get; }

    /// <summary>Days by which dates of one scope move, in [-50, 50].</summary>
    /// <param name="prefix">Resource id, file name or folder name, by the configured scope; may be empty.</param>
    /// <param name="key">The configuration's dateShiftKey, as UTF-8 text.</param>
    /// <remarks>h = (h·131 + b) mod 101 over UTF-8(prefix + key), minus 50: the service's own function. Not a secure hash: docs/compatibility.md, "Date shift".</remarks>
    public static int OffsetDays(ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> key)
    {
        int hash = 0;
        foreach (byte b in prefix)
            hash = (hash * 131 + b) % 101;
        foreach (byte b in key)
            hash = (hash * 131 + b) % 101;
        return hash - 50;
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
        int days = OffsetDays(id, _key);
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
        arena.Append((byte)'"');
        DateOnly shifted = DateOnly.FromDayNumber((int)day);
        Utf8Formatter.TryFormat(shifted.ToDateTime(TimeOnly.MinValue), arena.GetSpan(33), out _, 'O');
        arena.Advance("yyyy-MM-dd".Length);
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
