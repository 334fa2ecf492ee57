namespace FhirDeid.Cloud.Tests;

public sealed class KickOffTests : IAsyncLifetime
{
    private StandIn _service = null!;
    private IFhirDeidConnection _connection = null!;

    public async ValueTask InitializeAsync()
    {
        _service = await StandIn.StartAsync();
        _connection = await _service.ConnectAsync();
    }

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    private static FhirExportRequest Request => new() { Container = "research", ConfigName = "safe-harbor.json", ConfigETag = "\"0x8DC\"", ConfigSha256 = "ab" };

    private Task<FhirExport> StartAsync(FhirExportRequest request) => _connection.StartExportAsync(request, TestContext.Current.CancellationToken);

    [Fact]
    public async Task The_request_is_the_one_that_the_service_documents()
    {
        FhirExportRequest request = Request;
        request.ConfigName = "team a/safe+harbor.json";
        request.ResourceType = ["Patient", "Observation", "Patient"];
        request.Since = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(2));

        await StartAsync(request);

        Received sent = Assert.Single(_service.FhirRequests);
        Assert.Equal("GET", sent.Method);
        Assert.Equal("/$export?_container=research&_anonymizationConfig=team%20a%2Fsafe%2Bharbor.json&_anonymizationConfigEtag=%220x8DC%22"
            + "&_type=Patient%2CObservation&_since=2026-01-02T03%3A04%3A05%2B02%3A00", sent.Target);
        Assert.Equal("application/fhir+json", sent.Header("Accept"));
        Assert.Equal("respond-async", sent.Header("Prefer"));
        Assert.StartsWith("Bearer ", sent.Header("Authorization"));
    }

    [Theory]
    [InlineData(FhirExportLevel.Patient, "", "/Patient/$export?_container=research&")]
    [InlineData(FhirExportLevel.Group, "study-7.a", "/Group/study-7.a/$export?_container=research&")]
    public async Task Levels_are_paths_of_their_own(FhirExportLevel level, string group, string path)
    {
        _service.OnStatus = _service.OnKickOff;
        FhirExportRequest request = Request;
        (request.Level, request.GroupId) = (level, group);

        FhirExport export = await StartAsync(request);

        Assert.StartsWith(path, Assert.Single(_service.FhirRequests).Target, StringComparison.Ordinal);
        Assert.Equal((level, group), (export.Level, export.GroupId));
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("Group/7")]
    [InlineData("7?_type=Patient")]
    [InlineData("a b")]
    public async Task A_group_that_is_no_id_is_refused(string group)
    {
        FhirExportRequest request = Request;
        (request.Level, request.GroupId) = (FhirExportLevel.Group, group);

        await Failure.Of("GroupIdInvalid", () => StartAsync(request));

        Assert.Empty(_service.FhirRequests);
    }

    [Fact]
    public async Task A_period_and_a_number_are_sent_and_checked_before()
    {
        FhirExportRequest request = Request;
        (request.Since, request.Until, request.MaxCount) = (DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddDays(1), 1000);
        await StartAsync(request);
        Assert.EndsWith("&_since=1970-01-01T00%3A00%3A00%2B00%3A00&_till=1970-01-02T00%3A00%3A00%2B00%3A00&_maxCount=1000", Assert.Single(_service.FhirRequests).Target, StringComparison.Ordinal);

        request.Until = request.Since;
        await Failure.Of("PeriodInvalid", () => StartAsync(request));
        request.Until = null;
        foreach (int count in (int[])[0, -1, 10_001])
        {
            request.MaxCount = count;
            await Failure.Of("MaxCountInvalid", () => StartAsync(request));
        }
        Assert.Single(_service.FhirRequests);
    }

    [Fact]
    public async Task All_parameters_are_sent_as_the_service_names_them()
    {
        FhirExportRequest request = Request;
        (request.ConfigETag, request.ConfigCollectionReference) = ("", "lab.azurecr.io/configs/study@sha256:" + new string('a', 64));
        (request.ResourceType, request.TypeFilter, request.NoParallel) = (["Observation", "Patient"], ["Observation?code=http://loinc.org|8867-4&status=final", "Patient?birthdate=gt1980+01"], true);

        FhirExport export = await StartAsync(request);

        string target = Assert.Single(_service.FhirRequests).Target;
        Assert.Equal($"/$export?_container=research&_anonymizationConfig=safe-harbor.json&_anonymizationConfigCollectionReference=lab.azurecr.io%2Fconfigs%2Fstudy%40sha256%3A{new string('a', 64)}"
            + "&_type=Observation%2CPatient&_typeFilter=Observation%3Fcode%3Dhttp%3A%2F%2Floinc.org%7C8867-4%26status%3Dfinal%2CPatient%3Fbirthdate%3Dgt1980%2B01&_isParallel=false", target);
        Assert.Equal((_connection.KickOffUri(request), request.ConfigCollectionReference, ""), (export.KickOffUri, export.ConfigCollectionReference, export.ConfigETag));
        Assert.Equal(target, export.KickOffUri!.PathAndQuery);
    }

    [Theory]
    [InlineData(true, false, "_history")]
    [InlineData(false, true, "_deleted")]
    [InlineData(true, true, "_history%2C_deleted")]
    public async Task Associated_data_are_asked_for(bool history, bool deleted, string value)
    {
        FhirExportRequest request = Request;
        (request.IncludeHistory, request.IncludeDeleted) = (history, deleted);

        await StartAsync(request);

        Assert.EndsWith("&includeAssociatedData=" + value, Assert.Single(_service.FhirRequests).Target, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Observation?code=a,b")]
    [InlineData("Observation?code=a=b")]
    [InlineData("Observation?code")]
    [InlineData("Observation?code=")]
    [InlineData("Observation")]
    [InlineData("Observation?")]
    [InlineData("Condition?code=a")]
    [InlineData("Observation?a=b?c=d")]
    [InlineData("")]
    [InlineData(null)]
    public async Task A_type_filter_that_the_service_could_not_split_is_refused_without_quoting_it(string? filter)
    {
        FhirExportRequest request = Request;
        (request.ResourceType, request.TypeFilter) = (["Observation"], [filter!]);

        FhirDeidException e = await Failure.Of("TypeFilterInvalid", () => StartAsync(request));

        if (!string.IsNullOrEmpty(filter)) Assert.DoesNotContain(filter, e.Message, StringComparison.Ordinal);
        Assert.Empty(_service.FhirRequests);
    }

    [Fact]
    public async Task What_excludes_each_other_is_refused_before_any_request()
    {
        await Refused("ParametersExclusive", request => request.ConfigCollectionReference = "lab.azurecr.io/c:1");
        await Refused("ParametersExclusive", request => request.DeidentifyLocally = true);
        await Refused("ParametersExclusive", request => (request.ResourceType, request.TypeFilter, request.IncludeHistory) = (["Patient"], ["Patient?gender=female"], true));
        await Refused("ParametersExclusive", request => (request.Level, request.NoParallel) = (FhirExportLevel.Patient, true));
        await Refused("ParametersExclusive", request => (request.Level, request.GroupId, request.IncludeDeleted) = (FhirExportLevel.Group, "g", true));
        foreach (string image in (string[])["lab.azurecr.io", "lab.azurecr.io/c", "https://lab.azurecr.io/c:1", "lab.azurecr.io/../c:1", "lab.azurecr.io/c@sha256:12"])
            await Refused("ConfigCollectionInvalid", request => (request.ConfigETag, request.ConfigCollectionReference) = ("", image));
        Assert.Empty(_service.FhirRequests);

        async Task Refused(string id, Action<FhirExportRequest> change)
        {
            FhirExportRequest request = Request;
            change(request);
            await Failure.Of(id, () => StartAsync(request));
            await Failure.Of(id, () => Task.FromResult(_connection.KickOffUri(request)));
        }
    }

    [Fact]
    public async Task Data_as_they_are_are_sent_for_only_when_that_is_said()
    {
        FhirExportRequest request = new() { DeidentifyLocally = true };

        FhirExport export = await StartAsync(request);

        Assert.Equal("/$export", Assert.Single(_service.FhirRequests).Target);
        Assert.True(export.DeidentifyLocally);
    }

    [Fact]
    public async Task An_ETag_without_quotes_gets_them()
    {
        FhirExportRequest request = Request;
        request.ConfigETag = "0x8DC";

        FhirExport export = await StartAsync(request);

        Assert.Equal("\"0x8DC\"", export.ConfigETag);
        Assert.EndsWith("&_anonymizationConfigEtag=%220x8DC%22", Assert.Single(_service.FhirRequests).Target);
    }

    [Fact]
    public async Task An_accepted_export_holds_what_another_process_needs()
    {
        FhirExport export = await StartAsync(Request);

        Assert.Equal(("42", FhirExportStatus.InProgress, new Uri(_service.Fhir, "_operations/export/42")), (export.JobId, export.Status, export.StatusUri));
        Assert.Equal((_service.Fhir, StandIn.Account, "research"), (export.FhirServiceUri, export.StorageAccountName, export.Container));
        Assert.Equal(("safe-harbor.json", "\"0x8DC\"", "ab"), (export.ConfigName, export.ConfigETag, export.ConfigSha256));
    }

    [Theory]
    [InlineData("", "\"1\"", "research", "ConfigRequired")]
    [InlineData(" \t", "\"1\"", "research", "ConfigRequired")]
    [InlineData("c.json", "", "research", "ConfigRequired")]
    [InlineData("c.json", "  ", "research", "ConfigRequired")]
    [InlineData(null, "\"1\"", "research", "ConfigRequired")]
    [InlineData("c.json", "\"\"", "research", "ConfigETagInvalid")]
    [InlineData("c.json", "*", "research", "ConfigETagInvalid")]
    [InlineData("c.json", "W/\"1\"", "research", "ConfigETagInvalid")]
    [InlineData("c.json", "\"1\", \"2\"", "research", "ConfigETagInvalid")]
    [InlineData("../c.json", "\"1\"", "research", "ConfigNameInvalid")]
    [InlineData("a/../c.json", "\"1\"", "research", "ConfigNameInvalid")]
    [InlineData("a%2f%2e%2e%2fc.json", "\"1\"", "research", "ConfigNameInvalid")]
    [InlineData("a\\c.json", "\"1\"", "research", "ConfigNameInvalid")]
    [InlineData("/c.json", "\"1\"", "research", "ConfigNameInvalid")]
    [InlineData("./c.json", "\"1\"", "research", "ConfigNameInvalid")]
    [InlineData(" c.json", "\"1\"", "research", "ConfigNameInvalid")]
    [InlineData("c\n.json", "\"1\"", "research", "ConfigNameInvalid")]
    [InlineData("c.json", "\"1\"", "", "ContainerRequired")]
    [InlineData("c.json", "\"1\"", null, "ContainerRequired")]
    [InlineData("c.json", "\"1\"", "..", "ContainerInvalid")]
    [InlineData("c.json", "\"1\"", "ab", "ContainerInvalid")]
    [InlineData("c.json", "\"1\"", "Research", "ContainerInvalid")]
    [InlineData("c.json", "\"1\"", "a--b", "ContainerInvalid")]
    [InlineData("c.json", "\"1\"", "-abc", "ContainerInvalid")]
    [InlineData("c.json", "\"1\"", "abc-", "ContainerInvalid")]
    [InlineData("c.json", "\"1\"", "research/x", "ContainerInvalid")]
    [InlineData("c.json", "\"1\"", "research\n", "ContainerInvalid")]
    [InlineData("c.json", "\"1\"", "research", "ResourceTypeInvalid", "patient")]
    [InlineData("c.json", "\"1\"", "research", "ResourceTypeInvalid", "Patient,Observation")]
    [InlineData("c.json", "\"1\"", "research", "ResourceTypeInvalid", "")]
    public async Task What_could_export_identified_data_or_fail_later_is_refused_before_any_request(string? config, string etag, string? container, string error, string? type = null)
    {
        FhirExportRequest request = new() { ConfigName = config!, ConfigETag = etag, Container = container!, ResourceType = type is null ? [] : [type] };

        await Failure.Of(error, () => StartAsync(request));

        Assert.Empty(_service.FhirRequests);
    }

    [Fact]
    public async Task A_container_of_63_characters_is_a_name_and_one_of_64_is_none()
    {
        FhirExportRequest request = Request;
        request.Container = new string('a', 63);
        await StartAsync(request);

        request.Container += "a";
        await Failure.Of("ContainerInvalid", () => StartAsync(request));
    }

    [Fact]
    public async Task A_status_URL_on_another_origin_is_refused()
    {
        _service.OnKickOff = StandIn.Answer(202, headers: ("Content-Location", _service.Foreign.AbsoluteUri + "_operations/export/42"));

        await Failure.Of("ForeignUrl", () => StartAsync(Request));

        Assert.DoesNotContain(_service.Requests, r => r.Port == _service.Foreign.Port);
    }

    [Fact]
    public async Task A_redirect_is_not_followed()
    {
        _service.OnKickOff = StandIn.Answer(307, headers: ("Location", _service.Foreign.AbsoluteUri));

        await Failure.Of("RedirectRefused", () => StartAsync(Request));

        Assert.DoesNotContain(_service.Requests, r => r.Port == _service.Foreign.Port);
    }

    [Theory]
    [InlineData("_operations/export/42", "42")]
    [InlineData("fhir/bulkstatus/3f%2Dx", "3f-x")]
    [InlineData("$export-poll-status?_jobId=3f-x", "3f-x")]
    public async Task The_id_is_the_last_part_of_the_status_URL(string location, string id)
    {
        _service.OnKickOff = StandIn.Answer(202, headers: ("Content-Location", _service.Fhir.AbsoluteUri + location));

        FhirExport export = await StartAsync(Request);

        Assert.Equal((id, _service.Fhir.AbsoluteUri + location.Replace("%2D", "-", StringComparison.Ordinal)), (export.JobId, export.StatusUri!.AbsoluteUri));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("_operations/export/42")]
    public async Task An_answer_without_a_status_URL_is_told(string? location)
    {
        _service.OnKickOff = StandIn.Answer(202, headers: location is null ? [] : [("Content-Location", location)]);

        await Failure.Of("ContentLocationMissing", () => StartAsync(Request));
    }

    [Theory]
    [InlineData(400, "ExportRefused", 1)]
    [InlineData(401, "Unauthorized", 1)]
    [InlineData(403, "Forbidden", 1)]
    [InlineData(404, "UnexpectedAnswer", 1)]
    [InlineData(200, "UnexpectedAnswer", 1)]
    [InlineData(429, "Throttled", 4)]
    [InlineData(503, "ServiceUnavailable", 4)]
    [InlineData(500, "ExportUncertain", 1)]
    [InlineData(502, "ExportUncertain", 1)]
    [InlineData(504, "ExportUncertain", 1)]
    public async Task Each_refusal_has_its_error_and_only_what_was_not_taken_is_sent_again(int status, string error, int requests)
    {
        _service.OnKickOff = StandIn.Outcome(status, "The service's own words.\r\nSee https://store.blob.core.windows.net/x?sig=secret now");

        FhirDeidException e = await Failure.Of(error, () => StartAsync(Request));

        Assert.Equal(requests, _service.FhirRequests.Count());
        Assert.DoesNotContain("secret", e.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public async Task A_refusal_says_what_the_service_says_in_one_short_line()
    {
        _service.OnKickOff = StandIn.Outcome(400, "The requested \"anonymized-export\" operation is not enabled\r\n" + new string('x', 2000));

        FhirDeidException e = await Failure.Of("ExportRefused", () => StartAsync(Request));

        Assert.Contains("The requested \"anonymized-export\" operation is not enabled x", e.Message);
        Assert.True(e.Message.Length < 600);
    }

    [Fact]
    public async Task A_refused_token_names_its_audience()
    {
        _service.OnKickOff = StandIn.Answer(401);

        FhirDeidException e = await Failure.Of("Unauthorized", () => StartAsync(Request));

        Assert.Contains(_connection.Context.Audience, e.Message);
    }

    [Fact]
    public async Task A_missing_role_is_named()
    {
        _service.OnKickOff = StandIn.Outcome(403, "Authorization failed.", "forbidden");

        Assert.Contains("FHIR Data Exporter", (await Failure.Of("Forbidden", () => StartAsync(Request))).RecommendedAction);
    }

    [Fact]
    public async Task A_kick_off_whose_answer_is_lost_is_not_sent_again()
    {
        _service.OnKickOff = context =>
        {
            context.Abort();
            return Task.CompletedTask;
        };

        FhirDeidException e = await Failure.Of("ExportUncertain", () => StartAsync(Request));

        Assert.Contains("may be running", e.Message);
        Assert.Single(_service.FhirRequests);
    }

    [Fact]
    public async Task A_kick_off_on_a_connection_that_the_service_closes_is_not_sent_again()
    {
        _service.OnKickOff = async context =>
        {
            await context.Features.Get<Microsoft.AspNetCore.Connections.Features.IConnectionTransportFeature>()!.Transport.Output.CompleteAsync();
            await Task.Delay(300);
        };

        await Failure.Of("ExportUncertain", () => StartAsync(Request));

        Assert.Single(_service.FhirRequests);
    }

    [Fact]
    public async Task A_throttled_kick_off_is_sent_again_and_taken_once()
    {
        Func<Microsoft.AspNetCore.Http.HttpContext, Task> accept = _service.OnKickOff;
        int asked = 0;
        _service.OnKickOff = context => ++asked == 1 ? StandIn.Answer(429, headers: [("Retry-After", "0"), ("x-ms-retry-after-ms", "20")])(context) : accept(context);

        Assert.Equal("42", (await StartAsync(Request)).JobId);
        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task A_wait_of_more_than_a_minute_is_given_back_to_the_user()
    {
        _service.OnKickOff = StandIn.Answer(429, headers: ("Retry-After", "3600"));

        await Failure.Of("Throttled", () => StartAsync(Request));

        Assert.Single(_service.FhirRequests);
    }
}
