using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace FhirDeid.Anonymization.Tests;

/// <summary>A folder for one test, and the engine as the cmdlet reaches it.</summary>
public abstract class BulkTest : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("fhirdeid-");
    private protected readonly AnonymizationEngine _engine = new();
    private protected readonly SynchronousProgress _progress = new();

    private protected static CancellationToken Stop => TestContext.Current.CancellationToken;

    private protected string Folder => _folder.FullName;

    private protected string Input => Path.Combine(Folder, "Patient.ndjson");

    private protected string Output => Path.Combine(Folder, "out", "Patient.ndjson");

    public void Dispose()
    {
        _folder.Delete(recursive: true);
        GC.SuppressFinalize(this);
    }

    private protected AnonymizationConfig Config(string processingErrors = "raise", string path = "Patient.name") =>
        _engine.Parse($$"""{ "processingErrors": "{{processingErrors}}", "fhirPathRules": [{ "path": "{{path}}", "method": "redact" }] }""", "test.json");

    private protected Task<DeidentifiedFile> Run(AnonymizationConfig? config = null, string? input = null, string? folder = null, bool force = false, int throttleLimit = 2, CancellationToken? stop = null) =>
        Run(_engine.Files(input ?? Input, "/")[0], _engine.Folder(folder ?? Path.GetDirectoryName(Output)!), config, force, throttleLimit, stop);

    private protected async Task<DeidentifiedFile> Run(IDeidentificationInput input, IDeidentificationTarget target, AnonymizationConfig? config = null, bool force = false, int throttleLimit = 2, CancellationToken? stop = null)
    {
        using IDeidentification deidentification = _engine.Open(config ?? Config(), throttleLimit);
        return await deidentification.DeidentifyAsync(input, target, force, _progress, stop ?? Stop);
    }

    /// <summary>Runs what must fail: no result, no partial file.</summary>
    private protected async Task<FhirDeidException> Fails(string id, AnonymizationConfig? config = null, string? input = null)
    {
        FhirDeidException error = await Assert.ThrowsAsync<FhirDeidException>(() => Run(config, input));
        Assert.Equal("FhirDeid." + id, error.ErrorId);
        Assert.False(File.Exists(Path.Combine(Folder, "out", Path.GetFileName(input ?? Input))));
        Assert.Empty(Directory.GetFiles(Folder, "*.partial", SearchOption.AllDirectories));
        Assert.DoesNotContain("secret", error.ToString(), StringComparison.OrdinalIgnoreCase);
        return error;
    }

    private protected static string Patients(int count) =>
        string.Concat(Enumerable.Range(0, count).Select(i => $$"""{"resourceType":"Patient","id":"p{{i}}","name":[{"family":"Family{{i}}"}]}""" + "\n"));

    private protected static byte[] Gzip(byte[] bytes)
    {
        MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Fastest))
            gzip.Write(bytes);
        return packed.ToArray();
    }

    private protected static string Gunzip(string path)
    {
        using GZipStream gzip = new(File.OpenRead(path), CompressionMode.Decompress);
        using StreamReader reader = new(gzip);
        return reader.ReadToEnd();
    }

    private protected sealed class SynchronousProgress : IProgress<DeidentificationProgress>
    {
        public List<DeidentificationProgress> Reports { get; } = [];

        public Action? OnReport { get; set; }

        public void Report(DeidentificationProgress value)
        {
            Reports.Add(value);
            OnReport?.Invoke();
        }
    }
}

/// <summary>What a file becomes.</summary>
public sealed class BulkTests : BulkTest
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public async Task Lines_keep_their_order_over_many_batches(int throttleLimit)
    {
        await File.WriteAllTextAsync(Input, Patients(60_000), Stop);

        DeidentifiedFile file = await Run(throttleLimit: throttleLimit);

        string[] lines = await File.ReadAllLinesAsync(Output, Stop);
        Assert.Equal((60_000, 0, false), (file.Resources, file.Failures, file.Skipped));
        Assert.Equal(Enumerable.Range(0, 60_000).Select(i => $"p{i}"), lines.Select(line => line.Split('"')[7]));
        Assert.DoesNotContain(lines, line => line.Contains("Family", StringComparison.Ordinal));
        Assert.Equal(new FileInfo(Output).Length, file.Length);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(Output, Stop))), file.Sha256);
        Assert.Equal(60_000, Assert.Single(file.Changes, change => change.Key == "redact").Value);
        Assert.Equal((Input, Output), (file.Path, file.FullName));
        Assert.Equal(new DeidentificationProgress(new FileInfo(Input).Length, 60_000), _progress.Reports[^1]);
    }

    [Theory]
    [InlineData("\uFEFF{\"resourceType\":\"Patient\",\"id\":\"a\"}\r\n\r\n  \n{\"resourceType\":\"Patient\",\"id\":\"b\"}")]
    [InlineData("{\"resourceType\":\"Patient\",\"id\":\"a\"}\n{\"resourceType\":\"Patient\",\"id\":\"b\"}\n")]
    [InlineData("\n\n\r\n{\"resourceType\":\"Patient\",\"id\":\"a\"}\r\n{\"resourceType\":\"Patient\",\"id\":\"b\"}\r\n\r\n")]
    public async Task Byte_order_marks_blank_lines_line_ends_and_a_missing_last_one_are_no_errors(string text)
    {
        await File.WriteAllTextAsync(Input, text, Stop);

        Assert.Equal(2, (await Run()).Resources);
        Assert.Equal("{\"resourceType\":\"Patient\",\"id\":\"a\"}\n{\"resourceType\":\"Patient\",\"id\":\"b\"}\n", await File.ReadAllTextAsync(Output, Stop));
    }

    [Theory]
    [InlineData("Patient.ndjson", "", "")]
    [InlineData("Patient.ndjson", "\n\r\n \n", "")]
    public async Task A_file_without_resources_becomes_an_empty_one(string name, string text, string expected)
    {
        await File.WriteAllTextAsync(Path.Combine(Folder, name), text, Stop);

        Assert.Equal(0, (await Run(input: Path.Combine(Folder, name))).Resources);
        Assert.Equal(expected, await File.ReadAllTextAsync(Output, Stop));
    }

    [Fact]
    public async Task A_json_file_is_one_resource_or_Bundle_on_however_many_lines()
    {
        string patient = Path.Combine(Folder, "one.json"), bundle = Path.Combine(Folder, "Bundle.JSON");
        await File.WriteAllTextAsync(patient, "{\r\n  \"resourceType\": \"Patient\",\r\n  \"id\": \"a\",\r\n  \"name\": [{ \"family\": \"F\" }]\r\n}\r\n", Stop);
        await File.WriteAllTextAsync(bundle, "{\n \"resourceType\": \"Bundle\", \"type\": \"collection\",\n \"entry\": [{ \"resource\": { \"resourceType\": \"Patient\", \"name\": [{ \"family\": \"F\" }] } }]\n}", Stop);

        Assert.Equal(1, (await Run(input: patient)).Resources);
        Assert.Equal(1, (await Run(input: bundle)).Resources);

        string text = await File.ReadAllTextAsync(Path.Combine(Folder, "out", "one.json"), Stop);
        Assert.StartsWith("{\"resourceType\":\"Patient\",\"id\":\"a\",\"meta\":", text, StringComparison.Ordinal);
        Assert.EndsWith("}\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("\"F\"", await File.ReadAllTextAsync(Path.Combine(Folder, "out", "Bundle.JSON"), Stop), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_packed_file_becomes_a_packed_one_with_the_same_bytes_for_any_number_of_threads()
    {
        await File.WriteAllTextAsync(Input, Patients(60_000), Stop);
        await File.WriteAllBytesAsync(Input + ".gz", Gzip(await File.ReadAllBytesAsync(Input, Stop)), Stop);

        DeidentifiedFile plain = await Run();
        DeidentifiedFile one = await Run(input: Input + ".gz", throttleLimit: 1);
        DeidentifiedFile seven = await Run(input: Input + ".gz", throttleLimit: 7, force: true);

        Assert.Equal((60_000, one.Sha256, one.Length), (seven.Resources, seven.Sha256, seven.Length));
        Assert.Equal(one.Length, new FileInfo(Output + ".gz").Length);
        Assert.True(one.Length < plain.Length / 4);
        Assert.Equal(await File.ReadAllTextAsync(Output, Stop), Gunzip(Output + ".gz"));
    }

    [Fact]
    public async Task Packed_files_may_have_several_members_and_be_empty()
    {
        byte[] first = Gzip(Encoding.UTF8.GetBytes(Patients(3))), second = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0], third = Gzip("{\"resourceType\":\"Patient\",\"id\":\"last\"}"u8.ToArray());
        await File.WriteAllBytesAsync(Input + ".gz", [.. first, .. second, .. third], Stop);
        Assert.Equal(4, (await Run(input: Input + ".gz")).Resources);

        await File.WriteAllBytesAsync(Input + ".gz", second, Stop);
        Assert.Equal(0, (await Run(input: Input + ".gz")).Resources);
        Assert.Equal("", Gunzip(Output + ".gz"));
        Assert.NotEqual(0, new FileInfo(Output + ".gz").Length);
    }

    [Fact]
    public async Task With_skip_an_empty_resource_takes_the_place_of_a_failing_one()
    {
        await File.WriteAllTextAsync(Input, "{\"resourceType\":\"Patient\",\"secret\":1}\n\nnonsense\n{\"resourceType\":\"Patient\",\"id\":\"c\"}\n", Stop);

        DeidentifiedFile file = await Run(Config("skip"));

        string[] lines = await File.ReadAllLinesAsync(Output, Stop);
        Assert.Equal((3, 2), (file.Resources, file.Failures));
        Assert.StartsWith("{\"resourceType\":\"Patient\",\"meta\":{\"security\":[{", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("{\"resourceType\":\"Basic\",", lines[1], StringComparison.Ordinal);
        Assert.DoesNotContain("secret", lines[0], StringComparison.Ordinal);
        Assert.Equal([(Input, 1L, "Patient"), (Input, 3L, "")], file.FailedResources.Select(failure => (failure.Path, failure.Line, failure.ResourceType)));
        Assert.All(file.FailedResources, failure => Assert.DoesNotContain("secret", failure.ToString(), StringComparison.Ordinal));
        Assert.All(file.FailedResources, failure => Assert.NotEmpty(failure.Reason));
        Assert.StartsWith("Patient.ndjson, line 1: Patient: ", file.FailedResources[0].ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Failures_are_all_counted_and_the_first_hundred_described_in_order()
    {
        await File.WriteAllTextAsync(Input, string.Concat(Enumerable.Repeat("{\"resourceType\":\"Patient\",\"secret\":[1]}\n", 80_000)), Stop);

        DeidentifiedFile file = await Run(Config("skip"));

        Assert.Equal(80_000, file.Failures);
        Assert.Equal(Enumerable.Range(1, 100).Select(line => (long)line), file.FailedResources.Select(failure => failure.Line));
    }

    [Fact]
    public async Task A_folder_is_its_files_and_those_below_it_without_the_destination()
    {
        string[] names = ["a.ndjson", "b/a.ndjson", "b/c/B.JSON", "b/d.ndjson.gz", "z.json.gz"];
        foreach (string name in (string[])[.. names, "out/Patient.ndjson", "notes.txt", "b/x.csv", ".hidden.ndjson"])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(Folder, name))!);
            await File.WriteAllTextAsync(Path.Combine(Folder, name), "", Stop);
        }

        Assert.Equal(names, _engine.Files(Folder, Path.Combine(Folder, "out")).Select(file => file.Name));
        Assert.Equal(["notes.txt"], _engine.Files(Path.Combine(Folder, "notes.txt"), "/").Select(file => file.Name));
        Assert.Equal(Path.Combine(Folder, "out", "b", "c", "B.JSON"), _engine.Folder(Path.Combine(Folder, "out")).FullName("b/c/B.JSON"));
    }

    [Fact]
    public async Task The_tree_is_kept_and_a_name_cannot_lead_out_of_it()
    {
        Directory.CreateDirectory(Path.Combine(Folder, "b"));
        await File.WriteAllTextAsync(Path.Combine(Folder, "b", "a.ndjson"), Patients(1), Stop);
        IDeidentificationInput input = Assert.Single(_engine.Files(Folder, "/"));

        await Run(input, _engine.Folder(Path.Combine(Folder, "out")));

        Assert.True(File.Exists(Path.Combine(Folder, "out", "b", "a.ndjson")));
        FhirDeidException error = await Assert.ThrowsAsync<FhirDeidException>(() => Run(new Renamed(input, "../../x.ndjson"), _engine.Folder(Path.Combine(Folder, "out"))));
        Assert.Equal("FhirDeid.FileNameInvalid", error.ErrorId);
    }

    [Theory]
    [InlineData(DateShift.File)]
    [InlineData(DateShift.Folder)]
    public async Task Dates_shift_by_the_name_of_each_file_or_folder(DateShift scope)
    {
        AnonymizationConfig config = _engine.Parse($$"""{ "fhirPathRules": [{ "path": "Patient.birthDate", "method": "dateShift" }], "parameters": { "dateShiftKey": "k", "dateShiftScope": "{{scope.ToString().ToLowerInvariant()}}" } }""", "test.json");
        using IDeidentification deidentification = _engine.Open(config, 1);
        List<string> results = [];
        foreach (string name in (string[])["one/a.ndjson", "one/b.ndjson", "two/a.ndjson"])
        {
            string path = Path.Combine(Folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, """{"resourceType":"Patient","id":"x","birthDate":"2000-01-01"}""", Stop);
            DeidentifiedFile file = await deidentification.DeidentifyAsync(_engine.Files(path, "/")[0], _engine.Folder(Path.Combine(Folder, "out", Path.GetDirectoryName(name)!)), false, _progress, Stop);
            results.Add(JsonDocument.Parse(await File.ReadAllTextAsync(file.FullName, Stop)).RootElement.GetProperty("birthDate").GetString()!);
        }

        Assert.Equal(scope == DateShift.File, results[0] == results[2]);
        Assert.Equal(scope == DateShift.Folder, results[0] == results[1]);
    }

    [Fact]
    public void A_resource_of_the_pipeline_is_done_as_text()
    {
        using IDeidentification deidentification = _engine.Open(Config("skip"), 1);

        Assert.Equal("""{"resourceType":"Patient","id":"ä"}""", deidentification.Deidentify("""{"resourceType":"Patient","id":"ä"}""", out DeidentificationFailure? none));
        Assert.Null(none);
        Assert.StartsWith("{\"resourceType\":\"Patient\",\"meta\"", deidentification.Deidentify("""{"resourceType":"Patient","secret":"x"}""", out DeidentificationFailure? failure), StringComparison.Ordinal);
        Assert.StartsWith("Resource 2 of the pipeline: Patient: ", failure!.ToString(), StringComparison.Ordinal);
        deidentification.Deidentify("{\"resourceType\":\"Patient\",\"id\":\"\ud800\"}", out failure);
        Assert.NotNull(failure);

        using IDeidentification raising = _engine.Open(Config(), 1);
        FhirDeidException error = Assert.Throws<FhirDeidException>(() => raising.Deidentify("""{"resourceType":"Patient","secret":"x"}""", out _));
        Assert.Equal("FhirDeid.ResourceInvalid", error.ErrorId);
        Assert.DoesNotContain("secret", error.ToString(), StringComparison.Ordinal);
    }

    public enum DateShift
    {
        File,
        Folder,
    }

    private sealed class Renamed(IDeidentificationInput input, string name) : IDeidentificationInput
    {
        public string FullName => input.FullName;

        public string Name => name;

        public long Length => input.Length;

        public string Version => input.Version;

        public long? Count => null;

        public Task<Stream> OpenAsync(CancellationToken cancellation) => input.OpenAsync(cancellation);

        public FhirDeidException? Explain(Exception exception, CancellationToken cancellation) => null;
    }
}

/// <summary>Resources that come one by one, as they are received.</summary>
public sealed class ResourceAnonymizerTests : BulkTest
{
    [Fact]
    public void A_resource_that_fails_is_told_and_an_empty_one_takes_its_place()
    {
        using IResourceAnonymizer skips = _engine.CreateAnonymizers(Config("skip"))(), raises = _engine.CreateAnonymizers(Config())();
        byte[] failing = Encoding.UTF8.GetBytes("""{"resourceType":"Patient","secret":"Lovelace"}"""), fine = Encoding.UTF8.GetBytes("""{"resourceType":"Patient","active":true}""");

        string stub = Encoding.UTF8.GetString(skips.Anonymize(failing, "Patient-1.ndjson", 3, out DeidentificationFailure? failure).Span);
        string result = Encoding.UTF8.GetString(skips.Anonymize(fine, "Patient-1.ndjson", 4, out DeidentificationFailure? none).Span);
        FhirDeidException error = Assert.Throws<FhirDeidException>(() => raises.Anonymize(failing, "Patient-1.ndjson", 3, out _));

        Assert.Contains("REDACTED", stub, StringComparison.Ordinal);
        Assert.Equal(("Patient-1.ndjson", 3L, "Patient"), (failure!.Path, failure.Line, failure.ResourceType));
        Assert.Equal(("""{"resourceType":"Patient","active":true}""", null), (result, none));
        Assert.StartsWith("Patient-1.ndjson, line 3: Patient", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Lovelace", stub + failure + error, StringComparison.Ordinal);
    }
}

/// <summary>What is done again, and what is left as it is.</summary>
public sealed class BulkAgainTests : BulkTest
{
    [Fact]
    public async Task What_is_complete_and_unchanged_is_left_as_it_is()
    {
        await File.WriteAllTextAsync(Input, Patients(3) + "{\"resourceType\":\"Patient\",\"secret\":1}\n", Stop);
        DeidentifiedFile first = await Run(Config("skip"));
        DateTime written = File.GetLastWriteTimeUtc(Output);
        Assert.Equal((4, 1, false), (first.Resources, first.Failures, first.Skipped));

        DeidentifiedFile again = await Run(Config("skip"));

        Assert.True(again.Skipped);
        Assert.Equal((first.Resources, first.Failures, first.Length, first.Sha256, first.FullName), (again.Resources, again.Failures, again.Length, again.Sha256, again.FullName));
        Assert.Equal(first.Changes, again.Changes);
        Assert.Equal(written, File.GetLastWriteTimeUtc(Output));
        Assert.False((await Run(Config("skip"), force: true)).Skipped);
    }

    [Fact]
    public async Task A_changed_input_configuration_or_output_is_done_again()
    {
        await File.WriteAllTextAsync(Input, Patients(3), Stop);
        await Run();

        Assert.False((await Run(Config(path: "Patient.id"))).Skipped);
        Assert.False((await Run()).Skipped);
        Assert.True((await Run()).Skipped);

        File.SetLastWriteTimeUtc(Input, File.GetLastWriteTimeUtc(Input).AddSeconds(1));
        Assert.False((await Run()).Skipped);
        await File.AppendAllTextAsync(Input, Patients(1), Stop);
        Assert.Equal((4, false), ((await Run()) is var file ? file.Resources : 0, file.Skipped));

        await File.AppendAllTextAsync(Output, " ", Stop);
        Assert.False((await Run()).Skipped);
        File.Delete(Output);
        Assert.False((await Run()).Skipped);
        Assert.True((await Run()).Skipped);
    }

    [Fact]
    public async Task A_link_is_done_again_when_what_it_leads_to_changes()
    {
        if (OperatingSystem.IsWindows())
            Assert.Skip("Links need a privilege on Windows.");
        string target = Path.Combine(Folder, "target"), link = Path.Combine(Folder, "link");
        await File.WriteAllTextAsync(target, Patients(3), Stop);
        File.CreateSymbolicLink(link, target);
        File.CreateSymbolicLink(Input, link);
        Assert.Equal(3, (await Run()).Resources);
        Assert.True((await Run()).Skipped);

        await File.AppendAllTextAsync(target, Patients(1), Stop);
        Assert.Equal(new FileInfo(target).Length, _engine.Files(Input, "/")[0].Length);
        Assert.Equal((4, false), ((await Run()) is var longer ? longer.Resources : 0, longer.Skipped));
        File.SetLastWriteTimeUtc(target, File.GetLastWriteTimeUtc(target).AddSeconds(1));
        Assert.False((await Run()).Skipped);
    }

    [Fact]
    public async Task A_note_that_nobody_can_read_makes_a_file_be_done_again()
    {
        await File.WriteAllTextAsync(Input, Patients(3), Stop);
        DeidentifiedFile first = await Run();
        string note = Assert.Single(Directory.GetFiles(Path.Combine(Folder, "out", ".fhirdeid")));

        foreach (string text in (string[])["", "x", $"{first.Sha256}\n{{\n", $"{first.Sha256}\nnull\n", $"{first.Sha256}\n[]\n"])
        {
            await File.WriteAllTextAsync(note, text, Stop);
            Assert.False((await Run()).Skipped);
        }
        Assert.True((await Run()).Skipped);
    }

    [Fact]
    public async Task Notes_say_nothing_of_the_resources_and_are_their_owners_alone()
    {
        await File.WriteAllTextAsync(Input, Patients(3), Stop);
        await Run();

        string note = Assert.Single(Directory.GetFiles(Path.Combine(Folder, "out", ".fhirdeid")));
        string text = await File.ReadAllTextAsync(note, Stop);
        Assert.DoesNotContain("Family", text, StringComparison.Ordinal);
        Assert.DoesNotContain("p0", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Config().Sha256, text, StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Output));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(note));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.GetDirectoryName(note)!));
        }
    }

    [Theory]
    [InlineData(".fhirdeid")]
    [InlineData(".fhirdeid/Patient.ndjson.done")]
    public async Task Notes_are_not_written_through_links(string link)
    {
        await File.WriteAllTextAsync(Input, Patients(3), Stop);
        string elsewhere = Path.Combine(Folder, "elsewhere"), at = Path.Combine(Folder, "out", link);
        Directory.CreateDirectory(Path.GetDirectoryName(at)!);
        if (link.EndsWith(".done", StringComparison.Ordinal))
        {
            await File.WriteAllTextAsync(elsewhere, "mine", Stop);
            File.CreateSymbolicLink(at, elsewhere);
        }
        else
        {
            Directory.CreateSymbolicLink(at, Directory.CreateDirectory(elsewhere).FullName);
        }

        FhirDeidException error = await Assert.ThrowsAsync<FhirDeidException>(() => Run(force: true));

        Assert.Equal("FhirDeid.FileUnwritable", error.ErrorId);
        Assert.False(File.Exists(Output));
        if (File.Exists(elsewhere)) Assert.Equal("mine", await File.ReadAllTextAsync(elsewhere, Stop));
        else Assert.Empty(Directory.EnumerateFileSystemEntries(elsewhere));
    }

    [Fact]
    public async Task A_file_that_others_wrote_is_replaced_by_force_alone()
    {
        await File.WriteAllTextAsync(Input, Patients(3), Stop);
        Directory.CreateDirectory(Path.GetDirectoryName(Output)!);
        await File.WriteAllTextAsync(Output, "mine", Stop);

        FhirDeidException error = await Assert.ThrowsAsync<FhirDeidException>(() => Run());

        Assert.Equal("FhirDeid.FileExists", error.ErrorId);
        Assert.Equal("mine", await File.ReadAllTextAsync(Output, Stop));
        Assert.False((await Run(force: true)).Skipped);
        Assert.True((await Run()).Skipped);
    }

    [Fact]
    public async Task A_failed_run_leaves_the_earlier_result()
    {
        await File.WriteAllTextAsync(Input, Patients(3), Stop);
        await Run();
        string before = await File.ReadAllTextAsync(Output, Stop);
        await File.AppendAllTextAsync(Input, "nonsense", Stop);

        await Assert.ThrowsAsync<FhirDeidException>(() => Run());

        Assert.Equal(before, await File.ReadAllTextAsync(Output, Stop));
    }
}

/// <summary>Input that is not what it should be, and output that cannot be written: an error that a user can act on, and no result.</summary>
public sealed class BulkFailureTests : BulkTest
{
    [Fact]
    public async Task The_first_failing_line_ends_the_file_with_its_number()
    {
        await File.WriteAllTextAsync(Input, Patients(40_000) + "\n{\"resourceType\":\"Patient\",\"secret\":1}\n" + Patients(40_000) + "{\"resourceType\":\"Patient\",\"secret\":1}\n", Stop);

        FhirDeidException error = await Fails("ResourceInvalid");

        Assert.Contains("Patient.ndjson, line 40002: Patient", error.Message, StringComparison.Ordinal);
        DeidentificationFailure failure = Assert.IsType<DeidentificationFailure>(error.Target);
        Assert.Equal((Input, 40_002, "Patient"), (failure.Path, failure.Line, failure.ResourceType));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"resourceType\":\"Patient\"")]
    [InlineData("{\"resourceType\":\"Patient\"}\n{\"resourceType\":\"Patient\",\"secret\":1}")]
    public async Task A_json_file_that_is_not_one_resource_fails(string text)
    {
        string path = Path.Combine(Folder, "one.json");
        await File.WriteAllTextAsync(path, text, Stop);

        Assert.StartsWith("one.json: ", (await Fails("ResourceInvalid", input: path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("utf-16")]
    [InlineData("utf-16BE")]
    [InlineData("utf-32")]
    public async Task Other_encodings_are_named(string encoding)
    {
        await File.WriteAllTextAsync(Input, Patients(3), Encoding.GetEncoding(encoding), Stop);

        Assert.Contains("UTF-8", (await Fails("EncodingNotSupported", Config("skip"))).RecommendedAction, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(64)]
    public async Task A_very_long_line_passes_between_short_ones(int mebibytes)
    {
        await using (StreamWriter writer = new(Input))
        {
            await writer.WriteAsync(Patients(20_000));
            await writer.WriteAsync("{\"resourceType\":\"Binary\",\"contentType\":\"text/plain\",\"data\":\"");
            for (int i = 0; i < mebibytes; i++)
                await writer.WriteAsync(new string('A', 1 << 20));
            await writer.WriteAsync("\"}\n" + Patients(20_000));
        }

        Assert.Equal(40_001, (await Run()).Resources);
        Assert.Equal(40_001, File.ReadLines(Output).Count());
        Assert.True(new FileInfo(Output).Length > mebibytes << 20);
    }

    [Theory]
    [InlineData("Patient.ndjson")]
    [InlineData("Bundle.json")]
    public async Task A_resource_of_more_than_256_MiB_is_refused(string name)
    {
        string path = Path.Combine(Folder, name);
        await using (FileStream file = File.Create(path))
        {
            // No bytes are on the disk: holes read as NUL.
            file.Write(Encoding.UTF8.GetBytes(Patients(1)));
            file.SetLength((257 << 20) + 1000);
        }

        string message = (await Fails("ResourceTooLarge", Config("skip"), path)).Message;
        Assert.Contains(name == "Bundle.json" ? "Bundle.json is larger" : "Line 2 of Patient.ndjson", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_bomb_of_gzip_ends_where_its_first_resource_is_too_large()
    {
        await using (GZipStream gzip = new(File.Create(Input + ".gz"), CompressionLevel.Fastest))
        {
            byte[] zeros = new byte[1 << 20];
            for (int i = 0; i < 300; i++)
                gzip.Write(zeros);
        }
        Assert.True(new FileInfo(Input + ".gz").Length < 4 << 20);

        await Fails("ResourceTooLarge", Config("skip"), Input + ".gz");
    }

    [Fact]
    public async Task A_packed_file_that_is_not_whole_fails_wherever_it_was_cut()
    {
        byte[] whole = [.. Gzip(Encoding.UTF8.GetBytes(Patients(200))), .. Gzip(Encoding.UTF8.GetBytes(Patients(50)))];
        int first = Gzip(Encoding.UTF8.GetBytes(Patients(200))).Length;
        for (int length = 0; length < whole.Length; length += length < 30 || whole.Length - length < 30 || Math.Abs(first - length) < 30 ? 1 : 37)
        {
            // What ends with its first member is whole.
            if (length == first)
                continue;
            await File.WriteAllBytesAsync(Input + ".gz", whole[..length], Stop);
            FhirDeidException error = await Assert.ThrowsAsync<FhirDeidException>(() => Run(Config("skip"), Input + ".gz"));
            Assert.Equal("FhirDeid.FileNotWhole", error.ErrorId);
        }
        Assert.False(File.Exists(Output + ".gz"));
    }

    [Fact]
    public async Task A_packed_file_with_a_wrong_checksum_or_something_behind_it_fails()
    {
        byte[] whole = Gzip(Encoding.UTF8.GetBytes(Patients(200)));
        byte[] wrong = [.. whole];
        wrong[^6] ^= 1;
        foreach (byte[] bytes in (byte[][])[wrong, [.. whole, 0, 0, 0, 0], [.. whole, .. "more"u8], Encoding.UTF8.GetBytes(Patients(3))])
        {
            await File.WriteAllBytesAsync(Input + ".gz", bytes, Stop);
            await Fails("FileNotWhole", Config("skip"), Input + ".gz");
        }
    }

    [Fact]
    public async Task A_file_that_grows_while_it_is_read_fails()
    {
        await File.WriteAllTextAsync(Input, Patients(60_000), Stop);
        _progress.OnReport = () => File.AppendAllText(Input, Patients(100));

        await Fails("FileChanged");
    }

    [Fact]
    public async Task A_file_that_is_rewritten_while_it_is_read_fails()
    {
        await File.WriteAllTextAsync(Input, Patients(60_000), Stop);
        _progress.OnReport = () => File.SetLastWriteTimeUtc(Input, DateTime.UtcNow.AddDays(1));

        await Fails("FileChanged");
    }

    [Fact]
    public async Task A_file_that_vanishes_or_shrinks_while_it_is_read_fails()
    {
        if (OperatingSystem.IsWindows())
            Assert.Skip("Windows keeps files that are open.");
        await File.WriteAllTextAsync(Input, Patients(60_000), Stop);
        _progress.OnReport = () =>
        {
            using FileStream file = new(Input, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            file.SetLength(0);
        };
        FhirDeidException shrunk = await Assert.ThrowsAsync<FhirDeidException>(() => Run());
        Assert.Contains(shrunk.ErrorId, (string[])["FhirDeid.FileChanged", "FhirDeid.ResourceInvalid"]);

        await File.WriteAllTextAsync(Input, Patients(60_000), Stop);
        _progress.OnReport = () => File.Delete(Input);
        await Fails("FileChanged");
    }

    [Fact]
    public async Task A_cancelled_run_leaves_no_file()
    {
        await File.WriteAllTextAsync(Input, string.Concat(Enumerable.Repeat("""{"resourceType":"Patient","name":[{"family":"F"}]}""" + "\n", 400_000)), Stop);
        using CancellationTokenSource stop = new();
        _progress.OnReport = stop.Cancel;

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Run(stop: stop.Token));

        Assert.Empty(Directory.GetFiles(Path.GetDirectoryName(Output)!));
        Assert.True(_progress.Reports.Count < 10);
    }

    [Fact]
    public async Task A_full_disk_is_named_and_nothing_is_committed()
    {
        if (!File.Exists("/dev/full"))
            Assert.Skip("There is no /dev/full here.");
        await File.WriteAllTextAsync(Input, Patients(60_000), Stop);
        FullDisk target = new(_engine.Folder(Path.GetDirectoryName(Output)!));

        FhirDeidException error = await Assert.ThrowsAsync<FhirDeidException>(() => Run(_engine.Files(Input, "/")[0], target));

        Assert.Equal("FhirDeid.FileUnwritable", error.ErrorId);
        Assert.Empty(Directory.GetFiles(Folder, "Patient*", SearchOption.AllDirectories).Except([Input]));
    }

    [Fact]
    public async Task Input_and_output_must_differ_and_both_be_reachable()
    {
        await File.WriteAllTextAsync(Input, Patients(1), Stop);

        Assert.Equal("FhirDeid.DestinationIsSource", await IdOf(Input, Folder));
        Assert.Equal("FhirDeid.DestinationIsSource", (await Assert.ThrowsAsync<FhirDeidException>(() => Run(folder: Folder, force: true))).ErrorId);
        Assert.Equal("FhirDeid.FileUnreadable", await IdOf(Input + "x", Path.Combine(Folder, "out")));
        Assert.Equal("FhirDeid.FileUnwritable", await IdOf(Input, Path.Combine(Input, "out")));
        Assert.Equal(Patients(1), await File.ReadAllTextAsync(Input, Stop));
        Assert.Equal([Input], Directory.GetFiles(Folder));
    }

    [Fact]
    public async Task Links_between_input_and_output_are_seen()
    {
        if (OperatingSystem.IsWindows())
            Assert.Skip("Links need a privilege on Windows.");
        await File.WriteAllTextAsync(Input, Patients(1), Stop);
        Directory.CreateSymbolicLink(Path.Combine(Folder, "link"), Folder);
        Directory.CreateDirectory(Path.Combine(Folder, "other"));
        File.CreateSymbolicLink(Path.Combine(Folder, "other", "Patient.ndjson"), Input);

        Assert.Equal("FhirDeid.DestinationIsSource", await IdOf(Input, Path.Combine(Folder, "link")));
        Assert.Equal("FhirDeid.DestinationIsSource", await IdOf(Path.Combine(Folder, "link", "Patient.ndjson"), Folder));
        Assert.Equal("FhirDeid.DestinationIsSource", await IdOf(Path.Combine(Folder, "other", "Patient.ndjson"), Folder));
        Assert.Equal(Patients(1), await File.ReadAllTextAsync(Input, Stop));
    }

    private async Task<string> IdOf(string input, string folder) => (await Assert.ThrowsAsync<FhirDeidException>(() => Run(input: input, folder: folder))).ErrorId;

    /// <summary>A folder on a disk without room.</summary>
    private sealed class FullDisk(IDeidentificationTarget folder) : IDeidentificationTarget
    {
        public string FullName(string name) => folder.FullName(name);

        public Task<string?> FindAsync(string name, CancellationToken cancellation) => folder.FindAsync(name, cancellation);

        public async Task<IDeidentificationOutput> CreateAsync(IDeidentificationInput input, bool force, CancellationToken cancellation) =>
            new FullOutput(await folder.CreateAsync(input, force, cancellation));

        private sealed class FullOutput(IDeidentificationOutput output) : IDeidentificationOutput
        {
            public Stream Stream { get; } = new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 0);

            public Task CommitAsync(string sha256, string note, CancellationToken cancellation) => output.CommitAsync(sha256, note, cancellation);

            public FhirDeidException? Explain(Exception exception, CancellationToken cancellation) => output.Explain(exception, cancellation);

            public async ValueTask DisposeAsync()
            {
                await Stream.DisposeAsync();
                await output.DisposeAsync();
            }
        }
    }
}
