using System.Globalization;
using System.Text;
using System.Text.Json;

namespace FhirDeid.Anonymization.Configuration;

/// <summary>Reads a configuration file and says everything that is wrong with it.</summary>
/// <remarks>What is an error here the service refuses too (its own validation, in its order), or it would draw random keys in silence.</remarks>
internal sealed class ConfigurationReader
{
    /// <summary>The service refuses a larger file.</summary>
    private const int MaxBytes = 1 << 20;

    /// <summary>A file beyond this many times as much is not looked into.</summary>
    private const int Tolerance = 4;

    private static readonly JsonDocumentOptions FileSyntax = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };
    private static readonly string[] RuleProperties = ["path", "method"];
    private static readonly string[] Properties = ["fhirVersion", "processingErrors", "fhirPathRules", "parameters"];
    private static readonly string[] Parameters =
    [
        "cryptoHashKey", "dateShiftKey", "encryptKey", "dateShiftScope", "dateShiftFixedOffsetInDays", "enablePartialAgesForRedact", "enablePartialDatesForRedact",
        "enablePartialZipCodesForRedact", "restrictedZipCodeTabulationAreas", "customSettings",
    ];
    private static readonly string[] Methods = ["keep", "redact", "cryptoHash", "dateShift", "substitute", "encrypt", "perturb", "generalize"];

    /// <summary>Which property of a rule a finding is about.</summary>
    private static readonly Dictionary<string, string> PropertyOf = new()
    {
        ["PathInvalid"] = "path", ["PathTooComplex"] = "path", ["MethodUnknown"] = "method", ["SpanInvalid"] = "span", ["RoundToInvalid"] = "roundTo", ["RangeTypeInvalid"] = "rangeType",
        ["CasesInvalid"] = "cases", ["CaseInvalid"] = "cases", ["OtherValuesInvalid"] = "otherValues",
    };

    private readonly string _json;
    private readonly FilePositions _positions;
    private readonly bool _isHuge;
    private AnonymizationConfiguration _configuration = new();

    private ConfigurationReader(string json)
    {
        _json = json.TrimStart('\uFEFF');
        _isHuge = Encoding.UTF8.GetByteCount(_json) > Tolerance * MaxBytes;
        _positions = FilePositions.Of(_isHuge ? "" : _json);
    }

    private List<AnonymizationConfigFinding> Findings { get; } = [];

    /// <summary>Reads a configuration.</summary>
    /// <param name="json">The file's text; comments, trailing commas and a byte order mark are accepted, as the service does.</param>
    /// <param name="findings">What is wrong with it, the worst first.</param>
    /// <returns>The configuration, as far as it could be read.</returns>
    public static AnonymizationConfiguration Read(string json, out IReadOnlyList<AnonymizationConfigFinding> findings)
    {
        ConfigurationReader reader = new(json);
        reader.ReadFile();
        findings = [.. reader.Findings.OrderBy(finding => finding.Severity).ThenBy(finding => finding.Rule)];
        return reader._configuration;
    }

    /// <summary>Reads a configuration that must be without errors, but for unknown methods: those matter only where their rules apply.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>, <c>FhirDeid.KeyMissing</c>.</exception>
    public static AnonymizationConfiguration Read(string json)
    {
        AnonymizationConfiguration configuration = Read(json, out IReadOnlyList<AnonymizationConfigFinding> findings);
        RefuseErrors(findings);
        return configuration;
    }

    /// <summary>Refuses a configuration with errors, but for unknown methods.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>, <c>FhirDeid.KeyMissing</c>.</exception>
    public static void RefuseErrors(IEnumerable<AnonymizationConfigFinding> findings)
    {
        AnonymizationConfigFinding[] errors = [.. findings.Where(finding => finding.Severity == AnonymizationConfigSeverity.Error && finding.Id != "MethodUnknown")];
        if (errors.Length == 0)
            return;
        string others = errors.Length > 1 ? $" ({errors.Length - 1} more: Test-AnonymizationConfig lists them all.)" : "";
        throw new FhirDeidException(errors[0].Id == "KeyEmpty" ? "KeyMissing" : "ConfigInvalid", FhirDeidErrorCategory.InvalidData, errors[0].Message + others, errors[0].Fix);
    }

    private void ReadFile()
    {
        if (Encoding.UTF8.GetByteCount(_json) > MaxBytes)
            Error("TooLarge", "Anonymization configuration is too large > 1MB.", "Shorten it: the service reads at most 1,048,576 bytes.");
        if (_isHuge)
            return;
        try
        {
            using JsonDocument document = JsonDocument.Parse(_json, FileSyntax);
            foreach ((string name, int rule, int offset) in _positions.Duplicates)
                Error("PropertyDuplicate", $"Failed to parse the configuration: the property '{name}' is given twice in one object.", "Remove one of the two.", rule).At(_positions.At(offset), name);
            ReadRoot(document.RootElement);
            if (_positions.Leniency >= 0)
                Inform("JsonLenient", "The file holds comments or trailing commas. The service accepts them, and so do we; other JSON readers may not.", "Nothing is to be done.").At(_positions.At(_positions.Leniency));
        }
        catch (JsonException exception)
        {
            // The parser's own message quotes the text it stopped at, which may be a key.
            int line = (int)(exception.LineNumber ?? 0) + 1, column = (int)(exception.BytePositionInLine ?? 0) + 1;
            Error("JsonInvalid", $"Failed to parse the configuration: it is not valid JSON at line {line}, column {column}.",
                "Correct the JSON there. Comments and trailing commas are accepted; single quotes and unquoted names are not.").At((line, column));
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair as an escape: JSON by its grammar, and no text.
            Error("JsonInvalid", "Failed to parse the configuration: a text in it holds half of a surrogate pair.", "Write the character itself, or both halves.");
        }
    }

    private void ReadRoot(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            Error("JsonInvalid", "Failed to parse the configuration: it is not a JSON object.", "Start the file with { and give it fhirPathRules.");
            return;
        }
        JsonElement rules = default;
        foreach (JsonProperty property in root.EnumerateObject())
        {
            switch (property.Name.ToUpperInvariant())
            {
                case "FHIRVERSION":
                    _configuration = _configuration with { FhirVersion = Text(property) };
                    break;
                case "PROCESSINGERRORS":
                    _configuration = _configuration with { SkipsFailures = OneOf(property, "raise", "skip") == 1 };
                    break;
                case "FHIRPATHRULES":
                    rules = property.Value;
                    break;
                case "PARAMETERS":
                    ReadParameters(property.Value);
                    break;
                default:
                    Warn("PropertyUnknown", $"The property '{property.Name}' is not one of fhirVersion, processingErrors, fhirPathRules and parameters: the service ignores it.{Spelling.Question(property.Name, Properties)}", "Correct its name, or remove it.").For(property.Name);
                    break;
            }
        }
        if (!string.IsNullOrEmpty(_configuration.FhirVersion) && !_configuration.FhirVersion.Equals("R4", StringComparison.OrdinalIgnoreCase))
            Error("FhirVersionUnsupported", $"Configuration of fhirVersion {_configuration.FhirVersion} is not supported. Expected fhirVersion: R4", "Set \"fhirVersion\": \"R4\".").For("fhirVersion");
        if (rules.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null)
            Error("RulesMissing", "The configuration is invalid: it has no fhirPathRules.", "Give it the array fhirPathRules; New-AnonymizationConfig -Template SafeHarbor starts from a complete one.");
        else if (rules.ValueKind != JsonValueKind.Array)
            Error("RulesMissing", "Failed to parse the configuration: fhirPathRules is not an array.", "Write fhirPathRules as [ { \"path\": …, \"method\": … }, … ].");
        else
            ReadRules(rules);
    }

    private void ReadRules(JsonElement list)
    {
        List<ConfigurationRule> rules = [];
        int number = 0;
        foreach (JsonElement item in list.EnumerateArray())
        {
            number++;
            if (item.ValueKind != JsonValueKind.Object || !item.TryGetProperty("path", out JsonElement path) || !item.TryGetProperty("method", out JsonElement method)
                || path.ValueKind != JsonValueKind.String || method.ValueKind != JsonValueKind.String)
            {
                Error("RuleIncomplete", $"Rule {number}: missing path or method in Fhir path rule config.", $"{Missing(item)}Give every rule \"path\" and \"method\", in lower case, as texts.", number);
                continue;
            }
            string text = path.GetString()!;
            if (FhirPathSyntax.Error(text, out bool isTooComplex) is { } error)
            {
                if (isTooComplex)
                    Error("PathTooComplex", $"Rule {number}: the path cannot be read: {error}.", "Split it into several rules. A path of this size can end the service's worker.", number);
                else
                    Error("PathInvalid", $"Rule {number}: invalid FHIR path '{text}': {error}.", "Correct the path; it starts with a resource type, such as Patient.name.family, or is a search: nodesByType('HumanName').", number).For(text);
            }
            int known = Array.FindIndex(Methods, m => m.Equals(method.GetString(), StringComparison.OrdinalIgnoreCase));
            if (known < 0)
            {
                Error("MethodUnknown", $"Rule {number}: anonymization method '{method.GetString()}' is not supported.{Spelling.Question(method.GetString()!, Methods)}", $"Use one of {string.Join(", ", Methods)}. The service would find out only when half of the data is written.", number).For(text);
                rules.Add(new ConfigurationRule(number, text, AnonymizationMethod.Unknown) { UnknownMethod = method.GetString()! });
                continue;
            }
            ConfigurationRule rule = new(number, text, (AnonymizationMethod)known);
            rules.Add(RuleSettings.Read(rule, item, this));
        }
        _configuration = _configuration with { Rules = rules };
        CheckKey(AnonymizationMethod.CryptoHash, "cryptoHashKey", _configuration.CryptoHashKey.Length > 0, "the hashes of one id would differ between files");
        CheckKey(AnonymizationMethod.Encrypt, "encryptKey", _configuration.EncryptKey.Length > 0, "no one could decrypt the values again");
        CheckKey(AnonymizationMethod.DateShift, "dateShiftKey", _configuration.DateShiftKey.Length > 0 || _configuration.DateShiftFixedOffsetInDays is not null, "the dates of one resource would move differently each time");
    }

    /// <summary>Which of its parts a rule lacks, and what may be meant for it.</summary>
    private static string Missing(JsonElement item)
    {
        if (item.ValueKind != JsonValueKind.Object)
            return "It is not an object. ";
        string[] names = [.. item.EnumerateObject().Select(property => property.Name)];
        string missing = Array.Find(RuleProperties, name => !names.Contains(name)) ?? "";
        return missing.Length == 0 ? "Both must be texts. " : $"It has no '{missing}'. {(Spelling.Nearest(missing, names.Except(RuleProperties)) is { } found ? $"Is '{found}' meant for it? " : "")}";
    }

    private void CheckKey(AnonymizationMethod method, string parameter, bool isGiven, string consequence)
    {
        if (!isGiven && _configuration.Rules.FirstOrDefault(rule => rule.Method == method) is { } rule)
        {
            Error("KeyEmpty", $"Rule {rule.Number} uses {Methods[(int)method]}, but parameters.{parameter} is empty: each worker of the service would draw its own key, and {consequence}.",
                $"Set parameters.{parameter} to a random text{(method == AnonymizationMethod.Encrypt ? " of 16, 24 or 32 bytes" : ", 32 characters or more")}; New-AnonymizationConfig makes one.", rule.Number).For(rule.Path);
        }
    }

    private void ReadParameters(JsonElement parameters)
    {
        if (parameters.ValueKind == JsonValueKind.Null)
            return;
        if (parameters.ValueKind != JsonValueKind.Object)
        {
            Error("ParameterInvalid", "Failed to parse the configuration: parameters is not an object.", "Write parameters as { \"cryptoHashKey\": …, … }.").For("parameters");
            return;
        }
        foreach (JsonProperty property in parameters.EnumerateObject())
        {
            _configuration = property.Name.ToUpperInvariant() switch
            {
                "CRYPTOHASHKEY" => _configuration with { CryptoHashKey = Utf8(property) },
                "DATESHIFTKEY" => _configuration with { DateShiftKey = Utf8(property) },
                "ENCRYPTKEY" => _configuration with { EncryptKey = EncryptKey(property) },
                "DATESHIFTSCOPE" => _configuration with { DateShiftScope = (DateShiftScope)Math.Max(OneOf(property, "resource", "file", "folder"), 0) },
                "DATESHIFTFIXEDOFFSETINDAYS" => _configuration with { DateShiftFixedOffsetInDays = Days(property) },
                "ENABLEPARTIALAGESFORREDACT" => _configuration with { PartialAges = Flag(property) },
                "ENABLEPARTIALDATESFORREDACT" => _configuration with { PartialDates = Flag(property) },
                "ENABLEPARTIALZIPCODESFORREDACT" => _configuration with { PartialZipCodes = Flag(property) },
                "RESTRICTEDZIPCODETABULATIONAREAS" => _configuration with { RestrictedZipCodeAreas = Texts(property) },
                "CUSTOMSETTINGS" => _configuration,
                _ => Unknown(property),
            };
        }
    }

    private AnonymizationConfiguration Unknown(JsonProperty property)
    {
        Warn("ParameterUnknown", $"The parameter '{property.Name}' is unknown: the service ignores it.{Spelling.Question(property.Name, Parameters)}", "Correct its name, or remove it.").For(property.Name);
        return _configuration;
    }

    private byte[] EncryptKey(JsonProperty property)
    {
        byte[] key = Utf8(property);
        if (key.Length is not (0 or 16 or 24 or 32))
            Error("EncryptKeySize", $"Invalid encrypt key size : {key.Length * 8} bits! Please provide key sizes of 128, 192 or 256 bits.", "Give parameters.encryptKey 16, 24 or 32 bytes of UTF-8 text, or none.").For(property.Name);
        return key;
    }

    private byte[] Utf8(JsonProperty property) => Encoding.UTF8.GetBytes(Text(property) ?? "");

    private string? Text(JsonProperty property)
    {
        if (property.Value.ValueKind is JsonValueKind.Null or JsonValueKind.String)
            return property.Value.GetString();
        if (property.Value.ValueKind == JsonValueKind.Number)
        {
            AsText(property.Name, "a number, where a text belongs");
            return property.Value.GetRawText();
        }
        Invalid(property, "is not a text", "a text");
        return null;
    }

    private bool Flag(JsonProperty property)
    {
        if (property.Value.ValueKind is JsonValueKind.True or JsonValueKind.False)
            return property.Value.GetBoolean();
        if (property.Value.ValueKind == JsonValueKind.String && bool.TryParse(property.Value.GetString(), out bool flag))
        {
            AsText(property.Name, "a text, where true or false belongs");
            return flag;
        }
        Invalid(property, "is neither true nor false", "true or false");
        return false;
    }

    private string[] Texts(JsonProperty property)
    {
        if (property.Value.ValueKind == JsonValueKind.Null)
            return [];
        if (property.Value.ValueKind == JsonValueKind.Array)
            return [.. property.Value.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.String ? item.GetString()! : item.GetRawText()).Where(text => text.Length > 0)];
        Invalid(property, "is not an array", "[\"036\", …]");
        return [];
    }

    /// <summary>A whole number of days; the service rounds fractions half to even and reads numbers given as text.</summary>
    private int? Days(JsonProperty property)
    {
        if (property.Value.ValueKind == JsonValueKind.String)
            AsText(property.Name, "a text, where a number belongs");
        string? text = property.Value.ValueKind == JsonValueKind.Number ? property.Value.GetRawText() : Text(property);
        if (string.IsNullOrEmpty(text))
            return null;
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double days) && Math.Abs(days) <= int.MaxValue)
            return (int)Math.Round(days);
        Invalid(property, "is not a number of days", "-30, or null");
        return null;
    }

    private int OneOf(JsonProperty property, params string[] values)
    {
        if (property.Value.ValueKind == JsonValueKind.Null)
            return -1;
        int index = Array.FindIndex(values, v => v.Equals(Text(property), StringComparison.OrdinalIgnoreCase));
        if (index < 0)
            Invalid(property, $"is none of {string.Join(", ", values)}", $"\"{values[0]}\"");
        return index;
    }

    private void Invalid(JsonProperty property, string what, string example) =>
        Error("ParameterInvalid", $"Failed to parse the configuration: '{property.Name}' {what}.", $"Write \"{property.Name}\": {example}.").For(property.Name);

    internal void AsText(string property, string what, int rule = 0) =>
        Inform("ValueAsText", $"'{property}' is {what}: the service reads it all the same.", "Write numbers, true and false without quotation marks, and texts with them.", rule).For(property);

    internal FindingBuilder Error(string id, string message, string fix, int rule = 0) => Add(AnonymizationConfigSeverity.Error, id, message, fix, rule);

    internal FindingBuilder Warn(string id, string message, string fix, int rule = 0) => Add(AnonymizationConfigSeverity.Warning, id, message, fix, rule);

    internal FindingBuilder Inform(string id, string message, string fix, int rule = 0) => Add(AnonymizationConfigSeverity.Information, id, message, fix, rule);

    private FindingBuilder Add(AnonymizationConfigSeverity severity, string id, string message, string fix, int rule)
    {
        (int line, int column) = PropertyOf.TryGetValue(id, out string? property) ? _positions.Rule(rule, property) : _positions.Rule(rule);
        AnonymizationConfigFinding finding = new() { Id = id, Severity = severity, Line = line, Column = column, Rule = rule, Message = message, Fix = fix };
        Findings.Add(finding);
        return new FindingBuilder(finding, _positions);
    }

    internal readonly struct FindingBuilder(AnonymizationConfigFinding finding, FilePositions positions)
    {
        /// <summary>Names the path or property that is concerned; without a rule, the property also gives the place.</summary>
        public void For(string path)
        {
            finding.Path = path;
            if (finding.Rule == 0)
                (finding.Line, finding.Column) = positions.Property(path);
        }

        /// <summary>Gives the place, and names the property that is concerned.</summary>
        public void At((int Line, int Column) place, string path = "") => (finding.Line, finding.Column, finding.Path) = (place.Line, place.Column, path);
    }
}
