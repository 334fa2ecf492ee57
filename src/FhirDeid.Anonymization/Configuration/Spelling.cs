namespace FhirDeid.Anonymization.Configuration;

/// <summary>What a misspelt name was meant to be.</summary>
internal static class Spelling
{
    private const int LongestName = 60;

    /// <summary>The known name that a word is closest to; null where none is close.</summary>
    /// <param name="word">The word as written.</param>
    /// <param name="names">The names that would have been right.</param>
    public static string? Nearest(string word, IEnumerable<string> names)
    {
        if (word.Length is 0 or > LongestName)
            return null;
        string? nearest = null;
        int least = Math.Max(1, word.Length / 3) + 1;
        foreach (string name in names)
        {
            if (Math.Abs(name.Length - word.Length) >= least)
                continue;
            int distance = Distance(word, name, least);
            if (distance < least)
                (nearest, least) = (name, distance);
        }
        return nearest;
    }

    /// <summary>A sentence that asks whether the nearest name was meant; empty where none is near.</summary>
    public static string Question(string word, IEnumerable<string> names) => Nearest(word, names) is { } name ? $" Did you mean '{name}'?" : "";

    /// <summary>Letters to insert, remove, replace or swap; upper and lower case do not differ.</summary>
    private static int Distance(string a, string b, int limit)
    {
        int[] before = new int[b.Length + 1], last = new int[b.Length + 1], row = new int[b.Length + 1];
        for (int j = 0; j <= b.Length; j++)
            last[j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            int least = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int replace = last[j - 1] + (Same(a[i - 1], b[j - 1]) ? 0 : 1);
                row[j] = Math.Min(replace, Math.Min(last[j], row[j - 1]) + 1);
                if (i > 1 && j > 1 && Same(a[i - 1], b[j - 2]) && Same(a[i - 2], b[j - 1]))
                    row[j] = Math.Min(row[j], before[j - 2] + 1);
                least = Math.Min(least, row[j]);
            }
            if (least >= limit)
                return limit;
            (before, last, row) = (last, row, before);
        }
        return last[b.Length];
    }

    private static bool Same(char a, char b) => char.ToLowerInvariant(a) == char.ToLowerInvariant(b);
}
