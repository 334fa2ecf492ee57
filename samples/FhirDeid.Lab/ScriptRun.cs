using System.Management.Automation;
using System.Management.Automation.Language;
using System.Management.Automation.Runspaces;
using System.Text.RegularExpressions;
using PS = System.Management.Automation.PowerShell;

namespace FhirDeid.Lab;

/// <summary>Runs a script in a runspace: whole, or statement by statement with each shown as if it were typed.</summary>
internal sealed partial class ScriptRun(Runspace runspace, Terminal terminal)
{
    private const int Failed = 1, Interrupted = 130;

    private readonly Lock _lock = new();
    private PS? _running;
    private bool _cleaningUp;
    private bool _stopped;

    /// <summary>Stops what runs, except what cleans up: that comes to its end.</summary>
    public void Stop()
    {
        lock (_lock)
        {
            if (_stopped) return;
            _stopped = true;
            if (!_cleaningUp) _running?.BeginStop(null, null);
        }
    }

    /// <summary>Runs a script whole and silently.</summary>
    /// <returns>What the script gives to <c>exit</c>, or the exit code of the last program it ran; 1 after an error that ended it, 130 after a stop.</returns>
    public int Run(string file, IEnumerable<string> arguments) => Guard(() =>
    {
        Invoke(shell =>
        {
            shell.AddCommand(file);
            foreach (CommandParameter argument in Parameters(arguments)) shell.Commands.Commands[0].Parameters.Add(argument);
        });
        return runspace.SessionStateProxy.GetVariable("LASTEXITCODE") as int? ?? 0;
    });

    /// <summary>Runs a script statement by statement, its comments and the texts that it merely writes as text between them. The statements of a try block are shown one by one too, and its finally block runs in any case.</summary>
    /// <returns>0, 1 after the first error, 130 after a stop.</returns>
    public int ShowAndRun(string file, IEnumerable<string> arguments) => Guard(() =>
    {
        ScriptBlockAst script = Parser.ParseFile(file, out Token[] tokens, out ParseError[] errors);
        if (errors.Length > 0) throw new ParseException(errors);

        runspace.SessionStateProxy.SetVariable("ErrorActionPreference", ActionPreference.Stop);
        if (script.ParamBlock is { } parameters)
        {
            Invoke(shell =>
            {
                shell.AddScript(parameters.Extent.Text, useLocalScope: false);
                foreach (CommandParameter argument in Parameters(arguments)) shell.Commands.Commands[0].Parameters.Add(argument);
            });
        }
        ShowAndRun(script.EndBlock.Statements, [.. tokens.Where(token => token.Kind == TokenKind.Comment)]);
        return 0;
    });

    private void ShowAndRun(IEnumerable<StatementAst> statements, Token[] comments)
    {
        foreach (StatementAst statement in statements)
        {
            if (statement is TryStatementAst { CatchClauses.Count: 0 } attempt)
            {
                try
                {
                    ShowAndRun(attempt.Body.Statements, comments);
                }
                finally
                {
                    lock (_lock) _cleaningUp = true;
                    ShowAndRun(attempt.Finally.Statements, comments);
                    lock (_lock) _cleaningUp = false;
                }
                continue;
            }

            EndIfStopped();
            if (statement is PipelineAst { PipelineElements: [CommandExpressionAst { Expression: StringConstantExpressionAst heading }] })
            {
                terminal.WriteExplanation([.. Above(statement, comments), heading.Value]);
                continue;
            }
            terminal.WriteExplanation(Above(statement, comments));
            terminal.WriteCommand(Unindented(statement));
            Invoke(shell => shell.AddScript(statement.Extent.Text, useLocalScope: false));
        }
    }

    private void Invoke(Action<PS> add)
    {
        using PS shell = PS.Create(runspace);
        add(shell);
        shell.Commands.Commands[0].MergeMyResults(PipelineResultTypes.Error, PipelineResultTypes.Output);
        shell.AddCommand("Out-Default");
        lock (_lock)
        {
            EndIfStopped();
            _running = shell;
        }
        try
        {
            shell.Invoke();
        }
        finally
        {
            lock (_lock) _running = null;
            terminal.EndProgress();
        }
    }

    private void EndIfStopped()
    {
        lock (_lock)
        {
            if (_stopped && !_cleaningUp) throw new PipelineStoppedException();
        }
    }

    private int Guard(Func<int> run)
    {
        try
        {
            return run();
        }
        catch (PipelineStoppedException)
        {
            terminal.WriteError("Stopped.");
            return Interrupted;
        }
        catch (RuntimeException exception)
        {
            terminal.WriteError(exception.ErrorRecord.ToString());
            if (exception.ErrorRecord.ErrorDetails?.RecommendedAction is { Length: > 0 } action) terminal.WriteError(action);
            return Failed;
        }
    }

    /// <summary>The comment that ends on the line above a statement.</summary>
    private static Stack<string> Above(StatementAst statement, Token[] comments)
    {
        Stack<string> lines = [];
        int line = statement.Extent.StartLineNumber;
        while (Array.Find(comments, comment => comment.Extent.StartLineNumber == line - 1) is { } comment)
        {
            lines.Push(comment.Text.TrimStart('#').Trim());
            line--;
        }
        return lines;
    }

    /// <summary>The lines of a statement, without the indentation it has in a block.</summary>
    private static IEnumerable<string> Unindented(StatementAst statement)
    {
        int indentation = statement.Extent.StartColumnNumber - 1;
        string[] lines = statement.Extent.Text.Split('\n');
        return lines.Select((line, index) => index == 0 ? line.TrimEnd() : line[Math.Min(indentation, line.Length - line.TrimStart().Length)..].TrimEnd());
    }

    /// <summary>Command line arguments as a script receives them from <c>pwsh -File</c>: <c>-Name value</c>, <c>-Name:value</c>, <c>-Switch</c>, or values by position.</summary>
    private static IEnumerable<CommandParameter> Parameters(IEnumerable<string> arguments)
    {
        foreach (string argument in arguments)
        {
            Match name = Name().Match(argument);
            yield return !name.Success ? new CommandParameter(null, argument)
                : name.Groups["value"].Success ? new CommandParameter(name.Groups["name"].Value, Value(name.Groups["value"].Value))
                : new CommandParameter(argument);
        }

        static object Value(string text) => text.ToUpperInvariant() switch { "$TRUE" => true, "$FALSE" => false, _ => text };
    }

    [GeneratedRegex("^-(?<name>[A-Za-z_][A-Za-z0-9_]*)(:(?<value>.+))?$", RegexOptions.Singleline)]
    private static partial Regex Name();
}
