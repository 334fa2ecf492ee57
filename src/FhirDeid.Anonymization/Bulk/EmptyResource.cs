using System.Text;
using System.Text.Json;
using FhirDeid.Anonymization.Engine;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Bulk;

/// <summary>What takes the place of a resource that failed, with <c>processingErrors: skip</c>: its type, and the label REDACTED.</summary>
internal static class EmptyResource
{
    /// <summary>Makes the stub.</summary>
    /// <param name="line">The resource that failed. Its type counts only where the line is well formed up to it and names an R4 resource; else the stub is a Basic.</param>
    public static byte[] Of(ReadOnlySpan<byte> line)
    {
        string type = FindType(line)?.Name ?? "Basic";
        return [.. "{\"resourceType\":\""u8, .. Encoding.UTF8.GetBytes(type), .. "\",\"meta\":{\"security\":["u8, .. SecurityLabel.All[0].Json, .. "]}}"u8];
    }

    private static FhirType? FindType(ReadOnlySpan<byte> line)
    {
        try
        {
            Utf8JsonReader reader = new(line);
            while (reader.Read())
            {
                if (reader.CurrentDepth == 1 && reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals("resourceType"u8))
                    return reader.Read() && reader.TokenType == JsonTokenType.String ? FhirModel.R4.FindResource(reader.ValueSpan) : null;
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
        }
        return null;
    }
}
