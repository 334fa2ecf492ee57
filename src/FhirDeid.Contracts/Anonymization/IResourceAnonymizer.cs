namespace FhirDeid;

/// <summary>De-identifies resources one by one. For one thread at a time.</summary>
public interface IResourceAnonymizer : IDisposable
{
    /// <summary>De-identifies one resource.</summary>
    /// <param name="resource">The resource as UTF-8 JSON, without a line end.</param>
    /// <param name="path">Name of the file that it comes from, for messages.</param>
    /// <param name="line">Its line there, from 1.</param>
    /// <param name="failure">Why an empty resource takes its place, with <c>processingErrors: skip</c>; else null.</param>
    /// <returns>The result as UTF-8 JSON, without a line end; valid until the next call.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ResourceInvalid</c>, where the configuration does not skip such resources; <c>FhirDeid.ResourceTooLarge</c>.</exception>
    ReadOnlyMemory<byte> Anonymize(ReadOnlyMemory<byte> resource, string path, long line, out DeidentificationFailure? failure);
}
