using System.Text.Json;
using System.Text.Json.Serialization;
using Azure.Core;

namespace FhirDeid.Cloud.Credentials;

/// <summary>Tokens of the emulator's token endpoint, by an OAuth 2.0 client credentials request (RFC 6749 §4.4).</summary>
internal sealed class EmulatorCredential(Uri tokenEndpoint, string clientId, HttpClient client) : RenewedCredential
{
    /// <summary>A caller who may do everything.</summary>
    public const string DefaultClientId = "fhirdeid";

    private sealed record TokenAnswer(
        [property: JsonPropertyName("access_token")] string? AccessToken,
        [property: JsonPropertyName("expires_in")] int ExpiresIn);

    protected override async Task<AccessToken> RequestAsync(string audience, CancellationToken cancellation)
    {
        using FormUrlEncodedContent form = new(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials",
            ["client_id"] = clientId,
            ["scope"] = audience + "/.default",
        });
        try
        {
            using HttpResponseMessage answer = await client.PostAsync(tokenEndpoint, form, cancellation).ConfigureAwait(false);
            if (!answer.IsSuccessStatusCode) throw Failed($"answered {(int)answer.StatusCode}");
            // Not HttpContent's own JSON methods: they belong to the runtime's System.Text.Json, the attributes here to the module's.
            using Stream body = await answer.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
            TokenAnswer? token = await JsonSerializer.DeserializeAsync<TokenAnswer>(body, cancellationToken: cancellation).ConfigureAwait(false);
            if (string.IsNullOrWhiteSpace(token?.AccessToken)) throw Failed("answered no token");
            return new AccessToken(token.AccessToken, DateTimeOffset.UtcNow.AddSeconds(token.ExpiresIn));
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            throw Failed("answered something that is not a token");
        }
        catch (Exception e) when (ConnectionFailure.Is(e, cancellation))
        {
            throw new FhirDeidException("EndpointUnreachable", FhirDeidErrorCategory.ConnectionError,
                $"The emulator's token endpoint {tokenEndpoint} cannot be reached: {ConnectionFailure.Reason(e)}.",
                "Look whether the emulator still runs (Get-FhirDeidEmulator), or start one with Start-FhirDeidEmulator.",
                tokenEndpoint, ConnectionFailure.Http(e)) { IsTransient = true };
        }
    }

    private FhirDeidException Failed(string what) => new("AuthenticationFailed", FhirDeidErrorCategory.AuthenticationError,
        $"The emulator's token endpoint {tokenEndpoint} {what}.", "Start the emulator anew with Start-FhirDeidEmulator.", tokenEndpoint);
}
