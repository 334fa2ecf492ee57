using System.Diagnostics;
using System.Management.Automation;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace FhirDeid.Tests;

/// <summary>The tests that use the <see cref="Lab"/>: one after the other, because a session runs one script at a time.</summary>
[CollectionDefinition(nameof(Lab))]
public sealed class LabTests : ICollectionFixture<Lab>;

/// <summary>A session connected to an emulator that serves made-up patients, and a Group with two of them.</summary>
public sealed class Lab : IAsyncLifetime
{
    public Shell Shell { get; } = new();

    public TemporaryFolder Folder { get; } = new("lab");

    public PSObject Emulator { get; private set; } = null!;

    public PSObject Context { get; private set; } = null!;

    /// <summary>A published configuration.</summary>
    public PSObject Published { get; private set; } = null!;

    public PSObject Config { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        await Shell.RunAllAsync("New-FhirSampleData $a -PatientCount 5 -Seed 3 -PlantedValuesPath $b", Folder["raw"], Folder["planted.ndjson"]);
        string[] patients = [.. File.ReadLines(Folder["raw/Patient.ndjson"]).Take(2).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("id").GetString()!)];
        await File.WriteAllTextAsync(Folder["raw/Group.ndjson"], JsonSerializer.Serialize(new
        {
            resourceType = "Group",
            id = "study-7",
            type = "person",
            actual = true,
            member = patients.Select(id => new { entity = new { reference = "Patient/" + id } }),
        }) + "\n");
        Emulator = await Shell.RunAsync("Start-FhirDeidEmulator -DataPath $a", Folder["raw"]);
        Context = await Shell.RunAsync("$a | Connect-FhirDeid -Emulator", Emulator);
        Config = await Shell.RunAsync("New-AnonymizationConfig SafeHarbor");
        Published = await Shell.RunAsync("$a | Publish-AnonymizationConfig -Name study.json", Config);
    }

    public async ValueTask DisposeAsync()
    {
        if (Emulator is not null) await Shell.RunAllAsync("$a | Stop-FhirDeidEmulator", Emulator);
        Shell.Dispose();
        Folder.Dispose();
    }
}

[Collection(nameof(Lab))]
public sealed class EndToEndTests(Lab lab) : IDisposable
{
    private readonly Shell _shell = lab.Shell;
    private readonly TemporaryFolder _folder = new("run");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task An_export_ends_as_de_identified_files_that_hold_nothing_planted()
    {
        PSObject export = await _shell.RunAsync("$a | Start-FhirDeidExport -Container research | Wait-FhirExport", lab.Published);
        PSObject[] files = await _shell.RunAllAsync("$a | Receive-FhirExport -Destination $b", export, _folder["out"]);

        Assert.Equal("Completed", export.Text("Status"));
        Assert.Equal(lab.Published.Text("ConfigETag"), export.Text("ConfigETag"));
        Assert.Equal(lab.Published.Text("ConfigSha256"), export.Text("ConfigSha256"));
        Assert.Contains("Patient-1.ndjson", files.Select(file => Path.GetFileName(file.Text("FullName"))));
        Assert.All(files, file => Assert.Equal(File.ReadLines(file.Text("FullName")).LongCount(), file.Value("Count")));
        Assert.Equal(5, File.ReadLines(_folder["out/Patient-1.ndjson"]).Count());

        string text = string.Concat(files.Select(file => File.ReadAllText(file.Text("FullName"))));
        Assert.DoesNotContain(Planted(), value => Regex.IsMatch(text, $@"(?<!\w){Regex.Escape(value)}(?!\w)"));
    }

    [Fact]
    public async Task The_same_configuration_gives_the_same_resources_here_and_in_the_service()
    {
        await _shell.RunAllAsync("$a | Start-FhirDeidExport -Container research -ResourceType Patient, Encounter | Wait-FhirExport | Receive-FhirExport -Destination $b", lab.Published, _folder["service"]);
        await _shell.RunAllAsync("Invoke-FhirDeid -Path $a -Destination $b -Configuration $c", lab.Folder["raw"], _folder["local"], lab.Config);

        foreach (string type in (string[])["Patient", "Encounter"])
        {
            string[] local = [.. File.ReadLines(_folder[$"local/{type}.ndjson"]).Order(StringComparer.Ordinal)];
            Assert.NotEmpty(local);
            Assert.Equal(local, File.ReadLines(_folder[$"service/{type}-1.ndjson"]).Order(StringComparer.Ordinal));
        }
    }

    [Fact]
    public async Task An_export_and_a_connection_can_be_taken_up_in_another_process()
    {
        PSObject export = await _shell.RunAsync("$a | Start-FhirDeidExport -Container research -ResourceType Patient", lab.Published);
        await File.WriteAllTextAsync(_folder["export.xml"], PSSerializer.Serialize(export), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(_folder["emulator.xml"], PSSerializer.Serialize(lab.Emulator), TestContext.Current.CancellationToken);

        string output = await Shell.RunInChildAsync(Shell.Module, $$"""
            $read = { param($name) [System.Management.Automation.PSSerializer]::Deserialize([System.IO.File]::ReadAllText("{{_folder.FullName}}/$name.xml")) }
            $null = & $read emulator | Connect-FhirDeid -Emulator
            & $read export | Wait-FhirExport | Receive-FhirExport -Destination '{{_folder["out"]}}'
            """);

        Assert.Equal(_folder["out/Patient-1.ndjson"], output.Trim());
        Assert.Equal(5, File.ReadLines(output.Trim()).Count());
    }

    [Fact]
    public async Task An_export_with_another_version_of_the_configuration_fails_and_is_not_received()
    {
        Outcome outcome = await _shell.TryAsync("""
            $export = $a | ForEach-Object { Start-FhirDeidExport -Container research -ConfigName $_.ConfigName -ConfigETag '"0x1"' } | Wait-FhirExport
            $export
            $export | Receive-FhirExport -Destination $b
            """, lab.Published, _folder["out"]);

        Assert.Equal("Failed", Assert.Single(outcome.Output).Text("Status"));
        Assert.Equal(["FhirDeid.ExportFailed", "FhirDeid.ExportFailed"], outcome.Errors.Select(error => error.FullyQualifiedErrorId.Split(',')[0]));
        Assert.False(Directory.Exists(_folder["out"]));
    }

    [Fact]
    public async Task A_cancelled_export_is_gone_and_its_files_stay()
    {
        // An export that was quicker than its cancellation stays completed: another one is started then.
        PSObject export = null!, cancelled = null!;
        for (int attempt = 0; attempt < 20 && cancelled?.Text("Status") != "Cancelled"; attempt++)
        {
            export = await _shell.RunAsync("$a | Start-FhirDeidExport -Container cancelled -MaxCount 1", lab.Published);
            cancelled = await _shell.RunAsync("$a | Stop-FhirExport -PassThru", export);
        }

        Assert.Equal("Cancelled", cancelled!.Text("Status"));
        await _shell.FailsAsync("FhirDeid.ExportNotFound", "Get-FhirExport -StatusUri $a", export.Text("StatusUri"));
        await _shell.FailsAsync("FhirDeid.ExportNotFound", "$a | Stop-FhirExport", export);
        Outcome again = await _shell.TryAsync("$a | Stop-FhirExport; ($a | Get-FhirExport).Status; $a | Read-FhirExport -ErrorAction SilentlyContinue -ErrorVariable failed; $failed.FullyQualifiedErrorId", cancelled);
        Assert.Empty(again.Errors);
        Assert.Contains("already been cancelled", Assert.Single(again.Warnings), StringComparison.Ordinal);
        Assert.Equal(["Cancelled", "FhirDeid.ExportCancelled,FhirDeid.PowerShell.Export.ReadFhirExportCommand"], again.Output.Select(item => item.ToString()));
    }

    [Fact]
    public async Task A_completed_export_is_not_stopped_and_is_found_by_its_id()
    {
        PSObject export = await _shell.RunAsync("$a | Start-FhirDeidExport -Container research -ResourceType Patient | Wait-FhirExport", lab.Published);

        Outcome outcome = await _shell.TryAsync("$a | Stop-FhirExport; Get-FhirExport -JobId $a.JobId", export);

        Assert.Empty(outcome.Errors);
        Assert.Contains("nothing to cancel", Assert.Single(outcome.Warnings), StringComparison.Ordinal);
        PSObject found = Assert.Single(outcome.Output);
        foreach (string property in (string[])["Status", "Container", "ConfigName", "ConfigETag", "StorageAccountName", "TransactionTime"]) Assert.Equal(export.Text(property), found.Text(property));
        Assert.Single(await _shell.RunAllAsync("Get-FhirExport -JobId $a | Receive-FhirExport -Destination $b", export.Text("JobId"), _folder["out"]));
        await _shell.FailsAsync("FhirDeid.ExportNotFound", "Get-FhirExport -JobId 987654321");
    }

    [Fact]
    public async Task What_was_started_here_is_listed_in_any_session_also_one_whose_process_has_ended()
    {
        await File.WriteAllTextAsync(_folder["emulator.xml"], PSSerializer.Serialize(lab.Emulator), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(_folder["published.xml"], PSSerializer.Serialize(lab.Published), TestContext.Current.CancellationToken);
        string job = (await Shell.RunInChildAsync(Shell.Module, $$"""
            $read = { param($name) [System.Management.Automation.PSSerializer]::Deserialize([System.IO.File]::ReadAllText("{{_folder.FullName}}/$name.xml")) }
            $null = & $read emulator | Connect-FhirDeid -Emulator
            (& $read published | Start-FhirDeidExport -Container journal -ResourceType Patient).JobId
            """)).Trim();

        PSObject[] files = await _shell.RunAllAsync("Get-FhirExport | Where-Object JobId -eq $a | Wait-FhirExport | Receive-FhirExport $b", job, _folder["out"]);

        Assert.Equal(5L, Assert.Single(files).Value("Count"));
        Assert.Equal("Completed", (await _shell.RunAsync("Get-FhirExport | Where-Object JobId -eq $a", job)).Text("Status"));
    }

    [Fact]
    public async Task A_received_export_is_verified_without_a_connection_and_goes_on_where_it_ended()
    {
        PSObject export = await _shell.RunAsync("$a | Start-FhirDeidExport -Container research -ResourceType Patient, Encounter | Wait-FhirExport", lab.Published);
        PSObject[] files = await _shell.RunAllAsync("$a | Receive-FhirExport $b", export, _folder["out"]);
        using Shell alone = new();

        Assert.Equal(files.Select(file => file.Text("Sha256")).Order(), (await alone.RunAllAsync("Receive-FhirExport $a -Verify", _folder["out"])).Select(file => file.Text("Sha256")).Order());

        File.Delete(files[0].Text("FullName"));
        await alone.FailsAsync("FhirDeid.FileChanged", "Receive-FhirExport $a -Verify", _folder["out"]);
        Assert.Equal(files.Length, (await _shell.RunAllAsync("$a | Receive-FhirExport $b", export, _folder["out"])).Length);
        Assert.Equal(files.Length, (await alone.RunAllAsync("Receive-FhirExport $a -Verify", _folder["out"])).Length);
    }

    [Fact]
    public async Task A_removed_export_is_gone_in_the_service_and_here_and_its_files_only_when_asked_for()
    {
        PSObject[] exports = await _shell.RunAllAsync("1..2 | ForEach-Object { $a | Start-FhirDeidExport -Container removed -ResourceType Patient } | Wait-FhirExport", lab.Published);
        await _shell.RunAllAsync("$a | Receive-FhirExport $b", exports[0], _folder["out"]);

        Outcome whatIf = await _shell.TryAsync("$a | Remove-FhirExport -DeleteFiles -WhatIf; ($a | Get-FhirExport).Status", exports[0]);
        Assert.Contains(Assert.IsType<Array>(exports[0].Value("Output"), exactMatch: false).GetValue(0)!.ToString()!, whatIf.Text, StringComparison.Ordinal);
        Assert.Equal("Completed", Assert.Single(whatIf.Output).ToString());

        Assert.Empty(await _shell.RunAllAsync("$a | Remove-FhirExport -DeleteFiles -Confirm:$false; $b | Remove-FhirExport -Confirm:$false; $b | Remove-FhirExport -Confirm:$false", exports[0], exports[1]));

        Assert.Empty(await _shell.RunAllAsync("Get-FhirExport | Where-Object JobId -in $a", (object)exports.Select(export => export.Text("JobId")).ToArray()));
        await _shell.FailsAsync("FhirDeid.ExportNotFound", "$a | Get-FhirExport", exports[0]);
        await _shell.RunAsync("Receive-FhirExport $a -Verify", _folder["out"]);
        await _shell.FailsAsync("FhirDeid.BlobNotFound", "$a | Receive-FhirExport $b -AllowNotDeidentified", exports[0], _folder["again"]);
        Assert.Single(await _shell.RunAllAsync("$a | Receive-FhirExport $b -AllowNotDeidentified", exports[1], _folder["left"]));
    }

    [Fact]
    public async Task A_file_with_identified_data_is_found_and_goes_nowhere()
    {
        PSObject export = await _shell.RunAsync("$a | Start-FhirDeidExport -Container mixed -ResourceType Patient | Wait-FhirExport", lab.Published);
        // As if a worker had gone wrong: the published configuration, and the resources as they were.
        Outcome outcome = await _shell.TryAsync("$a | Export-AnonymizationConfig -Path $b", lab.Config, _folder["study.json"]);
        Assert.Empty(outcome.Errors);
        PSObject raw = await _shell.RunAsync("Start-FhirDeidExport -Container mixed -ResourceType Patient -DeidentifyLocally -WarningAction SilentlyContinue | Wait-FhirExport");
        foreach (string property in (string[])["ConfigName", "ConfigETag"]) raw.Properties[property].Value = export.Value(property);

        Outcome received = await _shell.TryAsync("$a | Receive-FhirExport $b; $a | Read-FhirExport; $a | New-ExportSasToken", raw, _folder["raw"]);

        Assert.Equal(["FhirDeid.NotDeidentified", "FhirDeid.NotDeidentified", "FhirDeid.NotDeidentified"], received.Errors.Select(error => error.FullyQualifiedErrorId.Split(',')[0]));
        Assert.Empty(received.Output);
        Assert.False(Directory.Exists(_folder["raw"]) && Directory.EnumerateFiles(_folder["raw"], "*.ndjson").Any());
    }

    [Fact]
    public async Task Data_of_a_server_that_does_not_de_identify_are_de_identified_on_their_way()
    {
        PSObject export = await _shell.RunAsync("Start-FhirDeidExport -Container raw -ResourceType Patient, Encounter -DeidentifyLocally -WarningAction SilentlyContinue | Wait-FhirExport");
        await _shell.FailsAsync("FhirDeid.NotDeidentified", "$a | Receive-FhirExport $b", export, _folder["refused"]);
        Assert.False(Directory.Exists(_folder["refused"]));

        await _shell.RunAllAsync("$a | Receive-FhirExport $b -AnonymizationConfig $c", export, _folder["out"], lab.Config);
        await _shell.RunAllAsync("Invoke-FhirDeid -Path $a -Destination $b -Configuration $c", lab.Folder["raw"], _folder["local"], lab.Config);

        foreach (string type in (string[])["Patient", "Encounter"])
            Assert.Equal(File.ReadLines(_folder[$"local/{type}.ndjson"]).Order(StringComparer.Ordinal), File.ReadLines(_folder[$"out/{type}-1.ndjson"]).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Resources_are_read_as_text_and_as_objects()
    {
        PSObject export = await _shell.RunAsync("$a | Start-FhirDeidExport -Container research -ResourceType Patient, Encounter | Wait-FhirExport", lab.Published);
        await _shell.RunAllAsync("$a | Receive-FhirExport -Destination $b", export, _folder["out"]);

        string[] patients = [.. (await _shell.RunAllAsync("$a | Read-FhirExport -ResourceType Patient", export)).Select(line => line.ToString())];
        Assert.Equal(File.ReadLines(_folder["out/Patient-1.ndjson"]), patients);
        Assert.Equal(["Patient", "Patient", "Patient", "Patient", "Patient"], (await _shell.RunAllAsync("$a | Read-FhirExport Patient -AsObject", export)).Select(patient => patient.Text("resourceType")));
        Assert.Equal(["Encounter", "Patient"], (await _shell.RunAllAsync("$a | Read-FhirExport -AsObject | ForEach-Object resourceType", export)).Select(type => type.ToString()).Distinct().Order());
    }

    [Fact]
    public async Task A_group_is_exported_without_the_others()
    {
        Outcome outcome = await _shell.TryAsync("$a | Start-FhirDeidExport -Container group -Group study-7 | Wait-FhirExport", lab.Published);
        PSObject all = await _shell.RunAsync("$a | Start-FhirDeidExport -Container patients -Patient -WarningAction SilentlyContinue | Wait-FhirExport", lab.Published);

        Assert.Empty(outcome.Errors);
        Assert.Contains("system level only", Assert.Single(outcome.Warnings), StringComparison.Ordinal);
        PSObject group = Assert.Single(outcome.Output);
        Assert.Equal(("Completed", "Group", "study-7"), (group.Text("Status"), group.Text("Level"), group.Text("GroupId")));
        Assert.Equal(2, (await _shell.RunAllAsync("$a | Read-FhirExport -ResourceType Patient", group)).Length);
        Assert.Equal(5, (await _shell.RunAllAsync("$a | Read-FhirExport -ResourceType Patient", all)).Length);
        PSObject found = await _shell.RunAsync("Get-FhirExport -JobId $a", group.Text("JobId"));
        Assert.Equal(("Group", "study-7"), (found.Text("Level"), found.Text("GroupId")));
    }

    [Fact]
    public async Task What_is_published_is_listed_without_its_text()
    {
        PSObject[] listed = await _shell.RunAllAsync("Get-AnonymizationConfig stud*.json");

        PSObject one = Assert.Single(listed);
        foreach (string property in (string[])["ConfigName", "ConfigETag", "ConfigSha256", "Length", "StorageAccountName", "PublishedAt"]) Assert.Equal(lab.Published.Text(property), one.Text(property));
        Assert.Equal(lab.Config.Text("Sha256"), one.Text("ConfigSha256"));
        Assert.True((long)one.Value("Length")! > 1000);
        await _shell.FailsAsync("FhirDeid.ConfigNotFound", "Get-AnonymizationConfig nothing.json");
        PSObject export = await _shell.RunAsync("Get-AnonymizationConfig study.json | Start-FhirDeidExport -Container research -ResourceType Patient | Wait-FhirExport");
        Assert.Equal("Completed", export.Text("Status"));
        Assert.Contains(export.Text("JobId"), (string[])(await _shell.RunAsync("Get-AnonymizationConfig study.json")).Properties["ExportJobIds"].Value);
    }

    [Fact]
    public async Task A_configuration_that_keeps_everything_is_not_published()
    {
        await File.WriteAllTextAsync(_folder["keep.json"], """{"fhirPathRules":[{"path":"Resource","method":"keep"}]}""", TestContext.Current.CancellationToken);

        Outcome outcome = await _shell.TryAsync("Publish-AnonymizationConfig -Path $a", _folder["keep.json"]);

        Assert.StartsWith("FhirDeid.ConfigKeepsEverything,", Assert.Single(outcome.Errors).FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Empty(await _shell.RunAllAsync("Get-AnonymizationConfig keep*"));
    }

    [Fact]
    public async Task A_configuration_with_errors_is_not_published_and_all_of_them_are_named()
    {
        await File.WriteAllTextAsync(_folder["unsound.json"], """
            { "fhirPathRules": [
                { "path": "Patient.name", "method": "redakt" },
                { "path": "Patient.photo", "method": "substitute" },
                { "path": "Resource", "method": "redact" } ] }
            """, TestContext.Current.CancellationToken);

        ErrorRecord error = await _shell.FailsAsync("FhirDeid.ConfigInvalid", "Publish-AnonymizationConfig -Path $a", _folder["unsound.json"]);

        Assert.Matches("Line 2: .*redakt.* Line 3: .*replaceWith", error.ToString());
        await _shell.FailsAsync("FhirDeid.KeyMissing", "[FhirDeid.AnonymizationConfig]::new('{\"fhirPathRules\":[{\"path\":\"Resource.id\",\"method\":\"cryptoHash\"}]}') | Publish-AnonymizationConfig -Name unsound.json");
        Assert.Empty(await _shell.RunAllAsync("Get-AnonymizationConfig unsound*"));
    }

    [Fact]
    public async Task What_the_service_would_ignore_is_warned_of_before_it_is_published()
    {
        Outcome outcome = await _shell.TryAsync("""
            New-AnonymizationConfig RedactAll | Add-AnonymizationRule Patient.nam keep -Before 1 -WarningAction Ignore | Publish-AnonymizationConfig -Name warned.json -WhatIf
            """);

        Assert.Empty(outcome.Errors);
        Assert.Contains("Patient.nam", Assert.Single(outcome.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_content_addressed_configuration_has_its_hash_in_its_name_and_starts_an_export()
    {
        PSObject config = await _shell.RunAsync("New-AnonymizationConfig SafeHarbor");

        PSObject one = await _shell.RunAsync("$a | Publish-AnonymizationConfig -ContentAddressed", config);
        PSObject two = await _shell.RunAsync("$a | Publish-AnonymizationConfig -Name team/7.json -ContentAddressed", config);
        PSObject again = await _shell.RunAsync("$a | Publish-AnonymizationConfig -ContentAddressed", config);

        Assert.Equal($"SafeHarbor-{config.Text("Sha256")}.json", one.Text("ConfigName"));
        Assert.Equal($"team/7-{config.Text("Sha256")}.json", two.Text("ConfigName"));
        Assert.Equal(one.Text("ConfigETag"), again.Text("ConfigETag"));
        Assert.Equal(("anonymization", config.Text("Sha256")), (one.Text("Container"), one.Text("ConfigSha256")));
        Assert.True(DateTimeOffset.UtcNow - (DateTimeOffset)one.Value("PublishedAt")! < TimeSpan.FromHours(1));
        Assert.Equal("Completed", (await _shell.RunAsync("$a | Start-FhirDeidExport research -ResourceType Patient | Wait-FhirExport", one)).Text("Status"));
    }

    [Fact]
    public async Task A_published_configuration_is_downloaded_with_its_keys_into_a_file_of_the_owner_alone()
    {
        PSObject config = await _shell.RunAsync("Get-AnonymizationConfig study.json -Download");

        Assert.Equal(("study.json", lab.Config.Text("Sha256")), (config.Text("Name"), config.Text("Sha256")));
        Assert.Equal((string)lab.Config.Methods["ToJson"].Invoke(), (string)config.Methods["ToJson"].Invoke());
        await _shell.RunAllAsync("Get-AnonymizationConfig study.json -Download | Export-AnonymizationConfig $a", _folder["back.json"]);
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["back.json"]));
        await _shell.FailsAsync("FhirDeid.ConfigNotFound", "Get-AnonymizationConfig nothing.json -Download");
    }

    [Fact]
    public async Task Configurations_written_in_the_pipeline_are_what_the_export_uses()
    {
        PSObject[] patients = await _shell.RunAllAsync("""
            New-AnonymizationConfig RedactAll | Add-AnonymizationRule Resource.id cryptoHash -Before Resource | Add-AnonymizationRule Patient.gender keep -Before Resource |
                Publish-AnonymizationConfig -Name gender.json | Start-FhirDeidExport research -ResourceType Patient | Wait-FhirExport | Read-FhirExport
            """);

        using JsonDocument json = JsonDocument.Parse(patients[0].ToString());
        Assert.Equal(["gender", "id", "meta", "resourceType"], json.RootElement.EnumerateObject().Select(property => property.Name).Order());
    }

    [Fact]
    public async Task Exporting_into_the_container_of_the_keys_is_warned_of()
    {
        Outcome outcome = await _shell.TryAsync("$a | Start-FhirDeidExport -Container anonymization -WhatIf", lab.Published);

        Assert.Contains("keys", Assert.Single(outcome.Warnings), StringComparison.Ordinal);
        Assert.Contains("study.json", outcome.Text, StringComparison.Ordinal);
        Assert.Empty(outcome.Output);
        Assert.Empty(outcome.Errors);
    }

    [Fact]
    public async Task A_different_configuration_replaces_a_published_one_by_Force_alone()
    {
        PSObject first = await _shell.RunAsync("New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig -Name twice.json");

        await _shell.FailsAsync("FhirDeid.ConfigExists", "New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig -Name twice.json");
        PSObject second = await _shell.RunAsync("New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig -Name twice.json -Force");
        Assert.NotEqual(first.Text("ConfigETag"), second.Text("ConfigETag"));
    }

    [Fact]
    public async Task No_stream_and_no_object_shows_a_key_or_a_token()
    {
        Outcome outcome = await _shell.TryAsync("""
            $config = New-AnonymizationConfig SafeHarbor -Verbose -Debug *>&1 | Add-AnonymizationRule Patient.active redact -Before 1 -Verbose -Debug *>&1 |
                Set-AnonymizationParameter -EnablePartialAgesForRedact $true -Verbose -Debug *>&1
            [regex]::Match($config.ToJson(), '"cryptoHashKey": "(\w+)"').Groups[1].Value
            $config
            Get-FhirDeidContext
            $config | Publish-AnonymizationConfig -Name quiet.json -Verbose -Debug *>&1 -OutVariable published
            $published | Start-FhirDeidExport research -ResourceType Patient -Verbose -Debug *>&1 -OutVariable export
            $export | Wait-FhirExport -Verbose -Debug *>&1
            """);

        Assert.Empty(outcome.Errors);
        string key = outcome.Output[0].ToString();
        Assert.Equal(64, key.Length);
        string seen = outcome.Text + string.Concat(outcome.Output.Skip(1).Select(item => PSSerializer.Serialize(item, 4) + item));
        Assert.DoesNotContain(key, seen, StringComparison.Ordinal);
        Assert.DoesNotMatch(@"eyJ[\w-]+\.[\w-]+\.", seen);
    }

    [Fact]
    public async Task The_context_is_the_sessions_own_and_ends_with_Disconnect()
    {
        using Shell other = new();
        Assert.Empty(await other.RunAllAsync("Get-FhirDeidContext"));

        PSObject context = await other.RunAsync("Connect-FhirDeid -Emulator");
        Assert.Equal("Emulator", context.Text("Credential"));
        Assert.StartsWith("https://", context.Text("FhirServiceUri"), StringComparison.Ordinal);

        Assert.Empty(await other.RunAllAsync("Disconnect-FhirDeid; Get-FhirDeidContext"));
        Assert.Equal(lab.Context.Text("FhirServiceUri"), (await _shell.RunAsync("Get-FhirDeidContext")).Text("FhirServiceUri"));
    }

    [Fact]
    public async Task A_stopped_emulator_is_gone()
    {
        PSObject emulator = await _shell.RunAsync("Start-FhirDeidEmulator -PatientCount 1");
        int process = (int)emulator.Value("ProcessId")!;
        Assert.Contains(process, (await _shell.RunAllAsync("Get-FhirDeidEmulator")).Select(running => running.Value("ProcessId")));

        await _shell.RunAllAsync("$a | Stop-FhirDeidEmulator -WhatIf", emulator);
        Assert.Contains(process, (await _shell.RunAllAsync("Get-FhirDeidEmulator")).Select(running => running.Value("ProcessId")));

        await _shell.RunAllAsync("$a | Stop-FhirDeidEmulator", emulator);
        Assert.DoesNotContain(process, (await _shell.RunAllAsync("Get-FhirDeidEmulator")).Select(running => running.Value("ProcessId")));
        Assert.Throws<ArgumentException>(() => Process.GetProcessById(process));
        await _shell.FailsAsync("FhirDeid.EmulatorNotFound", "Stop-FhirDeidEmulator $a", process);
    }

    /// <summary>Identifying values worth looking for: an age is two digits, and would be found anywhere.</summary>
    private string[] Planted()
    {
        string[] values = [.. File.ReadLines(lab.Folder["planted.ndjson"]).Select(line =>
        {
            using JsonDocument planted = JsonDocument.Parse(line);
            Dictionary<string, string> fields = planted.RootElement.EnumerateObject().ToDictionary(field => field.Name, field => field.Value.ToString(), StringComparer.OrdinalIgnoreCase);
            return fields["category"].Equals("Age", StringComparison.OrdinalIgnoreCase) ? "" : fields["value"];
        }).Where(value => value.Length > 0).Distinct()];
        Assert.NotEmpty(values);
        return values;
    }
}
