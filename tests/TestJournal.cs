using System.Runtime.CompilerServices;

namespace FhirDeid.Tests;

/// <summary>The journal of the tests' exports: a folder of the run, in place of the one of whoever runs them.</summary>
internal static class TestJournal
{
    [ModuleInitializer]
    public static void Redirect()
    {
        if (Environment.GetEnvironmentVariable("FHIRDEID_JOURNAL") is not null) return;
        string folder = Directory.CreateTempSubdirectory("FhirDeid journal ").FullName;
        Environment.SetEnvironmentVariable("FHIRDEID_JOURNAL", folder);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
    }
}
