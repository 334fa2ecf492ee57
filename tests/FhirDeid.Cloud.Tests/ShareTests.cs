using System.Net;
using System.Text;
using System.Web;
using Azure.Storage.Sas;
using FhirDeid.Cloud.Storage;

namespace FhirDeid.Cloud.Tests;

public sealed class ShareTests : IAsyncLifetime
{
    private const string Labelled = """{"resourceType":"Patient","id":"1","meta":{"security":[{"code":"REDACTED"}]}}""" + "\n";
    private const string Identified = """{"resourceType":"Patient","id":"2","name":[{"family":"Lovelace"}]}""" + "\n";
    private const string Config = """{"fhirVersion":"R4","fhirPathRules":[{"path":"Patient.name","method":"redact"}],"parameters":{"cryptoHashKey":"k3y"}}""";
    private const string File = "research/20260101T000000-42/Patient-43-1.ndjson";

    private StandIn _service = null!;
    private IFhirDeidConnection _connection = null!;
    private DateTimeOffset? _keyEnds;

    public async ValueTask InitializeAsync()
    {
        _service = await StandIn.StartAsync();
        _service.OnBlob = AnswerAsync;
        _service.OnStatus = Manifest($"{_service.BlobBase}/{File}");
        _connection = await _service.ConnectAsync();
        _service.Put(File, Encoding.UTF8.GetBytes(Identified + Labelled));
    }

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    private IEnumerable<Received> BlobRequests => _service.Requests.Where(r => r.Port == _service.Blob.Port);

    private FhirExport Export => new()
    {
        JobId = "42",
        Status = FhirExportStatus.Completed,
        StatusUri = new Uri(_service.Fhir, "_operations/export/42"),
        StorageAccountName = StandIn.Account,
        Container = "research",
        ConfigName = "c.json",
        ConfigETag = "\"0x8DC\"",
        Request = new Uri("https://fhir.example.org/$export?_container=research&_anonymizationConfig=c.json&_anonymizationConfigEtag=%220x8DC%22"),
        Output = [new FhirExportFile { Type = "Patient", Url = new Uri($"{_service.BlobBase}/{File}") }],
    };

    private static Func<Microsoft.AspNetCore.Http.HttpContext, Task> Manifest(string file, string config = "c.json") => StandIn.Answer(200, $$"""
        {"transactionTime":"2026-01-01T00:00:00Z","request":"https://fhir.example.org/$export?_container=research&_anonymizationConfig={{config}}&_anonymizationConfigEtag=%220x8DC%22",
         "requiresAccessToken":false,"output":[{"type":"Patient","url":"{{file}}"}],"error":[],"issues":[]}
        """, "application/json");

    private async Task<ExportSasToken> ShareAsync(Action<ExportSasRequest>? change = null)
    {
        ExportSasRequest request = new() { Container = "research", Permission = ["Read", "List"] };
        change?.Invoke(request);
        return await _connection.CreateSasTokenAsync(request, TestContext.Current.CancellationToken);
    }

    private static async Task FailsAsync(string id, Func<Task> act)
    {
        FhirDeidException e = await Failure.Of(id, act);
        Assert.DoesNotContain("sig=", e.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("k3y", e.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("Lovelace", e.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_link_states_its_terms_and_masks_its_signature()
    {
        DateTimeOffset before = DateTimeOffset.UtcNow;

        ExportSasToken link = await ShareAsync();

        System.Collections.Specialized.NameValueCollection query = HttpUtility.ParseQueryString(link.GetUri()!.Query);
        Assert.Equal(("c", "rl", "https", null), (query["sr"], query["sp"], query["spr"], query["sip"]));
        Assert.Equal(link.GetToken(), link.GetUri()!.Query.TrimStart('?'));
        Assert.Equal($"{_service.BlobBase}/research", link.GetUri()!.GetLeftPart(UriPartial.Path));
        Assert.Equal((StandIn.Account, "research", "", "rl", "", "signer"), (link.StorageAccountName, link.Container, link.Blob, link.Permission, link.IPAddressRange, link.SignedBy));
        Assert.InRange(link.StartsOn, before.AddMinutes(-16), DateTimeOffset.UtcNow.AddMinutes(-15));
        Assert.Equal(TimeSpan.FromDays(7), link.ExpiresOn - link.StartsOn);
        Assert.NotEmpty(query["sig"]!);
        Assert.DoesNotContain(HttpUtility.UrlEncode(query["sig"]!), link.ToString(), StringComparison.OrdinalIgnoreCase);
        Assert.EndsWith("sig=***", link.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_key_begins_and_ends_with_the_link()
    {
        ExportSasToken link = await ShareAsync(request => request.ExpiresOn = DateTimeOffset.UtcNow.AddHours(2));

        string body = Assert.Single(BlobRequests, r => r.Target.Contains("userdelegationkey", StringComparison.Ordinal)).Body;
        Assert.Contains($"<Start>{link.StartsOn:yyyy-MM-ddTHH:mm:ss}Z</Start>", body, StringComparison.Ordinal);
        Assert.Contains($"<Expiry>{link.ExpiresOn:yyyy-MM-ddTHH:mm:ss}Z</Expiry>", body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_link_ends_with_a_key_that_the_account_gives_a_shorter_life()
    {
        _keyEnds = new DateTimeOffset(DateTimeOffset.UtcNow.AddDays(1).Ticks / TimeSpan.TicksPerSecond * TimeSpan.TicksPerSecond, TimeSpan.Zero);

        Assert.Equal(_keyEnds, (await ShareAsync()).ExpiresOn);
    }

    [Fact]
    public async Task A_blobs_link_opens_that_blob_alone()
    {
        ExportSasToken link = await ShareAsync(request => (request.Blob, request.Permission) = (File["research/".Length..], ["r"]));

        Assert.Equal($"{_service.BlobBase}/{File}", link.GetUri()!.GetLeftPart(UriPartial.Path));
        Assert.Equal("b", HttpUtility.ParseQueryString(link.GetToken())["sr"]);
        Assert.DoesNotContain(BlobRequests, r => r.Target.Contains("comp=list", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("203.0.113.7", "203.0.113.7")]
    [InlineData("203.0.113.0-203.0.113.255", "203.0.113.0-203.0.113.255")]
    [InlineData("203.0.113.7-203.0.113.7", "203.0.113.7-203.0.113.7")]
    public async Task An_address_range_is_part_of_what_is_signed(string range, string sip)
    {
        ExportSasToken link = await ShareAsync(request => request.IPAddressRange = range);

        Assert.Equal(sip, HttpUtility.ParseQueryString(link.GetToken())["sip"]);
        Assert.Equal(range, link.IPAddressRange);
        // The signature is made over a text that has the range, the terms and the protocol in it: with another range it is another one.
        BlobSasBuilder builder = new(BlobContainerSasPermissions.Read | BlobContainerSasPermissions.List, link.ExpiresOn)
        {
            BlobContainerName = "research",
            Resource = "c",
            StartsOn = link.StartsOn,
            Protocol = SasProtocol.Https,
            IPRange = SasIPRange.Parse(sip),
        };
        string signature = HttpUtility.ParseQueryString(link.GetToken())["sig"]!;
        Assert.Equal(signature, HttpUtility.ParseQueryString(Sign(builder, link, out string stringToSign))["sig"]);
        string[] fields = stringToSign.Split('\n');
        Assert.Equal(["rl", $"{link.StartsOn:yyyy-MM-ddTHH:mm:ss}Z", $"{link.ExpiresOn:yyyy-MM-ddTHH:mm:ss}Z", $"/blob/{StandIn.Account}/research", "signer", "tenant"], fields[..6]);
        Assert.Contains(sip, fields);
        Assert.Contains("https", fields);
        builder.IPRange = default;
        Assert.NotEqual(signature, HttpUtility.ParseQueryString(Sign(builder, link, out _))["sig"]);
    }

    private static string Sign(BlobSasBuilder builder, ExportSasToken link, out string stringToSign) =>
        builder.ToSasQueryParameters(Azure.Storage.Blobs.Models.BlobsModelFactory.UserDelegationKey("signer", "tenant", link.StartsOn, link.ExpiresOn, "b", "2026-06-06", Key), StandIn.Account, out stringToSign).ToString();

    [Theory]
    [InlineData("203.0.113.9-203.0.113.7")]
    [InlineData("2001:db8::1")]
    [InlineData("::ffff:203.0.113.7")]
    [InlineData("203.0.113.0/24")]
    [InlineData("203.0.113")]
    [InlineData("203.0.113.256")]
    [InlineData("010.0.0.1")]
    [InlineData("0x7f.0.0.1")]
    [InlineData("1-2-3")]
    [InlineData("203.0.113.7 - 203.0.113.9")]
    [InlineData("-203.0.113.7")]
    [InlineData("host")]
    public async Task An_address_range_that_is_none_is_refused(string range)
    {
        await FailsAsync("IPAddressRangeInvalid", () => ShareAsync(request => request.IPAddressRange = range));

        Assert.Empty(BlobRequests);
    }

    [Theory]
    [InlineData("lr", "rl")]
    [InlineData("List,read", "rl")]
    [InlineData("read", "r")]
    [InlineData("Write,List,Create", "cwl")]
    [InlineData("w,l,r,r", "rwl")]
    [InlineData("ipoemtlyxdwcar", "racwdxyltmeopi")]
    public void Permissions_are_put_into_the_services_order(string given, string letters) =>
        Assert.Equal(letters, ExportSas.PermissionLetters(given.Split(','), ofBlob: false));

    [Theory]
    [InlineData("z", false)]
    [InlineData("Everything", false)]
    [InlineData("R", false)]
    [InlineData("", false)]
    [InlineData("rl", true)]
    [InlineData("List", true)]
    public async Task Permissions_that_are_none_are_refused(string permission, bool ofBlob)
    {
        await FailsAsync("PermissionInvalid", () => ShareAsync(request => (request.Permission, request.Blob) = ([permission], ofBlob ? "x.ndjson" : "")));
        await FailsAsync("PermissionInvalid", () => ShareAsync(request => request.Permission = []));

        Assert.Empty(BlobRequests);
    }

    [Theory]
    [InlineData(null, 7.001, "ExpiryInvalid")]
    [InlineData(null, -0.001, "ExpiryInvalid")]
    [InlineData(null, -30.0, "ExpiryInvalid")]
    [InlineData(2.0, 1.0, "ExpiryInvalid")]
    [InlineData(1.0, 1.0, "ExpiryInvalid")]
    [InlineData(1.0, null, "ExpiryInvalid")]
    [InlineData(8.0, 9.0, "StartTimeInvalid")]
    [InlineData(-8.0, 1.0, "StartTimeInvalid")]
    public async Task Times_that_no_key_reaches_are_refused(double? start, double? expiry, string error)
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;

        await FailsAsync(error, () => ShareAsync(request => (request.StartsOn, request.ExpiresOn) =
            (start is { } s ? now.AddDays(s) : null, expiry is { } e ? now.AddDays(e) : null)));

        Assert.Empty(BlobRequests);
    }

    [Fact]
    public async Task Seven_days_from_now_are_allowed() =>
        Assert.InRange((await ShareAsync(request => request.ExpiresOn = DateTimeOffset.UtcNow.AddDays(7))).ExpiresOn, DateTimeOffset.UtcNow.AddDays(6.99), DateTimeOffset.UtcNow.AddDays(7));

    [Theory]
    [InlineData("Research")]
    [InlineData("a")]
    [InlineData("$root")]
    [InlineData("research/x")]
    [InlineData("https://other.blob.core.windows.net/research")]
    public async Task A_container_that_is_none_is_refused(string container)
    {
        await FailsAsync("ContainerInvalid", () => ShareAsync(request => request.Container = container));

        Assert.Empty(BlobRequests);
    }

    [Theory]
    [InlineData("../anonymization/c.json")]
    [InlineData("/x")]
    [InlineData("x//y")]
    [InlineData("x\\y")]
    [InlineData("https://other.blob.core.windows.net/research/x")]
    public async Task A_blob_that_is_none_is_refused(string blob)
    {
        await FailsAsync("BlobInvalid", () => ShareAsync(request => (request.Blob, request.Permission) = (blob, ["r"])));

        Assert.Empty(BlobRequests);
    }

    [Fact]
    public async Task A_container_of_another_account_is_refused()
    {
        FhirExport export = Export;
        export.StorageAccountName = "otherstore";
        await FailsAsync("StorageAccountMismatch", () => ShareAsync(request => request.Export = export));
        Assert.Empty(BlobRequests);

        export.StorageAccountName = StandIn.Account;
        _service.OnStatus = Manifest("https://otherstore.example/research/x.ndjson");
        await FailsAsync("ForeignUrl", () => ShareAsync(request => request.Export = export));
        Assert.Empty(BlobRequests);
    }

    [Fact]
    public async Task A_container_that_is_not_there_is_named() =>
        await FailsAsync("ContainerNotFound", () => ShareAsync(request => request.Container = "nowhere"));

    [Theory]
    [InlineData("r")]
    [InlineData("w")]
    [InlineData("l")]
    public async Task The_container_of_the_configurations_is_never_shared(string permission)
    {
        _service.Put("anonymization/c.json", Encoding.UTF8.GetBytes(Config));

        await FailsAsync("ContainerHoldsKeys", () => ShareAsync(request => (request.Container, request.Permission, request.Force) = ("anonymization", [permission], true)));
        await FailsAsync("ContainerHoldsKeys", () => ShareAsync(request => (request.Container, request.Permission, request.Blob, request.Force) = ("anonymization", ["r"], "c.json", true)));
        Assert.Empty(BlobRequests);
    }

    [Theory]
    [InlineData("study.json")]
    [InlineData("old/config.txt")]
    [InlineData("disguised.ndjson")]
    public async Task A_container_with_a_configuration_anywhere_in_it_is_not_shared(string name)
    {
        _service.Put("research/" + name, Encoding.UTF8.GetBytes(Config));
        foreach (string permission in (string[])["rl", "wl"])
            await FailsAsync("ContainerHoldsKeys", () => ShareAsync(request => (request.Permission, request.Force, request.Export) = ([permission], true, Export)));
        await FailsAsync("ContainerHoldsKeys", () => ShareAsync(request => (request.Permission, request.Force, request.Blob) = (["r"], true, name)));

        Assert.DoesNotContain(BlobRequests, r => r.Target.Contains("userdelegationkey", StringComparison.Ordinal));
        Assert.Equal("r", (await ShareAsync(request => (request.Permission, request.Blob) = (["r"], File["research/".Length..]))).Permission);
    }

    [Theory]
    [InlineData("utf-16", Config)]
    [InlineData("utf-8", """{"FHIRPATHRULES":[]}""")]
    [InlineData("utf-8", """// Study 7 {"parameters":{"encryptKey":"k3y"},}""")]
    public async Task A_configuration_is_known_in_every_form_that_the_service_reads(string encoding, string text)
    {
        Encoding form = Encoding.GetEncoding(encoding);
        _service.Put("research/x.json", [.. form.GetPreamble(), .. form.GetBytes(text)]);

        await FailsAsync("ContainerHoldsKeys", () => ShareAsync());
    }

    [Theory]
    [InlineData(Labelled, true)]
    [InlineData(Identified + Labelled, true)]
    [InlineData("", true)]
    [InlineData("\r\n", true)]
    [InlineData(Identified, false)]
    [InlineData("Lovelace", false)]
    [InlineData("""{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","meta":{"security":[{"code":"REDACTED"}]}}}]}""", false)]
    public async Task A_file_without_any_sign_of_de_identification_is_shared_by_Force_alone(string content, bool isFine)
    {
        _service.Put("research/more.ndjson", Encoding.UTF8.GetBytes(content));

        if (isFine) await ShareAsync();
        else await FailsAsync("NotDeidentified", () => ShareAsync());
        await ShareAsync(request => request.Force = true);
        // Who cannot read needs no proof.
        await ShareAsync(request => request.Permission = ["Write", "List"]);
    }

    [Fact]
    public async Task Only_the_beginning_of_a_file_is_looked_at()
    {
        string line = $$"""{"resourceType":"Binary","data":"{{new string('x', 300_000)}}"}""" + "\n";
        _service.Put("research/large.ndjson", Encoding.UTF8.GetBytes(line + Labelled));
        await FailsAsync("NotDeidentified", () => ShareAsync());

        _service.Put("research/large.ndjson", Encoding.UTF8.GetBytes(Labelled + line));
        await ShareAsync();
    }

    [Fact]
    public async Task A_confirmed_export_proves_its_own_files_and_no_others()
    {
        _service.Put(File, Encoding.UTF8.GetBytes(Identified));
        await FailsAsync("NotDeidentified", () => ShareAsync());
        await ShareAsync(request => request.Export = Export);

        _service.Put("research/20250101T000000-7/Patient-8-1.ndjson", Encoding.UTF8.GetBytes(Identified));
        await FailsAsync("NotDeidentified", () => ShareAsync(request => request.Export = Export));
    }

    [Fact]
    public async Task A_saved_export_proves_nothing_that_the_service_does_not_say()
    {
        _service.Put(File, Encoding.UTF8.GetBytes(Labelled));
        _service.Put("research/raw/Patient-1.ndjson", Encoding.UTF8.GetBytes(Identified));
        FhirExport forged = Export;
        forged.Output = [.. forged.Output, new FhirExportFile { Type = "Patient", Url = new Uri($"{_service.BlobBase}/research/raw/Patient-1.ndjson") }];
        await FailsAsync("NotDeidentified", () => ShareAsync(request => request.Export = forged));

        _service.OnStatus = Manifest($"{_service.BlobBase}/{File}", config: "");
        await FailsAsync("NotDeidentified", () => ShareAsync(request => (request.Export, request.Force) = (Export, true)));
    }

    [Theory]
    [InlineData(FhirExportStatus.InProgress)]
    [InlineData(FhirExportStatus.Failed)]
    [InlineData(FhirExportStatus.Cancelled)]
    [InlineData(FhirExportStatus.NotDeidentified)]
    public async Task An_export_that_is_not_confirmed_is_not_shared(FhirExportStatus status)
    {
        FhirExport export = Export;
        export.Status = status;
        await FailsAsync("NotDeidentified", () => ShareAsync(request => (request.Export, request.Force) = (export, true)));

        export = Export;
        export.Request = new Uri("https://fhir.example.org/$export?_container=research&_anonymizationConfig=");
        await FailsAsync("NotDeidentified", () => ShareAsync(request => (request.Export, request.Force) = (export, true)));
        Assert.Empty(BlobRequests);
    }

    [Fact]
    public async Task A_signer_without_the_right_to_a_key_is_told()
    {
        _service.OnBlob = async context =>
        {
            if (context.Request.Query["comp"] != "userdelegationkey") return await AnswerAsync(context);
            await StandIn.Answer(403, headers: ("x-ms-error-code", "AuthorizationPermissionMismatch"))(context);
            return true;
        };

        await FailsAsync("StorageForbidden", () => ShareAsync());
    }

    private const string Key = "bm90IGEgcmVhbCBrZXkgYnV0IGxvbmcgZW5vdWdoIQ==";

    /// <summary>What the stand-in has not of itself: lists, ranges, and user delegation keys.</summary>
    private async Task<bool> AnswerAsync(Microsoft.AspNetCore.Http.HttpContext context)
    {
        Microsoft.AspNetCore.Http.HttpRequest request = context.Request;
        if (request.Query["comp"] == "userdelegationkey")
        {
            string body = _service.Requests[^1].Body;
            string start = body.Split("<Start>")[1].Split('<')[0], expiry = body.Split("<Expiry>")[1].Split('<')[0];
            await StandIn.Answer(200, $"""
                <?xml version="1.0" encoding="utf-8"?><UserDelegationKey><SignedOid>signer</SignedOid><SignedTid>tenant</SignedTid><SignedStart>{start}</SignedStart>
                <SignedExpiry>{(_keyEnds is { } ends ? $"{ends:yyyy-MM-ddTHH:mm:ss}Z" : expiry)}</SignedExpiry><SignedService>b</SignedService><SignedVersion>2026-06-06</SignedVersion><Value>{Key}</Value></UserDelegationKey>
                """, "application/xml")(context);
            return true;
        }
        string path = request.Path.Value![$"/{StandIn.Account}/".Length..];
        if (request.Query["comp"] == "list")
        {
            if (!_service.Containers.ContainsKey(path))
            {
                await StandIn.Answer(404, headers: ("x-ms-error-code", "ContainerNotFound"))(context);
                return true;
            }
            string blobs = string.Concat(_service.Blobs.Where(blob => blob.Key.StartsWith(path + "/", StringComparison.Ordinal)).Select(blob =>
                $"<Blob><Name>{WebUtility.HtmlEncode(blob.Key[(path.Length + 1)..])}</Name><Properties><Last-Modified>Fri, 02 Jan 2026 03:04:05 GMT</Last-Modified><Etag>{blob.Value.ETag.Trim('"')}</Etag><Content-Length>{blob.Value.Bytes.Length}</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>"));
            await StandIn.Answer(200, $"""<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{path}"><Blobs>{blobs}</Blobs><NextMarker /></EnumerationResults>""", "application/xml")(context);
            return true;
        }
        if (request.Headers["x-ms-range"].ToString() is { Length: > 0 } range && _service.Blobs.TryGetValue(path, out (byte[] Bytes, string ETag) there))
        {
            int length = Math.Min(int.Parse(range.Split('-')[1], System.Globalization.CultureInfo.InvariantCulture) + 1, there.Bytes.Length);
            StandIn.DescribeBlob(context, there.ETag);
            context.Response.StatusCode = 206;
            context.Response.Headers.ContentRange = $"bytes 0-{length - 1}/{there.Bytes.Length}";
            context.Response.ContentLength = length;
            await context.Response.Body.WriteAsync(there.Bytes.AsMemory(0, length), context.RequestAborted);
            return true;
        }
        return false;
    }
}
