using Azure.Core;

namespace FhirDeid.Cloud.Credentials;

/// <summary>Remembers when the newest token of one scope ends, to show it.</summary>
/// <param name="inner">Gives the tokens.</param>
internal sealed class ShownCredential(TokenCredential inner) : TokenCredential
{
    /// <summary>The scope; empty until it is known.</summary>
    public string Scope { get; set; } = "";

    /// <summary>When the newest token of that scope ends.</summary>
    public DateTimeOffset ExpiresOn { get; private set; }

    public override async ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken)
    {
        AccessToken token = await inner.GetTokenAsync(requestContext, cancellationToken).ConfigureAwait(false);
        if (requestContext.Scopes[0] == Scope) ExpiresOn = token.ExpiresOn;
        return token;
    }

    public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
        throw new NotSupportedException("Everything here is asynchronous.");
}
