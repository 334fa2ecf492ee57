using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;

namespace FhirDeid.SampleData.Tests;

/// <summary>Files, and what may be relied on about them. One test measures memory, so nothing runs at the same time.</summary>
[Collection("One at a time")]
public sealed class WritingTests : IDisposable
{
    // A change of this hash is a change of the data that users compare with: say so in the changelog.
    private const string Pinned = "e1057804c07921d0d84803441a5fbabb7af811605a7ba9168ad3ded536a9ab4d";
    private readonly string folder = Directory.CreateTempSubdirectory("FhirDeid").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Same_seed_and_count_give_the_same_bytes_everywhere()
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo("ar-SA");
        try
        {
            await WriteAsync("a", 20, 7, "a/planted.txt");
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
        await WriteAsync("b", 20, 7, "b/planted.txt");

        Assert.Equal(Hash("a"), Hash("b"));
        Assert.True(Hash("a") == Pinned, Hash("a"));
    }

    [Fact]
    public async Task Another_seed_gives_other_data()
    {
        await WriteAsync("a", 5, 7);
        await WriteAsync("b", 5, 8);
        await WriteAsync("c", 5, -7);

        Assert.Equal(3, new[] { Hash("a"), Hash("b"), Hash("c") }.Distinct().Count());
    }

    [Fact]
    public async Task The_first_patients_are_the_same_whatever_the_count()
    {
        await WriteAsync("few", 90, 3);
        await WriteAsync("many", 130, 3);

        foreach (string file in Directory.GetFiles(Path.Combine(folder, "few")))
        {
            byte[] few = File.ReadAllBytes(file), many = File.ReadAllBytes(Path.Combine(folder, "many", Path.GetFileName(file)));
            Assert.True(many.AsSpan().StartsWith(few), file);
        }
    }

    [Fact]
    public async Task The_files_hold_the_generated_resources_one_a_line()
    {
        IReadOnlyList<SampleDataFile> files = await WriteAsync("a", 3, 11);

        Assert.Equal(SampleGenerator.ResourceTypes, files.Select(f => f.ResourceType));
        var generated = SampleGenerator.Generate(3, 11).ToLookup(r => r.ResourceType);
        foreach (SampleDataFile file in files)
        {
            Assert.Equal(Path.Combine(folder, "a", file.ResourceType + ".ndjson"), file.FullName);
            Assert.Equal(file.Length, new FileInfo(file.FullName).Length);
            Assert.Equal(file.Count, generated[file.ResourceType].Count());
            byte[] expected = [.. generated[file.ResourceType].SelectMany(r => r.Utf8Json.ToArray().Append((byte)'\n'))];
            Assert.True(expected.AsSpan().SequenceEqual(File.ReadAllBytes(file.FullName)), file.FullName);
        }
    }

    [Fact]
    public async Task The_list_of_planted_values_has_one_line_a_value()
    {
        await WriteAsync("a", 3, 11, "lists/planted.ndjson");

        var expected = SampleGenerator.Generate(3, 11).SelectMany(r => r.PlantedValues);
        var listed = File.ReadLines(Path.Combine(folder, "lists/planted.ndjson")).Select(line => JsonSerializer.Deserialize<JsonElement>(line)).Select(v =>
            new PlantedValue(v.GetProperty("resourceType").GetString()!, v.GetProperty("id").GetString()!, v.GetProperty("path").GetString()!,
                Enum.Parse<PlantedCategory>(v.GetProperty("category").GetString()!), v.GetProperty("value").GetString()!));
        Assert.Equal(expected, listed);
    }

    [Fact]
    public async Task Progress_ends_at_all_patients()
    {
        var told = new List<FhirDeidProgress>();
        await new SampleData().WriteAsync(folder, 30, 1, null, new Listener(told.Add), TestContext.Current.CancellationToken);

        Assert.Equal(30, told.Count);
        Assert.Equal(new FhirDeidProgress("Writing sample data", "30 of 30 patients", 100), told[^1]);
    }

    [Fact]
    public async Task Cancellation_leaves_no_file()
    {
        using var cancellation = new CancellationTokenSource();
        Task writing = new SampleData().WriteAsync(folder, 100_000, 1, Path.Combine(folder, "planted.ndjson"), new Listener(_ => cancellation.Cancel()), cancellation.Token);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writing);
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    [Fact]
    public async Task Older_files_survive_a_cancellation_and_are_replaced_by_a_complete_run()
    {
        string patients = Path.Combine(folder, "Patient.ndjson");
        File.WriteAllText(patients, "older");
        using var cancellation = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => new SampleData().WriteAsync(folder, 100_000, 1, null, new Listener(_ => cancellation.Cancel()), cancellation.Token));
        Assert.Equal("older", File.ReadAllText(patients));

        await new SampleData().WriteAsync(folder, 1, 1, null, new Listener(_ => { }), TestContext.Current.CancellationToken);
        Assert.StartsWith("{\"resourceType\":\"Patient\"", File.ReadAllText(patients), StringComparison.Ordinal);
    }

    [Fact]
    [SuppressMessage("Interoperability", "CA1416", Justification = "Skipped there.")]
    public async Task Files_are_for_their_owner_only()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no mode; files inherit the folder's access list.");
        await WriteAsync("a", 1, 1, "a/planted.txt");

        foreach (string file in Directory.GetFiles(Path.Combine(folder, "a")))
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
    }

    [Fact]
    public async Task A_folder_that_cannot_be_made_is_an_error_that_says_what_to_do()
    {
        File.WriteAllText(Path.Combine(folder, "taken"), "");

        var error = await Assert.ThrowsAsync<FhirDeidException>(() => WriteAsync("taken/below", 1, 1));
        Assert.Equal(("FhirDeid.FileUnwritable", FhirDeidErrorCategory.WriteError), (error.ErrorId, error.Category));
        Assert.Contains("folder", error.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_that_is_taken_by_a_folder_is_an_error_and_leaves_nothing_behind()
    {
        Directory.CreateDirectory(Path.Combine(folder, "Patient.ndjson"));

        var error = await Assert.ThrowsAsync<FhirDeidException>(() => WriteAsync("", 1, 1));
        Assert.Equal("FhirDeid.FileUnwritable", error.ErrorId);
        Assert.Equal([Path.Combine(folder, "Patient.ndjson")], Directory.GetFileSystemEntries(folder));
    }

    [Fact]
    public void Memory_does_not_grow_with_the_number_of_patients()
    {
        long first = 0, most = 0, written = 0;
        int patients = 0;
        foreach (GeneratedResource resource in SampleGenerator.Generate(5000, 1))
        {
            Stream.Null.Write(resource.Utf8Json.Span);
            written += resource.Utf8Json.Length;
            if (resource.ResourceType != "Patient" || ++patients % 500 != 0) continue;
            long live = GC.GetTotalMemory(forceFullCollection: true);
            if (first == 0) first = live;
            most = Math.Max(most, live);
        }

        Assert.InRange(written, 100_000_000, long.MaxValue);
        Assert.InRange(most - first, long.MinValue, 10_000_000);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public async Task At_least_one_patient_is_asked_for(int count)
    {
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => WriteAsync("a", count, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => SampleGenerator.Generate(count, 1));
    }

    private Task<IReadOnlyList<SampleDataFile>> WriteAsync(string name, int patients, int seed, string? planted = null) =>
        new SampleData().WriteAsync(Path.Combine(folder, name), patients, seed, planted is null ? null : Path.Combine(folder, planted), new Listener(_ => { }), TestContext.Current.CancellationToken);

    private string Hash(string name)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in Directory.GetFiles(Path.Combine(folder, name)).Order(StringComparer.Ordinal)) hash.AppendData(File.ReadAllBytes(file));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private sealed class Listener(Action<FhirDeidProgress> told) : IProgress<FhirDeidProgress>
    {
        public void Report(FhirDeidProgress value) => told(value);
    }
}
