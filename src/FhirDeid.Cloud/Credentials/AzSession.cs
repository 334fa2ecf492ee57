using System.Net;
using System.Security;
using Azure.Core;

namespace FhirDeid.Cloud.Credentials;

/// <summary>Tokens of the Az session, through the delegate that asks Get-AzAccessToken.</summary>
internal sealed class AzSession(Func<string, CancellationToken, Task<SecureString>> azToken) : RenewedCredential
{
    protected override async Task<AccessToken> RequestAsync(string audience, CancellationToken cancellation)
    {
        string token;
        try
        {
            using SecureString secret = await azToken(audience, cancellation).ConfigureAwait(false);
            token = new NetworkCredential("", secret).Password;
        }
        catch (Exception e) when (e is not (FhirDeidException or OperationCanceledException))
        {
            throw Failed($"The Az session gave no token for {audience}: {ServiceText.OneLine(e.Message)}");
        }
        if (string.IsNullOrWhiteSpace(token)) throw Failed($"The Az session gave an empty token for {audience}.");
        return new AccessToken(token, AccessTokenClaims.Of(token).ExpiresOn ?? DateTimeOffset.UtcNow.AddMinutes(30));
    }

    private static FhirDeidException Failed(string message) => new("AuthenticationFailed", FhirDeidErrorCategory.AuthenticationError, message,
        "Sign in with Connect-AzAccount, or connect with another credential.");
}
