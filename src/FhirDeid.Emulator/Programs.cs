namespace FhirDeid.Emulator;

/// <summary>Programs on the PATH.</summary>
internal static class Programs
{
    /// <summary>Full path of a program, or null.</summary>
    public static string? Find(string name)
    {
        string[] endings = OperatingSystem.IsWindows() ? [".exe", ".cmd"] : [""];
        return (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .SelectMany(folder => endings.Select(ending => Path.Combine(folder, name + ending)))
            .FirstOrDefault(File.Exists);
    }

    /// <summary>The error when Node.js or its npm is not there.</summary>
    public static FhirDeidException NodeMissing(string message) => new("NodeMissing", FhirDeidErrorCategory.NotInstalled, message,
        "Install Node.js 20 or newer with npm (https://nodejs.org, or your system's package), open a new session and try again.");
}
