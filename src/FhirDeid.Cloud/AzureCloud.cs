using Azure.Identity;

namespace FhirDeid.Cloud;

/// <summary>Endpoints that differ between the clouds of Azure.</summary>
/// <param name="Environment">Which cloud.</param>
/// <param name="AuthorityHost">Where service principals and users get tokens.</param>
/// <param name="ResourceManager">The resource manager; without its trailing slash it is the audience of its tokens.</param>
/// <param name="FhirSuffix">What follows workspace and name in the host of a FHIR service.</param>
/// <param name="BlobSuffix">What follows the account's name in the host of its blob service.</param>
internal sealed record AzureCloud(AzureEnvironment Environment, Uri AuthorityHost, Uri ResourceManager, string FhirSuffix, string BlobSuffix)
{
    private static readonly AzureCloud[] All =
    [
        new(AzureEnvironment.AzureCloud, AzureAuthorityHosts.AzurePublicCloud, new("https://management.azure.com"), "fhir.azurehealthcareapis.com", "blob.core.windows.net"),
        new(AzureEnvironment.AzureUSGovernment, AzureAuthorityHosts.AzureGovernment, new("https://management.usgovcloudapi.net"), "fhir.azurehealthcareapis.us", "blob.core.usgovcloudapi.net"),
        new(AzureEnvironment.AzureChinaCloud, AzureAuthorityHosts.AzureChina, new("https://management.chinacloudapi.cn"), "fhir.azurehealthcareapis.cn", "blob.core.chinacloudapi.cn"),
    ];

    /// <summary>Audience of the resource manager's tokens.</summary>
    public string ResourceManagerAudience => ResourceManager.GetLeftPart(UriPartial.Authority);

    /// <summary>The cloud that is named; else the one that a FHIR service stands in, by its host, where a host of one's own counts as public; else the public one.</summary>
    public static AzureCloud Of(Uri? fhirService, AzureEnvironment? environment = null) => environment is { } named
        ? All.Single(cloud => cloud.Environment == named)
        : All.FirstOrDefault(cloud => fhirService?.Host.EndsWith(cloud.FhirSuffix["fhir".Length..], StringComparison.OrdinalIgnoreCase) == true) ?? All[0];
}
