using System.Text.Encodings.Web;
using System.Text.Json;

namespace FhirDeid.Emulator;

/// <summary>Why the FHIR service does not do what it is asked: an HTTP status and an OperationOutcome of one issue.</summary>
internal sealed class OperationOutcomeException(int status, string code, string diagnostics) : Exception(diagnostics)
{
    /// <summary>HTTP status.</summary>
    public int Status { get; } = status;

    /// <summary>FHIR issue type: invalid, forbidden, not-found, processing, not-supported, login.</summary>
    public string Code { get; } = code;

    /// <summary>A request that breaks a rule: 400, invalid.</summary>
    public static OperationOutcomeException Invalid(string diagnostics) => new(400, "invalid", diagnostics);
}

/// <summary>FHIR JSON answers.</summary>
internal static class FhirJson
{
    /// <summary>Text as it is, as the real service writes it; JSON alone, never HTML, comes out of here.</summary>
    public static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes an OperationOutcome.</summary>
    public static Task WriteAsync(HttpResponse response, OperationOutcomeException e)
    {
        response.StatusCode = e.Status;
        return response.WriteAsJsonAsync(new
        {
            resourceType = "OperationOutcome",
            id = Guid.NewGuid().ToString(),
            issue = new[] { new { severity = "error", code = e.Code, diagnostics = e.Message } },
        }, Options, "application/fhir+json; charset=utf-8");
    }
}
