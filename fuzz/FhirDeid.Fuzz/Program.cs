using SharpFuzz;

namespace FhirDeid.Fuzz;

/// <summary>What a fuzzer drives: <c>resource</c>, <c>configuration</c> or <c>lines</c> from afl-fuzz; with files behind it, those inputs once each, and what is wrong with them.</summary>
internal static class Program
{
    public static int Main(string[] args)
    {
        if (args is not [string target, .. string[] files] || Target(target) is not { } create)
        {
            Console.Error.WriteLine("FhirDeid.Fuzz resource|configuration|lines [file …]");
            return 2;
        }
        if (files.Length == 0)
        {
            // The instrumented engine may run only once the fuzzer has handed over its memory.
            Action<byte[]>? fuzzed = null;
            Fuzzer.OutOfProcess.Run(stream =>
            {
                fuzzed ??= create();
                using MemoryStream input = new();
                stream.CopyTo(input);
                fuzzed(input.ToArray());
            });
            return 0;
        }
        Action<byte[]> run = create();
        int failed = 0;
        foreach (string file in files)
        {
            try
            {
                run(File.ReadAllBytes(file));
            }
            catch (Exception exception)
            {
                failed++;
                Console.Error.WriteLine($"{file}\n{exception}\n");
            }
        }
        Console.WriteLine($"{files.Length} inputs, {failed} failed");
        return failed > 0 ? 1 : 0;
    }

    private static Func<Action<byte[]>>? Target(string name) => name switch
    {
        "resource" => () => new ResourceTarget().Run,
        "configuration" => () => ConfigurationTarget.Run,
        "lines" => () => new LinesTarget().Run,
        _ => null,
    };
}

/// <summary>What an input showed to be wrong.</summary>
internal sealed class FindingException(string message) : Exception(message);
