namespace FhirDeid;

/// <summary>One connection: the FHIR service and the storage account its exports go to.</summary>
public interface IFhirDeidConnection
{
    /// <summary>Who is connected where.</summary>
    FhirDeidContext Context { get; }

    /// <summary>The resource manager's side of the connection.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ResourceIdRequired</c>: only the URL of the FHIR service is known.</exception>
    IControlPlane ControlPlane { get; }

    /// <summary>Checks everything that a de-identified export needs, without changing anything. What goes wrong is a check that failed, not an exception.</summary>
    /// <param name="options">What is looked at beside the setup itself.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>One check after the other, as they come out. What cannot be looked at is <see cref="FhirDeidCheckStatus.Unknown"/>.</returns>
    IAsyncEnumerable<FhirDeidCheck> CheckReadinessAsync(FhirReadinessOptions options, CancellationToken cancellation);

    /// <summary>Uploads a configuration to container <c>anonymization</c>, reads it back and compares.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="configName">Blob name.</param>
    /// <param name="force">Replaces a different blob of that name.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>Name, ETag and hash. The same content under the same name is left as it is.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigKeepsEverything</c>, <c>FhirDeid.ConfigExists</c>, <c>FhirDeid.ConfigNameInvalid</c>, <c>FhirDeid.ConfigTooLarge</c>, <c>FhirDeid.AccessTokenIsForFhirOnly</c>, <c>FhirDeid.StorageForbidden</c>, <c>FhirDeid.StorageUnreachable</c>, <c>FhirDeid.StorageAccountMissing</c>.</exception>
    Task<PublishedAnonymizationConfig> PublishConfigAsync(AnonymizationConfig config, string configName, bool force, CancellationToken cancellation);

    /// <summary>Lists the configurations in container <c>anonymization</c>, by name.</summary>
    /// <param name="named">Which names are wanted.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>What Publish returned for them. Nothing where there is no container yet.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.AccessTokenIsForFhirOnly</c>, <c>FhirDeid.StorageForbidden</c>, <c>FhirDeid.StorageUnreachable</c>, <c>FhirDeid.StorageAccountMissing</c>.</exception>
    IAsyncEnumerable<PublishedAnonymizationConfig> ListConfigsAsync(Func<string, bool> named, CancellationToken cancellation);

    /// <summary>Downloads the text of a configuration, in the version that was listed.</summary>
    /// <param name="config">What <see cref="ListConfigsAsync"/> returned.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The text, with the keys.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigNotFound</c>: it was removed or replaced meanwhile. <c>FhirDeid.StorageForbidden</c>, <c>FhirDeid.StorageUnreachable</c>.</exception>
    Task<string> ReadConfigAsync(PublishedAnonymizationConfig config, CancellationToken cancellation);

    /// <summary>The request that <see cref="StartExportAsync"/> would send, checked and not sent.</summary>
    /// <param name="request">What to export.</param>
    /// <returns>The URL of the GET.</returns>
    /// <exception cref="FhirDeidException">As <see cref="StartExportAsync"/> where nothing was sent.</exception>
    Uri KickOffUri(FhirExportRequest request);

    /// <summary>Starts a de-identified export.</summary>
    /// <param name="request">What to export, with which configuration, where to. A blank configuration or container is refused.</param>
    /// <param name="cancellation">Stops waiting for the answer.</param>
    /// <returns>The accepted export.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigRequired</c>, <c>FhirDeid.ConfigNameInvalid</c>, <c>FhirDeid.ConfigETagInvalid</c>, <c>FhirDeid.ContainerRequired</c>, <c>FhirDeid.ContainerInvalid</c>, <c>FhirDeid.ResourceTypeInvalid</c>, <c>FhirDeid.GroupIdInvalid</c>, <c>FhirDeid.PeriodInvalid</c>, <c>FhirDeid.MaxCountInvalid</c>, <c>FhirDeid.TypeFilterInvalid</c>, <c>FhirDeid.ConfigCollectionInvalid</c>, <c>FhirDeid.ParametersExclusive</c>: nothing was sent. <c>FhirDeid.Forbidden</c>, <c>FhirDeid.Unauthorized</c>, <c>FhirDeid.ExportRefused</c>, <c>FhirDeid.Throttled</c>, <c>FhirDeid.ServiceUnavailable</c>, <c>FhirDeid.EndpointUnreachable</c>: no export runs. <c>FhirDeid.ExportUncertain</c>: one may.</exception>
    Task<FhirExport> StartExportAsync(FhirExportRequest request, CancellationToken cancellation);

    /// <summary>Asks once how an export stands.</summary>
    /// <param name="export">The export.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The export as it is now. A failed job is an export with status Failed, not an exception; so is one that was cancelled before, with status Cancelled. What the caller does not know of a completed one (configuration, container) is read from the manifest's request.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ExportNotFound</c>, <c>FhirDeid.Forbidden</c>, <c>FhirDeid.Unauthorized</c>, <c>FhirDeid.ForeignUrl</c>, <c>FhirDeid.ManifestInvalid</c>; <c>FhirDeid.Throttled</c>, <c>FhirDeid.ServiceUnavailable</c>, <c>FhirDeid.EndpointUnreachable</c>: asking again later can help.</exception>
    Task<FhirExport> GetExportAsync(FhirExport export, CancellationToken cancellation);

    /// <summary>Looks what an export has written into its container so far.</summary>
    /// <param name="export">The export.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>Files and bytes; those of workers that the service has started over count too.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.StorageForbidden</c>, <c>FhirDeid.StorageUnreachable</c>, <c>FhirDeid.StorageAccountMissing</c>, <c>FhirDeid.ContainerRequired</c>.</exception>
    Task<FhirExportSize> MeasureExportAsync(FhirExport export, CancellationToken cancellation);

    /// <summary>Cancels an export that has not ended. One that has completed is left alone: a DELETE would take its manifest away.</summary>
    /// <param name="export">The export.</param>
    /// <param name="cancellation">Stops waiting for the answer.</param>
    /// <returns>The export, with status Cancelled; or as it had completed.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ExportNotFound</c>: the service does not know it, and nothing here says that it was cancelled. Else as <see cref="GetExportAsync"/>.</exception>
    Task<FhirExport> CancelExportAsync(FhirExport export, CancellationToken cancellation);

    /// <summary>The files that an export's manifest names and that lie in its container: those that <see cref="DeleteFilesAsync"/> deletes. Files at the FHIR service's own address are the service's to delete.</summary>
    /// <param name="export">The export, as <see cref="GetExportAsync"/> returned it.</param>
    /// <returns>Their URLs; files of errors and of deletions are among them.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ForeignUrl</c>: one lies elsewhere. <c>FhirDeid.ContainerRequired</c>, <c>FhirDeid.ContainerHoldsKeys</c>, <c>FhirDeid.StorageAccountMissing</c>.</exception>
    IReadOnlyList<Uri> StoredFiles(FhirExport export);

    /// <summary>Deletes <see cref="StoredFiles"/> and their snapshots, and nothing else. A file that is no longer there counts as deleted.</summary>
    /// <param name="export">The export, as <see cref="GetExportAsync"/> returned it.</param>
    /// <param name="progress">Told how far it has come.</param>
    /// <param name="cancellation">Stops; files that are deleted by then stay deleted.</param>
    /// <returns>Completes when all are gone.</returns>
    /// <exception cref="FhirDeidException">As <see cref="StoredFiles"/>: then nothing was deleted. <c>FhirDeid.StorageForbidden</c>, <c>FhirDeid.BlobChanged</c> (a lease or a retention policy holds it), <c>FhirDeid.StorageUnreachable</c>: some may be left.</exception>
    Task DeleteFilesAsync(FhirExport export, IProgress<FhirDeidProgress> progress, CancellationToken cancellation);

    /// <summary>Has the service forget an export that has ended; its manifest is gone then. One that the service does not know any more counts as forgotten.</summary>
    /// <param name="export">The export.</param>
    /// <param name="cancellation">Stops waiting for the answer.</param>
    /// <returns>Completes when the service has answered.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.Forbidden</c>, <c>FhirDeid.Unauthorized</c>, <c>FhirDeid.ForeignUrl</c>, <c>FhirDeid.Throttled</c>, <c>FhirDeid.ServiceUnavailable</c>, <c>FhirDeid.EndpointUnreachable</c>.</exception>
    Task RemoveExportAsync(FhirExport export, CancellationToken cancellation);

    /// <summary>Reads the resources of one file of an export as they arrive, and checks them on the way as <see cref="ReceiveExportAsync"/> does.</summary>
    /// <param name="export">The completed export.</param>
    /// <param name="file">One of its outputs.</param>
    /// <param name="options">What is asked of the file.</param>
    /// <param name="progress">Told how far the file has come.</param>
    /// <param name="cancellation">Stops the transfer, as the end of the enumeration does.</param>
    /// <returns>Each resource as JSON text, one line.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.NotDeidentified</c>, <c>FhirDeid.ForeignUrl</c>, <c>FhirDeid.FileInvalid</c>, <c>FhirDeid.StorageForbidden</c>; <c>FhirDeid.CountMismatch</c> after the last one.</exception>
    IAsyncEnumerable<string> ReadFileAsync(FhirExport export, FhirExportFile file, FhirReadOptions options, IProgress<FhirDeidProgress> progress, CancellationToken cancellation);

    /// <summary>Makes a link to a container or a blob, by a user delegation key: no account key is involved.</summary>
    /// <param name="request">To what, for what, how long.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The link and its terms.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ContainerInvalid</c>, <c>FhirDeid.BlobInvalid</c>, <c>FhirDeid.PermissionInvalid</c>, <c>FhirDeid.StartTimeInvalid</c>, <c>FhirDeid.ExpiryInvalid</c>, <c>FhirDeid.IPAddressRangeInvalid</c>, <c>FhirDeid.StorageAccountMismatch</c>: nothing was sent. <c>FhirDeid.ContainerHoldsKeys</c>, <c>FhirDeid.NotDeidentified</c>, <c>FhirDeid.ForeignUrl</c>, <c>FhirDeid.ContainerNotFound</c>, <c>FhirDeid.BlobNotFound</c>, <c>FhirDeid.StorageForbidden</c>; with an export to read also those of <see cref="GetExportAsync"/>, because the service is asked for it again.</exception>
    Task<ExportSasToken> CreateSasTokenAsync(ExportSasRequest request, CancellationToken cancellation);

    /// <summary>Downloads the files of an export and checks them: lines against the manifest's count, resource type and marks of each line. What an earlier run has received is checked and not fetched again; a file that was cut off goes on where it ended.</summary>
    /// <param name="export">The completed export.</param>
    /// <param name="options">Where to, and what is asked of the files. In the folder, <c>manifest.json</c> lists the files with their hashes.</param>
    /// <param name="progress">Told how far the export has come.</param>
    /// <param name="cancellation">Stops; what has come stays for the next run.</param>
    /// <returns>Each file once it is complete. After a file that fails no other is begun.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ExportNotCompleted</c>, <c>FhirDeid.NotDeidentified</c>, <c>FhirDeid.ForeignUrl</c>, <c>FhirDeid.ManifestInvalid</c>, <c>FhirDeid.CountMismatch</c>, <c>FhirDeid.FileInvalid</c>, <c>FhirDeid.FileExists</c>, <c>FhirDeid.FileChanged</c>, <c>FhirDeid.FolderInUse</c>, <c>FhirDeid.DiskFull</c>, <c>FhirDeid.BlobChanged</c>, <c>FhirDeid.BlobNotFound</c>, <c>FhirDeid.StorageForbidden</c>, <c>FhirDeid.StorageUnreachable</c>, <c>FhirDeid.FileUnwritable</c>.</exception>
    IAsyncEnumerable<ReceivedFhirFile> ReceiveExportAsync(FhirExport export, FhirReceiveOptions options, IProgress<FhirDeidProgress> progress, CancellationToken cancellation);

    /// <summary>Reads the text of the configuration that an export was asked for, keys included.</summary>
    /// <param name="export">The export.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The text of the version that the ETag pins; null where it is no longer there, may not be read, or is in an image.</returns>
    Task<string?> ReadConfigAsync(FhirExport export, CancellationToken cancellation);

    /// <summary>Looks at the beginning of each file of an export for the marks that its configuration leaves.</summary>
    /// <param name="export">The completed export.</param>
    /// <param name="marks">The marks by resource type.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>One line for each file that lacks them.</returns>
    /// <exception cref="FhirDeidException">What the storage account says.</exception>
    Task<IReadOnlyList<string>> CheckMarksAsync(FhirExport export, IReadOnlyDictionary<string, FhirResourceMark> marks, CancellationToken cancellation);

    /// <summary>Lists blobs to de-identify here.</summary>
    /// <param name="container">The container.</param>
    /// <param name="named">Which names are wanted.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The blobs, by name.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ContainerInvalid</c>, <c>FhirDeid.BlobNotFound</c>, <c>FhirDeid.StorageForbidden</c>, <c>FhirDeid.StorageUnreachable</c>, <c>FhirDeid.StorageAccountMissing</c>.</exception>
    Task<IReadOnlyList<IDeidentificationInput>> InputsAsync(string container, Func<string, bool> named, CancellationToken cancellation);

    /// <summary>Names the files of an export, to de-identify them here.</summary>
    /// <param name="export">An export that has ended with files, de-identified or not.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The files, as the manifest lists them.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ForeignUrl</c>, <c>FhirDeid.BlobNotFound</c>, <c>FhirDeid.StorageForbidden</c>, <c>FhirDeid.StorageUnreachable</c>, <c>FhirDeid.StorageAccountMissing</c>.</exception>
    Task<IReadOnlyList<IDeidentificationInput>> InputsAsync(FhirExport export, CancellationToken cancellation);

    /// <summary>A container for results. It is created with the first of them where it is missing.</summary>
    /// <param name="container">The container.</param>
    /// <returns>The container; nothing is sent yet.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ContainerInvalid</c>, <c>FhirDeid.ContainerHoldsKeys</c>, <c>FhirDeid.StorageAccountMissing</c>.</exception>
    IDeidentificationTarget Target(string container);
}
