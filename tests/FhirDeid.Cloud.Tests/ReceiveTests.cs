using System.Security.Cryptography;
using System.Text;

namespace FhirDeid.Cloud.Tests;

public sealed class ReceiveTests : IAsyncLifetime
{
    private const string Path = "research/20260101T000000-42/Patient-43-1.ndjson";
    private const string Labelled = """{"resourceType":"Patient","id":"1","meta":{"security":[{"code":"REDACTED"}]}}""" + "\n";
    private const string Plain = """{"id":"2","contained":[{"resourceType":"Practitioner","meta":{"security":[{"code":"REDACTED"}]}}],"resourceType":"Patient"}""" + "\r\n";

    private readonly string _folder = Directory.CreateTempSubdirectory("fhirdeid-").FullName;
    private StandIn _service = null!;
    private IFhirDeidConnection _connection = null!;

    public async ValueTask InitializeAsync()
    {
        _service = await StandIn.StartAsync();
        _connection = await _service.ConnectAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _service.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private string Destination => System.IO.Path.Combine(_folder, "Patient-43-1.ndjson");

    private static FhirExport Export => new()
    {
        JobId = "42",
        Status = FhirExportStatus.Completed,
        Container = "research",
        ConfigName = "c.json",
        ConfigETag = "\"0x8DC\"",
        Request = new Uri("https://fhir.example.org/$export?_container=research&_anonymizationConfig=c.json&_anonymizationConfigEtag=%220x8DC%22"),
    };

    private FhirExportFile File(long? count = 2, string? url = null) => new() { Type = "Patient", Url = new Uri(url ?? $"{_service.BlobBase}/{Path}"), Count = count };

    private Task<ReceivedFhirFile> ReceiveAsync(FhirExportFile? file = null, FhirExport? export = null, string? destination = null, CancellationToken? cancellation = null, IProgress<FhirDeidProgress>? progress = null, bool force = false) =>
        _connection.ReceiveFileAsync(export ?? Export, file ?? File(), destination ?? Destination, force, progress ?? new Silent(), cancellation ?? TestContext.Current.CancellationToken);

    private void AssertNothingRemains() => Assert.Empty(Directory.EnumerateFileSystemEntries(_folder));

    [Fact]
    public async Task A_received_file_is_complete_checked_and_its_owners_alone()
    {
        byte[] bytes = Encoding.UTF8.GetBytes(Labelled + Plain);
        _service.Put(Path, bytes);

        ReceivedFhirFile received = await ReceiveAsync();

        Assert.Equal(bytes, await System.IO.File.ReadAllBytesAsync(Destination, TestContext.Current.CancellationToken));
        Assert.Equal(("Patient", 2L, 1L, (long)bytes.Length), (received.ResourceType, received.Count, received.UnlabelledCount, received.Length));
        Assert.Equal((Convert.ToHexString(SHA256.HashData(bytes)).ToLowerInvariant(), Destination, "42"), (received.Sha256, received.FullName, received.JobId));
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(Destination));
        Assert.Single(Directory.EnumerateFileSystemEntries(_folder));
    }

    [Fact]
    public async Task A_large_file_arrives_whole_with_its_progress()
    {
        string line = $$$"""{"resourceType":"Patient","id":"1","text":{"div":"{{{new string('x', 300_000)}}}"}}""" + "\n";
        byte[] bytes = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(line, 40)) + line.TrimEnd());
        _service.Put(Path, bytes);
        Collected progress = new();

        ReceivedFhirFile received = await ReceiveAsync(File(41), progress: progress);

        Assert.Equal((41L, 41L, Convert.ToHexString(SHA256.HashData(bytes)).ToLowerInvariant()), (received.Count, received.UnlabelledCount, received.Sha256));
        Assert.Equal(100, progress.Last.PercentComplete);
        Assert.Contains("Patient-43-1.ndjson", progress.Last.Activity);
    }

    [Fact]
    public async Task An_empty_file_and_an_unknown_count_are_fine()
    {
        _service.Put(Path, []);
        Assert.Equal(0, (await ReceiveAsync(File(0))).Count);

        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled + "\r\n\n"));
        Assert.Equal(1, (await ReceiveAsync(File(null), destination: Destination + "2")).Count);
    }

    [Theory]
    [InlineData(FhirExportStatus.NotDeidentified, "NotDeidentified")]
    [InlineData(FhirExportStatus.InProgress, "ExportNotCompleted")]
    [InlineData(FhirExportStatus.Failed, "ExportNotCompleted")]
    public async Task Files_of_an_export_that_is_not_done_or_not_proven_are_refused(FhirExportStatus status, string error)
    {
        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled));
        FhirExport export = Export;
        export.Status = status;

        FhirDeidException e = await Failure.Of(error, () => ReceiveAsync(export: export));

        if (error == "NotDeidentified") Assert.Equal(FhirDeidErrorCategory.SecurityError, e.Category);
        Assert.DoesNotContain(_service.Requests, r => r.Port == _service.Blob.Port);
        AssertNothingRemains();
    }

    [Fact]
    public async Task A_status_that_its_own_request_does_not_bear_out_is_refused()
    {
        FhirExport export = Export;
        export.Request = new Uri("https://fhir.example.org/$export?_container=research");

        await Failure.Of("NotDeidentified", () => ReceiveAsync(export: export));
    }

    [Fact]
    public async Task URLs_outside_the_exports_container_get_no_token()
    {
        foreach (string url in new[]
        {
            $"{_service.Foreign}{StandIn.Account}/{Path}",
            $"{_service.Blob}otherstore/{Path}",
            $"{_service.BlobBase}/anonymization/c.json",
            $"{_service.BlobBase}/research/../anonymization/c.json",
            $"{_service.BlobBase}/research/%2e%2e/anonymization/c.json",
            $"{_service.BlobBase}/research/x%2F..%2F..%2Fanonymization%2Fc.json",
            $"{_service.BlobBase}/research/x%5C..%5C..%5Canonymization%5Cc.json",
            $"{_service.BlobBase}/research/",
            $"{_service.BlobBase}/research2/x.ndjson",
            $"{_service.BlobBase}x/{Path}",
            $"https://user@127.0.0.1:{_service.Blob.Port}/{StandIn.Account}/{Path}",
        })
        {
            await Failure.Of("ForeignUrl", () => ReceiveAsync(File(2, url)));
        }

        Assert.DoesNotContain(_service.Requests, r => r.Port == _service.Blob.Port || r.Port == _service.Foreign.Port);
        AssertNothingRemains();
    }

    [Fact]
    public async Task A_SAS_on_the_URL_is_not_used()
    {
        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled));

        await ReceiveAsync(File(1, $"{_service.BlobBase}/{Path}?sig=secret"));

        Assert.All(_service.Requests, r => Assert.DoesNotContain("sig", r.Target, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task A_file_with_another_number_of_resources_than_the_manifest_says_is_refused(int count)
    {
        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled + Plain));

        await Failure.Of("CountMismatch", () => ReceiveAsync(File(count)));

        AssertNothingRemains();
    }

    [Theory]
    [InlineData("""{"resourceType":"Observation","id":"Lovelace"}""")]
    [InlineData("""{"id":"Lovelace"}""")]
    [InlineData("""{"resourceType":"Patient","resourceType":"Observation","id":"Lovelace"}""")]
    [InlineData("""{"resourceType":"Patient","resourceType":"Patient","id":"Lovelace"}""")]
    [InlineData("""[{"resourceType":"Patient","id":"Lovelace"}]""")]
    [InlineData("""{"contained":[{"resourceType":"Patient","id":"Lovelace"}]}""")]
    [InlineData("""{"resourceType":"Patient","id":"Lovelace""")]
    [InlineData("""{"resourceType":"Patient","id":"Lovelace"} {}""")]
    [InlineData("""{"resourceType":null,"id":"Lovelace"}""")]
    [InlineData("Lovelace")]
    public async Task A_line_that_is_no_resource_of_the_type_is_refused_without_quoting_it(string line)
    {
        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled + line + "\n"));

        FhirDeidException e = await Failure.Of("FileInvalid", () => ReceiveAsync());

        Assert.Contains("Line 2", e.Message);
        Assert.DoesNotContain("Lovelace", e.ToString(), StringComparison.Ordinal);
        AssertNothingRemains();
    }

    [Fact]
    public async Task An_existing_file_is_not_overwritten()
    {
        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled + Plain));
        await System.IO.File.WriteAllTextAsync(Destination, "mine", TestContext.Current.CancellationToken);

        await Failure.Of("FileExists", () => ReceiveAsync());

        Assert.Equal("mine", await System.IO.File.ReadAllTextAsync(Destination, TestContext.Current.CancellationToken));
        Assert.Single(Directory.EnumerateFileSystemEntries(_folder));
    }

    [Fact]
    public async Task Force_replaces_a_file_by_a_complete_one_alone()
    {
        await System.IO.File.WriteAllTextAsync(Destination, "mine", TestContext.Current.CancellationToken);
        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled + Plain));

        await Failure.Of("CountMismatch", () => ReceiveAsync(File(3), force: true));
        Assert.Equal("mine", await System.IO.File.ReadAllTextAsync(Destination, TestContext.Current.CancellationToken));

        await ReceiveAsync(force: true);
        Assert.Equal(Labelled + Plain, await System.IO.File.ReadAllTextAsync(Destination, TestContext.Current.CancellationToken));
        Assert.Single(Directory.EnumerateFileSystemEntries(_folder));
    }

    [Fact]
    public async Task A_folder_that_is_not_there_is_told()
    {
        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled + Plain));

        await Failure.Of("FileUnwritable", () => ReceiveAsync(destination: System.IO.Path.Combine(_folder, "missing", "p.ndjson")));

        AssertNothingRemains();
    }

    [Fact]
    public async Task A_file_that_is_gone_is_told()
    {
        await Failure.Of("BlobNotFound", () => ReceiveAsync());

        AssertNothingRemains();
    }

    [Fact]
    public async Task A_cancelled_download_leaves_nothing()
    {
        using CancellationTokenSource cancel = new();
        _service.OnBlob = async context =>
        {
            StandIn.DescribeBlob(context, "\"0x1\"");
            context.Response.ContentLength = 1_000_000;
            await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(Labelled), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            cancel.Cancel();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ReceiveAsync(cancellation: cancel.Token));

        AssertNothingRemains();
    }

    [Fact]
    public async Task A_broken_download_is_taken_up_where_it_broke_on_the_same_version()
    {
        byte[] bytes = Encoding.UTF8.GetBytes(Labelled + Plain);
        BreakOnce(bytes, changed: false);

        Assert.Equal(2, (await ReceiveAsync()).Count);

        Assert.Equal(bytes, await System.IO.File.ReadAllBytesAsync(Destination, TestContext.Current.CancellationToken));
        Received second = _service.Requests[^1];
        Assert.Equal(("\"0x1\"", $"bytes={Labelled.Length}-"), (second.Header("If-Match"), second.Header("x-ms-range")));
    }

    [Fact]
    public async Task A_file_that_changes_during_the_download_is_refused()
    {
        BreakOnce(Encoding.UTF8.GetBytes(Labelled + Plain), changed: true);

        await Failure.Of("BlobChanged", () => ReceiveAsync());

        AssertNothingRemains();
    }

    private async Task<List<string>> ReadAsync(FhirExportFile? file = null, FhirExport? export = null, int most = int.MaxValue)
    {
        List<string> resources = [];
        await foreach (string resource in _connection.ReadFileAsync(export ?? Export, file ?? File(), new Silent(), TestContext.Current.CancellationToken))
        {
            resources.Add(resource);
            if (resources.Count == most) break;
        }
        return resources;
    }

    [Fact]
    public async Task Resources_are_read_one_by_one_without_their_line_breaks()
    {
        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled + "\r\n\n" + Plain + Labelled.TrimEnd()));

        Assert.Equal([Labelled.TrimEnd(), Plain.TrimEnd(), Labelled.TrimEnd()], await ReadAsync(File(3)));
        AssertNothingRemains();
    }

    [Fact]
    public async Task Reading_is_refused_where_receiving_is()
    {
        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled + Plain));
        FhirExport unproven = Export, running = Export;
        unproven.Request = null;
        running.Status = FhirExportStatus.InProgress;

        await Failure.Of("NotDeidentified", () => ReadAsync(export: unproven));
        await Failure.Of("ExportNotCompleted", () => ReadAsync(export: running));
        await Failure.Of("ForeignUrl", () => ReadAsync(File(2, $"{_service.Foreign}{StandIn.Account}/{Path}")));
        Assert.DoesNotContain(_service.Requests, r => r.Port == _service.Blob.Port || r.Port == _service.Foreign.Port);

        await Failure.Of("BlobNotFound", () => ReadAsync(File(2, $"{_service.BlobBase}/research/missing.ndjson")));
    }

    [Fact]
    public async Task A_wrong_number_of_resources_is_told_after_the_last_one()
    {
        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled + Plain));

        Assert.Equal(2, (await ReadAsync(File(3), most: 2)).Count);
        await Failure.Of("CountMismatch", () => ReadAsync(File(3)));
    }

    [Fact]
    public async Task A_reader_that_has_enough_ends_the_transfer()
    {
        TaskCompletionSource aborted = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _service.OnBlob = async context =>
        {
            context.RequestAborted.Register(() => aborted.TrySetResult());
            StandIn.DescribeBlob(context, "\"0x1\"");
            context.Response.ContentLength = 1_000_000;
            await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(Labelled), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await aborted.Task;
            return true;
        };

        Assert.Single(await ReadAsync(most: 1));

        await aborted.Task.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
    }

    private void BreakOnce(byte[] bytes, bool changed)
    {
        int asked = 0;
        _service.OnBlob = async context =>
        {
            if (++asked == 1)
            {
                StandIn.DescribeBlob(context, "\"0x1\"");
                context.Response.ContentLength = bytes.Length;
                await context.Response.Body.WriteAsync(bytes.AsMemory(0, Labelled.Length), context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
                await Task.Delay(200, context.RequestAborted);
                context.Abort();
            }
            else if (changed)
            {
                await StandIn.Answer(412, headers: ("x-ms-error-code", "ConditionNotMet"))(context);
            }
            else
            {
                StandIn.DescribeBlob(context, "\"0x1\"");
                context.Response.StatusCode = 206;
                context.Response.Headers.ContentRange = $"bytes {Labelled.Length}-{bytes.Length - 1}/{bytes.Length}";
                context.Response.ContentLength = bytes.Length - Labelled.Length;
                await context.Response.Body.WriteAsync(bytes.AsMemory(Labelled.Length), context.RequestAborted);
            }
            return true;
        };
    }

    private sealed class Silent : IProgress<FhirDeidProgress>
    {
        public void Report(FhirDeidProgress value)
        {
        }
    }

    private sealed class Collected : IProgress<FhirDeidProgress>
    {
        public FhirDeidProgress Last { get; private set; }

        public void Report(FhirDeidProgress value) => Last = value;
    }
}
