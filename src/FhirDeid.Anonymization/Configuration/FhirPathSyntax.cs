using Hl7.Fhir.ElementModel;
using Hl7.Fhir.FhirPath;
using Hl7.FhirPath;
using Hl7.FhirPath.Expressions;

namespace FhirDeid.Anonymization.Configuration;

/// <summary>Whether an expression is FHIRPath: grammar and function names, as far as the service checks.</summary>
/// <remarks>Expressions of the plain kind need no compiler, so that reading a usual configuration does not load it.</remarks>
internal static class FhirPathSyntax
{
    private static readonly Lazy<FhirPathCompiler> Compiler = new(() =>
    {
        SymbolTable symbols = new();
        symbols.AddStandardFP();
        symbols.AddFhirExtensions();
        symbols.Add("nodesByType", (IEnumerable<ITypedElement> nodes, string _) => nodes);
        symbols.Add("nodesByName", (IEnumerable<ITypedElement> nodes, string _) => nodes);
        return new FhirPathCompiler(symbols);
    });

    /// <summary>What is wrong with an expression, or null.</summary>
    public static string? Error(string expression)
    {
        if (string.IsNullOrWhiteSpace(expression))
            return "it is empty";
        if (Plan.RulePath.IsPlain(expression))
            return null;
        try
        {
            Compiler.Value.Compile(expression);
            return null;
        }
        catch (Exception exception) when (exception is FormatException or ArgumentException or InvalidOperationException)
        {
            return exception.Message.ReplaceLineEndings(" ").TrimEnd('.');
        }
    }
}
