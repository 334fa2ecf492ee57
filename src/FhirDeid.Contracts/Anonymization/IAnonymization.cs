namespace FhirDeid;

/// <summary>Configurations and the engine that runs them. Safe for several runspaces at once.</summary>
public interface IAnonymization
{
    /// <summary>Reads a configuration and compiles its rules.</summary>
    /// <param name="json">The configuration file's text: JSON; comments, trailing commas and a byte order mark are accepted.</param>
    /// <param name="name">Name shown to users: the file's, or the template's.</param>
    /// <returns>The configuration.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>: the service would refuse it. <c>FhirDeid.ConfigNotSupported</c>: it uses what this engine cannot run.</exception>
    AnonymizationConfig Parse(string json, string name);

    /// <summary>De-identifies one NDJSON file.</summary>
    /// <param name="config">The rules.</param>
    /// <param name="path">Full path of the input.</param>
    /// <param name="destination">Full path of the output; appears only when complete, readable by its owner alone.</param>
    /// <param name="progress">Told how far the file has come.</param>
    /// <param name="cancellation">Stops; no output remains.</param>
    /// <returns>Counts, size and hash.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ResourceInvalid</c>, <c>FhirDeid.DestinationIsSource</c>, <c>FhirDeid.FileUnreadable</c>, <c>FhirDeid.FileUnwritable</c>.</exception>
    Task<DeidentifiedFile> DeidentifyFileAsync(AnonymizationConfig config, string path, string destination,
        IProgress<FhirDeidProgress> progress, CancellationToken cancellation);
}
