using System.Management.Automation;
using System.Management.Automation.Host;
using System.Management.Automation.Runspaces;

namespace FhirDeid.PowerShell.Pipeline;

/// <summary>A cmdlet whose body is asynchronous: it runs on the thread pool and reaches PowerShell through an <see cref="IPipeline"/>.</summary>
/// <remarks>
/// <para>Ctrl+C, <c>break</c>, a reader that has enough and an error of the next command all cancel the body's token; the cmdlet ends when the body has ended, so that nothing outlives it.</para>
/// <para>A <see cref="FhirDeidException"/> of <see cref="ProcessAsync"/> concerns one input object: it is written and the next one has its turn. One of <see cref="BeginAsync"/> or <see cref="EndAsync"/> ends the command; cmdlets without pipeline input work in <see cref="EndAsync"/>. Any other exception is an error of ours and ends the command, without its message, which may hold data.</para>
/// </remarks>
public abstract class FhirDeidCommand : PSCmdlet, IDisposable
{
    private readonly CancellationTokenSource _stopping = new();

    /// <summary>The runspace that the cmdlet runs in.</summary>
    internal Runspace Runspace { get; private set; } = null!;

    /// <summary>Runs before the first input object.</summary>
    /// <param name="pipeline">The pipeline.</param>
    /// <param name="cancellation">Cancelled when the cmdlet stops, for whatever reason.</param>
    /// <returns>Completes when the work is done.</returns>
    protected virtual Task BeginAsync(IPipeline pipeline, CancellationToken cancellation) => Task.CompletedTask;

    /// <summary>Runs for each input object, or once without pipeline input.</summary>
    /// <param name="pipeline">The pipeline.</param>
    /// <param name="cancellation">Cancelled when the cmdlet stops, for whatever reason.</param>
    /// <returns>Completes when the work is done.</returns>
    protected virtual Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation) => Task.CompletedTask;

    /// <summary>Runs after the last input object.</summary>
    /// <param name="pipeline">The pipeline.</param>
    /// <param name="cancellation">Cancelled when the cmdlet stops, for whatever reason.</param>
    /// <returns>Completes when the work is done.</returns>
    protected virtual Task EndAsync(IPipeline pipeline, CancellationToken cancellation) => Task.CompletedTask;

    /// <inheritdoc/>
    protected sealed override void BeginProcessing()
    {
        Runspace = Runspace.DefaultRunspace;
        Run(BeginAsync, ThrowTerminatingError);
    }

    /// <inheritdoc/>
    protected sealed override void ProcessRecord() => Run(ProcessAsync, WriteError);

    /// <inheritdoc/>
    protected sealed override void EndProcessing() => Run(EndAsync, ThrowTerminatingError);

    /// <inheritdoc/>
    protected sealed override void StopProcessing()
    {
        _stopping.Cancel();
        Stopped();
    }

    /// <summary>Runs when the user stops the cmdlet, on another thread than the pipeline's: nothing can be written to a stream any more, only to the host.</summary>
    protected virtual void Stopped()
    {
    }

    /// <summary>Shows a warning on the screen, where there is one: from <see cref="Stopped"/>, when no stream takes it any more.</summary>
    /// <param name="message">The warning.</param>
    private protected void ShowWarning(string message)
    {
        try
        {
            Host?.UI?.WriteWarningLine(message);
        }
        catch (HostException)
        {
            // A host without a screen.
        }
    }

    /// <summary>Cancels what the cmdlet still has under way.</summary>
    public void Dispose()
    {
        // Not disposed: PowerShell may call StopProcessing at the same time, and the source holds nothing but memory.
        _stopping.Cancel();
        GC.SuppressFinalize(this);
    }

    private void Run(Func<IPipeline, CancellationToken, Task> body, Action<ErrorRecord> fail)
    {
        using CommandPipeline pipeline = new(this, _stopping.Token);
        Task running = pipeline.Start(body);
        try
        {
            pipeline.Drain();
        }
        catch
        {
            _stopping.Cancel();
            throw;
        }
        finally
        {
            Task.WaitAny([running]);
            pipeline.CompleteProgress();
        }

        try
        {
            running.GetAwaiter().GetResult();
        }
        catch (Exception) when (_stopping.IsCancellationRequested)
        {
            throw new PipelineStoppedException();
        }
        catch (FhirDeidException error)
        {
            fail(error.ToErrorRecord());
        }
        catch (Exception error)
        {
            WriteVerbose($"{error.GetType()}{Environment.NewLine}{error.StackTrace}");
            ThrowTerminatingError(ErrorRecords.Unexpected(error).ToErrorRecord());
        }
    }
}
