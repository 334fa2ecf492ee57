using System.Reflection;
using System.Runtime.Loader;

namespace FhirDeid.PowerShell.Loading;

/// <summary>The libraries behind the cmdlets. They and everything they use load on first use, from <c>engine/</c> into a context of their own, so that other modules' versions of the same libraries do not meet ours.</summary>
internal static class Engine
{
    /// <summary>Folder of the module, wherever it was imported from.</summary>
    public static string ModuleFolder { get; } = Path.GetDirectoryName(typeof(Engine).Assembly.Location) ?? "";

    private static readonly Lazy<EngineLoadContext> s_context = new(() => new EngineLoadContext(Path.Combine(ModuleFolder, "engine")));
    private static readonly Lazy<IAnonymization> s_anonymization = new(() => Create<IAnonymization>("FhirDeid.Anonymization", "AnonymizationEngine"));
    private static readonly Lazy<IAnonymizationAuthoring> s_authoring = new(() => Create<IAnonymizationAuthoring>("FhirDeid.Anonymization", "Authoring.AnonymizationAuthoring"));
    private static readonly Lazy<IAnonymizationAnalysis> s_analysis = new(() => Create<IAnonymizationAnalysis>("FhirDeid.Anonymization", "ConfigurationAnalysis"));
    private static readonly Lazy<ISampleData> s_sampleData = new(() => Create<ISampleData>("FhirDeid.SampleData", "SampleData"));
    private static readonly Lazy<ICloud> s_cloud = new(() => Create<ICloud>("FhirDeid.Cloud", "CloudEngine"));
    private static readonly Lazy<IEmulators> s_emulators = new(() => Create<IEmulators>("FhirDeid.Cloud", "Emulation.Emulators"));

    public static IAnonymization Anonymization => s_anonymization.Value;

    public static IAnonymizationAuthoring Authoring => s_authoring.Value;

    public static IAnonymizationAnalysis Analysis => s_analysis.Value;

    public static ISampleData SampleData => s_sampleData.Value;

    public static ICloud Cloud => s_cloud.Value;

    public static IEmulators Emulators => s_emulators.Value;

    private static T Create<T>(string assembly, string type)
    {
        try
        {
            Assembly loaded = s_context.Value.LoadFromAssemblyName(new AssemblyName(assembly));
            return (T)Activator.CreateInstance(loaded.GetType($"{assembly}.{type}", throwOnError: true)!, nonPublic: true)!;
        }
        catch (Exception exception) when (exception is IOException or BadImageFormatException or TypeLoadException or MissingMemberException)
        {
            throw new FhirDeidException("ModuleIncomplete", FhirDeidErrorCategory.NotInstalled,
                $"The module's library {assembly} cannot be loaded: the installation is incomplete.",
                "Install the module again and start a new session.", assembly, exception);
        }
    }

    private sealed class EngineLoadContext(string folder) : AssemblyLoadContext("FhirDeid.PowerShell")
    {
        protected override Assembly? Load(AssemblyName assemblyName)
        {
            // The types of the border must be the cmdlets' own.
            Assembly contracts = typeof(FhirDeidException).Assembly;
            if (assemblyName.Name == contracts.GetName().Name) return contracts;

            string file = assemblyName.Name + ".dll";
            if (IsInRuntime(assemblyName, file)) return null;
            string path = ForWindows(file) ?? Path.Combine(folder, file);
            return File.Exists(path) ? LoadFromAssemblyPath(path) : null;
        }

        /// <summary>Whether the runtime brings a library as new as ours, or newer. No other module can put its own in that place, and it is compiled ahead of time, as the one of the package is not.</summary>
        private static bool IsInRuntime(AssemblyName assemblyName, string file)
        {
            string path = Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, file);
            return file.StartsWith("System.", StringComparison.Ordinal) && File.Exists(path) && AssemblyName.GetAssemblyName(path).Version >= assemblyName.Version;
        }

        /// <summary>A few packages have another library for Windows, below <c>runtimes/</c>.</summary>
        private string? ForWindows(string file)
        {
            string runtimes = Path.Combine(folder, "runtimes", "win");
            return OperatingSystem.IsWindows() && Directory.Exists(runtimes) ? Directory.EnumerateFiles(runtimes, file, SearchOption.AllDirectories).FirstOrDefault() : null;
        }
    }
}
