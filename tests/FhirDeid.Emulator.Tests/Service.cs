using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Nodes;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Storage.Blobs;
using FhirDeid.Cloud.Emulation;

namespace FhirDeid.Tests;

/// <summary>A running emulator, as any client sees it.</summary>
public sealed class Service : IDisposable
{
    /// <summary>Nothing here takes long; what takes this long does not happen any more.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly HttpClient _http;

    public Service(FhirDeidEmulator emulator)
    {
        Emulator = emulator;
        _http = NewHttpClient();
        Blobs = new BlobServiceClient(emulator.BlobEndpoint, DelegatedTokenCredential.Create(
            (_, _) => throw new NotSupportedException(),
            async (_, _) => new AccessToken(await TokenAsync("https://storage.azure.com"), DateTimeOffset.UtcNow.AddHours(1))),
            new BlobClientOptions { Transport = new HttpClientTransport(_http) });
    }

    public FhirDeidEmulator Emulator { get; }

    public BlobServiceClient Blobs { get; }

    public string Audience => Emulator.FhirServiceUri!.GetLeftPart(UriPartial.Authority);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>A client that trusts this run's certificate authority.</summary>
    public HttpClient NewHttpClient()
    {
        X509ChainPolicy trust = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        trust.CustomTrustStore.Add(X509Certificate2.CreateFromPem(Emulator.CertificateAuthority));
        return new HttpClient(new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = trust }, UseProxy = false });
    }

    public static async Task<Service> StartAsync(FhirDeidEmulatorOptions options)
    {
        options.ProgramFolder = AppContext.BaseDirectory;
        return new Service(await new Emulators().StartAsync(options, new Progress<FhirDeidProgress>(), CancellationToken.None));
    }

    public Task StopAsync() => new Emulators().StopAsync(Emulator.ProcessId, CancellationToken.None);

    public async Task<HttpResponseMessage> RequestTokenAsync(params (string Name, string Value)[] form)
    {
        using FormUrlEncodedContent content = new(form.Select(field => KeyValuePair.Create(field.Name, field.Value)));
        return await _http.PostAsync(Emulator.TokenEndpoint, content, Cancellation);
    }

    public async Task<string> TokenAsync(string? audience = null, string clientId = "test", int lifetimeSeconds = 3600)
    {
        using HttpResponseMessage response = await RequestTokenAsync(("grant_type", "client_credentials"), ("client_id", clientId),
            ("client_secret", "any"), ("scope", (audience ?? Audience) + "/.default"), ("lifetime_seconds", $"{lifetimeSeconds}"));
        return (await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("access_token").GetString()!;
    }

    public async Task<Answer> SendAsync(HttpMethod method, string path, string? token, string[] accept, string[] prefer)
    {
        using HttpRequestMessage request = new(method, new Uri(Emulator.FhirServiceUri!, path));
        foreach (string value in accept) request.Headers.TryAddWithoutValidation("Accept", value);
        foreach (string value in prefer) request.Headers.TryAddWithoutValidation("Prefer", value);
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using HttpResponseMessage response = await _http.SendAsync(request, Cancellation);
        return new Answer(response.StatusCode, await response.Content.ReadAsStringAsync(Cancellation), response.Content.Headers.ContentType?.MediaType,
            response.Content.Headers.ContentLocation, response.Headers.WwwAuthenticate.ToString());
    }

    /// <summary>Asks the resource manager.</summary>
    /// <param name="method">HTTP method.</param>
    /// <param name="path">Path, with a query or without; or the URL of a next page or an operation.</param>
    /// <param name="apiVersion">api-version; none leaves it out.</param>
    /// <param name="body">JSON body.</param>
    /// <param name="token">Token; none gets one, an empty one leaves it out.</param>
    /// <param name="ifMatch">If-Match header.</param>
    public async Task<ArmAnswer> ArmAsync(HttpMethod method, string path, string? apiVersion = "2024-03-31", string? body = null, string? token = null, string? ifMatch = null)
    {
        string query = apiVersion is null || path.Contains("api-version=", StringComparison.Ordinal) ? "" : $"{(path.Contains('?') ? '&' : '?')}api-version={apiVersion}";
        using HttpRequestMessage request = new(method, new Uri(Emulator.ResourceManagerEndpoint!, path + query));
        token ??= await TokenAsync("https://management.azure.com");
        if (token.Length > 0) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (ifMatch is not null) request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        if (body is not null) request.Content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await _http.SendAsync(request, Cancellation);
        return new ArmAnswer(response.StatusCode, await response.Content.ReadAsStringAsync(Cancellation),
            response.Headers.ToDictionary(header => header.Key, header => string.Join(",", header.Value), StringComparer.OrdinalIgnoreCase));
    }

    /// <summary>All items of a list of the resource manager, page by page.</summary>
    public async Task<List<JsonNode>> ArmListAsync(string path, string apiVersion = "2024-03-31")
    {
        List<JsonNode> items = [];
        for (string? next = path; next is not null;)
        {
            ArmAnswer answer = await ArmAsync(HttpMethod.Get, next, apiVersion);
            Assert.Equal(HttpStatusCode.OK, answer.Status);
            items.AddRange(answer.Json["value"]!.AsArray()!);
            next = (string?)answer.Json["nextLink"];
        }

        return items;
    }

    public async Task<Answer> KickOffAsync(string path) =>
        await SendAsync(HttpMethod.Get, path, await TokenAsync(), ["application/fhir+json"], ["respond-async"]);

    public async Task<Answer> GetAsync(string path) => await SendAsync(HttpMethod.Get, path, await TokenAsync(), ["application/json"], []);

    public async Task<Answer> DeleteAsync(string path) => await SendAsync(HttpMethod.Delete, path, await TokenAsync(), [], []);

    /// <summary>Exports and polls until the job has ended, well or not.</summary>
    public async Task<Answer> ExportAsync(string query)
    {
        Answer kickOff = await KickOffAsync("$export" + query);
        Assert.Equal(HttpStatusCode.Accepted, kickOff.Status);
        return await PollAsync(kickOff);
    }

    /// <summary>Polls until the job has ended, well or not.</summary>
    public async Task<Answer> PollAsync(Answer kickOff)
    {
        for (DateTime end = DateTime.UtcNow + Patience; ; await Task.Delay(50, Cancellation))
        {
            Answer answer = await GetAsync(kickOff.ContentLocation!.PathAndQuery);
            if (answer.Status != HttpStatusCode.Accepted) return answer;
            Assert.True(DateTime.UtcNow < end, "The export does not end.");
        }
    }

    /// <summary>The lines of an exported file.</summary>
    public async Task<string[]> LinesAsync(JsonElement output)
    {
        BlobUriBuilder blob = new(new Uri(output.GetProperty("url").GetString()!));
        BinaryData content = (await Blobs.GetBlobContainerClient(blob.BlobContainerName).GetBlobClient(blob.BlobName).DownloadContentAsync(Cancellation)).Value.Content;
        string text = content.ToString();
        Assert.EndsWith("\n", text);
        return text[..^1].Split('\n');
    }

    /// <summary>Uploads a configuration and returns its ETag.</summary>
    public async Task<string> PublishAsync(string name, string config)
    {
        BlobContainerClient container = Blobs.GetBlobContainerClient("anonymization");
        await container.CreateIfNotExistsAsync(cancellationToken: Cancellation);
        return (await container.GetBlobClient(name).UploadAsync(BinaryData.FromString(config), overwrite: true, Cancellation)).Value.ETag.ToString();
    }

    public void Dispose() => _http.Dispose();
}

/// <summary>What the service answered.</summary>
public sealed record Answer(HttpStatusCode Status, string Body, string? ContentType, Uri? ContentLocation, string Challenge)
{
    public JsonElement Json => JsonDocument.Parse(Body).RootElement;

    public JsonElement[] Output => [.. Json.GetProperty("output").EnumerateArray()];

    /// <summary>Asserts an OperationOutcome of one issue.</summary>
    public void IsOutcome(HttpStatusCode status, string code, string diagnostics)
    {
        Assert.Equal(diagnostics, Json.GetProperty("issue")[0].GetProperty("diagnostics").GetString());
        Assert.Equal(status, Status);
        Assert.Equal("application/fhir+json", ContentType);
        Assert.Equal("OperationOutcome", Json.GetProperty("resourceType").GetString());
        Assert.Equal("error", Json.GetProperty("issue")[0].GetProperty("severity").GetString());
        Assert.Equal(code, Json.GetProperty("issue")[0].GetProperty("code").GetString());
    }

    /// <summary>Asserts the failure of a job.</summary>
    public void IsFailure(HttpStatusCode status, string reason) => IsOutcome(status, "processing", "export operation failed for reason: " + reason);
}

/// <summary>What the resource manager answered.</summary>
public sealed record ArmAnswer(HttpStatusCode Status, string Body, Dictionary<string, string> Headers)
{
    public JsonObject Json => JsonNode.Parse(Body)!.AsObject();

    /// <summary>Asserts an error.</summary>
    public void IsError(int status, string code, string? message = null)
    {
        Assert.Equal((status, code), ((int)Status, (string?)Json["error"]!["code"]));
        if (message is not null) Assert.Equal(message, (string?)Json["error"]!["message"]);
    }
}
