using System.Net.Security;
using FhirDeid.Cloud.Emulation;

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
            Tokens tokens = new();
            ExportStorage storage = new(azurite.BlobEndpoint, tokens, http);
            Exports exports = new(resources, storage, arguments.Without, arguments.Tail);
            await using FhirService service = await FhirService.StartAsync(arguments.Port, certificates, tokens, resources, exports, stop);

            (await http.GetAsync(new Uri(service.BaseUri, "metadata"), stop)).EnsureSuccessStatusCode();
            await storage.ProbeAsync(stop);
            say(new(Ready: new FhirDeidEmulator
            {
                ProcessId = Environment.ProcessId,
                FhirServiceUri = service.BaseUri,
                TokenEndpoint = new Uri(service.BaseUri, $"{Tokens.TenantId}/oauth2/v2.0/token"),
                BlobEndpoint = azurite.BlobEndpoint,
                StorageAccountName = Azurite.AccountName,
                CertificateAuthority = certificates.AuthorityPem,
            }));
            await azurite.EndedAsync(stop);
        }
        finally
        {
            // Azurite deletes it too when this process is killed.
            if (folder.Exists) folder.Delete(recursive: true);
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
