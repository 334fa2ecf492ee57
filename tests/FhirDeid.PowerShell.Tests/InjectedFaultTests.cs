using System.Management.Automation;

namespace FhirDeid.Tests;

/// <summary>The cmdlets against an emulator that was told what goes wrong, as a user's own test does it.</summary>
[Collection(nameof(Lab))]
public sealed class InjectedFaultTests(Lab lab) : IAsyncDisposable
{
    private const string Run = "$a | Start-FhirDeidExport $b -ResourceType Patient | Wait-FhirExport";
    private const string Again = Run + "; Set-FhirDeidEmulator; $a | Start-FhirDeidExport $b -ResourceType Patient | Wait-FhirExport";

    private readonly Shell _shell = lab.Shell;

    public async ValueTask DisposeAsync() => await _shell.RunAllAsync("Set-FhirDeidEmulator");

    private static readonly (FaultRow Row, string Script)[] s_faults =
    [
        Start("'429 Retry-After: 1'", "Completed"),
        Start("'429 Retry-After: Thu, 01 Jan 2026 00:00:00 GMT'", "Completed"),
        Start("'429 Retry-After: soon'", "Completed"),
        Start("'429 Retry-After: 1790000000'", "FhirDeid.Throttled; the same command again: Completed", Again),
        Start("'503', '503'", "Completed"),
        Start("'503', '503', '503', '503'", "FhirDeid.ServiceUnavailable; the same command again: Completed", Again),
        Start("'500'", "FhirDeid.ExportUncertain; the same command again: FhirDeid.ExportUncertain", Again),
        Start("'502'", "FhirDeid.ExportUncertain; the same command again: FhirDeid.ExportUncertain", Again),
        Start("'504'", "FhirDeid.ExportUncertain; with -Force: Completed", Run + "; $a | Start-FhirDeidExport $b -ResourceType Patient -Force | Wait-FhirExport"),
        Start("reset", "FhirDeid.ExportUncertain; the same command again: FhirDeid.ExportUncertain", Again),
        Start("'silence 1'", "FhirDeid.ExportUncertain; the same command again: FhirDeid.ExportUncertain", Again),
        Start("lost", "FhirDeid.ExportUncertain; the same command again: FhirDeid.ExportUncertain", Again),
        Start("expired", "Completed"),
        Start("endless", "InProgress after -TimeoutSeconds 2", Run + " -TimeoutSeconds 2"),
        Start("endless", "InProgress and FhirDeid.ExportTimeout after -TimeoutSeconds 2 -ErrorOnTimeout", Run + " -TimeoutSeconds 2 -ErrorOnTimeout"),
        Start("endless", "Stop-FhirExport: Cancelled; asked again: Cancelled; received: FhirDeid.ExportCancelled",
            "$export = $a | Start-FhirDeidExport $b -ResourceType Patient | Stop-FhirExport -PassThru; $export; $export | Get-FhirExport; $export | Receive-FhirExport $c"),
        Start("endless", "Remove-FhirExport: FhirDeid.ExportInProgress; after Stop-FhirExport nothing", "$export = $a | Start-FhirDeidExport $b -ResourceType Patient; $export | Remove-FhirExport -Confirm:$false; $export | Stop-FhirExport; $export | Remove-FhirExport -Confirm:$false"),
        Start("empty", "CompletedWithErrors, 1 warning"),
        Start("identified", "NotDeidentified and FhirDeid.NotDeidentified; received: FhirDeid.NotDeidentified; read: FhirDeid.NotDeidentified; shared: FhirDeid.NotDeidentified",
            "$export = " + Run + "; $export; $export | Receive-FhirExport $c; $export | Read-FhirExport; $export | New-ExportSasToken -ExpiresIn 01:00:00"),
        Start("'fail 500 Unknown Error.'", "Failed and FhirDeid.ExportFailed; received: FhirDeid.ExportFailed", "$export = " + Run + "; $export; $export | Receive-FhirExport $c"),
        Start("ok, 'fail 429 Database was throttled.', ok", "three exports from the pipeline: Completed, Completed, Failed and FhirDeid.ExportFailed",
            "1..3 | ForEach-Object { $a | Start-FhirDeidExport $b -ResourceType Patient -MaxCount $_ } | Wait-FhirExport"),
        Status("'429 Retry-After: 1'", "Completed"),
        Status("'429 Retry-After: Thu, 01 Jan 2026 00:00:00 GMT'", "Completed"),
        Status("'429 Retry-After: soon'", "Completed"),
        Status("(@('429 Retry-After: 1790000000') * 9)", "InProgress after -TimeoutSeconds 2, 1 warning", Run + " -TimeoutSeconds 2"),
        Status("(@('429 Retry-After: 1790000000') * 9)", "a saved export that claims its end: InProgress and FhirDeid.Throttled after -TimeoutSeconds 2, 1 warning", "$export = $a | Start-FhirDeidExport $b -ResourceType Patient; $export.Status = 'Completed'; $export | Wait-FhirExport -TimeoutSeconds 2"),
        Status("'500', '502', '503'", "Completed"),
        Status("'504', '504', '504', '504'", "Completed, 1 warning"),
        Status("reset", "Completed"),
        Status("'silence 1'", "Completed"),
        Status("expired", "Completed"),
        Status("ok, expired, ok, expired, '503'", "Completed"),
        Status("cut", "FhirDeid.ManifestInvalid; asked again: Completed", "$export = $a | Start-FhirDeidExport $b -ResourceType Patient; $export | Wait-FhirExport; $export | Wait-FhirExport"),
    ];

    private static (FaultRow, string) Start(string faults, string end, string script = Run) => (new("start", $"`-StartFault {faults}`", end), script);

    private static (FaultRow, string) Status(string faults, string end, string script = Run) => (new("status", $"`-StatusFault {faults}`", end), script);

    public static TheoryData<int> Numbers() => [.. Enumerable.Range(0, s_faults.Length)];

    [Fact]
    public void The_page_lists_the_faults_that_were_run() => ReliabilityPage.Check("emulator", s_faults.Select(fault => fault.Row));

    [Theory]
    [MemberData(nameof(Numbers))]
    public async Task Each_fault_ends_as_documented(int number)
    {
        (FaultRow row, string script) = s_faults[number];
        using TemporaryFolder folder = new("fault");

        await _shell.RunAllAsync("Set-FhirDeidEmulator " + row.Name.Trim('`'));
        Outcome outcome = await _shell.TryAsync(script, lab.Published, $"fault{number}", folder["out"]);

        Assert.Equal(Words(row.End), Words(string.Join(' ', [.. outcome.Output.Select(export => export.Text("Status")).Order(), .. outcome.Errors.Select(error => error.FullyQualifiedErrorId.Split(',')[0])]) + (outcome.Warnings.Length > 0 ? $" {outcome.Warnings.Length} warning" : "")));
        Assert.False(Directory.Exists(folder["out"]) && Directory.EnumerateFiles(folder["out"], "*.ndjson*").Any());
        Assert.DoesNotMatch(@"eyJ[\w-]+\.[\w-]+\.", outcome.Text + string.Concat(outcome.Errors.Select(error => error.ToString())));
    }

    /// <summary>What a row tells of ends: statuses, ids of errors, warnings. The words between them are for the reader.</summary>
    private static string[] Words(string end) => [.. System.Text.RegularExpressions.Regex.Matches(end, @"FhirDeid\.\w+|\b(?:InProgress|Completed|CompletedWithErrors|NotDeidentified|Failed|Cancelled)\b|\d+ warning").Select(match => match.Value).Order(StringComparer.Ordinal)];

    [Fact]
    public async Task An_export_whose_answer_was_lost_is_found_again_and_then_known()
    {
        await _shell.RunAllAsync("Set-FhirDeidEmulator -StartFault lost");
        await _shell.FailsAsync("FhirDeid.ExportUncertain", "$a | Start-FhirDeidExport lostandfound -ResourceType Patient", lab.Published);
        Outcome listed = await _shell.TryAsync("Get-FhirExport");
        Assert.Contains("'lostandfound'", Assert.Single(listed.Warnings, warning => warning.Contains("lostandfound", StringComparison.Ordinal)), StringComparison.Ordinal);

        // The number behind the hyphen of the folder's name, as the warning says: the export before the next one, which has one worker.
        long next = long.Parse((await _shell.RunAsync("$a | Start-FhirDeidExport afterlost -ResourceType Patient", lab.Published)).Text("JobId"), null);
        PSObject found = await _shell.RunAsync("Get-FhirExport -JobId $a | Wait-FhirExport", next - 2);
        Assert.Equal(("Completed", "lostandfound"), (found.Text("Status"), found.Text("Container")));
        await _shell.RunAsync("Get-FhirExport -JobId $a", next - 2);

        listed = await _shell.TryAsync("Get-FhirExport");
        Assert.DoesNotContain(listed.Warnings, warning => warning.Contains("lostandfound", StringComparison.Ordinal));
        Assert.Contains(listed.Output, export => export.Text("Container") == "lostandfound");
        Assert.Equal("Completed", (await _shell.RunAsync(Run, lab.Published, "lostandfound")).Text("Status"));
    }

    [Fact]
    public async Task An_identified_export_stays_one_when_its_configuration_is_replaced()
    {
        using TemporaryFolder folder = new("replaced");
        const string publish = "New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig -Name replaced.json -Force";
        PSObject published = await _shell.RunAsync(publish);
        await _shell.RunAllAsync("Set-FhirDeidEmulator -StartFault identified, identified");
        PSObject found = (await _shell.TryAsync("$a | Start-FhirDeidExport replaced1 -ResourceType Patient | Wait-FhirExport", published)).Output[0];
        PSObject late = await _shell.RunAsync("$a | Start-FhirDeidExport replaced2 -ResourceType Patient", published);
        Assert.Equal("NotDeidentified", found.Text("Status"));

        // Other keys: the version that the exports were started with is gone.
        await _shell.RunAsync(publish);

        Assert.Equal("NotDeidentified", (await _shell.RunAsync("$a | Get-FhirExport", found)).Text("Status"));
        Assert.Equal("NotDeidentified", (await _shell.TryAsync("$a | Wait-FhirExport", late)).Output[0].Text("Status"));
        foreach (string use in (string[])["$a | Receive-FhirExport $b", "$a | Read-FhirExport", "$a | New-ExportSasToken", "Get-FhirExport -JobId $a.JobId | New-ExportSasToken"])
        {
            await _shell.FailsAsync("FhirDeid.NotDeidentified", use, found, folder["out"]);
            await _shell.FailsAsync("FhirDeid.NotDeidentified", use, late, folder["out"]);
        }
        Assert.False(Directory.Exists(folder["out"]) && Directory.EnumerateFiles(folder["out"], "*.ndjson*").Any());
    }

    [Fact]
    public async Task Every_failure_of_a_job_reaches_the_user_in_one_line_with_what_to_do()
    {
        string[] faults = [.. JobFailures.All.Select(failure => $"fail {failure.Status} {failure.Reason}")];
        await _shell.RunAllAsync("Set-FhirDeidEmulator -StartFault $a", (object)faults);

        Outcome outcome = await _shell.TryAsync("1..$b | ForEach-Object { $a | Start-FhirDeidExport failures -ResourceType Patient -MaxCount $_ } | Wait-FhirExport", lab.Published, faults.Length);

        Assert.Equal(Enumerable.Repeat("FhirDeid.ExportFailed", faults.Length), outcome.Errors.Select(error => error.FullyQualifiedErrorId.Split(',')[0]));
        PSObject[] exports = [.. outcome.Output.OrderBy(export => long.Parse(export.Text("JobId"), null))];
        Assert.All(exports.Zip(JobFailures.All), pair =>
        {
            string line = Assert.Single((string[])pair.First.Value("Issues")!);
            Assert.Contains(pair.Second.Means, line, StringComparison.Ordinal);
            Assert.DoesNotContain("Lovelace", line, StringComparison.Ordinal);
            Assert.Contains(outcome.Errors, error => error.ToString().Contains(line, StringComparison.Ordinal));
        });
    }

    [Fact]
    public async Task What_is_no_fault_is_an_error_and_WhatIf_sets_none()
    {
        ErrorRecord error = await _shell.FailsAsync("FhirDeid.FaultInvalid", "Set-FhirDeidEmulator -StatusFault sometimes");
        Assert.Contains("sometimes", error.ToString(), StringComparison.Ordinal);

        await _shell.RunAllAsync("Set-FhirDeidEmulator -StartFault reset -WhatIf; $a | Set-FhirDeidEmulator -StatusFault reset -WhatIf", lab.Emulator);
        Assert.Equal("Completed", (await _shell.RunAsync(Run, lab.Published, "whatif")).Text("Status"));

        await _shell.FailsAsync("FhirDeid.EmulatorNotFound", "Set-FhirDeidEmulator -FhirServiceUri https://127.0.0.1:1");
    }
}
