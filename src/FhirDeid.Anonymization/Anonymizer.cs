using System.Buffers;
using System.Collections.Concurrent;
using System.Text;
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
    private readonly byte[] _scopeName;
    private readonly DateOnly _today;
    private readonly ConcurrentBag<HashTable> _hashTables;
    private readonly Tape _tape = new();
    private readonly DecideWalk _decide;
    private readonly WriteWalk _write = new();
    private readonly Arena _result = new();
    private readonly long[] _changes = new long[Enum.GetValues<AnonymizationMethod>().Length];

    private Anonymizer(AnonymizationConfiguration configuration, AnonymizationPlan plan, byte[] scopeName, DateOnly today, ConcurrentBag<HashTable> hashTables)
    {
        _scopeName = scopeName;
        _configuration = configuration;
        _plan = plan;
        _today = today;
        _hashTables = hashTables;
        _decide = new DecideWalk(plan, configuration, scopeName, hashTables);
    }

    internal AnonymizationConfiguration Configuration => _configuration;

    /// <summary>Values that this engine has changed or removed so far, by <see cref="AnonymizationMethod"/>.</summary>
    internal ReadOnlySpan<long> Changes => _changes;

    /// <summary>Compiles a configuration.</summary>
    /// <param name="json">The configuration file's text.</param>
    /// <param name="path">Full path of the input file, for dateShiftScope file and folder; null where there is none, as in the service: dates then shift by the id of their document.</param>
    /// <returns>An engine for one thread.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>, <c>FhirDeid.ConfigNotSupported</c>, <c>FhirDeid.KeyMissing</c>.</exception>
    public static Anonymizer Create(string json, string? path = null) => Create(json, path, TimeProvider.System);

    internal static Anonymizer Create(string json, string? path, TimeProvider clock)
    {
        AnonymizationConfiguration configuration = ConfigurationReader.Read(json);
        return new Anonymizer(configuration, new AnonymizationPlan(configuration, clock), ScopeName(configuration, path), DateOnly.FromDateTime(clock.GetLocalNow().DateTime), []);
    }

    private static byte[] ScopeName(AnonymizationConfiguration configuration, string? path) => Encoding.UTF8.GetBytes(configuration.DateShiftScope switch
    {
        DateShiftScope.File => Path.GetFileName(path) ?? "",
        DateShiftScope.Folder => Path.GetFileName(Path.GetDirectoryName(path)) ?? "",
        _ => "",
    });

    /// <summary>Gives another thread its own engine on the same plan and keys.</summary>
    /// <returns>A new engine.</returns>
    public Anonymizer Clone() => new(_configuration, _plan, _scopeName, _today, _hashTables);

    /// <summary>Gives another file its own engine on the same plan and keys.</summary>
    /// <param name="path">Full path or URL of the file.</param>
    internal Anonymizer For(string path) => new(_configuration, _plan, ScopeName(_configuration, path), _today, _hashTables);

    /// <summary>De-identifies one resource.</summary>
    /// <param name="resource">One resource as UTF-8 JSON, without a line end.</param>
    /// <param name="output">Receives the result as UTF-8 JSON, without a line end; compact wherever anything changed.</param>
    /// <exception cref="ResourceFailedException"><c>FhirDeid.ResourceInvalid</c>: the resource does not parse as R4, or a rule fails on it; nothing was written.</exception>
    public void Anonymize(ReadOnlySpan<byte> resource, IBufferWriter<byte> output)
    {
        _decide.Clear();
        try
        {
            _tape.Read(resource);
            _decide.Run(resource, _tape, _today);
        }
        catch (ResourceException exception)
        {
            string? type = _decide.Resources.IsEmpty ? null : _decide.Resources[0].Type.Name;
            throw new ResourceFailedException(exception.Message, type, exception.Rule?.Number, exception.Rule?.Method.Name());
        }
        _decide.CountChanges(_changes);
        _result.Clear();
        _write.Run(resource, _tape.Tokens, _decide, _result);
        output.Write(_result.Slice(0, _result.Length));
    }

    /// <summary>Releases the keyed hash.</summary>
    public void Dispose() => _decide.Dispose();
}
