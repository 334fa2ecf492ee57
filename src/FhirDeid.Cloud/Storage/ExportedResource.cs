using System.Buffers;
using System.Text.Json;

namespace FhirDeid.Cloud.Storage;

/// <summary>What one line of an exported file is, as far as it can be told without a model of FHIR.</summary>
internal static class ExportedResource
{
    // The codes that the service's anonymization writes into meta.security; CRYTOHASH is its spelling.
    private static readonly string[] Labels = ["REDACTED", "ABSTRED", "CRYTOHASH", "MASKED", "PERTURBED", "SUBSTITUTED", "GENERALIZED"];

    /// <summary>Whether the line is one JSON object of the resource type.</summary>
    /// <param name="line">The line; its line break counts as white space.</param>
    /// <param name="type">Resource type; null for any.</param>
    /// <param name="labelled">Whether meta.security holds a label of the service's anonymization.</param>
    public static bool Is(ReadOnlySequence<byte> line, string? type, out bool labelled)
    {
        labelled = false;
        Utf8JsonReader reader = new(line, new JsonReaderOptions { MaxDepth = 1000 });
        bool meta = false, security = false, typed = false;
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName) continue;
                switch (reader.CurrentDepth)
                {
                    case 1:
                        meta = reader.ValueTextEquals("meta");
                        if (!reader.ValueTextEquals("resourceType")) break;
                        if (typed || !reader.Read() || reader.TokenType != JsonTokenType.String || (type is not null && !reader.ValueTextEquals(type))) return false;
                        typed = true;
                        break;
                    case 2:
                        security = meta && reader.ValueTextEquals("security");
                        break;
                    case 4 when meta && security && reader.ValueTextEquals("code"):
                        labelled |= reader.Read() && reader.TokenType == JsonTokenType.String && Array.IndexOf(Labels, reader.GetString()) >= 0;
                        break;
                }
            }
        }
        catch (JsonException)
        {
            return false;
        }
        return typed;
    }
}
