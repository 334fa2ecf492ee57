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
