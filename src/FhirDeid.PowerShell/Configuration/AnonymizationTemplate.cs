using System.Collections;
using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Language;
using System.Text.Json;
using System.Text.RegularExpressions;
using FhirDeid.PowerShell.Loading;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>The configurations that come with the module: <c>templates/*.json</c>, with empty keys.</summary>
internal static partial class AnonymizationTemplate
{
    private static readonly Lazy<string[]> s_names = new(() =>
        [.. Directory.EnumerateFiles(Folder, "*.json").Select(file => Path.GetFileNameWithoutExtension(file)).Order(StringComparer.OrdinalIgnoreCase)]);

    public static IReadOnlyList<string> Names => s_names.Value;

    private static string Folder => Path.Combine(Engine.ModuleFolder, "templates");

    /// <summary>What a fixed shift makes of rules that keep dates.</summary>
    [GeneratedRegex("""(?<=nodesByType\('(?:date|dateTime|instant)'\)", "method": ")keep(?=")""")]
    private static partial Regex KeptDates();

    /// <summary>A configuration by this template.</summary>
    /// <param name="template">Name of the template.</param>
    /// <param name="keys">Names of key parameters and the keys.</param>
    /// <param name="shiftInDays">Days by which all dates move, for a template that keeps them; or null.</param>
    /// <param name="cancellation">Stops.</param>
    public static async Task<AnonymizationConfig> CreateAsync(string template, IReadOnlyDictionary<string, string> keys, int? shiftInDays, CancellationToken cancellation)
    {
        string name = Names.FirstOrDefault(name => name.Equals(template, StringComparison.OrdinalIgnoreCase)) ??
            throw new FhirDeidException("TemplateNotFound", FhirDeidErrorCategory.ObjectNotFound, $"There is no template '{template}'.",
                $"Use one of: {string.Join(", ", Names)}.", template);
        string json = await File.ReadAllTextAsync(Path.Combine(Folder, name + ".json"), cancellation);
        foreach ((string parameter, string key) in keys) json = json.Replace($"\"{parameter}\": \"\"", $"\"{parameter}\": \"{JsonEncodedText.Encode(key)}\"", StringComparison.Ordinal);
        if (shiftInDays is { } days)
        {
            if (!KeptDates().IsMatch(json))
            {
                throw new FhirDeidException("DatesNotKept", FhirDeidErrorCategory.InvalidArgument, $"The template {name} keeps no dates that could be shifted.",
                    "Use -FixedDateShiftInDays with LimitedDataSet: 45 CFR 164.514(b)(2) lets no shifted dates pass.", name);
            }
            json = KeptDates().Replace(json, "dateShift").Replace("\"dateShiftFixedOffsetInDays\": null", string.Create(CultureInfo.InvariantCulture, $"\"dateShiftFixedOffsetInDays\": {days}"), StringComparison.Ordinal);
        }
        return Engine.Anonymization.Parse(json, name);
    }
}

/// <summary>Completes template names.</summary>
public sealed class TemplateCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters) =>
        AnonymizationTemplate.Names
            .Where(name => name.StartsWith(wordToComplete, StringComparison.OrdinalIgnoreCase))
            .Select(name => new CompletionResult(name));
}
