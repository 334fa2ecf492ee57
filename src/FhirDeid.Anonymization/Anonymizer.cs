using System.Buffers;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Engine;
using FhirDeid.Anonymization.Plan;

namespace FhirDeid.Anonymization;

/// <summary>Runs one configuration over resources, with the results of the anonymizer inside Azure's <c>$export</c>. For one thread at a time; <see cref="Clone"/> gives another thread its own.</summary>
/// <remarks>Differences from that anonymizer, each where it crashes, leaks or writes what is not FHIR, are listed in docs/compatibility.md.</remarks>
public sealed class Anonymizer : IDisposable
{
    private readonly AnonymizationConfiguration _configuration;
    private readonly AnonymizationPlan _plan;
    private readonly TimeProvider _clock;
    private readonly Tape _tape = new();
    private readonly DecideWalk _decide;
    private readonly WriteWalk _write = new();
    private readonly Arena _result = new();

    private Anonymizer(AnonymizationConfiguration configuration, AnonymizationPlan plan, TimeProvider clock)
    {
        _configuration = configuration;
        _plan = plan;
        _clock = clock;
        _decide = new DecideWalk(plan, configuration);
    }

    internal AnonymizationConfiguration Configuration => _configuration;

    /// <summary>Compiles a configuration.</summary>
    /// <param name="json">The configuration file's text.</param>
    /// <returns>An engine for one thread.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>, <c>FhirDeid.ConfigNotSupported</c>, <c>FhirDeid.KeyMissing</c>.</exception>
    public static Anonymizer Create(string json) => Create(json, TimeProvider.System);

    internal static Anonymizer Create(string json, TimeProvider clock)
    {
        AnonymizationConfiguration configuration = AnonymizationConfiguration.Read(json);
        return new Anonymizer(configuration, new AnonymizationPlan(configuration), clock);
    }

    /// <summary>Gives another thread its own engine on the same plan and keys.</summary>
    /// <returns>A new engine.</returns>
    public Anonymizer Clone() => new(_configuration, _plan, _clock);

    /// <summary>De-identifies one resource.</summary>
    /// <param name="resource">One resource as UTF-8 JSON, without a line end.</param>
    /// <param name="output">Receives the result as UTF-8 JSON, without a line end; compact wherever anything changed.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ResourceInvalid</c>: the resource does not parse as R4; nothing was written.</exception>
    public void Anonymize(ReadOnlySpan<byte> resource, IBufferWriter<byte> output)
    {
        try
        {
            _tape.Read(resource);
            _decide.Run(resource, _tape.Tokens, DateOnly.FromDateTime(_clock.GetLocalNow().DateTime));
        }
        catch (ResourceException exception)
        {
            throw new FhirDeidException("ResourceInvalid", FhirDeidErrorCategory.InvalidData, $"The resource cannot be de-identified: {exception.Message}.",
                "Correct the resource at its source; nothing of it was written. With \"processingErrors\": \"skip\" in the configuration an empty resource takes its place.");
        }
        _result.Clear();
        _write.Run(resource, _tape.Tokens, _decide, _result);
        output.Write(_result.Slice(0, _result.Length));
    }

    /// <summary>Releases the keyed hash.</summary>
    public void Dispose() => _decide.Dispose();
}
