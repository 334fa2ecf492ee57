using System.Globalization;
using static FhirDeid.SampleData.PlantedCategory;

namespace FhirDeid.SampleData;

/// <summary>Numbers and dates as text, the same in every culture.</summary>
internal static class Text
{
    public static string Of(int value) => value.ToString(CultureInfo.InvariantCulture);

    public static Identifying Day(DateOnly day) => new(Date, day.ToString("yyyy'-'MM'-'dd", CultureInfo.InvariantCulture));

    public static Identifying Month(DateOnly day) => new(Date, day.ToString("yyyy'-'MM", CultureInfo.InvariantCulture));

    /// <summary>As people write it: 03/15/2014.</summary>
    public static Identifying Slashed(DateOnly day) => new(Date, day.ToString("MM'/'dd'/'yyyy", CultureInfo.InvariantCulture));

    /// <summary>As people write it: March 15, 2014.</summary>
    public static Identifying Spelled(DateOnly day) => new(Date, day.ToString("MMMM d', 'yyyy", CultureInfo.InvariantCulture));

    /// <summary>dateTime with seconds.</summary>
    public static Identifying Time(DateTime time, string zone) => new(Date, time.ToString("yyyy'-'MM'-'dd'T'HH':'mm':'ss", CultureInfo.InvariantCulture) + zone);

    /// <summary>instant with milliseconds.</summary>
    public static Identifying Instant(DateTime time, string zone) => new(Date, time.ToString("yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fff", CultureInfo.InvariantCulture) + zone);
}
