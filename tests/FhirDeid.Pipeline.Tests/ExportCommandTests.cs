using System.Collections.ObjectModel;
using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Security;
using System.Text.Json;
using FhirDeid.PowerShell.Connect;
using FhirDeid.PowerShell.Export;

namespace FhirDeid.Tests;

/// <summary>The cmdlets of an export, against a connection that answers what the test says.</summary>
[Collection("Exports in the journal of the run")]
public sealed class ExportCommandTests : IDisposable
{
    private readonly StandInConnection _connection = new();
    private readonly Shell _shell = new();
    private readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    public ExportCommandTests() => Connections.Set(_shell.Runspace, _connection);

    public void Dispose()
    {
        _shell.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void A_published_configuration_starts_an_export_into_the_container_named()
    {
        Run("""
            [FhirDeid.PublishedAnonymizationConfig]@{ ConfigName = 'study.json'; ConfigETag = '"0x1"'; ConfigSha256 = 'ab' } |
                Start-FhirDeidExport -Container research -ResourceType Patient, Observation -Since 2026-01-01Z
            """);

        FhirExportRequest request = Assert.Single(_connection.Started);
        Assert.Equal(("research", "study.json", "\"0x1\""), (request.Container, request.ConfigName, request.ConfigETag));
        Assert.Equal("ab", request.ConfigSha256);
        Assert.Equal(["Patient", "Observation"], request.ResourceType);
        Assert.Equal(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), request.Since);
    }

    [Theory]
    [InlineData("th-TH")]
    [InlineData("fa-IR")]
    [InlineData("ar-SA")]
    public void The_same_text_is_the_same_day_in_every_calendar(string culture)
    {
        Run("[cultureinfo]::CurrentCulture = $a; Start-FhirDeidExport research -ConfigName a -ConfigETag b -Since 2026-01-01Z -Until 2026-02-01T00:00:00Z", culture);

        FhirExportRequest request = Assert.Single(_connection.Started);
        Assert.Equal(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), request.Since);
        Assert.Equal(new DateTimeOffset(2026, 2, 1, 0, 0, 0, TimeSpan.Zero), request.Until);
    }

    [Theory]
    [InlineData("live")]
    [InlineData("Clixml")]
    [InlineData("JSON")]
    public void An_earlier_export_is_what_to_go_on_from(string way)
    {
        FhirExport previous = Ended(Export("1"), FhirExportStatus.Completed);
        previous.TransactionTime = new DateTimeOffset(2026, 2, 3, 4, 5, 6, TimeSpan.Zero);

        Run("Start-FhirDeidExport research -ConfigName a -ConfigETag b -Since $a", Arrived(previous, way));

        Assert.Equal(previous.TransactionTime, Assert.Single(_connection.Started).Since);
    }

    [Fact]
    public void An_earlier_export_that_has_not_completed_is_nothing_to_go_on_from()
    {
        Assert.Contains("has not completed", Assert.Single(Try("Start-FhirDeidExport research -ConfigName a -ConfigETag b -Since $a", Export("1")).Streams.Error).ToString(), StringComparison.Ordinal);
        Assert.Empty(_connection.Started);
    }

    [Fact]
    public void All_that_an_export_can_be_of_goes_into_the_request()
    {
        Run("""
            Start-FhirDeidExport research -ConfigName a -ConfigCollectionReference r.azurecr.io/c@sha256:00 -ResourceType Patient -TypeFilter 'Patient?gender=female' -NoParallel
            Start-FhirDeidExport research -ConfigName a -ConfigETag b -IncludeHistory -IncludeDeleted
            """);

        FhirExportRequest one = _connection.Started[0], other = _connection.Started[1];
        Assert.Equal(("r.azurecr.io/c@sha256:00", "Patient?gender=female", true), (one.ConfigCollectionReference, Assert.Single(one.TypeFilter), one.NoParallel));
        Assert.Equal((true, true, false), (other.IncludeHistory, other.IncludeDeleted, other.NoParallel));
    }

    [Theory]
    [InlineData("-ConfigName a -ConfigCollectionReference r.azurecr.io/c:latest", "The tag of an image can move")]
    [InlineData("-DeidentifyLocally", "not de-identified")]
    public void What_is_not_pinned_or_not_de_identified_is_warned_of(string arguments, string warning)
    {
        (_, PSDataStreams streams) = Try($"Start-FhirDeidExport research {arguments}");

        Assert.Empty(streams.Error);
        Assert.Contains(warning, Assert.Single(streams.Warning).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatIf_prints_the_request_and_sends_nothing()
    {
        Run("Start-FhirDeidExport research -ConfigName a -ConfigETag b -WhatIf");

        Assert.Contains("GET https://lab.example/$export?_container=research&_anonymizationConfig=a", _shell.Seen, StringComparison.Ordinal);
        Assert.Empty(_connection.Started);
    }

    [Fact]
    public void Resources_without_a_label_are_warned_of()
    {
        FhirExport export = Ended(Export("1"), FhirExportStatus.Completed);
        Assert.Empty(Try("$a | Receive-FhirExport $b -AllowNotDeidentified", export, Path.Combine(_folder, "labelled")).Streams.Warning);

        _connection.Unlabelled = 1;
        Assert.Contains("-2.ndjson: 1 of 1", Assert.Single(Try("$a | Receive-FhirExport $b -AllowNotDeidentified", export, _folder).Streams.Warning).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_nobody_knows_which_resources_bear_labels_every_one_has_to()
    {
        FhirExport export = Ended(Export("1"), FhirExportStatus.Completed);

        Assert.Contains("every one has to", Assert.Single(Try("$a | Receive-FhirExport $b", export, _folder).Streams.Warning).Message, StringComparison.Ordinal);
        Assert.Contains("every one has to", Assert.Single(Try("$a | Read-FhirExport", export).Streams.Warning).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Resources_that_could_not_be_de_identified_are_warned_of()
    {
        FhirExport export = Ended(Export("1"), FhirExportStatus.Completed);
        _connection.Failed = [new DeidentificationFailure { Path = "Patient-1.ndjson", Line = 7, ResourceType = "Patient", Reason = "it is too strange" }];

        string warning = Assert.Single(Try("$a | Receive-FhirExport $b -AllowNotDeidentified", export, _folder).Streams.Warning).Message;

        Assert.StartsWith("FhirDeid.ResourcesReplaced: ", warning, StringComparison.Ordinal);
        Assert.EndsWith(" Patient-1.ndjson, line 7: Patient: it is too strange.", warning, StringComparison.Ordinal);
    }

    [Fact]
    public void The_container_of_the_keys_is_warned_of()
    {
        (_, PSDataStreams streams) = Try("Start-FhirDeidExport Anonymization -ConfigName a -ConfigETag b");
        Assert.Contains("keys", Assert.Single(streams.Warning).Message, StringComparison.Ordinal);

        (_, streams) = Try("Start-FhirDeidExport research -ConfigName a -ConfigETag b");
        Assert.Empty(streams.Warning);
    }

    [Fact]
    public void A_blank_configuration_from_the_pipeline_starts_nothing()
    {
        (_, PSDataStreams streams) = Try("[FhirDeid.PublishedAnonymizationConfig]@{ ConfigName = ''; ConfigETag = 'x'; ConfigSha256 = 'y' } | Start-FhirDeidExport -Container research");

        Assert.StartsWith("ParameterArgumentValidationError,", Assert.Single(streams.Error).FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Empty(_connection.Started);
    }

    [Fact]
    public void Waiting_ends_when_the_export_does()
    {
        _connection.Answer("1", Same, export => Ended(export, FhirExportStatus.Completed));

        Assert.Equal(FhirExportStatus.Completed, Assert.Single(Wait(Export("1"))).Status);
        Assert.Equal(2, _connection.Asked.Count);
    }

    [Fact]
    public void Several_exports_are_waited_for_at_once()
    {
        _connection.Answer("1", Same, Same, export => Ended(export, FhirExportStatus.Completed))
            .Answer("2", export => Ended(export, FhirExportStatus.Completed));

        Assert.Equal(["2", "1"], Wait(Export("1"), Export("2")).Select(export => export.JobId));
    }

    [Fact]
    public async Task A_wait_that_is_stopped_says_how_to_go_on()
    {
        TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _connection.Answer("1", export =>
        {
            asked.TrySetResult();
            return export;
        });
        using System.Management.Automation.PowerShell shell = _shell.Script("$a | Wait-FhirExport", Export("1"));
        Task running = shell.InvokeAsync();
        await asked.Task;

        await shell.StopAsync(null, null);

        await Assert.ThrowsAsync<PipelineStoppedException>(() => running);
        Assert.Contains("The export goes on in the service. Wait for it again with Wait-FhirExport https://lab.example/_operations/export/1,", await SeenAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_start_that_is_stopped_before_the_answer_says_what_to_look_for()
    {
        TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _connection.Answering = stop =>
        {
            asked.TrySetResult();
            return Task.Delay(Timeout.Infinite, stop);
        };
        using System.Management.Automation.PowerShell shell = _shell.Script("Start-FhirDeidExport stopped -ConfigName a -ConfigETag b | Wait-FhirExport");
        Task running = shell.InvokeAsync();
        await asked.Task;

        await shell.StopAsync(null, null);

        await Assert.ThrowsAsync<PipelineStoppedException>(() => running);
        Assert.Contains("container 'stopped'", Assert.Single((await SeenAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    /// <summary>What the user sees: PowerShell can call a pipeline stopped while a command still says its last word.</summary>
    private async Task<string> SeenAsync()
    {
        string seen = _shell.Seen;
        for (int i = 0; i < 500 && !seen.EndsWith('\n'); i++)
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
            seen += _shell.Seen;
        }
        return seen;
    }

    [Fact]
    public void A_wait_that_times_out_returns_the_export_as_it_stands_and_no_error()
    {
        _connection.Answer("1", Same);

        Assert.Equal(FhirExportStatus.InProgress, Assert.Single(Wait("-TimeoutSeconds 0", Export("1"))).Status);
        Assert.Single(_connection.Asked);
        Assert.Equal(FhirExportStatus.InProgress, Assert.Single(Wait("-TimeoutSeconds 2", Export("1"))).Status);
    }

    [Theory]
    [InlineData("Throttled")]
    [InlineData("ServiceUnavailable")]
    [InlineData("EndpointUnreachable")]
    public void An_outage_is_warned_of_once_and_waited_for(string id)
    {
        FhirExport Fail(FhirExport export) => throw new FhirDeidException(id, FhirDeidErrorCategory.ResourceUnavailable, "Not now.", "Wait.") { IsTransient = true };
        _connection.Answer("1", Fail, Fail, export => Ended(export, FhirExportStatus.Completed));

        (Collection<PSObject> output, PSDataStreams streams) = Try("$a | Wait-FhirExport", Export("1"));

        Assert.Equal("Completed", Assert.Single(output).Properties["Status"].Value.ToString());
        Assert.Contains("Not now.", Assert.Single(streams.Warning).Message, StringComparison.Ordinal);
        Assert.Empty(streams.Error);
    }

    [Fact]
    public void An_error_of_one_export_does_not_end_the_waiting_for_another()
    {
        _connection.Answer("1", _ => throw new FhirDeidException("ExportNotFound", FhirDeidErrorCategory.ObjectNotFound, "Gone.", "Start it again."))
            .Answer("2", Same, export => Ended(export, FhirExportStatus.Completed));

        (Collection<PSObject> output, PSDataStreams streams) = Try("$a, $b | Wait-FhirExport", Export("1"), Export("2"));

        Assert.Equal("2", Assert.Single(output).Properties["JobId"].Value);
        Assert.StartsWith("FhirDeid.ExportNotFound,", Assert.Single(streams.Error).FullyQualifiedErrorId, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(FhirExportStatus.Failed, "FhirDeid.ExportFailed")]
    [InlineData(FhirExportStatus.NotDeidentified, "FhirDeid.NotDeidentified")]
    public void An_export_that_is_no_good_is_returned_with_an_error_and_not_received(FhirExportStatus status, string id)
    {
        _connection.Answer("1", export => Ended(export, status));

        (Collection<PSObject> output, PSDataStreams streams) = Try("$a | Wait-FhirExport | Receive-FhirExport -Destination $b", Export("1"), _folder);
        Assert.Empty(output);
        Assert.Equal([$"{id},FhirDeid.PowerShell.Export.WaitFhirExportCommand", $"{id},FhirDeid.PowerShell.Export.ReceiveFhirExportCommand"],
            streams.Error.Select(error => error.FullyQualifiedErrorId).Order(StringComparer.Ordinal).Reverse());
        Assert.Empty(_connection.Received);

        (output, _) = Try("$a | Wait-FhirExport -ErrorAction SilentlyContinue", Export("1"));
        Assert.Equal(status, Assert.IsType<FhirExport>(Assert.Single(output).BaseObject).Status);
    }

    [Fact]
    public void Issues_of_a_completed_export_are_warned_of()
    {
        _connection.Answer("1", export => Ended(export, FhirExportStatus.CompletedWithErrors, "first", "second"));

        (Collection<PSObject> output, PSDataStreams streams) = Try("$a | Wait-FhirExport", Export("1"));

        Assert.Single(output);
        Assert.Equal(["Export 1: first", "Export 1: second"], streams.Warning.Select(warning => warning.Message));
        Assert.Empty(streams.Error);
    }

    [Fact]
    public void Files_go_into_a_folder_of_the_owner_alone()
    {
        Run("$a | Receive-FhirExport $b -Unique", Ended(Export("1"), FhirExportStatus.Completed), Path.Combine(_folder, "new"));

        Assert.Equal((Path.Combine(_folder, "new"), true, false), (_connection.Options!.Destination, _connection.Options.Unique, _connection.Options.AllowNotDeidentified));
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, System.IO.File.GetUnixFileMode(Path.Combine(_folder, "new")));
        }
    }

    [Fact]
    public void What_a_saved_export_says_of_itself_is_not_believed()
    {
        FhirExport saved = Ended(Export("1"), FhirExportStatus.Completed);
        _connection.Answer("1", export => Ended(export, FhirExportStatus.NotDeidentified, "no proof"));

        Fails("FhirDeid.NotDeidentified", "$a | Receive-FhirExport $b", saved, _folder);
        Fails("FhirDeid.NotDeidentified", "$a | Read-FhirExport", saved);
        Assert.Empty(_connection.Received);

        Run("$a | Receive-FhirExport $b -AllowNotDeidentified", saved, _folder);
        Assert.True(_connection.Options!.AllowNotDeidentified);
    }

    [Fact]
    public void An_export_that_the_service_has_forgotten_is_received_only_where_no_proof_is_asked_for()
    {
        FhirExport saved = Ended(Export("1"), FhirExportStatus.Completed);
        _connection.Answer("1", _ => throw new FhirDeidException("ExportNotFound", FhirDeidErrorCategory.ObjectNotFound, "Gone.", "Start it again."));

        Fails("FhirDeid.ExportNotFound", "$a | Receive-FhirExport $b", saved, _folder);
        Run("$a | Receive-FhirExport $b -AllowNotDeidentified", saved, _folder);
        Assert.Single(_connection.Received);
    }

    [Fact]
    public void Files_without_their_labels_make_an_export_one_that_is_not_de_identified()
    {
        _connection.Findings = () => ["Line 1 of Patient has no label"];
        _connection.Answer("1", export => Ended(export, FhirExportStatus.Completed));

        (Collection<PSObject> output, PSDataStreams streams) = Try("$a | Wait-FhirExport", Export("1"));

        FhirExport export = Assert.IsType<FhirExport>(Assert.Single(output).BaseObject);
        Assert.Equal((FhirExportStatus.NotDeidentified, "Line 1 of Patient has no label"), (export.Status, Assert.Single(export.Issues)));
        Assert.Contains("Line 1 of Patient", Assert.Single(streams.Error).ToString(), StringComparison.Ordinal);
        Assert.True(Try("$a | New-ExportSasToken", Ended(Export("1"), FhirExportStatus.Completed)).Streams.Error.Count == 0 && _connection.Shared[^1].Export!.Status == FhirExportStatus.NotDeidentified);
    }

    [Fact]
    public void Files_that_may_not_be_looked_at_are_warned_of()
    {
        _connection.Findings = () => throw new FhirDeidException("StorageForbidden", FhirDeidErrorCategory.PermissionDenied, "No role.", "Get one.");
        _connection.Answer("1", export => Ended(export, FhirExportStatus.Completed));

        (Collection<PSObject> output, PSDataStreams streams) = Try("$a | Wait-FhirExport", Export("1"));

        Assert.Equal(FhirExportStatus.Completed, Assert.IsType<FhirExport>(Assert.Single(output).BaseObject).Status);
        Assert.Contains("No role.", Assert.Single(streams.Warning).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Duplicates_are_told_at_the_end()
    {
        _connection.Duplicates = 2;

        (_, PSDataStreams streams) = Try("$a | Receive-FhirExport $b -AllowNotDeidentified", Ended(Export("1"), FhirExportStatus.Completed), _folder);

        Assert.Contains("2 resources more than once", Assert.Single(streams.Warning).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_running_export_is_asked_for_again_and_not_received()
    {
        _connection.Answer("1", Same);

        Fails("FhirDeid.ExportInProgress", "$a | Receive-FhirExport -Destination $b", Export("1"), _folder);
        Assert.Single(_connection.Asked);
    }

    [Fact]
    public void WhatIf_downloads_nothing()
    {
        Run("$a | Receive-FhirExport -Destination $b -WhatIf", Ended(Export("1"), FhirExportStatus.Completed), Path.Combine(_folder, "new"));

        Assert.Empty(_connection.Received);
        Assert.False(Directory.Exists(Path.Combine(_folder, "new")));
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_named()
    {
        string file = Path.Combine(_folder, "file");
        System.IO.File.WriteAllText(file, "");

        Fails("FhirDeid.FileUnwritable", "$a | Receive-FhirExport -Destination $b", Ended(Export("1"), FhirExportStatus.Completed), Path.Combine(file, "below"));
    }

    [Theory]
    [InlineData("live")]
    [InlineData("Clixml")]
    [InlineData("JSON")]
    public void An_export_binds_property_by_property_however_it_comes_back(string way)
    {
        FhirExport export = Ended(Export("1"), FhirExportStatus.CompletedWithErrors, "an issue");
        export.TransactionTime = new DateTimeOffset(2026, 2, 3, 4, 5, 6, TimeSpan.Zero);
        export.Request = new Uri("https://lab.example/$export?_container=research");
        export.Output = [File("Patient", "https://x/a"), File("Observation", "https://x/b")];
        object arrived = Arrived(export, way);
        _connection.Answer("1", Same);

        Run("$a | Wait-FhirExport -TimeoutSeconds 0 -WarningAction SilentlyContinue", arrived);

        Assert.Equal(JsonSerializer.Serialize(export), JsonSerializer.Serialize(Assert.Single(_connection.Asked)));
    }

    [Fact]
    public void A_status_URL_alone_is_enough_to_wait()
    {
        _connection.Answer("1", export => Ended(export, FhirExportStatus.Completed));

        Run("Wait-FhirExport -StatusUri https://lab.example/_operations/export/1");

        Assert.Equal("1", Assert.Single(_connection.Asked).JobId);
    }

    [Theory]
    [InlineData("[PSCustomObject]@{ Token = $token }")]
    [InlineData("[PSCustomObject]@{ Token = [PSObject]$token }")]
    [InlineData("[PSCustomObject]@{ Token = 'token' }")]
    public void A_token_of_the_Az_session_comes_from_a_command_of_the_session(string result)
    {
        SecureString? token = null;
        Func<FhirDeid.PowerShell.Pipeline.IPipeline, object?, CancellationToken, Task> body = async (_, _, cancellation) =>
            token = await Task.Run(() => AzSession.TokenAsync("https://lab.example", cancellation), cancellation);

        Run($$"""
            $token = [System.Security.SecureString]::new(); 'token'.ToCharArray() | ForEach-Object { $token.AppendChar($_) }
            function Get-AzAccessToken { param($ResourceUrl) if ($ResourceUrl -ne 'https://lab.example') { throw 'audience' }; {{result}} }
            Test-Body -Body $a
            """, body);

        Assert.Equal("token", new System.Net.NetworkCredential("", token).Password);
    }

    [Theory]
    [InlineData("", "FhirDeid.AzMissing")]
    [InlineData("function Get-AzAccessToken { param($ResourceUrl) throw 'Run Connect-AzAccount to login.' }", "FhirDeid.AuthenticationFailed")]
    [InlineData("function Get-AzAccessToken { param($ResourceUrl) }", "FhirDeid.AuthenticationFailed")]
    public void An_Az_session_without_a_token_is_named(string function, string id)
    {
        Func<FhirDeid.PowerShell.Pipeline.IPipeline, object?, CancellationToken, Task> body = (_, _, cancellation) => AzSession.TokenAsync("https://lab.example", cancellation);

        Fails(id, $"{function}; Test-Body -Body $a", body);
    }

    private static object Arrived(FhirExport export, string way) => way switch
    {
        "Clixml" => PSSerializer.Deserialize(PSSerializer.Serialize(export, 2)),
        "JSON" => AfterJson(export),
        _ => export,
    };

    private static FhirExport Same(FhirExport export) => export;

    private static FhirExport Export(string job) => new()
    {
        JobId = job,
        StatusUri = new Uri("https://lab.example/_operations/export/" + job),
        FhirServiceUri = new Uri("https://lab.example/fhir"),
        StorageAccountName = "labexports",
        Container = "research",
        ConfigName = "study.json",
        ConfigETag = "\"0x1\"",
        ConfigSha256 = "abc",
        StartedAt = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
    };

    private static FhirExport Ended(FhirExport export, FhirExportStatus status, params string[] issues)
    {
        export.Status = status;
        export.Issues = issues;
        export.Output = [File("Patient", "https://x/a")];
        return export;
    }

    private static FhirExportFile File(string type, string url) => new() { Type = type, Url = new Uri(url), Count = 1 };

    /// <summary>What ConvertFrom-Json makes of ConvertTo-Json: text, numbers and property bags. Those commands are not in this host.</summary>
    private static PSObject AfterJson(FhirExport export)
    {
        PSObject result = new();
        foreach (PSPropertyInfo property in PSObject.AsPSObject(export).Properties)
        {
            object? value = property.Value switch
            {
                Uri uri => uri.ToString(),
                DateTimeOffset time => time.UtcDateTime,
                Enum status => Convert.ToInt64(status, null),
                FhirExportFile[] files => files.Select(file =>
                {
                    PSObject bag = new();
                    bag.Properties.Add(new PSNoteProperty("Type", file.Type));
                    bag.Properties.Add(new PSNoteProperty("Url", file.Url!.ToString()));
                    bag.Properties.Add(new PSNoteProperty("Count", file.Count));
                    return (object)bag;
                }).ToArray(),
                string[] texts => texts.Cast<object>().ToArray(),
                object other => other,
                null => null,
            };
            result.Properties.Add(new PSNoteProperty(property.Name, value));
        }
        return result;
    }

    private IEnumerable<FhirExport> Wait(params FhirExport[] exports) => Wait("", exports);

    private IEnumerable<FhirExport> Wait(string parameters, params FhirExport[] exports) =>
        Run($"$a | Wait-FhirExport {parameters}", [exports]).Select(export => (FhirExport)export.BaseObject);

    private Collection<PSObject> Run(string script, params object[] arguments)
    {
        (Collection<PSObject> output, PSDataStreams streams) = Try(script, arguments);
        Assert.Empty(streams.Error.Select(error => $"{error.FullyQualifiedErrorId}: {error}"));
        return output;
    }

    private void Fails(string id, string script, params object[] arguments) =>
        Assert.StartsWith(id + ",", Assert.Single(Try(script, arguments).Streams.Error).FullyQualifiedErrorId, StringComparison.Ordinal);

    private (Collection<PSObject> Output, PSDataStreams Streams) Try(string script, params object[] arguments)
    {
        System.Management.Automation.PowerShell shell = _shell.Script(script, arguments);
        return (shell.Invoke(), shell.Streams);
    }
}
