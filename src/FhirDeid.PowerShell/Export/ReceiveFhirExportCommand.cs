using System.Management.Automation;
using System.Text.RegularExpressions;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Export;

/// <summary>Downloads the files of a completed export and checks them against the manifest: number of resources and their types. A file stands under its name only when it is complete.</summary>
/// <remarks>Files are named after the resource type and a number, Patient-1.ndjson, and on Linux and macOS are readable by their owner alone. An export that the service does not confirm as de-identified is refused.</remarks>
/// <example><code>$export | Wait-FhirExport | Receive-FhirExport -Destination ./research</code>Downloads an export once it has completed.</example>
/// <example><code>Import-Clixml ./export.xml | Receive-FhirExport ./research</code>Downloads an export of an earlier session.</example>
/// <example><code>$export | Receive-FhirExport ./research -Force</code>Downloads again, over the files of an earlier attempt.</example>
[Cmdlet(VerbsCommunications.Receive, "FhirExport", SupportsShouldProcess = true)]
[OutputType(typeof(ReceivedFhirFile))]
public sealed partial class ReceiveFhirExportCommand : FhirExportCommand
{
    /// <summary>Folder for the files; created when missing, readable by its owner alone.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotBlank]
    public string Destination { get; set; } = "";

    /// <summary>Replaces files of the same name.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        FhirExport export = await CompletedExportAsync(cancellation);
        string folder = await pipeline.InvokeAsync(() => this.FullPath(Destination));
        List<(FhirExportFile File, string Path)> files = [.. NameFiles(export, folder)];
        if (!Force && files.Find(file => File.Exists(file.Path)) is { File: not null } existing) throw FileSystemPaths.FileExists(existing.Path);
        if (!await pipeline.ShouldProcessAsync(folder, $"Download {files.Count} files of export {export.JobId}")) return;

        FileSystemPaths.CreateOwnerOnlyFolder(folder);
        foreach ((FhirExportFile file, string path) in files)
        {
            ReceivedFhirFile received = await Connection.ReceiveFileAsync(export, file, path, Force, pipeline.Progress, cancellation);
            if (received.UnlabelledCount > 0)
            {
                pipeline.WriteWarning($"{Path.GetFileName(path)}: {received.UnlabelledCount} of {received.Count} resources carry no anonymization label: no rule has changed them. Look at them before you share the file.");
            }
            await pipeline.WriteObjectAsync(received);
        }
    }

    /// <summary>Names of our own: those of the manifest are data, and could lead anywhere.</summary>
    private static IEnumerable<(FhirExportFile File, string Path)> NameFiles(FhirExport export, string folder)
    {
        Dictionary<string, int> counts = [];
        foreach (FhirExportFile file in export.Output)
        {
            if (!TypeName().IsMatch(file.Type)) throw InvalidType(export);

            int number = counts[file.Type] = counts.GetValueOrDefault(file.Type) + 1;
            yield return (file, Path.Combine(folder, $"{file.Type}-{number}.ndjson"));
        }
    }

    [GeneratedRegex("^[A-Z][A-Za-z]{0,63}\\z")]
    private static partial Regex TypeName();

    private static FhirDeidException InvalidType(FhirExport export) =>
        new("ManifestInvalid", FhirDeidErrorCategory.ProtocolError, $"The manifest of export {export.JobId} lists a file without a proper resource type.",
            "Check that the status URL is one of the FHIR service, and start the export again.", export.StatusUri);
}
