using System.Collections.ObjectModel;
using System.Management.Automation;
using FhirDeid.PowerShell.Connect;
using FhirDeid.PowerShell.Export;

namespace FhirDeid.Tests;

/// <summary>What is kept of exports that were started here. Alone, because the journal's place belongs to the process.</summary>
[CollectionDefinition(nameof(JournalTests), DisableParallelization = true)]
[Collection(nameof(JournalTests))]
public sealed class JournalTests : IDisposable
{
    private const string Start = "Start-FhirDeidExport research -ConfigName a.json -ConfigETag b";

    private readonly StandInConnection _connection = new();
    private readonly Shell _shell = new();
    private readonly string? _before = Environment.GetEnvironmentVariable("FHIRDEID_JOURNAL");
    private readonly string _folder = Path.Combine(Directory.CreateTempSubdirectory().FullName, "journal");

    public JournalTests()
    {
        Environment.SetEnvironmentVariable("FHIRDEID_JOURNAL", _folder);
        Connections.Set(_shell.Runspace, _connection);
    }

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("FHIRDEID_JOURNAL", _before);
        _shell.Dispose();
        Directory.Delete(Path.GetDirectoryName(_folder)!, recursive: true);
    }

    private string[] Entries => Directory.Exists(_folder) ? [.. Directory.EnumerateFiles(_folder)] : [];

    [Fact]
    public void An_export_is_noted_before_it_is_sent_and_with_its_status_URL_at_once()
    {
        string before = "";
        _connection.Starting = () => before = File.ReadAllText(Assert.Single(Entries));

        Run($"{Start} -ResourceType Patient -TypeFilter 'Patient?name=Lovelace'");

        Assert.DoesNotContain("StatusUri", before, StringComparison.Ordinal);
        Assert.Contains("a.json", before, StringComparison.Ordinal);
        string after = File.ReadAllText(Assert.Single(Entries));
        Assert.Contains("https://lab.example/_operations/export/1", after, StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Entries[0]));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder));
        }
    }

    [Fact]
    public void What_was_started_is_listed_in_another_session_as_it_stands_now()
    {
        Run(Start);
        _connection.Answer("1", export => { export.Status = FhirExportStatus.Completed; return export; });
        using Shell other = new();
        Connections.Set(other.Runspace, _connection);

        PSObject export = Assert.Single(other.Script("Get-FhirExport").Invoke());

        Assert.Equal(("1", FhirExportStatus.Completed, "research", "a.json"), ((string)export.Properties["JobId"].Value, (FhirExportStatus)export.Properties["Status"].Value,
            (string)export.Properties["Container"].Value, (string)export.Properties["ConfigName"].Value));
        Run("Get-FhirExport");
        Assert.Single(_connection.Asked);
    }

    [Fact]
    public void An_export_that_the_service_has_forgotten_is_listed_as_cancelled()
    {
        Run(Start);
        _connection.Answer("1", _ => throw new FhirDeidException("ExportNotFound", FhirDeidErrorCategory.ObjectNotFound, "Gone.", "Start it again."));

        FhirExport export = Assert.IsType<FhirExport>(Assert.Single(Run("Get-FhirExport")).BaseObject);

        Assert.Equal(FhirExportStatus.Cancelled, export.Status);
        Assert.Contains("no longer knows", Assert.Single(export.Issues), StringComparison.Ordinal);
    }

    [Fact]
    public void An_outage_shows_the_export_as_it_was_and_the_error()
    {
        Run(Start);
        _connection.Answer("1", _ => throw new FhirDeidException("Throttled", FhirDeidErrorCategory.ResourceUnavailable, "Busy.", "Wait.") { IsTransient = true });

        (Collection<PSObject> output, PSDataStreams streams) = Try("Get-FhirExport");

        Assert.Single(output);
        Assert.StartsWith("FhirDeid.Throttled", Assert.Single(streams.Error).FullyQualifiedErrorId, StringComparison.Ordinal);
    }

    [Fact]
    public void Exports_of_another_service_are_listed_without_asking_it()
    {
        Run(Start);
        _connection.Context.FhirServiceUri = new Uri("https://other.example");

        Assert.Single(Run("Get-FhirExport"));
        Assert.Empty(_connection.Asked);
    }

    [Theory]
    [InlineData("ExportUncertain", 1)]
    [InlineData("ExportRefused", 0)]
    [InlineData("EndpointUnreachable", 0)]
    public void Only_an_export_that_may_run_stays_noted(string id, int entries)
    {
        _connection.Starting = () => throw new FhirDeidException(id, FhirDeidErrorCategory.ResourceUnavailable, "No.", "Wait.");

        Try(Start);

        Assert.Equal(entries, Entries.Length);
        (Collection<PSObject> output, PSDataStreams streams) = Try("Get-FhirExport");
        Assert.Empty(output);
        if (entries > 0) Assert.Contains("it may run", Assert.Single(streams.Warning).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_start_that_is_cut_off_by_anything_else_stays_noted()
    {
        _connection.Starting = () => throw new InvalidOperationException();

        Assert.Single(Try(Start).Streams.Error);

        Assert.Single(Entries);
    }

    [Theory]
    [InlineData("FHIRDEID_JOURNAL", "off")]
    [InlineData("AUTOMATION_ASSET_SANDBOX_ID", "1")]
    [InlineData("AZUREPS_HOST_ENVIRONMENT", "AzureAutomation/")]
    public void Where_there_is_no_journal_the_object_is_enough(string variable, string value)
    {
        Environment.SetEnvironmentVariable("FHIRDEID_JOURNAL", null);
        Environment.SetEnvironmentVariable(variable, value);
        try
        {
            FhirExport export = Assert.IsType<FhirExport>(Assert.Single(Run(Start)).BaseObject);
            _connection.Answer("1", same => { same.Status = FhirExportStatus.Completed; return same; });

            Assert.Equal(FhirExportStatus.Completed, Assert.IsType<FhirExport>(Assert.Single(Run("$a | Wait-FhirExport", export)).BaseObject).Status);
            (Collection<PSObject> output, PSDataStreams streams) = Try("Get-FhirExport");
            Assert.Empty(output);
            Assert.Contains("no journal", Assert.Single(streams.Warning).Message, StringComparison.Ordinal);
        }
        finally
        {
            Environment.SetEnvironmentVariable(variable, null);
        }
    }

    [Theory]
    [InlineData("InProgress", "https://lab.example", 400, true)]
    [InlineData("Completed", "https://lab.example", 80, true)]
    [InlineData("Completed", "https://lab.example", 100, false)]
    [InlineData("InProgress", "https://127.0.0.1:5000", 0, true)]
    [InlineData("InProgress", "https://127.0.0.1:5000", 2, false)]
    public void What_has_ended_long_ago_is_forgotten(string status, string service, int days, bool kept)
    {
        Directory.CreateDirectory(_folder);
        File.WriteAllText(Path.Combine(_folder, "x.json"), $$"""{"JobId":"1","Status":"{{status}}","StatusUri":"{{service}}/1","FhirServiceUri":"{{service}}","StartedAt":"{{DateTimeOffset.UtcNow.AddDays(-days):O}}"}""");

        Assert.Equal(kept ? 1 : 0, Run("Get-FhirExport").Count);
        Assert.Equal(kept ? 1 : 0, Entries.Length);
    }

    [Fact]
    public void A_file_that_is_no_entry_is_passed_over()
    {
        Run(Start);
        File.WriteAllText(Path.Combine(_folder, "x.json"), "{");
        File.WriteAllText(Path.Combine(_folder, "y.json"), "null");
        _connection.Answer("1", same => same);

        Assert.Single(Run("Get-FhirExport"));
    }

    [Fact]
    public void An_export_from_the_pipeline_is_asked_for_and_anything_else_is_no_list()
    {
        Run(Start);
        FhirExport other = new() { JobId = "2", StatusUri = new Uri("https://lab.example/_operations/export/2"), Container = "other" };
        _connection.Answer("2", same => same);

        Assert.Equal(["2", "1"], Run("[PSCustomObject]@{ JobId = '2' }, [PSCustomObject]@{ JobId = '1' } | Get-FhirExport").Select(export => (string)export.Properties["JobId"].Value));
        Assert.Equal("2", Assert.IsType<FhirExport>(Assert.Single(Run("$a | Get-FhirExport", other)).BaseObject).JobId);
        Assert.StartsWith("FhirDeid.StatusUriInvalid", Assert.Single(Try("[PSCustomObject]@{ Container = 'x' } | Get-FhirExport").Streams.Error).FullyQualifiedErrorId, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stopped_export_is_noted_as_that()
    {
        PSObject export = Assert.Single(Run(Start));
        _connection.Answer("1", same => { same.Status = FhirExportStatus.Cancelled; return same; });
        Run("$a | Stop-FhirExport", export);

        Assert.Equal(FhirExportStatus.Cancelled, Assert.IsType<FhirExport>(Assert.Single(Run("Get-FhirExport")).BaseObject).Status);
        Assert.Single(_connection.Asked);
    }

    [Fact]
    public void A_removed_export_is_gone_from_the_journal_and_its_files_stay()
    {
        PSObject export = Assert.Single(Run(Start));
        _connection.Answer("1", Completed);

        Run("$a | Remove-FhirExport -WhatIf", export);
        Assert.Single(Entries);
        Assert.Empty(Run("$a | Remove-FhirExport -Confirm:$false", export));

        Assert.Empty(Entries);
        Assert.Single(_connection.Removed);
        Assert.Empty(_connection.Deleted);
    }

    [Fact]
    public void Files_are_deleted_only_by_the_switch_that_says_so_and_only_once_they_were_shown()
    {
        PSObject export = Assert.Single(Run(Start));
        _connection.Answer("1", Completed);

        Run("$a | Remove-FhirExport -DeleteFiles -WhatIf", export);
        string shown = _shell.Seen;
        Assert.Contains("https://x/a", shown, StringComparison.Ordinal);
        Assert.Contains("https://x/b", shown, StringComparison.Ordinal);
        Assert.Empty(_connection.Deleted);

        Run("$a | Remove-FhirExport -DeleteFiles -Confirm:$false", export);
        Assert.Equal(["https://x/a", "https://x/b"], _connection.Deleted.Select(file => file.AbsoluteUri));
        Assert.Empty(Entries);
    }

    [Fact]
    public void An_export_that_the_service_has_forgotten_is_removed_here_without_an_error()
    {
        PSObject export = Assert.Single(Run(Start));
        _connection.Answer("1", _ => throw new FhirDeidException("ExportNotFound", FhirDeidErrorCategory.ObjectNotFound, "Gone.", "Start it again."));

        (_, PSDataStreams streams) = Try("$a | Remove-FhirExport -DeleteFiles -Confirm:$false; $a | Remove-FhirExport -Confirm:$false", export);

        Assert.Empty(streams.Error);
        Assert.Contains("no list of files", Assert.Single(streams.Warning).Message, StringComparison.Ordinal);
        Assert.Empty(Entries);
        Assert.Empty(_connection.Deleted);
        Assert.Empty(_connection.Removed);
    }

    [Theory]
    [InlineData("ExportInProgress")]
    [InlineData("EndpointUnreachable")]
    public void An_export_that_runs_or_cannot_be_asked_for_is_not_removed(string id)
    {
        PSObject export = Assert.Single(Run(Start));
        _connection.Answer("1", same => id == "ExportInProgress" ? same : throw new FhirDeidException(id, FhirDeidErrorCategory.ConnectionError, "No.", "Wait.") { IsTransient = true });

        Assert.StartsWith($"FhirDeid.{id},", Assert.Single(Try("$a | Remove-FhirExport -DeleteFiles -Confirm:$false", export).Streams.Error).FullyQualifiedErrorId, StringComparison.Ordinal);

        Assert.Single(Entries);
        Assert.Empty(_connection.Removed);
    }

    [Fact]
    public void A_start_that_was_cut_off_is_not_started_again_without_a_word()
    {
        _connection.Starting = () => throw new FhirDeidException("ExportUncertain", FhirDeidErrorCategory.ResourceUnavailable, "No answer.", "Look.");
        Try(Start);
        _connection.Starting = () => { };

        ErrorRecord error = Assert.Single(Try(Start).Streams.Error);
        Assert.StartsWith("FhirDeid.ExportUncertain,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Contains("research", error.ToString(), StringComparison.Ordinal);
        Assert.Contains("-Force", error.ToString(), StringComparison.Ordinal);
        Assert.Empty(_connection.Started);
        Assert.Single(Run("Start-FhirDeidExport other -ConfigName a.json -ConfigETag b"));

        Assert.Single(Run(Start + " -Force"));
        Assert.Equal(2, _connection.Started.Count);
        Assert.Empty(Try("Get-FhirExport").Streams.Warning);
        Assert.Single(Run(Start));
    }

    [Fact]
    public void The_next_days_export_is_started_and_the_one_that_was_cut_off_still_told()
    {
        _connection.Starting = () => throw new FhirDeidException("ExportUncertain", FhirDeidErrorCategory.ResourceUnavailable, "No answer.", "Look.");
        Try(Start);
        _connection.Starting = () => { };
        string entry = Assert.Single(Entries), noted = File.ReadAllText(entry);
        File.WriteAllText(entry, System.Text.RegularExpressions.Regex.Replace(noted, "(\"StartedAt\": \")[^\"]*", "${1}" + DateTimeOffset.UtcNow.AddHours(-20).ToString("O")));

        (Collection<PSObject> output, PSDataStreams streams) = Try(Start);

        Assert.Single(output);
        Assert.Contains("it may run", Assert.Single(streams.Warning).Message, StringComparison.Ordinal);
        Assert.Equal(2, Entries.Length);
    }

    [Fact]
    public void A_start_that_was_cut_off_is_known_again_once_its_export_is_found()
    {
        _connection.Starting = () => throw new FhirDeidException("ExportUncertain", FhirDeidErrorCategory.ResourceUnavailable, "No answer.", "Look.");
        Try(Start);
        Func<FhirExport, FhirExport> found(string container, TimeSpan ago) => export =>
        {
            Completed(export);
            export.TransactionTime = DateTimeOffset.UtcNow - ago;
            export.Request = new Uri($"https://lab.example/$export?_container={container}&_anonymizationConfig=a%2Ejson");
            return export;
        };
        _connection.Answer("6", found("other", default)).Answer("7", found("research", TimeSpan.FromDays(1))).Answer("8", found("research", TimeSpan.FromMinutes(1)));

        Run("Get-FhirExport -JobId 6; Get-FhirExport -JobId 7");
        Assert.Single(Try("Get-FhirExport").Streams.Warning);

        Run("Get-FhirExport -JobId 8");
        (Collection<PSObject> output, PSDataStreams streams) = Try("Get-FhirExport");
        FhirExport known = Assert.IsType<FhirExport>(Assert.Single(output).BaseObject);
        Assert.Equal(("8", "research", "a.json", "b"), (known.JobId, known.Container, known.ConfigName, known.ConfigETag));
        Assert.Empty(streams.Warning);
    }

    [Fact]
    public void The_list_needs_no_connection_and_says_what_was_not_asked()
    {
        Run(Start);
        Connections.Remove(_shell.Runspace);

        (Collection<PSObject> output, PSDataStreams streams) = Try("Get-FhirExport");

        Assert.Equal(FhirExportStatus.InProgress, Assert.IsType<FhirExport>(Assert.Single(output).BaseObject).Status);
        Assert.Contains("not connected", Assert.Single(streams.Warning).Message, StringComparison.Ordinal);
        Assert.Empty(_connection.Asked);
        Assert.StartsWith("FhirDeid.NotConnected,", Assert.Single(Try("Get-FhirExport -JobId 1").Streams.Error).FullyQualifiedErrorId, StringComparison.Ordinal);
    }

    [Fact]
    public void An_id_is_one_of_the_connected_service()
    {
        Assert.StartsWith("FhirDeid.ForeignUrl,", Assert.Single(Try("[PSCustomObject]@{ JobId = '1'; FhirServiceUri = 'https://other.example' } | Get-FhirExport").Streams.Error).FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Empty(_connection.Asked);

        Run("[PSCustomObject]@{ JobId = '1'; FhirServiceUri = 'https://lab.example/' } | Get-FhirExport");
        Assert.Single(_connection.Asked);
    }

    [Fact]
    public void An_export_of_a_server_without_numbers_goes_through_the_pipeline_and_is_found_by_the_id_that_the_journal_knows()
    {
        FhirExport export = new() { JobId = "3f-x", StatusUri = new Uri("https://lab.example/$export-poll-status?_jobId=3f-x"), FhirServiceUri = new Uri("https://lab.example"), Container = "research", StartedAt = DateTimeOffset.UtcNow };
        _connection.Answer("3f-x", same => same);
        Assert.StartsWith("FhirDeid.StatusUriInvalid,", Assert.Single(Try("Get-FhirExport -JobId 3f-x").Streams.Error).FullyQualifiedErrorId, StringComparison.Ordinal);

        ExportJournal.Open()!.Begin(export);
        Run("$a | Get-FhirExport; Get-FhirExport -JobId 3f-x; Wait-FhirExport 'https://lab.example/$export-poll-status?_jobId=3f-x' -TimeoutSeconds 0", export);

        Assert.Equal(Enumerable.Repeat(("3f-x", export.StatusUri), 3), _connection.Asked.Select(asked => (asked.JobId, asked.StatusUri!)));
    }

    [Fact]
    public void An_export_named_by_its_id_or_URL_alone_has_to_be_what_the_journal_knows()
    {
        Run(Start);
        _connection.Answer("1", same => same);

        Run("Get-FhirExport -JobId 1; Get-FhirExport https://lab.example/_operations/export/1; Wait-FhirExport https://lab.example/_operations/export/1 -TimeoutSeconds 0");

        Assert.Equal([("research", "a.json"), ("research", "a.json"), ("research", "a.json")], _connection.Asked.Select(asked => (asked.Container, asked.ConfigName)));
    }

    [Fact]
    public void What_was_found_not_to_be_de_identified_stays_so_in_the_list()
    {
        PSObject export = Assert.Single(Run(Start));
        _connection.Answer("1", Completed);
        _connection.Findings = () => ["Line 1 of Patient has no label"];
        Try("$a | Wait-FhirExport", export);

        Run("Get-FhirExport -JobId 1");

        Assert.Equal(FhirExportStatus.NotDeidentified, Assert.IsType<FhirExport>(Assert.Single(Run("Get-FhirExport")).BaseObject).Status);
    }

    [Fact]
    public void What_a_saved_export_says_of_itself_is_not_written_down_while_the_service_is_out_of_reach()
    {
        PSObject saved = Assert.Single(Run(Start));
        ((FhirExport)saved.BaseObject).Status = FhirExportStatus.Completed;
        string before = File.ReadAllText(Assert.Single(Entries));
        _connection.Answer("1", _ => throw new FhirDeidException("EndpointUnreachable", FhirDeidErrorCategory.ConnectionError, "Nothing listens.", "Wait.") { IsTransient = true });

        (Collection<PSObject> output, PSDataStreams streams) = Try("$a | Wait-FhirExport -TimeoutSeconds 1", saved);

        Assert.Equal(FhirExportStatus.InProgress, Assert.IsType<FhirExport>(Assert.Single(output).BaseObject).Status);
        Assert.StartsWith("FhirDeid.EndpointUnreachable,", Assert.Single(streams.Error).FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllText(Assert.Single(Entries)));
    }

    [Fact]
    public void What_a_killed_process_has_left_half_written_is_cleared_away()
    {
        Directory.CreateDirectory(_folder);
        string old = Path.Combine(_folder, "x.json.1.partial"), young = Path.Combine(_folder, "y.json.2.partial");
        foreach (string file in (string[])[old, young]) File.WriteAllText(file, "{");
        File.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddHours(-2));

        Run(Start);

        Assert.False(File.Exists(old));
        Assert.True(File.Exists(young));
    }

    [Fact]
    public void Where_no_journal_can_be_written_the_object_is_enough()
    {
        string file = Path.Combine(Path.GetDirectoryName(_folder)!, "file");
        File.WriteAllText(file, "");
        Environment.SetEnvironmentVariable("FHIRDEID_JOURNAL", Path.Combine(file, "journal"));
        _connection.Answer("1", Completed);

        Assert.Equal("Completed", Assert.Single(Run($"{Start} | Wait-FhirExport")).Properties["Status"].Value.ToString());
        Run($"{Start} | Remove-FhirExport -Confirm:$false");
        Assert.Contains("no journal", Assert.Single(Try("Get-FhirExport").Streams.Warning).Message, StringComparison.Ordinal);
    }

    private static FhirExport Completed(FhirExport export)
    {
        export.Status = FhirExportStatus.Completed;
        export.TransactionTime = DateTimeOffset.UnixEpoch;
        export.Output = [new() { Type = "Patient", Url = new Uri("https://x/a") }, new() { Type = "Patient", Url = new Uri("https://x/b") }];
        return export;
    }

    private Collection<PSObject> Run(string script, params object[] arguments)
    {
        (Collection<PSObject> output, PSDataStreams streams) = Try(script, arguments);
        Assert.Empty(streams.Error.Select(error => $"{error.FullyQualifiedErrorId}: {error}"));
        return output;
    }

    private (Collection<PSObject> Output, PSDataStreams Streams) Try(string script, params object[] arguments)
    {
        System.Management.Automation.PowerShell shell = _shell.Script(script, arguments);
        return (shell.Invoke(), shell.Streams);
    }
}
