namespace FhirDeid;

/// <summary>An error that a user can act on: what happened, and what to do next. The cmdlets turn it into an error record without losing either.</summary>
/// <remarks>Messages never hold a resource's content, a token, a key or a SAS: they reach transcripts and job logs.</remarks>
public class FhirDeidException : Exception
{
    /// <summary>Creates the error.</summary>
    /// <param name="id">Stable identifier without the module's prefix, e.g. <c>Forbidden</c>; scripts see <c>FhirDeid.Forbidden</c>.</param>
    /// <param name="category">What kind of error it is.</param>
    /// <param name="message">What happened, in one sentence or two.</param>
    /// <param name="recommendedAction">What the user should do next.</param>
    /// <param name="target">Id, path or URI of what the error is about, or how far a setup came; never a resource.</param>
    /// <param name="innerException">The cause.</param>
    public FhirDeidException(string id, FhirDeidErrorCategory category, string message, string recommendedAction,
        object? target = null, Exception? innerException = null)
        : base(message, innerException)
    {
        ErrorId = "FhirDeid." + id;
        Category = category;
        RecommendedAction = recommendedAction;
        Target = target;
    }

    /// <summary>Stable identifier, e.g. <c>FhirDeid.Forbidden</c>.</summary>
    public string ErrorId { get; }

    /// <summary>What kind of error it is.</summary>
    public FhirDeidErrorCategory Category { get; }

    /// <summary>What the user should do next.</summary>
    public string RecommendedAction { get; }

    /// <summary>Id, path or URI of what the error is about, or how far a setup came.</summary>
    public object? Target { get; }

    /// <summary>Whether the same request can succeed later without anything being changed.</summary>
    public bool IsTransient { get; init; }

    /// <summary>How long the service asks to wait before that; null where it does not say.</summary>
    public TimeSpan? RetryAfter { get; init; }
}

/// <summary>Kinds of errors. Each name is also a name of PowerShell's ErrorCategory.</summary>
public enum FhirDeidErrorCategory
{
    /// <summary>An argument is out of range or malformed.</summary>
    InvalidArgument,
    /// <summary>Data (a configuration, a resource, a manifest) is not what it should be.</summary>
    InvalidData,
    /// <summary>The state does not allow the operation.</summary>
    InvalidOperation,
    /// <summary>Something that is named does not exist.</summary>
    ObjectNotFound,
    /// <summary>Something exists that must not be overwritten.</summary>
    ResourceExists,
    /// <summary>A service is there but cannot serve now.</summary>
    ResourceUnavailable,
    /// <summary>The identity lacks a role or permission.</summary>
    PermissionDenied,
    /// <summary>No valid token could be had.</summary>
    AuthenticationError,
    /// <summary>An endpoint cannot be reached.</summary>
    ConnectionError,
    /// <summary>The answer does not follow the protocol.</summary>
    ProtocolError,
    /// <summary>Something took too long.</summary>
    OperationTimeout,
    /// <summary>A size or number is over a limit.</summary>
    LimitsExceeded,
    /// <summary>A program that is needed is missing.</summary>
    NotInstalled,
    /// <summary>What was asked for is not supported.</summary>
    NotImplemented,
    /// <summary>Going on would disclose data.</summary>
    SecurityError,
    /// <summary>A file or blob cannot be read.</summary>
    ReadError,
    /// <summary>A file or blob cannot be written.</summary>
    WriteError,
}
