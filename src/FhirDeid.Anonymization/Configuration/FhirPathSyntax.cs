using FhirDeid.Anonymization.Lint;

namespace FhirDeid.Anonymization.Configuration;

/// <summary>Whether an expression is FHIRPath: grammar and function names, as far as the service checks.</summary>
internal static class FhirPathSyntax
{
    /// <summary>What is wrong with an expression, or null.</summary>
    /// <param name="expression">The expression.</param>
    /// <param name="isTooComplex">Whether it is too long or too deeply nested to be read.</param>
    public static string? Error(string expression, out bool isTooComplex)
    {
        isTooComplex = false;
        if (string.IsNullOrWhiteSpace(expression))
            return "it is empty";
        if (Plan.RulePath.IsPlain(expression))
            return null;
        try
        {
            PathParser.Parse(expression);
            return null;
        }
        catch (PathSyntaxException exception)
        {
            isTooComplex = exception.IsTooComplex;
            return exception.Message;
        }
    }

    /// <summary>What is wrong with an expression, or null.</summary>
    public static string? Error(string expression) => Error(expression, out _);
}
