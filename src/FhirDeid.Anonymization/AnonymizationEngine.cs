using FhirDeid.Anonymization.Bulk;
using FhirDeid.Anonymization.Configuration;

namespace FhirDeid.Anonymization;

/// <summary>What the cmdlets reach the engine by.</summary>
public sealed class AnonymizationEngine : IAnonymization
{
    /// <inheritdoc/>
    public AnonymizationConfig Parse(string json, string name)
    {
        using Anonymizer anonymizer = Anonymizer.Create(json);
        AnonymizationConfiguration configuration = anonymizer.Configuration;
        return new AnonymizationConfig(json)
        {
            Name = name,
            FhirVersion = configuration.FhirVersion,
            ProcessingErrors = configuration.SkipsFailures ? "skip" : "raise",
            Rules = [.. configuration.Rules.Select(rule => new AnonymizationRule { Number = rule.Number, Path = rule.Path, Method = MethodName(rule.Method) })],
            Parameters = new AnonymizationParameters
            {
                HasCryptoHashKey = configuration.CryptoHashKey.Length > 0,
                HasDateShiftKey = configuration.DateShiftKey.Length > 0,
                HasEncryptKey = configuration.HasEncryptKey,
                EnablePartialAgesForRedact = configuration.PartialAges,
                EnablePartialDatesForRedact = configuration.PartialDates,
                EnablePartialZipCodesForRedact = configuration.PartialZipCodes,
                RestrictedZipCodeTabulationAreas = [.. configuration.RestrictedZipCodeAreas],
            },
            Warnings = [.. configuration.Warnings],
        };
    }

    /// <inheritdoc/>
    public Task<DeidentifiedFile> DeidentifyFileAsync(AnonymizationConfig config, string path, string destination,
        IProgress<FhirDeidProgress> progress, CancellationToken cancellation) =>
        NdjsonFile.DeidentifyAsync(Anonymizer.Create(config.ToJson(), path), path, destination, progress, cancellation);

    private static string MethodName(AnonymizationMethod method) => char.ToLowerInvariant(method.ToString()[0]) + method.ToString()[1..];
}
