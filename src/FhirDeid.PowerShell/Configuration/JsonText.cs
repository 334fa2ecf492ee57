using System.Collections;
using System.Management.Automation;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>PowerShell values as JSON text.</summary>
internal static class JsonText
{
    private static readonly JsonSerializerOptions s_readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>One line of JSON.</summary>
    /// <param name="properties">Names and values of an object, in order.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ValueInvalid</c>: JSON has nothing for a value.</exception>
    public static string Object(IEnumerable<KeyValuePair<string, object?>> properties) =>
        $"{{ {string.Join(", ", properties.Select(property => $"{Text(property.Key)}: {Of(property.Value)}"))} }}";

    /// <summary>A value as JSON: texts, numbers, booleans, hashtables, objects and lists of them.</summary>
    /// <inheritdoc cref="Object"/>
    public static string Of(object? value) => value switch
    {
        null => "null",
        PSObject { BaseObject: PSCustomObject } custom => Object(custom.Properties.Select(property => KeyValuePair.Create(property.Name, (object?)property.Value))),
        PSObject wrapped => Of(wrapped.BaseObject),
        string or char => Text(value.ToString()!),
        bool or byte or sbyte or short or ushort or int or uint or long or ulong or float or double or decimal => JsonSerializer.Serialize(value),
        IDictionary dictionary => Object(dictionary.Keys.Cast<object>().Select(key => KeyValuePair.Create(key.ToString()!, dictionary[key]))),
        IEnumerable list => $"[{string.Join(", ", list.Cast<object?>().Select(Of))}]",
        _ => throw new FhirDeidException("ValueInvalid", FhirDeidErrorCategory.InvalidArgument, $"A value of type {value.GetType().Name} cannot be written to a configuration.",
            "Give a text, a number, $true, $false, $null, a hashtable or a list of them."),
    };

    private static string Text(string text) => JsonSerializer.Serialize(text, s_readable);
}
