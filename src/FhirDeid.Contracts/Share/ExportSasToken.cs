using System.Text.RegularExpressions;

namespace FhirDeid;

/// <summary>A link to exported files: a user delegation SAS and its terms.</summary>
/// <remarks>
/// The link itself is a secret: whoever has it has the access. It is no property, so that nothing that lists properties (formats, <c>Select-Object *</c>,
/// <c>ConvertTo-Json</c>, <c>Export-Csv</c>, <c>Export-Clixml</c>) writes it; <see cref="GetUri"/> and <see cref="GetToken"/> give it. In PowerShell the hidden members
/// <c>Uri</c> and <c>Token</c> are the same, by name alone.
/// </remarks>
public sealed partial class ExportSasToken
{
    private readonly Uri? _uri;

    /// <summary>Creates a link without an address, for mocks.</summary>
    public ExportSasToken()
    {
    }

    /// <summary>Creates a link.</summary>
    /// <param name="uri">The whole link, with its signature.</param>
    public ExportSasToken(Uri uri) => _uri = uri;

    /// <summary>Storage account.</summary>
    public string StorageAccountName { get; set; } = "";

    /// <summary>Container.</summary>
    public string Container { get; set; } = "";

    /// <summary>Blob; empty for the whole container, with whatever is written there later.</summary>
    public string Blob { get; set; } = "";

    /// <summary>Permissions, as letters in the order of the storage service: <c>racwdxyltmeopi</c>.</summary>
    public string Permission { get; set; } = "";

    /// <summary>When the link begins to work.</summary>
    public DateTimeOffset StartsOn { get; set; }

    /// <summary>When the link ends.</summary>
    public DateTimeOffset ExpiresOn { get; set; }

    /// <summary>IPv4 address or range that the link works from; empty for any. Azure does not check it for traffic within its region.</summary>
    public string IPAddressRange { get; set; } = "";

    /// <summary>Object id of the identity whose user delegation key signs the link: its roles are the most that the link can do.</summary>
    public string SignedBy { get; set; } = "";

    /// <summary>The whole link, with the signature: a secret.</summary>
    /// <returns>The link; null where there is none.</returns>
    public Uri? GetUri() => _uri;

    /// <summary>The link's query without the question mark, with the signature: a secret.</summary>
    /// <returns>Text; empty where there is no link.</returns>
    public string GetToken() => _uri?.Query.TrimStart('?') ?? "";

    /// <summary>The link with its signature masked.</summary>
    /// <returns>Text without the secret.</returns>
    public override string ToString() => Signature().Replace(_uri?.AbsoluteUri ?? "", "sig=***");

    [GeneratedRegex("(?<=[?&])sig=[^&]*")]
    private static partial Regex Signature();
}

/// <summary>A link to make.</summary>
public sealed class ExportSasRequest
{
    /// <summary>Container.</summary>
    public string Container { get; set; } = "";

    /// <summary>Blob; empty for the whole container.</summary>
    public string Blob { get; set; } = "";

    /// <summary>Permissions: words of the storage service (Read, List) or its letters, in any order.</summary>
    public string[] Permission { get; set; } = [];

    /// <summary>When it begins to work; null for 15 minutes ago, so that clocks may differ.</summary>
    public DateTimeOffset? StartsOn { get; set; }

    /// <summary>When it ends, seven days from now at the latest; null for seven days after its start.</summary>
    public DateTimeOffset? ExpiresOn { get; set; }

    /// <summary>IPv4 address, or two with a hyphen between them; empty for any.</summary>
    public string IPAddressRange { get; set; } = "";

    /// <summary>The export whose files the link is for, or null. It proves its own files de-identified, and no others.</summary>
    public FhirExport? Export { get; set; }

    /// <summary>Makes a link for reading although files show no sign of de-identification. It opens neither keys nor an export that the service does not confirm.</summary>
    public bool Force { get; set; }
}

/// <summary>What a link is for.</summary>
public enum ExportSasPurpose
{
    /// <summary>To take files from: read and, for a container, list.</summary>
    Source,
    /// <summary>To put files into: write and, for a container, list.</summary>
    Target,
}
