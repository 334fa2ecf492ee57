using System.Collections.Concurrent;
using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using FhirDeid.Tests;
using Microsoft.AspNetCore.Http;

namespace FhirDeid.Cloud.Tests;

/// <summary>Injects each fault of the tables in docs/reliability.md, and compares how it ends.</summary>
public sealed class FaultTests : IAsyncLifetime
{
    private const string Start = "start", Ask = "status", Receive = "receive", Read = "read";
    private const string Blob = "research/20260101T000000-42/Patient-43-1.ndjson";
    private const string Query = "_container=research&_anonymizationConfig=a.json&_anonymizationConfigEtag=%220x8DC%22";

    private static readonly string[] Lines = [.. Enumerable.Range(1, 4000).Select(number => $$$"""{"resourceType":"Patient","id":"{{{number}}}","meta":{"security":[{"code":"REDACTED"}]},"x":"Lovelace"}""")];
    private static readonly byte[] Content = Encoding.UTF8.GetBytes(string.Concat(Lines.Select(line => line + "\n")));

    private readonly string _folder = Directory.CreateTempSubdirectory("fhirdeid-").FullName;
    private StandIn _service = null!;

    public async ValueTask InitializeAsync()
    {
        _service = await StandIn.StartAsync();
    }

    /// <summary>The same with connections that wait so long for a word, in milliseconds.</summary>
    private FaultTests Patience(int milliseconds)
    {
        _service.NetworkTimeout = TimeSpan.FromMilliseconds(milliseconds);
        return this;
    }

    public async ValueTask DisposeAsync()
    {
        await _service.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    // -- what is injected, and what comes of it ------------------------------------------------------------------

    private static readonly (FaultRow Row, Func<FaultTests, Task<string>> Run)[] Faults =
    [
        Fault(Start, "429, Retry-After in seconds", "InProgress, 2 requests", bench => bench.StartAsync(Once(StandIn.Answer(429, headers: [("Retry-After", "0"), ("x-ms-retry-after-ms", "5")])))),
        Fault(Start, "429, Retry-After as a date that has passed", "InProgress, 2 requests", bench => bench.StartAsync(Once(StandIn.Answer(429, headers: ("Retry-After", "Thu, 01 Jan 2026 00:00:00 GMT"))))),
        Fault(Start, "429, Retry-After as a time of day in seconds since 1970", "FhirDeid.Throttled, 1 request", bench => bench.StartAsync(Always(StandIn.Answer(429, headers: ("Retry-After", "1790000000"))))),
        Fault(Start, "429, Retry-After that is no time", "InProgress, 2 requests", bench => bench.StartAsync(Once(StandIn.Answer(429, headers: ("Retry-After", "soon"))))),
        Fault(Start, "503 twice", "InProgress, 3 requests", bench => bench.StartAsync(Times(2, StandIn.Answer(503)))),
        Fault(Start, "503 for ever", "FhirDeid.ServiceUnavailable, 4 requests", bench => bench.StartAsync(Always(StandIn.Answer(503)))),
        Fault(Start, "500: the service may have taken it", "FhirDeid.ExportUncertain, 1 request", bench => bench.StartAsync(Always(StandIn.Answer(500)))),
        Fault(Start, "502", "FhirDeid.ExportUncertain, 1 request", bench => bench.StartAsync(Always(StandIn.Answer(502)))),
        Fault(Start, "504", "FhirDeid.ExportUncertain, 1 request", bench => bench.StartAsync(Always(StandIn.Answer(504)))),
        Fault(Start, "connection reset before the answer", "FhirDeid.ExportUncertain, 1 request", bench => bench.StartAsync(Always(Reset))),
        Fault(Start, "a socket that says nothing", "FhirDeid.ExportUncertain, 1 request", bench => bench.Patience(500).StartAsync(Always(Silence))),
        Fault(Start, "a token that the service no longer takes", "InProgress, 2 requests", bench => bench.StartAsync(Once(Expired))),
        Fault(Start, "202 without a status URL", "FhirDeid.ContentLocationMissing, 1 request", bench => bench.StartAsync(Always(StandIn.Answer(202)))),
        Fault(Start, "a status URL on another host", "FhirDeid.ForeignUrl, 1 request", bench => bench.StartAsync(Always(StandIn.Answer(202, headers: ("Content-Location", "https://elsewhere.example/_operations/export/42"))))),

        Fault(Ask, "429, Retry-After in seconds", "InProgress, 2 requests", bench => bench.AskAsync(Once(StandIn.Answer(429, headers: [("Retry-After", "0"), ("x-ms-retry-after-ms", "5")])))),
        Fault(Ask, "429, Retry-After as a date that has passed", "InProgress, 2 requests", bench => bench.AskAsync(Once(StandIn.Answer(429, headers: ("Retry-After", "Thu, 01 Jan 2026 00:00:00 GMT"))))),
        Fault(Ask, "429, Retry-After as a time of day in seconds since 1970", "FhirDeid.Throttled (passes), 1 request", bench => bench.AskAsync(Always(StandIn.Answer(429, headers: ("Retry-After", "1790000000"))))),
        Fault(Ask, "429, Retry-After as a date 5 s later, by a clock that is an hour ahead", "FhirDeid.Throttled (passes) after 5 s, 1 request", bench => bench.AskAsync(Always(Ahead(TimeSpan.FromHours(1))))),
        Fault(Ask, "429, Retry-After as a date 5 s later, by a clock that is an hour behind", "InProgress, 2 requests", bench => bench.AskAsync(Once(Ahead(TimeSpan.FromHours(-1))))),
        Fault(Ask, "500, 502, 503 in a row", "InProgress, 4 requests", bench => bench.AskAsync(InTurn(StandIn.Answer(500), StandIn.Answer(502), StandIn.Answer(503)))),
        Fault(Ask, "504 for ever", "FhirDeid.ServiceUnavailable (passes), 4 requests", bench => bench.AskAsync(Always(StandIn.Answer(504)))),
        Fault(Ask, "connection reset before the answer", "InProgress, 2 requests", bench => bench.AskAsync(Once(Reset))),
        Fault(Ask, "connection reset in the manifest", "Completed, 2 requests", bench => bench.AskAsync(Once(Cut(Encoding.UTF8.GetBytes(Manifest()), 40)), Manifest())),
        Fault(Ask, "a socket that says nothing, once", "InProgress, 2 requests", bench => bench.Patience(2000).AskAsync(Once(Silence))),
        Fault(Ask, "sockets that say nothing", "FhirDeid.EndpointUnreachable (passes), 4 requests", bench => bench.Patience(500).AskAsync(Always(Silence))),
        Fault(Ask, "a manifest that comes in drops", "Completed, 1 request", bench => bench.AskAsync(Always(Slowly(Manifest())))),
        Fault(Ask, "a token that the service no longer takes: it has expired, or the clocks differ", "InProgress, 2 requests", bench => bench.AskAsync(Once(Expired))),
        Fault(Ask, "no token is taken", "FhirDeid.Unauthorized, 2 requests", bench => bench.AskAsync(Always(Expired))),
        Fault(Ask, "404", "FhirDeid.ExportNotFound, 1 request", bench => bench.AskAsync(Always(StandIn.Outcome(404, "The requested job \"42\" was not found.", "not-found")))),
        Fault(Ask, "404 after cancelling", "Cancelled, 1 request", bench => bench.AskAsync(Always(StandIn.Outcome(404, "The requested job \"42\" was not found.", "not-found")), status: FhirExportStatus.Cancelled)),
        Fault(Ask, "a complete manifest after cancelling", "Cancelled, 1 request", bench => bench.AskAsync(Always(StandIn.Answer(200, Manifest(), "application/json")), status: FhirExportStatus.Cancelled)),
        Fault(Ask, "a job that died of throttling: 429 for ever", "Failed, 1 request", bench => bench.AskAsync(Always(StandIn.Outcome(429, "export operation failed for reason: Database throttled.")))),
        Fault(Ask, "a manifest that is cut off", "FhirDeid.ManifestInvalid, 1 request", bench => bench.AskAsync(Always(StandIn.Answer(200, Manifest()[..60], "application/json")))),
        Fault(Ask, "a manifest that is no JSON", "FhirDeid.ManifestInvalid, 1 request", bench => bench.AskAsync(Always(StandIn.Answer(200, "<html>Sign in</html>", "text/html")))),
        Fault(Ask, "a manifest with a type that is a path", "FhirDeid.ManifestInvalid, 1 request", bench => bench.AskAsync(Always(StandIn.Answer(200, Manifest(type: "../Patient"), "application/json")))),
        Fault(Ask, "a manifest with an address by http", "FhirDeid.ManifestInvalid, 1 request", bench => bench.AskAsync(Always(StandIn.Answer(200, Manifest(url: "http://store.example/research/x"), "application/json")))),
        Fault(Ask, "a manifest without a type that was asked for", "CompletedWithErrors, 1 request", bench => bench.AskAsync(Always(StandIn.Answer(200, Manifest(query: Query + "&_type=Patient%2CObservation"), "application/json")))),
        Fault(Ask, "a manifest without files: the service has cancelled it, or there was nothing", "CompletedWithErrors, 1 request", bench => bench.AskAsync(Always(StandIn.Answer(200, Manifest(output: "[]"), "application/json")))),
        Fault(Ask, "a manifest with a file of errors", "CompletedWithErrors, 1 request", bench => bench.AskAsync(Always(StandIn.Answer(200, Manifest(more: ""","error":[{"type":"OperationOutcome","url":"https://store.example/e.ndjson"}]"""), "application/json")))),
        Fault(Ask, "a manifest without the configuration", "NotDeidentified, 1 request", bench => bench.AskAsync(Always(StandIn.Answer(200, Manifest(query: "_container=research"), "application/json")))),
        Fault(Ask, "a manifest of 10,000 files", "Completed, 1 request", bench => bench.AskAsync(Always(StandIn.Answer(200, Manifest(output: "[" + string.Join(',', Enumerable.Range(1, 10_000).Select(number => $$"""{"type":"Patient","url":"https://store.example/research/{{number}}.ndjson","count":1}""")) + "]"), "application/json")))),

        Fault(Receive, "503 twice", "1 file, 3 requests", bench => bench.ReceiveAsync(Times(2, StandIn.Answer(503)))),
        Fault(Receive, "503 for ever", "FhirDeid.StorageUnavailable, 4 requests; again: 1 file", bench => bench.ReceiveAsync(Always(StandIn.Answer(503)))),
        Fault(Receive, "429 with Retry-After", "1 file, 2 requests", bench => bench.ReceiveAsync(Once(StandIn.Answer(429, headers: [("Retry-After", "0"), ("x-ms-retry-after-ms", "5")])))),
        Fault(Receive, "connection reset before the answer", "1 file, 2 requests", bench => bench.ReceiveAsync(Once(Reset))),
        Fault(Receive, "connection reset in the file", "1 file, 2 requests", bench => bench.ReceiveAsync(Once(Cut(Content, 70_000)))),
        Fault(Receive, "connection reset in the file, eight times further on", "1 file, 9 requests", bench => bench.ReceiveAsync(FurtherOn(8))),
        Fault(Receive, "connection reset in the file, and nothing answers after it", "FhirDeid.StorageUnreachable, 5 requests, keeps the beginning; again: 1 file", bench => bench.ReceiveAsync(InTurn(Cut(Content, 70_000), Reset, Reset, Reset, Reset))),
        Fault(Receive, "cut off when every byte had come: nothing is left to ask for", "FhirDeid.StorageUnreachable, 5 requests, keeps the beginning; again: 1 file", bench => bench.ReceiveAsync(InTurn(Cut([.. Content, (byte)'x'], Content.Length), Reset, Reset, Reset, Reset))),
        Fault(Receive, "a socket that says nothing in the middle of the file", "1 file, 2 requests", bench => bench.Patience(2000).ReceiveAsync(Once(SilentAfter(70_000)))),
        Fault(Receive, "a token that the storage account no longer takes", "1 file, 2 requests", bench => bench.ReceiveAsync(Once(Expired))),
        Fault(Receive, "no role on the storage account", "FhirDeid.StorageForbidden, 1 request; again: 1 file", bench => bench.ReceiveAsync(Always(StandIn.Answer(403, headers: ("x-ms-error-code", "AuthorizationPermissionMismatch"))))),
        Fault(Receive, "the file is changed in the middle of the transfer", "FhirDeid.BlobChanged, 2 requests; again: 1 file", bench => bench.ReceiveAsync(InTurn(Cut(Content, 70_000), StandIn.Answer(412, headers: ("x-ms-error-code", "ConditionNotMet"))))),
        Fault(Receive, "the file is deleted in the middle of the transfer", "FhirDeid.BlobNotFound, 2 requests; again: 1 file", bench => bench.ReceiveAsync(InTurn(Cut(Content, 70_000), StandIn.Answer(404, headers: ("x-ms-error-code", "BlobNotFound"))))),
        Fault(Receive, "the range is ignored", "1 file, 2 requests", bench => bench.ReceiveAsync(InTurn(Cut(Content, 70_000), FromStart))),
        Fault(Receive, "a server without ETags breaks off: the file starts over", "1 file, 2 requests", bench => bench.ReceiveAsync(InTurn(Cut(Content, 70_000, etag: null), FromStart))),
        Fault(Receive, "a server without ETags breaks off every time", "FhirDeid.TransferInvalid, 4 requests; again: 1 file", bench => bench.ReceiveAsync(Always(Cut(Content, 70_000, etag: null)))),
        Fault(Receive, "another part than the one asked for", "1 file, 3 requests", bench => bench.ReceiveAsync(InTurn(Cut(Content, 70_000), Part(80_000), Whole))),
        Fault(Receive, "gzip", "1 file, 1 request", bench => bench.ReceiveAsync(Always(Gzip))),
        Fault(Receive, "fewer resources than the manifest counts", "FhirDeid.CountMismatch, 1 request; again: 1 file", bench => bench.ReceiveAsync(Always(Bytes(Content[..(Content.Length - Lines[^1].Length - 1)])))),
        Fault(Receive, "more resources than the manifest counts", "FhirDeid.CountMismatch, 1 request; again: 1 file", bench => bench.ReceiveAsync(Always(Bytes([.. Content, .. Encoding.UTF8.GetBytes(Lines[0] + "\n")])))),
        Fault(Receive, "a resource of another type", "FhirDeid.FileInvalid, 1 request; again: 1 file", bench => bench.ReceiveAsync(Always(Bytes(Encoding.UTF8.GetBytes("""{"resourceType":"Observation","x":"Lovelace"}""" + "\n"))))),
        Fault(Receive, "a resource without the label that its configuration leaves", "FhirDeid.NotDeidentified, 1 request; again: 1 file", bench => bench.ReceiveAsync(Always(Bytes(Encoding.UTF8.GetBytes("""{"resourceType":"Patient","id":"Lovelace"}""" + "\n"))), options => options.Marks = new Dictionary<string, FhirResourceMark> { ["Patient"] = FhirResourceMark.Label })),
        Fault(Receive, "an address on another host", "FhirDeid.ForeignUrl, 0 requests; again: 1 file", bench => bench.ReceiveAsync(Always(Whole), url: "https://elsewhere.example/research/x.ndjson")),
        Fault(Receive, "an address that leads out of the container", "FhirDeid.ForeignUrl, 0 requests; again: 1 file", bench => bench.ReceiveAsync(Always(Whole), url: bench._service.BlobBase + "/research/%2e%2e/anonymization/a.json")),
        Fault(Receive, "no room on the disk", "FhirDeid.DiskFull, 0 requests; again: 1 file", bench =>
        {
            bench._service.FreeSpace = 10;
            return bench.ReceiveAsync(Always(Whole));
        }),
        Fault(Receive, "the disk is full in the middle of the file", "FhirDeid.DiskFull, 1 request, keeps the beginning; again: 1 file", bench => bench.OnDiskOf(300, disk => bench.ReceiveAsync(Always(Whole), beforeAgain: () => disk.Resize(4000)))),
        Fault(Receive, "the clocks are an hour apart", "FhirDeid.StorageUnauthorized, 1 request; again: 1 file", bench => bench.ReceiveAsync(Always(StandIn.Answer(403, headers: [("x-ms-error-code", "AuthenticationFailed"), ("Date", DateTimeOffset.UtcNow.AddHours(-1).ToString("R"))])))),
        Fault(Receive, "10,000 files, cut off in the middle as by a kill", "4 at once at the most; again: 10000 files, none twice", bench => bench.ReceiveManyAsync(10_000)),

        Fault(Read, "connection reset in the file", "4000 resources, 2 requests", bench => bench.ReadAsync(Once(Cut(Content, 70_000)))),
        Fault(Read, "the file is changed in the middle of the transfer", "FhirDeid.BlobChanged, 2 requests", bench => bench.ReadAsync(InTurn(Cut(Content, 70_000), StandIn.Answer(412, headers: ("x-ms-error-code", "ConditionNotMet"))))),
        Fault(Read, "a server without ETags breaks off", "FhirDeid.TransferInvalid, 1 request", bench => bench.ReadAsync(Once(Cut(Content, 70_000, etag: null)))),
    ];

    private static (FaultRow, Func<FaultTests, Task<string>>) Fault(string phase, string name, string end, Func<FaultTests, Task<string>> run) => (new FaultRow(phase, name, end), run);

    public static TheoryData<string, string> Names() => [.. Faults.Select(fault => (fault.Row.Phase, fault.Row.Name))];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Each_fault_ends_as_documented(string phase, string name)
    {
        (FaultRow row, Func<FaultTests, Task<string>> run) = Faults.Single(fault => (fault.Row.Phase, fault.Row.Name) == (phase, name));

        Assert.Equal(row.End, await run(this));
    }

    [Fact]
    public async Task Each_failure_of_a_job_is_told_in_one_line_with_what_to_do()
    {
        List<FaultRow> rows = [];
        foreach ((string reason, int status, string means) in JobFailures.All)
        {
            _service.OnStatus = StandIn.Outcome(status, "export operation failed for reason: " + reason);
            FhirExport export = await (await _service.ConnectAsync()).GetExportAsync(Export(), TestContext.Current.CancellationToken);

            Assert.Equal(FhirExportStatus.Failed, export.Status);
            string line = Assert.Single(export.Issues);
            Assert.Contains(means, line, StringComparison.Ordinal);
            Assert.DoesNotContain("Lovelace", line, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', line);
            string[] lines = [.. reason.Replace("Lovelace", "…", StringComparison.Ordinal).Split('\n').Select(text => text.Trim())];
            string name = lines.FirstOrDefault(text => text.StartsWith("ErrorCode", StringComparison.Ordinal)) is { } code ? $"{lines[0]} …{code}" : string.Join(' ', lines);
            rows.Add(new FaultRow(status.ToString(System.Globalization.CultureInfo.InvariantCulture), name, line));
        }
        ReliabilityPage.Check("failures", rows);
    }

    [Fact]
    public void The_page_lists_the_faults_that_were_run() => ReliabilityPage.Check("faults", Faults.Select(fault => fault.Row));

    [Theory]
    [InlineData(28, true)]
    [InlineData(122, true)]
    [InlineData(13, false)]
    public void A_disk_that_fills_up_is_known_by_its_code(int code, bool full)
    {
        if (!OperatingSystem.IsWindows()) Assert.Equal(full, Storage.LocalFile.IsDiskFull(new IOException("", code)));
    }

    // -- what is done --------------------------------------------------------------------------------------------

    private async Task<string> StartAsync(Func<int, Func<HttpContext, Task>?> fault)
    {
        Func<HttpContext, Task> usual = _service.OnKickOff;
        _service.OnKickOff = Injected(fault, usual);
        return await EndAsync(async connection =>
        {
            FhirExport export = await connection.StartExportAsync(new FhirExportRequest { Container = "research", ConfigName = "a.json", ConfigETag = "\"0x8DC\"" }, TestContext.Current.CancellationToken);
            return export.Status.ToString();
        }, showPassing: false);
    }

    private async Task<string> AskAsync(Func<int, Func<HttpContext, Task>?> fault, string? usual = null, FhirExportStatus status = FhirExportStatus.InProgress)
    {
        _service.OnStatus = Injected(fault, usual is null ? StandIn.Answer(202) : StandIn.Answer(200, usual, "application/json"));
        return await EndAsync(async connection =>
        {
            FhirExport export = Export();
            export.Status = status;
            return (await connection.GetExportAsync(export, TestContext.Current.CancellationToken)).Status.ToString();
        });
    }

    private async Task<string> ReceiveAsync(Func<int, Func<HttpContext, Task>?> fault, Action<FhirReceiveOptions>? change = null, string? url = null, Action? beforeAgain = null)
    {
        _service.Put(Blob, Content);
        int asked = 0;
        _service.OnBlob = async context =>
        {
            await (fault(++asked) ?? Whole)(context);
            return true;
        };
        string end = await RunAsync(url);
        end += asked == 1 ? ", 1 request" : $", {asked} requests";
        if (end.StartsWith("1 file", StringComparison.Ordinal)) return end;

        bool kept = Directory.EnumerateFiles(_folder, "*.ndjson.*.partial").Any();
        Assert.Empty(Directory.EnumerateFiles(_folder, "*.ndjson"));
        if (kept) end += ", keeps the beginning";
        beforeAgain?.Invoke();
        (fault, asked, _service.FreeSpace) = (_ => null, 0, long.MaxValue);
        return $"{end}; again: {await RunAsync(null)}";

        async Task<string> RunAsync(string? where)
        {
            IFhirDeidConnection connection = await _service.ConnectAsync();
            FhirExport export = Export();
            export.Output = [new FhirExportFile { Type = "Patient", Url = new Uri(where ?? $"{_service.BlobBase}/{Blob}"), Count = Lines.Length }];
            FhirReceiveOptions options = new() { Destination = _folder };
            change?.Invoke(options);
            try
            {
                int files = 0;
                await foreach (ReceivedFhirFile file in connection.ReceiveExportAsync(export, options, new Nobody(), TestContext.Current.CancellationToken))
                {
                    files++;
                    Assert.Equal(Content, await File.ReadAllBytesAsync(file.FullName, TestContext.Current.CancellationToken));
                }
                Assert.Empty(Directory.EnumerateFiles(_folder, "*.partial"));
                return $"{files} file";
            }
            catch (FhirDeidException e)
            {
                return Told(e);
            }
        }
    }

    /// <summary>Receives many files, of which half have come when the run ends without a word; then all.</summary>
    private async Task<string> ReceiveManyAsync(int count)
    {
        int atOnce = 0, most = 0;
        ConcurrentDictionary<string, int> asked = new();
        _service.OnBlob = async context =>
        {
            InterlockedMax(ref most, Interlocked.Increment(ref atOnce));
            asked.AddOrUpdate(context.Request.Path.Value!, 1, (_, times) => times + 1);
            await StandIn.SendAsync(context, Encoding.UTF8.GetBytes($$"""{"resourceType":"Patient","id":"{{Path.GetFileName(context.Request.Path.Value)}}"}""" + "\n"), "\"0x1\"");
            Interlocked.Decrement(ref atOnce);
            return true;
        };
        string ledger = Path.Combine(_folder, "manifest.json");
        byte[] begun = [];
        int received = 0;
        using CancellationTokenSource cut = new();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (ReceivedFhirFile _ in await ReceiveAsync(cut.Token))
            {
                if (received == 0) begun = await File.ReadAllBytesAsync(ledger, TestContext.Current.CancellationToken);
                if (++received == count / 2) await cut.CancelAsync();
            }
        });
        // A process that is killed writes no list any more.
        await File.WriteAllBytesAsync(ledger, begun, TestContext.Current.CancellationToken);
        int before = asked.Count;

        received = 0;
        await foreach (ReceivedFhirFile file in await ReceiveAsync(TestContext.Current.CancellationToken)) Assert.Equal($"Patient-{++received}.ndjson", Path.GetFileName(file.FullName));

        Assert.InRange(before, count / 2, count - 1);
        Assert.Empty(Directory.EnumerateFiles(_folder, "*.partial"));
        // Those that were under way may have been asked for again.
        return $"{(most <= 4 ? "4" : $"{most}")} at once at the most; again: {received} files, {(asked.Values.Count(times => times > 1) <= 4 ? "none" : "some")} twice";

        async Task<IAsyncEnumerable<ReceivedFhirFile>> ReceiveAsync(CancellationToken cancellation)
        {
            FhirExport export = Export();
            export.Output = [.. Enumerable.Range(1, count).Select(number => new FhirExportFile { Type = "Patient", Url = new Uri($"{_service.BlobBase}/research/many/{number}"), Count = 1 })];
            return (await _service.ConnectAsync()).ReceiveExportAsync(export, new FhirReceiveOptions { Destination = _folder }, new Nobody(), cancellation);
        }

        static void InterlockedMax(ref int most, int value)
        {
            for (int there = most; value > there && Interlocked.CompareExchange(ref most, value, there) != there; there = most)
            {
            }
        }
    }

    /// <summary>Does something with a disk of its own below the folder; skipped where this process may not mount one.</summary>
    private async Task<string> OnDiskOf(int kilobytes, Func<SmallDisk, Task<string>> act)
    {
        using SmallDisk disk = new(_folder, kilobytes);
        return await act(disk);
    }

    private sealed class SmallDisk : IDisposable
    {
        private readonly string _folder;

        public SmallDisk(string folder, int kilobytes)
        {
            _folder = folder;
            Assert.SkipUnless(OperatingSystem.IsLinux() && Run("mount", "-t", "tmpfs", "-o", $"size={kilobytes}k,mode=700", "tmpfs", folder), "A small disk takes Linux, and the right to mount.");
        }

        public void Resize(int kilobytes) => Assert.True(Run("mount", "-o", $"remount,size={kilobytes}k", _folder));

        public void Dispose() => Run("umount", _folder);

        private static bool Run(string program, params string[] arguments)
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
    }

    private async Task<string> ReadAsync(Func<int, Func<HttpContext, Task>?> fault)
    {
        int asked = 0;
        _service.OnBlob = async context =>
        {
            await (fault(++asked) ?? Whole)(context);
            return true;
        };
        string end;
        try
        {
            int count = 0;
            FhirExportFile file = new() { Type = "Patient", Url = new Uri($"{_service.BlobBase}/{Blob}"), Count = Lines.Length };
            await foreach (string line in (await _service.ConnectAsync()).ReadFileAsync(Export(), file, new FhirReadOptions(), new Nobody(), TestContext.Current.CancellationToken)) Assert.Equal(Lines[count++], line);
            end = $"{count} resources";
        }
        catch (FhirDeidException e)
        {
            end = Told(e);
        }
        return end + (asked == 1 ? ", 1 request" : $", {asked} requests");
    }

    private async Task<string> EndAsync(Func<IFhirDeidConnection, Task<string>> act, bool showPassing = true)
    {
        string end;
        IFhirDeidConnection connection = await _service.ConnectAsync();
        try
        {
            end = await act(connection);
        }
        catch (FhirDeidException e)
        {
            end = Told(e) + (e.IsTransient && showPassing ? " (passes)" : "") + (e.RetryAfter is { TotalSeconds: > 0 and < 60 } wait ? $" after {wait.TotalSeconds:0} s" : "");
        }
        int requests = _service.FhirRequests.Count();
        Assert.DoesNotContain(_service.Requests, request => request.Port == _service.Foreign.Port);
        return $"{end}, {(requests == 1 ? "1 request" : $"{requests} requests")}";
    }

    private static string Told(FhirDeidException e)
    {
        string all = e.ToString();
        Assert.DoesNotContain("Lovelace", all, StringComparison.Ordinal);
        Assert.DoesNotContain(StandIn.Signature, all, StringComparison.Ordinal);
        Assert.NotEmpty(e.RecommendedAction);
        return e.ErrorId;
    }

    private FhirExport Export() => new()
    {
        JobId = "42",
        Status = FhirExportStatus.Completed,
        StatusUri = new Uri(_service.Fhir, "_operations/export/42"),
        Container = "research",
        ConfigName = "a.json",
        ConfigETag = "\"0x8DC\"",
        Request = new Uri("https://fhir.example.org/$export?" + Query),
    };

    private static string Manifest(string query = Query, string type = "Patient", string url = "https://store.example/research/1.ndjson", string? output = null, string more = "") =>
        $$"""{"transactionTime":"2026-01-01T00:00:00Z","request":"https://fhir.example.org/$export?{{query}}","requiresAccessToken":false,"output":{{output ?? $$"""[{"type":"{{type}}","url":"{{url}}","count":1}]"""}}{{more}}}""";

    // -- faults --------------------------------------------------------------------------------------------------

    private static Func<int, Func<HttpContext, Task>?> Once(Func<HttpContext, Task> fault) => Times(1, fault);

    private static Func<int, Func<HttpContext, Task>?> Times(int count, Func<HttpContext, Task> fault) => number => number <= count ? fault : null;

    private static Func<int, Func<HttpContext, Task>?> Always(Func<HttpContext, Task> fault) => _ => fault;

    private static Func<int, Func<HttpContext, Task>?> InTurn(params Func<HttpContext, Task>[] faults) => number => number <= faults.Length ? faults[number - 1] : null;

    private static Func<HttpContext, Task> Injected(Func<int, Func<HttpContext, Task>?> fault, Func<HttpContext, Task> usual)
    {
        int asked = 0;
        return context => (fault(++asked) ?? usual)(context);
    }

    private static Task Reset(HttpContext context)
    {
        context.Abort();
        return Task.CompletedTask;
    }

    private static Task Silence(HttpContext context) => Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);

    /// <summary>Is busy, and asks to wait until 5 s later by its own clock.</summary>
    private static Func<HttpContext, Task> Ahead(TimeSpan ahead) => context =>
    {
        DateTimeOffset now = DateTimeOffset.UtcNow + ahead;
        return StandIn.Answer(429, headers: [("Date", now.ToString("R")), ("Retry-After", now.AddSeconds(5).ToString("R"))])(context);
    };

    private static Task Expired(HttpContext context) => StandIn.Answer(401, headers: ("WWW-Authenticate", "Bearer error=\"invalid_token\""))(context);

    private static Func<HttpContext, Task> Slowly(string text) => async context =>
    {
        context.Response.ContentType = "application/json";
        foreach (char[] drop in text.Chunk(20))
        {
            await context.Response.WriteAsync(new string(drop), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await Task.Delay(5, context.RequestAborted);
        }
    };

    /// <summary>Sends so much of what is asked for, and resets the connection, whether all of it has come or not.</summary>
    private static Func<HttpContext, Task> Cut(byte[] bytes, int end, string? etag = "\"0x1\"") => async context =>
    {
        await BeginAsync(context, bytes, end, etag);
        await Task.Delay(150, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        context.Abort();
    };

    private static Func<HttpContext, Task> SilentAfter(int end) => async context =>
    {
        await BeginAsync(context, Content, end, "\"0x1\"");
        await Silence(context);
    };

    private static Func<int, Func<HttpContext, Task>?> FurtherOn(int times) => number => number <= times ? Cut(Content, 30_000 * number) : null;

    private static async Task BeginAsync(HttpContext context, byte[] bytes, int end, string? etag)
    {
        StandIn.DescribeBlob(context, etag ?? "");
        if (etag is null) context.Response.Headers.Remove("ETag");
        int start = 0;
        if (context.Request.Headers.Range is [{ } range])
        {
            start = int.Parse(range["bytes=".Length..^1], System.Globalization.CultureInfo.InvariantCulture);
            context.Response.StatusCode = 206;
            context.Response.Headers.ContentRange = $"bytes {start}-{bytes.Length - 1}/{bytes.Length}";
        }
        context.Response.ContentLength = bytes.Length - start;
        if (end > start) await context.Response.Body.WriteAsync(bytes.AsMemory(start, end - start), context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }

    private static Task Whole(HttpContext context) => StandIn.SendAsync(context, Content, "\"0x1\"");

    private static async Task FromStart(HttpContext context)
    {
        StandIn.DescribeBlob(context, "\"0x1\"");
        context.Response.ContentLength = Content.Length;
        await context.Response.Body.WriteAsync(Content, context.RequestAborted);
    }

    private static Func<HttpContext, Task> Bytes(byte[] bytes) => context => StandIn.SendAsync(context, bytes, "\"0x1\"");

    private static Func<HttpContext, Task> Part(int start) => async context =>
    {
        StandIn.DescribeBlob(context, "\"0x1\"");
        context.Response.StatusCode = 206;
        context.Response.Headers.ContentRange = $"bytes {start}-{Content.Length - 1}/{Content.Length}";
        context.Response.ContentLength = Content.Length - start;
        await context.Response.Body.WriteAsync(Content.AsMemory(start), context.RequestAborted);
    };

    private static async Task Gzip(HttpContext context)
    {
        StandIn.DescribeBlob(context, "\"0x1\"");
        context.Response.Headers.ContentEncoding = "gzip";
        using MemoryStream packed = new();
        using (GZipStream zip = new(packed, CompressionLevel.Fastest, leaveOpen: true)) zip.Write(Content);
        context.Response.ContentLength = packed.Length;
        await context.Response.Body.WriteAsync(packed.ToArray(), context.RequestAborted);
    }

    private sealed class Nobody : IProgress<FhirDeidProgress>
    {
        public void Report(FhirDeidProgress value)
        {
        }
    }
}
