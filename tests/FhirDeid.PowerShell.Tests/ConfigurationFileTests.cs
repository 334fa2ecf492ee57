using System.Management.Automation;

namespace FhirDeid.Tests;

public sealed class ConfigurationFileTests : IDisposable
{
    private const string Sound = """{"fhirVersion":"R4","fhirPathRules":[{"path":"Patient.name","method":"redact"}]}""";
    private const string Unsound = """
        {
          "fhirPathRules": [
            { "path": "Resource.id", "method": "cryptoHash" },
            { "path": "Patient.name", "method": "redakt" }
          ]
        }
        """;

    private readonly Shell _shell = new();
    private readonly TemporaryFolder _folder = new("config");

    public void Dispose()
    {
        _shell.Dispose();
        _folder.Dispose();
    }

    private string Write(string name, string text)
    {
        File.WriteAllText(_folder[name], text);
        return _folder[name];
    }

    [Fact]
    public async Task A_configuration_goes_into_a_file_and_comes_back_the_same()
    {
        PSObject config = await _shell.RunAsync("New-AnonymizationConfig SafeHarbor");

        Assert.Empty(await _shell.RunAllAsync("$a | Export-AnonymizationConfig $b", config, _folder["study.json"]));
        PSObject back = await _shell.RunAsync("Import-AnonymizationConfig $a", _folder["study.json"]);

        Assert.Equal(("study.json", config.Text("Sha256")), (back.Text("Name"), back.Text("Sha256")));
        Assert.Single(Directory.EnumerateFileSystemEntries(_folder.FullName));
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["study.json"]));
    }

    [Theory]
    [InlineData("'  \"cryptoHashKey\": \"SECRET\",' | Import-AnonymizationConfig")]
    [InlineData("Import-AnonymizationConfig '[ \"SECRET\" ]'")]
    [InlineData("Test-AnonymizationConfig '// study { \"cryptoHashKey\": \"SECRET\" }'")]
    [InlineData("Export-AnonymizationConfig '[\"SECRET\"]' out.json")]
    [InlineData("'  \"family\": \"SECRET\",' | Invoke-FhirDeid -Config $a -Destination out")]
    public async Task A_line_of_JSON_in_place_of_a_path_is_quoted_by_no_error(string script)
    {
        Outcome outcome = await _shell.TryAsync(script, Write("sound.json", Sound));

        ErrorRecord error = Assert.Single(outcome.Errors);
        Assert.DoesNotContain("SECRET", $"{error} {error.TargetObject} {error.Exception} {error.FullyQualifiedErrorId}", StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_configuration_may_begin_with_a_comment() =>
        Assert.Equal(1, (await _shell.RunAsync("@(Test-AnonymizationConfig -Config $a | ForEach-Object Id).Where({ $_ -eq 'JsonLenient' }).Count", "// study 7\n" + Sound)).BaseObject);

    [Fact]
    public async Task A_file_from_the_pipeline_may_have_wildcard_characters_in_its_path()
    {
        Directory.CreateDirectory(_folder["a[b]c"]);
        FileInfo file = new(Write("a[b]c/study.json", Sound));

        Assert.Equal("study.json", (await _shell.RunAsync("$a | Import-AnonymizationConfig", file)).Text("Name"));
        Assert.Equal("True", (await _shell.RunAsync("$a | Test-AnonymizationConfig -Quiet", file)).ToString());
        Assert.Equal("study.json", (await _shell.RunAsync("Import-AnonymizationConfig -LiteralPath $a", file.FullName)).Text("Name"));
        await _shell.FailsAsync("FhirDeid.PathNotFound", "Import-AnonymizationConfig -Path $a", file.FullName);
    }

    [Fact]
    public async Task A_file_is_replaced_by_Force_alone_and_is_its_owners_then_too()
    {
        PSObject config = await _shell.RunAsync("New-AnonymizationConfig SafeHarbor");
        string file = Write("study.json", "mine");

        await _shell.FailsAsync("FhirDeid.FileExists", "$a | Export-AnonymizationConfig $b", config, file);
        Assert.Empty((await _shell.TryAsync("$a | Export-AnonymizationConfig $b -Force -WhatIf", config, file)).Errors);
        Assert.Equal("mine", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));

        await _shell.RunAllAsync("$a | Export-AnonymizationConfig $b -Force", config, file);
        Assert.Equal((string)config.Methods["ToJson"].Invoke(), await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
    }

    [Fact]
    public async Task A_place_that_cannot_be_written_is_named()
    {
        ErrorRecord error = await _shell.FailsAsync("FhirDeid.FileUnwritable", "New-AnonymizationConfig SafeHarbor | Export-AnonymizationConfig $a", _folder["missing/study.json"]);
        Assert.NotNull(error.TargetObject);
        await _shell.FailsAsync("FhirDeid.FileUnwritable", "New-AnonymizationConfig SafeHarbor | Export-AnonymizationConfig $a -Force", _folder.FullName);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.FullName));
    }

    [Fact]
    public async Task Exporting_shows_no_key()
    {
        Outcome outcome = await _shell.TryAsync("""
            $config = New-AnonymizationConfig SafeHarbor
            $config | Export-AnonymizationConfig $a -Verbose -Debug
            $config | Export-AnonymizationConfig $a
            $config | Test-AnonymizationConfig | Out-Host
            [regex]::Match($config.ToJson(), '"cryptoHashKey": "(\w+)"').Groups[1].Value
            """, _folder["study.json"]);

        string key = outcome.Output[^1].ToString();
        Assert.Equal(64, key.Length);
        Assert.DoesNotContain(key, outcome.Text + string.Concat(outcome.Errors.Select(error => $"{error}{error.Exception}")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Several_files_are_read_and_one_that_is_unsound_does_not_stop_the_others()
    {
        Write("a.json", Sound);
        Write("b.json", Unsound);
        Write("c.json", Sound);

        Outcome outcome = await _shell.TryAsync("Import-AnonymizationConfig $a", _folder["*.json"]);

        Assert.Equal(["a.json", "c.json"], outcome.Output.Select(config => config.Text("Name")));
        Assert.StartsWith("FhirDeid.KeyMissing,", Assert.Single(outcome.Errors).FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(2, (await _shell.RunAllAsync("$a, $b | Import-AnonymizationConfig", _folder["a.json"], _folder["c.json"])).Length);
        Assert.Single(await _shell.RunAllAsync("[IO.FileInfo]::new($a) | Import-AnonymizationConfig", _folder["a.json"]));
        await _shell.FailsAsync("FhirDeid.PathNotFound", "Import-AnonymizationConfig $a", _folder["missing.json"]);
    }

    [Fact]
    public async Task Errors_of_a_configuration_are_findings_with_their_place()
    {
        Outcome outcome = await _shell.TryAsync("Test-AnonymizationConfig $a", Write("b.json", Unsound));

        Assert.Empty(outcome.Errors);
        PSObject method = Assert.Single(outcome.Output, finding => finding.Text("Id") == "MethodUnknown");
        Assert.Equal(("Error", 2, 4), (method.Text("Severity"), method.Value("Rule"), method.Value("Line")));
        Assert.Contains(outcome.Output, finding => finding.Text("Id") == "KeyEmpty");
        Assert.All(outcome.Output, finding => Assert.NotEmpty(finding.Text("Fix")));
    }

    [Theory]
    [InlineData(Sound, true)]
    [InlineData(Unsound, false)]
    [InlineData("not json", false)]
    [InlineData("", false)]
    [InlineData("""{"fhirPathRules":[{"path":"Patient.nonsense","method":"redact"}]}""", true)]
    public async Task Quiet_says_whether_there_is_an_error(string text, bool isFine)
    {
        string file = Write("x.json", text);

        Assert.Equal(isFine, (await _shell.RunAsync("Test-AnonymizationConfig $a -Quiet", file)).BaseObject);
        Assert.Equal(isFine, (await _shell.RunAsync("[IO.FileInfo]::new($a) | Test-AnonymizationConfig -Quiet", file)).BaseObject);
        Assert.Equal(isFine, (await _shell.RunAsync("[FhirDeid.AnonymizationConfig]::new($a) | Test-AnonymizationConfig -Quiet", text)).BaseObject);
        Assert.Equal(isFine, (await _shell.RunAllAsync("Test-AnonymizationConfig $a", file)).All(finding => finding.Text("Severity") != "Error"));
    }

    [Fact]
    public async Task A_template_with_its_key_has_no_error_and_a_missing_file_is_one()
    {
        Assert.True((bool)(await _shell.RunAsync("New-AnonymizationConfig SafeHarbor | Test-AnonymizationConfig -Quiet")).BaseObject);
        await _shell.FailsAsync("FhirDeid.PathNotFound", "Test-AnonymizationConfig $a -Quiet", _folder["missing.json"]);
    }

    [Fact]
    public async Task What_the_service_would_ignore_is_warned_of_before_a_run()
    {
        string file = Write("x.json", """{"fhirPathRules":[{"path":"Patient.name","method":"redact"}],"processingError":"skip"}""");
        Write("Patient.ndjson", """{"resourceType":"Patient","name":[{"family":"Lovelace"}]}""" + "\n");

        Outcome outcome = await _shell.TryAsync("Invoke-FhirDeid $a -Destination $b -Configuration $c", _folder["Patient.ndjson"], _folder["out"], file);

        Assert.Empty(outcome.Errors);
        Assert.Contains("processingError", Assert.Single(outcome.Warnings), StringComparison.Ordinal);
    }
}
