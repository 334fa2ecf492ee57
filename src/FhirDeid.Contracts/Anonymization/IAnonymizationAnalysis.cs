namespace FhirDeid;

/// <summary>What a configuration does, told without running it on all data. Safe for several runspaces at once.</summary>
public interface IAnonymizationAnalysis
{
    /// <summary>Says everything that is wrong with a configuration file, its encoding too.</summary>
    /// <param name="file">The file's bytes; of one beyond 5 MiB the first are enough.</param>
    /// <returns>Errors first.</returns>
    IReadOnlyList<AnonymizationConfigFinding> Test(byte[] file);

    /// <summary>Says what a configuration does to every R4 element that can hold one of the identifiers of 45 CFR 164.514(b)(2).</summary>
    /// <param name="json">The configuration file's text.</param>
    /// <param name="resourceTypes">Resource types to look at; all where there are none.</param>
    /// <param name="samples">Files in which to count the elements, as <see cref="ReadAsync"/> reads them; their values go nowhere. Null for none.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>One object a category, A to R, and one for free text and extensions.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>, <c>FhirDeid.KeyMissing</c>, <c>FhirDeid.ResourceInvalid</c>, and those of <see cref="ReadAsync"/>.</exception>
    Task<IReadOnlyList<AnonymizationCoverage>> CoverAsync(string json, IReadOnlyCollection<string> resourceTypes, IEnumerable<string>? samples, CancellationToken cancellation);

    /// <summary>Reads the resources of a file as the engine would: by its name one resource (<c>.json</c>) or one a line (anything else), packed if it ends in <c>.gz</c>.</summary>
    /// <param name="path">Full path of the file.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The resources, in order; blank lines are left out.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.FileUnreadable</c>, <c>FhirDeid.FileNotWhole</c>, <c>FhirDeid.EncodingNotSupported</c>, <c>FhirDeid.ResourceTooLarge</c>.</exception>
    IAsyncEnumerable<FhirResourceText> ReadAsync(string path, CancellationToken cancellation);

    /// <summary>Says what changes in effect between two configurations.</summary>
    /// <param name="reference">Text of the configuration to start from.</param>
    /// <param name="difference">Text of the configuration to compare it with.</param>
    /// <returns>One object for each change; those that weaken protection first.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>, <c>FhirDeid.KeyMissing</c>.</exception>
    IReadOnlyList<AnonymizationConfigDifference> Compare(string reference, string difference);

    /// <summary>Prepares to show what a configuration does to resources.</summary>
    /// <param name="json">The configuration file's text.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>, <c>FhirDeid.ConfigNotSupported</c>, <c>FhirDeid.KeyMissing</c>.</exception>
    IResourcePreview Preview(string json);
}

/// <summary>Shows what a configuration does to one resource after the other.</summary>
public interface IResourcePreview : IDisposable
{
    /// <summary>De-identifies a resource and lists what changed in it: values by the rules, and the labels that the engine adds.</summary>
    /// <param name="resource">One resource as JSON, from the pipeline.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ResourceInvalid</c>.</exception>
    IReadOnlyList<FhirElementChange> Compare(string resource);

    /// <inheritdoc cref="Compare(string)"/>
    /// <param name="resource">One resource of a file.</param>
    IReadOnlyList<FhirElementChange> Compare(FhirResourceText resource);

    /// <summary>What each rule has done so far; rules that matched nothing too.</summary>
    IReadOnlyList<FhirRuleSummary> Rules { get; }
}
