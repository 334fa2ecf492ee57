using System.Globalization;
using Azure;
using Azure.Core;

namespace FhirDeid.Cloud.Fhir;

/// <summary>Which requests to the FHIR service are sent again.</summary>
internal sealed class FhirResponseClassifier : ResponseClassifier
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(60);

    /// <summary>Key of a message's property: sent twice, the request would start two exports. It is repeated only where the service says that it did not take it.</summary>
    public sealed class KickOff;

    public override bool IsRetriable(HttpMessage message, Exception exception) =>
        !message.TryGetProperty(typeof(KickOff), out _)
        && (IsRetriableException(exception) || (exception is OperationCanceledException && !message.CancellationToken.IsCancellationRequested));

    public override bool IsRetriableResponse(HttpMessage message)
    {
        Response response = message.Response;
        bool transient = message.TryGetProperty(typeof(KickOff), out _)
            ? response.Status is 429 or 503
            : response.Status is 408 or 429 or 500 or 502 or 503 or 504;
        // The retries reckon a date by this machine's clock: where that makes them sleep, the caller gets the wait as the service means it.
        return transient && !(RetryAfter(response) > LongestWait) && !(RetryAfter(response, DateTimeOffset.UtcNow) > LongestWait) && JobFailure.Reason(response.Content) is null;
    }

    /// <summary>How long the service asks to wait, as it says it: seconds, or a date by its own clock (RFC 9110 §10.2.3). Null where it says nothing, or nothing that can be read.</summary>
    public static TimeSpan? RetryAfter(Response response) => RetryAfter(response, response.Headers.Date ?? DateTimeOffset.UtcNow);

    private static TimeSpan? RetryAfter(Response response, DateTimeOffset now)
    {
        if (!response.Headers.TryGetValue("Retry-After", out string? value)) return null;
        if (double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds))
            return seconds < TimeSpan.MaxValue.TotalSeconds / 2 ? TimeSpan.FromSeconds(seconds) : TimeSpan.MaxValue;
        if (!DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset date)) return null;
        TimeSpan wait = date - now;
        return wait > TimeSpan.Zero ? wait : TimeSpan.Zero;
    }
}
