using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Connect;

/// <summary>A cmdlet that works on the connection of its runspace.</summary>
public abstract class ConnectedCommand : FhirDeidCommand
{
    /// <summary>The connection.</summary>
    private protected IFhirDeidConnection Connection { get; private set; } = null!;

    /// <inheritdoc/>
    protected override Task BeginAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        Connection = Connections.Get(Runspace);
        return Task.CompletedTask;
    }
}
