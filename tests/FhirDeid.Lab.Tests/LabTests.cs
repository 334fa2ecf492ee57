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
    public void Objects_are_shown_by_the_views_of_the_module()
    {
        Assert.Matches(@"\nJobId +Status +Container +Files +StartedAt *\n", lab.Run.Screen);
        Assert.Matches(@"\n\w+ +Completed +research +[0-9]+ ", lab.Run.Screen);
        Assert.DoesNotContain("\e", lab.Run.Screen, StringComparison.Ordinal);
    }

    [Fact]
    public void The_files_in_the_folder_are_those_of_the_export()
    {
        string[] files = [.. Directory.EnumerateFiles(lab.Destination).Select(Path.GetFileName)!];

        Assert.Contains("Patient-1.ndjson", files);
        Assert.Contains("Observation-1.ndjson", files);
        Assert.All(files, file => Assert.Contains(file, lab.Run.Screen, StringComparison.Ordinal));
        Assert.Equal(20, File.ReadLines(Path.Combine(lab.Destination, "Patient-1.ndjson")).Count());
    }

    [Fact]
    public void The_local_engine_and_the_service_give_the_same_bytes() =>
        Assert.Contains("PS> $local.Sha256 -eq $received.Sha256\nTrue\n", lab.Run.Screen, StringComparison.Ordinal);

    [Fact]
    public async Task No_planted_value_is_in_the_files_or_on_the_screen_after_the_patient_before()
    {
        List<(string Category, string Value)> planted = await PlantedAsync();
        string files = string.Join('\n', Directory.EnumerateFiles(lab.Destination).SelectMany(File.ReadLines).Select(Text));
        string screen = Regex.Replace(lab.Run.Screen, @"(?s)\n\.\.\. before \.\.\.\n.*?\n}\n", "\n");

        Assert.True(planted.Count > 1000, "The list of planted values is short.");
        Assert.True(files.Length > 100_000, "The files are short.");
        Assert.NotEqual(screen, lab.Run.Screen);
        Assert.Contains(planted, value => lab.Run.Screen.Contains(value.Value, StringComparison.Ordinal));
        Assert.DoesNotContain(planted, value => Holds(files, value));
        Assert.DoesNotContain(planted, value => Holds(screen, value));
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
        Assert.DoesNotContain("7. Compare.", run.Screen, StringComparison.Ordinal);
        Assert.Contains("PS> Stop-FhirDeidEmulator", run.Screen, StringComparison.Ordinal);
        Assert.Empty(process.LeftFiles());
        if (OperatingSystem.IsLinux()) Assert.Empty(process.LeftProcesses());
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
