using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using FhirDeid.Cloud.Credentials;
using FhirDeid.Cloud.Fhir;

namespace FhirDeid.Cloud.Emulation;

/// <summary>Starts and stops emulators. They are children of this process, known to every runspace of it, and end with it.</summary>
public sealed class Emulators : IEmulators
{
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(10);
    private static readonly ConcurrentDictionary<int, Child> Children = new();

    /// <inheritdoc/>
    public IReadOnlyList<FhirDeidEmulator> Running =>
        [.. Children.Values.Where(child => !child.Process.HasExited).OrderBy(child => child.Started).Select(child => child.Emulator)];

    /// <inheritdoc/>
    public async Task<FhirDeidEmulator> StartAsync(FhirDeidEmulatorOptions options, IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(progress);
        cancellation.ThrowIfCancellationRequested();
        ProcessStartInfo start = new(DotnetHost.Find(Environment.GetEnvironmentVariable))
        {
            // Its standard input stays open as long as this process lives, whatever ends it. Nothing it writes reaches the console.
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            CreateNoWindow = true,
        };
        foreach (string argument in Arguments(options)) start.ArgumentList.Add(argument);

        Process process = Process.Start(start)!;
        ConcurrentQueue<string> errors = new();
        Task standardError = KeepLastLinesAsync(process.StandardError, errors);
        try
        {
            while (await process.StandardOutput.ReadLineAsync(cancellation).ConfigureAwait(false) is { } line)
            {
                switch (EmulatorMessage.Parse(line))
                {
                    case { Progress: { } step }:
                        progress.Report(new FhirDeidProgress(step.Activity, step.Status));
                        break;
                    case { Error: { } error }:
                        throw new FhirDeidException(error.Id, error.Category, error.Message, error.RecommendedAction);
                    case { Ready: { } emulator }:
                        _ = process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, CancellationToken.None);
                        Children[emulator.ProcessId] = new Child(process, emulator, Stopwatch.GetTimestamp());
                        return emulator;
                }
            }

            await process.WaitForExitAsync(cancellation).ConfigureAwait(false);
            await standardError.ConfigureAwait(false);
            throw new FhirDeidException("EmulatorFailed", FhirDeidErrorCategory.ResourceUnavailable,
                $"The emulator ended with exit code {process.ExitCode} before it was ready. {string.Join(" ", errors)}".TrimEnd(),
                "Try again; if it happens again, reinstall the module.", options.ProgramFolder);
        }
        catch
        {
            await EndAsync(process, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task StopAsync(int processId, CancellationToken cancellation)
    {
        if (!Children.TryGetValue(processId, out Child? child))
        {
            throw new FhirDeidException("EmulatorNotFound", FhirDeidErrorCategory.ObjectNotFound,
                $"This session started no emulator with process id {processId}.", "Get-FhirDeidEmulator lists those that it started.", processId);
        }

        await EndAsync(child.Process, cancellation).ConfigureAwait(false);
        Children.TryRemove(processId, out _);
    }

    /// <inheritdoc/>
    public async Task SetFaultsAsync(FhirDeidEmulator emulator, IReadOnlyList<string> start, IReadOnlyList<string> status, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(emulator);
        using HttpClient client = EmulatorTrust.Client(emulator, emulator.FhirServiceUri);
        using StringContent plan = new(JsonSerializer.Serialize(new { start, status }), Encoding.UTF8, "application/json");
        try
        {
            using HttpResponseMessage answer = await client.PutAsync(new Uri(emulator.FhirServiceUri!, "_emulator/faults"), plan, cancellation).ConfigureAwait(false);
            if (answer.IsSuccessStatusCode) return;
            string? why = OperationOutcome.Text(new BinaryData(await answer.Content.ReadAsByteArrayAsync(cancellation).ConfigureAwait(false)));
            throw new FhirDeidException("FaultInvalid", FhirDeidErrorCategory.InvalidArgument, why ?? $"The emulator does not take the faults ({(int)answer.StatusCode}).",
                "Use one of the faults that Get-Help Set-FhirDeidEmulator lists.");
        }
        catch (Exception e) when (ConnectionFailure.Is(e, cancellation))
        {
            throw new FhirDeidException("EmulatorUnreachable", FhirDeidErrorCategory.ConnectionError, $"The emulator {emulator.FhirServiceUri} cannot be reached: {ConnectionFailure.Reason(e)}.",
                "Look whether it still runs (Get-FhirDeidEmulator), or start one with Start-FhirDeidEmulator.", emulator.FhirServiceUri, ConnectionFailure.Http(e));
        }
    }

    private static List<string> Arguments(FhirDeidEmulatorOptions options)
    {
        List<string> arguments = [Path.Combine(options.ProgramFolder, "FhirDeid.Emulator.dll"), "--port", Text(options.Port)];
        arguments.AddRange(options.DataPath is { } data ? ["--data", data] : ["--patients", Text(options.PatientCount), "--seed", Text(options.Seed)]);
        if (options.Without != FhirServiceSetting.None) arguments.AddRange(["--without", options.Without.ToString()]);
        return arguments;

        static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
    }

    // Closing its standard input asks it to end, storage included; a process that does not is killed.
    private static async Task EndAsync(Process process, CancellationToken cancellation)
    {
        process.StandardInput.Close();
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(StopTimeout);
        try
        {
            await process.WaitForExitAsync(patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    private static async Task KeepLastLinesAsync(StreamReader reader, ConcurrentQueue<string> lines)
    {
        while (await reader.ReadLineAsync().ConfigureAwait(false) is { } line)
        {
            lines.Enqueue(line.Trim());
            if (lines.Count > 5) lines.TryDequeue(out _);
        }
    }

    private sealed record Child(Process Process, FhirDeidEmulator Emulator, long Started);
}
