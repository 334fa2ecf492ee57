using System.Text.Json;
using System.Text.Json.Serialization;

namespace FhirDeid.Cloud.Emulation;

/// <summary>One line that the emulator writes to its standard output: exactly one of the three is set.</summary>
/// <param name="Progress">What is being fetched or started.</param>
/// <param name="Ready">The emulator answers.</param>
/// <param name="Error">Why it ends.</param>
internal sealed record EmulatorMessage(EmulatorProgress? Progress = null, FhirDeidEmulator? Ready = null, EmulatorError? Error = null)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter() },
    };

    public static EmulatorMessage? Parse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize<EmulatorMessage>(line, Json);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public override string ToString() => JsonSerializer.Serialize(this, Json);
}

/// <summary>See <see cref="FhirDeidProgress"/>.</summary>
internal sealed record EmulatorProgress(string Activity, string Status);

/// <summary>See <see cref="FhirDeidException"/>; the id is without its prefix.</summary>
internal sealed record EmulatorError(string Id, FhirDeidErrorCategory Category, string Message, string RecommendedAction);
