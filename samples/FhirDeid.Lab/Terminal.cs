namespace FhirDeid.Lab;

/// <summary>The screen: lines of text, and one line of progress below them that is drawn anew. Redirected, progress becomes a plain line now and then.</summary>
internal sealed class Terminal
{
    private const int RedirectedWidth = 120;
    private const long RedirectedProgressPause = 5_000;

    private readonly Lock _lock = new();
    private readonly HashSet<string> _told = [];
    private string _progress = "";
    private bool _isBlank = true;
    private long _toldAt = Environment.TickCount64;

    /// <summary>Whether escape sequences do something.</summary>
    public bool IsInteractive { get; } = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb";

    public int Width => IsInteractive && Console.WindowWidth is > 20 and int width ? width : RedirectedWidth;

    public void WriteExplanation(IReadOnlyCollection<string> lines)
    {
        if (lines.Count > 0 && !_isBlank) WriteLine("");
        foreach (string line in lines) WriteLine(line, "32");
    }

    public void WriteCommand(IEnumerable<string> lines)
    {
        string prompt = "PS> ";
        foreach (string line in lines)
        {
            WriteLine(prompt + line, "1");
            prompt = ">>  ";
        }
    }

    public void WriteError(string line)
    {
        lock (_lock)
        {
            EraseProgress();
            Console.Error.WriteLine(IsInteractive ? $"\e[31m{line}\e[0m" : line);
        }
    }

    public void WriteLine(string line, string style = "")
    {
        Write(IsInteractive && style.Length > 0 ? $"\e[{style}m{line}\e[0m{Environment.NewLine}" : line + Environment.NewLine);
    }

    public void Write(string text)
    {
        lock (_lock)
        {
            EraseProgress();
            Console.Out.Write(text);
            _isBlank = text == Environment.NewLine;
        }
    }

    public void ShowProgress(string activity, string status, int percent)
    {
        string line = percent < 0 ? $"{activity}: {status}" : $"{activity}: {status} ({percent} %)";
        lock (_lock)
        {
            if (IsInteractive)
            {
                EraseProgress();
                _progress = line.Length < Width ? line : line[..(Width - 1)];
                Console.Out.Write(_progress);
            }
            // What counts no percent says something of its own, such as what is fetched.
            else if ((percent < 0 && _told.Add(activity)) || Environment.TickCount64 - _toldAt > RedirectedProgressPause)
            {
                _toldAt = Environment.TickCount64;
                Console.Out.WriteLine(line);
            }
        }
    }

    public void EndProgress()
    {
        lock (_lock) EraseProgress();
    }

    private void EraseProgress()
    {
        if (_progress.Length > 0) Console.Out.Write($"\r{new string(' ', _progress.Length)}\r");
        _progress = "";
    }
}
