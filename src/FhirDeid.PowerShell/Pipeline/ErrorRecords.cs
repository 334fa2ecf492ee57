using System.Management.Automation;

namespace FhirDeid.PowerShell.Pipeline;

/// <summary>The one place where errors become PowerShell's.</summary>
internal static class ErrorRecords
{
    public static ErrorRecord ToErrorRecord(this FhirDeidException error) =>
        new(error, error.ErrorId, Enum.Parse<ErrorCategory>(error.Category.ToString()), error.Target)
        {
            ErrorDetails = new ErrorDetails(error.Message) { RecommendedAction = error.RecommendedAction },
        };

    /// <summary>An exception nobody foresaw. Neither its message nor the exception itself goes on: both may hold data.</summary>
    public static FhirDeidException Unexpected(Exception exception) =>
        new("Unexpected", FhirDeidErrorCategory.InvalidOperation,
            $"The command failed in a way it does not know ({exception.GetType().Name}).",
            "Run it again with -Verbose and report the stack trace, which holds no data.");
}
