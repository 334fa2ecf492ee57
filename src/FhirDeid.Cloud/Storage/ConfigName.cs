namespace FhirDeid.Cloud.Storage;

/// <summary>Blob names of configurations.</summary>
internal static class ConfigName
{
    /// <summary>Refuses names that the storage service or the FHIR service would read as something else. Folders by <c>/</c> are allowed.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigNameInvalid</c>.</exception>
    public static void Check(string name)
    {
        // The FHIR service decodes the name once more and refuses '..' between slashes or backslashes; URLs lose '.' and empty segments.
        if (name.Length <= 1024 && name.Trim() == name && !name.Any(char.IsControl) && !name.Contains('\\')
            && Uri.UnescapeDataString(name) == name
            && name.Split('/').All(segment => segment.Length > 0 && !segment.EndsWith('.') && !segment.Contains("..", StringComparison.Ordinal)))
            return;
        throw new FhirDeidException("ConfigNameInvalid", FhirDeidErrorCategory.InvalidArgument,
            $"'{ServiceText.OneLine(name)}' cannot be the name of a configuration.",
            "Use a file name such as safe-harbor.json: no '..', no backslash, no slash at the ends, no escapes, no blanks around it.", name);
    }
}
