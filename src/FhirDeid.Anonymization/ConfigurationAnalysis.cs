using FhirDeid.Anonymization.Coverage;
using FhirDeid.Anonymization.Difference;
using FhirDeid.Anonymization.Preview;

namespace FhirDeid.Anonymization;

/// <summary>What the cmdlets that look into configurations reach the engine by.</summary>
public sealed class ConfigurationAnalysis : IAnonymizationAnalysis
{
    /// <inheritdoc/>
    public IReadOnlyList<AnonymizationCoverage> Cover(string json, IReadOnlyCollection<string> resourceTypes, IEnumerable<string>? samples, CancellationToken cancellation) =>
        ConfigurationCoverage.Of(json, resourceTypes, samples, cancellation);

    /// <inheritdoc/>
    public IReadOnlyList<AnonymizationConfigDifference> Compare(string reference, string difference) => ConfigurationDifference.Of(reference, difference);

    /// <inheritdoc/>
    public IResourcePreview Preview(string json) => new ResourcePreview(json);
}
