using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using FhirDeid.PowerShell.Loading;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Completes the paths of rules from the R4 model: types, elements, and what nodesByType and nodesByName can search for.</summary>
public sealed class RulePathCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        string word = wordToComplete.Trim('"');
        return Engine.Authoring.CompletePath(word).Select(path =>
            new CompletionResult(path.AsSpan().IndexOfAny("()' |") < 0 ? path : $"\"{path}\"", path, CompletionResultType.ParameterValue, path));
    }
}

/// <summary>Completes the methods that act on the rule's path.</summary>
public sealed class RuleMethodCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters) =>
        Engine.Authoring.MethodsFor(fakeBoundParameters["Path"]?.ToString() ?? "")
            .Where(method => method.StartsWith(wordToComplete, StringComparison.OrdinalIgnoreCase))
            .Select(method => new CompletionResult(method));
}
