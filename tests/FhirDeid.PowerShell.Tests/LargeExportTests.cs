using System.Diagnostics;
using System.Globalization;
using System.Management.Automation;

namespace FhirDeid.Tests;

/// <summary>More than a gigabyte and half a million resources, through emulator, Azurite and Receive-FhirExport.</summary>
/// <remarks>Throughput is told and decides nothing: a machine has other things to do. What it is compared with are plain GETs of the same files into the same disk, as many at once, in processes that are as new, in turn with it; they neither check nor hash what comes, nor see to it that it is on the disk. Where client and Azurite share few cores, that processor time is what the ratio shows.</remarks>
[Collection(nameof(Lab))]
public sealed class LargeExportTests : IDisposable
{
    private const int Rounds = 3, AtOnce = 4;
    private const double MiB = 1 << 20;

    private readonly TemporaryFolder _folder = new("large");
    private readonly Shell _shell = new();

    public void Dispose()
    {
        _shell.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_gigabyte_is_received_in_the_memory_of_a_few_megabytes()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("FHIRDEID_LONG") == "1", "Makes 1 GB of resources: FHIRDEID_LONG=1 runs it.");
        await _shell.RunAllAsync("New-FhirSampleData $a -PatientCount 15500 -Seed 1", _folder["raw"]);
        PSObject emulator = await _shell.RunAsync("Start-FhirDeidEmulator -DataPath $a", _folder["raw"]);
        try
        {
            await MeasureAsync(emulator);
        }
        finally
        {
            await _shell.RunAllAsync("$a | Stop-FhirDeidEmulator", emulator);
        }
    }

    private async Task MeasureAsync(PSObject emulator)
    {
        PSObject published = await _shell.RunAsync("$null = $a | Connect-FhirDeid -Emulator; New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig -Name study.json", emulator);
        PSObject all = await _shell.RunAsync("$a | Start-FhirDeidExport -Container research | Wait-FhirExport", published);
        PSObject few = await _shell.RunAsync("$a | Start-FhirDeidExport -Container few -ResourceType Location, Organization | Wait-FhirExport", published);
        PSObject[] output = await _shell.RunAllAsync("$a.Output", all);
        Uri link = (Uri)(await _shell.RunAsync("$a | New-ExportSasToken", all)).Value("Uri")!;
        await File.WriteAllLinesAsync(_folder["urls"], output.Select(file => file.Text("Url") + link.Query), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(_folder["urls.pem"], emulator.Text("CertificateAuthority"), TestContext.Current.CancellationToken);
        foreach ((string name, PSObject value) in new[] { ("emulator", emulator), ("all", all), ("few", few) }) await File.WriteAllTextAsync(_folder[name + ".xml"], PSSerializer.Serialize(value), TestContext.Current.CancellationToken);
        long resources = output.Sum(file => (long)file.Value("Count")!);

        double[] nothing = await ReceiveAsync("few", 1);
        List<double[]> received = [], got = [];
        for (int round = 0; round < Rounds; round++)
        {
            received.Add(await ReceiveAsync("all", 2));
            got.Add(await GetAsync(2));
        }
        long bytes = Directory.EnumerateFiles(_folder["out"], "*.ndjson").Sum(file => new FileInfo(file).Length);
        Assert.Equal(resources, Directory.EnumerateFiles(_folder["out"], "*.ndjson").Sum(file => File.ReadLines(file).LongCount()));
        Assert.True(bytes >= 1_000_000_000 && resources >= 500_000, $"{bytes} bytes, {resources} resources");

        double peak = received.Max(round => round[^1]), growth = peak - nothing[^1];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0} MB, {resources} resources, {output.Length} files."));
        for (int number = 0; number < 2; number++)
        {
            double receive = Median(received.Select(round => round[number])), get = Median(got.Select(round => round[number]));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{(number == 0 ? "First in its process" : "Second")}: received in {receive:0.00} s, {bytes / 1e6 / receive:0} MB/s; plain GETs {get:0.00} s, {bytes / 1e6 / get:0} MB/s; ratio {get / receive:0.00}."));
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Peak working set {peak / MiB:0} MiB, {growth / MiB:0} MiB more than for an export of a few resources."));
        Assert.InRange(growth / MiB, double.MinValue, 100);
    }

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(Rounds / 2);

    /// <summary>Receives an export so many times in one new process.</summary>
    /// <returns>Seconds each time, and the peak working set in bytes.</returns>
    private async Task<double[]> ReceiveAsync(string export, int times) => Numbers(await Shell.RunInChildAsync(Shell.Module, $$"""
        $read = { param($name) [System.Management.Automation.PSSerializer]::Deserialize([System.IO.File]::ReadAllText("{{_folder.FullName}}/$name.xml")) }
        $null = & $read emulator | Connect-FhirDeid -Emulator
        $export = & $read {{export}}
        foreach ($time in 1..{{times}})
        {
            if ([System.IO.Directory]::Exists('{{_folder["out"]}}')) { [System.IO.Directory]::Delete('{{_folder["out"]}}', $true) }
            $watch = [System.Diagnostics.Stopwatch]::StartNew()
            $null = $export | Receive-FhirExport '{{_folder["out"]}}' -WarningAction SilentlyContinue
            $watch.Elapsed.TotalSeconds
        }
        [System.Diagnostics.Process]::GetCurrentProcess().PeakWorkingSet64
        """));

    private async Task<double[]> GetAsync(int times)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!) { RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet") start.ArgumentList.Add(typeof(Shell).Assembly.Location);
        foreach (string argument in (string[])["--get", _folder["urls"], _folder["got"], times.ToString(CultureInfo.InvariantCulture)]) start.ArgumentList.Add(argument);
        using Process child = Process.Start(start)!;
        string text = await child.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await child.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, child.ExitCode);
        return Numbers(text);
    }

    private static double[] Numbers(string text) => [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(number => double.Parse(number, CultureInfo.InvariantCulture))];

    /// <summary>What <c>--get</c> does: fetches files into a folder, and writes how many seconds it took, each time.</summary>
    /// <param name="urls">File of URLs, one a line; beside it, with <c>.pem</c> behind its name, the certificate authority of their servers.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="times">How often.</param>
    internal static async Task GetAsync(string urls, string folder, int times)
    {
        using HttpClient client = ShareTests.Client(await File.ReadAllTextAsync(urls + ".pem"));
        string[] files = await File.ReadAllLinesAsync(urls);
        // As the one that it is compared with: connected.
        using (await client.GetAsync(files[0], HttpCompletionOption.ResponseHeadersRead))
        {
        }
        for (int time = 0; time < times; time++)
        {
            Directory.CreateDirectory(folder);
            Stopwatch watch = Stopwatch.StartNew();
            await Parallel.ForAsync(0, files.Length, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (number, stop) =>
            {
                using HttpResponseMessage answer = (await client.GetAsync(files[number], HttpCompletionOption.ResponseHeadersRead, stop)).EnsureSuccessStatusCode();
                await using FileStream file = new(Path.Combine(folder, number.ToString(CultureInfo.InvariantCulture)), FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16, useAsync: true);
                await answer.Content.CopyToAsync(file, stop);
            });
            Console.WriteLine(watch.Elapsed.TotalSeconds.ToString(CultureInfo.InvariantCulture));
            Directory.Delete(folder, recursive: true);
        }
    }
}
