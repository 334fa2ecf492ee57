namespace FhirDeid.Anonymization;

/// <summary>What the cmdlets reach the anonymization engine by.</summary>
public sealed class AnonymizationEngine : IAnonymization
{
    /// <inheritdoc/>
    public AnonymizationConfig Parse(string json, string name) => throw new NotSupportedException();

    /// <inheritdoc/>
    public Task<DeidentifiedFile> DeidentifyFileAsync(AnonymizationConfig config, string path, string destination,
        IProgress<FhirDeidProgress> progress, CancellationToken cancellation) => throw new NotSupportedException();
}
