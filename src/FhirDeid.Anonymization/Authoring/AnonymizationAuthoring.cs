using System.Text.Json;

namespace FhirDeid.Anonymization.Authoring;

/// <summary>What the cmdlets change configurations by.</summary>
public sealed class AnonymizationAuthoring : IAnonymizationAuthoring
{
    private readonly AnonymizationEngine _engine = new();

    /// <inheritdoc/>
    public AnonymizationConfig InsertRule(AnonymizationConfig config, string rule, int number)
    {
        AnonymizationConfig changed = Changed(config, text => text.InsertRule(rule, number - 1));
        // An unknown method is let pass when a file is read: the service finds out when it meets the rule.
        AnonymizationConfigFinding? error = _engine.Test(changed.ToJson()).FirstOrDefault(finding => finding.Rule == number && finding.Severity == AnonymizationConfigSeverity.Error);
        return error is null ? changed : throw new FhirDeidException("ConfigInvalid", FhirDeidErrorCategory.InvalidData, error.Message, error.Fix);
    }

    /// <inheritdoc/>
    public AnonymizationConfig RemoveRules(AnonymizationConfig config, IReadOnlyCollection<int> numbers) => Changed(config, text =>
    {
        foreach (int number in numbers.Distinct().OrderDescending())
            text.RemoveRule(number - 1);
    });

    /// <inheritdoc/>
    public AnonymizationConfig SetParameters(AnonymizationConfig config, IReadOnlyDictionary<string, string> parameters) => Changed(config, text =>
    {
        foreach ((string name, string value) in parameters)
            text.SetParameter(name, value);
    });

    /// <inheritdoc/>
    public IReadOnlyList<string> CompletePath(string path) => PathCompletion.Complete(path);

    /// <inheritdoc/>
    public IReadOnlyList<string> MethodsFor(string path) => PathCompletion.Methods(path);

    private AnonymizationConfig Changed(AnonymizationConfig config, Action<ConfigurationText> change)
    {
        string json = config.ToJson();
        try
        {
            ConfigurationText text = new(json);
            change(text);
            json = text.ToString();
        }
        catch (JsonException)
        {
            // Not JSON: Parse says so, with line and column, and without the text, which may hold keys.
        }
        return _engine.Parse(json, config.Name);
    }
}
