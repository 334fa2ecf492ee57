using System.Globalization;

namespace FhirDeid.Emulator;

/// <summary>The command line: <c>[--data PATH | --patients N --seed S] [--port P] [--without Identity,BlobRole,ExportStorage,AnonymizedExport] [--tail-seconds N] [--update-seconds N] [--propagation-seconds N] [--failing-updates N] [--memory N] [--azurite FOLDER]</c>.</summary>
internal sealed record EmulatorArguments
{
    /// <summary>File or folder of NDJSON (.ndjson, .jsonl) or JSON Bundles and resources (.json); null generates patients.</summary>
    public string? Data { get; private init; }

    /// <summary>Number of generated patients.</summary>
    public int Patients { get; private init; } = 20;

    /// <summary>Seed of the generated patients.</summary>
    public int Seed { get; private init; } = 1;

    /// <summary>Port of the FHIR service and token endpoint; 0 for a free one.</summary>
    public int Port { get; private init; }

    /// <summary>What the service lacks.</summary>
    public FhirServiceSetting Without { get; private init; }

    /// <summary>How long a finished export still answers 202. Azure's services take 15 s, whatever the size; here it is 0 unless asked for.</summary>
    public TimeSpan Tail { get; private init; }

    /// <summary>How long a change of the FHIR service's settings takes. In Azure it is minutes.</summary>
    public TimeSpan Update { get; private init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a new identity stays unknown to the directory's replicas, and a role assignment without effect. In Azure it is minutes.</summary>
    public TimeSpan Propagation { get; private init; } = TimeSpan.FromSeconds(1);

    /// <summary>How many changes of the FHIR service's settings fail, the first ones.</summary>
    public int FailingUpdates { get; private init; }

    /// <summary>Most resources of one worker that the service's memory holds: an export with a larger range, by _maxCount, fails. 0 for any number.</summary>
    public int Memory { get; private init; }

    /// <summary>Folder that holds Azurite or is to hold it; null for the user's cache.</summary>
    public string? AzuriteFolder { get; private init; }

    /// <summary>Reads the command line.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.EmulatorArgumentInvalid</c>.</exception>
    public static EmulatorArguments Parse(string[] args)
    {
        EmulatorArguments result = new();
        for (int i = 0; i < args.Length; i += 2)
        {
            string name = args[i];
            string value = i + 1 < args.Length ? args[i + 1] : throw Invalid(name);
            result = name switch
            {
                "--data" => result with { Data = value },
                "--patients" => result with { Patients = Number(1, 1_000_000) },
                "--seed" => result with { Seed = Number(int.MinValue, int.MaxValue) },
                "--port" => result with { Port = Number(0, 65535) },
                "--without" => result with { Without = Enum.TryParse(value, out FhirServiceSetting settings) ? settings : throw Invalid(name) },
                "--tail-seconds" => result with { Tail = TimeSpan.FromSeconds(Number(0, 3600)) },
                "--update-seconds" => result with { Update = TimeSpan.FromSeconds(Number(0, 3600)) },
                "--propagation-seconds" => result with { Propagation = TimeSpan.FromSeconds(Number(0, 3600)) },
                "--failing-updates" => result with { FailingUpdates = Number(0, int.MaxValue) },
                "--memory" => result with { Memory = Number(0, int.MaxValue) },
                "--azurite" => result with { AzuriteFolder = value },
                _ => throw Invalid(name),
            };

            int Number(int least, int most) =>
                int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) && number >= least && number <= most
                    ? number : throw Invalid(name);
        }

        return result;
    }

    private static FhirDeidException Invalid(string name) => new("EmulatorArgumentInvalid", FhirDeidErrorCategory.InvalidArgument,
        $"The argument {name} is not known, or its value is missing or out of range.",
        "Use [--data PATH | --patients N --seed S] [--port P] [--without Identity,BlobRole,ExportStorage,AnonymizedExport] [--tail-seconds N] [--update-seconds N] [--propagation-seconds N] [--failing-updates N] [--memory N] [--azurite FOLDER].", name);
}
