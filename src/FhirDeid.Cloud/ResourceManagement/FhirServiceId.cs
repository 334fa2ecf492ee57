using System.Text.RegularExpressions;

namespace FhirDeid.Cloud.ResourceManagement;

/// <summary>Resource id of a FHIR service, in its parts.</summary>
internal sealed partial record FhirServiceId(string SubscriptionId, string ResourceGroupName, string WorkspaceName, string ServiceName)
{
    /// <summary>Reads a resource id.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ResourceIdInvalid</c>.</exception>
    public static FhirServiceId Parse(string resourceId)
    {
        Match match = Form().Match(resourceId.Trim());
        if (match.Success) return new FhirServiceId(match.Groups[1].Value, match.Groups[2].Value, match.Groups[3].Value, match.Groups[4].Value);
        throw new FhirDeidException("ResourceIdInvalid", FhirDeidErrorCategory.InvalidArgument, $"'{ServiceText.OneLine(resourceId)}' is not the resource id of a FHIR service.",
            "Give /subscriptions/…/resourceGroups/…/providers/Microsoft.HealthcareApis/workspaces/…/fhirservices/…, as the properties of the service show it. An Azure API for FHIR has no such id: connect to it by -FhirServiceUri.", resourceId);
    }

    /// <summary>URL of the service. The resource itself does not tell it.</summary>
    public Uri Uri(AzureCloud cloud) => new($"https://{WorkspaceName}-{ServiceName}.{cloud.FhirSuffix}".ToLowerInvariant());

    /// <summary>The resource id.</summary>
    public override string ToString() =>
        $"/subscriptions/{SubscriptionId}/resourceGroups/{ResourceGroupName}/providers/Microsoft.HealthcareApis/workspaces/{WorkspaceName}/fhirservices/{ServiceName}";

    [GeneratedRegex(@"\A/?subscriptions/([0-9a-f-]{36})/resourceGroups/([^/?#]{1,90})/providers/Microsoft\.HealthcareApis/workspaces/([A-Za-z0-9-]{3,24})/fhirservices/([A-Za-z0-9-]{3,24})/?\z", RegexOptions.IgnoreCase)]
    private static partial Regex Form();
}
