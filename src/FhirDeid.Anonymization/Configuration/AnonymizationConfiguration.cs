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
    Encrypt,
    Perturb,
    Generalize,
    /// <summary>One that does not exist: the run ends at the first resource that the rule applies to, as in the service.</summary>
    Unknown,
}

/// <summary>Names of the methods.</summary>
internal static class AnonymizationMethodNames
{
    /// <summary>The name that a configuration writes: <c>cryptoHash</c>.</summary>
    public static string Name(this AnonymizationMethod method) => char.ToLowerInvariant(method.ToString()[0]) + method.ToString()[1..];
}

/// <summary>What a date's shift depends on besides the key.</summary>
internal enum DateShiftScope
{
    Resource,
    File,
    Folder,
}

/// <summary>One rule as the file has it.</summary>
/// <param name="Number">Position in the file, from 1.</param>
/// <param name="Path">The path, as written.</param>
/// <param name="Method">What happens.</param>
internal sealed record ConfigurationRule(int Number, string Path, AnonymizationMethod Method)
{
    /// <summary>For a method that does not exist: its name, as written.</summary>
    public string UnknownMethod { get; init; } = "";

    /// <summary>For substitute: the text of the new value, or null to remove the value.</summary>
    public string? ReplaceWith { get; init; }

    /// <summary>For substitute: the new value where it is an object.</summary>
    public JsonElement? ReplaceWithObject { get; init; }

    /// <summary>For perturb: how far numbers move.</summary>
    public NoiseSettings? Noise { get; init; }

    /// <summary>For generalize: conditions and values as FHIRPath, in order.</summary>
    public IReadOnlyList<(string Condition, string Value)> Cases { get; init; } = [];

    /// <summary>For generalize: whether a value that no case covers stays.</summary>
    public bool KeepsOtherValues { get; init; }
}

/// <summary>How far perturb moves numbers.</summary>
/// <param name="Span">Width of the range that noise is drawn from, evenly, half of it in each direction; 0 or more.</param>
/// <param name="IsProportional">Whether the width is a share of the number itself.</param>
/// <param name="RoundTo">Decimal places of the result, 0 to 28; whole numbers always have none.</param>
internal sealed record NoiseSettings(double Span, bool IsProportional, int RoundTo);

/// <summary>A configuration file, read the way the service does it.</summary>
internal sealed record AnonymizationConfiguration
{
    public string? FhirVersion { get; init; }

    /// <summary>Whether a resource that fails is replaced by an empty one (<c>skip</c>) instead of ending the run.</summary>
    public bool SkipsFailures { get; init; }

    public IReadOnlyList<ConfigurationRule> Rules { get; init; } = [];

    public byte[] CryptoHashKey { get; init; } = [];

    public byte[] DateShiftKey { get; init; } = [];

    public byte[] EncryptKey { get; init; } = [];

    public DateShiftScope DateShiftScope { get; init; }

    /// <summary>Days by which every date moves, in place of a shift that depends on scope and key; or null.</summary>
    public int? DateShiftFixedOffsetInDays { get; init; }

    public bool PartialAges { get; init; }

    public bool PartialDates { get; init; }

    public bool PartialZipCodes { get; init; }

    public IReadOnlyList<string> RestrictedZipCodeAreas { get; init; } = [];
}
