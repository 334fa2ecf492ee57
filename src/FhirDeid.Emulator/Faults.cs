using System.Collections.Concurrent;
using System.Globalization;
using System.Text.RegularExpressions;

namespace FhirDeid.Emulator;

/// <summary>What goes wrong with the next requests: <c>PUT /_emulator/faults</c>, which Set-FhirDeidEmulator sends.</summary>
internal sealed class Faults
{
    /// <summary>Where the faults are set.</summary>
    public const string Path = "/_emulator/faults";

    private ConcurrentQueue<Fault> _start = [], _status = [];

    /// <summary>Takes the place of what was set before.</summary>
    /// <exception cref="OperationOutcomeException">One of them is no fault: nothing has changed.</exception>
    public void Set(FaultPlan plan)
    {
        Fault[] start = [.. (plan.Start ?? []).Select(text => Fault.Parse(text, atStart: true))], status = [.. (plan.Status ?? []).Select(text => Fault.Parse(text, atStart: false))];
        (_start, _status) = (new(start), new(status));
    }

    /// <summary>What becomes of a request; null for nothing out of the ordinary.</summary>
    public Fault? Next(HttpRequest request)
    {
        if (request.Method != "GET") return null;
        ConcurrentQueue<Fault>? queue = request.Path.Value?.EndsWith("/$export", StringComparison.Ordinal) == true ? _start
            : request.Path.StartsWithSegments("/_operations/export") ? _status : null;
        return queue?.TryDequeue(out Fault? fault) == true ? fault : null;
    }
}

/// <summary>What is set: texts as <see cref="Fault.Parse"/> reads them.</summary>
internal sealed record FaultPlan(string[]? Start, string[]? Status);

/// <summary>What becomes of one request, or of the export that it starts.</summary>
/// <param name="Kind">What.</param>
/// <param name="Status">HTTP status of an answer, or of a failed export.</param>
/// <param name="Text">Retry-After of an answer, or the reason of a failed export.</param>
/// <param name="Silence">How long nothing is said; null for as long as the caller waits.</param>
internal sealed partial record Fault(FaultKind Kind, int Status = 0, string? Text = null, TimeSpan? Silence = null)
{
    /// <summary>Reads one: <c>ok</c>, <c>reset</c>, <c>silence [seconds]</c>, <c>expired</c>, <c>503 [Retry-After: …]</c>; of a start also <c>lost</c>, <c>endless</c>, <c>empty</c>, <c>identified</c>, <c>fail 500 reason</c>; of a status request also <c>cut</c>.</summary>
    /// <exception cref="OperationOutcomeException">It is none.</exception>
    public static Fault Parse(string text, bool atStart)
    {
        switch (text.Trim(), atStart)
        {
            case ("ok", _): return new(FaultKind.None);
            case ("reset", _): return new(FaultKind.Reset);
            case ("expired", _): return new(FaultKind.Expired);
            case ("lost", true): return new(FaultKind.Lost);
            case ("endless", true): return new(FaultKind.Endless);
            case ("empty", true): return new(FaultKind.Empty);
            case ("identified", true): return new(FaultKind.Identified);
            case ("cut", false): return new(FaultKind.Cut);
        }

        if (Quiet().Match(text) is { Success: true } quiet)
            return new(FaultKind.Silence, Silence: quiet.Groups[1].Success ? TimeSpan.FromSeconds(int.Parse(quiet.Groups[1].Value, CultureInfo.InvariantCulture)) : null);
        if (Answer().Match(text) is { Success: true } answer)
            return new(FaultKind.Answer, int.Parse(answer.Groups[1].Value, CultureInfo.InvariantCulture), answer.Groups[2].Success ? answer.Groups[2].Value.Trim() : null);
        if (atStart && Failure().Match(text) is { Success: true } failure)
            return new(FaultKind.Fail, int.Parse(failure.Groups[1].Value, CultureInfo.InvariantCulture), failure.Groups[2].Value.Trim());
        throw OperationOutcomeException.Invalid($"'{text}' is no fault of {(atStart ? "a start: ok, reset, lost, silence, silence 5, expired, 503, 429 Retry-After: 5, endless, empty, identified, fail 500 Unknown Error." : "a status request: ok, reset, silence, silence 5, expired, 503, 429 Retry-After: 5, cut.")}");
    }

    [GeneratedRegex(@"^\s*silence(?:\s+([0-9]{1,4}))?\s*$")]
    private static partial Regex Quiet();

    [GeneratedRegex(@"^\s*([45][0-9]{2})(?:\s+Retry-After:([\x20-\x7E]+))?\s*$", RegexOptions.IgnoreCase)]
    private static partial Regex Answer();

    [GeneratedRegex(@"^\s*fail\s+([45][0-9]{2})\s+(.+)$", RegexOptions.Singleline)]
    private static partial Regex Failure();
}

/// <summary>Kinds of faults.</summary>
internal enum FaultKind
{
    /// <summary>None: the request is served.</summary>
    None,
    /// <summary>The connection is closed before anything is done.</summary>
    Reset,
    /// <summary>The export is started, and the connection closed before the answer.</summary>
    Lost,
    /// <summary>Nothing is said; then the connection is closed.</summary>
    Silence,
    /// <summary>The token counts as expired from now on.</summary>
    Expired,
    /// <summary>An error status instead of the answer.</summary>
    Answer,
    /// <summary>The export never ends.</summary>
    Endless,
    /// <summary>The export ends without files, as one that the service has cancelled by itself.</summary>
    Empty,
    /// <summary>The export is not de-identified, and its manifest says nothing of it.</summary>
    Identified,
    /// <summary>The export fails.</summary>
    Fail,
    /// <summary>Once the export has ended, half of its manifest is sent.</summary>
    Cut,
}
