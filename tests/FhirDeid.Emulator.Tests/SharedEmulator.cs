using FhirDeid.Tests;

[assembly: AssemblyFixture(typeof(SharedEmulator))]

namespace FhirDeid.Tests;

/// <summary>One emulator for all tests that do not stop it: three patients in NDJSON, and a Bundle with two observations over many lines.</summary>
public sealed class SharedEmulator : IAsyncLifetime
{
    private readonly TestFolder _data = new();
    private Service? _service;

    public Service Service => _service!;

    public async ValueTask InitializeAsync()
    {
        _data.Write("a/Patient.ndjson", """
            {"resourceType":"Patient","id":"p1","meta":{"lastUpdated":"2024-01-01T00:00:00Z"},"name":[{"family":"Größe"}]}
            {"id":"p2","meta":{"lastUpdated":"2025-01-01T00:00:00+00:00"},"resourceType":"Patient"}

            {"resourceType":"Patient","id":"p3"}
            """);
        _data.Write("b/bundle.json", """
            {
              "entry": [
                { "fullUrl": "urn:x", "resource": { "resourceType": "Observation", "id": "o1", "note": [ { "text": "a  \"b\" \\" } ],
                    "status": "final", "code": { "text": "x" } } },
                { "resource": {
                    "resourceType": "Observation", "id": "o2" } }
              ],
              "resourceType": "Bundle",
              "type": "collection"
            }
            """);
        _data.Write("b/ignored.txt", "not data");
        _service = await Service.StartAsync(new FhirDeidEmulatorOptions { DataPath = _data.FullName });
    }

    public async ValueTask DisposeAsync()
    {
        if (_service is not null) await _service.StopAsync();
        _service?.Dispose();
        _data.Dispose();
    }
}

/// <summary>A folder of one test, gone with it.</summary>
public sealed class TestFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("fhirdeid-test-");

    public string FullName => _folder.FullName;

    public string Write(string name, string content)
    {
        string path = Path.Combine(FullName, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        return path;
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
