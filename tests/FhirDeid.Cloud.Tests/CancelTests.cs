using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace FhirDeid.Cloud.Tests;

public sealed class CancelTests : IAsyncLifetime
{
    private StandIn _service = null!;
    private IFhirDeidConnection _connection = null!;
    private Func<HttpContext, Task> _onDelete = StandIn.Answer(202);

    public async ValueTask InitializeAsync()
    {
        _service = await StandIn.StartAsync();
        _connection = await _service.ConnectAsync();
    }

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    private FhirExport Export => new() { JobId = "42", StatusUri = new Uri(_service.Fhir, "_operations/export/42"), Container = "research", ConfigName = "c.json", ConfigETag = "\"0x8DC\"" };

    private IEnumerable<string> Methods => _service.FhirRequests.Select(r => r.Method);

    private Task<FhirExport> CancelAsync(Func<HttpContext, Task> status, FhirExport? export = null)
    {
        _service.OnStatus = context => context.Request.Method == "DELETE" ? _onDelete(context) : status(context);
        return _connection.CancelExportAsync(export ?? Export, TestContext.Current.CancellationToken);
    }

    private static string Manifest(string request) => JsonSerializer.Serialize(new
    {
        transactionTime = "2026-01-01T00:00:00+00:00",
        request = "https://fhir.example.org/" + request,
        output = new[] { new { type = "Patient", url = "https://store.example.org/research/f/Patient-1-1.ndjson", count = 3 } },
    });

    [Theory]
    [InlineData(200)]
    [InlineData(202)]
    [InlineData(204)]
    [InlineData(404)]
    [InlineData(409)]
    public async Task A_running_export_is_cancelled_by_whatever_the_service_answers(int answer)
    {
        _onDelete = StandIn.Answer(answer);

        FhirExport export = await CancelAsync(StandIn.Answer(202));

        Assert.Equal((FhirExportStatus.Cancelled, "42", "c.json"), (export.Status, export.JobId, export.ConfigName));
        Assert.Equal(["GET", "DELETE"], Methods);
        Assert.StartsWith("Bearer ", _service.FhirRequests.Last().Header("Authorization"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failed_export_is_cancelled_because_other_workers_may_still_write()
    {
        FhirExport export = await CancelAsync(StandIn.Outcome(400, "export operation failed for reason: Unknown Error."));

        Assert.Equal(FhirExportStatus.Cancelled, export.Status);
        Assert.NotEmpty(export.Issues);
        Assert.Equal(["GET", "DELETE"], Methods);
    }

    [Fact]
    public async Task A_completed_export_keeps_its_manifest()
    {
        FhirExport export = await CancelAsync(StandIn.Answer(200, Manifest("$export?_anonymizationConfig=c.json&_anonymizationConfigEtag=%220x8DC%22"), "application/json"));

        Assert.Equal(FhirExportStatus.Completed, export.Status);
        Assert.Single(export.Output);
        Assert.Equal(["GET"], Methods);
    }

    [Fact]
    public async Task An_unknown_export_is_an_error_unless_it_was_cancelled_from_here()
    {
        await Failure.Of("ExportNotFound", () => CancelAsync(StandIn.Answer(404)));

        FhirExport cancelled = Export;
        cancelled.Status = FhirExportStatus.Cancelled;
        Assert.Equal(FhirExportStatus.Cancelled, (await CancelAsync(StandIn.Answer(404), cancelled)).Status);
        Assert.DoesNotContain("DELETE", Methods);
    }

    [Fact]
    public async Task A_refused_cancellation_is_an_error()
    {
        _onDelete = StandIn.Outcome(403, "Authorization failed.", "forbidden");

        await Failure.Of("Forbidden", () => CancelAsync(StandIn.Answer(202)));
    }

    [Fact]
    public async Task A_status_URL_on_another_origin_gets_no_request()
    {
        FhirExport export = Export;
        export.StatusUri = new Uri(_service.Foreign, "_operations/export/42");

        await Failure.Of("ForeignUrl", () => CancelAsync(StandIn.Answer(202), export));

        Assert.DoesNotContain(_service.Requests, r => r.Port == _service.Foreign.Port);
    }

    [Theory]
    [InlineData("$export?_container=research&_anonymizationConfig=c.json&_anonymizationConfigEtag=0x8DC", FhirExportStatus.Completed, FhirExportLevel.System, "")]
    [InlineData("Patient/$export?_container=research&_anonymizationConfig=c.json&_anonymizationConfigEtag=0x8DC", FhirExportStatus.Completed, FhirExportLevel.Patient, "")]
    [InlineData("Group/g.1/$export?_container=research&_anonymizationConfig=c.json&_anonymizationConfigEtag=0x8DC", FhirExportStatus.Completed, FhirExportLevel.Group, "g.1")]
    [InlineData("$export?_container=research&_anonymizationConfig=c.json", FhirExportStatus.NotDeidentified, FhirExportLevel.System, "")]
    [InlineData("$export?_container=research&_anonymizationConfig=&_anonymizationConfigEtag=0x8DC", FhirExportStatus.NotDeidentified, FhirExportLevel.System, "")]
    [InlineData("$export?_container=research&_anonymizationConfig=c.json&_anonymizationConfigEtag=%22%22", FhirExportStatus.NotDeidentified, FhirExportLevel.System, "")]
    [InlineData("$export?_container=research", FhirExportStatus.NotDeidentified, FhirExportLevel.System, "")]
    public async Task An_export_known_by_its_id_alone_takes_the_rest_from_the_services_own_request(string request, FhirExportStatus status, FhirExportLevel level, string group)
    {
        _service.OnStatus = StandIn.Answer(200, Manifest(request), "application/json");

        FhirExport export = await _connection.GetExportAsync(new FhirExport { JobId = "42", StatusUri = Export.StatusUri }, TestContext.Current.CancellationToken);

        Assert.Equal((status, level, group, "research"), (export.Status, export.Level, export.GroupId, export.Container));
        if (status == FhirExportStatus.Completed) Assert.Equal(("c.json", "\"0x8DC\""), (export.ConfigName, export.ConfigETag));
        Assert.Equal(export.TransactionTime, export.StartedAt);
    }

    [Theory]
    [InlineData("Group/g.1/$export", FhirExportStatus.Completed)]
    [InlineData("Group/g.2/$export", FhirExportStatus.CompletedWithErrors)]
    [InlineData("Patient/$export", FhirExportStatus.CompletedWithErrors)]
    [InlineData("$export", FhirExportStatus.CompletedWithErrors)]
    public async Task An_export_of_more_than_the_group_is_told(string served, FhirExportStatus status)
    {
        _service.OnStatus = StandIn.Answer(200, Manifest(served + "?_anonymizationConfig=c.json&_anonymizationConfigEtag=0x8DC"), "application/json");
        FhirExport export = Export;
        (export.Level, export.GroupId) = (FhirExportLevel.Group, "g.1");

        FhirExport now = await _connection.GetExportAsync(export, TestContext.Current.CancellationToken);

        Assert.Equal(status, now.Status);
        if (status != FhirExportStatus.Completed) Assert.Contains("other patients", Assert.Single(now.Issues), StringComparison.Ordinal);
    }
}
