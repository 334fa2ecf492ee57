using System.Management.Automation;
using System.Text.Json;

namespace FhirDeid.PowerShell.Export;

/// <summary>JSON as PowerShell objects. Unlike ConvertFrom-Json it makes no dates of texts that look like one, and keeps the digits of decimals, which FHIR counts as precision.</summary>
internal static class ResourceObject
{
    private static readonly JsonDocumentOptions s_options = new() { MaxDepth = 1000 };

    /// <summary>A resource.</summary>
    /// <param name="json">One JSON object.</param>
    public static PSObject Of(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json, s_options);
        return Object(document.RootElement);
    }

    private static PSObject Object(JsonElement element)
    {
        PSObject result = new();
        foreach (JsonProperty property in element.EnumerateObject())
        {
            // PowerShell knows no name twice, in whatever case, and none that is empty; FHIR has neither.
            if (property.Name.Length == 0 || result.Properties[property.Name] is not null) throw NameInvalid(property.Name);
            result.Properties.Add(new PSNoteProperty(property.Name, Value(property.Value)));
        }
        return result;
    }

    private static object? Value(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => Object(element),
        JsonValueKind.Array => element.EnumerateArray().Select(Value).ToArray(),
        JsonValueKind.String => element.GetString(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Number when element.TryGetInt64(out long number) => number,
        JsonValueKind.Number when element.TryGetDecimal(out decimal number) => number,
        JsonValueKind.Number => element.GetDouble(),
        _ => null,
    };

    private static FhirDeidException NameInvalid(string name) => new("ResourceInvalid", FhirDeidErrorCategory.InvalidData,
        "A resource has two properties whose names differ in case alone, or one without a name: no object can be made of it.", "Read the export without -AsObject, as text.", name);
}
