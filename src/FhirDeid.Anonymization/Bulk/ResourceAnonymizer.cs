using System.Buffers;

namespace FhirDeid.Anonymization.Bulk;

/// <summary>De-identifies resources that come one by one, as <see cref="ResourceStream"/> does it with lines.</summary>
internal sealed class ResourceAnonymizer(Anonymizer anonymizer) : IResourceAnonymizer
{
    private readonly ArrayBufferWriter<byte> _output = new();

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> Anonymize(ReadOnlyMemory<byte> resource)
    {
        _output.ResetWrittenCount();
        try
        {
            anonymizer.Anonymize(resource.Span, _output);
        }
        catch (FhirDeidException exception) when (exception.ErrorId == "FhirDeid.ResourceInvalid" && anonymizer.Configuration.SkipsFailures)
        {
            return EmptyResource.Of(resource.Span);
        }
        return _output.WrittenMemory;
    }

    /// <inheritdoc/>
    public void Dispose() => anonymizer.Dispose();
}
