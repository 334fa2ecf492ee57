using System.Text.Json;

namespace FhirDeid.Cloud.Credentials;

/// <summary>What an access token says about itself. Its signature is the service's business: these values are shown and decide when to renew, nothing else.</summary>
/// <param name="Account">User name, client id or object id; empty where the token does not tell.</param>
/// <param name="TenantId">Tenant; empty where the token does not tell.</param>
/// <param name="Audience">Whom the token is for; empty where it does not tell.</param>
/// <param name="ExpiresOn">End of the token, or null.</param>
/// <param name="Principal">Object id and type of the caller, or null.</param>
internal sealed record AccessTokenClaims(string Account, string TenantId, string Audience, DateTimeOffset? ExpiresOn, FhirPrincipal? Principal)
{
    private static readonly AccessTokenClaims Opaque = new("", "", "", null, null);

    /// <summary>Reads the payload of a JWT; anything else gives empty values.</summary>
    public static AccessTokenClaims Of(string token)
    {
        string[] parts = token.Split('.');
        if (parts.Length != 3) return Opaque;
        try
        {
            string payload = parts[1].Replace('-', '+').Replace('_', '/');
            byte[] json = Convert.FromBase64String(payload.PadRight((payload.Length + 3) / 4 * 4, '='));
            using JsonDocument document = JsonDocument.Parse(json);
            JsonElement claims = document.RootElement;
            if (claims.ValueKind != JsonValueKind.Object) return Opaque;
            return new AccessTokenClaims(
                Text(claims, "upn", "preferred_username", "unique_name", "appid", "azp", "client_id", "oid", "sub"),
                Text(claims, "tid"),
                Text(claims, "aud"),
                claims.TryGetProperty("exp", out JsonElement exp) && exp.TryGetInt64(out long seconds) && seconds is > 0 and < 253402300800
                    ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null,
                Text(claims, "oid") is { Length: > 0 } id ? new FhirPrincipal(id, PrincipalType(claims)) : null);
        }
        catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException)
        {
            return Opaque;
        }
    }

    // idtyp where the token has it; else a user's token has scopes, an application's has none.
    private static FhirPrincipalType PrincipalType(JsonElement claims) => Text(claims, "idtyp") switch
    {
        "user" => FhirPrincipalType.User,
        "app" => FhirPrincipalType.ServicePrincipal,
        _ => Text(claims, "scp", "upn", "unique_name").Length > 0 ? FhirPrincipalType.User : FhirPrincipalType.ServicePrincipal,
    };

    private static string Text(JsonElement claims, params string[] names)
    {
        foreach (string name in names)
        {
            if (claims.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String)
                return value.GetString()!;
        }
        return "";
    }
}
