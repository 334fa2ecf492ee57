using Azure.Core;
using Azure.Identity;

namespace FhirDeid.Cloud.Credentials;

/// <summary>A credential of Azure.Identity whose failures are told in plain words.</summary>
/// <param name="inner">The credential.</param>
/// <param name="advice">What to do when it gives no token.</param>
internal sealed class EntraCredential(TokenCredential inner, string advice) : TokenCredential
{
    public override async ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken)
    {
        try
        {
            return await inner.GetTokenAsync(requestContext, cancellationToken).ConfigureAwait(false);
        }
        catch (AuthenticationFailedException e)
        {
            // The cause is not kept: below it lie the identity provider's whole answers.
            throw new FhirDeidException("AuthenticationFailed", FhirDeidErrorCategory.AuthenticationError,
                $"No token for {requestContext.Scopes[0]}: {ServiceText.OneLine(e.Message)}", advice) { IsTransient = ConnectionFailure.Is(e, cancellationToken) };
        }
    }

    public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
        throw new NotSupportedException("Everything here is asynchronous.");
}
