using System.Management.Automation;
using System.Text;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Writes an anonymization configuration to a file. The file holds the keys: on Linux and macOS its owner alone can read it, on Windows whoever may read the folder.</summary>
/// <remarks>Keep the file where secrets are kept. Without it, or the configuration that was published, later exports cannot give the same hashes.</remarks>
/// <example><code>$config | Export-AnonymizationConfig ./study-7.json</code>Keeps a configuration with its keys for the next export.</example>
/// <example><code>$config | Export-AnonymizationConfig ./study-7.json -Force</code>Replaces a file, and with it the keys that it held.</example>
[Cmdlet(VerbsData.Export, "AnonymizationConfig", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class ExportAnonymizationConfigCommand : FhirDeidCommand
{
    /// <summary>The configuration: an object of New-AnonymizationConfig, the path of a file, or JSON text.</summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true)]
    public AnonymizationConfigArgument Config { get; set; } = null!;

    /// <summary>The file.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotBlank]
    public string Path { get; set; } = "";

    /// <summary>Replaces a file of that name.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        AnonymizationConfig config = await Config.ReadAsync(this, pipeline, cancellation);
        string path = await pipeline.InvokeAsync(() => this.FullPath(Path));
        if (!Force && File.Exists(path)) throw Exists(path);
        if (!await pipeline.ShouldProcessAsync(path, $"Write configuration '{config.Name}' with its keys")) return;

        string partial = $"{path}.partial-{System.IO.Path.GetRandomFileName()}";
        try
        {
            FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            await using (FileStream stream = new(partial, options))
            {
                await stream.WriteAsync(Encoding.UTF8.GetBytes(config.ToJson()), cancellation);
                stream.Flush(flushToDisk: true);
            }
            File.Move(partial, path, Force);
        }
        catch (IOException) when (!Force && File.Exists(path))
        {
            throw Exists(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new FhirDeidException("FileUnwritable", FhirDeidErrorCategory.WriteError, $"The file '{path}' cannot be written: {exception.Message}",
                "Name a file in a folder that is there and that you may write to.", path, exception);
        }
        finally
        {
            if (File.Exists(partial)) File.Delete(partial);
        }
    }

    private static FhirDeidException Exists(string path) => new("FileExists", FhirDeidErrorCategory.ResourceExists,
        $"The file '{path}' exists; its keys may be needed again.", "Choose another name, or replace the file with -Force.", path);
}
