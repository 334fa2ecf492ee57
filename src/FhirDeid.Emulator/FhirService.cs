using System.Text.Json;
using Microsoft.AspNetCore.Http.Extensions;

namespace FhirDeid.Emulator;

/// <summary>The FHIR service and the token endpoint, by https on loopback.</summary>
internal sealed class FhirService : IAsyncDisposable
{
    private const string Metadata = "/metadata";
    private const string TokenPath = "/oauth2/v2.0/token";

    private readonly LoopbackServer _server;

    private FhirService(LoopbackServer server) => _server = server;

    /// <summary>Base URL of the FHIR service.</summary>
    public Uri BaseUri => _server.BaseUri;

    /// <summary>Audience of its tokens: its URL without a trailing slash.</summary>
    public string Audience => _server.Origin;

    /// <summary>Starts listening.</summary>
    /// <param name="port">Port; 0 for a free one.</param>
    /// <param name="certificates">The server certificate.</param>
    /// <param name="tokens">Issues and checks tokens.</param>
    /// <param name="resources">What is served.</param>
    /// <param name="exports">Runs the exports.</param>
    /// <param name="cancellation">Stops.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.PortInUse</c>.</exception>
    public static async Task<FhirService> StartAsync(int port, RunCertificates certificates, Tokens tokens, ResourceStore resources,
        Exports exports, CancellationToken cancellation)
    {
        string audience = ""; // known once the port is
        Faults faults = new();
        LoopbackServer server = await LoopbackServer.StartAsync(port, certificates.Server, Map, cancellation);
        audience = server.Origin;
        return new FhirService(server);

        void Map(WebApplication application)
        {
            application.Use(AnswerErrorsAsync);
            application.UseWhen(context => context.Request.Path != Metadata && context.Request.Path != Faults.Path && context.Request.Path.Value?.EndsWith(TokenPath, StringComparison.Ordinal) != true,
                secured => secured.Use(async (context, next) =>
                {
                    context.User = await tokens.CheckAsync(context.Request, exports.Audience);
                    await ServeAsync(context, faults.Next(context.Request), tokens, next);
                }));
            application.UseRouting();

            application.MapPost("/{tenant}" + TokenPath, (HttpRequest request, string tenant) => tokens.AnswerAsync(request, tenant, exports.Audience));
            application.MapGet(Metadata, (HttpRequest request) => Results.Json(Capabilities(request, audience, resources, exports), FhirJson.Options, "application/fhir+json"));
            application.MapPut(Faults.Path, (FaultPlan plan) =>
            {
                faults.Set(plan);
                return Results.NoContent();
            });
            application.MapGet("/$export", context => Export(context, ExportLevel.System, null, exports));
            application.MapGet("/{type}/$export", (HttpContext context, string type) =>
                type == "Patient" ? Export(context, ExportLevel.Patient, null, exports) : throw NotSupported(context, type));
            application.MapGet("/{type}/{id}/$export", (HttpContext context, string type, string id) =>
                type == "Group" ? Export(context, ExportLevel.Group, id, exports) : throw NotSupported(context, type));
            application.MapGet("/_operations/export/{id}", async (HttpContext context, string id) =>
            {
                Authorize(context, exports);
                bool cut = context.Features.Get<Fault>()?.Kind == FaultKind.Cut;
                object? manifest = exports.Status(id);
                for (; cut && manifest is null; manifest = exports.Status(id)) await Task.Delay(50, context.RequestAborted);
                if (!cut) return manifest is null ? Results.StatusCode(202) : Results.Json(manifest, FhirJson.Options, "application/json");
                string whole = JsonSerializer.Serialize(manifest, FhirJson.Options);
                return Results.Text(whole[..(whole.Length / 2)], "application/json");
            });
            application.MapDelete("/_operations/export/{id}", (HttpContext context, string id) =>
            {
                Authorize(context, exports);
                exports.Cancel(id);
                return Results.StatusCode(202);
            });
            application.MapFallback(void (HttpContext _) => throw new OperationOutcomeException(404, "not-found", "The requested route was not found."));
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private static Task Export(HttpContext context, ExportLevel level, string? groupId, Exports exports)
    {
        ExportRequest request = ExportRequest.Read(context.Request, level, groupId, exports);
        Authorize(context, exports);
        long id = exports.Start(request, context.Features.Get<Fault>());
        context.Response.StatusCode = 202;
        context.Response.Headers.ContentLocation = $"{BaseUrl(context.Request)}/_operations/export/{id}";
        return Task.CompletedTask;
    }

    private static OperationOutcomeException NotSupported(HttpContext context, string type)
    {
        ExportRequest.ReadHeaders(context.Request);
        return OperationOutcomeException.Invalid($"Requested operation does not support resource type: {type}.");
    }

    /// <summary>Serves a request, or has happen to it what was asked for.</summary>
    private static async Task ServeAsync(HttpContext context, Fault? fault, Tokens tokens, RequestDelegate next)
    {
        context.Features.Set(fault);
        switch (fault?.Kind)
        {
            case FaultKind.Reset:
                context.Abort();
                return;
            case FaultKind.Silence:
                await Task.Delay(fault.Silence ?? Timeout.InfiniteTimeSpan, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
                context.Abort();
                return;
            case FaultKind.Expired:
                throw tokens.Expire(context.Request);
            case FaultKind.Answer:
                throw Refuse(context, fault);
        }

        await next(context);
        if (fault?.Kind == FaultKind.Lost) context.Abort();
    }

    private static OperationOutcomeException Refuse(HttpContext context, Fault fault)
    {
        if (fault.Text is not null) context.Response.Headers.RetryAfter = fault.Text;
        if (fault.Status != 429) return new OperationOutcomeException(fault.Status, "exception", "The emulator was asked to answer so.");
        if (fault.Text is null) (context.Response.Headers.RetryAfter, context.Response.Headers["x-ms-retry-after-ms"]) = ("1", "20");
        return new OperationOutcomeException(429, "throttled", "The maximum number of concurrent API calls on this instance was reached.");
    }

    private static void Authorize(HttpContext context, Exports exports)
    {
        if (!exports.MayExport(context)) throw new OperationOutcomeException(403, "forbidden", "Authorization failed.");
    }

    private static async Task AnswerErrorsAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
        }
        catch (OperationOutcomeException e)
        {
            await FhirJson.WriteAsync(context.Response, e);
        }
        catch (InvalidTokenException e)
        {
            context.Response.Headers.WWWAuthenticate = e.Reason == InvalidTokenReason.Missing ? "Bearer" : $"Bearer error=\"invalid_token\", error_description=\"{e.Message}\"";
            await FhirJson.WriteAsync(context.Response, new OperationOutcomeException(401, "login", "Authentication failed."));
        }
    }

    // The host of the request, as the real service does: a proxy in front of it shows in its URLs.
    private static string BaseUrl(HttpRequest request) => UriHelper.BuildAbsolute(request.Scheme, request.Host).TrimEnd('/');

    private static object Capabilities(HttpRequest request, string audience, ResourceStore resources, Exports exports)
    {
        string baseUrl = BaseUrl(request);
        return new
        {
            resourceType = "CapabilityStatement",
            url = $"{baseUrl}/metadata",
            name = "FhirDeidEmulator",
            status = "active",
            date = DateTimeOffset.UtcNow,
            publisher = "FhirDeid",
            kind = "instance",
            software = new { name = "FhirDeid emulator", version = typeof(FhirService).Assembly.GetName().Version?.ToString(3) },
            implementation = new { description = "FhirDeid emulator of an Azure FHIR service", url = baseUrl },
            fhirVersion = "4.0.1",
            format = new[] { "application/fhir+json", "json" },
            rest = new[]
            {
                new
                {
                    mode = "server",
                    security = new
                    {
                        extension = new[]
                        {
                            new
                            {
                                url = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                                extension = new[] { new { url = "token", valueUri = $"{audience}/{Tokens.TenantId}{TokenPath}" } },
                            },
                        },
                        service = new[] { new { coding = new[] { new { system = "http://terminology.hl7.org/CodeSystem/restful-security-service", code = "OAuth" } } } },
                    },
                    resource = resources.Types.Select(type => new { type }),
                    operation = exports.Operations.Select(name => new { name, definition = $"{baseUrl}/OperationDefinition/{name}" }),
                },
            },
        };
    }
}
