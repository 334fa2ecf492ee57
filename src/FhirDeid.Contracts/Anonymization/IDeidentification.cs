namespace FhirDeid;

/// <summary>One configuration, compiled, to run over files, blobs and resources. For one of them at a time.</summary>
public interface IDeidentification : IDisposable
{
    /// <summary>De-identifies one file or blob. What is complete and unchanged, in input, configuration and output, is left as it is.</summary>
    /// <param name="input">What to read: by its name one resource (<c>.json</c>) or one a line (anything else), packed if it ends in <c>.gz</c>.</param>
    /// <param name="target">Where the result goes, under the input's name and packed as the input is.</param>
    /// <param name="force">Does it again, and replaces what others have put there.</param>
    /// <param name="progress">Told how far it has come.</param>
    /// <param name="cancellation">Stops; no output remains.</param>
    /// <returns>Counts, size and hash.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ResourceInvalid</c>, <c>FhirDeid.ResourceTooLarge</c>, <c>FhirDeid.EncodingNotSupported</c>, <c>FhirDeid.FileNotWhole</c>, <c>FhirDeid.FileChanged</c>, <c>FhirDeid.CountMismatch</c>, <c>FhirDeid.FileUnreadable</c>, <c>FhirDeid.FileUnwritable</c>, <c>FhirDeid.FileExists</c>, <c>FhirDeid.DestinationIsSource</c>; for blobs also those of the storage account.</exception>
    Task<DeidentifiedFile> DeidentifyAsync(IDeidentificationInput input, IDeidentificationTarget target, bool force,
        IProgress<DeidentificationProgress> progress, CancellationToken cancellation);

    /// <summary>De-identifies one resource.</summary>
    /// <param name="resource">The resource as JSON text.</param>
    /// <param name="failure">Why an empty resource takes its place, with <c>processingErrors: skip</c>; else null.</param>
    /// <returns>The result as JSON text, on one line.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ResourceInvalid</c>, <c>FhirDeid.ResourceTooLarge</c>.</exception>
    string Deidentify(string resource, out DeidentificationFailure? failure);
}

/// <summary>A file or blob to de-identify.</summary>
public interface IDeidentificationInput
{
    /// <summary>Full path or URL.</summary>
    string FullName { get; }

    /// <summary>Name below the folder or container that was asked for, with <c>/</c> between its parts.</summary>
    string Name { get; }

    /// <summary>Size in bytes.</summary>
    long Length { get; }

    /// <summary>What changes whenever the content may have changed, read anew each time: size and time of a file, ETag of a blob.</summary>
    string Version { get; }

    /// <summary>Number of resources that a manifest promises; null where none does.</summary>
    long? Count { get; }

    /// <summary>Opens it for reading.</summary>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The bytes of one version.</returns>
    /// <exception cref="FhirDeidException">It cannot be read.</exception>
    Task<Stream> OpenAsync(CancellationToken cancellation);

    /// <summary>The error for what its stream throws.</summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="cancellation">The token that the reading was given.</param>
    /// <returns>The error, or null for what is to pass as it is.</returns>
    FhirDeidException? Explain(Exception exception, CancellationToken cancellation);
}

/// <summary>A folder or container that results go to.</summary>
public interface IDeidentificationTarget
{
    /// <summary>Full path or URL of a result.</summary>
    /// <param name="name">The input's name.</param>
    /// <returns>Where it is, or would be.</returns>
    string FullName(string name);

    /// <summary>The note that was left with a result.</summary>
    /// <param name="name">The input's name.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The note, if the result is still what was written; else null.</returns>
    Task<string?> FindAsync(string name, CancellationToken cancellation);

    /// <summary>Begins a result. Nobody sees it before it is committed.</summary>
    /// <param name="input">The input it is made of.</param>
    /// <param name="force">Replaces what this module did not write.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The result, to be written.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.DestinationIsSource</c>, <c>FhirDeid.FileExists</c>, or it cannot be written.</exception>
    Task<IDeidentificationOutput> CreateAsync(IDeidentificationInput input, bool force, CancellationToken cancellation);
}

/// <summary>A result that is being written. Disposed without a commit it is gone.</summary>
public interface IDeidentificationOutput : IAsyncDisposable
{
    /// <summary>Takes the bytes.</summary>
    Stream Stream { get; }

    /// <summary>Makes the result visible under its name, in place of an earlier one.</summary>
    /// <param name="sha256">SHA-256 of the bytes, 64 lower-case hex digits.</param>
    /// <param name="note">What to leave with it: one line of ASCII without any content of resources.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>Completes when the result is there.</returns>
    Task CommitAsync(string sha256, string note, CancellationToken cancellation);

    /// <summary>The error for what its stream or its commit throws.</summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="cancellation">The token that the writing was given.</param>
    /// <returns>The error, or null for what is to pass as it is.</returns>
    FhirDeidException? Explain(Exception exception, CancellationToken cancellation);
}

/// <summary>How far one input has come.</summary>
/// <param name="BytesRead">Bytes of the input that have been read, packed as they are.</param>
/// <param name="Resources">Resources that have been written.</param>
public readonly record struct DeidentificationProgress(long BytesRead, long Resources);
