using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using FhirDeid.Cloud.Emulation;

namespace FhirDeid.Tests;

/// <summary>How an emulator begins and ends.</summary>
public sealed class LifeTests : IDisposable
{
    private const string StarterVariable = "FHIRDEID_TEST_STARTER";

    private readonly TestFolder _temporary = new();
    private readonly Emulators _emulators = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    // The runtime leaves sockets of its own there when it is killed.
    private string[] RunFolders => Directory.GetDirectories(_temporary.FullName, "fhirdeid-emulator-*");

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public async Task An_emulator_answers_when_it_is_ready_and_is_gone_when_it_is_stopped()
    {
        Steps steps = new();
        FhirDeidEmulator emulator = await _emulators.StartAsync(Options(), steps, Cancellation);
        using Service service = new(emulator);

        Assert.Equal(HttpStatusCode.OK, (await service.SendAsync(HttpMethod.Get, "metadata", null, [], [])).Status);
        Assert.NotNull((await service.Blobs.GetPropertiesAsync(Cancellation)).Value);
        Assert.Contains(_emulators.Running, running => running.ProcessId == emulator.ProcessId);
        Assert.Contains(new FhirDeidProgress("Starting the emulator", "Azurite"), steps.Seen);

        await new Emulators().StopAsync(emulator.ProcessId, Cancellation);

        Assert.DoesNotContain(_emulators.Running, running => running.ProcessId == emulator.ProcessId);
        await IsGoneAsync(emulator);
        Assert.Equal("FhirDeid.EmulatorNotFound", (await Assert.ThrowsAsync<FhirDeidException>(() => _emulators.StopAsync(emulator.ProcessId, Cancellation))).ErrorId);
    }

    [Fact]
    public async Task Two_emulators_do_not_trust_each_other()
    {
        FhirDeidEmulator first = await _emulators.StartAsync(Options(), new Steps(), Cancellation), second = await _emulators.StartAsync(Options(), new Steps(), Cancellation);
        using Service mixed = new(new FhirDeidEmulator { FhirServiceUri = first.FhirServiceUri, BlobEndpoint = first.BlobEndpoint, CertificateAuthority = second.CertificateAuthority });

        await Assert.ThrowsAsync<HttpRequestException>(() => mixed.SendAsync(HttpMethod.Get, "metadata", null, [], []));

        await _emulators.StopAsync(first.ProcessId, Cancellation);
        await _emulators.StopAsync(second.ProcessId, Cancellation);
    }

    [Fact]
    public async Task An_emulator_ends_when_its_standard_input_closes()
    {
        using EmulatorProcess process = new(_temporary.FullName, "--patients", "1");
        FhirDeidEmulator emulator = await process.ReadyAsync();
        Assert.NotEmpty(RunFolders);

        process.Process.StandardInput.Close();

        await process.Process.WaitForExitAsync(Cancellation);
        await IsGoneAsync(emulator);
        Assert.Empty(RunFolders);
        Assert.Equal(0, process.Process.ExitCode);
    }

    [Fact]
    public async Task An_emulator_and_its_storage_end_when_their_starter_is_killed()
    {
        ProcessStartInfo start = new(DotnetHost.Find(Environment.GetEnvironmentVariable), [Path.Combine(AppContext.BaseDirectory, "FhirDeid.Emulator.Tests.dll")])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            Environment = { [StarterVariable] = "1", ["TMPDIR"] = _temporary.FullName, ["TMP"] = _temporary.FullName },
        };
        using Process starter = Process.Start(start)!;
        FhirDeidEmulator emulator = EmulatorMessage.Parse((await starter.StandardOutput.ReadLineAsync(Cancellation).AsTask().WaitAsync(Service.Patience, Cancellation))!)!.Ready!;
        Assert.True(await AnswersAsync(emulator.FhirServiceUri!));

        starter.Kill();

        await IsGoneAsync(emulator);
        await UntilAsync(() => Task.FromResult(RunFolders.Length == 0));
    }

    [Fact]
    public async Task Its_storage_ends_and_its_folder_goes_when_an_emulator_is_killed()
    {
        using EmulatorProcess process = new(_temporary.FullName, "--patients", "1");
        FhirDeidEmulator emulator = await process.ReadyAsync();

        process.Process.Kill();

        await IsGoneAsync(emulator);
        await UntilAsync(() => Task.FromResult(RunFolders.Length == 0));
    }

    [Fact]
    public async Task A_proxy_of_the_user_is_not_asked()
    {
        using EmulatorProcess process = new(_temporary.FullName, new Dictionary<string, string> { ["HTTPS_PROXY"] = "http://127.0.0.1:9", ["NO_PROXY"] = "" }, "--patients", "1");
        using Service service = new(await process.ReadyAsync());

        Assert.Equal(HttpStatusCode.OK, (await service.ExportAsync("?_container=research")).Status);
    }

    [Fact]
    public async Task An_export_that_is_done_counts_as_running_for_the_tail_that_was_asked_for()
    {
        using EmulatorProcess process = new(_temporary.FullName, "--patients", "1", "--tail-seconds", "3600");
        using Service service = new(await process.ReadyAsync());
        Answer kickOff = await service.KickOffAsync("$export?_container=research&_type=Patient");

        await UntilAsync(async () => await service.Blobs.GetBlobContainerClient("research").ExistsAsync(Cancellation)
            && await service.Blobs.GetBlobContainerClient("research").GetBlobsAsync(cancellationToken: Cancellation).AnyAsync(blob => blob.Properties.ContentLength > 0, Cancellation));
        Answer answer = await service.GetAsync(kickOff.ContentLocation!.PathAndQuery);

        Assert.Equal(HttpStatusCode.Accepted, answer.Status);
        Assert.Equal("", answer.Body);
    }

    [Fact]
    public async Task An_interrupt_meant_for_the_starter_does_not_end_an_emulator()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There a child without a console receives no Ctrl+C.");
        using EmulatorProcess process = new(_temporary.FullName, "--patients", "1");
        FhirDeidEmulator emulator = await process.ReadyAsync();

        Process.Start("kill", ["-INT", $"{process.Process.Id}"]).WaitForExit();
        foreach (string child in File.ReadAllText($"/proc/{process.Process.Id}/task/{process.Process.Id}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))
            Process.Start("kill", ["-INT", child]).WaitForExit();
        using Service service = new(emulator);

        Assert.Equal(HttpStatusCode.OK, (await service.ExportAsync("?_container=research")).Status);
        Process.Start("kill", ["-TERM", $"{process.Process.Id}"]).WaitForExit();
        await IsGoneAsync(emulator);
    }

    [Fact]
    public async Task A_start_that_is_cancelled_leaves_nothing()
    {
        using CancellationTokenSource cancel = new();
        Steps steps = new() { OnReport = cancel.Cancel };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _emulators.StartAsync(Options(), steps, cancel.Token));
    }

    [Fact]
    public async Task A_taken_port_is_said()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;

        FhirDeidException e = await FailsAsync("FhirDeid.PortInUse", options => options.Port = port);
        Assert.Contains($"{port}", e.Message);
    }

    [Fact]
    public async Task Missing_data_is_said() =>
        Assert.Contains("nowhere", (await FailsAsync("FhirDeid.DataNotFound", options => options.DataPath = Path.Combine(_temporary.FullName, "nowhere"))).Message);

    [Theory]
    [InlineData("x.ndjson", "{\"resourceType\":\"Patient\"}\n{\"resourceType\":\"Patient\",\"name\":\"Secret\"", "Line 2 of ")]
    [InlineData("x.ndjson", "{\"resourceType\":\"Secret\"}", "Line 1 of ")]
    [InlineData("x.ndjson", "{\"id\":\"Secret\"}", "Line 1 of ")]
    [InlineData("x.ndjson", "\n", "holds no FHIR resource")]
    [InlineData("x.json", "[{\"resourceType\":\"Secret\"}]", "neither a FHIR R4 resource nor a Bundle")]
    [InlineData("x.json", "{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"id\":\"Secret\"}}]}", "neither a FHIR R4 resource nor a Bundle")]
    [InlineData("x.txt", "Secret", "holds no FHIR resource")]
    public async Task Data_that_is_not_FHIR_is_said_without_quoting_it(string name, string content, string message)
    {
        _temporary.Write($"data/{name}", content);

        FhirDeidException e = await FailsAsync("FhirDeid.DataInvalid", options => options.DataPath = Path.Combine(_temporary.FullName, "data"));
        Assert.Contains(message, e.Message);
        Assert.DoesNotContain("Secret", e.Message);
    }

    [Theory]
    [InlineData("--nonsense", "1")]
    [InlineData("--port", "65536")]
    [InlineData("--without", "Everything")]
    [InlineData("--data")]
    public async Task A_wrong_argument_is_said(params string[] arguments)
    {
        using EmulatorProcess process = new(_temporary.FullName, arguments);
        EmulatorError error = await process.ErrorAsync();

        Assert.Equal("EmulatorArgumentInvalid", error.Id);
        Assert.Contains(arguments[0], error.Message);
    }

    [Fact]
    public async Task A_missing_Node_is_said()
    {
        using EmulatorProcess process = new(_temporary.FullName, new Dictionary<string, string> { ["PATH"] = _temporary.FullName }, "--patients", "1");
        EmulatorError error = await process.ErrorAsync();

        Assert.Equal("NodeMissing", error.Id);
        Assert.Contains("nodejs.org", error.RecommendedAction);
    }

    [Fact]
    public async Task A_failing_npm_is_said_with_its_last_words_and_leaves_nothing()
    {
        string cache = Path.Combine(_temporary.FullName, "cache");
        using EmulatorProcess process = new(_temporary.FullName, new Dictionary<string, string>
        {
            ["npm_config_registry"] = "http://127.0.0.1:9/",
            ["npm_config_fetch_retries"] = "0",
            ["npm_config_cache"] = Path.Combine(_temporary.FullName, "npm"),
        }, "--patients", "1", "--azurite", Path.Combine(cache, "azurite"));
        EmulatorError error = await process.ErrorAsync();

        Assert.Equal("AzuriteInstallFailed", error.Id);
        Assert.Contains("ECONNREFUSED", error.Message);
        Assert.Empty(Directory.GetFileSystemEntries(cache));
    }

    [Fact]
    public void A_dotnet_without_ASP_NET_Core_10_is_not_taken()
    {
        string program = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        string older = _temporary.Write(Path.Combine("older", program), ""), right = _temporary.Write(Path.Combine("right", program), "");
        _temporary.Write("older/shared/Microsoft.AspNetCore.App/8.0.1/x", "");
        _temporary.Write("older/shared/Microsoft.NETCore.App/10.0.1/x", "");
        _temporary.Write("right/shared/Microsoft.AspNetCore.App/10.0.1/x", "");

        Assert.Equal(right, Find(null, null, $"{Path.GetDirectoryName(older)}{Path.PathSeparator}{Path.GetDirectoryName(right)}"));
        Assert.Equal(right, Find(older, Path.GetDirectoryName(right), null));
        Assert.Equal(right, Find(right, Path.GetDirectoryName(older), Path.GetDirectoryName(older)));
        FhirDeidException e = Assert.Throws<FhirDeidException>(() => Find(older, null, null));
        Assert.Equal("FhirDeid.DotnetMissing", e.ErrorId);
        Assert.Contains("https://dotnet.microsoft.com/download", e.RecommendedAction);
        Assert.Throws<FhirDeidException>(() => Find(null, null, null));

        static string Find(string? hostPath, string? root, string? path) => DotnetHost.Find(name => name switch
        {
            "DOTNET_HOST_PATH" => hostPath,
            "DOTNET_ROOT" => root,
            _ => path,
        });
    }

    /// <summary>With the variable set, this program is the starter that a test kills.</summary>
    [ModuleInitializer]
    internal static void BeTheStarter()
    {
        if (Environment.GetEnvironmentVariable(StarterVariable) is null) return;
        // Other threads wait for this method before they run anything of this assembly: hence no progress of ours.
        FhirDeidEmulator emulator = new Emulators().StartAsync(Options(), new Progress<FhirDeidProgress>(), CancellationToken.None).GetAwaiter().GetResult();
        Console.WriteLine(new EmulatorMessage(Ready: emulator));
        Thread.Sleep(Timeout.Infinite);
    }

    private static FhirDeidEmulatorOptions Options() => new() { ProgramFolder = AppContext.BaseDirectory, PatientCount = 1 };

    private async Task<FhirDeidException> FailsAsync(string id, Action<FhirDeidEmulatorOptions> change)
    {
        FhirDeidEmulatorOptions options = Options();
        change(options);
        FhirDeidException e = await Assert.ThrowsAsync<FhirDeidException>(() => _emulators.StartAsync(options, new Steps(), Cancellation));
        Assert.Equal(id, e.ErrorId);
        Assert.NotEmpty(e.RecommendedAction);
        return e;
    }

    private static async Task IsGoneAsync(FhirDeidEmulator emulator)
    {
        await UntilAsync(async () => !await AnswersAsync(emulator.FhirServiceUri!));
        await UntilAsync(async () => !await AnswersAsync(emulator.BlobEndpoint!));
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        for (DateTime end = DateTime.UtcNow + Service.Patience; !await condition(); await Task.Delay(50, Cancellation))
            Assert.True(DateTime.UtcNow < end, "It does not happen.");
    }

    private static async Task<bool> AnswersAsync(Uri uri)
    {
        using TcpClient client = new();
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, uri.Port, Cancellation);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private sealed class Steps : IProgress<FhirDeidProgress>
    {
        public List<FhirDeidProgress> Seen { get; } = [];

        public Action OnReport { get; init; } = () => { };

        public void Report(FhirDeidProgress value)
        {
            Seen.Add(value);
            OnReport();
        }
    }
}
