using System.Buffers;

namespace FhirDeid.Anonymization.Bulk;

/// <summary>De-identifies resources that come one by one, as <see cref="ResourceStream"/> does it with lines.</summary>
internal sealed class ResourceAnonymizer(Anonymizer anonymizer) : IResourceAnonymizer
{
    private readonly ArrayBufferWriter<byte> _output = new();

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> Anonymize(ReadOnlyMemory<byte> resource, string path, long line, out DeidentificationFailure? failure)
    {
        _output.ResetWrittenCount();
        failure = Deidentification.Run(anonymizer, resource.Span, _output, path, line);
        return _output.WrittenMemory;
    }

    /// <inheritdoc/>
    public void Dispose() => anonymizer.Dispose();
}
