using System.Diagnostics;
using System.Globalization;
using System.Management.Automation;

namespace FhirDeid.Tests;

/// <summary>Kills the process that runs a command at a random moment, and runs the command again: nothing may be lost, doubled or left over.</summary>
[Collection(nameof(Lab))]
public sealed class KillTests(Lab lab) : IDisposable
{
    private static readonly FaultRow[] s_rows =
    [
        new("start", "killed while Start-FhirDeidExport runs", "every export that the service has started is in the journal, with its status URL or as one that may run; the journal can be read"),
        new("wait", "killed while Wait-FhirExport runs", "the export goes on; Get-FhirExport lists it, and Wait-FhirExport ends with it completed"),
        new("receive", "killed while Receive-FhirExport runs", "no incomplete file stands under its name; the same command ends with every file, each as the export lists it, and no temporary file"),
    ];

    private readonly TemporaryFolder _folder = new("kill");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_page_lists_the_faults_that_were_run() => ReliabilityPage.Check("killed", s_rows);

    [Fact]
    public async Task A_killed_start_loses_no_export()
    {
        Dictionary<string, string> journal = new() { ["FHIRDEID_JOURNAL"] = _folder["journal"] };
        // Each another export: one that may run is not started again.
        for (int i = 1; i <= Count; i++) await KillAsync(Script($"'ready'\n& $read published | Start-FhirDeidExport -Container killedstart -ResourceType Patient -MaxCount {i}"), journal, 400);

        string listed = await Shell.RunInChildAsync(Shell.Module, Script("Get-FhirExport -WarningVariable uncertain -WarningAction SilentlyContinue | ForEach-Object JobId; 'uncertain', $uncertain.Count"), journal);
        string[] lines = listed.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        string[] known = lines[..Array.IndexOf(lines, "uncertain")];
        int uncertain = int.Parse(lines[^1], CultureInfo.InvariantCulture);
        string[] ran = await JobsAsync("killedstart", known);

        Assert.True(ran.Except(known).Count() <= uncertain, $"The service ran {ran.Length} exports; the journal knows {known.Length} and {uncertain} that may run.");
        Assert.Equal(known.Length, known.Distinct().Count());
        Assert.DoesNotContain(Directory.EnumerateFiles(_folder["journal"]), file => file.EndsWith(".json", StringComparison.Ordinal) && new FileInfo(file).Length == 0);
    }

    [Fact]
    public async Task A_killed_wait_loses_nothing()
    {
        Dictionary<string, string> journal = new() { ["FHIRDEID_JOURNAL"] = _folder["journal"] };
        for (int i = 0; i < Count; i++) await KillAsync(Script("$export = & $read published | Start-FhirDeidExport -Container killedwait -ResourceType Patient\n'ready'\n$export | Wait-FhirExport"), journal, 1500);

        string[] ends = (await Shell.RunInChildAsync(Shell.Module, Script("Get-FhirExport | Wait-FhirExport | ForEach-Object { \"$($_.Status) $($_.Output.Count)\" }"), journal))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

        Assert.Equal(Enumerable.Repeat("Completed 1", Count), ends);
    }

    [Fact]
    public async Task A_killed_download_goes_on_to_its_end()
    {
        PSObject export = await lab.Shell.RunAsync("$a | Start-FhirDeidExport -Container killedreceive -MaxCount 3 | Wait-FhirExport", lab.Published);
        await File.WriteAllTextAsync(_folder["export.xml"], PSSerializer.Serialize(export), TestContext.Current.CancellationToken);
        PSObject[] whole = await lab.Shell.RunAllAsync("$a | Receive-FhirExport $b", export, _folder["whole"]);

        for (int i = 0; i < Count; i++)
        {
            string folder = _folder["out" + i.ToString(CultureInfo.InvariantCulture)];
            await KillAsync(Script($"'ready'; $null = & $read export | Receive-FhirExport '{folder}'"), null, 600);
            if (Directory.Exists(folder))
            {
                foreach (string file in Directory.EnumerateFiles(folder, "*.ndjson"))
                    Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(_folder["whole"], Path.GetFileName(file)), TestContext.Current.CancellationToken), await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken));
            }

            PSObject[] again = await lab.Shell.RunAllAsync("$a | Receive-FhirExport $b", export, folder);

            Assert.Equal(whole.Select(file => file.Text("Sha256")).Order(), again.Select(file => file.Text("Sha256")).Order());
            Assert.Equal(Directory.EnumerateFiles(_folder["whole"]).Select(Path.GetFileName).Order(), Directory.EnumerateFiles(folder).Select(Path.GetFileName).Order());
        }
    }

    private static int Count => Environment.GetEnvironmentVariable("FHIRDEID_LONG") == "1" ? 20 : 3;

    /// <summary>A script in a process of its own, connected to the lab's emulator.</summary>
    private string Script(string script)
    {
        foreach ((string name, PSObject value) in new[] { ("emulator", lab.Emulator), ("published", lab.Published) })
        {
            if (!File.Exists(_folder[name + ".xml"])) File.WriteAllText(_folder[name + ".xml"], PSSerializer.Serialize(value));
        }
        return $$"""
            $read = { param($name) [System.Management.Automation.PSSerializer]::Deserialize([System.IO.File]::ReadAllText("{{_folder.FullName}}/$name.xml")) }
            $null = & $read emulator | Connect-FhirDeid -Emulator
            {{script}}
            """;
    }

    /// <summary>Runs a script in a child process, and kills that at a random moment after it has written <c>ready</c>.</summary>
    /// <param name="script">The script.</param>
    /// <param name="environment">Variables of the process.</param>
    /// <param name="longest">How long it may live then, in milliseconds.</param>
    private static async Task KillAsync(string script, Dictionary<string, string>? environment, int longest)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet") start.ArgumentList.Add(typeof(Shell).Assembly.Location);
        foreach (string argument in (string[])["--stream", Shell.Module, script]) start.ArgumentList.Add(argument);
        foreach ((string name, string value) in environment ?? []) start.Environment[name] = value;
        using Process child = Process.Start(start)!;
        Task<string> errors = child.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string? line = await child.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
        if (line != "ready") Assert.Fail($"The child process wrote '{line}'. {await errors}");
        await Task.Delay(Random.Shared.Next(longest), TestContext.Current.CancellationToken);
        child.Kill();
        await child.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.DoesNotMatch(@"eyJ[\w-]+\.[\w-]+\.", await errors);
    }

    /// <summary>All jobs of the service that export to a container; the known ones are among them.</summary>
    private async Task<string[]> JobsAsync(string container, string[] known)
    {
        List<string> jobs = [];
        PSObject newest = await lab.Shell.RunAsync("$a | Start-FhirDeidExport -Container newest -ResourceType Patient", lab.Published);
        long last = long.Parse(newest.Text("JobId"), CultureInfo.InvariantCulture);
        foreach (PSObject export in await lab.Shell.RunAllAsync("foreach ($id in 1..$a) { try { Get-FhirExport -JobId $id -ErrorAction Stop } catch { } }", last))
        {
            if (export.Text("Container") == container) jobs.Add(export.Text("JobId"));
        }
        Assert.All(known, id => Assert.Contains(id, jobs));
        return [.. jobs];
    }
}
