using System.Reflection;
using System.Runtime.InteropServices;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Engines;
using BenchmarkDotNet.Filters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace FhirDeid.Benchmarks;

/// <summary>Measures the table of the README and compares it with the committed baseline. <c>--memory</c> adds the file of 2 GB, <c>--write-baseline</c> makes this run the baseline.</summary>
internal static class Program
{
    /// <summary>Baselines and engine take turns this often; the first turn warms up and does not count.</summary>
    private const int Rounds = 5;

    public static string Metadata(string key) =>
        typeof(Program).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(data => data.Key == key).Value!;

    public static int Main(string[] args)
    {
        if (ModuleProcess.Host(args) is { } exitCode)
            return exitCode;

        Figures figures = new();
        AddEngine(figures);
        AddModule(figures, withMemory: args.Contains("--memory"));

        string machine = $"{Environment.ProcessorCount} cores, {RuntimeInformation.OSArchitecture}, {RuntimeInformation.FrameworkDescription}, {ModuleProcess.Engine}";
        string table = $"{figures.Table()}\n{machine}\n";
        string file = Path.Combine(Metadata("Repository"), "artifacts", "benchmarks.md");
        File.WriteAllText(file, table);
        Console.WriteLine($"\n{table}\nWritten to {file}.");
        if (args.Contains("--write-baseline"))
        {
            figures.WriteBaseline(machine);
            return 0;
        }
        string[] worse = figures.Worse();
        foreach (string line in worse)
            Console.Error.WriteLine(line);
        return worse.Length > 0 ? 1 : 0;
    }

    private static void AddEngine(Figures figures)
    {
        HashSet<string> refused = [];
        if (!Rules.AreRun(Rules.WithConditions))
            refused.Add(nameof(EngineBenchmarks.Conditions));
        if (!Rules.AreRun(Rules.WithRareFunctions))
            refused.UnionWith([nameof(EngineBenchmarks.RareFunctions), nameof(EngineBenchmarks.FirelySdkOfFiveTypes)]);
        IConfig config = ManualConfig.CreateEmpty()
            .AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithStrategy(RunStrategy.Monitoring)
                .WithInvocationCount(1).WithUnrollFactor(1).WithWarmupCount(1).WithIterationCount(5))
            .AddColumnProvider(DefaultColumnProviders.Instance).AddLogger(new ConsoleLogger()).WithArtifactsPath(Path.Combine(Metadata("Repository"), "artifacts"))
            .AddFilter(new SimpleFilter(benchmark => !refused.Contains(benchmark.Descriptor.WorkloadMethod.Name)));

        List<Summary> rounds = [];
        for (int round = 0; round < Rounds; round++)
            rounds.Add(BenchmarkRunner.Run<EngineBenchmarks>(config));
        rounds.RemoveAt(0);

        foreach (Lines data in EngineBenchmarks.Sets)
        {
            // The fastest pass of a round: what else runs on the machine only ever adds to it.
            double? Seconds(Summary round, string benchmark) => Report(round, benchmark, data)?.ResultStatistics?.Min / 1e9;
            double? Ratio(string baseline, string benchmark) => refused.Contains(benchmark) ? null
                : rounds.Select(round => Seconds(round, baseline)!.Value / Seconds(round, benchmark)!.Value).Median();
            double Rate(string benchmark) => rounds.Select(round => data.Size / 1e6 / Seconds(round, benchmark)!.Value).Median();

            figures.Add(new Figure("(a) bare token copy, MB/s", data.Name, Rate(nameof(EngineBenchmarks.TokenCopy)), null, true, "0"));
            figures.Add(new Figure("the same by way of .NET strings, MB/s", data.Name, Rate(nameof(EngineBenchmarks.StringCopy)), null, true, "0"));
            figures.Add(new Figure("(b) Firely SDK parse and serialize, MB/s", data.Name, Rate(nameof(EngineBenchmarks.FirelySdk)), null, true, "0.0"));
            figures.Add(new Figure("190 rules, one thread, MB/s", data.Name, Rate(nameof(EngineBenchmarks.OneThread)), null, true, "0"));
            figures.Add(new Figure("190 rules, one thread, throughput / (a)", data.Name, Ratio(nameof(EngineBenchmarks.TokenCopy), nameof(EngineBenchmarks.OneThread)), 0.5, true));
            figures.Add(new Figure("190 rules, one thread, throughput / (a) by way of .NET strings", data.Name, Ratio(nameof(EngineBenchmarks.StringCopy), nameof(EngineBenchmarks.OneThread)), 0.5, true));
            figures.Add(new Figure("190 rules, one thread, throughput / (b)", data.Name, Ratio(nameof(EngineBenchmarks.FirelySdk), nameof(EngineBenchmarks.OneThread)), 4.5, true));
            figures.Add(new Figure("five `where(…)` rules more, throughput / without", data.Name, Ratio(nameof(EngineBenchmarks.OneThread), nameof(EngineBenchmarks.Conditions)), 0.3, true));
            figures.Add(new Figure("resources with rules of rare functions, throughput / (b)", data.Name, Ratio(nameof(EngineBenchmarks.FirelySdkOfFiveTypes), nameof(EngineBenchmarks.RareFunctions)), 0.5, true));
            figures.Add(new Figure("engine, allocated bytes a byte of input", data.Name,
                Report(rounds[^1], nameof(EngineBenchmarks.OneThread), data)!.GcStats.GetTotalAllocatedBytes(excludeAllocationQuantumSideEffects: true) / (double)data.Size, 0.05, false, "0.000"));
        }
    }

    private static BenchmarkReport? Report(Summary round, string benchmark, Lines data) => round.Reports.SingleOrDefault(report =>
        report.BenchmarkCase.Descriptor.WorkloadMethod.Name == benchmark && ((Lines)report.BenchmarkCase.Parameters[nameof(EngineBenchmarks.Data)]).Name == data.Name);

    private static void AddModule(Figures figures, bool withMemory)
    {
        using ModuleBenchmarks module = new();
        figures.Add(new Figure("`Invoke-FhirDeid`, two threads / one thread", "sample", module.Scaling(), 1.8, true));
        (double growth, double allocated) = module.Growth();
        figures.Add(new Figure("`Invoke-FhirDeid`, time for 2× the data / for 1×", "sample", growth, 2.05, false));
        figures.Add(new Figure("`Invoke-FhirDeid`, allocated bytes a byte of input", "sample", allocated, 0.05, false, "0.000"));
        figures.Add(new Figure("new process, one Patient, above bare engine start, ms", "sample", module.Start().TotalMilliseconds, 400, false, "0"));
        (double Small, double Large)? peak = withMemory ? module.Memory() : null;
        figures.Add(new Figure("peak working set, 20 MB, MiB", "sample", peak?.Small, 250, false, "0"));
        figures.Add(new Figure("peak working set, 2 GB, MiB", "sample", peak?.Large, 250, false, "0"));
        figures.Add(new Figure("peak working set, 2 GB less 20 MB, MiB", "sample", peak?.Large - peak?.Small, 50, false, "0"));
    }
}
