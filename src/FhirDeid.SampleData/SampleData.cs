namespace FhirDeid.SampleData;

/// <inheritdoc/>
public sealed class SampleData : ISampleData
{
    /// <inheritdoc/>
    public IReadOnlyList<string> ResourceTypes => SampleGenerator.ResourceTypes;

    /// <inheritdoc/>
    /// <exception cref="FhirDeidException">FileUnwritable: the folder or a file in it cannot be written.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="patientCount"/> is less than 1.</exception>
    public Task<IReadOnlyList<SampleDataFile>> WriteAsync(string folder, int patientCount, int seed, string? plantedValuesPath,
        IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(patientCount, 1);
        // Making up takes the processor, not the disk: a thread of the pool, not the caller's.
        return Task.Run(() => Write(folder, patientCount, seed, plantedValuesPath, progress, cancellation), cancellation);
    }

    private static IReadOnlyList<SampleDataFile> Write(string folder, int patientCount, int seed, string? plantedValuesPath,
        IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        var files = new Dictionary<string, NdjsonFile>();
        NdjsonFile? list = null;
        try
        {
            foreach (string type in SampleGenerator.ResourceTypes) files.Add(type, new NdjsonFile(Path.Combine(folder, type + ".ndjson")));
            if (plantedValuesPath is not null) list = new NdjsonFile(plantedValuesPath);

            int patients = 0, percent = -1;
            foreach (GeneratedResource resource in SampleGenerator.Generate(patientCount, seed))
            {
                cancellation.ThrowIfCancellationRequested();
                files[resource.ResourceType].WriteLine(resource.Utf8Json.Span);
                if (list is not null)
                    foreach (PlantedValue value in resource.PlantedValues) list.WriteLine(value);
                if (resource.ResourceType != "Patient" || (int)(100L * ++patients / patientCount) == percent) continue;
                percent = (int)(100L * patients / patientCount);
                progress.Report(new FhirDeidProgress("Writing sample data", $"{Text.Of(patients)} of {Text.Of(patientCount)} patients", percent));
            }

            foreach (NdjsonFile file in files.Values) file.Complete();
            list?.Complete();
            cancellation.ThrowIfCancellationRequested();
            list?.Publish();
            foreach (NdjsonFile file in files.Values) file.Publish();
            return [.. files.Select(file => new SampleDataFile { ResourceType = file.Key, Count = file.Value.Count, Length = file.Value.Length, FullName = file.Value.FullName })];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new FhirDeidException("FileUnwritable", FhirDeidErrorCategory.WriteError, $"The sample data cannot be written: {error.Message}",
                "Choose a folder that you may write to, on a volume with free space.", folder, error);
        }
        finally
        {
            foreach (NdjsonFile file in files.Values) file.Dispose();
            list?.Dispose();
        }
    }
}
