using System.Management.Automation;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>A configuration as users give it: an object, the path of a file, or JSON text.</summary>
public sealed class AnonymizationConfigArgument
{
    private readonly AnonymizationConfig? _config;
    private readonly string _text = "";

    /// <summary>Takes a configuration.</summary>
    /// <param name="config">The configuration.</param>
    public AnonymizationConfigArgument(AnonymizationConfig config) => _config = config;

    /// <summary>Takes a text: JSON where it begins with a brace or a comment, or has several lines; else the path of a file.</summary>
    /// <param name="text">The text.</param>
    public AnonymizationConfigArgument(string text) => _text = text;

    /// <summary>Takes a file.</summary>
    /// <param name="file">The file.</param>
    public AnonymizationConfigArgument(FileInfo file) => _text = file.FullName;

    /// <summary>The path that was given; null for an object or JSON text.</summary>
    internal string? GivenPath => _config is null && !IsJson ? _text : null;

    private bool IsJson => _text.TrimStart(' ', '\t', '\r', '\n', '\uFEFF') is ['{', ..] or ['/', '*', ..] || _text.AsSpan().ContainsAny('\r', '\n');

    /// <summary>The configuration, as the service would read it.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.FileUnreadable</c>, <c>FhirDeid.ConfigInvalid</c>, <c>FhirDeid.KeyMissing</c>.</exception>
    internal async Task<AnonymizationConfig> ReadAsync(PSCmdlet cmdlet, IPipeline pipeline, CancellationToken cancellation)
    {
        if (_config is not null) return _config;
        (string json, string name) = await TextAsync(cmdlet, pipeline, cancellation);
        return Engine.Anonymization.Parse(json, name);
    }

    /// <summary>The configuration's text, whatever it is worth, and its name.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.FileUnreadable</c>.</exception>
    internal async Task<(string Json, string Name)> TextAsync(PSCmdlet cmdlet, IPipeline pipeline, CancellationToken cancellation)
    {
        if (_config is not null) return (_config.ToJson(), _config.Name);
        if (IsJson) return (_text, "configuration");
        string path = await pipeline.InvokeAsync(() => cmdlet.FullPath(_text));
        return (await ReadTextAsync(path, cancellation), Path.GetFileName(path));
    }

    /// <summary>Reads the text of a configuration file.</summary>
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
            if (FileSystemPaths.IsContent(path)) throw FileSystemPaths.ContentForPath();
            throw new FhirDeidException("FileUnreadable", FhirDeidErrorCategory.ReadError, $"The configuration file '{path}' cannot be read: {exception.Message}",
                "Check the path and who may read it.", path, exception);
        }
    }
}
