using System.Management.Automation;
using FhirDeid.PowerShell.Configuration;
using FhirDeid.PowerShell.Connect;
using FhirDeid.PowerShell.Export;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Local;

/// <summary>De-identifies FHIR data on this machine, by the same rules and with the same results as the FHIR service: files, folders, blobs, and resources in the pipeline.</summary>
/// <remarks>
/// <para>A file ending in .json is one resource or Bundle, any other holds one resource a line; .gz is unpacked and packed again. A folder stands for its .ndjson and .json files, packed or not, and for those of the folders below it. Results keep name, order and folder; they appear under their name only when they are complete.</para>
/// <para>The same command again leaves what is complete: input (size and time, or ETag), configuration, module and output (SHA-256) are those of the earlier run, by the notes in the destination's hidden folder .fhirdeid or in a blob's metadata. Anything else is done again. A file that this cmdlet did not write is replaced by -Force alone.</para>
/// <para>A text in the pipeline is a resource, and its result goes to the pipeline; with -Destination it is the path of a file or folder.</para>
/// <para>From container to container, or to a folder, identified data passes through memory alone. The account is that of the connection.</para>
/// <para>With "processingErrors": "raise", the default, a resource that fails is the error of its file, which is not written; the other files go on. With "skip" an empty resource takes its place, and a warning tells file, line, type, rule and method. Neither quotes the resource.</para>
/// </remarks>
/// <example><code>Invoke-FhirDeid ./raw -Destination ./research -Config ./study-7.json -PassThru</code>De-identifies a folder with a configuration file and shows what became of each file.</example>
/// <example><code>New-FhirSampleData ./raw -PatientCount 100 | Invoke-FhirDeid -Destination ./research -Config (New-AnonymizationConfig SafeHarbor)</code>De-identifies made-up patients.</example>
/// <example><code>Get-Content ./Patient.ndjson | Invoke-FhirDeid -Config $config | Select-Object -First 3</code>De-identifies resources in the pipeline, JSON text in and out, and looks at three.</example>
/// <example><code>Invoke-FhirDeid -Container raw -DestinationContainer research -Config $config</code>De-identifies all files of a container into another one.</example>
/// <example><code>Import-Clixml ./export.xml | Invoke-FhirDeid -Destination ./research -Config $config</code>De-identifies the files of a saved export into a folder.</example>
/// <example><code>Invoke-FhirDeid ./raw -Destination ./research -Config $config -WhatIf</code>Shows which files of a folder would be de-identified.</example>
[Cmdlet(VerbsLifecycle.Invoke, "FhirDeid", DefaultParameterSetName = ByPath, SupportsShouldProcess = true)]
[OutputType(typeof(DeidentifiedFile), typeof(string))]
public sealed class InvokeFhirDeidCommand : FhirDeidCommand
{
    private const string ByPath = "Path";
    private const string ByLiteralPath = "LiteralPath";
    private const string ByContainer = "Container";
    private const string ByResource = "Resource";
    private const int ToldFailures = 10;

    private readonly HashSet<string> _written = new(StringComparer.OrdinalIgnoreCase);
    private string _folder = "";
    private AnonymizationConfig _config = null!;
    private IDeidentification? _deidentification;
    private IDeidentificationTarget? _target;
    private long _failures;

    /// <summary>Files or folders, from the pipeline too; wildcards are allowed.</summary>
    [Parameter(ParameterSetName = ByPath, Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>Files or folders, without wildcards: what other cmdlets write to the pipeline.</summary>
    [Parameter(ParameterSetName = ByLiteralPath, Mandatory = true, ValueFromPipelineByPropertyName = true)]
    [Alias("FullName", "PSPath")]
    [ValidateNotNullOrEmpty]
    public string[] LiteralPath { get; set; } = [];

    /// <summary>Container of the connection's storage account; or an export from the pipeline, for its files alone.</summary>
    [Parameter(ParameterSetName = ByContainer, Mandatory = true, ValueFromPipelineByPropertyName = true)]
    [Alias("ContainerName")]
    [ValidateNotBlank]
    public string Container { get; set; } = "";

    /// <summary>Where the export stands; it comes with an export.</summary>
    [Parameter(ParameterSetName = ByContainer, ValueFromPipelineByPropertyName = true, DontShow = true)]
    public FhirExportStatus? Status { get; set; }

    /// <summary>The export's files; they come with an export.</summary>
    [Parameter(ParameterSetName = ByContainer, ValueFromPipelineByPropertyName = true, DontShow = true)]
    public FhirExportFile[]? Output { get; set; }

    /// <summary>Status URL of the export; it comes with an export.</summary>
    [Parameter(ParameterSetName = ByContainer, ValueFromPipelineByPropertyName = true, DontShow = true)]
    public Uri? StatusUri { get; set; }

    /// <summary>The export's job id; it comes with an export.</summary>
    [Parameter(ParameterSetName = ByContainer, ValueFromPipelineByPropertyName = true, DontShow = true)]
    public string? JobId { get; set; }

    /// <summary>One resource as JSON text, from the pipeline. Blank text is left out.</summary>
    [Parameter(ParameterSetName = ByResource, Mandatory = true, ValueFromPipeline = true)]
    [AllowEmptyString]
    public string Resource { get; set; } = "";

    /// <summary>Folder for the results; created when missing, readable by its owner alone.</summary>
    [Parameter(ParameterSetName = ByPath, Mandatory = true, Position = 1)]
    [Parameter(ParameterSetName = ByLiteralPath, Mandatory = true, Position = 1)]
    [Parameter(ParameterSetName = ByContainer, Position = 1)]
    [ValidateNotBlank]
    public string? Destination { get; set; }

    /// <summary>Container for the results, in place of a folder; created when missing.</summary>
    [Parameter(ParameterSetName = ByContainer)]
    [ValidateNotBlank]
    public string? DestinationContainer { get; set; }

    /// <summary>The configuration: an object of New-AnonymizationConfig, the path of a file, or JSON text.</summary>
    [Parameter(Mandatory = true, Position = 2)]
    [Alias("Configuration")]
    public AnonymizationConfigArgument Config { get; set; } = null!;

    /// <summary>Threads that work on one file; as many as there are processors where it is not given. The results are the same for any number.</summary>
    [Parameter]
    [ValidateRange(1, 1024)]
    public int ThrottleLimit { get; set; } = Environment.ProcessorCount;

    /// <summary>Does again what is complete, and replaces files that this cmdlet did not write.</summary>
    [Parameter(ParameterSetName = ByPath)]
    [Parameter(ParameterSetName = ByLiteralPath)]
    [Parameter(ParameterSetName = ByContainer)]
    public SwitchParameter Force { get; set; }

    /// <summary>Returns for each file its counts, its changes by method, its size, hash and duration.</summary>
    [Parameter(ParameterSetName = ByPath)]
    [Parameter(ParameterSetName = ByLiteralPath)]
    [Parameter(ParameterSetName = ByContainer)]
    public SwitchParameter PassThru { get; set; }

    private IDeidentification Deidentification => _deidentification ??= Engine.Anonymization.Open(_config, ThrottleLimit);

    /// <inheritdoc/>
    protected override async Task BeginAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        _config = await Config.ReadAsync(this, pipeline, cancellation);
        foreach (string warning in _config.Warnings) pipeline.WriteWarning(warning);

        if (Destination is not null && DestinationContainer is not null)
            throw new FhirDeidException("ParametersExclusive", FhirDeidErrorCategory.InvalidArgument, "-Destination and -DestinationContainer both say where the results go.", "Give one of them.");
        if (DestinationContainer is not null) _target = Connections.Get(Runspace).Target(DestinationContainer);
        if (Destination is not null)
        {
            _folder = await pipeline.InvokeAsync(() => this.FullPath(Destination));
            _target = Engine.Anonymization.Folder(_folder);
        }
    }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (ParameterSetName != ByResource)
        {
            IReadOnlyList<IDeidentificationInput> inputs = await InputsAsync(pipeline, cancellation);
            if (inputs.Count == 0) pipeline.WriteWarning("There is nothing to de-identify: no .ndjson or .json file, packed by gzip or not.");
            await DeidentifyAsync(inputs, pipeline, cancellation);
        }
        else if (!string.IsNullOrWhiteSpace(Resource))
        {
            if (!Resource.TrimStart().StartsWith('{') && await pipeline.InvokeAsync(() => this.Exists(Resource)))
                throw new FhirDeidException("DestinationRequired", FhirDeidErrorCategory.InvalidArgument, $"'{Resource}' in the pipeline is the path of a file or folder, and nothing says where its results go.", "Give -Destination; or pipe the resources themselves, with Get-Content.");
            string result = Deidentification.Deidentify(Resource, out DeidentificationFailure? failure);
            if (failure is not null && ++_failures <= ToldFailures) WarnOf(failure, pipeline);
            await pipeline.WriteObjectAsync(result);
        }
    }

    /// <inheritdoc/>
    protected override Task EndAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (_failures > ToldFailures) pipeline.WriteWarning($"{_failures - ToldFailures} more resources failed.");
        _deidentification?.Dispose();
        return Task.CompletedTask;
    }

    private async Task<IReadOnlyList<IDeidentificationInput>> InputsAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (ParameterSetName == ByContainer)
        {
            if (_target is null) throw new FhirDeidException("DestinationRequired", FhirDeidErrorCategory.InvalidArgument, "Nothing says where the results go.", "Give -Destination for a folder, or -DestinationContainer.");
            IFhirDeidConnection connection = Connections.Get(Runspace);
            if (Status is not { } status) return await connection.InputsAsync(Container, Engine.Anonymization.Reads, cancellation);

            FhirExport export = new() { JobId = JobId ?? "", StatusUri = StatusUri, Status = status, Container = Container, Output = Output ?? [] };
            if (status == FhirExportStatus.InProgress || export.Output.Length == 0) export = await connection.GetExportAsync(export, cancellation);
            // What a service did not confirm as de-identified can be de-identified here.
            return export.Status == FhirExportStatus.NotDeidentified || export.EndError() is not { } error ? await connection.InputsAsync(export, cancellation) : throw error;
        }
        List<string> paths = await pipeline.InvokeAsync(() => Path.SelectMany(this.ExistingPaths).Concat(LiteralPath.Select(this.FullPath)).ToList());
        return [.. paths.SelectMany(path => Engine.Anonymization.Files(path, _folder))];
    }

    private async Task DeidentifyAsync(IReadOnlyList<IDeidentificationInput> inputs, IPipeline pipeline, CancellationToken cancellation)
    {
        IDeidentificationInput[] replaced = [.. inputs.Where(input => _target!.FullName(input.Name) == input.FullName)];
        if (replaced.Length > 0)
        {
            await pipeline.WriteErrorAsync(new FhirDeidException("DestinationIsSource", FhirDeidErrorCategory.InvalidArgument,
                $"The output would replace the input: {replaced[0].FullName}{(replaced.Length > 1 ? $" and {replaced.Length - 1} more" : "")}.", "Give another folder to -Destination, or another container to -DestinationContainer.", replaced[0].FullName));
            inputs = [.. inputs.Except(replaced)];
        }
        RunProgress progress = new(pipeline.Progress, inputs.Sum(input => input.Length));
        foreach (IDeidentificationInput input in inputs)
        {
            string output = _target!.FullName(input.Name);
            if (!_written.Add(output))
            {
                await pipeline.WriteErrorAsync(SameName(input.FullName));
                continue;
            }
            if (!await pipeline.ShouldProcessAsync(input.FullName, $"De-identify to {output}")) continue;

            // Outside of the try: what is wrong with the configuration is no error of one file.
            IDeidentification deidentification = Deidentification;
            try
            {
                progress.Begin(input);
                DeidentifiedFile file = await deidentification.DeidentifyAsync(input, _target, Force, progress, cancellation);
                progress.End(input, file.Skipped);
                if (file.Skipped) pipeline.WriteVerbose($"{output} is complete.");
                if (file.Skipped && file.Failures > 0) pipeline.WriteWarning($"{input.Name} is complete since an earlier run, with {file.Failures} resources that failed and were replaced by empty ones.");
                foreach (DeidentificationFailure failure in file.FailedResources.Take(ToldFailures)) WarnOf(failure, pipeline);
                if (file.Failures > ToldFailures && !file.Skipped) pipeline.WriteWarning($"{input.Name}: {file.Failures - ToldFailures} more resources failed.");
                if (PassThru) await pipeline.WriteObjectAsync(file);
            }
            catch (FhirDeidException error)
            {
                progress.End(input, skipped: true);
                await pipeline.WriteErrorAsync(error);
            }
        }
    }

    private static void WarnOf(DeidentificationFailure failure, IPipeline pipeline) => pipeline.WriteWarning($"{failure}. An empty resource takes its place.");

    private static FhirDeidException SameName(string input) =>
        new("FileNameTaken", FhirDeidErrorCategory.ResourceExists, $"'{input}' has the same name as a file that this command has already written.",
            "De-identify files of the same name into different folders.", input);
}
