using System.Text;
using FhirDeid.Anonymization.Bulk;
using FhirDeid.Anonymization.Coverage;
using FhirDeid.Anonymization.Difference;
using FhirDeid.Anonymization.Lint;
using FhirDeid.Anonymization.Preview;

namespace FhirDeid.Anonymization;

/// <summary>What the cmdlets that look into configurations reach the engine by.</summary>
public sealed class ConfigurationAnalysis : IAnonymizationAnalysis
{
    /// <inheritdoc/>
    public IReadOnlyList<AnonymizationConfigFinding> Test(byte[] file)
    {
        Encoding encoding = EncodingOf(file);
        IReadOnlyList<AnonymizationConfigFinding> findings = ConfigurationLint.Run(encoding.GetString(file));
        if (encoding is UTF8Encoding)
            return findings;
        AnonymizationConfigFinding finding = new()
        {
            Id = "EncodingNotUtf8", Severity = AnonymizationConfigSeverity.Warning, Line = 1, Column = 1, Message = $"The file is {encoding.WebName.ToUpperInvariant()}: the service is known to read UTF-8 alone.",
            Fix = "Save it as UTF-8. Publish-AnonymizationConfig uploads it as UTF-8.",
        };
        return [.. findings.Where(other => other.Severity == AnonymizationConfigSeverity.Error), finding, .. findings.Where(other => other.Severity != AnonymizationConfigSeverity.Error)];
    }

    /// <summary>By the byte order mark, or by where the zeros of the first characters stand: JSON starts with two of ASCII.</summary>
    private static Encoding EncodingOf(ReadOnlySpan<byte> file) => file switch
    {
        [0xFF, 0xFE, 0, 0, ..] => Encoding.UTF32,
        [0xFF, 0xFE, ..] or [not 0, 0, not 0, 0, ..] => Encoding.Unicode,
        [0xFE, 0xFF, ..] or [0, not 0, 0, not 0, ..] => Encoding.BigEndianUnicode,
        _ => Encoding.UTF8,
    };

    /// <inheritdoc/>
    public Task<IReadOnlyList<AnonymizationCoverage>> CoverAsync(string json, IReadOnlyCollection<string> resourceTypes, IEnumerable<string>? samples, CancellationToken cancellation) =>
        ConfigurationCoverage.OfAsync(json, resourceTypes, samples, cancellation);

    /// <inheritdoc/>
    public IAsyncEnumerable<FhirResourceText> ReadAsync(string path, CancellationToken cancellation) => ResourceFile.ReadAsync(path, cancellation);

    /// <inheritdoc/>
    public IReadOnlyList<AnonymizationConfigDifference> Compare(string reference, string difference) => ConfigurationDifference.Of(reference, difference);

    /// <inheritdoc/>
    public IResourcePreview Preview(string json) => new ResourcePreview(json);
}
