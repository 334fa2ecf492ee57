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
    /// <param name="cancellation">Stops.</param>
    /// <returns>One check after the other, as they come out.</returns>
    IAsyncEnumerable<FhirDeidCheck> CheckReadinessAsync(CancellationToken cancellation);

    /// <summary>Uploads a configuration to container <c>anonymization</c>, reads it back and compares.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="configName">Blob name.</param>
    /// <param name="force">Replaces a different blob of that name.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>Name, ETag and hash. The same content under the same name is left as it is.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigExists</c>, <c>FhirDeid.ConfigNameInvalid</c>, <c>FhirDeid.ConfigTooLarge</c>, <c>FhirDeid.AccessTokenIsForFhirOnly</c>, <c>FhirDeid.StorageForbidden</c>, <c>FhirDeid.StorageUnreachable</c>, <c>FhirDeid.StorageAccountMissing</c>.</exception>
    Task<PublishedAnonymizationConfig> PublishConfigAsync(AnonymizationConfig config, string configName, bool force, CancellationToken cancellation);

    /// <summary>Starts a de-identified export at system level.</summary>
    /// <param name="request">What to export, with which configuration, where to. A blank configuration or container is refused.</param>
    /// <param name="cancellation">Stops waiting for the answer.</param>
    /// <returns>The accepted export.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigRequired</c>, <c>FhirDeid.ConfigNameInvalid</c>, <c>FhirDeid.ConfigETagInvalid</c>, <c>FhirDeid.ContainerRequired</c>, <c>FhirDeid.ContainerInvalid</c>, <c>FhirDeid.ResourceTypeInvalid</c>: nothing was sent. <c>FhirDeid.Forbidden</c>, <c>FhirDeid.Unauthorized</c>, <c>FhirDeid.ExportRefused</c>, <c>FhirDeid.Throttled</c>, <c>FhirDeid.ServiceUnavailable</c>, <c>FhirDeid.EndpointUnreachable</c>: no export runs. <c>FhirDeid.ExportUncertain</c>: one may.</exception>
    Task<FhirExport> StartExportAsync(FhirExportRequest request, CancellationToken cancellation);

    /// <summary>Asks once how an export stands.</summary>
    /// <param name="export">The export.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The export as it is now. A failed job is an export with status Failed, not an exception.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ExportNotFound</c>, <c>FhirDeid.Forbidden</c>, <c>FhirDeid.Unauthorized</c>, <c>FhirDeid.ForeignUrl</c>, <c>FhirDeid.ManifestInvalid</c>; <c>FhirDeid.Throttled</c>, <c>FhirDeid.ServiceUnavailable</c>, <c>FhirDeid.EndpointUnreachable</c>: asking again later can help.</exception>
    Task<FhirExport> GetExportAsync(FhirExport export, CancellationToken cancellation);

    /// <summary>Downloads one file of an export and checks it: lines against the manifest's count, and the resource type of each line.</summary>
    /// <param name="export">The completed export.</param>
    /// <param name="file">One of its outputs.</param>
    /// <param name="destination">Full path; appears only when complete, readable by its owner alone.</param>
    /// <param name="force">Replaces a file of that name, once the new one is complete.</param>
    /// <param name="progress">Told how far the file has come.</param>
    /// <param name="cancellation">Stops; no file remains.</param>
    /// <returns>The local file.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.NotDeidentified</c>, <c>FhirDeid.ForeignUrl</c>, <c>FhirDeid.CountMismatch</c>, <c>FhirDeid.FileInvalid</c>, <c>FhirDeid.FileExists</c>, <c>FhirDeid.StorageForbidden</c>, <c>FhirDeid.FileUnwritable</c>.</exception>
    Task<ReceivedFhirFile> ReceiveFileAsync(FhirExport export, FhirExportFile file, string destination, bool force,
        IProgress<FhirDeidProgress> progress, CancellationToken cancellation);
}
