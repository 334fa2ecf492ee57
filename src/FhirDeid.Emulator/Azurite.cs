using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace FhirDeid.Emulator;

/// <summary>The storage account of one run: Azurite's blob service as a child process, in memory, by https, with Microsoft Entra tokens.</summary>
internal sealed partial class Azurite : IAsyncDisposable
{
    /// <summary>Name of the storage account. Its key is random and known to nobody: only tokens open it, and what is derived from them.</summary>
    public const string AccountName = "fhirdeidemulator";

    /// <summary>Name of a storage account whose network rules let nobody in: the export job is held to them, other callers are not.</summary>
    public const string FirewallAccountName = "fhirdeidfirewall";

    private readonly Process _process;
    private readonly Task _output;
    private readonly Uri _origin;

    private Azurite(Process process, Task output, Uri origin)
    {
        _process = process;
        _output = output;
        _origin = origin;
    }

    /// <summary>Base URL of an account's blob service, with the account in its path.</summary>
    public Uri BlobEndpoint(string account) => new(_origin, account);

    /// <summary>The script of the blob service in an installation.</summary>
    public static string MainScript(string folder) => Path.Combine(folder, "node_modules", "azurite", "dist", "src", "blob", "main.js");

    /// <summary>Starts Azurite on a free port and returns when it listens.</summary>
    /// <param name="installation">Folder that holds node_modules.</param>
    /// <param name="runFolder">Folder of this run; Azurite deletes it should this process be killed.</param>
    /// <param name="certificates">Its certificate.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.NodeMissing</c>, <c>FhirDeid.EmulatorFailed</c>.</exception>
    public static async Task<Azurite> StartAsync(string installation, string runFolder, RunCertificates certificates, CancellationToken cancellation)
    {
        string node = Programs.Find("node") ?? throw Programs.NodeMissing("Node.js, which runs Azurite, the storage of the emulator, is not on the PATH.");
        ProcessStartInfo start = new(node,
        [
            "-r", Path.Combine(AppContext.BaseDirectory, "azurite", "preload.js"), MainScript(installation),
            "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent",
            "--oauth", "basic", "--cert", certificates.ServerPemPath, "--key", certificates.ServerKeyPath,
        ])
        {
            WorkingDirectory = runFolder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            CreateNoWindow = true,
        };
        start.Environment["AZURITE_ACCOUNTS"] = string.Join(';', new[] { AccountName, FirewallAccountName }.Select(name => $"{name}:{Convert.ToBase64String(RandomNumberGenerator.GetBytes(64))}"));
        start.Environment["FHIRDEID_RUN_FOLDER"] = runFolder;
        start.Environment.Remove("AZURITE_DB");

        Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            while (await process.StandardOutput.ReadLineAsync(cancellation) is { } line)
            {
                if (Listening().Match(line) is { Success: true } match)
                {
                    Task output = Task.WhenAll(errors, process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, CancellationToken.None));
                    return new Azurite(process, output, new Uri(match.Value));
                }
            }

            throw new FhirDeidException("EmulatorFailed", FhirDeidErrorCategory.ResourceUnavailable,
                $"Azurite did not start: {string.Join(" ", (await errors).Split('\n', StringSplitOptions.TrimEntries).TakeLast(5))}",
                $"Check that Node.js is version 20 or newer; delete {installation} to have Azurite fetched anew.", installation);
        }
        catch
        {
            process.Kill();
            process.Dispose();
            throw;
        }
    }

    /// <summary>Waits until the run is stopped; Azurite's own end is an error.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.EmulatorFailed</c>.</exception>
    public async Task EndedAsync(CancellationToken cancellation)
    {
        await _process.WaitForExitAsync(cancellation);
        throw new FhirDeidException("EmulatorFailed", FhirDeidErrorCategory.ResourceUnavailable,
            $"Azurite ended by itself with exit code {_process.ExitCode}.", "Start the emulator again.");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync();
        await _output;
        _process.Dispose();
    }

    [GeneratedRegex(@"https://127\.0\.0\.1:[1-9][0-9]*$")]
    private static partial Regex Listening();
}
