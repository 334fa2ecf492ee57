using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using System.Management.Automation.Runspaces;
using FhirDeid.PowerShell.Connect;

namespace FhirDeid.PowerShell.Setup;

/// <summary>Completes the storage account that the connection knows.</summary>
public sealed class StorageAccountCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters) =>
        Connections.Find(Runspace.DefaultRunspace)?.Context.StorageAccountName is { Length: > 0 } name && name.StartsWith(wordToComplete, StringComparison.OrdinalIgnoreCase) ? [new CompletionResult(name)] : [];
}
