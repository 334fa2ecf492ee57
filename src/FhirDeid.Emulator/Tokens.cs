using System.Collections.Concurrent;
using System.Security.Claims;
using System.Security.Cryptography;
using Azure.Core;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace FhirDeid.Emulator;

/// <summary>Issues access tokens as Microsoft Entra ID does, signed with a key of this run, and says how the FHIR service checks them.</summary>
internal sealed class Tokens(PrincipalDirectory directory)
{
    /// <summary>The tenant.</summary>
    public const string TenantId = "5c7d1c2e-3b0a-4f6d-9f0e-6d1b2a3c4d5e";

    /// <summary>Audience of the storage account's tokens.</summary>
    public const string StorageAudience = "https://storage.azure.com";

    /// <summary>Audiences that the resource manager takes.</summary>
    public static readonly string[] ResourceManagerAudiences =
        ["https://management.core.windows.net/", "https://management.core.windows.net", "https://management.azure.com/", "https://management.azure.com"];

    /// <summary>A client whose only role is FHIR Data Reader: it cannot export until it is given another one. Every other client is a FHIR Data Exporter.</summary>
    public const string ReaderClientId = "no-export";

    private const string Issuer = $"https://sts.windows.net/{TenantId}/";
    private const string Exporter = "FhirDataExporter";

    private readonly SymmetricSecurityKey _key = new(RandomNumberGenerator.GetBytes(32));
    private readonly ConcurrentDictionary<string, bool> _expired = new(StringComparer.Ordinal);
    private readonly JsonWebTokenHandler _handler = new() { SetDefaultTimesOnTokenCreation = false };

    /// <summary>Issues a token.</summary>
    /// <param name="audience">Who it is for.</param>
    /// <param name="clientId">Who it is about.</param>
    /// <param name="lifetime">How long it is valid; negative for one that has already expired.</param>
    public string Issue(string audience, string clientId, TimeSpan lifetime)
    {
        DateTime now = DateTime.UtcNow;
        directory.Add(ObjectId(clientId));
        return _handler.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = Issuer,
            Audience = audience,
            IssuedAt = now,
            NotBefore = now - (lifetime < TimeSpan.Zero ? -lifetime + TimeSpan.FromSeconds(1) : TimeSpan.Zero),
            Expires = now + lifetime,
            Claims = new Dictionary<string, object>
            {
                ["appid"] = clientId,
                ["uti"] = Guid.NewGuid().ToString("N"), // no two tokens are the same
                ["oid"] = ObjectId(clientId),
                ["tid"] = TenantId,
                ["roles"] = new[] { clientId == ReaderClientId ? "FhirDataReader" : Exporter },
            },
            SigningCredentials = new SigningCredentials(_key, SecurityAlgorithms.HmacSha256),
        });
    }

    /// <summary>Whether a caller may export.</summary>
    public static bool MayExport(HttpContext context) => context.User.HasClaim("roles", Exporter);

    /// <summary>Checks a bearer token: signature, issuer, life to the second, and audience.</summary>
    /// <returns>The caller.</returns>
    /// <exception cref="InvalidTokenException">It is missing or not valid.</exception>
    public async Task<ClaimsPrincipal> CheckAsync(HttpRequest request, params string[] audiences)
    {
        string token = Token(request);
        if (_expired.ContainsKey(token)) throw Expired();
        TokenValidationResult result = await _handler.ValidateTokenAsync(token, new TokenValidationParameters
        {
            ValidIssuer = Issuer,
            ValidAudiences = audiences,
            IssuerSigningKey = _key,
            ClockSkew = TimeSpan.Zero,
        });
        if (result.IsValid) return new ClaimsPrincipal(result.ClaimsIdentity);
        throw result.Exception switch
        {
            SecurityTokenInvalidAudienceException => new InvalidTokenException(InvalidTokenReason.Audience, $"The audience '{string.Join(", ", new JsonWebToken(token).Audiences)}' is invalid"),
            SecurityTokenExpiredException e => new InvalidTokenException(InvalidTokenReason.Expired, $"The token expired at '{e.Expires:MM/dd/yyyy HH:mm:ss}'"),
            SecurityTokenInvalidIssuerException e => new InvalidTokenException(InvalidTokenReason.Other, $"The issuer '{e.InvalidIssuer}' is invalid"),
            _ => new InvalidTokenException(InvalidTokenReason.Other, "The signature is invalid"),
        };
    }

    /// <summary>Takes the token of a request for none from now on, although it says that it is valid.</summary>
    /// <returns>What its caller is to be told.</returns>
    public InvalidTokenException Expire(HttpRequest request)
    {
        _expired[Token(request)] = true;
        return Expired();
    }

    private static InvalidTokenException Expired() => new(InvalidTokenReason.Expired, $"The token expired at '{DateTime.UtcNow:MM/dd/yyyy HH:mm:ss}'");

    private static string Token(HttpRequest request)
    {
        const string Scheme = "Bearer ";
        string authorization = request.Headers.Authorization.ToString();
        return authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? authorization[Scheme.Length..].Trim()
            : throw new InvalidTokenException(InvalidTokenReason.Missing, "The token is missing");
    }

    /// <summary>The FHIR service's managed identity.</summary>
    public TokenCredential ManagedIdentity() => DelegatedTokenCredential.Create((_, _) =>
        new(Issue(StorageAudience, "managed-identity", TimeSpan.FromHours(1)), DateTimeOffset.UtcNow.AddHours(1)));

    /// <summary>Answers <c>POST /{tenant}/oauth2/v2.0/token</c>: client credentials, with any secret or none, for the audiences that exist here.</summary>
    /// <remarks>The form field <c>lifetime_seconds</c> is the emulator's own: it makes a token that expires sooner, or, when negative, one that has expired.</remarks>
    public async Task<IResult> AnswerAsync(HttpRequest request, string tenant, string fhirAudience)
    {
        IFormCollection form = request.HasFormContentType ? await request.ReadFormAsync() : FormCollection.Empty;
        string clientId = form["client_id"].ToString();
        string scope = form["scope"].ToString();
        if (!string.Equals(tenant, TenantId, StringComparison.OrdinalIgnoreCase))
            return Refuse(400, "invalid_request", 90002, $"Tenant '{tenant}' not found.");
        if (form["grant_type"] != "client_credentials")
            return Refuse(400, "unsupported_grant_type", 70003, $"The app requested an unsupported grant type '{form["grant_type"]}'.");
        if (clientId.Length == 0)
            return Refuse(400, "invalid_request", 900144, "The request body must contain the following parameter: 'client_id'.");
        if (!scope.EndsWith("/.default", StringComparison.Ordinal))
            return Refuse(400, "invalid_scope", 1002012, $"The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).");

        string audience = scope[..^"/.default".Length];
        if (!Knows(audience, fhirAudience))
            return Refuse(400, "invalid_resource", 500011, $"The resource principal named {audience} was not found in the tenant named FhirDeid emulator. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.");

        int lifetime = int.TryParse(form["lifetime_seconds"], out int seconds) ? seconds : 3600;
        return Results.Json(new
        {
            token_type = "Bearer",
            expires_in = lifetime,
            ext_expires_in = lifetime,
            access_token = Issue(audience, clientId, TimeSpan.FromSeconds(lifetime)),
        });
    }

    /// <summary>Whether there is a service of this audience.</summary>
    public static bool Knows(string audience, string fhirAudience) =>
        audience == fhirAudience || audience.TrimEnd('/') == StorageAudience || ResourceManagerAudiences.Contains(audience);

    private static IResult Refuse(int status, string error, int code, string description) => Results.Json(statusCode: status, data: new
    {
        error,
        error_description = $"AADSTS{code}: {description}",
        error_codes = new[] { code },
        timestamp = DateTime.UtcNow.ToString("u"),
        trace_id = Guid.NewGuid(),
        correlation_id = Guid.NewGuid(),
    });

    /// <summary>Object id of a client's service principal: the same in every run.</summary>
    public static string ObjectId(string clientId) => new Guid(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(clientId)).AsSpan(0, 16)).ToString();
}

/// <summary>Why a token is refused.</summary>
internal enum InvalidTokenReason
{
    /// <summary>There is none.</summary>
    Missing,
    /// <summary>It is for somebody else.</summary>
    Audience,
    /// <summary>Its life is over.</summary>
    Expired,
    /// <summary>Issuer or signature are not those of this run.</summary>
    Other,
}

/// <summary>A token that is missing or not valid: 401.</summary>
internal sealed class InvalidTokenException(InvalidTokenReason reason, string message) : Exception(message)
{
    /// <summary>What is wrong.</summary>
    public InvalidTokenReason Reason { get; } = reason;
}
