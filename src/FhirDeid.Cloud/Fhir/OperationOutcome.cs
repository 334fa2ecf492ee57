using System.Text.Json;

namespace FhirDeid.Cloud.Fhir;

/// <summary>FHIR's OperationOutcome: what a service says about a request that failed.</summary>
internal static class OperationOutcome
{
    /// <summary>The texts of the issues as they are, one line break between two; null if the body is no OperationOutcome or holds no text.</summary>
    public static string? Text(BinaryData body)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(body.ToMemory());
            JsonElement outcome = document.RootElement;
            if (outcome.ValueKind != JsonValueKind.Object
                || String(outcome, "resourceType") != "OperationOutcome"
                || !outcome.TryGetProperty("issue", out JsonElement issues) || issues.ValueKind != JsonValueKind.Array)
                return null;
            string text = string.Join('\n', issues.EnumerateArray().Select(IssueText).Where(t => t.Length > 0));
            return text.Length > 0 ? text : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // FHIR's IssueType, transient and the codes below it.
    private static readonly string[] Transient = ["transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled"];

    /// <summary>Whether every issue says that the same request can succeed later.</summary>
    public static bool IsTransient(BinaryData body)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(body.ToMemory());
            return document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("issue", out JsonElement issues) && issues.ValueKind == JsonValueKind.Array && issues.GetArrayLength() > 0
                && issues.EnumerateArray().All(issue => issue.ValueKind == JsonValueKind.Object && Array.IndexOf(Transient, String(issue, "code")) >= 0);
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>Text of one issue: its diagnostics, else its details; empty where it has neither.</summary>
    public static string IssueText(JsonElement issue)
    {
        if (issue.ValueKind != JsonValueKind.Object) return "";
        if (String(issue, "diagnostics") is { Length: > 0 } diagnostics) return diagnostics;
        return issue.TryGetProperty("details", out JsonElement details) && details.ValueKind == JsonValueKind.Object ? String(details, "text") ?? "" : "";
    }

    /// <summary>A property's text, or null where it is absent or no text.</summary>
    public static string? String(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
