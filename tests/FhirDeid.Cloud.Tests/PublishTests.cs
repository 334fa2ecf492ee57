using System.Text;

namespace FhirDeid.Cloud.Tests;

public sealed class PublishTests : IAsyncLifetime
{
    private static readonly AnonymizationConfig Config = Of("""{"fhirVersion":"R4"}""");
    private static AnonymizationConfig Of(string json) => new(json) { Rules = [new AnonymizationRule { Path = "Patient.name", Method = "redact" }] };

    private StandIn _service = null!;
    private IFhirDeidConnection _connection = null!;

    public async ValueTask InitializeAsync()
    {
        _service = await StandIn.StartAsync();
        _connection = await _service.ConnectAsync();
    }

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    private Task<PublishedAnonymizationConfig> PublishAsync(AnonymizationConfig? config = null, string name = "safe harbor/v1.json", bool force = false) =>
        _connection.PublishConfigAsync(config ?? Config, name, force, TestContext.Current.CancellationToken);

    private IEnumerable<Received> Written => _service.Requests.Where(r => r.Port == _service.Blob.Port && r.Method == "PUT" && !r.Target.Contains("restype", StringComparison.Ordinal));

    [Fact]
    public async Task A_new_configuration_is_written_pinned_and_read_back()
    {
        PublishedAnonymizationConfig published = await PublishAsync();

        (byte[] bytes, string etag) = _service.Blobs["anonymization/safe harbor/v1.json"];
        Assert.Equal(Config.ToJson(), Encoding.UTF8.GetString(bytes));
        Assert.Equal(("safe harbor/v1.json", etag, Config.Sha256), (published.ConfigName, published.ConfigETag, published.ConfigSha256));
        Assert.Equal(("anonymization", StandIn.Account), (published.Container, published.StorageAccountName));
        Assert.Equal(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero), published.PublishedAt);
        Received write = Written.Last();
        Assert.Equal("*", write.Header("If-None-Match"));
        Assert.Equal("application/json", write.Header("x-ms-blob-content-type"));
        Assert.Equal(16, Convert.FromBase64String(write.Header("Content-MD5")!).Length);
        Assert.Equal("2026-06-06", write.Header("x-ms-version"));
        Assert.Contains(_service.Requests, r => r.Method == "GET" && r.Port == _service.Blob.Port);
    }

    [Fact]
    public async Task The_same_configuration_is_left_as_it_is()
    {
        PublishedAnonymizationConfig first = await PublishAsync();
        string etag = _service.Blobs["anonymization/safe harbor/v1.json"].ETag;

        PublishedAnonymizationConfig second = await PublishAsync(force: true);

        Assert.Equivalent(first, second);
        Assert.Equal(etag, _service.Blobs["anonymization/safe harbor/v1.json"].ETag);
    }

    [Fact]
    public async Task Another_configuration_of_that_name_is_kept()
    {
        await PublishAsync();

        FhirDeidException e = await Failure.Of("ConfigExists", () => PublishAsync(Of("{}")));

        Assert.Equal(FhirDeidErrorCategory.ResourceExists, e.Category);
        Assert.Equal(Config.ToJson(), Encoding.UTF8.GetString(_service.Blobs["anonymization/safe harbor/v1.json"].Bytes));
    }

    [Fact]
    public async Task A_published_configuration_is_read_in_the_version_that_was_listed()
    {
        PublishedAnonymizationConfig published = await PublishAsync();

        Assert.Equal(Config.ToJson(), await _connection.ReadConfigAsync(published, TestContext.Current.CancellationToken));
        Assert.Equal(published.ConfigETag, _service.Requests.Last(request => request.Port == _service.Blob.Port).Header("If-Match"));

        _service.Blobs.Remove("anonymization/safe harbor/v1.json", out _);
        await Failure.Of("ConfigNotFound", () => _connection.ReadConfigAsync(published, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Force_replaces_exactly_the_version_that_was_seen()
    {
        PublishedAnonymizationConfig old = await PublishAsync();

        PublishedAnonymizationConfig published = await PublishAsync(Of("{}"), force: true);

        Assert.NotEqual(old.ConfigETag, published.ConfigETag);
        Assert.Equal(old.ConfigETag, Written.Last().Header("If-Match"));
    }

    [Fact]
    public async Task Force_does_not_replace_what_someone_else_wrote_meanwhile()
    {
        await PublishAsync();
        _service.OnBlob = context =>
        {
            if (context.Request.Headers.IfMatch.Count > 0) _service.Put("anonymization/safe harbor/v1.json", "other"u8.ToArray());
            return Task.FromResult(false);
        };

        await Failure.Of("ConfigExists", () => PublishAsync(Of("{}"), force: true));

        Assert.Equal("other", Encoding.UTF8.GetString(_service.Blobs["anonymization/safe harbor/v1.json"].Bytes));
    }

    [Fact]
    public async Task What_is_not_read_back_as_written_is_not_published()
    {
        _service.OnBlob = context =>
        {
            if (context.Request.Method == "GET") _service.Put("anonymization/safe harbor/v1.json", "other"u8.ToArray());
            return Task.FromResult(false);
        };

        await Failure.Of("ConfigExists", () => PublishAsync());
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("..")]
    [InlineData("a/../b.json")]
    [InlineData("/a.json")]
    [InlineData("a/")]
    [InlineData("a//b.json")]
    [InlineData("a%2Fb.json")]
    [InlineData("a.json ")]
    public async Task A_name_that_the_service_would_read_otherwise_is_refused(string name)
    {
        await Failure.Of("ConfigNameInvalid", () => PublishAsync(name: name));

        Assert.DoesNotContain(_service.Requests, r => r.Port == _service.Blob.Port);
    }

    [Fact]
    public async Task A_configuration_of_1_MiB_is_written_and_a_larger_one_is_refused()
    {
        const int limit = 1_048_576;
        await PublishAsync(Of(new string('é', limit / 2)));

        await Failure.Of("ConfigTooLarge", () => PublishAsync(Of(new string('é', limit / 2) + "x"), "large.json"));

        Assert.DoesNotContain("anonymization/large.json", _service.Blobs.Keys);
    }

    [Theory]
    [InlineData(403, "AuthorizationPermissionMismatch", "StorageForbidden", "Storage Blob Data Contributor")]
    [InlineData(403, "AuthorizationFailure", "StorageForbidden", "firewall")]
    [InlineData(403, "AuthenticationFailed", "StorageUnauthorized", "clock")]
    [InlineData(401, "NoAuthenticationInformation", "StorageUnauthorized", "tenant")]
    [InlineData(404, "ResourceNotFound", "BlobNotFound", "account")]
    [InlineData(503, "ServerBusy", "StorageUnavailable", "again")]
    public async Task A_refusal_of_the_storage_account_says_what_to_do(int status, string code, string error, string advice)
    {
        _service.OnBlob = async context =>
        {
            await StandIn.Answer(status, $"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message><AuthenticationErrorDetail>{StandIn.Signature}</AuthenticationErrorDetail></Error>",
                "application/xml", ("x-ms-error-code", code))(context);
            return true;
        };

        FhirDeidException e = await Failure.Of(error, () => PublishAsync());

        Assert.Contains(advice, e.RecommendedAction);
    }

    [Fact]
    public async Task A_storage_account_that_cannot_be_reached_is_told()
    {
        FhirDeidConnectionOptions options = _service.Options;
        options.BlobEndpoint = new Uri("https://127.0.0.1:1/teststore");
        IFhirDeidConnection connection = await _service.ConnectAsync(options);

        await Failure.Of("StorageUnreachable", () => connection.PublishConfigAsync(Config, "c.json", false, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_connection_without_a_storage_account_says_so()
    {
        FhirDeidConnectionOptions options = _service.Options;
        (options.Emulator!.BlobEndpoint, options.Emulator.StorageAccountName) = (null, "");
        IFhirDeidConnection connection = await _service.ConnectAsync(options);

        await Failure.Of("StorageAccountMissing", () => connection.PublishConfigAsync(Config, "c.json", false, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task The_storage_account_gets_its_own_token()
    {
        await PublishAsync();

        string fhir = _connection.Context.Audience;
        Assert.Contains(_service.TokenRequests, r => r.Body.Contains(Uri.EscapeDataString("https://storage.azure.com/.default"), StringComparison.Ordinal));
        Assert.All(_service.Requests.Where(r => r.Port == _service.Blob.Port), r => Assert.Equal("https://storage.azure.com", Audience(r)));

        static string Audience(Received request) => Credentials.AccessTokenClaims.Of(request.Header("Authorization")!["Bearer ".Length..]).Audience;
    }

    [Theory]
    [InlineData]
    [InlineData("keep")]
    [InlineData("Keep", "KEEP")]
    public async Task A_configuration_that_keeps_everything_is_not_published(params string[] methods)
    {
        AnonymizationConfig config = new("{}") { Rules = [.. methods.Select(method => new AnonymizationRule { Path = "Patient.name", Method = method })] };

        FhirDeidException e = await Failure.Of("ConfigKeepsEverything", () => PublishAsync(config, force: true));

        Assert.Equal(FhirDeidErrorCategory.SecurityError, e.Category);
        Assert.DoesNotContain(_service.Requests, r => r.Port == _service.Blob.Port);
    }
}
