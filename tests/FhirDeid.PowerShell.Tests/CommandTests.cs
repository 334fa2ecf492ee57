using System.Management.Automation;
using System.Security;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace FhirDeid.Tests;

public sealed class CommandTests : IDisposable
{
    private const string Key = "d41d8cd98f00b204e9800998ecf8427e";
    private const string Config = $"[FhirDeid.AnonymizationConfig]::new('{{\"parameters\":{{\"cryptoHashKey\":\"{Key}\"}}}}')";

    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Theory]
    [InlineData("Publish-AnonymizationConfig -Path ./x.json")]
    [InlineData("Start-FhirDeidExport -Container research -ConfigName a.json -ConfigETag x")]
    [InlineData("Start-FhirExport -Container research -ConfigName a.json -ConfigETag x")]
    [InlineData("Wait-FhirExport https://localhost/_operations/export/1")]
    [InlineData("Get-FhirExport -JobId 1")]
    [InlineData("Stop-FhirExport https://localhost/_operations/export/1")]
    [InlineData("Remove-FhirExport https://localhost/_operations/export/1")]
    [InlineData("Read-FhirExport Patient https://localhost/_operations/export/1")]
    [InlineData("Get-AnonymizationConfig")]
    [InlineData("New-ExportSasToken research")]
    [InlineData("Receive-FhirExport ./x https://localhost/_operations/export/1")]
    public async Task Without_a_connection_a_cmdlet_says_to_connect_first(string script)
    {
        ErrorRecord error = await _shell.FailsAsync("FhirDeid.NotConnected", script);

        Assert.Equal(ErrorCategory.InvalidOperation, error.CategoryInfo.Category);
        Assert.Contains("Connect-FhirDeid", error.ErrorDetails.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_connection_there_is_no_context_and_disconnecting_is_no_error() =>
        Assert.Empty(await _shell.RunAllAsync("Get-FhirDeidContext; Disconnect-FhirDeid"));

    [Theory]
    [InlineData("-Container research -ConfigName '' -ConfigETag x")]
    [InlineData("-Container research -ConfigName ' ' -ConfigETag x")]
    [InlineData("-Container research -ConfigName $notSet -ConfigETag x")]
    [InlineData("-Container research -ConfigName a.json -ConfigETag ''")]
    [InlineData("-Container research -ConfigName a.json -ConfigETag \"`t\"")]
    [InlineData("-Container research -ConfigName a.json -ConfigETag x -ConfigSha256 ''")]
    [InlineData("-Container '' -ConfigName a.json -ConfigETag x")]
    public async Task A_blank_configuration_never_starts_an_export(string arguments)
    {
        ErrorRecord error = await _shell.FailsAsync("ParameterArgumentValidationError", "Start-FhirDeidExport " + arguments);

        Assert.Contains("blank", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_the_switch_that_says_so_starts_an_export_without_a_configuration()
    {
        PSObject[] mandatory = await _shell.RunAllAsync("(Get-Command Start-FhirDeidExport).Parameters.Values | Where-Object { $_.Attributes.Mandatory -eq $true } | ForEach-Object Name");

        // What is missing is named by an error, and not asked for: a runbook cannot answer.
        Assert.Equal(["Group", "Patient"], mandatory.Select(name => name.ToString()).Order());
    }

    [Theory]
    [InlineData("Patiant", "'Patiant' is not a resource type of FHIR R4.")]
    [InlineData("patient", "'patient' is not a resource type of FHIR R4. Write Patient.")]
    public async Task An_unknown_resource_type_is_refused_before_anything_is_sent(string type, string message)
    {
        ErrorRecord error = await _shell.FailsAsync("ParameterArgumentValidationError", $"Start-FhirDeidExport research -ConfigName a -ConfigETag b -ResourceType {type}");

        Assert.Contains(message, error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://contoso.fhir.azurehealthcareapis.com")]
    [InlineData("contoso")]
    public async Task A_service_without_https_is_refused(string uri)
    {
        ErrorRecord error = await _shell.FailsAsync("FhirDeid.FhirServiceUriInvalid", $"Connect-FhirDeid {uri} -ManagedIdentity");

        Assert.Contains("https", error.ErrorDetails.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_template_is_answered_with_the_known_ones()
    {
        ErrorRecord error = await _shell.FailsAsync("FhirDeid.TemplateNotFound", "New-AnonymizationConfig ../FhirDeid.PowerShell");

        Assert.Contains("SafeHarbor", error.ErrorDetails.RecommendedAction, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("               ")]
    [InlineData("short")]
    public async Task A_weak_key_is_refused_and_not_repeated(string key)
    {
        using SecureString secure = new();
        foreach (char c in key) secure.AppendChar(c);

        ErrorRecord error = await _shell.FailsAsync("FhirDeid.KeyTooShort", "New-AnonymizationConfig SafeHarbor -CryptoHashKey $a", secure);

        Assert.DoesNotContain("short", error.Exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_template_has_one_place_for_each_key_and_methods_that_are_built()
    {
        string[] templates = Directory.GetFiles(Path.Combine(Shell.Metadata("ModuleFolder"), "templates"), "*.json");

        Assert.NotEmpty(templates);
        Assert.All(templates.Select(File.ReadAllText), text =>
        {
            Assert.All(["cryptoHashKey", "dateShiftKey", "encryptKey"], key => Assert.Single(Regex.Matches(text, $"\"{key}\": \"\"")));
            using JsonDocument template = JsonDocument.Parse(text, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            Assert.All(template.RootElement.GetProperty("fhirPathRules").EnumerateArray(), rule =>
                Assert.Contains(rule.GetProperty("method").GetString(), (string[])["keep", "redact", "cryptoHash", "substitute"]));
        });
    }

    [Fact]
    public void Known_sets_are_completed()
    {
        Assert.Equal(["SafeHarbor"], _shell.Complete("New-AnonymizationConfig -Template s"));
        Assert.Equal(["Patient", "PaymentNotice", "PaymentReconciliation"], _shell.Complete("Start-FhirDeidExport -ResourceType pa").Where(name => name != "Parameters"));
        Assert.Contains("BlobRole", _shell.Complete("Start-FhirDeidEmulator -Without "));
        Assert.Equal(["Read"], _shell.Complete("New-ExportSasToken research -Permission r"));
    }

    [Theory]
    [InlineData("Get-FhirExport -Jo", "-JobId")]
    [InlineData("New-ExportSasToken -Con", "-Container")]
    public void What_users_type_is_completed_though_the_pipeline_can_bring_it(string line, string parameter) =>
        Assert.Contains(parameter, _shell.Complete(line));

    [Fact]
    public async Task Paths_are_relative_to_the_location_of_the_session()
    {
        using TemporaryFolder folder = new();
        Outcome outcome = await _shell.TryAsync("$null = $ExecutionContext.SessionState.Path.SetLocation($a); New-FhirSampleData ./raw -PatientCount 3 -WhatIf", folder.FullName);

        Assert.Empty(outcome.Errors);
        Assert.Contains(folder["raw"], outcome.Text, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.FullName));
    }

    [Fact]
    public async Task Sample_data_replaces_records_only_when_told_to()
    {
        using TemporaryFolder temporary = new();
        string folder = temporary["raw"];
        await _shell.RunAllAsync("New-FhirSampleData $a -PatientCount 1", folder);
        byte[] before = await File.ReadAllBytesAsync(Path.Combine(folder, "Patient.ndjson"), TestContext.Current.CancellationToken);

        await _shell.FailsAsync("FhirDeid.FileExists", "New-FhirSampleData $a -PatientCount 1 -Seed 2", folder);

        Assert.Equal(before, await File.ReadAllBytesAsync(Path.Combine(folder, "Patient.ndjson"), TestContext.Current.CancellationToken));
        Assert.NotEmpty(await _shell.RunAllAsync("New-FhirSampleData $a -PatientCount 1 -Seed 2 -Force", folder));
    }

    [Theory]
    [InlineData("New-FhirSampleData Env:/x", "FhirDeid.PathNotSupported")]
    [InlineData("New-FhirSampleData NoDrive:/x", "FhirDeid.PathNotFound")]
    [InlineData("Start-FhirDeidEmulator -DataPath Variable:/x", "FhirDeid.PathNotSupported")]
    [InlineData("Invoke-FhirDeid ./missing*.ndjson ./out ([FhirDeid.AnonymizationConfig]::new())", "FhirDeid.PathNotFound")]
    [InlineData("Invoke-FhirDeid ./missing.ndjson ./out ([FhirDeid.AnonymizationConfig]::new())", "FhirDeid.PathNotFound")]
    [InlineData("Invoke-FhirDeid ./missing.ndjson ./out ./missing.json", "FhirDeid.FileUnreadable")]
    public async Task A_path_that_is_none_is_named(string script, string id)
    {
        ErrorRecord error = await _shell.FailsAsync(id, script);

        Assert.NotNull(error.TargetObject);
    }

    [Fact]
    public async Task A_folder_stands_for_its_files_of_FHIR_data_and_those_below_it()
    {
        using TemporaryFolder folder = new();
        Directory.CreateDirectory(folder["sub"]);
        foreach (string name in (string[])["b.ndjson", "a.ndjson", "sub/c.ndjson.gz", "d.txt"]) await File.WriteAllTextAsync(folder[name], "", TestContext.Current.CancellationToken);

        Outcome outcome = await _shell.TryAsync($"Invoke-FhirDeid $a -Destination $b -Configuration ({Config}) -WhatIf", folder.FullName, folder["out"]);

        Assert.Empty(outcome.Errors);
        Assert.Matches("(?s)a\\.ndjson.*b\\.ndjson.*sub.c\\.ndjson\\.gz", outcome.Text);
        Assert.DoesNotContain("d.txt", outcome.Text, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["out"]));
    }

    [Fact]
    public async Task Two_files_of_one_name_do_not_overwrite_each_other()
    {
        using TemporaryFolder first = new("1");
        using TemporaryFolder second = new("2");
        foreach (TemporaryFolder folder in (TemporaryFolder[])[first, second]) await File.WriteAllTextAsync(folder["a.ndjson"], "", TestContext.Current.CancellationToken);

        await _shell.FailsAsync("FhirDeid.FileNameTaken", $"Invoke-FhirDeid $a, $b -Destination $a/out -Configuration ({Config}) -WhatIf", first.FullName, second.FullName);
    }

    [Fact]
    public async Task A_file_name_with_wildcard_characters_can_come_from_the_pipeline()
    {
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(folder["a[1].ndjson"], "", TestContext.Current.CancellationToken);

        Outcome outcome = await _shell.TryAsync($"[IO.FileInfo]::new($a) | Invoke-FhirDeid -Destination $b -Configuration ({Config}) -WhatIf", folder["a[1].ndjson"], folder["out"]);

        Assert.Empty(outcome.Errors);
        Assert.Contains("a[1].ndjson", outcome.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData($"$config = {Config}; $config.Name = 'study'; $config", "study", "raise")]
    [InlineData("[FhirDeid.AnonymizationRule]@{ Number = 1; Path = 'Patient.name'; Method = 'redact' }", "Number", "Patient.name", "redact")]
    [InlineData("[FhirDeid.PublishedAnonymizationConfig]@{ ConfigName = 'a.json'; ConfigETag = 'x'; ConfigSha256 = 'y' }", "ConfigName", "ConfigETag", "a.json")]
    [InlineData("[FhirDeid.FhirExport]@{ JobId = '17'; Status = 'CompletedWithErrors'; Container = 'research'; Output = @([FhirDeid.FhirExportFile]@{ Type = 'Patient' }) }", "JobId", "17", "CompletedWithErrors", "Files")]
    [InlineData("[FhirDeid.AnonymizationConfigFinding]@{ Severity = 'Warning'; Id = 'PathMatchesNothing'; Line = 17; Rule = 3; Message = 'It matches nothing.' }", "Warning", "17", "3", "PathMatchesNothing", "It matches nothing.")]
    [InlineData("$link = [FhirDeid.ExportSasToken]::new('https://localhost/research?sv=1&sig=PEM&sp=rl'); $link.Container = 'research'; $link.Permission = 'rl'; $link.SignedBy = 'me'; $link", "https://localhost/research?sv=1&sig=***&sp=rl", "research", "rl", "me")]
    [InlineData("[FhirDeid.FhirExportFile]@{ Type = 'Patient'; Count = 7; Url = 'https://localhost/a' }", "Patient", "7", "https://localhost/a")]
    [InlineData("[FhirDeid.ReceivedFhirFile]@{ ResourceType = 'Patient'; Count = 7; FullName = '/x/Patient-1.ndjson'; Sha256 = 'abc' }", "Patient", "7", "/x/Patient-1.ndjson")]
    [InlineData("[FhirDeid.DeidentifiedFile]@{ Resources = 7; Failures = 2; FullName = '/x/a.ndjson'; Duration = '00:00:01.5' }", "7", "2", "1.50", "/x/a.ndjson")]
    [InlineData("[FhirDeid.SampleDataFile]@{ ResourceType = 'Patient'; Count = 7; FullName = '/x/a.ndjson' }", "Patient", "7", "/x/a.ndjson")]
    [InlineData("[FhirDeid.FhirDeidEmulator]@{ ProcessId = 4711; FhirServiceUri = 'https://localhost:1'; CertificateAuthority = 'PEM' }", "4711", "https://localhost:1")]
    [InlineData("[FhirDeid.FhirDeidContext]@{ FhirServiceUri = 'https://localhost:1'; Credential = 'ManagedIdentity' }", "FhirServiceUri", "https://localhost:1", "ManagedIdentity")]
    public async Task Objects_are_shown_by_a_view_of_their_own(string script, params string[] expected)
    {
        string text = await _shell.ShowAsync(script);

        Assert.All(expected, part => Assert.Contains(part, text, StringComparison.Ordinal));
        Assert.DoesNotContain("PEM", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Key, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_configuration_shows_its_key_nowhere_but_in_its_text()
    {
        PSObject config = await _shell.RunAsync(Config);

        Assert.Contains(Key, (string)config.Methods["ToJson"].Invoke(), StringComparison.Ordinal);
        Assert.DoesNotContain(Key, config.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Key, PSSerializer.Serialize(config, 10), StringComparison.Ordinal);
        Assert.DoesNotContain(Key, JsonSerializer.Serialize(config.BaseObject), StringComparison.Ordinal);
        Assert.All(config.Properties, property => Assert.DoesNotContain(Key, property.Value?.ToString() ?? "", StringComparison.Ordinal));
    }

    [Fact]
    public async Task New_configurations_have_keys_of_their_own()
    {
        string[] texts = [.. (await _shell.RunAllAsync("1..3 | ForEach-Object { (New-AnonymizationConfig SafeHarbor).ToJson() }")).Select(text => text.ToString())];
        string[] keys = [.. texts.Select(text => Regex.Match(text, "\"cryptoHashKey\": \"([0-9a-f]{64})\"").Groups[1].Value)];

        Assert.DoesNotContain("", keys);
        Assert.Equal(3, keys.Distinct().Count());
    }

    [Fact]
    public async Task A_given_key_goes_into_the_configuration()
    {
        using SecureString secure = new();
        foreach (char c in "a \"quoted\" key, long enough") secure.AppendChar(c);

        PSObject config = await _shell.RunAsync("New-AnonymizationConfig safeharbor -CryptoHashKey $a", secure);

        Assert.Equal("SafeHarbor", config.Text("Name"));
        Assert.True((bool)config.Value("Parameters")!.GetType().GetProperty("HasCryptoHashKey")!.GetValue(config.Value("Parameters"))!);
        Assert.Contains("a \\u0022quoted\\u0022 key, long enough", (string)config.Methods["ToJson"].Invoke(), StringComparison.Ordinal);
    }
}
