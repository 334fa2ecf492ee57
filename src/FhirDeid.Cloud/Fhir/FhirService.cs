using System.Text.Json;
using Azure.Core;
using Azure.Core.Pipeline;

namespace FhirDeid.Cloud.Fhir;

/// <summary>One FHIR service, reached through one pipeline: retries, throttling and the bearer token are its policies.</summary>
internal sealed class FhirService
{
    private sealed class PipelineOptions : ClientOptions;

    private readonly HttpPipeline _pipeline;
    private readonly Uri _base;
    private readonly string _audience;

    public FhirService(Uri baseUri, TokenCredential credential, string scope, HttpPipelineTransport? transport, TimeSpan retryDelay, TimeSpan networkTimeout)
    {
        _base = baseUri;
        _audience = scope[..^"/.default".Length];
        PipelineOptions options = new()
        {
            Retry = { MaxRetries = 3, Delay = retryDelay, MaxDelay = TimeSpan.FromSeconds(30), NetworkTimeout = networkTimeout },
            Diagnostics = { IsLoggingContentEnabled = false, IsTelemetryEnabled = false, IsDistributedTracingEnabled = false },
        };
        if (transport is not null) options.Transport = transport;
        _pipeline = HttpPipelineBuilder.Build(options, [], [new OriginBearer(credential, scope, baseUri)], new FhirResponseClassifier());
    }

    /// <summary>What requests go through; files too, where they lie at the service's own address.</summary>
    public HttpPipeline Pipeline => _pipeline;

    /// <summary>Whether a URL leads to the service's own origin.</summary>
    public bool Owns(Uri? uri) => uri is not null && SameOrigin(uri, _base);

    /// <summary>The address of something below the base URL.</summary>
    /// <param name="relative">Path and query, escaped, without a leading slash.</param>
    public Uri Address(string relative) => new(_base.AbsoluteUri.TrimEnd('/') + "/" + relative);

    /// <summary>Base URL of a FHIR service as a user writes it: https, without query, trailing slash, or the <c>/metadata</c> that the portal shows.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.EndpointInvalid</c>, <c>FhirDeid.InsecureEndpoint</c>.</exception>
    public static Uri BaseUri(Uri? given)
    {
        RefuseInsecure(given, "FHIR service");
        string address = given!.GetLeftPart(UriPartial.Path).TrimEnd('/');
        if (address.EndsWith("/metadata", StringComparison.OrdinalIgnoreCase)) address = address[..^"/metadata".Length];
        return new Uri(address);
    }

    /// <summary>Refuses what a token must not be sent to.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.EndpointInvalid</c>, <c>FhirDeid.InsecureEndpoint</c>.</exception>
    public static void RefuseInsecure(Uri? endpoint, string what)
    {
        if (endpoint is not { IsAbsoluteUri: true } || (endpoint.Scheme != Uri.UriSchemeHttps && endpoint.Scheme != Uri.UriSchemeHttp) || endpoint.UserInfo.Length > 0)
        {
            throw new FhirDeidException("EndpointInvalid", FhirDeidErrorCategory.InvalidArgument, $"The URL of the {what} is missing or not an absolute https URL.",
                "Give the whole URL, such as https://workspace-service.fhir.azurehealthcareapis.com.");
        }
        if (endpoint.Scheme != Uri.UriSchemeHttps)
        {
            throw new FhirDeidException("InsecureEndpoint", FhirDeidErrorCategory.SecurityError, $"The URL of the {what} is http: tokens and health data would travel in clear text.",
                "Use the https URL.", endpoint);
        }
    }

    public static bool SameOrigin(Uri one, Uri other) =>
        one.IsAbsoluteUri && Uri.Compare(one, other, UriComponents.SchemeAndServer, UriFormat.UriEscaped, StringComparison.OrdinalIgnoreCase) == 0;

    public static FhirDeidException Foreign(Uri? uri, Uri expected) => new("ForeignUrl", FhirDeidErrorCategory.SecurityError,
        $"A URL points to {(uri is { IsAbsoluteUri: true } ? uri.GetLeftPart(UriPartial.Authority) : "nowhere")}, not to {expected.GetLeftPart(UriPartial.Authority)}: no token is sent there.",
        "Connect to the service or storage account that the URL belongs to, if you trust it.", uri);

    /// <summary>Reads the capability statement, without a token: what answers there has not yet shown that it is the service the token is for.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.EndpointUnreachable</c>, <c>FhirDeid.NotAFhirService</c>, <c>FhirDeid.FhirVersionNotSupported</c>.</exception>
    public async Task CheckCapabilitiesAsync(CancellationToken cancellation)
    {
        Uri address = Address("metadata");
        FhirAnswer answer = await GetAsync(address, "application/fhir+json", cancellation, typeof(OriginBearer.Anonymous)).ConfigureAwait(false);
        if (answer.Status is 429 or >= 500) throw Refusal(answer, address);
        string? version;
        try
        {
            using JsonDocument document = JsonDocument.Parse(answer.Body.ToMemory());
            JsonElement statement = document.RootElement;
            if (answer.Status != 200 || statement.ValueKind != JsonValueKind.Object || OperationOutcome.String(statement, "resourceType") != "CapabilityStatement")
                throw NotAFhirService(answer);
            version = OperationOutcome.String(statement, "fhirVersion");
        }
        catch (JsonException)
        {
            throw NotAFhirService(answer);
        }
        if (version?.StartsWith("4.", StringComparison.Ordinal) != true)
        {
            throw new FhirDeidException("FhirVersionNotSupported", FhirDeidErrorCategory.NotImplemented,
                $"The FHIR service {_base} speaks FHIR {(version is null ? "of an unknown version" : ServiceText.OneLine(version))}; this module works with R4 (4.0.1).",
                "Connect to an R4 service.", _base);
        }
    }

    /// <summary>Sends one GET and returns the whole answer, whatever its status.</summary>
    /// <param name="uri">Where; must be on the service's origin.</param>
    /// <param name="accept">The one value of the Accept header.</param>
    /// <param name="cancellation">Stops.</param>
    /// <param name="mark">What the policies must know about the request.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.EndpointUnreachable</c>, <c>FhirDeid.ForeignUrl</c>, or what the credential says.</exception>
    public Task<FhirAnswer> GetAsync(Uri uri, string accept, CancellationToken cancellation, Type? mark = null) =>
        SendAsync(RequestMethod.Get, uri, accept, mark, cancellation);

    /// <summary>Sends one DELETE and returns the whole answer, whatever its status.</summary>
    /// <param name="uri">Where; must be on the service's origin.</param>
    /// <param name="cancellation">Stops.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.EndpointUnreachable</c>, <c>FhirDeid.ForeignUrl</c>, or what the credential says.</exception>
    public Task<FhirAnswer> DeleteAsync(Uri uri, CancellationToken cancellation) => SendAsync(RequestMethod.Delete, uri, "application/json", null, cancellation);

    private async Task<FhirAnswer> SendAsync(RequestMethod method, Uri uri, string accept, Type? mark, CancellationToken cancellation)
    {
        using HttpMessage message = _pipeline.CreateMessage();
        message.Request.Method = method;
        message.Request.Uri.Reset(uri);
        message.Request.Headers.Add("Accept", accept);
        if (mark is not null) message.SetProperty(mark, true);
        bool kickOff = mark == typeof(FhirResponseClassifier.KickOff);
        if (kickOff)
        {
            message.Request.Headers.Add("Prefer", "respond-async");
            // .NET's handler repeats a request without a body by itself when the server closes the connection; an empty body stops that.
            message.Request.Content = RequestContent.Create(ReadOnlyMemory<byte>.Empty);
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
            if (kickOff && !ConnectionFailure.BeforeSending(e)) throw Uncertain(ConnectionFailure.Reason(e));
            throw new FhirDeidException("EndpointUnreachable", FhirDeidErrorCategory.ConnectionError,
                $"The FHIR service {_base} cannot be reached: {ConnectionFailure.Reason(e)}.",
                "Check the URL, the network and, if the service has a private endpoint, whether this machine may use it.", _base, ConnectionFailure.Http(e)) { IsTransient = true };
        }
        return new FhirAnswer(message.Response.Status,
            message.Response.Headers.TryGetValue("Content-Location", out string? location) ? location : null,
            message.Response.Content, message.Response.Headers.Date,
            FhirResponseClassifier.RetryAfter(message.Response), message.Response.Headers.TryGetValue("X-Progress", out string? progress) ? progress : null);
    }

    /// <summary>The error for an answer that is none of those that the caller expects.</summary>
    public FhirDeidException Refusal(FhirAnswer answer, object target)
    {
        string text = OperationOutcome.Text(answer.Body) is string said ? $" It says: {ServiceText.OneLine(said)}" : "";
        // A Bulk Data server may call any error transient (FHIR Bulk Data Access, Error Status).
        if (answer.Status >= 400 && answer.Status is not (401 or 403 or 404 or 408 or 429 or >= 500) && OperationOutcome.IsTransient(answer.Body))
        {
            return new FhirDeidException("ServiceUnavailable", FhirDeidErrorCategory.ResourceUnavailable,
                $"The FHIR service cannot serve the request now ({answer.Status})." + text, "Try again in some minutes.", target) { IsTransient = true, RetryAfter = answer.RetryAfter };
        }
        return answer.Status switch
        {
            401 => new FhirDeidException("Unauthorized", FhirDeidErrorCategory.AuthenticationError,
                $"The FHIR service did not accept the token (401); it was requested for audience {_audience}.",
                "If the service's audience is another one (Authentication page of the FHIR service), connect with it as -Audience; check that the tenant is the service's.", target),
            403 => new FhirDeidException("Forbidden", FhirDeidErrorCategory.PermissionDenied,
                "The FHIR service refused the request (403): the caller lacks a role." + text,
                "Give the caller the role FHIR Data Exporter on the FHIR service and wait a few minutes until it takes effect.", target),
            408 or 429 => new FhirDeidException("Throttled", FhirDeidErrorCategory.ResourceUnavailable,
                $"The FHIR service is busy ({answer.Status}) and stayed so over several attempts." + text, "Try again in some minutes.", target) { IsTransient = true, RetryAfter = answer.RetryAfter },
            >= 500 => new FhirDeidException("ServiceUnavailable", FhirDeidErrorCategory.ResourceUnavailable,
                $"The FHIR service cannot serve the request now ({answer.Status})." + text, "Try again in some minutes.", target) { IsTransient = true, RetryAfter = answer.RetryAfter },
            >= 300 and < 400 => new FhirDeidException("RedirectRefused", FhirDeidErrorCategory.SecurityError,
                $"The FHIR service redirects ({answer.Status}); a token is not taken elsewhere.", "Connect to the URL that the service redirects to, if you trust it.", target),
            _ => new FhirDeidException("UnexpectedAnswer", FhirDeidErrorCategory.ProtocolError,
                $"The FHIR service answered with status {answer.Status}, which means nothing here." + text, "Check that the URL is that of the FHIR service itself.", target),
        };
    }

    /// <summary>The error for a kick-off whose answer is lost: it may have started an export.</summary>
    public FhirDeidException Uncertain(string reason) => new("ExportUncertain", FhirDeidErrorCategory.ResourceUnavailable,
        $"The FHIR service {_base} did not say whether it took the export ({reason}). It may be running.",
        "Look for a new folder in the container in some minutes before you start it again: a second start is a second export.", _base);

    private FhirDeidException NotAFhirService(FhirAnswer answer) => new("NotAFhirService", FhirDeidErrorCategory.ProtocolError,
        $"{_base} is no FHIR service: its /metadata gives no CapabilityStatement (status {answer.Status}).",
        "Give the base URL of the FHIR service: its FHIR metadata endpoint without /metadata.", _base);
}

/// <summary>An answer of the FHIR service.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="ContentLocation">The header, or null.</param>
/// <param name="Body">The body; may be empty.</param>
/// <param name="Date">The service's clock, or null.</param>
/// <param name="RetryAfter">When the service wants to be asked again, or null.</param>
/// <param name="Progress">X-Progress, or null.</param>
internal sealed record FhirAnswer(int Status, string? ContentLocation, BinaryData Body, DateTimeOffset? Date, TimeSpan? RetryAfter, string? Progress);
