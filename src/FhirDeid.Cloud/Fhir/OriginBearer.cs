using Azure.Core;
using Azure.Core.Pipeline;

namespace FhirDeid.Cloud.Fhir;

/// <summary>Adds the bearer token to requests to the one origin it was issued for; a request to any other never leaves.</summary>
internal sealed class OriginBearer : BearerTokenAuthenticationPolicy
{
    // Credentials give a token from memory only to a request without claims. These ask for nothing.
    private const string NotTheOneInMemory = """{"access_token":{}}""";

    private readonly TokenCredential _credential;
    private readonly string _scope;
    private readonly Uri _origin;
    private Replacement? _replacement;

    public OriginBearer(TokenCredential credential, string scope, Uri origin)
        : base(credential, scope) => (_credential, _scope, _origin) = (credential, scope, origin);

    /// <summary>Key of a message's property: the request goes without a token.</summary>
    public sealed class Anonymous;

    protected override ValueTask AuthorizeRequestAsync(HttpMessage message)
    {
        if (!FhirService.SameOrigin(message.Request.Uri.ToUri(), _origin)) throw FhirService.Foreign(message.Request.Uri.ToUri(), _origin);
        if (message.TryGetProperty(typeof(Anonymous), out _)) return default;
        // The base class would go on with the one that was refused until it says itself that it has ended.
        if (_replacement is not { } replacement || replacement.Until < DateTimeOffset.UtcNow) return base.AuthorizeRequestAsync(message);
        message.Request.Headers.SetValue("Authorization", replacement.Header);
        return default;
    }

    /// <summary>A service whose clock is ahead, or that has taken a token back, refuses one that counts as good here: a newer one is tried, once.</summary>
    protected override async ValueTask<bool> AuthorizeRequestOnChallengeAsync(HttpMessage message)
    {
        if (message.TryGetProperty(typeof(Anonymous), out _)) return false;
        if (await base.AuthorizeRequestOnChallengeAsync(message).ConfigureAwait(false)) return true;
        AccessToken fresh = await _credential.GetTokenAsync(new TokenRequestContext([_scope], claims: NotTheOneInMemory), message.CancellationToken).ConfigureAwait(false);
        string header = $"Bearer {fresh.Token}";
        if (message.Request.Headers.TryGetValue("Authorization", out string? sent) && sent == header) return false;
        message.Request.Headers.SetValue("Authorization", header);
        _replacement = new Replacement(header, fresh.ExpiresOn - TimeSpan.FromMinutes(5));
        return true;
    }

    private sealed record Replacement(string Header, DateTimeOffset Until);
}
