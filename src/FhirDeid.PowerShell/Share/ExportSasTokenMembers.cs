using System.Management.Automation;

namespace FhirDeid.PowerShell.Share;

/// <summary>The hidden members <c>Uri</c> and <c>Token</c> of a link, as FhirDeid.PowerShell.types.ps1xml names them.</summary>
public static class ExportSasTokenMembers
{
    /// <summary>The whole link, with its signature.</summary>
    /// <param name="link">The link.</param>
    public static Uri? Uri(PSObject link) => (link?.BaseObject as ExportSasToken)?.GetUri();

    /// <summary>The link's query, with its signature.</summary>
    /// <param name="link">The link.</param>
    public static string? Token(PSObject link) => (link?.BaseObject as ExportSasToken)?.GetToken();
}
