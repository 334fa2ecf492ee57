namespace FhirDeid.Tests;

/// <summary>A folder for one test.</summary>
public sealed class TemporaryFolder(string name = "test") : IDisposable
{
    public string FullName { get; } = Directory.CreateTempSubdirectory($"FhirDeid {name} ").FullName;

    public string this[string file] => Path.Combine(FullName, file);

    public void Dispose() => Directory.Delete(FullName, recursive: true);
}
