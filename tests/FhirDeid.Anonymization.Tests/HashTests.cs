using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace FhirDeid.Anonymization.Tests;

/// <summary>Hashes that come from the table of those made before.</summary>
public sealed class HashTests
{
    private static readonly byte[] s_key = "hash key"u8.ToArray();

    private static string Config { get; } = Engine.Config(new JsonObject { ["cryptoHashKey"] = "hash key" }, ("Resource.id", "cryptoHash"));

    [Fact]
    public void A_hash_is_right_whether_it_is_kept_forgotten_or_too_long_to_be_kept()
    {
        using Anonymizer first = Anonymizer.Create(Config), next = first.Clone();
        // More than the table has room for.
        string[] ids = [.. Enumerable.Range(0, 100_000).Select(i => $"{i:D64}"), new string('a', 64), new string('a', 65), "ä"];

        foreach (string id in ids)
            Assert.Equal(Expected(id), Hash(first, id));
        // What one engine leaves, the next one takes over.
        first.Dispose();
        foreach (string id in ids.TakeLast(1000).Concat(ids.Take(1000)))
            Assert.Equal(Expected(id), Hash(next, id));
    }

    private static string Expected(string id) => Convert.ToHexStringLower(HMACSHA256.HashData(s_key, Encoding.UTF8.GetBytes(id)));

    private static string Hash(Anonymizer anonymizer, string id)
    {
        ArrayBufferWriter<byte> output = new();
        anonymizer.Anonymize(Encoding.UTF8.GetBytes($$"""{"resourceType":"Patient","id":"{{id}}"}"""), output);
        string json = Encoding.UTF8.GetString(output.WrittenSpan);
        return json[(json.IndexOf("\"id\":\"", StringComparison.Ordinal) + 6)..][..64];
    }
}
