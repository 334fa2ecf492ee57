using System.Diagnostics;
using System.Security.Cryptography;

namespace FhirDeid.Emulator;

/// <summary>Azurite, Microsoft's storage emulator, fetched by npm from the lock file beside this program into the user's cache.</summary>
internal static class AzuriteInstallation
{
    private const string Version = "3.37.0";

    // Measured with an empty npm cache; telemetry and database drivers, which are 300 MB of 365, are replaced by an empty package.
    private const string Size = "about 10 MB to download, 61 MB on disk, once";

    private static readonly string Sources = Path.Combine(AppContext.BaseDirectory, "azurite");

    /// <summary>Installs Azurite unless it is there.</summary>
    /// <param name="folder">Where to; null for the user's cache.</param>
    /// <param name="progress">Told before the download: activity and status with the size.</param>
    /// <param name="cancellation">Ends npm; nothing half-installed stays under the final name.</param>
    /// <returns>The folder that holds node_modules.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.NodeMissing</c>, <c>FhirDeid.AzuriteInstallFailed</c>.</exception>
    public static async Task<string> EnsureAsync(string? folder, Action<string, string> progress, CancellationToken cancellation)
    {
        folder = Path.GetFullPath(folder ?? CacheFolder());
        if (File.Exists(Azurite.MainScript(folder))) return folder;

        string npm = Programs.Find("npm")
            ?? throw Programs.NodeMissing("npm, which comes with Node.js and fetches Azurite, is not on the PATH.");
        progress("Fetching Azurite, the storage of the emulator, by npm", $"azurite {Version}: {Size}");

        string unfinished = $"{folder}.{Path.GetRandomFileName()}";
        try
        {
            await using FileStream turn = await TakeTurnAsync(folder, cancellation);
            if (File.Exists(Azurite.MainScript(folder))) return folder;

            foreach (string source in Directory.EnumerateFiles(Sources, "package*.json", SearchOption.AllDirectories).Append(Path.Combine(Sources, "absent", "index.js")))
            {
                string copy = Path.Combine(unfinished, Path.GetRelativePath(Sources, source));
                Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
                File.Copy(source, copy);
            }

            await InstallAsync(npm, unfinished, cancellation);
            Directory.Move(unfinished, folder);
            return folder;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed(folder, e.Message);
        }
        finally
        {
            if (Directory.Exists(unfinished)) Directory.Delete(unfinished, recursive: true);
        }
    }

    // One folder a lock file: a new version of this program does not disturb an old one.
    private static string CacheFolder()
    {
        string hash = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(Sources, "package-lock.json"))))[..8];
        string root = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        return Path.Combine(root, "FhirDeid", $"azurite-{Version}-{hash}");
    }

    // Emulators that start at the same time, as tests do, wait for the one that fetches.
    private static async Task<FileStream> TakeTurnAsync(string folder, CancellationToken cancellation)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(folder)!);
        string path = folder + ".lock";
        for (int attempts = 0; ; await Task.Delay(TimeSpan.FromMilliseconds(200), cancellation))
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
            }
            catch (IOException) when (File.Exists(path) || attempts++ < 3)
            {
                // Another process holds it, or has just deleted it.
            }
        }
    }

    private static async Task InstallAsync(string npm, string folder, CancellationToken cancellation)
    {
        ProcessStartInfo start = new(npm, ["ci", "--omit=dev", "--install-links", "--ignore-scripts", "--no-audit", "--no-fund"])
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            CreateNoWindow = true,
        };
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        Task<string> errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            await process.WaitForExitAsync(cancellation);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
            throw;
        }

        await output;
        if (process.ExitCode != 0 || !File.Exists(Azurite.MainScript(folder)))
        {
            // Its first lines say what is wrong; a stack and hints follow. Warnings are about what works all the same.
            IEnumerable<string> reasons = (await errors).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
                .Where(line => !line.StartsWith("npm warn", StringComparison.OrdinalIgnoreCase))
                .Select(line => line.Replace("npm error ", "", StringComparison.OrdinalIgnoreCase)).Take(4);
            throw Failed(folder, $"npm ended with exit code {process.ExitCode}. {string.Join("; ", reasons)}");
        }
    }

    private static FhirDeidException Failed(string folder, string reason) => new("AzuriteInstallFailed", FhirDeidErrorCategory.NotInstalled,
        $"Azurite {Version} could not be installed by npm: {reason}",
        "Check the connection to the package registry (npm config get registry, npm ping) and the free space, then try again.", folder);
}
