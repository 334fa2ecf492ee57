using System.Text.Json.Nodes;

namespace FhirDeid.Cloud.ResourceManagement;

/// <summary>Errors of the resource manager in plain words: <c>{"error":{"code","message"}}</c>.</summary>
internal static class ArmError
{
    /// <summary>Code of the error; empty where the answer has none.</summary>
    public static string Code(ArmAnswer answer) => answer.Body.Text("error", "code");

    /// <summary>The error for an answer that is none of those that the caller expects.</summary>
    /// <param name="answer">The answer.</param>
    /// <param name="doing">What was tried, after "You may not", such as "read the FHIR service".</param>
    /// <param name="target">Resource id.</param>
    public static FhirDeidException Explain(ArmAnswer answer, string doing, string target)
    {
        string said = Said(answer);
        return (answer.Status, Code(answer)) switch
        {
            (401, _) => new FhirDeidException("Unauthorized", FhirDeidErrorCategory.AuthenticationError, $"The resource manager did not accept the token (401).{said}",
                "Connect again; check that the tenant is that of the subscription (Connect-AzAccount -Tenant …).", target),
            (403, "RequestDisallowedByPolicy") => Refused(FhirDeidErrorCategory.PermissionDenied, "Ask those who set the policy for an exemption.", "A policy of the subscription forbids this."),
            (403, "ScopeLocked") or (409, "ScopeLocked") => Refused(FhirDeidErrorCategory.PermissionDenied, "Remove the lock for the time of the change (Get-AzResourceLock, Remove-AzResourceLock).", "A lock protects the resource."),
            (403, _) => new FhirDeidException("ResourceManagerForbidden", FhirDeidErrorCategory.PermissionDenied, $"You may not {doing}.{said}",
                doing.StartsWith("read", StringComparison.Ordinal) ? "Get the role Reader there, or a role that includes it." : "Get the role Contributor there, or a role that includes it.", target),
            (404, "SubscriptionNotFound") or (400, "InvalidSubscriptionId") => new FhirDeidException("SubscriptionNotFound", FhirDeidErrorCategory.ObjectNotFound, $"There is no such subscription, or not for you.{said}",
                "Check the subscription, and that you are signed in to its tenant (Get-AzSubscription).", target),
            (404, _) when target.Contains("/Microsoft.HealthcareApis/", StringComparison.OrdinalIgnoreCase) => new FhirDeidException("FhirServiceNotFound", FhirDeidErrorCategory.ObjectNotFound,
                $"There is no such FHIR service: {target}.", "Check the names; Connect-FhirDeid with fewer of them lists what exists.", target),
            (404, _) => new FhirDeidException("ResourceNotFound", FhirDeidErrorCategory.ObjectNotFound, $"There is no such resource: {target}.{said}", "Check that it was not deleted meanwhile.", target),
            (409, _) => new FhirDeidException("FhirServiceBusy", FhirDeidErrorCategory.ResourceUnavailable, $"The resource is being changed by someone else.{said}", "Wait until that is done, and run the command again.", target),
            (412, _) => new FhirDeidException("FhirServiceChanged", FhirDeidErrorCategory.ResourceExists, "Someone else changed the resource at the same time; nothing of theirs was overwritten.", "Run the command again.", target),
            (408 or 429, _) => new FhirDeidException("Throttled", FhirDeidErrorCategory.ResourceUnavailable, $"The resource manager is busy ({answer.Status}) and stayed so over several attempts.", "Try again in some minutes.", target),
            ( >= 200 and < 400, _) => new FhirDeidException("UnexpectedAnswer", FhirDeidErrorCategory.ProtocolError, $"The resource manager was asked to {doing} and answered {answer.Status} with something else.",
                "Check the network: a proxy may answer in its place. -Environment names the cloud.", target),
            ( >= 500, _) => new FhirDeidException("ServiceUnavailable", FhirDeidErrorCategory.ResourceUnavailable, $"The resource manager cannot serve the request now ({answer.Status}).{said}", "Try again in some minutes.", target),
            _ => Refused(FhirDeidErrorCategory.InvalidOperation, "Correct what it names, and run the command again.", $"The resource manager refused to {doing} ({answer.Status})."),
        };

        FhirDeidException Refused(FhirDeidErrorCategory category, string advice, string what) => new("ResourceManagerRefused", category, what + said, advice, target);
    }

    /// <summary>What the resource manager says, as a sentence to append; empty where it says nothing.</summary>
    public static string Said(ArmAnswer answer)
    {
        string text = ServiceText.OneLine(answer.Body.Text("error", "message"));
        // The message of an operation is often general, and the reason a detail of it.
        string detail = (answer.Body.Object("error")?["details"] as JsonArray)?.OfType<JsonObject>().Select(item => ServiceText.OneLine(item.Text("message"))).FirstOrDefault(item => item.Length > 0) ?? "";
        if (!text.Contains(detail, StringComparison.Ordinal)) text = $"{text} {detail}".Trim();
        string code = ServiceText.OneLine(Code(answer));
        return (text, code) switch
        {
            ("", "") => "",
            ("", _) => $" It says: {code}.",
            _ => $" It says: {text}{(code.Length > 0 ? $" ({code})" : "")}",
        };
    }
}
