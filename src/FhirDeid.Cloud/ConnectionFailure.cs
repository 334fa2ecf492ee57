using System.Net.Sockets;
using Azure;

namespace FhirDeid.Cloud;

/// <summary>Why no answer came, in words. The layers below wrap the cause several times; the words come from the innermost that says something.</summary>
internal static class ConnectionFailure
{
    /// <summary>The exception itself and all that it wraps, outermost first; of several attempts, the last one.</summary>
    public static IEnumerable<Exception> Chain(Exception exception)
    {
        for (Exception? e = exception; e is not null; e = e is AggregateException all ? all.InnerExceptions[^1] : e.InnerException)
            yield return e;
    }

    /// <summary>The error that our own code raised below the layers, such as a credential's.</summary>
    public static FhirDeidException? Own(Exception exception) => Chain(exception).OfType<FhirDeidException>().FirstOrDefault();

    /// <summary>Whether the exception says that a request got no complete answer. A cancellation is none.</summary>
    public static bool Is(Exception exception, CancellationToken cancellation) =>
        !cancellation.IsCancellationRequested
        && Chain(exception).Any(e => e is HttpRequestException or IOException or SocketException or OperationCanceledException or RequestFailedException { Status: 0 });

    /// <summary>Whether the request was certainly not sent, because no connection came about.</summary>
    public static bool BeforeSending(Exception exception) => Http(exception)?.HttpRequestError
        is HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError;

    /// <summary>The reason, without a full stop: it follows the name of the endpoint.</summary>
    public static string Reason(Exception exception) => Http(exception)?.HttpRequestError switch
    {
        HttpRequestError.NameResolutionError => "its name is not known to DNS",
        HttpRequestError.SecureConnectionError => "its TLS certificate is not trusted, or TLS could not be agreed on",
        HttpRequestError.ProxyTunnelError => "the proxy refused the connection",
        HttpRequestError.ConnectionError => Chain(exception).OfType<SocketException>().FirstOrDefault()?.SocketErrorCode switch
        {
            SocketError.ConnectionRefused => "nothing listens there (connection refused)",
            SocketError.TimedOut => "the connection timed out",
            _ => "no connection came about",
        },
        _ => Chain(exception).Any(e => e is OperationCanceledException) ? "it did not answer in time" : "the connection broke before the answer was complete",
    };

    /// <summary>The transport's exception, fit to be kept as the cause: it holds a host name and no header or body.</summary>
    public static HttpRequestException? Http(Exception exception) => Chain(exception).OfType<HttpRequestException>().FirstOrDefault();
}
