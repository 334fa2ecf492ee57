namespace FhirDeid;

/// <summary>De-identifies resources one by one. For one thread at a time.</summary>
public interface IResourceAnonymizer : IDisposable
{
    /// <summary>De-identifies one resource.</summary>
    /// <param name="resource">The resource as UTF-8 JSON, without a line end.</param>
    /// <returns>The result as UTF-8 JSON, without a line end; valid until the next call.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ResourceInvalid</c>, where the configuration does not skip such resources.</exception>
    ReadOnlyMemory<byte> Anonymize(ReadOnlyMemory<byte> resource);
}
