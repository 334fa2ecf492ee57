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

    /// <summary>Compiles a configuration, to run it.</summary>
    /// <param name="config">The rules.</param>
    /// <param name="throttleLimit">Threads that work on one file, at least 1.</param>
    /// <returns>The configuration, ready to run.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>, <c>FhirDeid.KeyMissing</c>. <c>FhirDeid.ConfigNotSupported</c>: a rule uses what this engine cannot run.</exception>
    IDeidentification Open(AnonymizationConfig config, int throttleLimit);

    /// <summary>Names what is to be de-identified of a file or folder: the file whatever its name; of a folder and those below it the files that <see cref="Reads"/> tells. Links to folders are not followed, hidden files left out.</summary>
    /// <param name="path">Full path of a file or folder.</param>
    /// <param name="except">Full path of a folder to leave out, such as the destination.</param>
    /// <returns>The files, by name.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.FileUnreadable</c>: a folder cannot be listed.</exception>
    IReadOnlyList<IDeidentificationInput> Files(string path, string except);

    /// <summary>Whether a name is that of FHIR data: <c>.ndjson</c> or <c>.json</c>, or one of them with <c>.gz</c>.</summary>
    /// <param name="name">Name of a file or blob.</param>
    /// <returns>Whether it is.</returns>
    bool Reads(string name);

    /// <summary>A folder for results. It is created with the first of them, readable by its owner alone.</summary>
    /// <param name="path">Full path.</param>
    /// <returns>The folder.</returns>
    IDeidentificationTarget Folder(string path);
}
