using System.Globalization;
using System.Text;
using System.Text.Json;

namespace FhirDeid.Anonymization.Configuration;

/// <summary>What a rule does to the nodes it reaches.</summary>
internal enum AnonymizationMethod
{
    Keep,
    Redact,
    CryptoHash,
    DateShift,
    Substitute,
}

/// <summary>One rule as the file has it.</summary>
/// <param name="Number">Position in the file, from 1.</param>
/// <param name="Path">The path, as written.</param>
/// <param name="Method">What happens.</param>
/// <param name="ReplaceWith">For substitute: the text of the new value, or null to remove the value.</param>
internal sealed record ConfigurationRule(int Number, string Path, AnonymizationMethod Method, string? ReplaceWith = null);

/// <summary>What a date's shift depends on besides the key.</summary>
internal enum DateShiftScope
{
    Resource,
    File,
    Folder,
}

/// <summary>A configuration file, read and checked the way the service does it.</summary>
internal sealed class AnonymizationConfiguration
{
    private static readonly string[] RunMethods = ["keep", "redact", "cryptoHash", "dateShift", "substitute"];
    private static readonly string[] OtherMethods = ["encrypt", "perturb", "generalize"];
    private static readonly JsonDocumentOptions FileSyntax = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    public string? FhirVersion { get; private set; }

    /// <summary>Whether a resource that fails is replaced by an empty one (<c>skip</c>) instead of ending the run.</summary>
    public bool SkipsFailures { get; private set; }

    public IReadOnlyList<ConfigurationRule> Rules { get; private set; } = [];

    public byte[] CryptoHashKey { get; private set; } = [];

    public byte[] DateShiftKey { get; private set; } = [];

    public DateShiftScope DateShiftScope { get; private set; }

    /// <summary>Days by which every date moves, in place of a shift that depends on scope and key; or null.</summary>
    public int? DateShiftFixedOffsetInDays { get; private set; }

    public bool HasEncryptKey { get; private set; }

    public bool PartialAges { get; private set; }

    public bool PartialDates { get; private set; }

    public bool PartialZipCodes { get; private set; }

    public IReadOnlyList<string> RestrictedZipCodeAreas { get; private set; } = [];

    /// <summary>What the service would ignore without a word.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>Whether dates shift by the id of their document: the scope is the resource, or no file or folder is known.</summary>
    public bool ShiftsByDocumentId(byte[] scopeName) =>
        scopeName.Length == 0 && DateShiftFixedOffsetInDays is null && Rules.Any(rule => rule.Method == AnonymizationMethod.DateShift);

    /// <summary>Reads a configuration file.</summary>
    /// <param name="json">Its text; comments, trailing commas and a byte order mark are accepted, as the service does.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>, <c>FhirDeid.ConfigNotSupported</c>, <c>FhirDeid.KeyMissing</c>.</exception>
    public static AnonymizationConfiguration Read(string json)
    {
        AnonymizationConfiguration configuration = new();
        try
        {
            using JsonDocument document = JsonDocument.Parse(json.TrimStart('\uFEFF'), FileSyntax);
            RefuseDuplicates(document.RootElement);
            configuration.ReadRoot(document.RootElement);
        }
        catch (JsonException exception)
        {
            // The parser's own message quotes the text it stopped at, which may be a key.
            throw Invalid($"Failed to parse the configuration: it is not valid JSON at line {exception.LineNumber + 1}, column {exception.BytePositionInLine + 1}.",
                "Correct the JSON there. Comments and trailing commas are accepted; single quotes and unquoted names are not.");
        }
        return configuration;
    }

    private void ReadRoot(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
            throw Invalid("Failed to parse the configuration: it is not a JSON object.", "Start the file with { and give it fhirPathRules.");
        JsonElement? rules = null;
        foreach (JsonProperty property in root.EnumerateObject())
        {
            switch (property.Name.ToUpperInvariant())
            {
                case "FHIRVERSION":
                    FhirVersion = Text(property.Value, property.Name);
                    break;
                case "PROCESSINGERRORS":
                    SkipsFailures = OneOf(property, "raise", "skip") == 1;
                    break;
                case "FHIRPATHRULES":
                    rules = property.Value;
                    break;
                case "PARAMETERS":
                    ReadParameters(property.Value);
                    break;
                default:
                    Warnings.Add($"The property '{property.Name}' is not one of fhirVersion, processingErrors, fhirPathRules and parameters: the service ignores it.");
                    break;
            }
        }
        if (!string.IsNullOrEmpty(FhirVersion) && !FhirVersion.Equals("R4", StringComparison.OrdinalIgnoreCase))
            throw Invalid($"Configuration of fhirVersion {FhirVersion} is not supported. Expected fhirVersion: R4", "Set \"fhirVersion\": \"R4\".");
        if (rules is not { ValueKind: not JsonValueKind.Null } list)
            throw Invalid("The configuration is invalid: it has no fhirPathRules.", "Give it the array fhirPathRules; New-AnonymizationConfig -Template SafeHarbor starts from a complete one.");
        ReadRules(list);
    }

    private void ReadRules(JsonElement list)
    {
        if (list.ValueKind != JsonValueKind.Array)
            throw Invalid("Failed to parse the configuration: fhirPathRules is not an array.", "Write fhirPathRules as [ { \"path\": …, \"method\": … }, … ].");
        List<ConfigurationRule> rules = [];
        foreach (JsonElement item in list.EnumerateArray())
        {
            int number = rules.Count + 1;
            if (item.ValueKind != JsonValueKind.Object || !item.TryGetProperty("path", out JsonElement path) || !item.TryGetProperty("method", out JsonElement method))
                throw Invalid($"Rule {number}: missing path or method in Fhir path rule config.", "Give every rule \"path\" and \"method\", in lower case.");
            ConfigurationRule rule = new(number, Text(path, "path") ?? "", Method(number, Text(method, "method") ?? ""));
            if (rule.Method == AnonymizationMethod.Substitute)
                rule = rule with { ReplaceWith = ReplaceWith(number, item) };
            rules.Add(rule);
            foreach (JsonProperty property in item.EnumerateObject())
            {
                if (property.Name is not ("path" or "method") && (property.Name != "replaceWith" || rule.Method != AnonymizationMethod.Substitute))
                    Warnings.Add($"Rule {number}: '{property.Name}' is no setting of method {method.GetString()}: the service ignores it.");
            }
        }
        Rules = rules;
        if (DateShiftKey.Length == 0 && DateShiftFixedOffsetInDays is null && rules.FirstOrDefault(r => r.Method == AnonymizationMethod.DateShift) is { } shifting)
        {
            throw new FhirDeidException("KeyMissing", FhirDeidErrorCategory.InvalidData,
                $"Rule {shifting.Number} uses dateShift, but parameters.dateShiftKey is empty: every file of an export would draw its own key, and the dates of one resource would move differently each time.",
                "Set parameters.dateShiftKey to a long random text, or dateShiftFixedOffsetInDays to a number of days.");
        }
        if (CryptoHashKey.Length == 0 && rules.FirstOrDefault(r => r.Method == AnonymizationMethod.CryptoHash) is { } hashing)
        {
            throw new FhirDeidException("KeyMissing", FhirDeidErrorCategory.InvalidData,
                $"Rule {hashing.Number} uses cryptoHash, but parameters.cryptoHashKey is empty: every server process would draw its own key, and the hashes of one id would differ between files.",
                "Set parameters.cryptoHashKey to a long random text; New-AnonymizationConfig does so.");
        }
    }

    private static AnonymizationMethod Method(int number, string method)
    {
        int run = Array.FindIndex(RunMethods, m => m.Equals(method, StringComparison.OrdinalIgnoreCase));
        if (run >= 0)
            return (AnonymizationMethod)run;
        if (OtherMethods.Contains(method, StringComparer.OrdinalIgnoreCase))
        {
            throw new FhirDeidException("ConfigNotSupported", FhirDeidErrorCategory.NotImplemented,
                $"Rule {number} uses method {method}, which this version does not run yet.", "Use keep, redact or cryptoHash in this rule.");
        }
        throw Invalid($"Rule {number}: anonymization method '{method}' is not supported.", $"Use one of {string.Join(", ", RunMethods.Concat(OtherMethods))}.");
    }

    private void ReadParameters(JsonElement parameters)
    {
        if (parameters.ValueKind == JsonValueKind.Null)
            return;
        if (parameters.ValueKind != JsonValueKind.Object)
            throw Invalid("Failed to parse the configuration: parameters is not an object.", "Write parameters as { \"cryptoHashKey\": …, … }.");
        foreach (JsonProperty property in parameters.EnumerateObject())
        {
            switch (property.Name.ToUpperInvariant())
            {
                case "CRYPTOHASHKEY":
                    CryptoHashKey = Encoding.UTF8.GetBytes(Text(property.Value, property.Name) ?? "");
                    break;
                case "DATESHIFTKEY":
                    DateShiftKey = Encoding.UTF8.GetBytes(Text(property.Value, property.Name) ?? "");
                    break;
                case "ENCRYPTKEY":
                    int bytes = Encoding.UTF8.GetByteCount(Text(property.Value, property.Name) ?? "");
                    HasEncryptKey = bytes > 0;
                    if (bytes is not (0 or 16 or 24 or 32))
                        throw Invalid($"Invalid encrypt key size : {bytes * 8} bits! Please provide key sizes of 128, 192 or 256 bits.", "Give parameters.encryptKey 16, 24 or 32 bytes of UTF-8 text, or none.");
                    break;
                case "DATESHIFTSCOPE":
                    DateShiftScope = (DateShiftScope)Math.Max(OneOf(property, "resource", "file", "folder"), 0);
                    break;
                case "DATESHIFTFIXEDOFFSETINDAYS":
                    DateShiftFixedOffsetInDays = Days(property);
                    break;
                case "CUSTOMSETTINGS":
                    break;
                case "ENABLEPARTIALAGESFORREDACT":
                    PartialAges = Flag(property);
                    break;
                case "ENABLEPARTIALDATESFORREDACT":
                    PartialDates = Flag(property);
                    break;
                case "ENABLEPARTIALZIPCODESFORREDACT":
                    PartialZipCodes = Flag(property);
                    break;
                case "RESTRICTEDZIPCODETABULATIONAREAS":
                    RestrictedZipCodeAreas = Texts(property);
                    break;
                default:
                    Warnings.Add($"The parameter '{property.Name}' is unknown: the service ignores it.");
                    break;
            }
        }
    }

    private static string? Text(JsonElement value, string name) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Number => value.GetRawText(),
        _ => throw Invalid($"Failed to parse the configuration: '{name}' is not a text.", $"Write \"{name}\" as a JSON string."),
    };

    private static bool Flag(JsonProperty property) => property.Value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.String when bool.TryParse(property.Value.GetString(), out bool flag) => flag,
        _ => throw Invalid($"Failed to parse the configuration: '{property.Name}' is neither true nor false.", $"Write \"{property.Name}\": true or false."),
    };

    private static string[] Texts(JsonProperty property) => property.Value.ValueKind switch
    {
        JsonValueKind.Null => [],
        JsonValueKind.Array => [.. property.Value.EnumerateArray().Select(item => Text(item, property.Name) ?? "").Where(text => text.Length > 0)],
        _ => throw Invalid($"Failed to parse the configuration: '{property.Name}' is not an array.", $"Write \"{property.Name}\": [\"036\", …]."),
    };

    /// <summary>A whole number of days; the service rounds fractions half to even and reads numbers given as text.</summary>
    private static int? Days(JsonProperty property)
    {
        string? text = Text(property.Value, property.Name);
        if (string.IsNullOrEmpty(text))
            return null;
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double days) && Math.Round(days) is >= int.MinValue and <= int.MaxValue and double whole)
            return (int)whole;
        throw Invalid($"Failed to parse the configuration: '{property.Name}' is not a number of days.", $"Write \"{property.Name}\": -30, or null.");
    }

    private static string? ReplaceWith(int number, JsonElement rule)
    {
        if (!rule.TryGetProperty("replaceWith", out JsonElement value))
            throw Invalid($"Rule {number}: missing replaceWith value in substitution rule.", "Give the rule \"replaceWith\": the new value, or null to remove the value.");
        return value.ValueKind switch
        {
            JsonValueKind.Null => null,
            JsonValueKind.String => value.GetString(),
            JsonValueKind.Object or JsonValueKind.Array => throw new FhirDeidException("ConfigNotSupported", FhirDeidErrorCategory.NotImplemented,
                $"Rule {number} replaces a complex element, which this version does not run yet.", "Substitute its primitive elements one by one, or redact it."),
            _ => value.GetRawText(),
        };
    }

    private static int OneOf(JsonProperty property, params string[] values)
    {
        int index = Array.FindIndex(values, v => v.Equals(Text(property.Value, property.Name), StringComparison.OrdinalIgnoreCase));
        if (index < 0 && property.Value.ValueKind != JsonValueKind.Null)
            throw Invalid($"Failed to parse the configuration: '{property.Name}' is none of {string.Join(", ", values)}.", $"Write \"{property.Name}\": \"{values[0]}\".");
        return index;
    }

    /// <summary>The service's parser takes a property given twice for an error; System.Text.Json takes the last.</summary>
    private static void RefuseDuplicates(JsonElement element)
    {
        if (element.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement item in element.EnumerateArray())
                RefuseDuplicates(item);
        }
        if (element.ValueKind != JsonValueKind.Object)
            return;
        HashSet<string> names = new(StringComparer.Ordinal);
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (!names.Add(property.Name))
                throw Invalid($"Failed to parse the configuration: the property '{property.Name}' is given twice in one object.", "Remove one of the two.");
            RefuseDuplicates(property.Value);
        }
    }

    internal static FhirDeidException Invalid(string message, string action) => new("ConfigInvalid", FhirDeidErrorCategory.InvalidData, message, action);
}
