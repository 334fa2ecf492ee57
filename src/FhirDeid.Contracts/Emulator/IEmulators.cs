namespace FhirDeid;

/// <summary>Starts and stops emulators as child processes that end with this one.</summary>
public interface IEmulators
{
    /// <summary>Emulators started by this process and still running, the newest last.</summary>
    IReadOnlyList<FhirDeidEmulator> Running { get; }

    /// <summary>Starts an emulator and returns once its services answer. Fetches Azurite by npm on first use.</summary>
    /// <param name="options">How to start it.</param>
    /// <param name="progress">Told what is being fetched and started, with sizes.</param>
    /// <param name="cancellation">Ends the child process.</param>
    /// <returns>The running emulator.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.DotnetMissing</c>, <c>FhirDeid.NodeMissing</c>, <c>FhirDeid.AzuriteInstallFailed</c>, <c>FhirDeid.PortInUse</c>, <c>FhirDeid.DataNotFound</c>, <c>FhirDeid.DataInvalid</c>, <c>FhirDeid.EmulatorFailed</c>.</exception>
    Task<FhirDeidEmulator> StartAsync(FhirDeidEmulatorOptions options, IProgress<FhirDeidProgress> progress, CancellationToken cancellation);

    /// <summary>Stops an emulator started by this process, and its storage.</summary>
    /// <param name="processId">The emulator's process id.</param>
    /// <param name="cancellation">Stops waiting.</param>
    /// <returns>Completes when the process is gone.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.EmulatorNotFound</c>.</exception>
    Task StopAsync(int processId, CancellationToken cancellation);

    /// <summary>Says what goes wrong with the next requests for exports, in place of what was said before.</summary>
    /// <param name="emulator">The emulator, of whatever process of this machine.</param>
    /// <param name="start">What becomes of the next requests that start an export, one after the other.</param>
    /// <param name="status">What becomes of the next requests for the status of one.</param>
    /// <param name="cancellation">Stops waiting for the answer.</param>
    /// <returns>Completes when the emulator has taken them over.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.FaultInvalid</c>: nothing has changed. <c>FhirDeid.EmulatorInvalid</c>, <c>FhirDeid.EmulatorUnreachable</c>.</exception>
    Task SetFaultsAsync(FhirDeidEmulator emulator, IReadOnlyList<string> start, IReadOnlyList<string> status, CancellationToken cancellation);
}
