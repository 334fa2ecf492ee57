using System.Collections.Concurrent;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace FhirDeid.Cloud.Tests;

/// <summary>The clouds of Azure by their host names, all of which lead to the stand-in.</summary>
public sealed class SovereignCloudTests : IAsyncLifetime
{
    private const string Subscription = "11111111-2222-3333-4444-555555555555";
    private const string Id = $"/subscriptions/{Subscription}/resourceGroups/rg/providers/Microsoft.HealthcareApis/workspaces/work/fhirservices/fhir";
    private const string Storage = $"/subscriptions/{Subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/{StandIn.Account}";

    private StandIn _service = null!;

    public async ValueTask InitializeAsync() => _service = await StandIn.StartAsync();

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    [Theory]
    [InlineData(AzureEnvironment.AzureCloud, "management.azure.com", "work-fhir.fhir.azurehealthcareapis.com", "teststore.blob.core.windows.net", "https://login.microsoftonline.com/")]
    [InlineData(AzureEnvironment.AzureUSGovernment, "management.usgovcloudapi.net", "work-fhir.fhir.azurehealthcareapis.us", "teststore.blob.core.usgovcloudapi.net", "https://login.microsoftonline.us/")]
    [InlineData(AzureEnvironment.AzureChinaCloud, "management.chinacloudapi.cn", "work-fhir.fhir.azurehealthcareapis.cn", "teststore.blob.core.chinacloudapi.cn", "https://login.chinacloudapi.cn/")]
    public async Task A_service_is_set_up_and_used_in_its_own_cloud_alone(AzureEnvironment environment, string resourceManager, string fhir, string blob, string login)
    {
        string set = "";
        bool known = true;
        _service.OnResourceManager = async (context, body) =>
        {
            string path = context.Request.Path.Value!;
            if (context.Request.Method == "PUT" && path == Id)
            {
                set = StandIn.Account;
                await StandIn.Answer(202, body, "application/json", ("Azure-AsyncOperation", $"https://{resourceManager}/operation?api-version=1"))(context);
                return;
            }
            known &= path is Id or Storage or "/operation" || path.EndsWith("/storageAccounts", StringComparison.Ordinal) || path.Contains("/roleAssignments", StringComparison.Ordinal);
            await StandIn.Answer(200, path switch
            {
                // The resource names no audience here: it is the service's URL then.
                Id => $$"""{"id":"{{Id}}","kind":"fhir-R4","identity":{"type":"SystemAssigned","principalId":"p"},"properties":{"provisioningState":"Succeeded","exportConfiguration":{"storageAccountName":"{{set}}"} } }""",
                "/operation" => """{"status":"Succeeded"}""",
                _ when path.EndsWith("/storageAccounts", StringComparison.Ordinal) =>
                    $$"""{"value":[{"id":"{{Storage}}","name":"{{StandIn.Account}}","properties":{"primaryEndpoints":{"blob":"https://{{blob}}/"},"networkAcls":{"defaultAction":"Deny"} } }]}""",
                _ => """{"value":[]}""",
            }, "application/json")(context);
        };
        ConcurrentQueue<string> hosts = new(), audiences = new();
        using Network network = new(_service, hosts);
        FhirDeidConnectionOptions options = new()
        {
            ResourceId = Id,
            Environment = environment,
            Credential = FhirDeidCredential.Az,
            AzToken = (audience, _) =>
            {
                audiences.Enqueue(audience);
                return Task.FromResult(ConnectTests.Secret(StandIn.Token(audience, TimeSpan.FromHours(1))));
            },
        };

        IFhirDeidConnection connection = await Engine(network).ConnectAsync(options, Cancel);
        FhirExportStorage storage = await connection.ControlPlane.SetExportStorageAsync(await connection.ControlPlane.FindStorageAsync(StandIn.Account, Cancel), TimeSpan.FromHours(1), new Nobody(), Cancel);
        await connection.PublishConfigAsync(new AnonymizationConfig("{}") { Rules = [new AnonymizationRule { Path = "Patient.name", Method = "redact" }] }, "c.json", false, Cancel);
        List<FhirDeidCheck> checks = [];
        await foreach (FhirDeidCheck check in connection.CheckReadinessAsync(new FhirReadinessOptions(), Cancel)) checks.Add(check);

        Assert.True(known);
        Assert.Equal((environment, $"https://{fhir}", $"https://{blob}/"), (connection.Context.Environment, connection.Context.Audience, storage.BlobEndpoint!.AbsoluteUri));
        Assert.Equal(new[] { blob, fhir, resourceManager }.Order(), hosts.Distinct().Order());
        Assert.Equal(new[] { $"https://{fhir}", $"https://{resourceManager}", "https://storage.azure.com" }.Order(), audiences.Distinct().Order());
        Assert.Equal(login, AzureCloud.Of(null, environment).AuthorityHost.AbsoluteUri);
        Assert.Contains("Add-AzStorageAccountNetworkRule", checks.Single(check => check.Name == "Network rules").Fix, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://work-fhir.fhir.azurehealthcareapis.us", AzureEnvironment.AzureUSGovernment, "teststore.blob.core.usgovcloudapi.net")]
    [InlineData("https://work-fhir.fhir.azurehealthcareapis.cn", AzureEnvironment.AzureChinaCloud, "teststore.blob.core.chinacloudapi.cn")]
    public async Task The_URL_of_a_service_tells_its_cloud(string uri, AzureEnvironment environment, string blob)
    {
        using Network network = new(_service, []);
        FhirDeidConnectionOptions options = new()
        {
            FhirServiceUri = new Uri(uri),
            StorageAccountName = StandIn.Account,
            Credential = FhirDeidCredential.Az,
            AzToken = (audience, _) => Task.FromResult(ConnectTests.Secret(StandIn.Token(audience, TimeSpan.FromHours(1)))),
        };

        FhirDeidContext context = (await Engine(network).ConnectAsync(options, Cancel)).Context;

        Assert.Equal((environment, uri, blob), (context.Environment, context.Audience, context.BlobEndpoint!.Host));
    }

    private static CloudEngine Engine(HttpMessageHandler network) => new(TimeSpan.FromMilliseconds(5), TimeSpan.FromSeconds(100), _ => long.MaxValue, network);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Leads each host of a cloud to the stand-in's origin for it, and any other nowhere.</summary>
    private sealed class Network(StandIn service, ConcurrentQueue<string> hosts) : DelegatingHandler(Trusting(service))
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Uri uri = request.RequestUri!;
            hosts.Enqueue(uri.Host);
            Uri origin = uri.Host.StartsWith("management.", StringComparison.Ordinal) ? service.ResourceManager : uri.Host.Contains(".fhir.", StringComparison.Ordinal) ? service.Fhir
                : uri.Host.Contains(".blob.core.", StringComparison.Ordinal) ? service.Blob : service.Foreign;
            request.RequestUri = new Uri(origin, (origin == service.Blob ? "/" + StandIn.Account : "") + uri.PathAndQuery);
            return base.SendAsync(request, cancellationToken);
        }

        private static SocketsHttpHandler Trusting(StandIn service)
        {
            X509ChainPolicy trust = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            trust.CustomTrustStore.ImportFromPem(service.CertificateAuthority);
            return new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false, SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = trust } };
        }
    }

    private sealed class Nobody : IProgress<FhirDeidProgress>
    {
        public void Report(FhirDeidProgress value)
        {
        }
    }
}
