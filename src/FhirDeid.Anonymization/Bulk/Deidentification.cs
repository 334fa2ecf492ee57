using System.Buffers;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace FhirDeid.Anonymization.Bulk;

/// <inheritdoc cref="IDeidentification"/>
internal sealed class Deidentification(AnonymizationConfig config, int throttleLimit) : IDeidentification
{
    private readonly Anonymizer _engine = Anonymizer.Create(config.ToJson());
    private readonly ArrayBufferWriter<byte> _result = new();
    private long _resources;

    /// <summary>What is left with a result: from what it was made, and what came of it.</summary>
    private sealed record Note(string Origin, long Resources, long Failures, Dictionary<string, long> Changes, long Length, string Sha256);

    /// <inheritdoc/>
    public async Task<DeidentifiedFile> DeidentifyAsync(IDeidentificationInput input, IDeidentificationTarget target, bool force,
        IProgress<DeidentificationProgress> progress, CancellationToken cancellation)
    {
        long started = Stopwatch.GetTimestamp();
        string version = input.Version, origin = Origin(input, version);
        if (!force && Read(await target.FindAsync(input.Name, cancellation)) is { } earlier && earlier.Origin == origin)
            return Result(earlier, skipped: true);

        await using Stream source = await input.OpenAsync(cancellation);
        await using IDeidentificationOutput output = await target.CreateAsync(input, force, cancellation);
        using Anonymizer engine = _engine.For(input.FullName);
        using ResourceStream stream = new(engine, input, source, output, throttleLimit, progress);
        string sha256 = await stream.RunAsync(cancellation);
        if (input.Version != version)
            throw ResourceStream.Changed(input);
        if (input.Count is { } count && count != stream.Resources)
        {
            throw new FhirDeidException("CountMismatch", FhirDeidErrorCategory.InvalidData,
                $"{Path.GetFileName(input.FullName)} holds {stream.Resources} resources, but the manifest says {count}: it is not complete, or was changed.",
                "Run the command again; if the numbers still differ, start a new export.", input.FullName);
        }
        Note note = new(origin, stream.Resources, stream.Failures, stream.Changes, stream.Length, sha256);
        try
        {
            await output.CommitAsync(sha256, JsonSerializer.Serialize(note), cancellation);
        }
        catch (Exception exception) when (output.Explain(exception, cancellation) is { } plain)
        {
            throw plain;
        }
        return Result(note, skipped: false, [.. stream.FailedResources]);

        DeidentifiedFile Result(Note note, bool skipped, params DeidentificationFailure[] failed) => new()
        {
            Path = input.FullName,
            FullName = target.FullName(input.Name),
            Skipped = skipped,
            Resources = note.Resources,
            Changes = note.Changes,
            Failures = note.Failures,
            FailedResources = failed,
            Length = note.Length,
            Sha256 = note.Sha256,
            Duration = Stopwatch.GetElapsedTime(started),
        };
    }

    /// <inheritdoc/>
    public string Deidentify(string resource, out DeidentificationFailure? failure)
    {
        _resources++;
        byte[] bytes = ResourceFile.Bytes(resource);
        if (bytes.Length > ResourceStream.MaxResourceSize)
        {
            throw new FhirDeidException("ResourceTooLarge", FhirDeidErrorCategory.LimitsExceeded, $"Resource {_resources} of the pipeline is larger than 256 MiB.",
                "Split the Bundle at its source, or remove the attachment that makes it so large.");
        }
        ReadOnlySpan<byte> line = bytes.AsSpan().StartsWith(Encoding.UTF8.Preamble) ? bytes.AsSpan(Encoding.UTF8.Preamble.Length) : bytes;
        _result.ResetWrittenCount();
        failure = Run(_engine, line, _result, "", _resources);
        return Encoding.UTF8.GetString(_result.WrittenSpan);
    }

    /// <inheritdoc/>
    public void Dispose() => _engine.Dispose();

    /// <summary>De-identifies one resource as <c>processingErrors</c> has it.</summary>
    /// <returns>Why an empty resource took its place, or null.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ResourceInvalid</c>, <c>FhirDeid.ResourceTooLarge</c>.</exception>
    public static DeidentificationFailure? Run(Anonymizer engine, ReadOnlySpan<byte> resource, IBufferWriter<byte> output, string path, long line)
    {
        try
        {
            engine.Anonymize(resource, output);
            return null;
        }
        catch (ResourceFailedException exception)
        {
            DeidentificationFailure failure = exception.At(path, line);
            if (!engine.Configuration.SkipsFailures)
                throw new FhirDeidException("ResourceInvalid", FhirDeidErrorCategory.InvalidData, $"{failure}.", exception.RecommendedAction, failure);
            output.Write(EmptyResource.Of(resource));
            return failure;
        }
        catch (OutOfMemoryException)
        {
            throw new FhirDeidException("ResourceTooLarge", FhirDeidErrorCategory.LimitsExceeded, $"{new DeidentificationFailure { Path = path, Line = line, Reason = "it needs more memory than there is" }}.",
                "Split the Bundle at its source, or run the command on a machine with more memory.", path);
        }
    }

    /// <summary>What a result depends on, as one hash: input, configuration, and this engine.</summary>
    private string Origin(IDeidentificationInput input, string version) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(
        $"{input.FullName}\n{version}\n{config.Sha256}\n{typeof(Anonymizer).Module.ModuleVersionId}"))).ToLowerInvariant();

    private static Note? Read(string? note)
    {
        try
        {
            return note is null ? null : JsonSerializer.Deserialize<Note>(note);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
