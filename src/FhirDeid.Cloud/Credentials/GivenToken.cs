using Azure.Core;

namespace FhirDeid.Cloud.Credentials;

/// <summary>A token for the FHIR service that the user gave: valid for that service alone, and not renewed.</summary>
internal sealed class GivenToken : TokenCredential
{
    private readonly string _token;
    private readonly string _scope;
    private readonly DateTimeOffset _expiresOn;

    /// <exception cref="FhirDeidException"><c>FhirDeid.TokenExpired</c>.</exception>
    public GivenToken(string token, string scope)
    {
        _token = token;
        _scope = scope;
        _expiresOn = AccessTokenClaims.Of(token).ExpiresOn ?? DateTimeOffset.MaxValue;
        RefuseExpired();
    }

    public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken)
    {
        if (requestContext.Scopes[0] != _scope)
        {
            throw new FhirDeidException("AccessTokenIsForFhirOnly", FhirDeidErrorCategory.AuthenticationError,
                "The access token of this connection is for the FHIR service alone; the storage account needs one of its own.",
                "Connect with the Az session, a managed identity, or a service principal to publish configurations and to receive files.");
        }
        RefuseExpired();
        return new AccessToken(_token, _expiresOn);
    }

    public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
        new(GetToken(requestContext, cancellationToken));

    private void RefuseExpired()
    {
        if (_expiresOn > DateTimeOffset.UtcNow) return;
        throw new FhirDeidException("TokenExpired", FhirDeidErrorCategory.AuthenticationError,
            $"The access token ended at {_expiresOn:u}.",
            "Get a new token and run Connect-FhirDeid again; an export that runs goes on and can be asked for then.");
    }
}
