using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using System.Net;
using System.Security;
using System.Security.Cryptography;
using System.Text.Json;
using FhirDeid.PowerShell.Loading;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>The configurations that come with the module: <c>templates/*.json</c>, each with an empty <c>cryptoHashKey</c>.</summary>
internal static class AnonymizationTemplate
{
    private const string EmptyKey = "\"cryptoHashKey\": \"\"";
    private const int MinKeyLength = 16;
    private const int KeyBytes = 32;

    private static readonly Lazy<string[]> s_names = new(() =>
        [.. Directory.EnumerateFiles(Folder, "*.json").Select(file => Path.GetFileNameWithoutExtension(file)).Order(StringComparer.OrdinalIgnoreCase)]);

    public static IReadOnlyList<string> Names => s_names.Value;

    private static string Folder => Path.Combine(Engine.ModuleFolder, "templates");

    /// <summary>A configuration by this template with the given key, or a random one.</summary>
    public static async Task<AnonymizationConfig> CreateAsync(string template, SecureString? cryptoHashKey, CancellationToken cancellation)
    {
        string name = Names.FirstOrDefault(name => name.Equals(template, StringComparison.OrdinalIgnoreCase)) ??
            throw new FhirDeidException("TemplateNotFound", FhirDeidErrorCategory.ObjectNotFound, $"There is no template '{template}'.",
                $"Use one of: {string.Join(", ", Names)}.", template);
        string key = cryptoHashKey is null
            ? Convert.ToHexString(RandomNumberGenerator.GetBytes(KeyBytes)).ToLowerInvariant()
            : new NetworkCredential("", cryptoHashKey).Password;
        if (key.Trim().Length < MinKeyLength)
        {
            throw new FhirDeidException("KeyTooShort", FhirDeidErrorCategory.InvalidArgument, $"The key has fewer than {MinKeyLength} characters: hashes could be reversed by trying keys.",
                "Give a long random key, or none to have one made.");
        }

        string json = await File.ReadAllTextAsync(Path.Combine(Folder, name + ".json"), cancellation);
        return Engine.Anonymization.Parse(json.Replace(EmptyKey, $"\"cryptoHashKey\": \"{JsonEncodedText.Encode(key)}\"", StringComparison.Ordinal), name);
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
