using System.Collections.Concurrent;
using Azure.Core;

namespace FhirDeid.Cloud.Credentials;

/// <summary>Keeps each audience's token and asks for a new one five minutes before it ends, or when the request has claims: the one it had was refused.</summary>
internal abstract class RenewedCredential : TokenCredential
{
    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(5);
    private readonly ConcurrentDictionary<string, AccessToken> _tokens = new();

    /// <summary>Gets a new token.</summary>
    /// <param name="audience">Whom the token is for: the scope without <c>/.default</c>.</param>
    /// <param name="cancellation">Stops.</param>
    protected abstract Task<AccessToken> RequestAsync(string audience, CancellationToken cancellation);

    public sealed override async ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken)
    {
        // Two callers may both find the token too old and both ask: harmless, and a request that never ends cannot lock out the next one.
        string scope = requestContext.Scopes[0];
        if (requestContext.Claims is null && _tokens.TryGetValue(scope, out AccessToken known) && known.ExpiresOn - Margin > DateTimeOffset.UtcNow) return known;
        string audience = scope.EndsWith("/.default", StringComparison.Ordinal) ? scope[..^"/.default".Length] : scope;
        return _tokens[scope] = await RequestAsync(audience, cancellationToken).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    public sealed override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
        throw new NotSupportedException("Everything here is asynchronous.");
}
