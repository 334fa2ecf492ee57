using System.Globalization;
using System.Net;
using System.Text.Json;
using Azure.Storage.Blobs.Models;

namespace FhirDeid.Tests;

public sealed class ExportTests(SharedEmulator shared)
{
    private readonly Service _service = shared.Service;

    [Fact]
    public async Task A_completed_export_answers_its_manifest()
    {
        DateTimeOffset before = DateTimeOffset.UtcNow;
        Answer answer = await _service.ExportAsync("?_container=manifest&_outputFormat=application%2Ffhir%2Bndjson");

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal("application/json", answer.ContentType);
        Assert.Equal(["transactionTime", "request", "requiresAccessToken", "output", "error", "issues"], answer.Json.EnumerateObject().Select(property => property.Name));
        Assert.InRange(answer.Json.GetProperty("transactionTime").GetDateTimeOffset(), before, DateTimeOffset.UtcNow);
        Assert.Equal($"{_service.Audience}/$export?_container=manifest&_outputFormat=application%2Ffhir%2Bndjson", answer.Json.GetProperty("request").GetString());
        Assert.False(answer.Json.GetProperty("requiresAccessToken").GetBoolean());
        Assert.Empty(answer.Json.GetProperty("error").EnumerateArray());
        Assert.Empty(answer.Json.GetProperty("issues").EnumerateArray());
        Assert.Equal([("Observation", 2), ("Patient", 3)], answer.Output.Select(file => (file.GetProperty("type").GetString()!, file.GetProperty("count").GetInt32())));
        Assert.All(answer.Output, file => Assert.Equal(["type", "url", "count"], file.EnumerateObject().Select(property => property.Name)));
    }

    [Fact]
    public async Task Files_lie_in_a_folder_of_the_job_in_the_container()
    {
        Answer kickOff = await _service.KickOffAsync("$export?_container=layout&_type=Patient");
        string id = kickOff.ContentLocation!.Segments[^1];
        Answer answer = await _service.PollAsync(kickOff);

        string time = answer.Json.GetProperty("transactionTime").GetDateTimeOffset().ToString("yyyyMMddTHHmmss", CultureInfo.InvariantCulture);
        string url = answer.Output.Single().GetProperty("url").GetString()!;
        Assert.Matches($"^{_service.Emulator.BlobEndpoint}/layout/{time}-{id}/Patient-[0-9]+-1.ndjson$", url);
    }

    [Fact]
    public async Task Without_a_container_the_files_lie_in_one_of_the_job()
    {
        Answer kickOff = await _service.KickOffAsync("$export?_type=Patient");
        Answer answer = await _service.PollAsync(kickOff);

        Assert.Matches($"^{_service.Emulator.BlobEndpoint}/export-{kickOff.ContentLocation!.Segments[^1]}/Patient-[0-9]+-1.ndjson$",
            answer.Output.Single().GetProperty("url").GetString()!);
    }

    [Fact]
    public async Task Resources_are_exported_as_they_are_one_a_line()
    {
        Answer answer = await _service.ExportAsync("?_container=content");

        Assert.Equal(
        [
            """{"resourceType":"Observation","id":"o1","note":[{"text":"a  \"b\" \\"}],"status":"final","code":{"text":"x"}}""",
            """{"resourceType":"Observation","id":"o2"}""",
        ], await _service.LinesAsync(answer.Output[0]));
        Assert.Equal(
        [
            """{"resourceType":"Patient","id":"p1","meta":{"lastUpdated":"2024-01-01T00:00:00Z"},"name":[{"family":"Größe"}]}""",
            """{"id":"p2","meta":{"lastUpdated":"2025-01-01T00:00:00+00:00"},"resourceType":"Patient"}""",
            """{"resourceType":"Patient","id":"p3"}""",
        ], await _service.LinesAsync(answer.Output[1]));
    }

    [Theory]
    [InlineData("_type=Patient", "p1 p2 p3")]
    [InlineData("_type=Observation,Patient&_till=2024-06", "p1")]
    [InlineData("_type=Patient&_since=2024-01-01T00:00:00Z&_till=2025-01-01T00:00:00Z", "p1")]
    [InlineData("_type=Patient&_since=2025", "p2 p3")]
    [InlineData("_type=Patient&_since=2025-01-01T00:30:00%2B01:00", "p2 p3")]
    [InlineData("_type=Encounter", "")]
    [InlineData("_isParallel=false&_maxCount=1", "o1 o2 p1 p2 p3")]
    public async Task Only_what_was_asked_for_is_exported(string query, string ids)
    {
        Answer answer = await _service.ExportAsync("?_container=selection&" + query);

        List<string> exported = [];
        foreach (JsonElement file in answer.Output)
            exported.AddRange((await _service.LinesAsync(file)).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("id").GetString()!));
        Assert.Equal(ids, string.Join(' ', exported));
    }

    [Fact]
    public async Task A_worker_takes_no_more_resources_than_maxCount()
    {
        Answer answer = await _service.ExportAsync("?_container=workers&_type=Patient&_maxCount=2");

        Assert.Equal([2, 1], answer.Output.Select(file => file.GetProperty("count").GetInt32()));
        Assert.Equal(2, answer.Output.Select(file => file.GetProperty("url").GetString()).Distinct().Count());
    }

    [Fact]
    public async Task A_blank_configuration_exports_identified_data_without_a_word_as_the_service_does()
    {
        Answer answer = await _service.ExportAsync("?_container=blank&_anonymizationConfig=&_type=Patient");

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Contains("Größe", (await _service.LinesAsync(answer.Output.Single()))[0]);
    }

    [Fact]
    public async Task An_unknown_type_fails_the_job_without_a_reason() =>
        (await _service.ExportAsync("?_container=unknown&_type=Patients")).IsFailure(HttpStatusCode.InternalServerError, "Unknown Error.");

    [Fact]
    public async Task A_container_name_that_storage_refuses_fails_the_job()
    {
        Answer answer = await _service.ExportAsync("?_container=No_Container");

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.StartsWith("export operation failed for reason: ", answer.Json.GetProperty("issue")[0].GetProperty("diagnostics").GetString());
    }

    [Fact]
    public async Task A_cancelled_export_is_gone_and_its_files_stay()
    {
        Answer kickOff = await _service.KickOffAsync("$export?_container=cancelled&_type=Patient");
        string path = kickOff.ContentLocation!.PathAndQuery, id = kickOff.ContentLocation.Segments[^1];
        await _service.PollAsync(kickOff);

        Answer first = await _service.DeleteAsync(path);
        Assert.Equal(HttpStatusCode.Accepted, first.Status);
        Assert.Equal("", first.Body);
        (await _service.GetAsync(path)).IsOutcome(HttpStatusCode.NotFound, "not-found", $"The requested job \"{id}\" was not found.");
        (await _service.DeleteAsync(path)).IsOutcome(HttpStatusCode.NotFound, "not-found", $"The requested job \"{id}\" was not found.");
        List<BlobItem> blobs = [];
        await foreach (BlobItem blob in _service.Blobs.GetBlobContainerClient("cancelled").GetBlobsAsync(cancellationToken: TestContext.Current.CancellationToken)) blobs.Add(blob);
        Assert.Single(blobs);
    }

    [Fact]
    public async Task A_failed_export_can_be_cancelled_too()
    {
        Answer kickOff = await _service.KickOffAsync("$export?_container=failed&_type=Patients");
        Assert.Equal(HttpStatusCode.InternalServerError, (await _service.PollAsync(kickOff)).Status);

        Assert.Equal(HttpStatusCode.Accepted, (await _service.DeleteAsync(kickOff.ContentLocation!.PathAndQuery)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _service.GetAsync(kickOff.ContentLocation.PathAndQuery)).Status);
    }

    [Fact]
    public async Task A_caller_who_may_not_export_may_not_cancel_either()
    {
        Answer kickOff = await _service.KickOffAsync("$export?_container=foreign&_type=Patient");
        string path = kickOff.ContentLocation!.PathAndQuery, token = await _service.TokenAsync(clientId: "no-export");

        (await _service.SendAsync(HttpMethod.Delete, path, token, [], [])).IsOutcome(HttpStatusCode.Forbidden, "forbidden", "Authorization failed.");
        Assert.Equal(HttpStatusCode.OK, (await _service.PollAsync(kickOff)).Status);
    }

    [Theory]
    [InlineData("GET", "987654321")]
    [InlineData("GET", "not-a-number")]
    [InlineData("DELETE", "987654321")]
    [InlineData("DELETE", "not-a-number")]
    public async Task An_unknown_job_is_not_found(string method, string id) =>
        (await _service.SendAsync(new HttpMethod(method), "_operations/export/" + id, await _service.TokenAsync(), [], []))
            .IsOutcome(HttpStatusCode.NotFound, "not-found", $"The requested job \"{id}\" was not found.");
}
