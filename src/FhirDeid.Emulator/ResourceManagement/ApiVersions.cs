using Microsoft.Extensions.Primitives;

namespace FhirDeid.Emulator.ResourceManagement;

/// <summary>The api-versions of each resource provider, oldest first.</summary>
internal static class ApiVersions
{
    /// <summary>The newest version of Microsoft.HealthcareApis that is generally available.</summary>
    public const string NewestHealthcareApis = "2024-03-31";

    private static readonly Dictionary<string, string[]> Supported = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Microsoft.Resources"] =
        [
            "2016-06-01", "2018-05-01", "2019-06-01", "2019-10-01", "2019-11-01", "2020-01-01", "2020-06-01", "2020-10-01", "2021-01-01", "2021-04-01",
            "2022-09-01", "2022-12-01", "2023-07-01", "2024-03-01", "2024-07-01", "2024-11-01", "2025-04-01",
        ],
        ["Microsoft.HealthcareApis"] =
            ["2021-11-01", "2022-05-15", "2022-06-01", "2022-12-01", "2023-02-28", "2023-09-06", "2023-11-01", "2023-12-01", "2024-03-01", NewestHealthcareApis],
        ["Microsoft.Storage"] =
        [
            "2019-06-01", "2020-08-01-preview", "2021-01-01", "2021-02-01", "2021-04-01", "2021-06-01", "2021-08-01", "2021-09-01", "2022-05-01", "2022-09-01",
            "2023-01-01", "2023-04-01", "2023-05-01", "2024-01-01", "2025-01-01", "2025-06-01",
        ],
        ["Microsoft.Authorization"] =
        [
            "2015-07-01", "2017-10-01-preview", "2018-01-01-preview", "2018-07-01", "2018-09-01-preview", "2020-03-01-preview", "2020-04-01-preview",
            "2020-08-01-preview", "2020-10-01-preview", "2022-04-01",
        ],
    };

    /// <summary>Reads the api-version of a request.</summary>
    /// <exception cref="ArmException">There is none, or the provider in the path does not know it.</exception>
    public static string Read(HttpRequest request)
    {
        if (StringValues.IsNullOrEmpty(request.Query["api-version"]))
            throw new ArmException(400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.");

        string version = request.Query["api-version"].ToString();
        string[] segments = request.Path.Value!.Split('/');
        int providers = Array.FindLastIndex(segments, segment => segment.Equals("providers", StringComparison.OrdinalIgnoreCase));
        string provider = providers >= 0 && providers + 1 < segments.Length ? segments[providers + 1] : "Microsoft.Resources";
        if (!Supported.TryGetValue(provider, out string[]? versions))
            throw new ArmException(404, "InvalidResourceNamespace", $"The resource namespace '{provider}' is invalid.");
        if (!versions.Contains(version, StringComparer.OrdinalIgnoreCase))
            throw new ArmException(400, "InvalidApiVersionParameter", $"The api-version '{version}' is invalid. The supported versions are '{string.Join(',', versions.Reverse())}'.");
        return version;
    }
}
