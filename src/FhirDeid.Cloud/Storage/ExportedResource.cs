using System.Buffers;
using System.IO.Hashing;
using System.Text.Json;

namespace FhirDeid.Cloud.Storage;

/// <summary>What one line of an exported file is, as far as it can be told without a model of FHIR.</summary>
/// <param name="IsLabelled">Whether meta.security holds a label of the service's anonymization.</param>
/// <param name="HasHashedId">Whether the id is 64 hex digits, or there is none.</param>
/// <param name="Key">Stands for id and version; null where there is no id. Differs from process to process.</param>
/// <remarks>Told of the resource that the line is, not of those that it contains: their labels are its own, and their ids follow other rules.</remarks>
internal readonly record struct ExportedResource(bool IsLabelled, bool HasHashedId, UInt128? Key)
{
    private const int HashLength = 64;

    private static readonly SearchValues<byte> HexDigits = SearchValues.Create("0123456789abcdef"u8);

    // Whoever writes the ids cannot choose which of them the fingerprints join.
    private static readonly long Seed = Random.Shared.NextInt64();

    /// <summary>Reads a line; null where it is not one JSON object of the resource type, whole and valid to its end, with one resourceType, at most one id and one meta, and of the kinds that these are.</summary>
    /// <param name="line">The line; its line break counts as white space.</param>
    /// <param name="type">Resource type; null for any.</param>
    public static ExportedResource? Read(ReadOnlySpan<byte> line, string? type)
    {
        Utf8JsonReader reader = new(line, new JsonReaderOptions { MaxDepth = 1000 });
        bool isTyped = false, hasMeta = false, isLabelled = false, isHashed = true;
        UInt128? id = null, version = null;
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return null;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("resourceType"u8))
                {
                    if (isTyped || !reader.Read() || reader.TokenType != JsonTokenType.String || (type is not null && !reader.ValueTextEquals(type))) return null;
                    isTyped = true;
                }
                else if (reader.ValueTextEquals("id"u8))
                {
                    if (id is not null || !reader.Read() || reader.TokenType != JsonTokenType.String) return null;
                    (id, isHashed) = (Fingerprint(ref reader, Seed), IsHash(ref reader));
                }
                else if (reader.ValueTextEquals("meta"u8))
                {
                    if (hasMeta || !ReadMeta(ref reader, ref isLabelled, ref version)) return null;
                    hasMeta = true;
                }
                else
                {
                    reader.Skip();
                }
            }
            // Whatever follows the object makes it no line of NDJSON.
            if (!isTyped || reader.Read()) return null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second one: text that is no Unicode.
            return null;
        }
        return new ExportedResource(isLabelled, isHashed, id is { } one ? one + (version ?? 0) : null);
    }

    /// <summary>Reads the object that comes next, to its end.</summary>
    private static bool ReadMeta(ref Utf8JsonReader reader, ref bool isLabelled, ref UInt128? version)
    {
        bool hasSecurity = false;
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("security"u8))
            {
                if (hasSecurity || !ReadSecurity(ref reader, ref isLabelled)) return false;
                hasSecurity = true;
            }
            else if (reader.ValueTextEquals("versionId"u8))
            {
                if (version is not null || !reader.Read() || reader.TokenType != JsonTokenType.String) return false;
                version = Fingerprint(ref reader, ~Seed);
            }
            else
            {
                reader.Skip();
            }
        }
        return true;
    }

    /// <summary>Reads the codings that come next.</summary>
    private static bool ReadSecurity(ref Utf8JsonReader reader, ref bool isLabelled)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartArray) return false;
        while (reader.Read() && reader.TokenType == JsonTokenType.StartObject)
        {
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (!reader.ValueTextEquals("code"u8)) reader.Skip();
                else if (reader.Read() && reader.TokenType == JsonTokenType.String) isLabelled |= IsLabel(ref reader);
                else return false;
            }
        }
        return reader.TokenType == JsonTokenType.EndArray;
    }

    /// <summary>Whether a text is one of the codes that the service's anonymization writes; CRYTOHASH is its spelling.</summary>
    private static bool IsLabel(ref Utf8JsonReader reader) =>
        reader.ValueTextEquals("REDACTED"u8) || reader.ValueTextEquals("ABSTRED"u8) || reader.ValueTextEquals("CRYTOHASH"u8) || reader.ValueTextEquals("MASKED"u8)
        || reader.ValueTextEquals("PERTURBED"u8) || reader.ValueTextEquals("SUBSTITUTED"u8) || reader.ValueTextEquals("GENERALIZED"u8);

    private static bool IsHash(ref Utf8JsonReader reader) => reader.ValueSpan.Length == HashLength && !reader.ValueSpan.ContainsAnyExcept(HexDigits);

    private static UInt128 Fingerprint(ref Utf8JsonReader reader, long seed) =>
        XxHash128.HashToUInt128(reader.ValueIsEscaped ? System.Text.Encoding.UTF8.GetBytes(reader.GetString()!) : reader.ValueSpan, seed);
}
