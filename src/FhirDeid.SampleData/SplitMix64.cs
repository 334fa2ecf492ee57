namespace FhirDeid.SampleData;

/// <summary>The generator of every choice: Steele, Lea and Flood's SplitMix64 (OOPSLA 2014). Its own, because System.Random promises no sequence across .NET versions.</summary>
internal sealed class SplitMix64
{
    private ulong state;

    /// <summary>A sequence of its own for each (seed, stream, index), so that one patient's data never depend on another's.</summary>
    public SplitMix64(int seed, int stream, int index)
    {
        state = (uint)seed;
        state = Next() ^ (uint)stream;
        state = Next() ^ (uint)index;
        Next();
    }

    public ulong Next()
    {
        ulong z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>0 … count − 1.</summary>
    public int Below(int count) => (int)(((Next() >> 32) * (ulong)count) >> 32);

    /// <summary>Both ends included.</summary>
    public int Between(int first, int last) => first + Below(last - first + 1);

    public bool Chance(int percent) => Below(100) < percent;

    public T Pick<T>(T[] choices) => choices[Below(choices.Length)];

    public string Digits(int count) => Characters(count, "0123456789");

    public string Characters(int count, string alphabet) => string.Create(count, (this, alphabet), static (span, with) =>
    {
        foreach (ref char c in span) c = with.alphabet[with.Item1.Below(with.alphabet.Length)];
    });

    /// <summary>A version 4 UUID in lower case.</summary>
    public string Uuid()
    {
        ulong a = Next(), b = Next();
        return new Guid((uint)(a >> 32), (ushort)(a >> 16), (ushort)(a & 0xFFF | 0x4000),
            (byte)(b >> 56 & 0x3F | 0x80), (byte)(b >> 48), (byte)(b >> 40), (byte)(b >> 32), (byte)(b >> 24), (byte)(b >> 16), (byte)(b >> 8), (byte)b).ToString();
    }

    /// <summary>A day between the two, both included.</summary>
    public DateOnly Day(DateOnly first, DateOnly last) => first.AddDays(Below(last.DayNumber - first.DayNumber + 1));

    /// <summary>A time of that day with odd seconds and milliseconds, so that no text of it is a round number.</summary>
    public DateTime TimeOn(DateOnly day) => day.ToDateTime(new TimeOnly(Between(7, 18), Below(60), Between(1, 59), Between(1, 999)));
}
