using FhirDeid.PowerShell.Tests;
using Xunit.MicrosoftTestingPlatform;
using Xunit.Runner.InProc.SystemConsole;

namespace FhirDeid.Tests;

/// <summary>Runs the tests, or with <c>--shell MODULE SCRIPT</c> one script in a process of its own; with <c>--stream</c> its objects are written as they come. <c>--get</c> is what a download is compared with.</summary>
internal static class Program
{
    public static async Task<int> Main(string[] args)
    {
        if (args is ["--shell", string module, string script])
        {
            using Shell shell = new(module);
            Outcome outcome = await shell.TryAsync(script);
            foreach (object line in outcome.Output) Console.WriteLine(line);
            foreach (object error in outcome.Errors) Console.Error.WriteLine(error);
            return outcome.Errors.Length == 0 ? 0 : 1;
        }
        if (args is ["--stream", string streamed, string text])
        {
            using Shell shell = new(streamed);
            await shell.StreamAsync(text, Console.WriteLine);
            return 0;
        }
        if (args is ["--get", string urls, string folder, string times])
        {
            await LargeExportTests.GetAsync(urls, folder, int.Parse(times, System.Globalization.CultureInfo.InvariantCulture));
            return 0;
        }
        return args.Contains("--server") || args.Contains("--internal-msbuild-node")
            ? await TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions)
            : await ConsoleRunner.Run(args);
    }
}
