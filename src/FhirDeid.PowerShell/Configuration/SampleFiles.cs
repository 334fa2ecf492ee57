using FhirDeid.PowerShell.Loading;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Files of FHIR data to look at.</summary>
internal static class SampleFiles
{
    /// <summary>A file, or those of a folder that Invoke-FhirDeid would take.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.FileNotFound</c>: a folder has none.</exception>
    public static IReadOnlyList<string> Of(string path)
    {
        string[] files = [.. Engine.Anonymization.Files(path, "/").Select(file => file.FullName)];
        return files.Length > 0 ? files : throw new FhirDeidException("FileNotFound", FhirDeidErrorCategory.ObjectNotFound,
            $"There is no FHIR data in '{path}': nothing was looked at.", "Give files, or a folder with .ndjson or .json files, or those with .gz.", path);
    }
}
