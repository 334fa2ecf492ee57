using System.Management.Automation;
using System.Reflection;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.Tests;

/// <summary>A cmdlet whose body is the test's.</summary>
[Cmdlet(VerbsDiagnostic.Test, "Body", SupportsShouldProcess = true)]
public sealed class TestBodyCommand : FhirDeidCommand
{
    [Parameter(ValueFromPipeline = true)]
    public object? InputObject { get; set; }

    [Parameter]
    public Func<IPipeline, CancellationToken, Task>? Begin { get; set; }

    [Parameter]
    public Func<IPipeline, object?, CancellationToken, Task>? Body { get; set; }

    [Parameter]
    public Func<IPipeline, CancellationToken, Task>? End { get; set; }

    protected override Task BeginAsync(IPipeline pipeline, CancellationToken cancellation) => Begin?.Invoke(pipeline, cancellation) ?? Task.CompletedTask;

    protected override Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation) => Body?.Invoke(pipeline, (InputObject as PSObject)?.BaseObject ?? InputObject, cancellation) ?? Task.CompletedTask;

    protected override Task EndAsync(IPipeline pipeline, CancellationToken cancellation) => End?.Invoke(pipeline, cancellation) ?? Task.CompletedTask;
}

/// <summary>The next command in the pipeline.</summary>
[Cmdlet(VerbsDiagnostic.Test, "Reader")]
public sealed class TestReaderCommand : PSCmdlet
{
    [Parameter(ValueFromPipeline = true)]
    public object? InputObject { get; set; }

    [Parameter(Mandatory = true)]
    public Action<object?> Read { get; set; } = null!;

    protected override void ProcessRecord() => Read((InputObject as PSObject)?.BaseObject ?? InputObject);
}

/// <summary>Ends the pipeline after one object, as Select-Object -First 1 does: that command is not in this host.</summary>
[Cmdlet(VerbsDiagnostic.Test, "First")]
public sealed class TestFirstCommand : PSCmdlet
{
    [Parameter(ValueFromPipeline = true)]
    public object? InputObject { get; set; }

    protected override void ProcessRecord()
    {
        WriteObject(InputObject);
        Type stop = typeof(PSCmdlet).Assembly.GetType("System.Management.Automation.StopUpstreamCommandsException", throwOnError: true)!;
        throw (Exception)Activator.CreateInstance(stop, BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic, null, [this], null)!;
    }
}
