using Azure.Identity;

namespace FhirDeid.Cloud;

/// <summary>Endpoints that differ between the clouds of Azure.</summary>
/// <param name="AuthorityHost">Where service principals get tokens.</param>
/// <param name="BlobSuffix">What follows the account's name in the host of its blob service.</param>
internal sealed record AzureCloud(Uri AuthorityHost, string BlobSuffix)
{
    private static readonly AzureCloud Public = new(AzureAuthorityHosts.AzurePublicCloud, "blob.core.windows.net");
    private static readonly AzureCloud Government = new(AzureAuthorityHosts.AzureGovernment, "blob.core.usgovcloudapi.net");

    /// <summary>The cloud that a FHIR service stands in, by its host; a host of one's own counts as public.</summary>
    public static AzureCloud Of(Uri fhirService) =>
        fhirService.Host.EndsWith(".azurehealthcareapis.us", StringComparison.OrdinalIgnoreCase) ? Government : Public;
}
