using System.Net;
using System.Net.Sockets;
using System.Security;

namespace FhirDeid.Cloud.Tests;

public sealed class ConnectTests : IAsyncLifetime
{
    private StandIn _service = null!;

    public async ValueTask InitializeAsync() => _service = await StandIn.StartAsync();

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    [Fact]
    public async Task A_connection_tells_who_is_connected_where()
    {
        FhirDeidContext context = (await _service.ConnectAsync()).Context;

        Assert.Equal(_service.Fhir, context.FhirServiceUri);
        Assert.Equal(_service.Fhir.AbsoluteUri.TrimEnd('/'), context.Audience);
        Assert.Equal(("caller", "tenant", StandIn.Account), (context.Account, context.TenantId, context.StorageAccountName));
        Assert.True(context.ExpiresOn > DateTimeOffset.UtcNow);
        Received token = Assert.Single(_service.TokenRequests);
        Assert.Equal($"grant_type=client_credentials&client_id=fhirdeid&scope={Uri.EscapeDataString(context.Audience + "/.default")}", token.Body);
    }

    [Fact]
    public async Task No_token_is_sent_before_the_service_has_shown_that_it_is_one()
    {
        await _service.ConnectAsync();

        Received metadata = Assert.Single(_service.Requests, r => r.Target == "/metadata");
        Assert.Null(metadata.Header("Authorization"));
        Assert.Equal("application/fhir+json", metadata.Header("Accept"));
    }

    [Fact]
    public async Task The_portals_metadata_endpoint_is_taken_for_the_service()
    {
        FhirDeidConnectionOptions options = _service.Options;
        options.FhirServiceUri = new Uri(_service.Fhir, "metadata");

        Assert.Equal(_service.Fhir, (await _service.ConnectAsync(options)).Context.FhirServiceUri);
    }

    [Theory]
    [InlineData(200, """{"resourceType":"Patient"}""", "NotAFhirService")]
    [InlineData(200, "<html>Welcome</html>", "NotAFhirService")]
    [InlineData(200, "[]", "NotAFhirService")]
    [InlineData(404, "", "NotAFhirService")]
    [InlineData(302, "", "NotAFhirService")]
    [InlineData(200, """{"resourceType":"CapabilityStatement","fhirVersion":"3.0.2"}""", "FhirVersionNotSupported")]
    [InlineData(200, """{"resourceType":"CapabilityStatement"}""", "FhirVersionNotSupported")]
    [InlineData(503, "", "ServiceUnavailable")]
    public async Task What_is_no_R4_service_is_refused(int status, string body, string error)
    {
        _service.OnMetadata = StandIn.Answer(status, body, headers: ("Location", _service.Foreign.AbsoluteUri));

        await Failure.Of(error, () => _service.ConnectAsync());

        Assert.Empty(_service.TokenRequests);
        Assert.DoesNotContain(_service.Requests, r => r.Port == _service.Foreign.Port);
    }

    [Fact]
    public async Task A_service_that_hiccups_is_asked_again()
    {
        int asked = 0;
        _service.OnMetadata = context => StandIn.Answer(Interlocked.Increment(ref asked) == 1 ? 503 : 200, _service.Metadata)(context);

        await _service.ConnectAsync();

        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task A_port_where_nothing_listens_is_told_in_plain_words()
    {
        FhirDeidConnectionOptions options = _service.Options;
        options.FhirServiceUri = new Uri($"https://127.0.0.1:{FreePort()}");

        FhirDeidException e = await Failure.Of("EndpointUnreachable", () => _service.ConnectAsync(options));

        Assert.Contains("nothing listens there", e.Message);
    }

    [Fact]
    public async Task A_name_that_DNS_does_not_know_is_told_in_plain_words()
    {
        FhirDeidConnectionOptions options = new() { FhirServiceUri = new Uri("https://fhir.invalid"), Credential = FhirDeidCredential.AccessToken, AccessToken = Secret("opaque") };

        FhirDeidException e = await Failure.Of("EndpointUnreachable", () => _service.ConnectAsync(options));

        Assert.Contains("DNS", e.Message);
    }

    [Fact]
    public async Task A_certificate_that_nobody_vouches_for_is_told_in_plain_words()
    {
        FhirDeidConnectionOptions options = new() { FhirServiceUri = _service.Fhir, Credential = FhirDeidCredential.AccessToken, AccessToken = Secret("opaque") };

        FhirDeidException e = await Failure.Of("EndpointUnreachable", () => _service.ConnectAsync(options));

        Assert.Contains("TLS certificate", e.Message);
        Assert.Empty(_service.Requests);
    }

    [Fact]
    public async Task An_emulator_of_another_authority_is_not_trusted()
    {
        await using StandIn other = await StandIn.StartAsync();
        FhirDeidConnectionOptions options = _service.Options;
        options.Emulator!.CertificateAuthority = other.CertificateAuthority;

        await Failure.Of("EndpointUnreachable", () => _service.ConnectAsync(options));
    }

    [Theory]
    [InlineData("http://127.0.0.1/", "InsecureEndpoint")]
    [InlineData("ftp://127.0.0.1/", "EndpointInvalid")]
    [InlineData("https://user:secret@127.0.0.1/", "EndpointInvalid")]
    [InlineData("fhir", "EndpointInvalid")]
    [InlineData("https://fhir.example.org/", "EmulatorInvalid")]
    public async Task Endpoints_that_must_not_get_a_token_are_refused(string uri, string error)
    {
        FhirDeidConnectionOptions options = _service.Options;
        options.FhirServiceUri = new Uri(uri, UriKind.RelativeOrAbsolute);

        await Failure.Of(error, () => _service.ConnectAsync(options));

        Assert.Empty(_service.Requests);
    }

    [Fact]
    public async Task An_http_blob_endpoint_is_refused()
    {
        FhirDeidConnectionOptions options = _service.Options;
        options.BlobEndpoint = new Uri("http://127.0.0.1/account");

        await Failure.Of("InsecureEndpoint", () => _service.ConnectAsync(options));
    }

    [Theory]
    [InlineData("evil.example.org/")]
    [InlineData("ab")]
    [InlineData("Upper")]
    public async Task A_storage_account_name_that_is_none_is_refused(string name)
    {
        FhirDeidConnectionOptions options = _service.Options;
        options.StorageAccountName = name;

        await Failure.Of("StorageAccountInvalid", () => _service.ConnectAsync(options));
    }

    [Theory]
    [InlineData("https://w-f.fhir.azurehealthcareapis.com", "https://login.microsoftonline.com/", "https://store.blob.core.windows.net/")]
    [InlineData("https://w-f.fhir.azurehealthcareapis.us", "https://login.microsoftonline.us/", "https://store.blob.core.usgovcloudapi.net/")]
    public void Authority_and_storage_are_those_of_the_services_cloud(string service, string authority, string blob)
    {
        AzureCloud cloud = AzureCloud.Of(new Uri(service));

        Assert.Equal(authority, cloud.AuthorityHost.AbsoluteUri);
        Assert.Equal(blob, Storage.BlobStorage.Account(new FhirDeidConnectionOptions { StorageAccountName = "store" }, cloud).Endpoint!.AbsoluteUri);
    }

    [Fact]
    public async Task A_cancelled_connect_ends_at_once()
    {
        using CancellationTokenSource cancel = new();
        _service.OnMetadata = async context =>
        {
            cancel.Cancel();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => new CloudEngine().ConnectAsync(_service.Options, cancel.Token));
    }

    internal static SecureString Secret(string text)
    {
        return new NetworkCredential("", text).SecurePassword;
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
