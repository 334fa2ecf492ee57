using System.Net.Security;
using FhirDeid.Cloud.Emulation;
using FhirDeid.Emulator.ResourceManagement;

namespace FhirDeid.Emulator;

/// <summary>One run: data, certificates, storage and FHIR service, put up in this order and taken down in the other.</summary>
internal static class EmulatorRun
{
    /// <summary>Starts everything, says when it answers, and keeps it up.</summary>
    /// <param name="arguments">What to start.</param>
    /// <param name="say">Hears of progress and readiness.</param>
    /// <param name="stop">Ends the run.</param>
    /// <exception cref="FhirDeidException">Something could not be started.</exception>
    public static async Task RunAsync(EmulatorArguments arguments, Action<EmulatorMessage> say, CancellationToken stop)
    {
        // Readable by the owner alone.
        DirectoryInfo folder = Directory.CreateTempSubdirectory("fhirdeid-emulator-");
        try
        {
            using ResourceStore resources = ResourceStore.Load(arguments.Data ?? await GenerateAsync(), stop);
            using RunCertificates certificates = RunCertificates.Create(folder.FullName);
            using SocketsHttpHandler handler = new()
            {
                SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = certificates.Trust },
                UseProxy = false, // the user's proxy does not lead back to this machine
            };
            using HttpClient http = new(handler);

            string azuriteFolder = await AzuriteInstallation.EnsureAsync(arguments.AzuriteFolder, Progress, stop);
            Progress("Starting the emulator", "Azurite");
            await using Azurite azurite = await Azurite.StartAsync(azuriteFolder, folder.FullName, certificates, stop);

            Progress("Starting the emulator", "FHIR service");
            PrincipalDirectory directory = new(arguments.Propagation);
            RoleAssignments roles = new(directory, arguments.Propagation);
            Subscription[] subscriptions = [Lab(arguments, azurite, directory), Elsewhere(arguments, directory)];
            FhirServiceResource settings = subscriptions[0].FhirServices[0];
            StorageAccount account = subscriptions[0].StorageAccounts[0];
            if (settings.PrincipalId is { } principal && !arguments.Without.HasFlag(FhirServiceSetting.BlobRole))
                roles.Add(account.Id, RoleAssignments.BlobDataContributor, principal);

            Tokens tokens = new(directory);
            Exports exports = new(resources, settings, roles, blobs => new ExportStorage(blobs, tokens, http),
                !arguments.Without.HasFlag(FhirServiceSetting.AnonymizedExport), arguments.Memory, arguments.Tail);
            await using FhirService service = await FhirService.StartAsync(arguments.Port, certificates, tokens, resources, exports, stop);
            settings.Audience = service.Audience;
            await using ResourceManager manager = await ResourceManager.StartAsync(certificates, tokens, subscriptions, roles, stop);
            await using ManagedIdentityEndpoint identity = await ManagedIdentityEndpoint.StartAsync(tokens, service.Audience, stop);

            (await http.GetAsync(new Uri(service.BaseUri, "metadata"), stop)).EnsureSuccessStatusCode();
            await new ExportStorage(account.BlobEndpoint, tokens, http).ProbeAsync(stop);
            say(new(Ready: new FhirDeidEmulator
            {
                ProcessId = Environment.ProcessId,
                FhirServiceUri = service.BaseUri,
                TokenEndpoint = new Uri(service.BaseUri, $"{Tokens.TenantId}/oauth2/v2.0/token"),
                BlobEndpoint = account.BlobEndpoint,
                StorageAccountName = account.Name,
                ResourceManagerEndpoint = manager.BaseUri,
                SubscriptionId = subscriptions[0].Id,
                ResourceGroupName = subscriptions[0].ResourceGroup,
                WorkspaceName = subscriptions[0].Workspace,
                FhirServiceName = settings.Name,
                ResourceId = settings.Id,
                StorageAccountId = account.Id,
                IdentityEndpoint = identity.Uri,
                IdentityHeader = identity.Header,
                CertificateAuthority = certificates.AuthorityPem,
            }));
            await azurite.EndedAsync(stop);
        }
        finally
        {
            // Azurite deletes it too when this process is killed.
            if (folder.Exists) folder.Delete(recursive: true);
        }

        // Ids that mean something in one run mean the same in the next.
        static Subscription Lab(EmulatorArguments arguments, Azurite azurite, PrincipalDirectory directory)
        {
            Subscription lab = new("3f1f6c1e-5d0b-4b0a-9a55-0d2c7a3e9b10", "FhirDeid lab", "fhirdeid", "lab");
            lab.StorageAccounts.Add(new StorageAccount(lab, Azurite.AccountName, azurite.BlobEndpoint(Azurite.AccountName)));
            lab.StorageAccounts.Add(new StorageAccount(lab, Azurite.FirewallAccountName, azurite.BlobEndpoint(Azurite.FirewallAccountName), behindFirewall: true));
            lab.FhirServices.Add(new FhirServiceResource(lab, "fhir", "fhir-R4", directory, arguments.Update, !arguments.Without.HasFlag(FhirServiceSetting.Identity),
                arguments.Without.HasFlag(FhirServiceSetting.ExportStorage) ? null : Azurite.AccountName, arguments.FailingUpdates));
            return lab;
        }

        // What goes wrong when it is named: a workspace of two services, one of them STU3, and an account that the lab's service cannot use.
        static Subscription Elsewhere(EmulatorArguments arguments, PrincipalDirectory directory)
        {
            Subscription elsewhere = new("9c2b7a54-0e63-4d7f-8f3a-6b1e2d4c5f20", "FhirDeid elsewhere", "elsewhere", "two");
            elsewhere.StorageAccounts.Add(new StorageAccount(elsewhere, "fhirdeidelsewhere", new Uri("https://fhirdeidelsewhere.blob.core.windows.net")));
            elsewhere.FhirServices.Add(new FhirServiceResource(elsewhere, "fhir", "fhir-R4", directory, arguments.Update, identity: false, storageAccount: null));
            elsewhere.FhirServices.Add(new FhirServiceResource(elsewhere, "fhirstu3", "fhir-Stu3", directory, arguments.Update, identity: false, storageAccount: null));
            return elsewhere;
        }

        void Progress(string activity, string status) => say(new(Progress: new(activity, status)));

        async Task<string> GenerateAsync()
        {
            Progress("Generating patients", $"{arguments.Patients} patients");
            string generated = Path.Combine(folder.FullName, "data");
            await new SampleData.SampleData().WriteAsync(generated, arguments.Patients, arguments.Seed, null,
                new Progress<FhirDeidProgress>(), stop);
            return generated;
        }
    }
}
