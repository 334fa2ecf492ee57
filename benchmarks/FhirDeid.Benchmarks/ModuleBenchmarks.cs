using System.Text;

namespace FhirDeid.Benchmarks;

/// <summary>The built module end to end, in processes of its own: files in, files out.</summary>
internal sealed class ModuleBenchmarks : IDisposable
{
    private const int Runs = 3;

    private const string InMemory = "/dev/shm";

    /// <summary>Files in memory where the system has such a folder: threads and data are measured, and not the disk.</summary>
    private readonly string _folder = Directory.CreateDirectory(Path.Combine(Directory.Exists(InMemory) ? InMemory : Path.GetTempPath(), $"fhirdeid-benchmark-{Guid.NewGuid():N}")).FullName;

    private string Prologue => $"""
        $ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'
        Import-Module '{Program.Metadata("Module")}'
        function Run($name, $throttleLimit = [Environment]::ProcessorCount) {"{"}
            $destination = [IO.Path]::Combine('{_folder}', [Guid]::NewGuid().ToString())
            $clock = [Diagnostics.Stopwatch]::StartNew()
            $null = Invoke-FhirDeid "{_folder}/$name.ndjson" -Destination $destination -Configuration '{Rules.File}' -ThrottleLimit $throttleLimit
            $clock.Elapsed.TotalSeconds
            [IO.Directory]::Delete($destination, $true)
        {"}"}

        """;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Two threads against one: the same file in one warm process, by turns.</summary>
    /// <returns>Throughput of two threads / of one.</returns>
    public double Scaling()
    {
        Write("file", Lines.Sample(256 << 20).Items);
        const string script = """
            foreach ($i in 1..5) { foreach ($threads in 1, 2) { $null = Run file $threads } }
            foreach ($i in 1..7) { foreach ($threads in 1, 2) { Run file $threads } }
            """;
        double[] seconds = ModuleProcess.Run(Prologue + script, out _);
        return seconds.Chunk(2).Select(pair => pair[0] / pair[1]).Median();
    }

    /// <summary>Twice the data against once, and what is allocated.</summary>
    /// <returns>Time of 2× / of 1×; allocated bytes a byte of input, the process being warm.</returns>
    public (double Growth, double Allocated) Growth()
    {
        Lines once = Lines.Sample(128 << 20), twice = Lines.Sample(256 << 20);
        Write("once", once.Items);
        Write("twice", twice.Items);
        const string script = """
            foreach ($i in 1..6) { $null = Run twice }
            foreach ($i in 1..7) {
                foreach ($name in 'once', 'twice') {
                    $before = [GC]::GetTotalAllocatedBytes($true)
                    Run $name
                    [GC]::GetTotalAllocatedBytes($true) - $before
                }
            }
            """;
        double[][] passes = [.. ModuleProcess.Run(Prologue + script, out _).Chunk(4)];
        return (passes.Select(pass => pass[2] / pass[0]).Median(), passes.Select(pass => pass[3] - pass[1]).Median() / (twice.Size - once.Size));
    }

    /// <summary>What one Patient through Invoke-FhirDeid adds to a process that only starts the engine of PowerShell.</summary>
    public TimeSpan Start()
    {
        Write("patient", Lines.Sample(1 << 20).Items.Where(line => line.Span.StartsWith("{\"resourceType\":\"Patient\""u8)).Take(1));
        List<double> bare = [], patient = [];
        for (int run = 0; run <= 2 * Runs; run++)
        {
            ModuleProcess.Run("1", out TimeSpan elapsed);
            bare.Add(elapsed.TotalSeconds);
            ModuleProcess.Run(Prologue + "$null = Run patient", out elapsed);
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
        ModuleProcess.Run($"{Prologue}$null = Run {name}; [Diagnostics.Process]::GetCurrentProcess().PeakWorkingSet64", out _)[0] / (1 << 20);

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
