using System.Buffers;
using System.Buffers.Binary;
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
    public static ExportedResource? Read(ReadOnlySequence<byte> line, string? type)
    {
        Utf8JsonReader reader = new(line, new JsonReaderOptions { MaxDepth = 1000 });
        bool meta = false, security = false, typed = false, labelled = false;
        string? id = null, version = null;
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName) continue;
                switch (reader.CurrentDepth)
                {
                    case 1:
                        meta = reader.ValueTextEquals("meta");
                        if (reader.ValueTextEquals("id"))
                        {
                            if (reader.Read() && reader.TokenType == JsonTokenType.String) id = reader.GetString();
                            break;
                        }
                        if (!reader.ValueTextEquals("resourceType")) break;
                        if (typed || !reader.Read() || reader.TokenType != JsonTokenType.String || (type is not null && !reader.ValueTextEquals(type))) return null;
                        typed = true;
                        break;
                    case 2:
                        security = meta && reader.ValueTextEquals("security");
                        if (meta && reader.ValueTextEquals("versionId") && reader.Read() && reader.TokenType == JsonTokenType.String) version = reader.GetString();
                        break;
                    case 4 when meta && security && reader.ValueTextEquals("code"):
                        labelled |= reader.Read() && reader.TokenType == JsonTokenType.String && Array.IndexOf(Labels, reader.GetString()) >= 0;
                        break;
                }
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second one: text that is no Unicode.
            return null;
        }
        return typed ? new ExportedResource(labelled, id is null || IsHash(id), id is null ? null : KeyOf(type, id, version)) : null;
    }

    private static bool IsHash(string id) => id.Length == HashLength && !id.AsSpan().ContainsAnyExcept(HexDigits);

    private static UInt128 KeyOf(string? type, string id, string? version)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(System.Text.Encoding.UTF8.GetBytes($"{type}/{id}/{version}"), hash);
        return BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }
}
