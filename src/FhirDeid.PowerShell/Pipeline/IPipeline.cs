namespace FhirDeid.PowerShell.Pipeline;

/// <summary>The PowerShell pipeline, as the body of a cmdlet sees it from the thread pool. Every member ends with an <see cref="OperationCanceledException"/> once the cmdlet stops.</summary>
public interface IPipeline
{
    /// <summary>Hands an object to the next command and returns once that has taken it: a slow reader slows the body down.</summary>
    /// <param name="value">The object; collections are not enumerated.</param>
    /// <returns>Completes when the object is written.</returns>
    Task WriteObjectAsync(object value);

    /// <summary>Writes a non-terminating error and returns once it is written.</summary>
    /// <param name="error">The error.</param>
    /// <returns>Completes when the error is written.</returns>
    Task WriteErrorAsync(FhirDeidException error);

    /// <summary>Asks for permission to change something: <c>-WhatIf</c> and <c>-Confirm</c>.</summary>
    /// <param name="target">What would change.</param>
    /// <param name="action">What would happen to it.</param>
    /// <returns>Whether to go on.</returns>
    Task<bool> ShouldProcessAsync(object target, string action);

    /// <summary>Asks for permission to change something, in words of the cmdlet's own.</summary>
    /// <param name="description">What would be done: <c>-WhatIf</c> shows it.</param>
    /// <param name="question">What <c>-Confirm</c> asks.</param>
    /// <param name="caption">What stands above the question.</param>
    /// <returns>Whether to go on.</returns>
    Task<bool> ShouldProcessAsync(string description, string question, string caption);

    /// <summary>Runs something that only the pipeline's own thread may do: session state, paths, other commands.</summary>
    /// <typeparam name="T">Type of the result.</typeparam>
    /// <param name="work">What to run. It must not use this pipeline.</param>
    /// <returns>The result; an exception of the work becomes one of this task.</returns>
    Task<T> InvokeAsync<T>(Func<T> work);

    /// <summary>Writes a warning, without waiting for it to be shown.</summary>
    /// <param name="message">The warning.</param>
    void WriteWarning(string message);

    /// <summary>Writes a verbose message, without waiting for it to be shown.</summary>
    /// <param name="message">The message.</param>
    void WriteVerbose(string message);

    /// <summary>Shows progress: at most one record an activity in 500 ms, the rest is dropped; each activity is completed when the body ends.</summary>
    IProgress<FhirDeidProgress> Progress { get; }
}
