using System.Buffers;
using System.Text;
using FhirDeid.Anonymization;

namespace FhirDeid.Fuzz;

/// <summary>A file of lines: one line comes out for each that is not blank, and it is what the engine makes of that line alone.</summary>
internal sealed class LinesTarget : IDisposable
{
    private const string Configuration = """{"fhirVersion":"R4","processingErrors":"skip","fhirPathRules":[{"path":"Patient.name","method":"redact"},{"path":"Resource.id","method":"cryptoHash"}],"parameters":{"cryptoHashKey":"k"}}""";

    private static readonly AnonymizationEngine Engine = new();

    private readonly IDeidentification _deidentification = Engine.Open(Engine.Parse(Configuration, "fuzz"), throttleLimit: 2);
    private readonly Anonymizer _single = Anonymizer.Create(Configuration);
    private readonly string _folder = Directory.CreateTempSubdirectory("fhirdeid-fuzz-").FullName;

    public void Dispose()
    {
        _single.Dispose();
        _deidentification.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    public void Run(byte[] input)
    {
        string source = Path.Combine(_folder, "in.ndjson"), destination = Path.Combine(_folder, "out");
        File.WriteAllBytes(source, input);
        DeidentifiedFile file;
        try
        {
            file = _deidentification.DeidentifyAsync(Engine.Files(source, destination)[0], Engine.Folder(destination), force: true, new Progress<DeidentificationProgress>(), CancellationToken.None).GetAwaiter().GetResult();
        }
        catch (FhirDeidException exception) when (exception.ErrorId == "FhirDeid.EncodingNotSupported" && input is [0xFE, 0xFF, ..] or [0xFF, 0xFE, ..])
        {
            return;
        }

        byte[] output = File.ReadAllBytes(file.FullName);
        ReadOnlySpan<byte> rest = output;
        int lines = 0, failures = 0;
        ReadOnlySpan<byte> text = input.AsSpan().StartsWith(Encoding.UTF8.Preamble) ? input.AsSpan(3) : input;
        foreach (Range range in text.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = text[range].Trim(" \t\r"u8);
            if (line.IsEmpty)
                continue;
            lines++;
            int end = rest.IndexOf((byte)'\n');
            if (end < 0)
                throw new FindingException($"Line {lines} is missing.");
            if (!Expect(line, rest[..end]))
                failures++;
            rest = rest[(end + 1)..];
        }
        if (!rest.IsEmpty || file.Resources != lines || file.Failures != failures || file.Length != output.Length)
            throw new FindingException($"{lines} lines and {failures} failures, but the file counts {file.Resources} and {file.Failures}.");
    }

    private bool Expect(ReadOnlySpan<byte> line, ReadOnlySpan<byte> actual)
    {
        ArrayBufferWriter<byte> expected = new();
        try
        {
            _single.Anonymize(line, expected);
        }
        catch (FhirDeidException)
        {
            return actual.EndsWith("\"code\":\"REDACTED\",\"display\":\"redacted\"}]}}"u8) ? false : throw new FindingException("A line that fails has no stub.");
        }
        return actual.SequenceEqual(expected.WrittenSpan) ? true : throw new FindingException("A line differs from the same resource alone.");
    }
}
