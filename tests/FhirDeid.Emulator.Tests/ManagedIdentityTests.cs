using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Azure.Core;
using Azure.Identity;
using FhirDeid.Cloud.Emulation;
using Microsoft.IdentityModel.JsonWebTokens;

namespace FhirDeid.Tests;

/// <summary>The managed identity of callers, as App Service hands out its tokens.</summary>
public sealed class ManagedIdentityTests(SharedEmulator shared)
{
    private const string ScopeVariable = "FHIRDEID_TEST_IDENTITY_SCOPE";
    private const string Query = "?api-version=2019-08-01&resource=https%3A%2F%2Fstorage.azure.com%2F";

    private readonly Service _service = shared.Service;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("https://storage.azure.com")]
    [InlineData("https://management.azure.com")]
    [InlineData(null)]
    public async Task The_real_credential_of_another_process_gets_tokens(string? audience)
    {
        ProcessStartInfo start = new(DotnetHost.Find(Environment.GetEnvironmentVariable), [Path.Combine(AppContext.BaseDirectory, "FhirDeid.Emulator.Tests.dll")])
        {
            RedirectStandardOutput = true,
            Environment =
            {
                ["IDENTITY_ENDPOINT"] = _service.Emulator.IdentityEndpoint!.ToString(),
                ["IDENTITY_HEADER"] = _service.Emulator.IdentityHeader,
                [ScopeVariable] = (audience ?? _service.Audience) + "/.default",
            },
        };
        using Process process = Process.Start(start)!;
        string token = (await process.StandardOutput.ReadToEndAsync(Cancellation)).Trim();
        await process.WaitForExitAsync(Cancellation);

        Assert.Equal(0, process.ExitCode);
        Assert.Equal([audience ?? _service.Audience], new JsonWebToken(token).Audiences);
        if (audience is null) Assert.Equal(HttpStatusCode.NotFound, (await _service.SendAsync(HttpMethod.Get, "_operations/export/0", token, [], [])).Status);
    }

    [Fact]
    public async Task A_token_says_when_it_ends_and_for_whom_it_is()
    {
        (HttpStatusCode status, JsonElement answer) = await AskAsync(Query, _service.Emulator.IdentityHeader);

        Assert.Equal(HttpStatusCode.OK, status);
        JsonWebToken token = new(answer.GetProperty("access_token").GetString());
        Assert.Equal($"{new DateTimeOffset(token.ValidTo, TimeSpan.Zero).ToUnixTimeSeconds()}", answer.GetProperty("expires_on").GetString());
        Assert.Equal("https://storage.azure.com/", answer.GetProperty("resource").GetString());
        Assert.Equal(token.GetClaim("appid").Value, answer.GetProperty("client_id").GetString());
    }

    [Theory]
    [InlineData(Query, "wrong", 401)]
    [InlineData(Query, null, 401)]
    [InlineData("?api-version=2017-09-01&resource=https%3A%2F%2Fstorage.azure.com%2F", "", 400)]
    [InlineData("?api-version=2019-08-01&resource=https%3A%2F%2Fexample.org", "", 400)]
    [InlineData("?api-version=2019-08-01", "", 400)]
    [InlineData(Query + "&client_id=7d0f2a86-51c4-4c5e-9d0e-3a6b8f1c2e47", "", 400)]
    public async Task Other_requests_are_refused(string query, string? header, int status)
    {
        (HttpStatusCode actual, JsonElement answer) = await AskAsync(query, header == "" ? _service.Emulator.IdentityHeader : header);

        Assert.Equal(status, (int)actual);
        Assert.Equal(status, answer.GetProperty("statusCode").GetInt32());
        Assert.DoesNotContain(_service.Emulator.IdentityHeader, answer.GetRawText());
    }

    [Fact]
    public void The_header_is_not_in_the_text_of_an_emulator() =>
        Assert.DoesNotContain(_service.Emulator.IdentityHeader, _service.Emulator.ToString());

    /// <summary>With the variable set, this program is the one that asks.</summary>
    [ModuleInitializer]
    internal static void BeTheCaller()
    {
        if (Environment.GetEnvironmentVariable(ScopeVariable) is not { } scope) return;
        Console.WriteLine(new ManagedIdentityCredential(ManagedIdentityId.SystemAssigned).GetToken(new TokenRequestContext([scope]), CancellationToken.None).Token);
        Environment.Exit(0);
    }

    private async Task<(HttpStatusCode Status, JsonElement Answer)> AskAsync(string query, string? header)
    {
        using HttpClient http = new(new SocketsHttpHandler { UseProxy = false });
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri(_service.Emulator.IdentityEndpoint!, query));
        if (header is not null) request.Headers.Add("X-IDENTITY-HEADER", header);
        using HttpResponseMessage response = await http.SendAsync(request, Cancellation);
        return (response.StatusCode, JsonDocument.Parse(await response.Content.ReadAsStringAsync(Cancellation)).RootElement);
    }
}
