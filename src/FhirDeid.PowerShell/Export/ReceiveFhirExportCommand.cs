using System.Management.Automation;
using FhirDeid.PowerShell.Configuration;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Export;

/// <summary>Downloads the files of a completed export and checks them: number of resources, the type and the labels of each. A file stands under its name only when it is complete.</summary>
/// <remarks>
/// <para>Files are named after the resource type and a number, Patient-1.ndjson, and on Linux and macOS are readable by their owner alone. Beside them, manifest.json lists them with their SHA-256. The same command run again goes on where an earlier one ended, also inside a file, and checks what is there; -Verify checks a folder without any connection.</para>
/// <para>The service is asked for the export again. One that it does not confirm as de-identified is refused, and so is a resource that lacks the label, or the hashed id, that the configuration leaves on every resource of its type. -AllowNotDeidentified takes them.</para>
/// <para>With -AnonymizationConfig, a resource that cannot be de-identified ends the command; where the configuration says processingErrors: skip, an empty one takes its place, a warning tells it, and FailureCount of the file counts it.</para>
/// <para>An export of patients or of a Group can hold a resource several times, which is warned of; -Unique leaves out what is there already, by type, id and version.</para>
/// <para>Files of errors and of deletions, which Bulk Data servers other than Azure's write, are not received: they are not de-identified.</para>
/// </remarks>
/// <example><code>$export | Wait-FhirExport | Receive-FhirExport -Destination ./research</code>Downloads an export once it has completed.</example>
/// <example><code>Import-Clixml ./export.xml | Receive-FhirExport ./research</code>Downloads an export of an earlier session, or goes on with it.</example>
/// <example><code>Receive-FhirExport -Destination ./research -Verify</code>Checks that a folder is as it was received.</example>
/// <example><code>$export | Receive-FhirExport ./research -Config $config</code>De-identifies what comes from a server that does not, before anything is written to disk.</example>
[Cmdlet(VerbsCommunications.Receive, "FhirExport", DefaultParameterSetName = FromService, SupportsShouldProcess = true)]
[OutputType(typeof(ReceivedFhirFile))]
public sealed class ReceiveFhirExportCommand : FhirExportCommand
{
    private const string FromService = "Export";
    private const string InFolder = "Verify";
    private const int ToldFailures = 10;

    /// <summary>Status URL of the export; it comes with the export.</summary>
    [Parameter(ParameterSetName = FromService, Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    public override Uri StatusUri { get; set; } = null!;

    /// <summary>Folder for the files; created when missing, readable by its owner alone.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotBlank]
    public string Destination { get; set; } = "";

    /// <summary>Checks the files of the folder against the list beside them, and downloads nothing.</summary>
    [Parameter(ParameterSetName = InFolder, Mandatory = true)]
    public SwitchParameter Verify { get; set; }

    /// <summary>Replaces files that stand in the way: those of another export, and those that are no longer what was received.</summary>
    [Parameter(ParameterSetName = FromService)]
    public SwitchParameter Force { get; set; }

    /// <summary>Leaves out resources that the export holds already. Files then come one after the other, and one that was cut off starts over.</summary>
    [Parameter(ParameterSetName = FromService)]
    public SwitchParameter Unique { get; set; }

    /// <summary>The configuration (an object, the path of a file, or JSON text) that what arrives is de-identified by before it is written. For servers that do not de-identify.</summary>
    [Parameter(ParameterSetName = FromService)]
    [Alias("AnonymizationConfig")]
    public AnonymizationConfigArgument? Config { get; set; }

    /// <summary>Receives files although nothing proves them de-identified: they may hold identified data.</summary>
    [Parameter(ParameterSetName = FromService)]
    public SwitchParameter AllowNotDeidentified { get; set; }

    /// <inheritdoc/>
    protected override Task BeginAsync(IPipeline pipeline, CancellationToken cancellation) => Verify ? Task.CompletedTask : base.BeginAsync(pipeline, cancellation);

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        string folder = await pipeline.InvokeAsync(() => this.FullPath(Destination));
        if (Verify)
        {
            await foreach (ReceivedFhirFile file in Engine.Cloud.VerifyAsync(folder, pipeline.Progress, cancellation))
            {
                WarnOfUnlabelled(file, pipeline);
                await pipeline.WriteObjectAsync(file);
            }
            return;
        }
        FhirExport export = await CompletedExportAsync(AllowNotDeidentified || Config is not null, cancellation);
        FhirReceiveOptions options = new() { Destination = folder, Force = Force, Unique = Unique, AllowNotDeidentified = AllowNotDeidentified };
        if (Config is not null)
        {
            AnonymizationConfig config = await Config.ReadAsync(this, pipeline, cancellation);
            if (!AllowNotDeidentified) RefuseToKeepEverything(config);
            (options.Deidentify, options.DeidentifySha256) = (Engine.Anonymization.CreateAnonymizers(config), config.Sha256);
            options.Marks = Engine.Anonymization.Marks(config.ToJson(), export.Output.Select(file => file.Type).Distinct());
        }
        else if (!AllowNotDeidentified)
        {
            options.Marks = await MarksAsync(export, pipeline, warn: true, cancellation);
        }
        if (!await pipeline.ShouldProcessAsync(folder, $"Download {export.Output.Length} files of export {export.JobId}")) return;

        // Refuses what must not be received, before there is a folder for it.
        IAsyncEnumerable<ReceivedFhirFile> files = Connection.ReceiveExportAsync(export, options, pipeline.Progress, cancellation);
        FileSystemPaths.CreateOwnerOnlyFolder(folder);
        if (export.ErrorOutput.Length + export.DeletedOutput.Length > 0)
            pipeline.WriteWarning($"Export {export.JobId} lists {export.ErrorOutput.Length} files of errors and {export.DeletedOutput.Length} of deletions, which are not received.");
        long duplicates = 0;
        await foreach (ReceivedFhirFile file in files)
        {
            duplicates += file.DuplicateCount;
            WarnOfUnlabelled(file, pipeline);
            if (file.FailureCount > 0)
            {
                pipeline.WriteWarning($"FhirDeid.ResourcesReplaced: {Path.GetFileName(file.FullName)}: {file.FailureCount} of {file.Count} resources could not be de-identified, and an empty one takes the place of each."
                    + string.Concat(file.FailedResources.Take(ToldFailures).Select(failure => $" {failure}.")));
            }
            await pipeline.WriteObjectAsync(file);
        }
        if (duplicates > 0) pipeline.WriteWarning($"Export {export.JobId} holds {duplicates} resources more than once (same type, id and version)" + (Unique ? ": they were left out." : "; -Unique leaves them out."));
    }

    private static void WarnOfUnlabelled(ReceivedFhirFile file, IPipeline pipeline)
    {
        if (file.UnlabelledCount > 0)
            pipeline.WriteWarning($"{Path.GetFileName(file.FullName)}: {file.UnlabelledCount} of {file.Count} resources carry no anonymization label: no rule has changed them. Look at them before you share the file.");
    }

    private static void RefuseToKeepEverything(AnonymizationConfig config)
    {
        if (Engine.Anonymization.Test(config.ToJson()).FirstOrDefault(finding => finding.Id == "KeepsEverything") is not { } finding) return;
        throw new FhirDeidException("ConfigKeepsEverything", FhirDeidErrorCategory.InvalidData, $"With the configuration '{config.Name}' identified data would be written: {finding.Message}", finding.Fix, config.Name);
    }
}
