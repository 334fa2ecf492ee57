using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace FhirDeid.Emulator;

/// <summary>A web server on 127.0.0.1 that nothing in its surroundings configures.</summary>
internal sealed class LoopbackServer : IAsyncDisposable
{
    private readonly WebApplication _application;

    private LoopbackServer(WebApplication application)
    {
        _application = application;
        BaseUri = new Uri(application.Urls.Single());
    }

    /// <summary>Where it listens.</summary>
    public Uri BaseUri { get; }

    /// <summary>The same without a trailing slash.</summary>
    public string Origin => BaseUri.GetLeftPart(UriPartial.Authority);

    /// <summary>Starts listening.</summary>
    /// <param name="port">Port; 0 for a free one.</param>
    /// <param name="certificate">The server certificate; null for plain http.</param>
    /// <param name="map">Says what is served.</param>
    /// <param name="cancellation">Stops.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.PortInUse</c>.</exception>
    public static async Task<LoopbackServer> StartAsync(int port, X509Certificate2? certificate, Action<WebApplication> map, CancellationToken cancellation)
    {
        // Empty: no setting of the surroundings (files, ASPNETCORE_ variables) changes what is served, or where.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port, listen =>
        {
            if (certificate is not null) listen.UseHttps(certificate);
        }));
        builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace).SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddRouting();
        WebApplication application = builder.Build();
        map(application);
        try
        {
            await application.StartAsync(cancellation);
            return new LoopbackServer(application);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            await application.DisposeAsync();
            throw new FhirDeidException("PortInUse", FhirDeidErrorCategory.ResourceExists,
                $"Port {port} of 127.0.0.1 cannot be listened on: {e.InnerException?.Message ?? e.Message}.",
                "Choose another port, or 0 for a free one, or stop the program that uses it.", port);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _application.DisposeAsync();

    /// <summary>Program.cs decides when to end, not the host.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
