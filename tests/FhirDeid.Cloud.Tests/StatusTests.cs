using System.Text.Json;

namespace FhirDeid.Cloud.Tests;

public sealed class StatusTests : IAsyncLifetime
{
    private StandIn _service = null!;
    private IFhirDeidConnection _connection = null!;

    public async ValueTask InitializeAsync()
    {
        _service = await StandIn.StartAsync();
        _connection = await _service.ConnectAsync();
    }

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    private FhirExport Export => new()
    {
        JobId = "42",
        StatusUri = new Uri(_service.Fhir, "_operations/export/42"),
        FhirServiceUri = _service.Fhir,
        StorageAccountName = StandIn.Account,
        Container = "research",
        ConfigName = "a+b.json",
        ConfigETag = "\"0x8DC\"",
        ConfigSha256 = "ab",
        StartedAt = DateTimeOffset.UnixEpoch,
    };

    private Task<FhirExport> GetAsync(FhirExport? export = null) => _connection.GetExportAsync(export ?? Export, TestContext.Current.CancellationToken);

    private static string Manifest(string? request = "https://fhir.example.org/$export?_container=research&_anonymizationConfig=a%2Bb.json&_anonymizationConfigEtag=%220x8DC%22",
        string output = """[{"type":"Patient","url":"https://store.example.org/research/f/Patient-1-1.ndjson","count":3,"inputUrl":"?"}]""", string more = "") =>
        $$"""{"transactionTime":"2026-01-01T00:00:00+00:00","request":{{JsonSerializer.Serialize(request)}},"requiresAccessToken":false,"output":{{output}},"error":[],"issues":[],"unknown":{}{{more}}}""";

    [Fact]
    public async Task A_running_export_is_in_progress_and_keeps_what_is_known()
    {
        FhirExport before = Export;

        FhirExport now = await GetAsync(before);

        Assert.NotSame(before, now);
        Assert.Equal(FhirExportStatus.InProgress, now.Status);
        Assert.Equivalent(before, now);
        Assert.Equal("application/json", Assert.Single(_service.FhirRequests).Header("Accept"));
    }

    [Fact]
    public async Task A_finished_export_has_its_files_and_the_services_confirmation()
    {
        _service.OnStatus = StandIn.Answer(200, Manifest(), "application/json");

        FhirExport now = await GetAsync();

        Assert.Equal(FhirExportStatus.Completed, now.Status);
        Assert.Empty(now.Issues);
        FhirExportFile file = Assert.Single(now.Output);
        Assert.Equal(("Patient", 3L, "https://store.example.org/research/f/Patient-1-1.ndjson"), (file.Type, file.Count, file.Url!.AbsoluteUri));
        Assert.Equal(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), now.TransactionTime);
        Assert.Equal("fhir.example.org", now.Request!.Host);
    }

    [Theory]
    [InlineData("_anonymizationConfig=a%2Bb.json&_anonymizationConfigEtag=%220x8DC%22", FhirExportStatus.Completed)]
    [InlineData("_anonymizationConfig=a%2bb.json&_anonymizationConfigEtag=0x8DC&_type=Patient", FhirExportStatus.Completed)]
    [InlineData("_anonymizationConfigEtag=\"0x8DC\"&_anonymizationConfig=a%2Bb%2Ejson", FhirExportStatus.Completed)]
    [InlineData("_container=research", FhirExportStatus.NotDeidentified)]
    [InlineData("_anonymizationConfig=&_anonymizationConfigEtag=%220x8DC%22", FhirExportStatus.NotDeidentified)]
    [InlineData("_anonymizationConfig=%20&_anonymizationConfigEtag=%220x8DC%22", FhirExportStatus.NotDeidentified)]
    [InlineData("_anonymizationConfig&_anonymizationConfigEtag=%220x8DC%22", FhirExportStatus.NotDeidentified)]
    [InlineData("_anonymizationConfig=other.json&_anonymizationConfigEtag=%220x8DC%22", FhirExportStatus.NotDeidentified)]
    [InlineData("_anonymizationConfig=A%2BB.json&_anonymizationConfigEtag=%220x8DC%22", FhirExportStatus.NotDeidentified)]
    [InlineData("_anonymizationConfig=a+b.json&_anonymizationConfigEtag=%220x8DC%22", FhirExportStatus.NotDeidentified)]
    [InlineData("_anonymizationConfig=a%2Bb.json", FhirExportStatus.NotDeidentified)]
    [InlineData("_anonymizationConfig=a%2Bb.json&_anonymizationConfigEtag=%220x8DD%22", FhirExportStatus.NotDeidentified)]
    [InlineData("_anonymizationConfig=a%2Bb.json&_anonymizationConfigEtag=", FhirExportStatus.NotDeidentified)]
    [InlineData("_anonymizationConfig=a%2Bb.json&_anonymizationConfig=a%2Bb.json&_anonymizationConfigEtag=%220x8DC%22", FhirExportStatus.NotDeidentified)]
    [InlineData("_anonymizationConfig=a%2Bb.json&_anonymizationConfig=&_anonymizationConfigEtag=%220x8DC%22", FhirExportStatus.NotDeidentified)]
    [InlineData("_anonymizationConfig=a%2Bb.json&_ANONYMIZATIONCONFIG=x&_anonymizationConfigEtag=%220x8DC%22", FhirExportStatus.NotDeidentified)]
    [InlineData("_AnonymizationConfig=a%2Bb.json&_anonymizationConfigEtag=%220x8DC%22", FhirExportStatus.NotDeidentified)]
    [InlineData("_anonymizationConfig=a%2Bb.json&_anonymizationConfigEtag=%220x8DC%22&_anonymizationConfigEtag=%220x8DC%22", FhirExportStatus.NotDeidentified)]
    public async Task Only_a_request_that_names_configuration_and_ETag_once_proves_de_identification(string query, FhirExportStatus status)
    {
        _service.OnStatus = StandIn.Answer(200, Manifest("https://fhir.example.org/$export?" + query), "application/json");

        FhirExport now = await GetAsync();

        Assert.Equal(status, now.Status);
        if (status == FhirExportStatus.NotDeidentified) Assert.Contains("may hold identified data", Assert.Single(now.Issues));
    }

    [Theory]
    [InlineData("lab.azurecr.io%2Fc%3A1", FhirExportStatus.Completed)]
    [InlineData("lab.azurecr.io%2Fc%3A2", FhirExportStatus.NotDeidentified)]
    [InlineData("lab.azurecr.io%2Fc%3A1&_anonymizationConfigCollectionReference=x", FhirExportStatus.NotDeidentified)]
    public async Task An_image_of_the_configuration_is_confirmed_like_an_ETag(string served, FhirExportStatus status)
    {
        _service.OnStatus = StandIn.Answer(200, Manifest("https://fhir.example.org/$export?_anonymizationConfig=a%2Bb.json&_anonymizationConfigCollectionReference=" + served), "application/json");
        FhirExport export = Export;
        (export.ConfigETag, export.ConfigCollectionReference) = ("", "lab.azurecr.io/c:1");

        Assert.Equal(status, (await GetAsync(export)).Status);
    }

    [Theory]
    [InlineData("_since=2026-01-01T00%3A00%3A00%2B02%3A00", null)]
    [InlineData("_since=2026-01-01T00%3A00%3A00%2b02:00", null)]
    [InlineData("_since=2026-01-01T00%3A00%3A00+02%3A00", "_since")]
    [InlineData("_since=", "_since")]
    [InlineData("_type=Patient", "_since")]
    public async Task A_parameter_that_the_service_did_not_take_over_is_told(string served, string? name)
    {
        const string config = "_container=research&_anonymizationConfig=a%2Bb.json&_anonymizationConfigEtag=%220x8DC%22&";
        _service.OnStatus = StandIn.Answer(200, Manifest($"https://fhir.example.org/$export?{config}{served}"), "application/json");
        FhirExport export = Export;
        export.KickOffUri = new Uri($"https://fhir.example.org/$export?{config}_since=2026-01-01T00%3A00%3A00%2B02%3A00");

        FhirExport now = await GetAsync(export);

        if (name is null) Assert.Equal(FhirExportStatus.Completed, now.Status);
        else Assert.Contains($"another {name} ", Assert.Single(now.Issues), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Types_without_files_and_an_export_without_any_are_told()
    {
        const string request = "https://fhir.example.org/$export?_type=Patient%2CObservation%2CCondition&_anonymizationConfig=a%2Bb.json&_anonymizationConfigEtag=%220x8DC%22";
        _service.OnStatus = StandIn.Answer(200, Manifest(request), "application/json");
        FhirExport now = await GetAsync();
        Assert.Equal(FhirExportStatus.CompletedWithErrors, now.Status);
        Assert.Contains("no files of Observation, Condition", Assert.Single(now.Issues), StringComparison.Ordinal);

        _service.OnStatus = StandIn.Answer(200, Manifest(request, "[]"), "application/json");
        now = await GetAsync();
        Assert.Equal(FhirExportStatus.CompletedWithErrors, now.Status);
        Assert.Contains("has no files", Assert.Single(now.Issues), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_manifest_of_several_pages_is_read_to_its_end()
    {
        string Page(string file, string? next) => Manifest(output: $$"""[{"type":"Patient","url":"https://store.example.org/{{file}}"}]""",
            more: next is null ? "" : $$""","link":[{"relation":"next","url":"{{_service.Fhir}}{{next}}"}]""");
        _service.OnStatus = context => StandIn.Answer(200, context.Request.Path.Value switch { "/2" => Page("b", "3"), "/3" => Page("c", null), _ => Page("a", "2") }, "application/json")(context);

        FhirExport now = await GetAsync();

        Assert.Equal(FhirExportStatus.Completed, now.Status);
        Assert.Equal(["/a", "/b", "/c"], now.Output.Select(file => file.Url!.AbsolutePath));
    }

    [Fact]
    public async Task Pages_that_lead_elsewhere_or_in_a_circle_are_refused()
    {
        string Page(string next) => Manifest(more: $$""","link":[{"relation":"next","url":"{{next}}"}]""");
        _service.OnStatus = StandIn.Answer(200, Page(_service.Foreign + "2"), "application/json");
        await Failure.Of("ForeignUrl", () => GetAsync());
        Assert.DoesNotContain(_service.Requests, r => r.Port == _service.Foreign.Port);

        _service.OnStatus = StandIn.Answer(200, Page(_service.Fhir + "2"), "application/json");
        await Failure.Of("ManifestInvalid", () => GetAsync());
    }

    [Fact]
    public async Task What_a_Bulk_Data_server_says_beside_its_files_is_kept()
    {
        _service.OnStatus = StandIn.Answer(200, """
            {"transactionTime":"2026-01-01T00:00:00Z","requiresAccessToken":true,"output":[{"type":"Patient","url":"https://f.example/1"}],
             "deleted":[{"type":"Bundle","url":"https://f.example/2"}],"error":[{"type":"OperationOutcome","url":"https://f.example/3"}]}
            """, "application/json");
        FhirExport export = Export;
        (export.ConfigName, export.ConfigETag, export.DeidentifyLocally) = ("", "", true);

        FhirExport now = await GetAsync(export);

        Assert.Equal((FhirExportStatus.CompletedWithErrors, true), (now.Status, now.RequiresAccessToken));
        Assert.Equal(("/2", "/3"), (Assert.Single(now.DeletedOutput).Url!.AbsolutePath, Assert.Single(now.ErrorOutput).Url!.AbsolutePath));
    }

    [Theory]
    [InlineData("120", 120)]
    [InlineData("Thu, 01 Jan 2026 00:02:00 GMT", 120)]
    [InlineData("Wed, 31 Dec 2025 00:00:00 GMT", 0)]
    [InlineData("soon", null)]
    [InlineData(null, null)]
    public async Task What_a_running_export_says_of_itself_is_passed_on(string? retryAfter, int? seconds)
    {
        _service.OnStatus = StandIn.Answer(202, headers: [("X-Progress", "40% done"), ("Date", "Thu, 01 Jan 2026 00:00:00 GMT"), .. retryAfter is null ? Array.Empty<(string, string)>() : [("Retry-After", retryAfter)]]);

        FhirExport now = await GetAsync();

        Assert.Equal(FhirExportStatus.InProgress, now.Status);
        Assert.Equal((double?)seconds, now.RetryAfterSeconds);
        Assert.Contains("done", now.Progress, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(400, "transient", true)]
    [InlineData(409, "lock-error", true)]
    [InlineData(400, "processing", false)]
    [InlineData(503, "x", true)]
    [InlineData(401, "throttled", false)]
    public async Task An_error_that_the_service_calls_transient_is_one(int status, string code, bool transient)
    {
        _service.OnStatus = StandIn.Outcome(status, "x", code);

        FhirDeidException e = await Assert.ThrowsAsync<FhirDeidException>(() => GetAsync());

        Assert.Equal(transient, e.IsTransient);
    }

    [Theory]
    [InlineData(200)]
    [InlineData(202)]
    public async Task A_cancelled_export_that_the_service_still_shows_stays_cancelled(int status)
    {
        _service.OnStatus = StandIn.Answer(status, status == 200 ? Manifest() : "", "application/json");
        FhirExport export = Export;
        export.Status = FhirExportStatus.Cancelled;

        FhirExport now = await GetAsync(export);

        Assert.Equal(FhirExportStatus.Cancelled, now.Status);
        Assert.Contains("incomplete", Assert.Single(now.Issues), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_that_the_service_no_longer_takes_is_renewed_once()
    {
        // As with a service whose clock is ahead: the token counts as good here.
        string? refused = null;
        _service.OnStatus = context =>
        {
            string token = context.Request.Headers.Authorization.ToString();
            refused ??= token;
            return token == refused ? StandIn.Answer(401, headers: ("WWW-Authenticate", "Bearer error=\"invalid_token\""))(context) : StandIn.Answer(202)(context);
        };

        Assert.Equal(FhirExportStatus.InProgress, (await GetAsync()).Status);
        Assert.Equal(2, _service.FhirRequests.Count());
        Assert.Equal(FhirExportStatus.InProgress, (await GetAsync()).Status);
        Assert.Equal(3, _service.FhirRequests.Count());
        refused = _service.FhirRequests.Last().Header("Authorization");
        Assert.Equal(FhirExportStatus.InProgress, (await GetAsync()).Status);
        Assert.Equal(5, _service.FhirRequests.Count());

        _service.OnStatus = StandIn.Answer(401, headers: ("WWW-Authenticate", "Bearer"));
        await Failure.Of("Unauthorized", () => GetAsync());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("$export")]
    public async Task A_manifest_without_a_request_proves_nothing(string? request)
    {
        _service.OnStatus = StandIn.Answer(200, Manifest(request), "application/json");

        Assert.Equal(FhirExportStatus.NotDeidentified, (await GetAsync()).Status);
    }

    [Fact]
    public async Task A_blank_configuration_on_both_sides_proves_nothing()
    {
        _service.OnStatus = StandIn.Answer(200, Manifest("https://fhir.example.org/$export?_anonymizationConfig=&_anonymizationConfigEtag="), "application/json");
        FhirExport export = Export;
        (export.ConfigName, export.ConfigETag) = ("", "");

        Assert.Equal(FhirExportStatus.NotDeidentified, (await GetAsync(export)).Status);
    }

    [Theory]
    [InlineData("""{"severity":"warning","code":"processing","diagnostics":"One\r\nthing"}""", "issues", "warning processing: One thing")]
    [InlineData("""{"type":"OperationOutcome","url":"https://store.example.org/research/errors.ndjson?sig=x"}""", "error", "The service wrote a file of errors: https://store.example.org/research/errors.ndjson")]
    [InlineData("""{"type":"OperationOutcome","url":"https://store.example.org/e","type":"OperationOutcome"}""", "outcome", "The service wrote a file of errors: https://store.example.org/e")]
    public async Task What_did_not_go_well_is_told_line_by_line(string entry, string name, string line)
    {
        string manifest = Manifest().Replace($",\"{name}\":[]", "", StringComparison.Ordinal);
        _service.OnStatus = StandIn.Answer(200, manifest[..^1] + $",\"{name}\":[{entry}]}}", "application/json");

        FhirExport now = await GetAsync();

        Assert.Equal((FhirExportStatus.CompletedWithErrors, line), (now.Status, Assert.Single(now.Issues)));
    }

    [Theory]
    [InlineData("no json")]
    [InlineData("[]")]
    [InlineData("""{"output":[]}""")]
    [InlineData("""{"transactionTime":"yesterday","output":[]}""")]
    [InlineData("""{"transactionTime":"2026-01-01T00:00:00Z"}""")]
    [InlineData("""{"transactionTime":"2026-01-01T00:00:00Z","output":{}}""")]
    [InlineData("""{"transactionTime":"2026-01-01T00:00:00Z","output":["x"]}""")]
    [InlineData("""{"transactionTime":"2026-01-01T00:00:00Z","output":[{"url":"https://a/b"}]}""")]
    [InlineData("""{"transactionTime":"2026-01-01T00:00:00Z","output":[{"type":"../Patient","url":"https://a/b"}]}""")]
    [InlineData("""{"transactionTime":"2026-01-01T00:00:00Z","output":[{"type":"Patient"}]}""")]
    [InlineData("""{"transactionTime":"2026-01-01T00:00:00Z","output":[{"type":"Patient","url":"http://a/b"}]}""")]
    [InlineData("""{"transactionTime":"2026-01-01T00:00:00Z","output":[{"type":"Patient","url":"https://a/b/..%2F..%2Fetc"}]}""")]
    [InlineData("""{"transactionTime":"2026-01-01T00:00:00Z","output":[{"type":"Patient","url":"https://a/b/"}]}""")]
    [InlineData("""{"transactionTime":"2026-01-01T00:00:00Z","output":[{"type":"Patient","url":"https://a/b","count":"3"}]}""")]
    [InlineData("""{"transactionTime":"2026-01-01T00:00:00Z","output":[{"type":"Patient","url":"https://a/b","count":-1}]}""")]
    [InlineData("""{"transactionTime":"2026-01-01T00:00:00Z","output":[{"type":"Patient","url":"https://a/b","count":1.5}]}""")]
    public async Task A_manifest_that_is_none_is_refused(string manifest)
    {
        _service.OnStatus = StandIn.Answer(200, manifest, "application/json");

        await Failure.Of("ManifestInvalid", () => GetAsync());
    }

    [Theory]
    [InlineData(400, "Anonymization container not found on the destination storage.", "no container 'anonymization'")]
    [InlineData(400, "Anonymization configuration 'a+b.json' not found. ", "'a+b.json' is not in container 'anonymization'")]
    [InlineData(400, "Anonymization configuration is too large > 1MB.", "1 MiB")]
    [InlineData(400, "The condition specified using HTTP conditional header(s) is not met.\nRequestId:1", "no longer the one that was published with ETag \"0x8DC\"")]
    [InlineData(400, "Failed to parse configuration file", "cannot parse")]
    [InlineData(400, "Configuration of fhirVersion STU3 is not supported. Expected fhirVersion: R4", "fhirVersion to R4")]
    [InlineData(400, "The configuration is invalid, please specify any fhirPathRules", "no rules")]
    [InlineData(400, "Invalid FHIR path Patient.nam(", "Invalid FHIR path Patient.nam(")]
    [InlineData(400, "Failed to anonymize resource. The job will be marked as failed. Anonymization method blur not supported.", "does not know the anonymization method 'blur'")]
    [InlineData(403, "Unable to get access token for storage account.", "system-assigned identity on")]
    [InlineData(404, "The storage account not found.", "does not exist")]
    [InlineData(413, "The FHIR Server ran out of memory while processing an export job.", "fewer resource types")]
    [InlineData(429, "Database was throttled.", "fewer resources at a time (-MaxCount)")]
    [InlineData(500, "Unknown Error.", "gives no reason")]
    public async Task A_failed_job_is_an_export_that_says_what_to_do_whatever_the_status(int status, string reason, string expected)
    {
        _service.OnStatus = StandIn.Outcome(status, "export operation failed for reason: " + reason);

        FhirExport now = await GetAsync();

        Assert.Equal(FhirExportStatus.Failed, now.Status);
        string line = Assert.Single(now.Issues);
        Assert.Contains(expected, line);
        Assert.DoesNotContain('\n', line);
        Assert.DoesNotContain("{config}", line, StringComparison.Ordinal);
        Assert.Single(_service.FhirRequests);
    }

    [Theory]
    [InlineData("AuthorizationFailure", "firewall")]
    [InlineData("AuthorizationPermissionMismatch", "Storage Blob Data Contributor")]
    [InlineData("InvalidResourceName", "InvalidResourceName")]
    public async Task A_dump_of_the_storage_service_becomes_one_plain_line(string code, string expected)
    {
        _service.OnStatus = StandIn.Outcome(403, $"""
            export operation failed for reason: Something was refused.
            RequestId:7c6a
            Time:2026-01-01T00:00:00Z
            Status: 403 (Something was refused.)
            ErrorCode: {code}

            Content:
            <?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>Something was refused.</Message></Error>

            Headers:
            Server: Windows-Azure-Blob/1.0
            x-ms-request-id: 7c6a
            """);

        string line = Assert.Single((await GetAsync()).Issues);

        Assert.Contains(expected, line);
        Assert.DoesNotContain("xml", line, StringComparison.Ordinal);
        Assert.DoesNotContain("7c6a", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_resource_that_the_service_quotes_is_left_out()
    {
        _service.OnStatus = StandIn.Outcome(400, """export operation failed for reason: Failed to anonymize resource. The job will be marked as failed. {"resourceType":"Patient","name":[{"family":"Lovelace"}]}""");

        FhirExport now = await GetAsync();

        Assert.DoesNotContain("Lovelace", Assert.Single(now.Issues), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(401, "", "Unauthorized", 1)]
    [InlineData(403, "Authorization failed.", "Forbidden", 1)]
    [InlineData(404, "The requested job \"42\" was not found.", "ExportNotFound", 1)]
    [InlineData(429, "The maximum number of concurrent API calls on this instance was reached.", "Throttled", 4)]
    [InlineData(408, "", "Throttled", 4)]
    [InlineData(500, "", "ServiceUnavailable", 4)]
    [InlineData(503, "", "ServiceUnavailable", 4)]
    [InlineData(302, "", "RedirectRefused", 1)]
    [InlineData(418, "", "UnexpectedAnswer", 1)]
    public async Task An_error_of_the_request_is_an_exception(int status, string text, string error, int requests)
    {
        _service.OnStatus = text.Length > 0 ? StandIn.Outcome(status, text, "x") : StandIn.Answer(status, headers: ("Location", _service.Foreign.AbsoluteUri));

        await Failure.Of(error, () => GetAsync());

        Assert.Equal(requests, _service.FhirRequests.Count());
        Assert.DoesNotContain(_service.Requests, r => r.Port == _service.Foreign.Port);
    }

    [Fact]
    public async Task A_status_URL_on_another_origin_gets_no_token()
    {
        FhirExport export = Export;
        foreach (Uri? uri in new[] { new Uri(_service.Foreign, "_operations/export/42"), new Uri("/relative", UriKind.Relative), null, new Uri($"http://127.0.0.1:{_service.Fhir.Port}/x") })
        {
            export.StatusUri = uri;
            await Failure.Of("ForeignUrl", () => GetAsync(export));
        }

        Assert.Empty(_service.FhirRequests);
        Assert.DoesNotContain(_service.Requests, r => r.Port == _service.Foreign.Port);
    }

    [Fact]
    public async Task A_request_to_another_origin_never_leaves_the_pipeline()
    {
        using HttpClient client = Credentials.EmulatorTrust.Client(_service.Emulator);
        Credentials.GivenToken token = new(StandIn.Token("a", TimeSpan.FromHours(1)), "a/.default");
        Fhir.FhirService service = new(_service.Fhir, token, "a/.default", new Azure.Core.Pipeline.HttpClientTransport(client), TimeSpan.Zero, TimeSpan.FromMinutes(1));

        await Failure.Of("ForeignUrl", () => service.GetAsync(_service.Foreign, "application/json", TestContext.Current.CancellationToken));

        Assert.DoesNotContain(_service.Requests, r => r.Port == _service.Foreign.Port);
    }

    [Fact]
    public async Task A_cancelled_poll_ends_at_once()
    {
        using CancellationTokenSource cancel = new();
        _service.OnStatus = async context =>
        {
            cancel.Cancel();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _connection.GetExportAsync(Export, cancel.Token));
    }

    [Fact]
    public async Task A_cancelled_wait_between_attempts_ends_at_once()
    {
        using CancellationTokenSource cancel = new();
        _service.OnStatus = async context =>
        {
            await StandIn.Answer(503, headers: ("Retry-After", "50"))(context);
            cancel.CancelAfter(100);
        };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _connection.GetExportAsync(Export, cancel.Token));

        Assert.Single(_service.FhirRequests);
    }

    [Fact]
    public async Task A_broken_connection_is_taken_up_again()
    {
        int asked = 0;
        _service.OnStatus = context =>
        {
            if (++asked == 1) context.Abort();
            else context.Response.StatusCode = 202;
            return Task.CompletedTask;
        };

        Assert.Equal(FhirExportStatus.InProgress, (await GetAsync()).Status);
        Assert.Equal(2, asked);
    }
}
