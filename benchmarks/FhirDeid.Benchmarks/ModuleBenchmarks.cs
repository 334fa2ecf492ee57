using System.Text;

namespace FhirDeid.Benchmarks;

/// <summary>The built module end to end, in processes of its own: files in, files out.</summary>
internal sealed class ModuleBenchmarks : IDisposable
{
    private const int Runs = 3;

    private readonly string _folder = Directory.CreateTempSubdirectory("fhirdeid-benchmark-").FullName;

    /// <summary>Passes of one process: seconds for once and for twice the data, and the bytes that the second half of it allocates.</summary>
    private sealed record Passes(double Once, double Twice, double Allocated);

    private string Prologue => $"""
        $ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'
        Import-Module '{Program.Metadata("Module")}'
        function Run($name) {"{"}
            $destination = [IO.Path]::Combine('{_folder}', [Guid]::NewGuid().ToString())
            $clock = [Diagnostics.Stopwatch]::StartNew()
            $null = Invoke-FhirDeid "{_folder}/$name.ndjson" -Destination $destination -Configuration '{Rules.File}'
            $clock.Elapsed.TotalSeconds
            [IO.Directory]::Delete($destination, $true)
        {"}"}

        """;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Two threads against one, twice the data against once, and what is allocated.</summary>
    /// <returns>Throughput of two threads / of one; time of 2× / of 1×; allocated bytes a byte of input, the process being warm.</returns>
    public (double Scaling, double Growth, double Allocated) Bulk()
    {
        Lines once = Lines.Sample(48 << 20), twice = Lines.Sample(96 << 20);
        Write("once", once.Items);
        Write("twice", twice.Items);
        List<Passes> one = [], two = [];
        for (int run = 0; run < Runs; run++)
        {
            one.Add(Measure(threads: 1));
            two.Add(Measure(threads: 2));
        }
        return (one.Select(run => run.Twice).Median() / two.Select(run => run.Twice).Median(), two.Select(run => run.Twice / run.Once).Median(),
            two.Select(run => run.Allocated).Median() / (twice.Size - once.Size));
    }

    private Passes Measure(int threads)
    {
        const string script = """
            foreach ($i in 1..4) { $null = Run once }
            foreach ($i in 1..3) {
                foreach ($name in 'once', 'twice') {
                    $before = [GC]::GetTotalAllocatedBytes($true)
                    Run $name
                    [GC]::GetTotalAllocatedBytes($true) - $before
                }
            }
            """;
        double[] numbers = ModuleProcess.Run(Prologue + script, threads, out _);
        double Median(int column) => numbers.Where((_, i) => i % 4 == column).Median();
        return new Passes(Median(0), Median(2), Median(3) - Median(1));
    }

    /// <summary>What one Patient through Invoke-FhirDeid adds to a process that only starts the engine of PowerShell.</summary>
    public TimeSpan Start()
    {
        Write("patient", Lines.Sample(1 << 20).Items.Where(line => line.Span.StartsWith("{\"resourceType\":\"Patient\""u8)).Take(1));
        List<double> bare = [], patient = [];
        for (int run = 0; run <= 2 * Runs; run++)
        {
            ModuleProcess.Run("1", threads: 0, out TimeSpan elapsed);
            bare.Add(elapsed.TotalSeconds);
            ModuleProcess.Run(Prologue + "$null = Run patient", threads: 0, out elapsed);
            patient.Add(elapsed.TotalSeconds);
        }
        return TimeSpan.FromSeconds(patient.Median() - bare.Median());
    }

    /// <summary>Peak working set of a process that de-identifies a file of 20 MB and one of 2 GB, with Bundles of almost 1 MiB among the lines; MiB.</summary>
    public (double Small, double Large) Memory()
    {
        Lines sample = Lines.Sample(15 << 20);
        List<ReadOnlyMemory<byte>> block = [.. sample.Items];
        for (int i = 0; i < 5; i++)
            block.Insert(i * block.Count / 5, Bundle(sample.Items.Skip(i * 100)));
        Write("small", block);
        Write("large", Enumerable.Repeat(block, 100).SelectMany(line => line));
        return (Peak("small"), Peak("large"));
    }

    private double Peak(string name) =>
        ModuleProcess.Run($"{Prologue}$null = Run {name}; [Diagnostics.Process]::GetCurrentProcess().PeakWorkingSet64", threads: 0, out _)[0] / (1 << 20);

    private static byte[] Bundle(IEnumerable<ReadOnlyMemory<byte>> resources)
    {
        using MemoryStream bundle = new();
        bundle.Write("{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":["u8);
        string separator = "{\"resource\":";
        foreach (ReadOnlyMemory<byte> resource in resources)
        {
            if (bundle.Length + resource.Length > (1 << 20) - 100)
                break;
            bundle.Write(Encoding.UTF8.GetBytes(separator));
            bundle.Write(resource.Span);
            separator = "},{\"resource\":";
        }
        bundle.Write("}]}"u8);
        return bundle.ToArray();
    }

    private void Write(string name, IEnumerable<ReadOnlyMemory<byte>> lines)
    {
        using FileStream file = new(Path.Combine(_folder, name + ".ndjson"), FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16);
        foreach (ReadOnlyMemory<byte> line in lines)
        {
            file.Write(line.Span);
            file.WriteByte((byte)'\n');
        }
    }
}
