[assembly: System.Runtime.CompilerServices.InternalsVisibleTo("FhirDeid.Emulator.Tests")]

namespace FhirDeid.Cloud.Emulation;

/// <summary>The dotnet program that runs the emulator. PowerShell brings a .NET runtime of its own, but neither this program nor ASP.NET Core.</summary>
internal static class DotnetHost
{
    private static readonly string ProgramName = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";

    /// <summary>Finds a dotnet that has ASP.NET Core 10: the one of <c>DOTNET_HOST_PATH</c>, of <c>DOTNET_ROOT</c>, or on the <c>PATH</c>.</summary>
    /// <param name="environment">Reads an environment variable.</param>
    /// <returns>Its full path.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.DotnetMissing</c>.</exception>
    public static string Find(Func<string, string?> environment)
    {
        IEnumerable<string?> root = [environment("DOTNET_ROOT")];
        string[] path = (environment("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        string?[] candidates =
        [
            environment("DOTNET_HOST_PATH"),
            .. root.Concat(path).Select(folder => string.IsNullOrEmpty(folder) ? null : Path.Combine(folder, ProgramName)),
        ];
        string[] existing = [.. candidates.Where(File.Exists).Select(candidate => candidate!)];
        return existing.FirstOrDefault(HasAspNetCore) ?? throw new FhirDeidException("DotnetMissing", FhirDeidErrorCategory.NotInstalled,
            existing.Length == 0
                ? "The emulator needs the ASP.NET Core 10 runtime, and no dotnet was found by DOTNET_HOST_PATH, DOTNET_ROOT or PATH."
                : $"The emulator needs the ASP.NET Core 10 runtime, and {string.Join(", ", existing.Distinct())} does not have it.",
            "Install the ASP.NET Core Runtime 10 or the .NET SDK 10 (https://dotnet.microsoft.com/download/dotnet/10.0), and set DOTNET_ROOT to its folder unless it is on the PATH.");
    }

    private static bool HasAspNetCore(string dotnet)
    {
        string target = File.ResolveLinkTarget(dotnet, returnFinalTarget: true)?.FullName ?? dotnet;
        string frameworks = Path.Combine(Path.GetDirectoryName(target)!, "shared", "Microsoft.AspNetCore.App");
        return Directory.Exists(frameworks) && Directory.EnumerateDirectories(frameworks, "10.*").Any();
    }
}
