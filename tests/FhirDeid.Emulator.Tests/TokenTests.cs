using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Azure;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Storage.Blobs;
using Microsoft.IdentityModel.JsonWebTokens;

namespace FhirDeid.Tests;

public sealed class TokenTests(SharedEmulator shared)
{
    private readonly Service _service = shared.Service;

    [Fact]
    public async Task A_token_says_what_a_token_of_Microsoft_Entra_ID_says()
    {
        JsonWebToken token = new(await _service.TokenAsync(clientId: "me"));

        Assert.Equal("HS256", token.Alg);
        Assert.Equal($"https://sts.windows.net/{token.GetClaim("tid").Value}/", token.Issuer);
        Assert.Equal([_service.Audience], token.Audiences);
        Assert.Equal("me", token.GetClaim("appid").Value);
        Assert.True(Guid.TryParse(token.GetClaim("oid").Value, out _));
        Assert.Equal(TimeSpan.FromHours(1), token.ValidTo - token.IssuedAt);
        Assert.Equal(token.IssuedAt, token.ValidFrom);
        Assert.Contains(token.GetClaim("tid").Value, _service.Emulator.TokenEndpoint!.AbsolutePath);
    }

    [Theory]
    [InlineData("client_credentials", "me", "https://example.org/.default", 400, "invalid_resource", "AADSTS500011")]
    [InlineData("client_credentials", "me", "https://storage.azure.com", 400, "invalid_scope", "AADSTS1002012")]
    [InlineData("client_credentials", "", "https://storage.azure.com/.default", 400, "invalid_request", "AADSTS900144")]
    [InlineData("password", "me", "https://storage.azure.com/.default", 400, "unsupported_grant_type", "AADSTS70003")]
    public async Task A_token_request_that_Entra_refuses_is_refused(string grantType, string clientId, string scope, int status, string error, string code)
    {
        using HttpResponseMessage response = await _service.RequestTokenAsync(("grant_type", grantType), ("client_id", clientId), ("client_secret", "s"), ("scope", scope));

        JsonElement answer = await response.Content.ReadFromJsonAsync<JsonElement>(TestContext.Current.CancellationToken);
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal(error, answer.GetProperty("error").GetString());
        Assert.StartsWith(code + ": ", answer.GetProperty("error_description").GetString());
    }

    [Fact]
    public Task A_request_without_a_token_is_refused() => RefusedAsync(null, "^Bearer$");

    [Fact]
    public async Task A_token_for_another_audience_is_refused() => await RefusedAsync(await _service.TokenAsync("https://storage.azure.com"),
        "^Bearer error=\"invalid_token\", error_description=\"The audience 'https://storage.azure.com' is invalid\"$");

    [Fact]
    public async Task An_expired_token_is_refused() => await RefusedAsync(await _service.TokenAsync(lifetimeSeconds: -1),
        "^Bearer error=\"invalid_token\", error_description=\"The token expired at '.+'\"$");

    [Fact]
    public async Task A_forged_token_is_refused()
    {
        string token = await _service.TokenAsync(clientId: "no-export"), other = await _service.TokenAsync();

        await RefusedAsync(token[..token.LastIndexOf('.')] + other[other.LastIndexOf('.')..], "The signature is invalid");
    }

    [Fact]
    public async Task A_caller_without_the_exporter_role_may_neither_export_nor_look()
    {
        string token = await _service.TokenAsync(clientId: "no-export");

        (await _service.SendAsync(HttpMethod.Get, "$export?_container=forbidden", token, ["application/fhir+json"], ["respond-async"]))
            .IsOutcome(HttpStatusCode.Forbidden, "forbidden", "Authorization failed.");
        (await _service.SendAsync(HttpMethod.Get, "_operations/export/1", token, [], [])).IsOutcome(HttpStatusCode.Forbidden, "forbidden", "Authorization failed.");
    }

    [Fact]
    public async Task The_storage_account_refuses_the_FHIR_services_tokens()
    {
        using HttpClient http = _service.NewHttpClient();
        BlobServiceClient blobs = new(_service.Emulator.BlobEndpoint,
            DelegatedTokenCredential.Create((_, _) => throw new NotSupportedException(), async (_, _) => new AccessToken(await _service.TokenAsync(), DateTimeOffset.MaxValue)),
            new BlobClientOptions { Transport = new HttpClientTransport(http) });

        RequestFailedException e = await Assert.ThrowsAsync<RequestFailedException>(() => blobs.GetPropertiesAsync(TestContext.Current.CancellationToken));
        Assert.Equal(403, e.Status);
    }

    private async Task RefusedAsync(string? token, string challenge)
    {
        Answer answer = await _service.SendAsync(HttpMethod.Get, "$export?_container=unauthorized", token, ["application/fhir+json"], ["respond-async"]);

        answer.IsOutcome(HttpStatusCode.Unauthorized, "login", "Authentication failed.");
        Assert.Matches(challenge, answer.Challenge);
    }
}
