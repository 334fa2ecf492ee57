using System.Buffers;

namespace FhirDeid.Anonymization;

/// <summary>Runs one configuration over resources. One thread at a time; <see cref="Clone"/> gives another thread its own.</summary>
public sealed class Anonymizer
{
    private Anonymizer()
    {
    }

    /// <summary>Compiles a configuration.</summary>
    /// <param name="json">The configuration file's text.</param>
    /// <returns>An engine for one thread.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>, <c>FhirDeid.ConfigNotSupported</c>.</exception>
    public static Anonymizer Create(string json) => throw new NotSupportedException(json);

    /// <summary>Gives another thread its own engine on the same plan and keys.</summary>
    /// <returns>A new engine.</returns>
    public Anonymizer Clone() => throw new NotSupportedException();

    /// <summary>De-identifies one resource.</summary>
    /// <param name="resource">One resource as UTF-8 JSON, without a line end.</param>
    /// <param name="output">Receives the result as compact UTF-8 JSON, without a line end.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ResourceInvalid</c>: the resource does not parse as R4; nothing was written.</exception>
    public void Anonymize(ReadOnlySpan<byte> resource, IBufferWriter<byte> output) => throw new NotSupportedException();
}
