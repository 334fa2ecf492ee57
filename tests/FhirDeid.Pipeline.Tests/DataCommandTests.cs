using System.Collections.ObjectModel;
using System.Management.Automation;
using FhirDeid.PowerShell.Connect;

namespace FhirDeid.Tests;

/// <summary>The cmdlets that read, cancel, list and share, against a connection that answers what the test says.</summary>
[Collection("Exports in the journal of the run")]
public sealed class DataCommandTests : IDisposable
{
    private const string Secret = "c2VjcmV0";

    private readonly StandInConnection _connection = new();
    private readonly Shell _shell = new();

    public DataCommandTests() => Connections.Set(_shell.Runspace, _connection);

    public void Dispose() => _shell.Dispose();

    [Fact]
    public void Resources_are_written_as_text_one_by_one()
    {
        _connection.Lines.AddRange(["{\"a\":1}", "{\"a\":2}"]);

        Assert.Equal(["{\"a\":1}", "{\"a\":2}"], Run("$a | Read-FhirExport", Completed()).Select(line => (string)line.BaseObject));
        Assert.Equal(["{\"a\":1}", "{\"a\":2}"], Run("$a | Read-FhirExport -ResourceType Patient", Completed()).Select(line => (string)line.BaseObject));
        Assert.Empty(Run("$a | Read-FhirExport -ResourceType Observation", Completed()));
    }

    [Theory]
    [InlineData("$a | Read-FhirExport | Test-First")]
    [InlineData("foreach ($once in 1) { $a | Read-FhirExport | ForEach-Object { $_; break } }")]
    public void A_reader_that_has_enough_ends_the_reading(string script)
    {
        for (int i = 0; i < 10_000; i++) _connection.Lines.Add("{}");

        Assert.Single(Run(script, Completed()));

        Assert.True(_connection.ReadingEnded);
        Assert.InRange(_connection.LinesRead, 1, 3);
    }

    [Fact]
    public void Objects_keep_texts_and_digits_as_they_are()
    {
        _connection.Lines.Add("""{"resourceType":"Observation","when":"2026-01-02T03:04:05Z","n":3,"d":1.50,"huge":1e300,"no":null,"yes":true,"list":[{"x":"a"},2],"empty":[]}""");

        PSObject resource = Assert.Single(Run("$a | Read-FhirExport -AsObject", Completed()));

        Assert.Equal(["resourceType", "when", "n", "d", "huge", "no", "yes", "list", "empty"], resource.Properties.Select(property => property.Name));
        Assert.Equal("2026-01-02T03:04:05Z", resource.Properties["when"].Value);
        Assert.Equal((3L, 1e300, null, true), (resource.Properties["n"].Value, resource.Properties["huge"].Value, resource.Properties["no"].Value, resource.Properties["yes"].Value));
        Assert.Equal("1.50", Assert.IsType<decimal>(resource.Properties["d"].Value).ToString(System.Globalization.CultureInfo.InvariantCulture));
        object?[] list = Assert.IsType<object?[]>(resource.Properties["list"].Value);
        Assert.Equal(("a", 2L), (((PSObject)list[0]!).Properties["x"].Value, list[1]));
        Assert.Empty(Assert.IsType<object?[]>(resource.Properties["empty"].Value));
    }

    [Theory]
    [InlineData("""{"a":1,"A":2}""")]
    [InlineData("""{"":"Lovelace"}""")]
    public void A_resource_that_PowerShell_cannot_hold_is_an_error(string resource)
    {
        _connection.Lines.Add(resource);

        Assert.DoesNotContain("Lovelace", Fails("FhirDeid.ResourceInvalid", "$a | Read-FhirExport -AsObject", Completed()).ToString(), StringComparison.Ordinal);
        Assert.Single(Run("$a | Read-FhirExport", Completed()));
    }

    [Theory]
    [InlineData(FhirExportStatus.InProgress, "FhirDeid.ExportInProgress")]
    [InlineData(FhirExportStatus.Failed, "FhirDeid.ExportFailed")]
    [InlineData(FhirExportStatus.Cancelled, "FhirDeid.ExportCancelled")]
    [InlineData(FhirExportStatus.NotDeidentified, "FhirDeid.NotDeidentified")]
    public void An_export_that_is_no_good_is_not_read(FhirExportStatus status, string id)
    {
        FhirExport export = Completed();
        export.Status = status;
        _connection.Answer("1", same => same);

        Fails(id, "$a | Read-FhirExport", export);
        Assert.Equal(0, _connection.LinesRead);
    }

    [Fact]
    public void A_job_id_is_looked_up_at_the_connected_service()
    {
        _connection.Answer("42", export => export);

        foreach (string script in (string[])["Get-FhirExport -JobId 42", "[PSCustomObject]@{ JobId = '42' } | Get-FhirExport", "Get-FhirExport https://lab.example/_operations/export/42"])
        {
            Run(script);
            Assert.Equal(("42", "https://lab.example/_operations/export/42", "labexports"), (_connection.Asked[^1].JobId, _connection.Asked[^1].StatusUri!.AbsoluteUri, _connection.Asked[^1].StorageAccountName));
        }
    }

    [Theory]
    [InlineData("Get-FhirExport 42")]
    [InlineData("Wait-FhirExport 42")]
    [InlineData("Stop-FhirExport 42")]
    [InlineData("Read-FhirExport -StatusUri 42")]
    [InlineData("Receive-FhirExport ./never 42")]
    [InlineData("New-ExportSasToken -StatusUri 42")]
    public void A_job_id_in_place_of_the_status_URL_is_refused(string script) =>
        Assert.Contains("-JobId", Fails("FhirDeid.StatusUriInvalid", script).ErrorDetails.RecommendedAction, StringComparison.Ordinal);

    [Theory]
    [InlineData("../metadata")]
    [InlineData("4 2")]
    [InlineData("")]
    public void A_job_id_that_is_none_is_refused(string id)
    {
        Fails("ParameterArgumentValidationError", "Get-FhirExport -JobId $a", id);
        Assert.Empty(_connection.Asked);
    }

    [Theory]
    [InlineData(FhirExportStatus.InProgress, FhirExportStatus.Cancelled, null)]
    [InlineData(FhirExportStatus.Cancelled, FhirExportStatus.Cancelled, "had already been cancelled")]
    [InlineData(FhirExportStatus.InProgress, FhirExportStatus.Completed, "had already ended with status Completed")]
    public void Stopping_says_what_there_was_to_stop_and_is_no_error(FhirExportStatus before, FhirExportStatus after, string? warning)
    {
        FhirExport export = Completed();
        export.Status = before;
        _connection.Answer("1", same => { same.Status = after; return same; });

        (Collection<PSObject> output, PSDataStreams streams) = Try("$a | Stop-FhirExport", export);
        Assert.Empty(output);
        Assert.Empty(streams.Error);
        if (warning is null) Assert.Empty(streams.Warning);
        else Assert.Contains(warning, Assert.Single(streams.Warning).Message, StringComparison.Ordinal);

        Assert.Equal(after, Assert.IsType<FhirExport>(Assert.Single(Try("$a | Stop-FhirExport -PassThru", export).Output).BaseObject).Status);
    }

    [Fact]
    public void WhatIf_cancels_and_shares_nothing()
    {
        Run("$a | Stop-FhirExport -WhatIf; $a | New-ExportSasToken -WhatIf; New-ExportSasToken research -WhatIf", Completed());

        Assert.Empty(_connection.Asked);
        Assert.Empty(_connection.Shared);
    }

    [Theory]
    [InlineData("-Patient", FhirExportLevel.Patient, "")]
    [InlineData("-Group study-7", FhirExportLevel.Group, "study-7")]
    public void Patient_and_Group_level_are_asked_for_with_a_warning(string arguments, FhirExportLevel level, string group)
    {
        (_, PSDataStreams streams) = Try($"Start-FhirDeidExport research -ConfigName a -ConfigETag b -Until 2026-01-02Z -MaxCount 1000 {arguments}");

        Assert.Empty(streams.Error);
        Assert.Contains("system level only", Assert.Single(streams.Warning).Message, StringComparison.Ordinal);
        FhirExportRequest request = Assert.Single(_connection.Started);
        Assert.Equal((level, group, 1000, new DateTimeOffset(2026, 1, 2, 0, 0, 0, TimeSpan.Zero)), (request.Level, request.GroupId, request.MaxCount, request.Until));
    }

    [Theory]
    [InlineData("-MaxCount 0", "ParameterArgumentValidationError")]
    [InlineData("-MaxCount 10001", "ParameterArgumentValidationError")]
    [InlineData("-Group ''", "ParameterArgumentValidationError")]
    [InlineData("-Group g -Patient", "AmbiguousParameterSet")]
    public void What_the_service_would_refuse_is_not_sent(string arguments, string id)
    {
        Fails(id, $"Start-FhirDeidExport research -ConfigName a -ConfigETag b {arguments}");
        Assert.Empty(_connection.Started);
    }

    [Fact]
    public void Published_configurations_are_found_by_name()
    {
        foreach (string name in (string[])["a.json", "b.json", "team/a.json"]) _connection.Configs.Add(new PublishedAnonymizationConfig { ConfigName = name, ConfigETag = "\"0x1\"", ConfigSha256 = "ab" });

        Assert.Equal(["a.json", "b.json", "team/a.json"], Names("Get-AnonymizationConfig"));
        Assert.Equal(["a.json", "team/a.json"], Names("Get-AnonymizationConfig *a.json"));
        Assert.Equal(["b.json"], Names("Get-AnonymizationConfig b.json"));
        Assert.Empty(Names("Get-AnonymizationConfig none*"));
        Fails("FhirDeid.ConfigNotFound", "Get-AnonymizationConfig B.json");
        Run("Get-AnonymizationConfig a.json | Start-FhirDeidExport -Container research");
        Assert.Equal(("a.json", "\"0x1\"", "ab"), (_connection.Started[0].ConfigName, _connection.Started[0].ConfigETag, _connection.Started[0].ConfigSha256));

        IEnumerable<string> Names(string script) => Run(script).Select(config => ((PublishedAnonymizationConfig)config.BaseObject).ConfigName);
    }

    [Theory]
    [InlineData("research", "Read,List", "")]
    [InlineData("research -Purpose Source -Blob x.ndjson", "Read", "x.ndjson")]
    [InlineData("-Container research -Purpose Target", "Write,List", "")]
    [InlineData("research -Purpose Target -Blob x.ndjson", "Write", "x.ndjson")]
    [InlineData("research -Permission r, List", "r,List", "")]
    public void A_purpose_is_a_set_of_permissions(string arguments, string permission, string blob)
    {
        Run($"New-ExportSasToken {arguments}");

        ExportSasRequest request = Assert.Single(_connection.Shared);
        Assert.Equal(("research", permission, blob, false), (request.Container, string.Join(',', request.Permission), request.Blob, request.Force));
        Assert.Null(request.Export);
        Assert.Null(request.StartsOn);
        Assert.Null(request.ExpiresOn);
    }

    [Fact]
    public void Terms_go_into_the_link()
    {
        Run("New-ExportSasToken research -ExpiresIn 1.00:00:00 -IPAddressRange 203.0.113.7 -Force; New-ExportSasToken research -StartTime 2026-01-01Z -ExpiryTime 2026-01-02Z");

        Assert.InRange(_connection.Shared[0].ExpiresOn!.Value, DateTimeOffset.UtcNow.AddDays(0.9), DateTimeOffset.UtcNow.AddDays(1));
        Assert.Equal(("203.0.113.7", true), (_connection.Shared[0].IPAddressRange, _connection.Shared[0].Force));
        Assert.Equal((new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), new DateTimeOffset(2026, 1, 2, 0, 0, 0, TimeSpan.Zero)), (_connection.Shared[1].StartsOn, _connection.Shared[1].ExpiresOn));
    }

    [Theory]
    [InlineData("-Purpose Target -Permission rl")]
    [InlineData("-ExpiresIn 1:00:00 -ExpiryTime 2026-01-01")]
    public void Two_ways_of_saying_one_thing_are_refused(string arguments)
    {
        Fails("FhirDeid.ParametersExclusive", "New-ExportSasToken research " + arguments);
        Assert.Empty(_connection.Shared);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_export_comes_along_as_the_proof_of_its_files(bool isDeserialized)
    {
        FhirExport export = Completed();

        Run("$a | New-ExportSasToken", isDeserialized ? PSSerializer.Deserialize(PSSerializer.Serialize(export, 2)) : export);

        ExportSasRequest request = Assert.Single(_connection.Shared);
        Assert.Equal(("research", "1", FhirExportStatus.Completed), (request.Container, request.Export!.JobId, request.Export.Status));
        Assert.Equal(export.Output[0].Url, Assert.Single(request.Export.Output).Url);
        Assert.Empty(_connection.Asked);
    }

    [Fact]
    public void An_export_of_which_nothing_is_known_yet_is_asked_for()
    {
        FhirExport export = Completed();
        (export.Status, export.Output) = (FhirExportStatus.InProgress, []);
        _connection.Answer("1", _ => Completed(FhirExportStatus.CompletedWithErrors));

        (_, PSDataStreams streams) = Try("$a | New-ExportSasToken", export);

        Assert.Equal(FhirExportStatus.CompletedWithErrors, Assert.Single(_connection.Shared).Export!.Status);
        Assert.Contains("with errors", Assert.Single(streams.Warning).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_signature_is_in_the_object_and_in_no_stream()
    {
        (Collection<PSObject> output, PSDataStreams streams) = Try("$a | New-ExportSasToken -Verbose -Debug -ExpiresIn 1:00:00", Completed());

        Assert.Contains(Secret, Assert.IsType<ExportSasToken>(Assert.Single(output).BaseObject).GetUri()!.AbsoluteUri, StringComparison.Ordinal);
        Assert.Contains("sig=***&sp=rl", output[0].ToString(), StringComparison.Ordinal);
        Assert.Contains(streams.Verbose, message => message.Message.Contains("sig=***", StringComparison.Ordinal));
        Assert.DoesNotContain(Secret, output[0] + string.Concat(streams.Verbose) + string.Concat(streams.Debug) + string.Concat(streams.Warning) + string.Concat(streams.Progress), StringComparison.Ordinal);
    }

    private static FhirExport Completed(FhirExportStatus status = FhirExportStatus.Completed) => new()
    {
        JobId = "1",
        Status = status,
        StatusUri = new Uri("https://lab.example/_operations/export/1"),
        StorageAccountName = "labexports",
        Container = "research",
        Output = [new FhirExportFile { Type = "Patient", Url = new Uri("https://labexports.example/research/x.ndjson") }],
    };

    private Collection<PSObject> Run(string script, params object[] arguments)
    {
        (Collection<PSObject> output, PSDataStreams streams) = Try(script, arguments);
        Assert.Empty(streams.Error.Select(error => $"{error.FullyQualifiedErrorId}: {error}"));
        return output;
    }

    private ErrorRecord Fails(string id, string script, params object[] arguments)
    {
        ErrorRecord error;
        System.Management.Automation.PowerShell shell = _shell.Script(script, arguments);
        try
        {
            shell.Invoke();
            error = Assert.Single(shell.Streams.Error);
        }
        catch (RuntimeException exception)
        {
            error = exception.ErrorRecord;
        }
        Assert.StartsWith(id + ",", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        return error;
    }

    private (Collection<PSObject> Output, PSDataStreams Streams) Try(string script, params object[] arguments)
    {
        System.Management.Automation.PowerShell shell = _shell.Script(script, arguments);
        return (shell.Invoke(), shell.Streams);
    }
}
