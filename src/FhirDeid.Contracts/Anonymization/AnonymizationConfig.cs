using System.Collections.Specialized;
using System.Security.Cryptography;
using System.Text;

namespace FhirDeid;

/// <summary>An anonymization configuration: ordered rules, and parameters with the keys behind them.</summary>
/// <remarks>The keys are in the text that <see cref="ToJson"/> gives and nowhere else: no property, format or serialisation shows them.</remarks>
public sealed class AnonymizationConfig
{
    private readonly string _json;

    /// <summary>Creates an empty configuration object, for mocks.</summary>
    public AnonymizationConfig()
        : this("{}")
    {
    }

    /// <summary>Creates a configuration from the text that the service will read.</summary>
    /// <param name="json">The whole configuration file, as JSON text.</param>
    public AnonymizationConfig(string json) => _json = json;

    /// <summary>File name without folder, or the template's name.</summary>
    public string Name { get; set; } = "";

    /// <summary>FHIR version that the configuration declares; the service accepts R4 here, or nothing.</summary>
    public string? FhirVersion { get; set; }

    /// <summary><c>raise</c> (the default) or <c>skip</c>: whether a resource that fails ends the run.</summary>
    public string ProcessingErrors { get; set; } = "raise";

    /// <summary>The rules, in order: the first that matches a node decides.</summary>
    public AnonymizationRule[] Rules { get; set; } = [];

    /// <summary>The parameters that are no secret.</summary>
    public AnonymizationParameters Parameters { get; set; } = new();

    /// <summary>What the service would ignore without a word: rules that can never apply, unknown names. One line each.</summary>
    public string[] Warnings { get; set; } = [];

    /// <summary>SHA-256 of the UTF-8 text, 64 lower-case hex digits.</summary>
    public string Sha256 => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(_json))).ToLowerInvariant();

    /// <summary>The text that the service reads. It holds the keys: whoever has it can recompute every hash.</summary>
    /// <returns>JSON text.</returns>
    public string ToJson() => _json;

    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({Rules.Length} rules)";
}

/// <summary>One rule: which nodes, and what happens to them.</summary>
public sealed class AnonymizationRule
{
    /// <summary>Position in the configuration, from 1.</summary>
    public int Number { get; set; }

    /// <summary>FHIRPath, <c>nodesByType('…')</c> or <c>nodesByName('…')</c>.</summary>
    public string Path { get; set; } = "";

    /// <summary>Method; one that does not exist as written.</summary>
    public string Method { get; set; } = "";

    /// <summary>For substitute: the new value, JSON where it is an element with parts; null removes the value.</summary>
    public string? ReplaceWith { get; set; }

    /// <summary>For perturb: width of the range of the noise, half of it in each direction; else null.</summary>
    public double? Span { get; set; }

    /// <summary>For perturb: <c>fixed</c> or <c>proportional</c>; else null.</summary>
    public string? RangeType { get; set; }

    /// <summary>For perturb: decimal places of the result; else null.</summary>
    public int? RoundTo { get; set; }

    /// <summary>For generalize: conditions and values, both FHIRPath, in order; else null.</summary>
    public OrderedDictionary? Cases { get; set; }

    /// <summary>For generalize: <c>redact</c> or <c>keep</c>, what becomes of values that no case covers; else null.</summary>
    public string? OtherValues { get; set; }

    /// <inheritdoc/>
    public override string ToString() => $"{Path} {Method}";
}

/// <summary>The parameters of a configuration that are no secret, and whether each key is given.</summary>
public sealed class AnonymizationParameters
{
    /// <summary>Whether <c>cryptoHashKey</c> is given and not empty.</summary>
    public bool HasCryptoHashKey { get; set; }

    /// <summary>Whether <c>dateShiftKey</c> is given and not empty.</summary>
    public bool HasDateShiftKey { get; set; }

    /// <summary>Whether <c>encryptKey</c> is given and not empty.</summary>
    public bool HasEncryptKey { get; set; }

    /// <summary>Whether redact keeps ages up to 89.</summary>
    public bool EnablePartialAgesForRedact { get; set; }

    /// <summary>Whether redact keeps the year of a date.</summary>
    public bool EnablePartialDatesForRedact { get; set; }

    /// <summary>Whether redact keeps the first three characters of a postal code.</summary>
    public bool EnablePartialZipCodesForRedact { get; set; }

    /// <summary>Three-digit postal areas with too few people: every digit becomes 0.</summary>
    public string[] RestrictedZipCodeTabulationAreas { get; set; } = [];
}
