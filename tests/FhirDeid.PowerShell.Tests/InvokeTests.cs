using System.Management.Automation;
using System.Net;
using System.Text.RegularExpressions;

namespace FhirDeid.Tests;

/// <summary>Invoke-FhirDeid over files and over resources in the pipeline.</summary>
public sealed class InvokeTests : IDisposable
{
    private const string Rules = """{ "processingErrors": "raise", "fhirPathRules": [{ "path": "Patient.name", "method": "redact" }, { "path": "Patient.id", "method": "redact" }] }""";

    private readonly Shell _shell = new();
    private readonly TemporaryFolder _folder = new("invoke");

    public InvokeTests()
    {
        Directory.CreateDirectory(_folder["raw/sub"]);
        Write("rules.json", Rules);
        Write("skip.json", Rules.Replace("raise", "skip", StringComparison.Ordinal));
        Write("raw/a.ndjson", """{"resourceType":"Patient","id":"1","name":[{"family":"Secret"}]}""" + "\n" + """{"resourceType":"Patient","id":"2"}""");
        Write("raw/sub/b.json", """{ "resourceType": "Patient", "gender": "male" }""");
    }

    public void Dispose()
    {
        _shell.Dispose();
        _folder.Dispose();
    }

    private void Write(string name, string text) => File.WriteAllText(_folder[name], text);

    [Fact]
    public async Task Files_are_written_without_a_word_and_told_by_PassThru()
    {
        Assert.Empty(await _shell.RunAllAsync("Invoke-FhirDeid $a/raw $a/out $a/rules.json", _folder.FullName));

        PSObject[] again = await _shell.RunAllAsync("Invoke-FhirDeid $a/raw $a/out $a/rules.json -PassThru", _folder.FullName);
        PSObject[] force = await _shell.RunAllAsync("Invoke-FhirDeid $a/raw $a/out $a/rules.json -PassThru -Force -ThrottleLimit 1", _folder.FullName);

        Assert.Equal([_folder["out/a.ndjson"], _folder["out/sub/b.json"]], again.Select(file => file.Text("FullName")));
        Assert.Equal(["True", "True", "False", "False"], again.Concat(force).Select(file => file.Text("Skipped")));
        foreach (string property in (string[])["Resources", "Failures", "Length", "Sha256"]) Assert.Equal(again.Select(file => file.Text(property)), force.Select(file => file.Text(property)));
        Assert.Equal(3, (await _shell.RunAsync("(Invoke-FhirDeid $a/raw/a.ndjson $a/out $a/rules.json -PassThru).Changes['redact']", _folder.FullName)).BaseObject is long changes ? changes : 0);
        Assert.DoesNotContain("Secret", await File.ReadAllTextAsync(_folder["out/a.ndjson"], TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_fails_is_an_error_and_the_others_go_on()
    {
        Write("raw/a.ndjson", "{\"resourceType\":\"Patient\"}\n{\"resourceType\":\"Patient\",\"secret\":1}\n");

        Outcome outcome = await _shell.TryAsync("Invoke-FhirDeid $a/raw $a/out $a/rules.json -PassThru", _folder.FullName);

        ErrorRecord error = Assert.Single(outcome.Errors);
        Assert.StartsWith("FhirDeid.ResourceInvalid,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Contains("a.ndjson, line 2: Patient", error.ToString(), StringComparison.Ordinal);
        PSObject target = PSObject.AsPSObject(error.TargetObject);
        Assert.Equal((_folder["raw/a.ndjson"], "2", "Patient"), (target.Text("Path"), target.Text("Line"), target.Text("ResourceType")));
        Assert.Equal(_folder["out/sub/b.json"], Assert.Single(outcome.Output).Text("FullName"));
        Assert.False(File.Exists(_folder["out/a.ndjson"]));
        Assert.DoesNotContain("secret", outcome.Text + error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_skip_a_warning_tells_each_of_the_first_failures_and_then_their_number()
    {
        Write("raw/a.ndjson", string.Concat(Enumerable.Repeat("{\"resourceType\":\"Patient\",\"secret\":1}\n", 14)));

        Outcome outcome = await _shell.TryAsync("Invoke-FhirDeid $a/raw/a.ndjson $a/out $a/skip.json -PassThru", _folder.FullName);

        Assert.Empty(outcome.Errors);
        Assert.Equal(11, outcome.Warnings.Length);
        Assert.StartsWith("a.ndjson, line 1: Patient: ", outcome.Warnings[0], StringComparison.Ordinal);
        Assert.Contains("4 more", outcome.Warnings[^1], StringComparison.Ordinal);
        Assert.Equal("14", Assert.Single(outcome.Output).Text("Failures"));
        Assert.DoesNotContain("secret", string.Concat(outcome.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Resources_of_the_pipeline_are_text_in_and_out_one_at_a_time()
    {
        Outcome outcome = await _shell.TryAsync("""
            $read = 0
            '{"resourceType":"Patient","id":"1"}', '', '{"resourceType":"Patient","gender":"male"}', '{"resourceType":"Patient","gender":"female"}' |
                ForEach-Object { $read++; $_ } | Invoke-FhirDeid -Configuration $a | ForEach-Object { "$read $_" }
            """, _folder["rules.json"]);

        Assert.Empty(outcome.Errors);
        Assert.Equal(3, outcome.Output.Length);
        Assert.StartsWith("1 {\"resourceType\":\"Patient\",\"meta\":", outcome.Output[0].ToString(), StringComparison.Ordinal);
        Assert.Equal("3 {\"resourceType\":\"Patient\",\"gender\":\"male\"}", outcome.Output[1].ToString());
        Assert.Equal("4 {\"resourceType\":\"Patient\",\"gender\":\"female\"}", outcome.Output[2].ToString());
    }

    [Fact]
    public async Task A_resource_of_the_pipeline_that_fails_is_an_error_or_an_empty_one()
    {
        const string Script = """'{"resourceType":"Patient","secret":1}', '{"resourceType":"Patient"}' | Invoke-FhirDeid -Configuration $a""";

        Outcome raised = await _shell.TryAsync(Script, _folder["rules.json"]);
        Outcome skipped = await _shell.TryAsync(Script, _folder["skip.json"]);

        Assert.Contains("Resource 1 of the pipeline: Patient", Assert.Single(raised.Errors).ToString(), StringComparison.Ordinal);
        Assert.Equal("{\"resourceType\":\"Patient\"}", Assert.Single(raised.Output).ToString());
        Assert.Empty(skipped.Errors);
        Assert.Single(skipped.Warnings);
        Assert.Equal(2, skipped.Output.Length);
        Assert.Contains("REDACTED", skipped.Output[0].ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_without_data_and_containers_without_a_connection_are_told()
    {
        Directory.CreateDirectory(_folder["empty"]);
        Assert.Contains("nothing", Assert.Single((await _shell.TryAsync("Invoke-FhirDeid $a/empty $a/out $a/rules.json", _folder.FullName)).Warnings), StringComparison.Ordinal);

        await _shell.FailsAsync("FhirDeid.NotConnected", "Invoke-FhirDeid -Container raw -DestinationContainer research -Configuration $a", _folder["rules.json"]);
        await _shell.FailsAsync("FhirDeid.DestinationRequired", "Invoke-FhirDeid -Container raw -Configuration $a", _folder["rules.json"]);
        await _shell.FailsAsync("FhirDeid.ParametersExclusive", "Invoke-FhirDeid -Container raw -Destination $a -DestinationContainer research -Configuration $a", _folder["rules.json"]);
    }

    [Fact]
    public async Task An_input_that_would_be_replaced_is_one_error_with_a_name()
    {
        ErrorRecord folder = await _shell.FailsAsync("FhirDeid.DestinationIsSource", "Invoke-FhirDeid $a/raw $a/raw $a/rules.json", _folder.FullName);
        Assert.Contains($"{_folder["raw/a.ndjson"]} and 1 more", folder.ToString(), StringComparison.Ordinal);

        Outcome mixed = await _shell.TryAsync("Invoke-FhirDeid $a/raw/a.ndjson, $a/raw/sub/b.json $a/raw $a/rules.json -PassThru", _folder.FullName);
        Assert.EndsWith("raw/a.ndjson.", Assert.Single(mixed.Errors).ToString(), StringComparison.Ordinal);
        Assert.Equal(_folder["raw/b.json"], Assert.Single(mixed.Output).Text("FullName"));
    }

    [Fact]
    public async Task Paths_may_come_as_text_and_are_not_taken_for_resources()
    {
        PSObject[] files = await _shell.RunAllAsync("\"$a/raw/a.ndjson\", \"$a/raw/sub\" | Invoke-FhirDeid -Destination $a/out -Config $a/rules.json -PassThru", _folder.FullName);
        Assert.Equal([_folder["out/a.ndjson"], _folder["out/b.json"]], files.Select(file => file.Text("FullName")));

        ErrorRecord error = await _shell.FailsAsync("FhirDeid.DestinationRequired", "\"$a/raw/a.ndjson\" | Invoke-FhirDeid -Config $a/rules.json", _folder.FullName);
        Assert.Contains("raw/a.ndjson", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_resource_that_is_taken_for_a_path_is_not_quoted()
    {
        foreach (string script in (string[])["$b | Invoke-FhirDeid -Destination $a/out -Config $a/rules.json", "Compare-FhirDeidResource -Path $b $a/rules.json", "Invoke-FhirDeid $b $a/out $a/rules.json"])
        {
            ErrorRecord error = await _shell.FailsAsync("FhirDeid.PathNotFound", script, _folder.FullName, """{"resourceType":"Patient","name":[{"family":"Lovelace"}]}""");
            Assert.DoesNotContain("Lovelace", $"{error} {error.Exception} {error.TargetObject}", StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task What_was_complete_is_told_in_the_view()
    {
        await _shell.RunAllAsync("Invoke-FhirDeid $a/raw/a.ndjson $a/out $a/rules.json", _folder.FullName);

        Assert.Matches(@"Failures[\s\S]+Skipped[\s\S]+ 2 +0 +True", await _shell.ShowAsync("Invoke-FhirDeid $a/raw/a.ndjson $a/out $a/rules.json -PassThru", _folder.FullName));
    }

    [Fact]
    public async Task A_reader_that_has_enough_or_an_error_downstream_leaves_no_partial_file()
    {
        Outcome outcome = await _shell.TryAsync("Invoke-FhirDeid $a/raw $a/out $a/rules.json -PassThru | ForEach-Object { throw 'enough' }", _folder.FullName);

        Assert.Contains("enough", Assert.Single(outcome.Errors).ToString(), StringComparison.Ordinal);
        Assert.Equal([_folder["out/a.ndjson"]], Directory.GetFiles(_folder["out"], "*", new EnumerationOptions { RecurseSubdirectories = true }));
    }
}

/// <summary>Invoke-FhirDeid over containers of real Azurite.</summary>
[Collection(nameof(Lab))]
public sealed class InvokeContainerTests(Lab lab) : IAsyncLifetime
{
    private readonly Shell _shell = lab.Shell;
    private readonly HttpClient _stranger = ShareTests.Client(lab.Emulator.Text("CertificateAuthority"));
    private readonly TemporaryFolder _folder = new("containers");
    private readonly string _raw = "raw" + Guid.NewGuid().ToString("n")[..8];
    private readonly string _research = "out" + Guid.NewGuid().ToString("n")[..8];
    private PSObject _export = null!;

    /// <summary>A container with identified patients and encounters beside an export.</summary>
    public async ValueTask InitializeAsync()
    {
        _export = await _shell.RunAsync("$a | Start-FhirDeidExport -Container $b -ResourceType Patient | Wait-FhirExport", lab.Published, _raw);
        foreach (string name in (string[])["Patient", "Encounter"])
            await PutAsync(_raw, $"clinic/{name}.ndjson", await File.ReadAllTextAsync(lab.Folder[$"raw/{name}.ndjson"], TestContext.Current.CancellationToken));
        await PutAsync(_raw, "readme.txt", "no data");
    }

    public ValueTask DisposeAsync()
    {
        _stranger.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task From_container_to_container_the_results_are_those_of_files()
    {
        await _shell.RunAllAsync("Invoke-FhirDeid $a $b $c", lab.Folder["raw"], _folder["local"], lab.Config);
        PSObject[] files = await _shell.RunAllAsync("Invoke-FhirDeid -Container $a -DestinationContainer $b -Configuration $c -PassThru", _raw, _research, lab.Config);

        PSObject patients = Assert.Single(files, file => file.Text("FullName").EndsWith($"/{_research}/clinic/Patient.ndjson", StringComparison.Ordinal));
        string local = await File.ReadAllTextAsync(_folder["local/Patient.ndjson"], TestContext.Current.CancellationToken);
        Assert.Equal(local, await GetAsync(_research, "clinic/Patient.ndjson"));
        Assert.Equal(("5", "False"), (patients.Text("Resources"), patients.Text("Skipped")));
        Assert.Equal(3, files.Length);

        PSObject[] again = await _shell.RunAllAsync("Invoke-FhirDeid -Container $a -DestinationContainer $b -Configuration $c -PassThru", _raw, _research, lab.Config);
        Assert.All(again, file => Assert.Equal("True", file.Text("Skipped")));
        Assert.Equal(files.Select(file => file.Text("Sha256")), again.Select(file => file.Text("Sha256")));
        await PutAsync(_raw, "clinic/Patient.ndjson", await File.ReadAllTextAsync(lab.Folder["raw/Patient.ndjson"], TestContext.Current.CancellationToken) + "\n");
        Assert.Equal(["False", "True", "True"], (await _shell.RunAllAsync("Invoke-FhirDeid -Container $a -DestinationContainer $b -Configuration $c -PassThru", _raw, _research, lab.Config)).Select(file => file.Text("Skipped")).Order());
    }

    [Fact]
    public async Task A_blob_that_others_changed_under_its_note_is_done_again()
    {
        const string run = "Invoke-FhirDeid -Container $a -DestinationContainer $b -Configuration $c -PassThru";
        await _shell.RunAllAsync(run, _raw, _research, lab.Config);
        string result = await GetAsync(_research, "clinic/Patient.ndjson");
        using HttpResponseMessage there = await _stranger.GetAsync(await LinkAsync(_research, "clinic/Patient.ndjson", "Read"), TestContext.Current.CancellationToken);
        using HttpRequestMessage change = new(HttpMethod.Put, await LinkAsync(_research, "clinic/Patient.ndjson", "Write")) { Content = new StringContent("Lovelace") };
        change.Headers.Add("x-ms-blob-type", "BlockBlob");
        foreach ((string name, IEnumerable<string> value) in there.Headers.Where(header => header.Key.StartsWith("x-ms-meta-", StringComparison.Ordinal))) change.Headers.Add(name, value);
        using HttpResponseMessage changed = await _stranger.SendAsync(change, TestContext.Current.CancellationToken);
        changed.EnsureSuccessStatusCode();

        PSObject[] again = await _shell.RunAllAsync(run, _raw, _research, lab.Config);

        Assert.Equal("clinic/Patient.ndjson", Assert.Single(again, file => file.Text("Skipped") == "False").Text("FullName").Split($"/{_research}/")[1]);
        Assert.Equal(result, await GetAsync(_research, "clinic/Patient.ndjson"));
    }

    [Fact]
    public async Task A_blob_of_many_blocks_is_whole()
    {
        string line = await File.ReadAllTextAsync(lab.Folder["raw/Patient.ndjson"], TestContext.Current.CancellationToken);
        string many = string.Concat(Enumerable.Repeat(line, 20_000_000 / line.Length));
        await PutAsync(_raw, "many.ndjson", many);
        await File.WriteAllTextAsync(_folder["rules.json"], """{ "fhirPathRules": [{ "path": "Patient.name", "method": "redact" }] }""", TestContext.Current.CancellationToken);

        PSObject[] files = await _shell.RunAllAsync("Invoke-FhirDeid -Container $a -DestinationContainer $b -Configuration $c -PassThru", _raw, _research, _folder["rules.json"]);

        PSObject file = Assert.Single(files, file => file.Text("FullName").EndsWith("/many.ndjson", StringComparison.Ordinal));
        string result = await GetAsync(_research, "many.ndjson");
        Assert.True(result.Length > 8 << 20);
        Assert.Equal(file.Text("Sha256"), Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(result))));
        Assert.Equal(many.Count(c => c == '\n'), result.Count(c => c == '\n'));
    }

    [Fact]
    public async Task A_blob_that_fails_leaves_none_and_the_others_go_on()
    {
        await PutAsync(_raw, "clinic/Patient.ndjson", "{\"resourceType\":\"Patient\"}\n{\"resourceType\":\"Patient\",\"secret\":1}\n");

        Outcome outcome = await _shell.TryAsync("Invoke-FhirDeid -Container $a -DestinationContainer $b -Configuration $c -PassThru", _raw, _research, lab.Config);

        Assert.Contains("Patient.ndjson, line 2: Patient", Assert.Single(outcome.Errors).ToString(), StringComparison.Ordinal);
        Assert.Equal(2, outcome.Output.Length);
        using HttpResponseMessage missing = await _stranger.GetAsync(await LinkAsync(_research, "clinic/Patient.ndjson", "Read"), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
    }

    [Fact]
    public async Task From_container_to_folder_no_other_file_is_written()
    {
        await _shell.RunAllAsync("Invoke-FhirDeid -Container $a -Destination $b -Configuration $c", _raw, _folder["out"], lab.Config);

        string[] files = Directory.GetFiles(_folder["out"], "*", new EnumerationOptions { RecurseSubdirectories = true });
        Assert.Equal(3, files.Length);
        Assert.Contains(_folder["out/clinic/Encounter.ndjson"], files);
        Assert.DoesNotContain(File.ReadLines(lab.Folder["planted.ndjson"]).Select(line => Regex.Match(line, "\"value\":\"([^\"]{6,})\"").Groups[1].Value).Where(value => value.Length > 0),
            value => files.Any(file => File.ReadAllText(file).Contains(value, StringComparison.Ordinal)));
    }

    /// <param name="depth">With 1 the files are saved by name alone, and asked for again.</param>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task An_export_is_its_own_files_also_when_it_was_saved(int depth)
    {
        PSObject[] files = await _shell.RunAllAsync("$a | Invoke-FhirDeid -Destination $b -Configuration $c -PassThru", PSSerializer.Deserialize(PSSerializer.Serialize(_export, depth)), _folder["out"], lab.Config);

        Assert.Equal("5", Assert.Single(files).Text("Resources"));
        PSObject failed = await _shell.RunAsync("$a | ForEach-Object { $_.Status = 'Failed'; $_ }", _export);
        await _shell.FailsAsync("FhirDeid.ExportFailed", "$a | Invoke-FhirDeid -Destination $b -Configuration $c", failed, _folder["out"], lab.Config);
    }

    [Fact]
    public async Task An_export_whose_file_lost_resources_is_not_taken()
    {
        PSObject export = await _shell.RunAsync("$a | ForEach-Object { $_.Output[0].Count = 6; $_ }", _export);

        await _shell.FailsAsync("FhirDeid.CountMismatch", "$a | Invoke-FhirDeid -DestinationContainer $b -Configuration $c", export, _research, lab.Config);
    }

    [Fact]
    public async Task Neither_the_input_nor_what_others_wrote_nor_keys_are_overwritten()
    {
        await PutAsync(_raw, "only.ndjson", "{\"resourceType\":\"Patient\"}\n");
        PSObject[] first = await _shell.RunAllAsync("Invoke-FhirDeid -Container $a -DestinationContainer $b -Configuration $c -PassThru", _raw, _research, lab.Config);
        await PutAsync(_research, "only.ndjson", "mine");

        Outcome outcome = await _shell.TryAsync("Invoke-FhirDeid -Container $a -DestinationContainer $b -Configuration $c", _raw, _research, lab.Config);
        Assert.StartsWith("FhirDeid.FileExists,", Assert.Single(outcome.Errors).FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal("mine", await GetAsync(_research, "only.ndjson"));
        await _shell.RunAllAsync("Invoke-FhirDeid -Container $a -DestinationContainer $b -Configuration $c -Force", _raw, _research, lab.Config);
        Assert.Equal("{\"resourceType\":\"Patient\"}\n", await GetAsync(_research, "only.ndjson"));

        Outcome same = await _shell.TryAsync("Invoke-FhirDeid -Container $a -DestinationContainer $a -Configuration $b -Force", _raw, lab.Config);
        ErrorRecord error = Assert.Single(same.Errors);
        Assert.StartsWith("FhirDeid.DestinationIsSource,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Contains($" and {first.Length - 1} more.", error.ToString(), StringComparison.Ordinal);
        await _shell.FailsAsync("FhirDeid.ContainerHoldsKeys", "Invoke-FhirDeid -Container $a -DestinationContainer anonymization -Configuration $b", _raw, lab.Config);
        await _shell.FailsAsync("FhirDeid.BlobNotFound", "Invoke-FhirDeid -Container nothing-there -DestinationContainer $a -Configuration $b", _research, lab.Config);
    }

    private async Task<Uri> LinkAsync(string container, string blob, string permission)
    {
        PSObject link = await _shell.RunAsync("New-ExportSasToken $a -Permission $b -Force", container, permission);
        Uri uri = (Uri)link.Value("Uri")!;
        return new Uri($"{uri.GetLeftPart(UriPartial.Path)}/{blob}{uri.Query}");
    }

    private async Task<string> GetAsync(string container, string blob) => await _stranger.GetStringAsync(await LinkAsync(container, blob, "Read"), TestContext.Current.CancellationToken);

    private async Task PutAsync(string container, string blob, string text)
    {
        using HttpRequestMessage request = new(HttpMethod.Put, await LinkAsync(container, blob, "Write")) { Content = new StringContent(text) };
        request.Headers.Add("x-ms-blob-type", "BlockBlob");
        using HttpResponseMessage answer = await _stranger.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
    }
}
