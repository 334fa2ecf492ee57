using FhirDeid.Anonymization.Bulk;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Lint;
using FhirDeid.Anonymization.Plan;

namespace FhirDeid.Anonymization;

/// <summary>What the cmdlets reach the engine by.</summary>
public sealed class AnonymizationEngine : IAnonymization
{
    /// <inheritdoc/>
    public AnonymizationConfig Parse(string json, string name)
    {
        AnonymizationConfiguration configuration = ConfigurationReader.Read(json, out IReadOnlyList<AnonymizationConfigFinding> findings);
        ConfigurationReader.RefuseErrors(findings);
        return new AnonymizationConfig(json)
        {
            Name = name,
            FhirVersion = configuration.FhirVersion,
            ProcessingErrors = configuration.SkipsFailures ? "skip" : "raise",
            Rules = [.. configuration.Rules.Select(Rule)],
            Parameters = new AnonymizationParameters
            {
                HasCryptoHashKey = configuration.CryptoHashKey.Length > 0,
                HasDateShiftKey = configuration.DateShiftKey.Length > 0,
                HasEncryptKey = configuration.EncryptKey.Length > 0,
                EnablePartialAgesForRedact = configuration.PartialAges,
                EnablePartialDatesForRedact = configuration.PartialDates,
                EnablePartialZipCodesForRedact = configuration.PartialZipCodes,
                RestrictedZipCodeTabulationAreas = [.. configuration.RestrictedZipCodeAreas],
            },
            Warnings = [.. ConfigurationLint.Ignored(configuration, findings)],
        };
    }

    private static AnonymizationRule Rule(ConfigurationRule rule)
    {
        AnonymizationRule shown = new()
        {
            Number = rule.Number,
            Path = rule.Path,
            Method = rule.Method == AnonymizationMethod.Unknown ? rule.UnknownMethod : rule.Method.Name(),
            ReplaceWith = rule.ReplaceWithObject?.GetRawText() ?? rule.ReplaceWith,
        };
        if (rule.Noise is { } noise)
            (shown.Span, shown.RangeType, shown.RoundTo) = (noise.Span, noise.IsProportional ? "proportional" : "fixed", noise.RoundTo);
        if (rule.Method == AnonymizationMethod.Generalize)
        {
            (shown.Cases, shown.OtherValues) = ([], rule.KeepsOtherValues ? "keep" : "redact");
            foreach ((string condition, string value) in rule.Cases)
                shown.Cases[condition] = value;
        }
        return shown;
    }

    /// <inheritdoc/>
    public IReadOnlyList<AnonymizationConfigFinding> Test(string json) => ConfigurationLint.Run(json);

    /// <summary>What the service refuses when it reads a configuration, and keys that are missing: the part of <see cref="Test"/> that needs no look at the data.</summary>
    /// <param name="json">The configuration file's text.</param>
    public static IReadOnlyList<AnonymizationConfigFinding> Refused(string json)
    {
        ConfigurationReader.Read(json, out IReadOnlyList<AnonymizationConfigFinding> findings);
        return findings;
    }

    /// <inheritdoc/>
    public IDeidentification Open(AnonymizationConfig config, int throttleLimit) => new Deidentification(config, throttleLimit);

    /// <inheritdoc/>
    public Func<IResourceAnonymizer> CreateAnonymizers(AnonymizationConfig config)
    {
        Anonymizer compiled = Anonymizer.Create(config.ToJson());
        return () => new ResourceAnonymizer(compiled.Clone());
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, FhirResourceMark> Marks(string json, IEnumerable<string> resourceTypes) => PlanMarks.Of(json, resourceTypes);

    /// <inheritdoc/>
    public IReadOnlyList<IDeidentificationInput> Files(string path, string except) => InputFile.List(path, except);

    /// <inheritdoc/>
    public bool Reads(string name) => DataFormat.Reads(name);

    /// <inheritdoc/>
    public IDeidentificationTarget Folder(string path) => new OutputFolder(path);
}
