using System.Globalization;
using System.Management.Automation.Language;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace FhirDeid.Tests;

/// <summary>One run of the lab, which several tests look at.</summary>
public sealed class FinishedLab : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new("research");

    public LabProcess Process { get; } = new();

    public LabRun Run { get; private set; } = null!;

    /// <summary>The folder that the lab was given.</summary>
    public string Destination => _folder["research"];

    public async ValueTask InitializeAsync() => Run = await Process.RunAsync(Destination);

    public ValueTask DisposeAsync()
    {
        Process.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }
}

public sealed class LabTests(FinishedLab lab) : IClassFixture<FinishedLab>
{
    private static readonly ScriptBlockAst s_script = Parser.ParseFile(LabProcess.Script, out _, out _);

    [Fact]
    public void The_lab_succeeds_without_an_error()
    {
        Assert.Equal("", lab.Run.Errors);
        Assert.Equal(0, lab.Run.ExitCode);
    }

    [Fact]
    public void Each_command_is_shown_as_it_is_written()
    {
        string shown = Regex.Replace(lab.Run.Screen, @"(?m)^(PS> |>>  )\s*", "");

        Assert.All(s_script.FindAll(node => node is CommandAst, searchNestedScriptBlocks: true), command =>
            Assert.Contains(Regex.Replace(command.Extent.Text, @"(?m)^\s+", ""), shown, StringComparison.Ordinal));
    }

    [Fact]
    public void Each_comment_of_the_script_is_shown_as_text()
    {
        IEnumerable<string> comments = File.ReadLines(LabProcess.Script).SkipWhile(line => line.Length > 0)
            .Select(line => line.Trim()).Where(line => line.StartsWith("# ", StringComparison.Ordinal));

        Assert.All(comments, comment => Assert.Contains(comment[2..], lab.Run.Screen.Split('\n')));
    }

    [Fact]
    public void All_six_exercises_are_shown_in_order()
    {
        int[] shown = [.. Regex.Matches(lab.Run.Screen, @"(?m)^Exercise ([1-9]) of 6: ").Select(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture))];

        Assert.Equal([1, 2, 3, 4, 5, 6], shown);
        Assert.All((string[])["configuration", "managed identity", "roles", "export storage", "export and look", "share"], (name, index) =>
            Assert.Contains(name, Regex.Match(lab.Run.Screen, $"(?m)^Exercise {index + 1} of 6: .*").Value, StringComparison.Ordinal));
    }

    [Fact]
    public void A_bare_service_lacks_what_the_exercises_then_set_up()
    {
        string before = Output("Test-FhirDeidReadiness | Where-Object Status -in Failed, Warning");
        string after = Output("Test-FhirDeidReadiness");

        Assert.All((string[])["Identity", "Export storage", "Blob role of the service"], check => Assert.Matches($@"(?m)^Failed  {check} ", before));
        Assert.All((string[])["Enable-FhirServiceIdentity", "Grant-FhirExportAccess", "Set-FhirExportStorage"], fix => Assert.Contains(fix, before, StringComparison.Ordinal));
        Assert.Matches("(?m)^Passed  Identity ", after);
        Assert.DoesNotMatch("(?m)^(Failed|Warning|Unknown|Skipped) ", after);
    }

    [Fact]
    public void Exercises_2_to_4_leave_nothing_to_do_for_their_one_line()
    {
        Assert.Contains("Changes            : {Export storage set to ", Output("Set-FhirExportStorage -StorageAccountName $emulator.StorageAccountName"), StringComparison.Ordinal);
        Assert.Contains("Changes            : {}", Output("Set-FhirExportStorage -StorageAccountName $emulator.StorageAccountName -EnableIdentity -GrantAccess"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_slip_in_the_configuration_is_found_and_what_is_published_is_the_file()
    {
        Assert.Contains("MethodUnknown", Output("Test-AnonymizationConfig -Path \"$work/study.json\""), StringComparison.Ordinal);
        Assert.Equal("True", Output("Test-AnonymizationConfig -Path \"$work/study.json\" -Quiet"));
        Assert.Equal("True", Output("$published.ConfigSha256 -eq $config.Sha256"));
    }

    [Fact]
    public void The_link_lists_and_reads_and_does_not_write()
    {
        string[] listed = Output("$list.EnumerationResults.Blobs.Blob.Name").Split('\n');

        Assert.Equal(Directory.EnumerateFiles(lab.Destination, "*.ndjson").Count(), listed.Length);
        Assert.Single(listed, name => Regex.IsMatch(name, @"^\w+-1/Patient-[0-9]+-1\.ndjson$"));
        Assert.Equal("True", Output(s_script.FindAll(node => node is AssignmentStatementAst or PipelineAst, searchNestedScriptBlocks: false)
            .Select(statement => statement.Extent.Text).Single(text => text.StartsWith("[System.Convert]::ToHexString", StringComparison.Ordinal))));
        Assert.Equal("403", Output("[int] $researcher.PutAsync($patients, $content).GetAwaiter().GetResult().StatusCode"));
    }

    [Fact]
    public void The_signature_of_a_link_is_neither_on_the_screen_nor_in_the_files()
    {
        Assert.Equal(2, Regex.Count(lab.Run.Screen, @"sig=\*\*\*"));
        Assert.DoesNotMatch(@"sig=(?!\*\*\*)", lab.Run.Screen + lab.Run.Errors);
        Assert.All(Directory.EnumerateFiles(lab.Destination, "*.ndjson"), file => Assert.DoesNotContain("sig=", File.ReadAllText(file), StringComparison.Ordinal));
    }

    [Fact]
    public void Objects_are_shown_by_the_views_of_the_module()
    {
        Assert.Matches(@"\nJobId +Status +Container +Files +StartedAt *\n", lab.Run.Screen);
        Assert.Matches(@"\n\w+ +Completed +research +[0-9]+ ", lab.Run.Screen);
        Assert.DoesNotContain("\e", lab.Run.Screen, StringComparison.Ordinal);
    }

    [Fact]
    public void The_files_in_the_folder_are_those_of_the_export()
    {
        string[] files = [.. Directory.EnumerateFiles(lab.Destination, "*.ndjson").Select(Path.GetFileName)!];

        Assert.Contains("Patient-1.ndjson", files);
        Assert.Contains("Observation-1.ndjson", files);
        Assert.All(files, file => Assert.Contains(file, lab.Run.Screen, StringComparison.Ordinal));
        Assert.Equal(20, File.ReadLines(Path.Combine(lab.Destination, "Patient-1.ndjson")).Count());
    }

    [Fact]
    public void The_local_engine_and_the_service_give_the_same_bytes() =>
        Assert.Equal("True", Output("$local.Sha256 -eq $received.Sha256"));

    [Fact]
    public async Task No_planted_value_is_in_the_files_or_on_the_screen_after_the_patient_before()
    {
        List<(string Category, string Value)> planted = await PlantedAsync();
        string files = string.Join('\n', Directory.EnumerateFiles(lab.Destination, "*.ndjson").SelectMany(File.ReadLines).Select(Text));
        string screen = Regex.Replace(lab.Run.Screen, @"(?s)\nBefore:\n.*?\n\n", "\n");
        // Links hold dates, which planted ones may be the beginning of: of their times and of the storage service's versions.
        screen = Regex.Replace(screen, @"(?m)^Uri +: .*\n( +\S.*\n)*", "");

        Assert.True(planted.Count > 1000, "The list of planted values is short.");
        Assert.True(files.Length > 100_000, "The files are short.");
        Assert.NotEqual(screen, lab.Run.Screen);
        Assert.Contains(planted, value => lab.Run.Screen.Contains(value.Value, StringComparison.Ordinal));
        Assert.DoesNotContain(planted, value => Holds(files, value));
        Assert.DoesNotContain(planted, value => !IsNow(value) && Holds(screen, value));
    }

    [Fact]
    public void Nothing_but_the_files_is_left()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Reads /proc.");

        Assert.Empty(lab.Process.LeftFiles());
        Assert.Empty(lab.Process.LeftProcesses());
    }

    [Fact]
    public async Task The_script_uses_commands_of_the_module_and_of_the_PowerShell_core_alone()
    {
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(folder["commands.ps1"], "(Get-Command -Module FhirDeid.PowerShell, Microsoft.PowerShell.Core).Name", TestContext.Current.CancellationToken);
        string[] allowed = (await lab.Process.RunAsync("-File", folder["commands.ps1"])).Screen.Split('\n');

        string[] used = [.. s_script.FindAll(node => node is CommandAst, searchNestedScriptBlocks: true).Select(command => ((CommandAst)command).GetCommandName())];

        Assert.Contains("Receive-FhirExport", used);
        Assert.All(used, command => Assert.Contains(command, allowed, StringComparer.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task An_interrupted_lab_leaves_no_process_and_no_file()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Sends a signal and reads /proc.");
        using LabProcess process = new();

        LabRun run = await process.InterruptAsync("PS> $export = $published");

        Assert.Equal("Stopped.", run.Errors.TrimEnd());
        Assert.Equal(130, run.ExitCode);
        Assert.Contains("PS> Stop-FhirDeidEmulator", run.Screen, StringComparison.Ordinal);
        Assert.Empty(process.LeftFiles());
        Assert.Empty(process.LeftProcesses());
    }

    [Fact]
    public async Task A_lab_interrupted_while_the_emulator_starts_leaves_no_process_and_no_file()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Sends a signal and reads /proc.");
        using LabProcess process = new();

        LabRun run = await process.InterruptAsync("PS> $emulator = Start-FhirDeidEmulator");

        Assert.Equal(130, run.ExitCode);
        Assert.Empty(process.LeftFiles());
        Assert.Empty(process.LeftProcesses());
    }

    [Fact]
    public async Task A_lab_that_cannot_write_its_files_fails_and_leaves_nothing()
    {
        using LabProcess process = new();
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(folder["file"], "", TestContext.Current.CancellationToken);

        LabRun run = await process.RunAsync(folder["file"]);

        Assert.Equal(1, run.ExitCode);
        Assert.Contains(folder["file"], run.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("Exercise 6 of 6", run.Screen, StringComparison.Ordinal);
        Assert.Contains("PS> Stop-FhirDeidEmulator", run.Screen, StringComparison.Ordinal);
        Assert.Empty(process.LeftFiles());
        if (OperatingSystem.IsLinux()) Assert.Empty(process.LeftProcesses());
    }

    /// <summary>What the lab showed below a statement of one line, until the next empty line.</summary>
    private string Output(string statement)
    {
        string shown = $"\nPS> {statement}\n";
        int start = lab.Run.Screen.IndexOf(shown, StringComparison.Ordinal);
        Assert.True(start >= 0, $"The lab does not show '{statement}'.");
        return lab.Run.Screen[(start + shown.Length)..].TrimStart('\n').Split("\n\n", 2)[0].Split("\nPS> ", 2)[0];
    }

    /// <summary>The lab's own statement makes the same records again, and the list that the lab has removed.</summary>
    private async Task<List<(string Category, string Value)>> PlantedAsync()
    {
        using TemporaryFolder folder = new();
        Ast generate = s_script.Find(node => node is CommandAst command && command.GetCommandName() == "New-FhirSampleData", searchNestedScriptBlocks: true);
        await File.WriteAllTextAsync(folder["generate.ps1"], $"param($work) {generate.Extent.Text}", TestContext.Current.CancellationToken);
        LabRun run = await lab.Process.RunAsync("-File", folder["generate.ps1"], folder["work"]);
        Assert.Equal(0, run.ExitCode);

        return [.. File.ReadLines(folder[Path.Combine("work", "planted.ndjson")])
            .Select(line => JsonDocument.Parse(line).RootElement)
            .Select(value => (value.GetProperty("category").GetString()!, value.GetProperty("value").GetString()!))
            .Where(value => value.Item1 != "Age").Distinct()];
    }

    /// <summary>Five digits may stand in a hash by chance, or be a port.</summary>
    private static bool Holds(string text, (string Category, string Value) planted) =>
        planted is { Category: "Zip", Value.Length: 5 } ? Regex.IsMatch(text, $@"(?<![\w:]){planted.Value}\b") : text.Contains(planted.Value, StringComparison.Ordinal);

    /// <summary>The screen tells when the run's tokens end, which planted dates may be the beginning of.</summary>
    private static bool IsNow((string Category, string Value) planted) =>
        planted.Category == "Date" && Enumerable.Range(-1, 3).Any(day => DateTime.UtcNow.AddDays(day).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture).StartsWith(planted.Value, StringComparison.Ordinal));

    private static string Text(string json)
    {
        StringBuilder text = new();
        Utf8JsonReader reader = new(Encoding.UTF8.GetBytes(json));
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.String) text.AppendLine(reader.GetString());
            else if (reader.TokenType is JsonTokenType.Number) text.AppendLine(Encoding.UTF8.GetString(reader.ValueSpan));
        }
        return text.ToString();
    }
}
