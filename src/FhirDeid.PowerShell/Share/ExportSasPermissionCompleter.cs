using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;

namespace FhirDeid.PowerShell.Share;

/// <summary>Completes the permissions of a link that concern files, as words.</summary>
public sealed class ExportSasPermissionCompleter : IArgumentCompleter
{
    private static readonly string[] s_words = ["Read", "List", "Write", "Create", "Add", "Delete"];

    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters) =>
        s_words.Where(word => word.StartsWith(wordToComplete, StringComparison.OrdinalIgnoreCase)).Select(word => new CompletionResult(word));
}
