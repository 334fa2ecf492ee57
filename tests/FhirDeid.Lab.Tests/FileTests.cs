namespace FhirDeid.Tests;

public sealed class FileTests : IDisposable
{
    private readonly LabProcess _lab = new();
    private readonly TemporaryFolder _folder = new("with space");

    public void Dispose()
    {
        _lab.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Arguments_reach_the_script_by_name_by_position_and_as_switches()
    {
        LabRun run = await RunAsync("param([string] $Name, [int] $Count, [switch] $Loud, [switch] $Quiet) \"$Name|$Count|$Loud|$Quiet\"",
            "-Count", "3", "-Loud", "-Quiet:$false", "a name");

        Assert.Equal("a name|3|True|False\n", run.Screen);
        Assert.Equal(0, run.ExitCode);
    }

    [Fact]
    public async Task What_does_not_look_like_a_name_is_a_value()
    {
        Assert.Equal("-1|/x|a=b\n", (await RunAsync("$args -join '|'", "-1", "/x", "a=b")).Screen);
    }

    [Fact]
    public async Task The_module_is_loaded_and_the_script_is_not_shown()
    {
        LabRun run = await RunAsync("# a comment\n(New-AnonymizationConfig SafeHarbor).Name");

        Assert.Equal("SafeHarbor\n", run.Screen);
    }

    [Fact]
    public async Task The_exit_code_is_that_of_the_script()
    {
        LabRun run = await RunAsync("try { 'one'; exit 7 } finally { 'two' } 'three'");

        Assert.Equal(7, run.ExitCode);
        Assert.Equal("one\ntwo\n", run.Screen);
    }

    [Fact]
    public async Task An_error_that_ends_the_script_gives_1_and_says_what_to_do()
    {
        LabRun run = await RunAsync("$ErrorActionPreference = 'Stop'\nConnect-FhirDeid -Emulator\n'not reached'");

        Assert.Equal(1, run.ExitCode);
        Assert.DoesNotContain("not reached", run.Screen, StringComparison.Ordinal);
        Assert.Contains("No emulator was started by this process.", run.Errors, StringComparison.Ordinal);
        Assert.Contains("Run Start-FhirDeidEmulator first", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_error_that_does_not_end_the_script_is_shown()
    {
        LabRun run = await RunAsync("Get-Command Nothing-Called-This\n'reached'");

        Assert.Equal(0, run.ExitCode);
        Assert.Contains("Nothing-Called-This", run.Errors, StringComparison.Ordinal);
        Assert.Contains("reached", run.Screen, StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task An_emulator_that_a_script_leaves_running_ends_with_it()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Reads /proc.");

        LabRun run = await RunAsync("$null = Start-FhirDeidEmulator -PatientCount 1; exit 3");

        Assert.Equal(3, run.ExitCode);
        // It notices that its starter has gone.
        while (_lab.LeftFiles().Any() || _lab.LeftProcesses().Any()) await Task.Delay(100, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task The_runbook_waits_or_leaves_its_export_to_the_next_run()
    {
        LabRun run = await RunAsync("""
            param($Runbook)
            $null = Start-FhirDeidEmulator -PatientCount 1
            try {
                $null = Connect-FhirDeid -Emulator
                $null = New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig
                @(& $Runbook -Emulator -ConfigName SafeHarbor.json -Container research)[-1].Status
                $left = @(& $Runbook -Emulator -ConfigName SafeHarbor.json -Container research -Minutes 0)[-1]
                $left.Status
                $done = @(& $Runbook -Emulator -StatusUri $left.StatusUri)[-1]
                "$($done.Status) $($done.JobId -eq $left.JobId)"
                & $Runbook -Emulator -ConfigName missing.json -Container research
            }
            finally { Stop-FhirDeidEmulator }
            """, Path.Combine(Path.GetDirectoryName(LabProcess.Script)!, "runbook.ps1"));

        Assert.Equal(["Completed", "InProgress", "Completed True"], run.Screen.Split('\n').Where(line => line.StartsWith("Completed", StringComparison.Ordinal) || line == "InProgress"));
        Assert.Contains("No configuration 'missing.json' is published.", run.Errors, StringComparison.Ordinal);
        Assert.Equal(1, run.ExitCode);
    }

    [Fact]
    public async Task A_script_that_asks_fails_instead_of_waiting()
    {
        LabRun run = await RunAsync("param([Parameter(Mandatory)] $Name) $Name");

        Assert.Equal(1, run.ExitCode);
        Assert.Contains("Name", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_script_that_does_not_exist_is_named()
    {
        LabRun run = await _lab.RunAsync("-File", _folder["missing.ps1"]);

        Assert.Equal(66, run.ExitCode);
        Assert.Contains(_folder["missing.ps1"], run.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-File")]
    [InlineData("-Command", "1")]
    public async Task Unknown_usage_is_refused(params string[] arguments)
    {
        LabRun run = await _lab.RunAsync(arguments);

        Assert.Equal(64, run.ExitCode);
        Assert.StartsWith("Usage: ", run.Errors, StringComparison.Ordinal);
    }

    private async Task<LabRun> RunAsync(string script, params string[] arguments)
    {
        await File.WriteAllTextAsync(_folder["a script.ps1"], script, TestContext.Current.CancellationToken);
        return await _lab.RunAsync(["-File", _folder["a script.ps1"], .. arguments]);
    }
}
