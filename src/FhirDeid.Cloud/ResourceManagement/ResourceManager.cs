using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Azure.Core;
using Azure.Core.Pipeline;
using FhirDeid.Cloud.Fhir;

namespace FhirDeid.Cloud.ResourceManagement;

/// <summary>Azure's resource manager, as raw JSON: a typed client would drop the properties that it does not know, and a PUT would reset them.</summary>
internal sealed class ResourceManager
{
    private sealed class PipelineOptions : ClientOptions;

    /// <summary>The newest generally available version of Microsoft.HealthcareApis: older ones hide properties, which a PUT would then reset.</summary>
    public const string FhirServiceVersion = "2024-03-31";

    private const string SubscriptionVersion = "2022-12-01";

    private readonly HttpPipeline _pipeline;
    private readonly Uri _endpoint;

    public ResourceManager(Uri endpoint, string audience, TokenCredential credential, HttpPipelineTransport? transport, TimeSpan retryDelay, TimeSpan networkTimeout)
    {
        _endpoint = endpoint;
        Scope = audience + "/.default";
        RetryDelay = retryDelay;
        PipelineOptions options = new()
        {
            Retry = { MaxRetries = 3, Delay = retryDelay, MaxDelay = TimeSpan.FromSeconds(30), NetworkTimeout = networkTimeout },
            Diagnostics = { IsLoggingContentEnabled = false, IsTelemetryEnabled = false, IsDistributedTracingEnabled = false },
        };
        if (transport is not null) options.Transport = transport;
        // Everything that is sent can be sent twice: PUT and PATCH set a state, they do not add to it.
        _pipeline = HttpPipelineBuilder.Build(options, [], [new OriginBearer(credential, Scope, endpoint)], new FhirResponseClassifier());
    }

    /// <summary>Scope of its tokens.</summary>
    public string Scope { get; }

    /// <summary>Pause before something is sent again, and the shortest one between two looks at an operation.</summary>
    public TimeSpan RetryDelay { get; }

    /// <summary>The address of a resource.</summary>
    /// <param name="path">Resource id, or what follows it.</param>
    /// <param name="version">The api-version.</param>
    /// <param name="filter">OData filter, or null.</param>
    public Uri Address(string path, string version, string? filter = null) =>
        new($"{_endpoint.AbsoluteUri.TrimEnd('/')}/{path.TrimStart('/')}?{(filter is null ? "" : $"$filter={Uri.EscapeDataString(filter)}&")}api-version={version}");

    /// <summary>Sends one request and returns the whole answer, whatever its status.</summary>
    /// <param name="method">GET, PUT or PATCH.</param>
    /// <param name="uri">Where; must be on the resource manager's origin.</param>
    /// <param name="body">What to send, or null.</param>
    /// <param name="ifMatch">ETag that the resource must still have, or null.</param>
    /// <param name="cancellation">Stops.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.EndpointUnreachable</c>, <c>FhirDeid.ForeignUrl</c>, or what the credential says.</exception>
    public async Task<ArmAnswer> SendAsync(RequestMethod method, Uri uri, JsonNode? body, string? ifMatch, CancellationToken cancellation)
    {
        using HttpMessage message = _pipeline.CreateMessage();
        message.Request.Method = method;
        message.Request.Uri.Reset(uri);
        message.Request.Headers.Add("Accept", "application/json");
        if (ifMatch is not null) message.Request.Headers.Add("If-Match", ifMatch);
        if (body is not null)
        {
            message.Request.Headers.Add("Content-Type", "application/json");
            message.Request.Content = RequestContent.Create(JsonSerializer.SerializeToUtf8Bytes(body));
        }
        try
        {
            await _pipeline.SendAsync(message, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (ConnectionFailure.Own(e) is { } own)
        {
            throw own;
        }
        catch (Exception e) when (ConnectionFailure.Is(e, cancellation))
        {
            throw new FhirDeidException("EndpointUnreachable", FhirDeidErrorCategory.ConnectionError,
                $"The resource manager {_endpoint} cannot be reached: {ConnectionFailure.Reason(e)}.", "Check the network, and -Environment if the service is in a cloud of its own.", _endpoint, ConnectionFailure.Http(e));
        }
        Azure.Core.ResponseHeaders headers = message.Response.Headers;
        return new ArmAnswer(message.Response.Status, Parse(message.Response.Content), Header("ETag"), Address("Azure-AsyncOperation"), Address("Location"), RetryAfter(Header("Retry-After")));

        string? Header(string name) => headers.TryGetValue(name, out string? value) && !string.IsNullOrWhiteSpace(value) ? value : null;

        Uri? Address(string name) => Header(name) is string value && Uri.TryCreate(_endpoint, value, out Uri? address) ? address : null;
    }

    /// <summary>Reads a resource.</summary>
    /// <param name="uri">Its address.</param>
    /// <param name="what">What it is, for an error.</param>
    /// <param name="cancellation">Stops.</param>
    /// <exception cref="FhirDeidException">It cannot be read: <see cref="ArmError.Explain"/>.</exception>
    public async Task<ArmAnswer> GetAsync(Uri uri, string what, CancellationToken cancellation)
    {
        ArmAnswer answer = await SendAsync(RequestMethod.Get, uri, null, null, cancellation).ConfigureAwait(false);
        return answer is { Status: 200, Body: not null } ? answer : throw ArmError.Explain(answer, $"read {what}", uri.AbsolutePath);
    }

    /// <summary>Reads a list to its last page.</summary>
    /// <param name="uri">Address of the first page.</param>
    /// <param name="what">What is listed, for an error.</param>
    /// <param name="cancellation">Stops.</param>
    public async Task<List<JsonObject>> ListAsync(Uri uri, string what, CancellationToken cancellation)
    {
        List<JsonObject> items = [];
        for (Uri? page = uri; page is not null;)
        {
            JsonObject body = (await GetAsync(page, what, cancellation).ConfigureAwait(false)).Body!;
            items.AddRange((body["value"] as JsonArray ?? []).OfType<JsonObject>());
            page = Uri.TryCreate(body.Text("nextLink"), UriKind.Absolute, out Uri? next) ? next : null;
        }
        return items;
    }

    /// <summary>The subscriptions that the caller sees: id and name.</summary>
    public async Task<List<(string Id, string Name)>> SubscriptionsAsync(CancellationToken cancellation) =>
        [.. (await ListAsync(Address("subscriptions", SubscriptionVersion), "the subscriptions", cancellation).ConfigureAwait(false))
            .Select(subscription => (subscription.Text("subscriptionId"), subscription.Text("displayName")))];

    private static JsonObject? Parse(BinaryData body)
    {
        try
        {
            return body.ToMemory().IsEmpty ? null : JsonNode.Parse(body.ToMemory().Span) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static TimeSpan? RetryAfter(string? value) => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int seconds) ? TimeSpan.FromSeconds(seconds)
        : DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset date) ? date - DateTimeOffset.UtcNow : null;
}

/// <summary>An answer of the resource manager.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Body">The body; null where it is no JSON object.</param>
/// <param name="ETag">The header, or null.</param>
/// <param name="AsyncOperation">Where the operation tells its status, or null.</param>
/// <param name="Location">Where the operation's result will be, or null.</param>
/// <param name="RetryAfter">How long to wait before the next look, or null.</param>
internal sealed record ArmAnswer(int Status, JsonObject? Body, string? ETag, Uri? AsyncOperation, Uri? Location, TimeSpan? RetryAfter);

/// <summary>Reading of JSON whose shape is the service's.</summary>
internal static class JsonReading
{
    /// <summary>Text at a path of property names; empty where there is none.</summary>
    public static string Text(this JsonObject? item, params string[] path)
    {
        JsonNode? node = item;
        foreach (string name in path) node = (node as JsonObject)?[name];
        return node is JsonValue value && value.TryGetValue(out string? text) ? text : "";
    }

    /// <summary>Object at a property; null where there is none.</summary>
    public static JsonObject? Object(this JsonObject? item, string name) => item?[name] as JsonObject;
}
