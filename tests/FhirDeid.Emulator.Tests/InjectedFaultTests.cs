using System.Net;
using FhirDeid.Cloud.Emulation;

namespace FhirDeid.Tests;

/// <summary>What goes wrong because somebody asked for it.</summary>
public sealed class InjectedFaultTests(InjectedFaultTests.Fixture fixture) : IClassFixture<InjectedFaultTests.Fixture>
{
    private readonly Service _service = fixture.Service;

    private Task SetAsync(string[] start, string[] status) => new Emulators().SetFaultsAsync(_service.Emulator, start, status, TestContext.Current.CancellationToken);

    private Task<Answer> StartAsync() => _service.KickOffAsync("$export?_container=research&_type=Patient");

    [Fact]
    public async Task Each_fault_happens_once_in_its_turn_and_the_last_plan_counts()
    {
        await SetAsync(["502"], ["504"]);
        await SetAsync(["ok", "503"], []);

        Assert.Equal(HttpStatusCode.Accepted, (await StartAsync()).Status);
        (await StartAsync()).IsOutcome(HttpStatusCode.ServiceUnavailable, "exception", "The emulator was asked to answer so.");
        Answer started = await StartAsync();
        Assert.Equal(HttpStatusCode.Accepted, started.Status);
        Assert.Contains((await _service.GetAsync(started.ContentLocation!.PathAndQuery)).Status, (HttpStatusCode[])[HttpStatusCode.OK, HttpStatusCode.Accepted]);
    }

    [Theory]
    [InlineData("429", "1", "20")]
    [InlineData("429 Retry-After: Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", null)]
    [InlineData("429 Retry-After: soon", "soon", null)]
    [InlineData("503 Retry-After: 7", "7", null)]
    [InlineData("503", null, null)]
    public async Task An_answer_bears_what_it_is_to_bear(string fault, string? retryAfter, string? milliseconds)
    {
        await SetAsync([], [fault]);
        using HttpClient http = _service.NewHttpClient();
        http.DefaultRequestHeaders.Authorization = new("Bearer", await _service.TokenAsync());
        using HttpResponseMessage response = await http.GetAsync(new Uri(_service.Emulator.FhirServiceUri!, "_operations/export/0"), TestContext.Current.CancellationToken);

        Assert.Equal(int.Parse(fault[..3], null), (int)response.StatusCode);
        Assert.Equal(retryAfter, Header("Retry-After"));
        Assert.Equal(milliseconds, Header("x-ms-retry-after-ms"));

        string? Header(string name) => response.Headers.NonValidated.TryGetValues(name, out var values) ? values.Single() : null;
    }

    [Fact]
    public async Task A_lost_answer_is_that_of_an_export_that_runs()
    {
        long before = await NumberAsync();
        await SetAsync(["reset", "lost"], []);

        for (int i = 0; i < 2; i++)
        {
            using HttpClient http = _service.NewHttpClient();
            // With a body, because .NET sends a request without one again by itself.
            using HttpRequestMessage request = new(HttpMethod.Get, new Uri(_service.Emulator.FhirServiceUri!, "$export?_container=research&_type=Patient")) { Content = new ByteArrayContent([]) };
            request.Headers.Authorization = new("Bearer", await _service.TokenAsync());
            request.Headers.Accept.ParseAdd("application/fhir+json");
            request.Headers.Add("Prefer", "respond-async");
            await Assert.ThrowsAsync<HttpRequestException>(() => http.SendAsync(request, TestContext.Current.CancellationToken));
        }

        // An export and its one worker take a number each.
        Assert.NotEqual(HttpStatusCode.NotFound, (await _service.GetAsync($"_operations/export/{before + 2}")).Status);
        Assert.Equal(before + 4, await NumberAsync());

        async Task<long> NumberAsync() => long.Parse((await StartAsync()).ContentLocation!.Segments[^1], null);
    }

    [Fact]
    public async Task An_expired_token_stays_expired_and_another_one_does()
    {
        await SetAsync(["expired"], []);
        string token = await _service.TokenAsync();
        Task<Answer> start() => _service.SendAsync(HttpMethod.Get, "$export?_container=research&_type=Patient", token, ["application/fhir+json"], ["respond-async"]);

        foreach (Answer refused in (Answer[])[await start(), await start()])
        {
            Assert.Equal(HttpStatusCode.Unauthorized, refused.Status);
            Assert.Contains("The token expired at", refused.Challenge, StringComparison.Ordinal);
        }
        Assert.Equal(HttpStatusCode.Accepted, (await StartAsync()).Status);
    }

    [Fact]
    public async Task Silence_lasts_as_long_as_the_caller_waits_or_as_was_said()
    {
        await SetAsync([], ["silence", "silence 1"]);
        using HttpClient http = _service.NewHttpClient();
        http.DefaultRequestHeaders.Authorization = new("Bearer", await _service.TokenAsync());
        Uri status = new(_service.Emulator.FhirServiceUri!, "_operations/export/0");
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(3));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => http.GetAsync(status, patience.Token));
        using HttpRequestMessage request = new(HttpMethod.Get, status) { Content = new ByteArrayContent([]) };
        await Assert.ThrowsAsync<HttpRequestException>(() => http.SendAsync(request, TestContext.Current.CancellationToken));
        using HttpResponseMessage response = await http.GetAsync(status, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
    }

    [Theory]
    [InlineData("lost", "endless")]
    [InlineData("ok", "200")]
    [InlineData("fail 500", "ok")]
    [InlineData("ok", "429 Retry-After: \r\nSet-Cookie: x")]
    [InlineData("", "ok")]
    public async Task What_is_no_fault_is_refused_with_the_list_of_those_that_are(string start, string status)
    {
        FhirDeidException error = await Assert.ThrowsAsync<FhirDeidException>(() => SetAsync([start], [status]));

        Assert.Equal("FhirDeid.FaultInvalid", error.ErrorId);
        Assert.Contains("silence 5", error.Message, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Accepted, (await StartAsync()).Status);
    }

    /// <summary>An emulator of one's own: what goes wrong here must not go wrong elsewhere.</summary>
    public sealed class Fixture : IAsyncLifetime
    {
        public Service Service { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Service = await Service.StartAsync(new FhirDeidEmulatorOptions { PatientCount = 1 });

        public async ValueTask DisposeAsync()
        {
            await Service.StopAsync();
            Service.Dispose();
        }
    }
}
