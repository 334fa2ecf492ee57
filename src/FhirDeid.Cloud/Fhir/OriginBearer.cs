using Azure.Core;
using Azure.Core.Pipeline;

namespace FhirDeid.Cloud.Fhir;

/// <summary>Adds the bearer token to requests to the one origin it was issued for; a request to any other never leaves.</summary>
internal sealed class OriginBearer(TokenCredential credential, string scope, Uri origin) : BearerTokenAuthenticationPolicy(credential, scope)
{
    /// <summary>Key of a message's property: the request goes without a token.</summary>
    public sealed class Anonymous;

    protected override ValueTask AuthorizeRequestAsync(HttpMessage message)
    {
        if (!FhirService.SameOrigin(message.Request.Uri.ToUri(), origin)) throw FhirService.Foreign(message.Request.Uri.ToUri(), origin);
        return message.TryGetProperty(typeof(Anonymous), out _) ? default : base.AuthorizeRequestAsync(message);
    }

    protected override ValueTask<bool> AuthorizeRequestOnChallengeAsync(HttpMessage message) =>
        message.TryGetProperty(typeof(Anonymous), out _) ? new(false) : base.AuthorizeRequestOnChallengeAsync(message);
}
