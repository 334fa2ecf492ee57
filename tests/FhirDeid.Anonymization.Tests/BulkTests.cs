using System.Security.Cryptography;
using System.Text;

namespace FhirDeid.Anonymization.Tests;

public sealed class NdjsonTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("fhirdeid-");
    private readonly AnonymizationEngine _engine = new();
    private readonly SynchronousProgress _progress = new();

    private string Input => Path.Combine(_folder.FullName, "Patient.ndjson");

    private string Output => Path.Combine(_folder.FullName, "out.ndjson");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Lines_keep_their_order_over_many_batches()
    {
        await File.WriteAllLinesAsync(Input, Enumerable.Range(0, 60_000).Select(i => $$"""{"resourceType":"Patient","id":"p{{i}}","name":[{"family":"Family{{i}}"}]}"""), TestContext.Current.CancellationToken);

        DeidentifiedFile file = await Run(Config());

        string[] lines = await File.ReadAllLinesAsync(Output, TestContext.Current.CancellationToken);
        Assert.Equal(60_000, file.Resources);
        Assert.Equal(Enumerable.Range(0, 60_000).Select(i => $"p{i}"), lines.Select(line => line.Split('"')[7]));
        Assert.DoesNotContain(lines, line => line.Contains("Family", StringComparison.Ordinal));
        Assert.Equal(new FileInfo(Output).Length, file.Length);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(Output, TestContext.Current.CancellationToken))), file.Sha256);
        Assert.Equal(100, _progress.Reports[^1].PercentComplete);
    }

    [Theory]
    [InlineData("\uFEFF{\"resourceType\":\"Patient\",\"id\":\"a\"}\r\n\r\n  \n{\"resourceType\":\"Patient\",\"id\":\"b\"}")]
    [InlineData("{\"resourceType\":\"Patient\",\"id\":\"a\"}\n{\"resourceType\":\"Patient\",\"id\":\"b\"}\n")]
    public async Task Byte_order_marks_blank_lines_line_ends_and_a_missing_last_one_are_no_errors(string text)
    {
        await File.WriteAllTextAsync(Input, text, TestContext.Current.CancellationToken);

        Assert.Equal(2, (await Run(Config())).Resources);
        Assert.Equal("{\"resourceType\":\"Patient\",\"id\":\"a\"}\n{\"resourceType\":\"Patient\",\"id\":\"b\"}\n", await File.ReadAllTextAsync(Output, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_failing_line_ends_the_run_with_its_number_and_leaves_no_file()
    {
        await File.WriteAllTextAsync(Input, "{\"resourceType\":\"Patient\"}\n\n{\"resourceType\":\"Patient\",\"secret\":1}\n", TestContext.Current.CancellationToken);

        FhirDeidException error = await Assert.ThrowsAsync<FhirDeidException>(() => Run(Config()));

        Assert.Equal("FhirDeid.ResourceInvalid", error.ErrorId);
        Assert.Contains("Patient.ndjson, line 3:", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.ToString(), StringComparison.Ordinal);
        Assert.Equal([Input], Directory.GetFiles(_folder.FullName));
    }

    [Fact]
    public async Task With_skip_an_empty_resource_takes_the_place_of_a_failing_one()
    {
        await File.WriteAllTextAsync(Input, "{\"resourceType\":\"Patient\",\"secret\":1}\nnonsense\n{\"resourceType\":\"Patient\",\"id\":\"c\"}\n", TestContext.Current.CancellationToken);

        DeidentifiedFile file = await Run(Config("skip"));

        string[] lines = await File.ReadAllLinesAsync(Output, TestContext.Current.CancellationToken);
        Assert.Equal((3, 2), (file.Resources, file.Failures));
        Assert.StartsWith("{\"resourceType\":\"Patient\",\"meta\":{\"security\":[{", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("{\"resourceType\":\"Basic\",", lines[1], StringComparison.Ordinal);
        Assert.DoesNotContain("secret", lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_line_longer_than_a_batch_passes()
    {
        string data = new('A', 5 << 20);
        await File.WriteAllTextAsync(Input, $"{{\"resourceType\":\"Binary\",\"contentType\":\"text/plain\",\"data\":\"{data}\"}}\n{{\"resourceType\":\"Patient\"}}\n", TestContext.Current.CancellationToken);

        Assert.Equal(2, (await Run(Config())).Resources);
    }

    [Fact]
    public async Task A_cancelled_run_leaves_no_file()
    {
        await File.WriteAllLinesAsync(Input, Enumerable.Repeat("""{"resourceType":"Patient","name":[{"family":"F"}]}""", 400_000), TestContext.Current.CancellationToken);
        using CancellationTokenSource stop = new();
        _progress.OnReport = stop.Cancel;

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _engine.DeidentifyFileAsync(Config(), Input, Output, _progress, stop.Token));

        Assert.Equal([Input], Directory.GetFiles(_folder.FullName));
    }

    [Fact]
    public async Task The_output_is_readable_by_its_owner_alone()
    {
        if (OperatingSystem.IsWindows())
            Assert.Skip("Windows has no file modes.");
        await File.WriteAllTextAsync(Input, "{\"resourceType\":\"Patient\"}\n", TestContext.Current.CancellationToken);

        await Run(Config());

        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Output));
    }

    [Fact]
    public async Task Input_and_output_must_differ_and_both_be_reachable()
    {
        await File.WriteAllTextAsync(Input, "{\"resourceType\":\"Patient\"}\n", TestContext.Current.CancellationToken);

        Assert.Equal("FhirDeid.DestinationIsSource", await Fails(Input, Input));
        Assert.Equal("FhirDeid.FileUnreadable", await Fails(Input + "x", Output));
        Assert.Equal("FhirDeid.FileUnwritable", await Fails(Input, Path.Combine(_folder.FullName, "missing", "out.ndjson")));
    }

    [Fact]
    public async Task A_folder_that_is_a_link_to_the_source_is_the_source()
    {
        if (OperatingSystem.IsWindows())
            Assert.Skip("Links need a privilege on Windows.");
        await File.WriteAllTextAsync(Input, "{\"resourceType\":\"Patient\"}\n", TestContext.Current.CancellationToken);
        string link = Path.Combine(_folder.FullName, "link");
        Directory.CreateSymbolicLink(link, _folder.FullName);

        Assert.Equal("FhirDeid.DestinationIsSource", await Fails(Input, Path.Combine(link, "Patient.ndjson")));
        Directory.Delete(link);
    }

    private async Task<string> Fails(string input, string output) =>
        (await Assert.ThrowsAsync<FhirDeidException>(() => _engine.DeidentifyFileAsync(Config(), input, output, _progress, TestContext.Current.CancellationToken))).ErrorId;

    private Task<DeidentifiedFile> Run(AnonymizationConfig config) =>
        _engine.DeidentifyFileAsync(config, Input, Output, _progress, TestContext.Current.CancellationToken);

    private AnonymizationConfig Config(string processingErrors = "raise") =>
        _engine.Parse($$"""{ "processingErrors": "{{processingErrors}}", "fhirPathRules": [{ "path": "Patient.name", "method": "redact" }] }""", "test.json");

    private sealed class SynchronousProgress : IProgress<FhirDeidProgress>
    {
        public List<FhirDeidProgress> Reports { get; } = [];

        public Action? OnReport { get; set; }

        public void Report(FhirDeidProgress value)
        {
            Reports.Add(value);
            OnReport?.Invoke();
        }
    }
}
