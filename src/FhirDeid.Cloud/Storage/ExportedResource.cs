using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text.Json;

namespace FhirDeid.Cloud.Storage;

/// <summary>What one line of an exported file is, as far as it can be told without a model of FHIR.</summary>
/// <param name="IsLabelled">Whether meta.security holds a label of the service's anonymization.</param>
/// <param name="HasHashedId">Whether the id is 64 hex digits, or there is none.</param>
/// <param name="Key">Stands for type, id and version; null where there is no id.</param>
internal readonly record struct ExportedResource(bool IsLabelled, bool HasHashedId, UInt128? Key)
{
    // The codes that the service's anonymization writes into meta.security; CRYTOHASH is its spelling.
    private static readonly string[] Labels = ["REDACTED", "ABSTRED", "CRYTOHASH", "MASKED", "PERTURBED", "SUBSTITUTED", "GENERALIZED"];

    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdef");

    private const int HashLength = 64;

    /// <summary>Reads a line; null where it is not one JSON object of the resource type.</summary>
    /// <param name="line">The line; its line break counts as white space.</param>
    /// <param name="type">Resource type; null for any.</param>
    public static ExportedResource? Read(ReadOnlySequence<byte> line, string? type) =>
        line.IsSingleSegment && Scan(line.FirstSpan, type) is { } resource ? resource : ReadSlowly(line, type);

    /// <summary>Reads a line by its structure alone, several times as fast, from the first line on: what is in nested values is passed over, but for meta. Null for everything that is not as plain as resources usually are; <see cref="ReadSlowly"/> decides then.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static ExportedResource? Scan(ReadOnlySpan<byte> line, string? type)
    {
        bool typed = false, labelled = false;
        string? id = null, version = null;
        int at = Next(line, 0);
        if (At(line, at) != '{') return null;
        do
        {
            int name = Next(line, at + 1), colon = At(line, name) == '"' ? EndOfString(line, name) : -1;
            if (colon < 0 || line[name..colon].Contains((byte)'\\')) return null;
            ReadOnlySpan<byte> property = line[(name + 1)..(colon - 1)];
            colon = Next(line, colon);
            if (At(line, colon) != ':') return null;
            int start = Next(line, colon + 1), end = EndOfValue(line, start);
            if (end < 0) return null;
            ReadOnlySpan<byte> value = line[start..end];
            bool isText = value.Length >= 2 && value[0] == '"';
            if (property.SequenceEqual("resourceType"u8))
            {
                if (typed || !isText || value.Contains((byte)'\\') || (type is not null && !System.Text.Ascii.Equals(value[1..^1], type))) return null;
                typed = true;
            }
            else if (property.SequenceEqual("id"u8) && isText)
            {
                if (value.Contains((byte)'\\')) return null;
                id = System.Text.Encoding.UTF8.GetString(value[1..^1]);
            }
            else if (property.SequenceEqual("meta"u8))
            {
                Utf8JsonReader meta = new(value);
                try
                {
                    // Without a version there is nothing behind a label to look for.
                    ReadMeta(ref meta, ref labelled, ref version, toFirstLabel: value.IndexOf("versionId"u8) < 0);
                }
                catch (Exception e) when (e is JsonException or InvalidOperationException)
                {
                    return null;
                }
            }
            at = Next(line, end);
        }
        while (At(line, at) == ',');
        if (At(line, at) != '}' || Next(line, at + 1) != line.Length || !typed) return null;
        return new ExportedResource(labelled, id is null || IsHash(id), id is null ? null : KeyOf(type, id, version));
    }

    private static readonly SearchValues<byte> Structure = SearchValues.Create("\"{}[]"u8);
    private static readonly SearchValues<byte> ScalarCharacters = SearchValues.Create("-+.0123456789Eaeflnrstu"u8);

    private static int At(ReadOnlySpan<byte> line, int at) => at < line.Length ? line[at] : -1;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Next(ReadOnlySpan<byte> line, int at)
    {
        while (at < line.Length && line[at] is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n') at++;
        return at;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int EndOfString(ReadOnlySpan<byte> line, int start)
    {
        for (int at = start + 1; at < line.Length;)
        {
            int found = line[at..].IndexOfAny((byte)'"', (byte)'\\');
            if (found < 0) return -1;
            if (line[at + found] == '"') return at + found + 1;
            at += found + 2;
        }
        return -1;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int EndOfValue(ReadOnlySpan<byte> line, int start)
    {
        int first = At(line, start);
        if (first == '"') return EndOfString(line, start);
        if (first is not ('{' or '['))
        {
            int length = start < line.Length ? line[start..].IndexOfAnyExcept(ScalarCharacters) : -1;
            return length > 0 ? start + length : -1;
        }
        int depth = 0;
        for (int at = start; at < line.Length;)
        {
            int found = line[at..].IndexOfAny(Structure);
            if (found < 0) return -1;
            at += found;
            switch (line[at])
            {
                case (byte)'"':
                    at = EndOfString(line, at);
                    if (at < 0) return -1;
                    continue;
                case (byte)'{' or (byte)'[':
                    depth++;
                    break;
                default:
                    if (--depth == 0) return at + 1;
                    break;
            }
            at++;
        }
        return -1;
    }

    /// <summary>Reads a line token by token.</summary>
    internal static ExportedResource? ReadSlowly(ReadOnlySequence<byte> line, string? type)
    {
        Utf8JsonReader reader = new(line, new JsonReaderOptions { MaxDepth = 1000 });
        bool typed = false, labelled = false;
        string? id = null, version = null;
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return null;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("id"u8))
                {
                    reader.Read();
                    if (reader.TokenType == JsonTokenType.String) id = reader.GetString();
                    else reader.Skip();
                }
                else if (reader.ValueTextEquals("resourceType"u8))
                {
                    if (typed || !reader.Read() || reader.TokenType != JsonTokenType.String || (type is not null && !reader.ValueTextEquals(type))) return null;
                    typed = true;
                }
                else if (reader.ValueTextEquals("meta"u8))
                {
                    ReadMeta(ref reader, ref labelled, ref version);
                }
                else
                {
                    reader.Skip();
                }
            }
            // Whatever follows the object makes it no line of NDJSON.
            if (reader.Read()) return null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second one: text that is no Unicode.
            return null;
        }
        return typed ? new ExportedResource(labelled, id is null || IsHash(id), id is null ? null : KeyOf(type, id, version)) : null;
    }

    /// <summary>Reads the object that comes next, to its end.</summary>
    private static void ReadMeta(ref Utf8JsonReader reader, ref bool labelled, ref string? version, bool toFirstLabel = false)
    {
        bool security = false;
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) throw new JsonException();
        for (int depth = reader.CurrentDepth; reader.Read() && reader.CurrentDepth > depth;)
        {
            if (reader.TokenType != JsonTokenType.PropertyName) continue;
            if (reader.CurrentDepth == depth + 1)
            {
                security = reader.ValueTextEquals("security"u8);
                if (reader.ValueTextEquals("versionId"u8) && reader.Read() && reader.TokenType == JsonTokenType.String) version = reader.GetString();
            }
            else if (security && reader.CurrentDepth == depth + 3 && reader.ValueTextEquals("code"u8))
            {
                labelled = (reader.Read() && reader.TokenType == JsonTokenType.String && IsLabel(ref reader)) || labelled;
                if (labelled && toFirstLabel) return;
            }
        }
    }

    private static bool IsLabel(ref Utf8JsonReader reader)
    {
        foreach (string label in Labels)
        {
            if (reader.ValueTextEquals(label)) return true;
        }
        return false;
    }

    private static bool IsHash(string id) => id.Length == HashLength && !id.AsSpan().ContainsAnyExcept(HexDigits);

    private static UInt128 KeyOf(string? type, string id, string? version)
    {
        // A hash is random enough to be its own key. Which strings the other hash code joins differs from process to process, and nobody can choose them.
        if (IsHash(id)) return UInt128.Parse(id.AsSpan(0, 32), System.Globalization.NumberStyles.AllowHexSpecifier, null) + (UInt128)(version is null ? 0 : (uint)string.GetHashCode(version, StringComparison.Ordinal) + 1UL);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(System.Text.Encoding.UTF8.GetBytes($"{type}/{id}/{version}"), hash);
        return BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }
}
