namespace FhirDeid;

/// <summary>A running emulator of the FHIR service, its token endpoint, its storage account and the resource manager of both, on loopback.</summary>
public sealed class FhirDeidEmulator
{
    /// <summary>Process id of the emulator.</summary>
    public int ProcessId { get; set; }

    /// <summary>Base URL of the FHIR service.</summary>
    public Uri? FhirServiceUri { get; set; }

    /// <summary>URL of the token endpoint, which answers OAuth 2.0 client credentials requests.</summary>
    public Uri? TokenEndpoint { get; set; }

    /// <summary>Base URL of the blob service, with the account name in the path.</summary>
    public Uri? BlobEndpoint { get; set; }

    /// <summary>Name of the storage account.</summary>
    public string StorageAccountName { get; set; } = "";

    /// <summary>Base URL of the resource manager.</summary>
    public Uri? ResourceManagerEndpoint { get; set; }

    /// <summary>Id of the subscription.</summary>
    public string SubscriptionId { get; set; } = "";

    /// <summary>Name of the resource group.</summary>
    public string ResourceGroupName { get; set; } = "";

    /// <summary>Name of the workspace.</summary>
    public string WorkspaceName { get; set; } = "";

    /// <summary>Name of the FHIR service in its workspace.</summary>
    public string FhirServiceName { get; set; } = "";

    /// <summary>Resource id of the FHIR service.</summary>
    public string ResourceId { get; set; } = "";

    /// <summary>Resource id of the storage account.</summary>
    public string StorageAccountId { get; set; } = "";

    /// <summary>Value of IDENTITY_ENDPOINT with which a program gets tokens of the emulator's managed identity for callers.</summary>
    public Uri? IdentityEndpoint { get; set; }

    /// <summary>Value of IDENTITY_HEADER that goes with it. A secret: whoever knows it gets tokens.</summary>
    public string IdentityHeader { get; set; } = "";

    /// <summary>Certificate authority of this run, PEM; trusted for loopback by emulator connections alone.</summary>
    public string CertificateAuthority { get; set; } = "";

    /// <inheritdoc/>
    public override string ToString() => FhirServiceUri?.ToString() ?? "";
}

/// <summary>What a service may lack at the start, to see how an export fails without it.</summary>
[Flags]
public enum FhirServiceSetting
{
    /// <summary>Nothing.</summary>
    None = 0,
    /// <summary>The system-assigned managed identity, and with it its role: turned on later, it is a new one.</summary>
    Identity = 1,
    /// <summary>Storage Blob Data Contributor of that identity on the storage account.</summary>
    BlobRole = 2,
    /// <summary>The export storage account.</summary>
    ExportStorage = 4,
    /// <summary>De-identified exports, as on services that do not offer them.</summary>
    AnonymizedExport = 8,
}

/// <summary>How to start an emulator.</summary>
public sealed class FhirDeidEmulatorOptions
{
    /// <summary>Folder of the emulator program.</summary>
    public string ProgramFolder { get; set; } = "";

    /// <summary>File or folder of NDJSON or JSON Bundles to serve, or null for generated patients.</summary>
    public string? DataPath { get; set; }

    /// <summary>Number of generated patients, when no data path is given.</summary>
    public int PatientCount { get; set; } = 20;

    /// <summary>Seed of the generated patients.</summary>
    public int Seed { get; set; } = 1;

    /// <summary>Port of the FHIR service; 0 picks a free one.</summary>
    public int Port { get; set; }

    /// <summary>What the service lacks at the start.</summary>
    public FhirServiceSetting Without { get; set; }
}
