using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Engine;

/// <summary>HMAC-SHA256 of values, and of the id part of references, as lower-case hex.</summary>
internal sealed class CryptoHash(byte[] key, ConcurrentBag<HashTable> tables) : IDisposable
{
    private readonly IncrementalHash _hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
    private HashTable? _table;

    private static readonly SearchValues<byte> IdCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-."u8);

    private static ReadOnlySpan<byte> HexDigits => "0123456789abcdef"u8;

    /// <summary>Writes the hash of a value as a JSON string.</summary>
    public void WriteValue(ReadOnlySpan<byte> text, Arena arena)
    {
        arena.Append((byte)'"');
        WriteHex(Trim(text), arena);
        arena.Append((byte)'"');
    }

    /// <summary>Writes a reference as a JSON string: only its id part is hashed, so that it still leads to the resource whose id is hashed.</summary>
    /// <remarks>Forms, the first that fits: <c>#id</c>; <c>[http(s)://…/]Type/id[/_history/version]</c>; <c>urn:oid:</c>; <c>urn:uuid:</c>; anything else is hashed whole.</remarks>
    public void WriteReference(ReadOnlySpan<byte> text, Arena arena)
    {
        text = Trim(text);
        arena.Append((byte)'"');
        (int start, int end) = IdPart(text);
        // What stays readable is made of characters that JSON does not escape, but for the backslash.
        AppendEscaped(text[..start], arena);
        if (start < end)
            WriteHex(text[start..end], arena);
        arena.Append(text[end..]);
        arena.Append((byte)'"');
    }

    public void Dispose()
    {
        if (_table is not null)
            tables.Add(_table);
        _table = null;
        _hmac.Dispose();
    }

    private static (int Start, int End) IdPart(ReadOnlySpan<byte> text)
    {
        if (text.StartsWith("#"u8))
            return (1, text.Length);
        int end = text.Length;
        int history = text.LastIndexOf("/_history/"u8);
        if (history >= 0 && IsId(text[(history + 10)..]))
            end = history;
        int slash = text[..end].LastIndexOf((byte)'/');
        if (slash > 0 && IsId(text[(slash + 1)..end]) && EndsWithResourceType(text[..slash]))
            return (slash + 1, end);
        if (text.StartsWith("urn:oid:"u8) && IsOid(text[8..]))
            return (8, text.Length);
        return text.StartsWith("urn:uuid:"u8) && IsUuid(text[9..]) ? (9, text.Length) : (0, text.Length);
    }

    private static bool IsUuid(ReadOnlySpan<byte> text)
    {
        Span<char> characters = stackalloc char[36];
        return text.Length == characters.Length && Encoding.ASCII.GetChars(text, characters) > 0 && Guid.TryParseExact(characters, "D", out _);
    }

    private static bool EndsWithResourceType(ReadOnlySpan<byte> text)
    {
        int scheme = text.StartsWith("http://"u8) ? 7 : text.StartsWith("https://"u8) ? 8 : 0;
        if (scheme == 0)
            return FhirModel.R4.FindResource(text) is not null;
        ReadOnlySpan<byte> host = text[scheme..];
        int letters = host.Length;
        while (letters > 0 && char.IsAsciiLetter((char)host[letters - 1]))
            letters--;
        if (!IsHost(host[..letters]))
            return false;
        for (int start = letters; start < host.Length; start++)
        {
            if (FhirModel.R4.FindResource(host[start..]) is not null)
                return true;
        }
        return false;
    }

    private static bool IsHost(ReadOnlySpan<byte> text)
    {
        foreach (byte b in text)
        {
            if (!char.IsAsciiLetterOrDigit((char)b) && @"\/.:%$"u8.IndexOf(b) < 0)
                return false;
        }
        return true;
    }

    /// <summary>R4 datatypes, oid: <c>[0-2](\.(0|[1-9][0-9]*))+</c>.</summary>
    private static bool IsOid(ReadOnlySpan<byte> text)
    {
        if (text.Length < 3 || text[0] is < (byte)'0' or > (byte)'2' || text[1] != '.')
            return false;
        for (ReadOnlySpan<byte> arcs = text[1..]; !arcs.IsEmpty;)
        {
            arcs = arcs[1..];
            int dot = arcs.IndexOf((byte)'.');
            ReadOnlySpan<byte> digits = dot < 0 ? arcs : arcs[..dot];
            arcs = arcs[digits.Length..];
            if (digits.IsEmpty || digits.ContainsAnyExceptInRange((byte)'0', (byte)'9') || digits[0] == '0' && digits.Length > 1)
                return false;
        }
        return true;
    }

    private static bool IsId(ReadOnlySpan<byte> text) => text.Length is >= 1 and <= 64 && !text.ContainsAnyExcept(IdCharacters);

    /// <summary>The service reads strings without white space at their ends.</summary>
    internal static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> text)
    {
        if (text.IsEmpty || text[0] > ' ' && text[0] < 0x80 && text[^1] > ' ' && text[^1] < 0x80)
            return text;
        string trimmed = Encoding.UTF8.GetString(text).Trim();
        return Encoding.UTF8.GetBytes(trimmed);
    }

    private static void AppendEscaped(ReadOnlySpan<byte> text, Arena arena)
    {
        for (int backslash; (backslash = text.IndexOf((byte)'\\')) >= 0; text = text[(backslash + 1)..])
        {
            arena.Append(text[..backslash]);
            arena.Append("\\\\"u8);
        }
        arena.Append(text);
    }

    /// <summary>Writes the hash of a text, without quotes.</summary>
    public void WriteHex(ReadOnlySpan<byte> text, Arena arena)
    {
        Span<byte> hex = arena.GetSpan(64)[..64];
        arena.Advance(64);
        bool isKept = text.Length is > 0 and <= HashTable.LongestText;
        if (isKept && (_table ??= tables.TryTake(out HashTable? left) ? left : new HashTable()).TryGet(text, hex))
            return;
        Compute(text, hex);
        if (isKept)
            _table!.Add(text, hex);
    }

    private void Compute(ReadOnlySpan<byte> text, Span<byte> hex)
    {
        Span<byte> hash = stackalloc byte[32];
        _hmac.AppendData(text);
        _hmac.GetHashAndReset(hash);
        for (int i = 0; i < hash.Length; i++)
        {
            hex[2 * i] = HexDigits[hash[i] >> 4];
            hex[2 * i + 1] = HexDigits[hash[i] & 15];
        }
    }
}
