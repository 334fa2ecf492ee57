using FhirDeid.Cloud.Credentials;
using FhirDeid.Cloud.Fhir;
using FhirDeid.Cloud.ResourceManagement;
using FhirDeid.Cloud.Storage;

namespace FhirDeid.Cloud;

/// <inheritdoc cref="IFhirDeidConnection"/>
internal sealed class Connection(FhirDeidContext context, FhirService service, BlobStorage storage, ShownCredential credential, ControlPlane? controlPlane, FileTransfer transfer, Func<string, long> freeSpace) : IFhirDeidConnection
{
    public FhirDeidContext Context
    {
        get
        {
            context.ExpiresOn = credential.ExpiresOn;
            return context;
        }
    }

    public IControlPlane ControlPlane => controlPlane ?? throw new FhirDeidException("ResourceIdRequired", FhirDeidErrorCategory.InvalidOperation,
        "This connection knows the URL of the FHIR service alone; the resource manager needs its resource id.",
        "Connect by -ResourceId, or by -Subscription, -ResourceGroupName, -WorkspaceName and -ServiceName.", context.FhirServiceUri);

    public IAsyncEnumerable<FhirDeidCheck> CheckReadinessAsync(FhirReadinessOptions options, CancellationToken cancellation) =>
        new Readiness(Context, service, storage, credential, controlPlane, options).CheckAsync(cancellation);

    public Task<PublishedAnonymizationConfig> PublishConfigAsync(AnonymizationConfig config, string configName, bool force, CancellationToken cancellation) =>
        ConfigPublishing.PublishAsync(storage, config, configName, force, cancellation);

    public IAsyncEnumerable<PublishedAnonymizationConfig> ListConfigsAsync(Func<string, bool> named, CancellationToken cancellation) =>
        ConfigPublishing.ListAsync(storage, named, cancellation);

    public Task<string> ReadConfigAsync(PublishedAnonymizationConfig config, CancellationToken cancellation) =>
        ConfigPublishing.ReadAsync(storage, config, cancellation);

    /// <inheritdoc/>
    public Uri KickOffUri(FhirExportRequest request) => service.Address(KickOff.Query(request));

    public async Task<FhirExport> StartExportAsync(FhirExportRequest request, CancellationToken cancellation)
    {
        Uri kickOff = KickOffUri(request);
        FhirAnswer answer = await service.GetAsync(kickOff, "application/fhir+json", cancellation, typeof(FhirResponseClassifier.KickOff)).ConfigureAwait(false);
        switch (answer.Status)
        {
            case 202:
                break;
            case 400:
                throw new FhirDeidException("ExportRefused", FhirDeidErrorCategory.InvalidOperation,
                    "The FHIR service refused the export" + (OperationOutcome.Text(answer.Body) is string text ? $": {ServiceText.OneLine(text)}" : " (400)."),
                    "Correct what the service names. If it says that an operation is not enabled, turn on export for the service.", Context.FhirServiceUri);
            case 408 or >= 500 and not 503:
                throw service.Uncertain($"status {answer.Status}");
            default:
                throw service.Refusal(answer, Context.FhirServiceUri!);
        }
        if (!Uri.TryCreate(answer.ContentLocation, UriKind.Absolute, out Uri? status) || FhirExport.JobIdOf(status).Length == 0)
        {
            throw new FhirDeidException("ContentLocationMissing", FhirDeidErrorCategory.ProtocolError,
                "The FHIR service took the export but did not say where its status is.", "Look for the files in the container later; check that the URL is that of the FHIR service itself.", Context.FhirServiceUri);
        }
        if (!FhirService.SameOrigin(status, Context.FhirServiceUri!)) throw FhirService.Foreign(status, Context.FhirServiceUri!);
        return new FhirExport
        {
            JobId = FhirExport.JobIdOf(status),
            Status = FhirExportStatus.InProgress,
            StatusUri = status,
            FhirServiceUri = Context.FhirServiceUri,
            Level = request.Level,
            GroupId = request.GroupId,
            StorageAccountName = Context.StorageAccountName,
            Container = request.Container,
            ConfigName = request.ConfigName,
            ConfigETag = request.ConfigETag.Length > 0 ? KickOff.ETag(request.ConfigETag) : "",
            ConfigSha256 = request.ConfigSha256,
            ConfigCollectionReference = request.ConfigCollectionReference,
            DeidentifyLocally = request.DeidentifyLocally,
            KickOffUri = kickOff,
            StartedAt = DateTimeOffset.UtcNow,
        };
    }

    public async Task<FhirExport> GetExportAsync(FhirExport export, CancellationToken cancellation)
    {
        Uri status = StatusUri(export);
        FhirAnswer answer = await service.GetAsync(status, "application/json", cancellation).ConfigureAwait(false);
        FhirExport now = new()
        {
            JobId = export.JobId,
            Status = FhirExportStatus.InProgress,
            StatusUri = export.StatusUri,
            FhirServiceUri = export.FhirServiceUri,
            Level = export.Level,
            GroupId = export.GroupId,
            StorageAccountName = export.StorageAccountName,
            Container = export.Container,
            ConfigName = export.ConfigName,
            ConfigETag = export.ConfigETag,
            ConfigSha256 = export.ConfigSha256,
            ConfigCollectionReference = export.ConfigCollectionReference,
            DeidentifyLocally = export.DeidentifyLocally,
            KickOffUri = export.KickOffUri,
            StartedAt = export.StartedAt,
        };
        if (JobFailure.Reason(answer.Body) is string reason && answer.Status >= 400)
        {
            now.Status = FhirExportStatus.Failed;
            now.Issues = [JobFailure.Explain(reason, export)];
            return now;
        }
        switch (answer.Status)
        {
            case 202 or 200 when export.Status == FhirExportStatus.Cancelled:
                // Some services go on answering for a cancelled export as if nothing had happened.
                now.Status = FhirExportStatus.Cancelled;
                now.Issues = ["The service still answers for the cancelled export: its files may be incomplete."];
                return now;
            case 202:
                now.Progress = ServiceText.OneLine(answer.Progress);
                now.RetryAfterSeconds = answer.RetryAfter?.TotalSeconds;
                return now;
            case 200:
                await ReadManifestAsync(answer.Body, now, cancellation).ConfigureAwait(false);
                return now;
            case 404 when export.Status == FhirExportStatus.Cancelled:
                now.Status = FhirExportStatus.Cancelled;
                return now;
            case 404:
                throw new FhirDeidException("ExportNotFound", FhirDeidErrorCategory.ObjectNotFound, $"The FHIR service knows no export {export.JobId}: it was cancelled or removed, or belongs to another service.",
                    "Check the status URL; if the export was cancelled, start a new one.", status);
            default:
                throw service.Refusal(answer, status);
        }
    }

    private async Task ReadManifestAsync(BinaryData body, FhirExport export, CancellationToken cancellation)
    {
        HashSet<Uri> pages = [];
        while (ExportManifest.Read(body, export) is { } next)
        {
            if (!FhirService.SameOrigin(next, Context.FhirServiceUri!)) throw FhirService.Foreign(next, Context.FhirServiceUri!);
            if (!pages.Add(next)) throw ExportManifest.Invalid(export, "its pages lead in a circle");
            FhirAnswer page = await service.GetAsync(next, "application/json", cancellation).ConfigureAwait(false);
            if (page.Status != 200) throw service.Refusal(page, next);
            body = page.Body;
        }
        ExportManifest.Conclude(export);
    }

    public Task<FhirExportSize> MeasureExportAsync(FhirExport export, CancellationToken cancellation) => storage.MeasureAsync(export, cancellation);

    public async Task<FhirExport> CancelExportAsync(FhirExport export, CancellationToken cancellation)
    {
        FhirExport now = await GetExportAsync(export, cancellation).ConfigureAwait(false);
        // A failed one is cancelled too: the service reports the failure of one worker while others still write.
        if (now.Status is not (FhirExportStatus.InProgress or FhirExportStatus.Failed)) return now;
        await RemoveExportAsync(export, cancellation).ConfigureAwait(false);
        now.Status = FhirExportStatus.Cancelled;
        return now;
    }

    public async Task RemoveExportAsync(FhirExport export, CancellationToken cancellation)
    {
        FhirAnswer answer = await service.DeleteAsync(StatusUri(export), cancellation).ConfigureAwait(false);
        // 404, 409 and 410: it ended, was cancelled, or was removed meanwhile.
        if (answer.Status is not (200 or 202 or 204 or 404 or 409 or 410)) throw service.Refusal(answer, StatusUri(export));
    }

    public IReadOnlyList<Uri> StoredFiles(FhirExport export) => [.. StoredBlobs.Of(storage, service, export).Select(blob => blob.Uri)];

    public Task DeleteFilesAsync(FhirExport export, IProgress<FhirDeidProgress> progress, CancellationToken cancellation) =>
        StoredBlobs.DeleteAsync(storage, export, StoredBlobs.Of(storage, service, export), progress, cancellation);

    public IAsyncEnumerable<string> ReadFileAsync(FhirExport export, FhirExportFile file, FhirReadOptions options, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        RefuseUnconfirmed(export, options.AllowNotDeidentified);
        return ExportReading.ReadAsync(transfer, export, file, options, progress, cancellation);
    }

    public Task<string?> ReadConfigAsync(FhirExport export, CancellationToken cancellation) => ConfigPublishing.ReadAsync(storage, export, cancellation);

    public async Task<IReadOnlyList<string>> CheckMarksAsync(FhirExport export, IReadOnlyDictionary<string, FhirResourceMark> marks, CancellationToken cancellation)
    {
        System.Collections.Concurrent.ConcurrentBag<string> findings = [];
        await Parallel.ForEachAsync(export.Output.Where(file => marks.GetValueOrDefault(file.Type) != FhirResourceMark.None), new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellation },
            async (file, stop) =>
            {
                if (await ExportReading.CheckMarkAsync(transfer, export, file, marks[file.Type], stop).ConfigureAwait(false) is { } finding) findings.Add(finding);
            }).ConfigureAwait(false);
        return [.. findings.Order(StringComparer.Ordinal)];
    }

    public async Task<ExportSasToken> CreateSasTokenAsync(ExportSasRequest request, CancellationToken cancellation)
    {
        ExportSas sas = new(storage, request, DateTimeOffset.UtcNow);
        if (sas.Reads && request.Export is { } export)
        {
            RefuseUnproven(export);
            // A link cannot be taken back, and what an object says of itself may have been written by anyone: the service says what it has exported.
            request.Export = await GetExportAsync(export, cancellation).ConfigureAwait(false);
            RefuseUnproven(request.Export);
        }
        return await sas.CreateAsync(cancellation).ConfigureAwait(false);
    }

    /// <exception cref="FhirDeidException"><c>FhirDeid.NotDeidentified</c>.</exception>
    private static void RefuseUnproven(FhirExport export)
    {
        if (export.Status is FhirExportStatus.Completed or FhirExportStatus.CompletedWithErrors && ExportManifest.Confirms(export)) return;
        throw new FhirDeidException("NotDeidentified", FhirDeidErrorCategory.SecurityError,
            $"The FHIR service does not confirm that export {export.JobId} (status {export.Status}) is complete and used configuration '{export.ConfigName}': no link to its files is made.",
            "Wait for the export with Wait-FhirExport; if it stays so, delete the files in the container and start a new export.", export.StatusUri);
    }

    public IAsyncEnumerable<ReceivedFhirFile> ReceiveExportAsync(FhirExport export, FhirReceiveOptions options, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        RefuseUnconfirmed(export, options.AllowNotDeidentified || options.Deidentify is not null);
        return new ExportDownload(storage, transfer, export, options, freeSpace, progress).ReceiveAsync(cancellation);
    }

    public Task<IReadOnlyList<IDeidentificationInput>> InputsAsync(string container, Func<string, bool> named, CancellationToken cancellation) =>
        InputBlob.ListAsync(storage, container, named, cancellation);

    public Task<IReadOnlyList<IDeidentificationInput>> InputsAsync(FhirExport export, CancellationToken cancellation) =>
        InputBlob.ListAsync(storage, export, cancellation);

    public IDeidentificationTarget Target(string container) => new OutputContainer(storage, container);

    private Uri StatusUri(FhirExport export) =>
        export.StatusUri is { IsAbsoluteUri: true } status && FhirService.SameOrigin(status, Context.FhirServiceUri!)
            ? status : throw FhirService.Foreign(export.StatusUri, Context.FhirServiceUri!);

    /// <exception cref="FhirDeidException"><c>FhirDeid.ExportNotCompleted</c>, <c>FhirDeid.NotDeidentified</c>.</exception>
    private static void RefuseUnconfirmed(FhirExport export, bool allowed)
    {
        if (export.Status is not (FhirExportStatus.Completed or FhirExportStatus.CompletedWithErrors or FhirExportStatus.NotDeidentified))
        {
            throw new FhirDeidException("ExportNotCompleted", FhirDeidErrorCategory.InvalidOperation, $"Export {export.JobId} has no files to receive: its status is {export.Status}.",
                export.Status == FhirExportStatus.InProgress ? "Wait for it with Wait-FhirExport." : "Read its Issues, correct the cause, and start a new export.", export.StatusUri);
        }
        if (!allowed && export.DeidentifyLocally)
        {
            throw new FhirDeidException("NotDeidentified", FhirDeidErrorCategory.SecurityError, $"Export {export.JobId} was asked for without de-identification: its files hold identified data.",
                "Give the configuration to receive it with: Receive-FhirExport -Config.", export.StatusUri);
        }
        if (!allowed && (export.Status == FhirExportStatus.NotDeidentified || !ExportManifest.Confirms(export)))
        {
            throw new FhirDeidException("NotDeidentified", FhirDeidErrorCategory.SecurityError,
                $"The FHIR service does not confirm that export {export.JobId} used configuration '{export.ConfigName}': its files may hold identified data and are not received.",
                "Ask for the export again with Get-FhirExport; if it stays so, delete the files in the container and start a new export.", export.StatusUri);
        }
    }
}
