using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using BenchmarkDotNet.Attributes;
using FhirDeid.Anonymization;
using Hl7.Fhir.Model;
using Hl7.Fhir.Serialization;

namespace FhirDeid.Benchmarks;

/// <summary>One thread over lines in memory: the engine, and what it is measured by. Each pass starts with an empty store of hashes, as a file does.</summary>
[MemoryDiagnoser]
public class EngineBenchmarks
{
    private static readonly JsonSerializerOptions Firely = new JsonSerializerOptions().ForFhir(ModelInfo.ModelInspector);

    private readonly ArrayBufferWriter<byte> _output = new(1 << 20);
    private readonly byte[] _unescaped = new byte[1 << 20];
    private readonly Anonymizer _rules = Anonymizer.Create(Rules.All);
    private readonly Anonymizer? _conditions = Rules.AreRun(Rules.WithConditions) ? Anonymizer.Create(Rules.WithConditions) : null;
    private readonly Anonymizer? _rare = Rules.AreRun(Rules.WithRareFunctions) ? Anonymizer.Create(Rules.WithRareFunctions) : null;
    private Anonymizer _engine = null!;
    private Lines _ofConditionTypes = null!;

    private delegate void CopyTokens(ReadOnlySpan<byte> json, Utf8JsonWriter writer);

    /// <summary>Made-up patients, and Synthea's where they lie beside the repository.</summary>
    public static IReadOnlyList<Lines> Sets { get; } =
        [.. new[] { Lines.Sample(8 << 20), Lines.Read(Path.Combine(Program.Metadata("Repository"), "../shared/data/synthea")) }.OfType<Lines>()];

    [ParamsSource(nameof(Sets))]
    public Lines Data { get; set; } = null!;

    [GlobalSetup]
    public void Setup() => _ofConditionTypes = Data.OfConditionTypes();

    [IterationSetup(Target = nameof(OneThread))]
    public void Begin() => Begin(_rules);

    [IterationSetup(Target = nameof(Conditions))]
    public void BeginConditions() => Begin(_conditions!);

    [IterationSetup(Target = nameof(RareFunctions))]
    public void BeginRareFunctions() => Begin(_rare!);

    /// <summary>Baseline (a): every token from the reader to the writer.</summary>
    [Benchmark(Baseline = true)]
    public long TokenCopy() => TokenCopy(Copy);

    /// <summary>The same with a .NET string for every name and text, the way it is mostly written.</summary>
    [Benchmark]
    public long StringCopy() => TokenCopy(CopyStrings);

    /// <summary>Baseline (b): the Firely SDK parses to its classes and serializes them.</summary>
    [Benchmark]
    public long FirelySdk() => FirelySdk(Data);

    [Benchmark]
    public long OneThread() => Anonymize(Data);

    [Benchmark]
    public long Conditions() => Anonymize(Data);

    /// <summary>Baseline (b) on the resources whose rules use rare functions.</summary>
    [Benchmark]
    public long FirelySdkOfFiveTypes() => FirelySdk(_ofConditionTypes);

    [Benchmark]
    public long RareFunctions() => Anonymize(_ofConditionTypes);

    /// <summary>A new engine, its buffers grown by the largest resource: what it allocates from there on is its steady state. The last one is not disposed: it would leave its hashes to this one.</summary>
    private void Begin(Anonymizer engine)
    {
        _engine = engine.Clone();
        _output.ResetWrittenCount();
        _engine.Anonymize(Data.Items.MaxBy(line => line.Length).Span, _output);
    }

    private long Anonymize(Lines lines)
    {
        long length = 0;
        foreach (ReadOnlyMemory<byte> line in lines.Items)
        {
            _output.ResetWrittenCount();
            _engine.Anonymize(line.Span, _output);
            length += _output.WrittenCount;
        }
        return length;
    }

    private long FirelySdk(Lines lines)
    {
        long length = 0;
        using Utf8JsonWriter writer = new(_output);
        foreach (ReadOnlyMemory<byte> line in lines.Items)
        {
            _output.ResetWrittenCount();
            writer.Reset();
            JsonSerializer.Serialize(writer, JsonSerializer.Deserialize<Resource>(line.Span, Firely), Firely);
            length += _output.WrittenCount;
        }
        return length;
    }

    private long TokenCopy(CopyTokens copy)
    {
        long length = 0;
        using Utf8JsonWriter writer = new(_output, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        foreach (ReadOnlyMemory<byte> line in Data.Items)
        {
            _output.ResetWrittenCount();
            writer.Reset();
            copy(line.Span, writer);
            writer.Flush();
            length += _output.WrittenCount;
        }
        return length;
    }

    private void Copy(ReadOnlySpan<byte> json, Utf8JsonWriter writer)
    {
        Utf8JsonReader reader = new(json);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName)
                writer.WritePropertyName(reader.ValueSpan);
            else if (reader.TokenType != JsonTokenType.String)
                CopyOther(reader, writer);
            else if (reader.ValueIsEscaped)
                writer.WriteStringValue(_unescaped.AsSpan(0, reader.CopyString(_unescaped)));
            else
                writer.WriteStringValue(reader.ValueSpan);
        }
    }

    private static void CopyStrings(ReadOnlySpan<byte> json, Utf8JsonWriter writer)
    {
        Utf8JsonReader reader = new(json);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName)
                writer.WritePropertyName(reader.GetString()!);
            else if (reader.TokenType == JsonTokenType.String)
                writer.WriteStringValue(reader.GetString());
            else
                CopyOther(reader, writer);
        }
    }

    private static void CopyOther(in Utf8JsonReader reader, Utf8JsonWriter writer)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                writer.WriteStartObject();
                break;
            case JsonTokenType.EndObject:
                writer.WriteEndObject();
                break;
            case JsonTokenType.StartArray:
                writer.WriteStartArray();
                break;
            case JsonTokenType.EndArray:
                writer.WriteEndArray();
                break;
            default:
                writer.WriteRawValue(reader.ValueSpan, skipInputValidation: true);
                break;
        }
    }
}
