using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

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

    private string Destination => System.IO.Path.Combine(_folder, "Patient-1.ndjson");

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

    private async Task<ReceivedFhirFile> ReceiveAsync(FhirExportFile? file = null, FhirExport? export = null, string? folder = null, CancellationToken? cancellation = null, IProgress<FhirDeidProgress>? progress = null, bool force = false,
        Action<FhirReceiveOptions>? options = null) => Assert.Single(await ReceiveAllAsync([file ?? File()], export, folder, cancellation, progress, force, options));

    private async Task<ReceivedFhirFile[]> ReceiveAllAsync(FhirExportFile[] files, FhirExport? export = null, string? folder = null, CancellationToken? cancellation = null, IProgress<FhirDeidProgress>? progress = null, bool force = false,
        Action<FhirReceiveOptions>? options = null)
    {
        export ??= Export;
        export.Output = files;
        FhirReceiveOptions asked = new() { Destination = folder ?? _folder, Force = force };
        options?.Invoke(asked);
        List<ReceivedFhirFile> received = [];
        await foreach (ReceivedFhirFile one in _connection.ReceiveExportAsync(export, asked, progress ?? new Silent(), cancellation ?? TestContext.Current.CancellationToken)) received.Add(one);
        return [.. received];
    }

    private string[] Files => [.. Directory.EnumerateFileSystemEntries(_folder).Select(System.IO.Path.GetFileName).Order(StringComparer.Ordinal)!];

    private void AssertNothingRemains() => Assert.DoesNotContain(Files, name => name != "manifest.json");

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
        Assert.Equal(["Patient-1.ndjson", "manifest.json"], Files);
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
        Assert.Equal("Receiving export 42", progress.Last.Activity);
    }

    [Fact]
    public async Task An_empty_file_and_an_unknown_count_are_fine()
    {
        _service.Put(Path, []);
        Assert.Equal(0, (await ReceiveAsync(File(0))).Count);

        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled + "\r\n\n"));
        Assert.Equal(1, (await ReceiveAsync(File(null), force: true, options: o => o.Unique = true)).Count);
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
        Assert.Single(Files);
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
        Assert.Equal(["Patient-1.ndjson", "manifest.json"], Files);
    }

    [Fact]
    public async Task What_stood_there_before_a_forced_run_that_was_cut_off_is_not_taken_for_what_was_to_come()
    {
        await System.IO.File.WriteAllTextAsync(Destination, Labelled + Plain, TestContext.Current.CancellationToken);
        await Failure.Of("BlobNotFound", () => ReceiveAsync(force: true));
        _service.Put(Path, Encoding.UTF8.GetBytes(Plain + Labelled));

        await Failure.Of("FileChanged", () => ReceiveAsync());
        await ReceiveAsync(force: true);

        Assert.Equal(Plain + Labelled, await System.IO.File.ReadAllTextAsync(Destination, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_folder_that_is_not_there_is_told()
    {
        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled + Plain));

        await Failure.Of("FileUnwritable", () => ReceiveAsync(folder: System.IO.Path.Combine(_folder, "missing")));

        AssertNothingRemains();
    }

    [Fact]
    public async Task A_file_that_is_gone_is_told()
    {
        await Failure.Of("BlobNotFound", () => ReceiveAsync());

        AssertNothingRemains();
    }

    [Fact]
    public async Task A_cancelled_download_leaves_what_has_come_and_the_next_goes_on_with_it()
    {
        using CancellationTokenSource cancel = new();
        _service.OnBlob = async context =>
        {
            StandIn.DescribeBlob(context, "\"0x1\"");
            context.Response.ContentLength = 1_000_000;
            await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(Labelled), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            while (!Directory.EnumerateFiles(_folder, "Patient*.partial").Any()) await Task.Delay(10, context.RequestAborted);
            cancel.Cancel();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ReceiveAsync(cancellation: cancel.Token));

        Assert.Contains(Files, name => name.EndsWith("-0x1.partial", StringComparison.Ordinal));
        byte[] bytes = Encoding.UTF8.GetBytes(Labelled + Plain);
        _service.OnBlob = async context =>
        {
            await StandIn.SendAsync(context, bytes, "\"0x1\"");
            return true;
        };
        Assert.Equal(2, (await ReceiveAsync()).Count);
        Assert.Equal(["Patient-1.ndjson", "manifest.json"], Files);
        Assert.Equal(bytes, await System.IO.File.ReadAllBytesAsync(Destination, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_broken_download_is_taken_up_where_it_broke_on_the_same_version()
    {
        byte[] bytes = Encoding.UTF8.GetBytes(Labelled + Plain);
        BreakOnce(bytes, changed: false);

        Assert.Equal(2, (await ReceiveAsync()).Count);

        Assert.Equal(bytes, await System.IO.File.ReadAllBytesAsync(Destination, TestContext.Current.CancellationToken));
        Received second = _service.Requests[^1];
        Assert.Equal(("\"0x1\"", $"bytes={Labelled.Length}-"), (second.Header("If-Match"), second.Header("Range")));
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
        await foreach (string resource in _connection.ReadFileAsync(export ?? Export, file ?? File(), new FhirReadOptions(), new Silent(), TestContext.Current.CancellationToken))
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

    [Fact]
    public async Task All_files_come_several_at_once_under_names_of_our_own_and_are_listed()
    {
        FhirExportFile[] files = Several(20);

        ReceivedFhirFile[] received = await ReceiveAllAsync(files);

        Assert.Equal(20, received.Length);
        Assert.Equal([.. Enumerable.Range(1, 20).Select(number => $"Patient-{number}.ndjson").Append("manifest.json").Order(StringComparer.Ordinal)], Files);
        using JsonDocument ledger = JsonDocument.Parse(await System.IO.File.ReadAllTextAsync(System.IO.Path.Combine(_folder, "manifest.json"), TestContext.Current.CancellationToken));
        Assert.True(ledger.RootElement.GetProperty("complete").GetBoolean());
        Assert.Equal(received.ToDictionary(file => System.IO.Path.GetFileName(file.FullName), file => file.Sha256).OrderBy(pair => pair.Key),
            ledger.RootElement.GetProperty("files").EnumerateArray().ToDictionary(file => file.GetProperty("name").GetString()!, file => file.GetProperty("sha256").GetString()!).OrderBy(pair => pair.Key));
    }

    [Fact]
    public async Task Files_are_written_out_in_the_order_of_the_export_whichever_comes_first()
    {
        FhirExportFile[] files = Several(6);
        TaskCompletionSource others = new();
        int came = 0;
        _service.OnBlob = async context =>
        {
            if (context.Request.Path.Value!.EndsWith("43-1.ndjson", StringComparison.Ordinal)) await others.Task;
            else if (Interlocked.Increment(ref came) == 4) others.SetResult();
            return false;
        };

        ReceivedFhirFile[] received = await ReceiveAllAsync(files);

        Assert.Equal(Enumerable.Range(1, 6).Select(number => $"Patient-{number}.ndjson"), received.Select(file => System.IO.Path.GetFileName(file.FullName)));
    }

    [Fact]
    public async Task Files_behind_one_that_fails_are_written_out_before_the_error()
    {
        FhirExportFile[] files = Several(3);
        files[0].Count = 2;
        TaskCompletionSource others = new();
        int came = 0;
        _service.OnBlob = async context =>
        {
            if (context.Request.Path.Value!.EndsWith("43-1.ndjson", StringComparison.Ordinal))
            {
                await others.Task;
                while (Directory.EnumerateFiles(_folder, "Patient*").Count(file => file.EndsWith(".ndjson", StringComparison.Ordinal)) < 2) await Task.Delay(10, context.RequestAborted);
            }
            else if (Interlocked.Increment(ref came) == 2)
            {
                others.SetResult();
            }
            return false;
        };
        FhirExport export = Export;
        export.Output = files;
        List<string> received = [];

        await Failure.Of("CountMismatch", async () =>
        {
            await foreach (ReceivedFhirFile file in _connection.ReceiveExportAsync(export, new FhirReceiveOptions { Destination = _folder }, new Silent(), TestContext.Current.CancellationToken)) received.Add(System.IO.Path.GetFileName(file.FullName));
        });

        Assert.Equal(["Patient-2.ndjson", "Patient-3.ndjson"], received);
    }

    [Fact]
    public async Task The_same_command_again_checks_what_is_there_and_fetches_what_is_not()
    {
        FhirExportFile[] files = Several(3);
        await ReceiveAllAsync(files);
        System.IO.File.Delete(System.IO.Path.Combine(_folder, "Patient-2.ndjson"));
        int before = _service.Requests.Count;

        // In another order, as a service may list them.
        ReceivedFhirFile[] received = await ReceiveAllAsync([files[2], files[0], files[1]]);

        Assert.Equal(3, received.Length);
        Assert.Equal("/teststore/research/20260101T000000-42/Patient-43-2.ndjson", Assert.Single(_service.Requests.Skip(before), IsFile).Target);
        Assert.Equal(["Patient-1.ndjson", "Patient-2.ndjson", "Patient-3.ndjson", "manifest.json"], Files);
    }

    [Fact]
    public async Task A_file_that_was_changed_here_is_told_and_replaced_by_Force_alone()
    {
        FhirExportFile[] files = Several(1);
        await ReceiveAllAsync(files);
        await System.IO.File.AppendAllTextAsync(Destination, Labelled, TestContext.Current.CancellationToken);

        await Failure.Of("FileChanged", () => ReceiveAllAsync(files));
        await Failure.Of("FileChanged", () => VerifyAsync());
        await ReceiveAllAsync(files, force: true);
        Assert.Single(await VerifyAsync());
    }

    [Fact]
    public async Task A_folder_of_another_export_is_left_alone_and_replaced_whole_by_Force()
    {
        await ReceiveAllAsync(Several(3));
        FhirExport other = Export;
        (other.JobId, other.StatusUri) = ("43", new Uri("https://fhir.example.org/_operations/export/43"));

        await Failure.Of("FolderInUse", () => ReceiveAllAsync(Several(1), other));
        Assert.Equal(4, Files.Length);
        await ReceiveAllAsync(Several(1), other, force: true);
        Assert.Equal(["Patient-1.ndjson", "manifest.json"], Files);
        Assert.Equal("43", Assert.Single(await VerifyAsync()).JobId);
    }

    [Fact]
    public async Task One_command_at_a_time_receives_into_a_folder()
    {
        await ReceiveAllAsync(Several(4));
        using (new FileStream(System.IO.Path.Combine(_folder, ".receiving"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None))
            await Failure.Of("FolderInUse", () => ReceiveAllAsync(Several(4)));

        // What a killed command leaves holds nobody up, and goes.
        Assert.Equal(4, (await ReceiveAllAsync(Several(4))).Length);
        Assert.DoesNotContain(".receiving", Files);
    }

    [Fact]
    public async Task A_file_fails_and_the_next_run_goes_on_behind_those_that_have_come()
    {
        FhirExportFile[] files = Several(8);
        files[7].Count = 9;

        await Failure.Of("CountMismatch", () => ReceiveAllAsync(files));
        await Failure.Of("ExportIncomplete", () => VerifyAsync());
        int before = _service.Requests.Count;
        files[7].Count = 1;
        await ReceiveAllAsync(files);

        Assert.InRange(_service.Requests.Skip(before).Count(IsFile), 1, 7);
        Assert.Equal(8, (await VerifyAsync()).Length);
    }

    [Fact]
    public async Task A_folder_without_a_list_or_with_a_spoilt_one_is_not_verified()
    {
        await Failure.Of("LedgerNotFound", () => VerifyAsync());
        foreach (string text in (string[])["{", "null", """{"files":[{"name":"../x","sha256":"00"}]}""", """{"files":[{"name":"thesis.docx","sha256":"00"}]}""", """{"files":null}"""])
        {
            await System.IO.File.WriteAllTextAsync(System.IO.Path.Combine(_folder, "manifest.json"), text, TestContext.Current.CancellationToken);
            await Failure.Of("LedgerInvalid", () => VerifyAsync());
            await Failure.Of("LedgerInvalid", () => ReceiveAllAsync(Several(1)));
        }
        Assert.Single(await ReceiveAllAsync(Several(1), force: true));
    }

    [Fact]
    public async Task Duplicates_are_counted_and_left_out_when_that_is_asked_for()
    {
        const string first = """{"resourceType":"Patient","id":"1","meta":{"versionId":"1","security":[{"code":"REDACTED"}]}}""" + "\n";
        string second = first.Replace("\"versionId\":\"1\"", "\"versionId\":\"2\"", StringComparison.Ordinal);
        FhirExportFile[] files = Several(2);
        _service.Put(Path.Replace("-1.nd", "-1.nd", StringComparison.Ordinal), Encoding.UTF8.GetBytes(first + second + first));
        _service.Put(Path.Replace("43-1.nd", "43-2.nd", StringComparison.Ordinal), Encoding.UTF8.GetBytes(second + "\n"));
        (files[0].Count, files[1].Count) = (3, 1);

        Assert.Equal(2, (await ReceiveAllAsync(files)).Sum(file => file.DuplicateCount));
        Assert.Equal(2, (await ReceiveAllAsync(files)).Sum(file => file.DuplicateCount));

        await Failure.Of("FolderInUse", () => ReceiveAllAsync(files, options: o => o.Unique = true));
        ReceivedFhirFile[] received = await ReceiveAllAsync(files, force: true, options: o => o.Unique = true);
        Assert.Equal((2L, 2L), (received.Sum(file => file.DuplicateCount), received.Sum(file => file.Count)));
        Assert.Equal(first + second, await System.IO.File.ReadAllTextAsync(Destination, TestContext.Current.CancellationToken));
        Assert.Equal(2, (await ReceiveAllAsync(files, options: o => o.Unique = true)).Sum(file => file.Count));
    }

    [Theory]
    [InlineData(FhirResourceMark.Label, """{"resourceType":"Patient","id":"Lovelace"}""", false)]
    [InlineData(FhirResourceMark.Label, """{"resourceType":"Patient","id":"Lovelace","meta":{"security":[{"code":"REDACTED"}]}}""", true)]
    [InlineData(FhirResourceMark.HashedId, """{"resourceType":"Patient","id":"Lovelace","meta":{"security":[{"code":"CRYTOHASH"}]}}""", false)]
    [InlineData(FhirResourceMark.HashedId, """{"resourceType":"Patient","id":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}""", false)]
    [InlineData(FhirResourceMark.HashedId, """{"resourceType":"Patient","id":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","meta":{"security":[{"code":"CRYTOHASH"}]}}""", true)]
    [InlineData(FhirResourceMark.HashedId, """{"resourceType":"Patient","meta":{"security":[{"code":"REDACTED"}]}}""", true)]
    [InlineData(FhirResourceMark.None, """{"resourceType":"Patient","id":"Lovelace"}""", true)]
    public async Task A_resource_without_the_marks_of_its_configuration_is_refused_before_it_is_written(FhirResourceMark mark, string line, bool accepted)
    {
        _service.Put(Path, Encoding.UTF8.GetBytes(line + "\n"));
        Dictionary<string, FhirResourceMark> marks = new() { ["Patient"] = mark };

        IReadOnlyList<string> findings = await _connection.CheckMarksAsync(WithFile(Export), marks, TestContext.Current.CancellationToken);
        Assert.Equal(accepted ? 0 : 1, findings.Count);
        if (accepted)
        {
            Assert.Equal(1, (await ReceiveAsync(File(1), options: o => o.Marks = marks)).Count);
            return;
        }
        FhirDeidException e = await Failure.Of("NotDeidentified", () => ReceiveAsync(File(1), options: o => o.Marks = marks));
        Assert.DoesNotContain("Lovelace", e.ToString() + findings[0], StringComparison.Ordinal);
        AssertNothingRemains();
        await Failure.Of("NotDeidentified", async () =>
        {
            await foreach (string _ in _connection.ReadFileAsync(Export, File(1), new FhirReadOptions { Marks = marks }, new Silent(), TestContext.Current.CancellationToken)) Assert.Fail("An identified resource came through.");
        });
        Assert.Equal(1, (await ReceiveAsync(File(1), options: o => (o.Marks, o.AllowNotDeidentified) = (marks, true))).Count);
    }

    [Fact]
    public async Task Identified_data_are_de_identified_before_they_reach_the_disk()
    {
        const string secret = "Lovelace";
        string line = $$$"""{"resourceType":"Patient","id":"{{{secret}}}"}""" + "\r\n";
        _service.Put(Path, Encoding.UTF8.GetBytes(line + "\n" + line.TrimEnd()));
        FhirExport export = new() { JobId = "42", Status = FhirExportStatus.Completed, DeidentifyLocally = true, Container = "research" };

        await Failure.Of("NotDeidentified", () => ReceiveAsync(export: export));
        ReceivedFhirFile received = await ReceiveAsync(export: export, options: o => (o.Deidentify, o.DeidentifySha256) = (() => new Masking(), "ab"));

        Assert.Equal(2, received.Count);
        string text = await System.IO.File.ReadAllTextAsync(Destination, TestContext.Current.CancellationToken);
        Assert.Equal(string.Concat(Enumerable.Repeat($$"""{"resourceType":"Patient","masked":{{line.Length - 2}}}""" + "\n", 2)), text);
        Assert.All(Files, file => Assert.DoesNotContain(secret, System.IO.File.ReadAllText(System.IO.Path.Combine(_folder, file)), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Resources_that_could_not_be_de_identified_are_counted_told_and_kept_in_the_list()
    {
        const string failing = """{"resourceType":"Patient","id":"fails","meta":{"security":[{"code":"REDACTED"}]}}""" + "\n";
        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled + "\n" + failing + Labelled.Replace("\"id\":\"1\"", "\"id\":\"3\"", StringComparison.Ordinal)));
        void Mask(FhirReceiveOptions options) => (options.Deidentify, options.DeidentifySha256) = (() => new Masking(), "ab");

        ReceivedFhirFile received = await ReceiveAsync(File(3), options: Mask);
        ReceivedFhirFile again = await ReceiveAsync(File(3), options: Mask);

        // What is counted is what stands here: the labels of what came are gone.
        Assert.Equal((3L, 1L, 3L), (received.Count, received.FailureCount, received.UnlabelledCount));
        DeidentificationFailure failure = Assert.Single(received.FailedResources);
        Assert.Equal(("Patient-1.ndjson", 3L), (failure.Path, failure.Line));
        Assert.Equal((1L, 3L), (again.FailureCount, again.UnlabelledCount));
        Assert.Equal(1, Assert.Single(await VerifyAsync()).FailureCount);
    }

    [Fact]
    public async Task A_result_without_the_marks_of_its_configuration_is_refused()
    {
        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled));

        await Failure.Of("NotDeidentified", () => ReceiveAsync(File(1), options: o => (o.Deidentify, o.DeidentifySha256, o.Marks) = (() => new Masking(), "ab", new Dictionary<string, FhirResourceMark> { ["Patient"] = FhirResourceMark.Label })));

        AssertNothingRemains();
    }

    [Fact]
    public async Task A_de_identified_file_whose_failures_nobody_noted_is_made_again()
    {
        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled));
        void Mask(FhirReceiveOptions options) => (options.Deidentify, options.DeidentifySha256) = (() => new Masking(), "ab");
        string ledger = System.IO.Path.Combine(_folder, "manifest.json");
        await ReceiveAsync(File(1), options: Mask);
        // As a killed process leaves it: the file has its name, and the list knows nothing of it.
        System.Text.Json.Nodes.JsonNode list = System.Text.Json.Nodes.JsonNode.Parse(await System.IO.File.ReadAllTextAsync(ledger, TestContext.Current.CancellationToken))!;
        foreach (string known in (string[])["resources", "duplicates", "unlabelled", "failures", "length", "sha256"]) list["files"]![0]!.AsObject().Remove(known);
        list["complete"] = false;
        await System.IO.File.WriteAllTextAsync(ledger, list.ToJsonString(), TestContext.Current.CancellationToken);
        int before = _service.Requests.Count(IsFile);

        await ReceiveAsync(File(1), options: Mask);

        Assert.Equal(before + 1, _service.Requests.Count(IsFile));
        Assert.Single(await VerifyAsync());
    }

    /// <param name="first">What the first run made of the file: nothing, or by which configuration.</param>
    /// <param name="second">The same for the second.</param>
    [Theory]
    [InlineData("", "ab")]
    [InlineData("ab", "cd")]
    [InlineData("ab", "")]
    public async Task A_beginning_is_gone_before_a_run_that_makes_something_else_of_it(string first, string second)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(Labelled + Plain);
        int asked = 0;
        string[] there = [];
        _service.OnBlob = async context =>
        {
            if (++asked > 1) there = Files;
            if (asked > 1)
            {
                await StandIn.SendAsync(context, bytes, "\"0x1\"");
                return true;
            }
            StandIn.DescribeBlob(context, "\"0x1\"");
            context.Response.ContentLength = bytes.Length;
            await context.Response.Body.WriteAsync(bytes.AsMemory(0, Labelled.Length), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        };
        using CancellationTokenSource cancel = new();
        Task<ReceivedFhirFile> run = ReceiveAsync(options: o => As(o, first), cancellation: cancel.Token);
        while (!Directory.EnumerateFiles(_folder, "Patient*.partial").Any()) await Task.Delay(10, TestContext.Current.CancellationToken);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
        bool keeps = Files.Any(name => name.EndsWith("-0x1.partial", StringComparison.Ordinal));

        await Failure.Of("FolderInUse", () => ReceiveAsync(options: o => As(o, second)));
        await ReceiveAsync(options: o => As(o, second), force: true);

        Assert.Equal(first.Length == 0, keeps);
        Assert.Equal([".receiving", "manifest.json"], there);
        Assert.Null(_service.Requests.Last(IsFile).Header("Range"));
        Assert.Equal(second.Length > 0, (await System.IO.File.ReadAllTextAsync(Destination, TestContext.Current.CancellationToken)).Contains("masked", StringComparison.Ordinal));

        static void As(FhirReceiveOptions options, string config) => (options.Deidentify, options.DeidentifySha256) = (config.Length > 0 ? () => new Masking() : null, config);
    }

    [Fact]
    public async Task A_link_where_a_partial_file_should_be_is_not_written_through()
    {
        _service.Put(Path, Encoding.UTF8.GetBytes(Labelled));
        await Assert.ThrowsAsync<FhirDeidException>(() => ReceiveAsync(File(9)));
        string elsewhere = System.IO.Path.Combine(Directory.CreateDirectory(System.IO.Path.Combine(_folder, "elsewhere")).FullName, "mine");
        await System.IO.File.WriteAllTextAsync(elsewhere, "mine", TestContext.Current.CancellationToken);
        string address = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes($"{_service.BlobBase}/{Path}")))[..8].ToLowerInvariant();
        foreach (string name in (string[])[$"Patient-1.ndjson.{address}-{_service.Blobs[Path].ETag.Trim('"')}.partial", $"Patient-1.ndjson.{address}.partial", "manifest.json.partial"])
            System.IO.File.CreateSymbolicLink(System.IO.Path.Combine(_folder, name), elsewhere);

        Assert.Equal(1, (await ReceiveAsync(File(1))).Count);

        Assert.Equal("mine", await System.IO.File.ReadAllTextAsync(elsewhere, TestContext.Current.CancellationToken));
        Assert.Equal(["Patient-1.ndjson", "elsewhere", "manifest.json"], Files);
    }

    [Fact]
    public async Task Files_at_the_services_own_address_get_its_token_only_where_they_want_it()
    {
        _service.OnStatus = async context =>
        {
            StandIn.DescribeBlob(context, "\"0x1\"");
            await context.Response.WriteAsync(Labelled);
        };
        FhirExportFile file = File(1, $"{_service.Fhir}files/1?key=x");
        FhirExport open = Export, closed = Export;
        closed.RequiresAccessToken = true;

        await ReceiveAsync(file, open);
        await ReceiveAsync(file, closed, System.IO.Directory.CreateDirectory(System.IO.Path.Combine(_folder, "closed")).FullName);

        Received[] asked = [.. _service.FhirRequests];
        Assert.Equal((null, "/files/1?key=x"), (asked[0].Header("Authorization"), asked[0].Target));
        Assert.StartsWith("Bearer ", asked[1].Header("Authorization"), StringComparison.Ordinal);
        Assert.DoesNotContain("key=x", await System.IO.File.ReadAllTextAsync(System.IO.Path.Combine(_folder, "manifest.json"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    private FhirExport WithFile(FhirExport export)
    {
        export.Output = [File()];
        return export;
    }

    /// <summary>So many files with one resource each.</summary>
    private FhirExportFile[] Several(int count) => [.. Enumerable.Range(1, count).Select(number =>
    {
        string path = Path.Replace("43-1.nd", $"43-{number}.nd", StringComparison.Ordinal);
        _service.Put(path, Encoding.UTF8.GetBytes(Labelled.Replace("\"id\":\"1\"", $"\"id\":\"{number}\"", StringComparison.Ordinal)));
        return File(1, $"{_service.BlobBase}/{path}");
    })];

    private static bool IsFile(Received request) => request.Target.EndsWith(".ndjson", StringComparison.Ordinal);

    private async Task<ReceivedFhirFile[]> VerifyAsync()
    {
        List<ReceivedFhirFile> verified = [];
        await foreach (ReceivedFhirFile file in new CloudEngine().VerifyAsync(_folder, new Silent(), TestContext.Current.CancellationToken)) verified.Add(file);
        return [.. verified];
    }

    /// <summary>Writes how long a resource was.</summary>
    private sealed class Masking : IResourceAnonymizer
    {
        public ReadOnlyMemory<byte> Anonymize(ReadOnlyMemory<byte> resource, string path, long line, out DeidentificationFailure? failure)
        {
            failure = Encoding.UTF8.GetString(resource.Span).Contains("fails", StringComparison.Ordinal) ? new DeidentificationFailure { Path = path, Line = line, ResourceType = "Patient", Reason = "it fails" } : null;
            return Encoding.UTF8.GetBytes(failure is null ? $$"""{"resourceType":"Patient","masked":{{resource.Length}}}""" : """{"resourceType":"Patient"}""");
        }

        public void Dispose()
        {
        }
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
