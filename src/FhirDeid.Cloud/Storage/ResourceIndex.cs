namespace FhirDeid.Cloud.Storage;

/// <summary>Which resources of one type an export has held so far: 11 bytes each, of which nothing is kept once the last file of the type has come.</summary>
/// <param name="files">Number of files of the type.</param>
/// <param name="expected">Number of resources in them, as far as it is known.</param>
/// <remarks>
/// Open addressing over 64 bits of a fingerprint; the other 64 say where they stand, so that two resources are taken for one only if they agree in the first ones and stand within a few slots of each other: one chance in 10^11 for ten million resources.
/// A table that is full is left as it is, and a larger one goes on: nothing is moved, and never twice the memory needed.
/// </remarks>
internal sealed class ResourceIndex(int files, long expected)
{
    private const ulong Empty = 0, TakenBack = 1;

    private const int SmallestTable = 1 << 10;

    /// <summary>The count is the manifest's, which can say anything: what it cannot have in memory from the start, 32 MiB, comes when it is needed.</summary>
    private const int LargestFirstTable = 1 << 22;

    private readonly object _lock = new();
    private readonly List<ulong[]> _tables = [];
    private int _files = files;
    private int _free;

    /// <summary>Adds a resource.</summary>
    /// <param name="fingerprint">Its fingerprint.</param>
    /// <param name="slot">Where it is now, for <see cref="TakeBack"/>.</param>
    /// <returns>Whether it is new.</returns>
    public bool Add(UInt128 fingerprint, out long slot)
    {
        ulong value = Math.Max((ulong)fingerprint, TakenBack + 1), place = (ulong)(fingerprint >> 64);
        lock (_lock)
        {
            int at = -1;
            for (int table = 0; table < _tables.Count; table++)
            {
                at = Find(_tables[table], value, place, out bool found);
                slot = ((long)table << 32) + at;
                if (found) return false;
            }
            if (_free == 0)
            {
                ulong[] next = new ulong[_tables.Count > 0 ? (int)Math.Min(_tables[^1].Length * 2L, Array.MaxLength) : (int)Math.Clamp(expected / 3 * 4 + 16, SmallestTable, LargestFirstTable)];
                _tables.Add(next);
                _free = (int)(next.Length * 3L / 4);
                at = Find(next, value, place, out _);
            }
            _tables[^1][at] = value;
            _free--;
            slot = ((long)(_tables.Count - 1) << 32) + at;
            return true;
        }
    }

    /// <summary>Takes resources back.</summary>
    /// <param name="slots">Where they are.</param>
    public void TakeBack(IEnumerable<long> slots)
    {
        lock (_lock)
        {
            foreach (long slot in slots) _tables[(int)(slot >> 32)][(int)slot] = TakenBack;
        }
    }

    /// <summary>Says that a file of the type has come.</summary>
    public void EndFile()
    {
        lock (_lock)
        {
            if (--_files > 0) return;
            _tables.Clear();
            _free = 0;
        }
    }

    /// <summary>Where a value stands in a table, or would stand: a slot is empty at a place that the fingerprint names or behind it.</summary>
    private static int Find(ulong[] table, ulong value, ulong place, out bool found)
    {
        int at = (int)Math.BigMul(place, (ulong)table.Length, out _);
        while (table[at] is var there && there != Empty)
        {
            if (there == value)
            {
                found = true;
                return at;
            }
            if (++at == table.Length) at = 0;
        }
        found = false;
        return at;
    }
}
