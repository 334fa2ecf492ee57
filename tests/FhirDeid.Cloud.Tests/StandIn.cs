using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace FhirDeid.Cloud.Tests;

/// <summary>A FHIR service with a token endpoint, a blob service, a resource manager and a foreign host: four https origins on loopback that record what reaches them and answer as a test says.</summary>
public sealed class StandIn : IAsyncDisposable
{
    public const string Account = "teststore";
    public const string Signature = "c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";

    private readonly WebApplication _app;
    private readonly ConcurrentQueue<Received> _requests = new();
    private int _tokens;

    private StandIn(WebApplication app, string certificateAuthority)
    {
        _app = app;
        CertificateAuthority = certificateAuthority;
    }

    public string CertificateAuthority { get; }
    public Uri Fhir { get; private set; } = null!;
    public Uri Blob { get; private set; } = null!;
    public Uri Foreign { get; private set; } = null!;
    public Uri ResourceManager { get; private set; } = null!;
    public string BlobBase => $"{Blob.AbsoluteUri}{Account}";
    public IReadOnlyList<Received> Requests => [.. _requests];
    public IEnumerable<Received> FhirRequests => _requests.Where(r => r.Port == Fhir.Port && r.Target != "/token" && r.Target != "/metadata");
    public IEnumerable<Received> TokenRequests => _requests.Where(r => r.Target == "/token");

    public string Metadata { get; set; } = """{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1"}""";
    public Func<HttpContext, Task>? OnMetadata { get; set; }
    public Func<HttpContext, Task>? OnToken { get; set; }
    public Func<HttpContext, Task> OnKickOff { get; set; } = null!;
    public Func<HttpContext, Task> OnStatus { get; set; } = null!;
    public Func<HttpContext, Task<bool>>? OnBlob { get; set; }
    public Func<HttpContext, string, Task>? OnResourceManager { get; set; }
    public TimeSpan NetworkTimeout { get; set; } = TimeSpan.FromSeconds(100);
    public long FreeSpace { get; set; } = long.MaxValue;
    public TimeSpan TokenLife { get; set; } = TimeSpan.FromHours(1);
    public ConcurrentDictionary<string, (byte[] Bytes, string ETag)> Blobs { get; } = new();
    public ConcurrentDictionary<string, bool> Containers { get; } = new();

    public FhirDeidEmulator Emulator => new()
    {
        FhirServiceUri = Fhir,
        TokenEndpoint = new Uri(Fhir, "token"),
        BlobEndpoint = new Uri(BlobBase),
        StorageAccountName = Account,
        ResourceManagerEndpoint = ResourceManager,
        CertificateAuthority = CertificateAuthority,
    };

    public FhirDeidConnectionOptions Options => new() { Credential = FhirDeidCredential.Emulator, Emulator = Emulator };

    public static async Task<StandIn> StartAsync()
    {
        (string authority, X509Certificate2 certificate) = Certificates();
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            for (int i = 0; i < 4; i++) kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate));
        });
        WebApplication app = builder.Build();
        StandIn standIn = new(app, authority);
        app.Run(standIn.AnswerAsync);
        await app.StartAsync();
        Uri[] origins = [.. app.Urls.Select(url => new Uri(url))];
        (standIn.Fhir, standIn.Blob, standIn.Foreign, standIn.ResourceManager) = (origins[0], origins[1], origins[2], origins[3]);
        standIn.OnKickOff = context =>
        {
            context.Response.StatusCode = 202;
            context.Response.Headers.ContentLocation = standIn.Fhir.AbsoluteUri + "_operations/export/42";
            return Task.CompletedTask;
        };
        standIn.OnStatus = Answer(202);
        return standIn;
    }

    public Task<IFhirDeidConnection> ConnectAsync(FhirDeidConnectionOptions? options = null) =>
        new CloudEngine(TimeSpan.FromMilliseconds(5), NetworkTimeout, _ => FreeSpace).ConnectAsync(options ?? Options, TestContext.Current.CancellationToken);

    public static Func<HttpContext, Task> Answer(int status, string body = "", string contentType = "application/fhir+json", params (string Name, string Value)[] headers) => async context =>
    {
        context.Response.StatusCode = status;
        foreach ((string name, string value) in headers) context.Response.Headers[name] = value;
        if (body.Length == 0) return;
        context.Response.ContentType = contentType;
        await context.Response.WriteAsync(body);
    };

    public static Func<HttpContext, Task> Outcome(int status, string diagnostics, string code = "processing") =>
        Answer(status, JsonSerializer.Serialize(new { resourceType = "OperationOutcome", issue = new[] { new { severity = "error", code, diagnostics } } }));

    /// <summary>A token as Entra makes them, with <see cref="Signature"/> as its third part.</summary>
    public static string Token(string audience, TimeSpan life, int number = 0)
    {
        long now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        string claims = JsonSerializer.Serialize(new { aud = audience, oid = "caller", tid = "tenant", nbf = now - 60, iat = now, exp = now + (long)life.TotalSeconds, number });
        return $"{Base64Url("""{"alg":"RS256","typ":"JWT"}""")}.{Base64Url(claims)}.{Signature}";

        static string Base64Url(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text)).TrimEnd('=').Replace('+', '-').Replace('/', '_');
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        string body = await new StreamReader(request.Body).ReadToEndAsync(context.RequestAborted);
        string target = context.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestFeature>()!.RawTarget;
        _requests.Enqueue(new Received(context.Connection.LocalPort, request.Method, target,
            request.Headers.ToDictionary(h => h.Key, h => h.Value.ToArray(), StringComparer.OrdinalIgnoreCase), body));
        if (context.Connection.LocalPort == Blob.Port)
        {
            if (request.Query.ContainsKey("delimiter") || request.Query.ContainsKey("prefix")) await ListAsync(context);
            else if (OnBlob is null || !await OnBlob(context)) await BlobAsync(context, body);
        }
        else if (context.Connection.LocalPort == ResourceManager.Port && OnResourceManager is not null) await OnResourceManager(context, body);
        else if (context.Connection.LocalPort != Fhir.Port) await Answer(200, "{}")(context);
        else if (request.Path == "/token") await (OnToken ?? TokenAsync)(context);
        else if (request.Path == "/metadata") await (OnMetadata ?? Answer(200, Metadata))(context);
        else if (request.Path == "/$export") await OnKickOff(context);
        else await OnStatus(context);

        Task TokenAsync(HttpContext _)
        {
            string scope = System.Web.HttpUtility.ParseQueryString(body)["scope"]!;
            string token = Token(scope.Replace("/.default", "", StringComparison.Ordinal), TokenLife, Interlocked.Increment(ref _tokens));
            return Answer(200, JsonSerializer.Serialize(new { access_token = token, expires_in = (int)TokenLife.TotalSeconds, token_type = "Bearer" }), "application/json")(context);
        }
    }

    /// <summary>Lists folders, or the files of one.</summary>
    private Task ListAsync(HttpContext context)
    {
        string container = context.Request.Path.Value![$"/{Account}/".Length..] + "/", prefix = context.Request.Query["prefix"].ToString();
        string[] names = [.. Blobs.Keys.Where(path => path.StartsWith(container + prefix, StringComparison.Ordinal)).Select(path => path[container.Length..])];
        IEnumerable<string> entries = context.Request.Query.ContainsKey("delimiter")
            ? names.Select(name => name[..(name.IndexOf('/', StringComparison.Ordinal) + 1)]).Distinct().Select(folder => $"<BlobPrefix><Name>{folder}</Name></BlobPrefix>")
            : names.Select(name => $"<Blob><Name>{name}</Name><Properties><Content-Length>{Blobs[container + name].Bytes.Length}</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>");
        return Answer(200, $"<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs>{string.Concat(entries)}</Blobs><NextMarker /></EnumerationResults>", "application/xml")(context);
    }

    private async Task BlobAsync(HttpContext context, string body)
    {
        HttpRequest request = context.Request;
        string path = request.Path.Value![$"/{Account}/".Length..];
        string container = path.Split('/')[0];
        if (request.Query["restype"] == "container")
        {
            Containers[container] = true;
            context.Response.StatusCode = 201;
            return;
        }
        if (request.Method == "PUT")
        {
            if (!Containers.ContainsKey(container)) { Refuse(404, "ContainerNotFound"); return; }
            bool there = Blobs.TryGetValue(path, out (byte[] Bytes, string ETag) old);
            if (there && request.Headers.IfNoneMatch == "*") { Refuse(409, "BlobAlreadyExists"); return; }
            if (request.Headers.IfMatch.Count > 0 && request.Headers.IfMatch != old.ETag) { Refuse(412, "ConditionNotMet"); return; }
            Put(path, Encoding.UTF8.GetBytes(body));
            context.Response.StatusCode = 201;
            Describe(Blobs[path].ETag);
            return;
        }
        if (!Blobs.TryGetValue(path, out (byte[] Bytes, string ETag) blob)) { Refuse(404, "BlobNotFound"); return; }
        if (request.Headers.IfMatch.Count > 0 && request.Headers.IfMatch != blob.ETag) { Refuse(412, "ConditionNotMet"); return; }
        await SendAsync(context, blob.Bytes, blob.ETag);

        void Refuse(int status, string code)
        {
            context.Response.StatusCode = status;
            context.Response.Headers["x-ms-error-code"] = code;
        }

        void Describe(string etag) => DescribeBlob(context, etag);
    }

    /// <summary>Sends a file, or the part of it that the request asks for.</summary>
    public static async Task SendAsync(HttpContext context, byte[] bytes, string etag)
    {
        DescribeBlob(context, etag);
        int start = 0;
        if (context.Request.Headers.Range is [{ } range])
        {
            start = int.Parse(range["bytes=".Length..^1], System.Globalization.CultureInfo.InvariantCulture);
            context.Response.StatusCode = start < bytes.Length ? 206 : 416;
            context.Response.Headers.ContentRange = start < bytes.Length ? $"bytes {start}-{bytes.Length - 1}/{bytes.Length}" : $"bytes */{bytes.Length}";
        }
        context.Response.ContentLength = Math.Max(0, bytes.Length - start);
        if (start < bytes.Length) await context.Response.Body.WriteAsync(bytes.AsMemory(start), context.RequestAborted);
    }

    public static void DescribeBlob(HttpContext context, string etag)
    {
        context.Response.Headers.ETag = etag;
        context.Response.Headers.LastModified = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero).ToString("R");
        context.Response.Headers["x-ms-blob-type"] = "BlockBlob";
        context.Response.Headers["x-ms-request-id"] = "1";
    }

    public string Put(string path, byte[] bytes)
    {
        Containers[path.Split('/')[0]] = true;
        string etag = $"\"0x{Guid.NewGuid():N}\"";
        Blobs[path] = (bytes, etag);
        return etag;
    }

    private static (string Authority, X509Certificate2 Server) Certificates()
    {
        using ECDsa authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest authority = new("CN=Test authority", authorityKey, HashAlgorithmName.SHA256);
        authority.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        authority.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        using X509Certificate2 root = authority.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));

        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest server = new("CN=localhost", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddIpAddress(IPAddress.Loopback);
        names.AddDnsName("localhost");
        server.CertificateExtensions.Add(names.Build());
        using X509Certificate2 signed = server.Create(root, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(12), RandomNumberGenerator.GetBytes(8));
        using X509Certificate2 withKey = signed.CopyWithPrivateKey(key);
        return (root.ExportCertificatePem(), X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pkcs12), null));
    }
}

/// <summary>A request as it arrived: the target is not decoded.</summary>
public sealed record Received(int Port, string Method, string Target, IReadOnlyDictionary<string, string?[]> Headers, string Body)
{
    public string? Header(string name) => Headers.TryGetValue(name, out string?[]? values) ? string.Join("|", values) : null;
}

public static class Failure
{
    /// <summary>Runs what must fail, and holds the promise that no exception quotes a token.</summary>
    public static async Task<FhirDeidException> Of(string id, Func<Task> act)
    {
        FhirDeidException e = await Assert.ThrowsAsync<FhirDeidException>(act);
        Assert.Equal("FhirDeid." + id, e.ErrorId);
        Assert.DoesNotContain(StandIn.Signature, e.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("eyJ", e.ToString(), StringComparison.Ordinal);
        Assert.NotEmpty(e.RecommendedAction);
        return e;
    }
}
