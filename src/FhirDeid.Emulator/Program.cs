using System.Runtime.InteropServices;
using FhirDeid;
using FhirDeid.Cloud.Emulation;
using FhirDeid.Emulator;

// Whoever starts this program holds its standard input open: when that closes, by intent or because the starter was killed, it ends.
// Ctrl+C counts only where a person started it by hand; otherwise it is meant for the starter, which shares the terminal.
using CancellationTokenSource stop = new();
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal =>
{
    signal.Cancel = true;
    if (!Console.IsInputRedirected) stop.Cancel();
});
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal =>
{
    signal.Cancel = true;
    stop.Cancel();
});
_ = Task.Run(async () =>
{
    await using Stream input = Console.OpenStandardInput();
    await input.CopyToAsync(Stream.Null);
    await stop.CancelAsync();
});

try
{
    await EmulatorRun.RunAsync(EmulatorArguments.Parse(args), Say, stop.Token);
    return 0;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    return 0;
}
catch (FhirDeidException e)
{
    Say(new(Error: new(e.ErrorId["FhirDeid.".Length..], e.Category, e.Message, e.RecommendedAction)));
    return 1;
}
catch (Exception e)
{
    await Console.Error.WriteLineAsync(e.ToString());
    Say(new(Error: new("EmulatorFailed", FhirDeidErrorCategory.InvalidOperation, $"The emulator ended: {e.Message}",
        "Look at what it wrote to standard error; if it happens again, report it.")));
    return 1;
}

static void Say(EmulatorMessage message)
{
    try
    {
        Console.Out.WriteLine(message);
    }
    catch (IOException)
    {
        // Nobody listens any more; standard input says so too.
    }
}
