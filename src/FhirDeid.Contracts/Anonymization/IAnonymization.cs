namespace FhirDeid;

/// <summary>Configurations and the engine that runs them. Safe for several runspaces at once.</summary>
public interface IAnonymization
{
    /// <summary>Says everything that is wrong with a configuration, without running it.</summary>
    /// <param name="json">The configuration file's text.</param>
    /// <returns>Errors first; none for a configuration that the service accepts and that means what it says, as far as is checked.</returns>
    IReadOnlyList<AnonymizationConfigFinding> Test(string json);

    /// <summary>Reads a configuration that the service would accept.</summary>
    /// <param name="json">The configuration file's text: JSON; comments, trailing commas and a byte order mark are accepted.</param>
    /// <param name="name">Name shown to users: the file's, or the template's.</param>
    /// <returns>The configuration.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>: the service would refuse it. <c>FhirDeid.KeyMissing</c>: a key that a rule uses is empty.</exception>
    AnonymizationConfig Parse(string json, string name);

    /// <summary>Makes an engine for resources that come from elsewhere, one for each thread.</summary>
    /// <param name="config">The rules.</param>
    /// <returns>Makes one engine a call; rules are compiled once.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>, <c>FhirDeid.ConfigNotSupported</c>, <c>FhirDeid.KeyMissing</c>.</exception>
    Func<IResourceAnonymizer> CreateAnonymizers(AnonymizationConfig config);

    /// <summary>Says what a configuration leaves on every resource of a type, by the rule that decides its id: every resource has one.</summary>
    /// <param name="json">The configuration file's text.</param>
    /// <param name="resourceTypes">The types; those that R4 does not have are left out.</param>
    /// <returns>The mark of each type; none at all where this engine cannot run the configuration.</returns>
    IReadOnlyDictionary<string, FhirResourceMark> Marks(string json, IEnumerable<string> resourceTypes);

    /// <summary>De-identifies one NDJSON file.</summary>
    /// <param name="config">The rules.</param>
    /// <param name="path">Full path of the input.</param>
    /// <param name="destination">Full path of the output; appears only when complete, readable by its owner alone.</param>
    /// <param name="progress">Told how far the file has come.</param>
    /// <param name="cancellation">Stops; no output remains.</param>
    /// <returns>Counts, size and hash.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigNotSupported</c>: a rule uses what this engine cannot run; nothing is written. <c>FhirDeid.ResourceInvalid</c>, <c>FhirDeid.DestinationIsSource</c>, <c>FhirDeid.FileUnreadable</c>, <c>FhirDeid.FileUnwritable</c>.</exception>
    Task<DeidentifiedFile> DeidentifyFileAsync(AnonymizationConfig config, string path, string destination,
        IProgress<FhirDeidProgress> progress, CancellationToken cancellation);
}
