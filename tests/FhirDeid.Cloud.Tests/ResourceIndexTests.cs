using FhirDeid.Cloud.Storage;

namespace FhirDeid.Cloud.Tests;

public sealed class ResourceIndexTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(100_000)]
    [InlineData(long.MaxValue / 8)]
    public void It_knows_what_was_added_however_many_were_expected(long expected)
    {
        ResourceIndex index = new(1, expected);
        Random random = new(1);
        List<UInt128> known = [];
        for (int i = 0; i < 50_000; i++)
        {
            bool isNew = i == 0 || random.Next(4) > 0;
            UInt128 key = isNew ? new UInt128((ulong)random.NextInt64(), (ulong)random.NextInt64()) : known[random.Next(known.Count)];
            Assert.Equal(isNew, index.Add(key, out _));
            if (isNew) known.Add(key);
        }
        Assert.DoesNotContain(known, key => index.Add(key, out _));
    }

    [Fact]
    public void What_is_taken_back_is_new_again_and_nothing_else_is()
    {
        ResourceIndex index = new(1, 10_000);
        // Many of them want the same place.
        UInt128[] keys = [.. Enumerable.Range(0, 3000).Select(number => new UInt128((ulong)(number % 7) << 60, (ulong)number))];
        Dictionary<UInt128, long> slots = keys.ToDictionary(key => key, key =>
        {
            Assert.True(index.Add(key, out long slot));
            return slot;
        });
        UInt128[] half = [.. keys.Where((_, number) => number % 2 == 0)];

        index.TakeBack(half.Select(key => slots[key]));

        Assert.Equal(half, keys.Where(key => index.Add(key, out _)));
        Assert.DoesNotContain(keys, key => index.Add(key, out _));
    }
}
