using FhirDeid.PowerShell.Loading;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>A configuration as users give it: an object, or the path of a file.</summary>
public sealed class AnonymizationConfigArgument
{
    /// <summary>Takes a configuration.</summary>
    /// <param name="config">The configuration.</param>
    public AnonymizationConfigArgument(AnonymizationConfig config) => Config = config;

    /// <summary>Takes a file.</summary>
    /// <param name="path">Path of the file.</param>
    public AnonymizationConfigArgument(string path) => Path = path;

    /// <summary>Takes a file.</summary>
    /// <param name="file">The file.</param>
    public AnonymizationConfigArgument(FileInfo file) => Path = file.FullName;

    internal AnonymizationConfig? Config { get; }

    internal string Path { get; } = "";

    /// <summary>Reads a configuration file.</summary>
    /// <param name="path">Full path.</param>
    /// <param name="cancellation">Stops.</param>
    internal static async Task<AnonymizationConfig> ReadAsync(string path, CancellationToken cancellation) =>
        Engine.Anonymization.Parse(await ReadTextAsync(path, cancellation), System.IO.Path.GetFileName(path));

    /// <summary>Reads the text of a configuration file, whatever it is worth.</summary>
    /// <param name="path">Full path.</param>
    /// <param name="cancellation">Stops.</param>
    internal static async Task<string> ReadTextAsync(string path, CancellationToken cancellation)
    {
        try
        {
            return await File.ReadAllTextAsync(path, cancellation);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new FhirDeidException("FileUnreadable", FhirDeidErrorCategory.ReadError, $"The configuration file '{path}' cannot be read: {exception.Message}",
                "Check the path and who may read it.", path, exception);
        }
    }
}
