using System.Security.Cryptography;

namespace FhirDeid.Emulator;

/// <summary>Tokens of a managed identity for programs that call the services, as App Service and Azure Functions hand them out: plain http on loopback, and a header that only the machine's programs know.</summary>
/// <remarks>A program that has IDENTITY_ENDPOINT and IDENTITY_HEADER in its environment and uses ManagedIdentityCredential comes here. This is the caller's identity, not the FHIR service's.</remarks>
internal sealed class ManagedIdentityEndpoint : IAsyncDisposable
{
    /// <summary>Client id of the identity.</summary>
    public const string ClientId = "7d0f2a86-51c4-4c5e-9d0e-3a6b8f1c2e47";

    private const string Path = "/msi/token";
    private const string ApiVersion = "2019-08-01";

    private readonly LoopbackServer _server;

    private ManagedIdentityEndpoint(LoopbackServer server, string header)
    {
        _server = server;
        Header = header;
    }

    /// <summary>Value of IDENTITY_ENDPOINT.</summary>
    public Uri Uri => new(_server.BaseUri, Path);

    /// <summary>Value of IDENTITY_HEADER.</summary>
    public string Header { get; }

    /// <summary>Starts listening on a free port.</summary>
    public static async Task<ManagedIdentityEndpoint> StartAsync(Tokens tokens, string fhirAudience, CancellationToken cancellation)
    {
        string header = RandomNumberGenerator.GetHexString(32);
        return new ManagedIdentityEndpoint(await LoopbackServer.StartAsync(0, null, application =>
        {
            application.UseRouting();
            application.MapGet(Path, (HttpRequest request) => Answer(request, header, tokens, fhirAudience));
        }, cancellation), header);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private static IResult Answer(HttpRequest request, string header, Tokens tokens, string fhirAudience)
    {
        string resource = request.Query["resource"].ToString(), version = request.Query["api-version"].ToString();
        if (request.Headers["X-IDENTITY-HEADER"] != header)
            return Refuse(401, "Unauthorized", "The X-IDENTITY-HEADER is missing or wrong.");
        if (version != ApiVersion)
            return Refuse(400, "BadRequest", $"The api-version '{version}' is not supported. The supported version is '{ApiVersion}'.");
        if (!Tokens.Knows(resource, fhirAudience))
            return Refuse(400, "BadRequest", $"AADSTS500011: The resource principal named {resource} was not found in the tenant named FhirDeid emulator.");
        if (request.Query.Keys.Any(name => name is "client_id" or "principal_id" or "object_id" or "mi_res_id"))
            return Refuse(400, "BadRequest", "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.");

        TimeSpan lifetime = TimeSpan.FromHours(1);
        return Results.Json(new
        {
            access_token = tokens.Issue(resource, ClientId, lifetime),
            expires_on = $"{(DateTimeOffset.UtcNow + lifetime).ToUnixTimeSeconds()}",
            resource,
            token_type = "Bearer",
            client_id = ClientId,
        });
    }

    private static IResult Refuse(int status, string code, string message) => Results.Json(new { statusCode = status, code, message }, statusCode: status);
}
