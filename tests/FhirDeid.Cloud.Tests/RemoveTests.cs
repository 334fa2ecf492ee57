using Microsoft.AspNetCore.Http;

namespace FhirDeid.Cloud.Tests;

/// <summary>What goes when an export is removed, and what never does.</summary>
public sealed class RemoveTests : IAsyncLifetime
{
    private StandIn _service = null!;
    private IFhirDeidConnection _connection = null!;

    public async ValueTask InitializeAsync()
    {
        _service = await StandIn.StartAsync();
        _connection = await _service.ConnectAsync();
        foreach (string blob in (string[])["f-42/Patient-1-1.ndjson", "f-42/Errors-1.ndjson", "f-42/Patient-9-1.ndjson", "notes.txt"]) _service.Put("research/" + blob, [1]);
        _service.OnBlob = context =>
        {
            string blob = context.Request.Path.Value![$"/{StandIn.Account}/".Length..];
            if (context.Request.Method != "DELETE") return Task.FromResult(false);
            context.Response.StatusCode = _service.Blobs.TryRemove(blob, out _) ? 202 : 404;
            if (context.Response.StatusCode == 404) context.Response.Headers["x-ms-error-code"] = "BlobNotFound";
            return Task.FromResult(true);
        };
    }

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    private FhirExport Export(params string[] urls) => new()
    {
        JobId = "42",
        StatusUri = new Uri(_service.Fhir, "_operations/export/42"),
        Container = "research",
        Status = FhirExportStatus.Completed,
        Output = [.. urls.Select(url => new FhirExportFile { Type = "Patient", Url = new Uri(url) })],
    };

    private string Url(string blob) => $"{_service.BlobBase}/research/{blob}";

    private Task DeleteAsync(FhirExport export) => _connection.DeleteFilesAsync(export, new Progress<FhirDeidProgress>(), TestContext.Current.CancellationToken);

    [Fact]
    public async Task Only_what_the_manifest_names_is_deleted_and_nothing_is_searched()
    {
        FhirExport export = Export(Url("f-42/Patient-1-1.ndjson"), Url("f-42/gone.ndjson"));
        export.ErrorOutput = [new() { Type = "OperationOutcome", Url = new Uri(Url("f-42/Errors-1.ndjson")) }];

        Assert.Equal(3, _connection.StoredFiles(export).Count);
        await DeleteAsync(export);

        Assert.Equal(["research/f-42/Patient-9-1.ndjson", "research/notes.txt"], _service.Blobs.Keys.Order(StringComparer.Ordinal));
        Assert.All(_service.Requests.Where(request => request.Port == _service.Blob.Port), request => Assert.Equal("DELETE", request.Method));
        Assert.All(_service.Requests.Where(request => request.Method == "DELETE"), request => Assert.Equal("include", request.Header("x-ms-delete-snapshots")));
        await DeleteAsync(export);
    }

    [Theory]
    [InlineData("https://elsewhere.example/research/f-42/x.ndjson")]
    [InlineData("{0}/other/f-42/x.ndjson")]
    [InlineData("{0}/research/%2e%2e/other/x.ndjson")]
    [InlineData("{0}/research/f-42/%2e%2e%2f%2e%2e%2fother%2fx.ndjson")]
    [InlineData("{1}/research/f-42/x.ndjson")]
    public async Task One_address_outside_of_the_container_keeps_every_file(string url)
    {
        FhirExport export = Export(Url("f-42/Patient-1-1.ndjson"), string.Format(null, url, _service.BlobBase, _service.Foreign.AbsoluteUri.TrimEnd('/')));

        await Failure.Of("ForeignUrl", () => DeleteAsync(export));

        Assert.Equal(4, _service.Blobs.Count);
        Assert.DoesNotContain(_service.Requests, request => request.Method == "DELETE");
    }

    [Fact]
    public async Task Files_at_the_services_own_address_are_left_to_the_service()
    {
        Assert.Empty(_connection.StoredFiles(Export(new Uri(_service.Fhir, "files/1.ndjson").AbsoluteUri)));
        await DeleteAsync(Export(new Uri(_service.Fhir, "files/1.ndjson").AbsoluteUri));

        Assert.Empty(_service.FhirRequests);
    }

    [Fact]
    public async Task No_file_is_deleted_beside_the_keys()
    {
        FhirExport export = Export($"{_service.BlobBase}/anonymization/study.json");
        export.Container = "anonymization";

        await Failure.Of("ContainerHoldsKeys", () => DeleteAsync(export));
    }

    [Fact]
    public async Task An_export_without_a_container_has_no_files_that_could_be_deleted()
    {
        FhirExport export = Export(Url("f-42/Patient-1-1.ndjson"));
        export.Container = "";

        await Failure.Of("ContainerRequired", () => DeleteAsync(export));
    }

    [Fact]
    public async Task Who_may_not_delete_is_told_the_role()
    {
        _service.OnBlob = async context =>
        {
            await StandIn.Answer(403, headers: ("x-ms-error-code", "AuthorizationPermissionMismatch"))(context);
            return true;
        };

        Assert.Contains("Contributor", (await Failure.Of("StorageForbidden", () => DeleteAsync(Export(Url("f-42/Patient-1-1.ndjson"))))).RecommendedAction, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(200)]
    [InlineData(202)]
    [InlineData(204)]
    [InlineData(404)]
    [InlineData(410)]
    public async Task An_export_is_forgotten_by_whatever_the_service_answers(int answer)
    {
        _service.OnStatus = StandIn.Answer(answer);

        await _connection.RemoveExportAsync(Export(), TestContext.Current.CancellationToken);

        Assert.Equal("DELETE", Assert.Single(_service.FhirRequests).Method);
    }

    [Fact]
    public async Task A_refused_removal_is_an_error_and_another_origin_gets_no_request()
    {
        _service.OnStatus = StandIn.Outcome(403, "Authorization failed.", "forbidden");
        await Failure.Of("Forbidden", () => _connection.RemoveExportAsync(Export(), TestContext.Current.CancellationToken));

        FhirExport foreign = Export();
        foreign.StatusUri = new Uri(_service.Foreign, "_operations/export/42");
        await Failure.Of("ForeignUrl", () => _connection.RemoveExportAsync(foreign, TestContext.Current.CancellationToken));
        Assert.DoesNotContain(_service.Requests, request => request.Port == _service.Foreign.Port);
    }
}
