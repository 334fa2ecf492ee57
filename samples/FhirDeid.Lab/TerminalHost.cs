using System.Collections.ObjectModel;
using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Host;
using System.Reflection;
using System.Security;

namespace FhirDeid.Lab;

/// <summary>PowerShell's view of the screen. It asks nothing: what would prompt, fails.</summary>
internal sealed class TerminalHost(Terminal terminal) : PSHost
{
    public override Guid InstanceId { get; } = Guid.NewGuid();
    public override string Name => "FhirDeid.Lab";
    public override Version Version { get; } = Assembly.GetExecutingAssembly().GetName().Version!;
    public override PSHostUserInterface UI { get; } = new UserInterface(terminal);
    public override CultureInfo CurrentCulture => CultureInfo.CurrentCulture;
    public override CultureInfo CurrentUICulture => CultureInfo.CurrentUICulture;

    public override void EnterNestedPrompt() => throw Unanswered();
    public override void ExitNestedPrompt() => throw Unanswered();
    public override void NotifyBeginApplication() { }
    public override void NotifyEndApplication() { }
    public override void SetShouldExit(int exitCode) { }

    private static HostException Unanswered() =>
        new("This host cannot ask. Give every mandatory parameter, and -Confirm:$false where a command would ask.");

    private sealed class UserInterface(Terminal terminal) : PSHostUserInterface
    {
        public override PSHostRawUserInterface RawUI { get; } = new RawUserInterface(terminal);
        public override bool SupportsVirtualTerminal => terminal.IsInteractive;

        public override void Write(string value) => terminal.Write(Styled(value));
        public override void Write(ConsoleColor foregroundColor, ConsoleColor backgroundColor, string value) => Write(value);
        public override void WriteLine(string value) => terminal.WriteLine(Styled(value));
        public override void WriteErrorLine(string value) => terminal.WriteError(Styled(value));
        public override void WriteWarningLine(string message) => terminal.WriteLine($"WARNING: {message}", "33");
        public override void WriteVerboseLine(string message) => terminal.WriteLine($"VERBOSE: {message}", "33");
        public override void WriteDebugLine(string message) => terminal.WriteLine($"DEBUG: {message}", "33");

        public override void WriteProgress(long sourceId, ProgressRecord record)
        {
            if (record.RecordType == ProgressRecordType.Completed) terminal.EndProgress();
            else terminal.ShowProgress(record.Activity, record.StatusDescription, record.PercentComplete);
        }

        /// <summary>Formatting writes escape sequences in any case; where they would be read as text, or are not wanted, they go.</summary>
        private string Styled(string text) => GetOutputString(text, SupportsVirtualTerminal);

        public override string ReadLine() => throw Unanswered();
        public override SecureString ReadLineAsSecureString() => throw Unanswered();
        public override Dictionary<string, PSObject> Prompt(string caption, string message, Collection<FieldDescription> descriptions) => throw Unanswered();
        public override int PromptForChoice(string caption, string message, Collection<ChoiceDescription> choices, int defaultChoice) => throw Unanswered();
        public override PSCredential PromptForCredential(string caption, string message, string userName, string targetName) => throw Unanswered();
        public override PSCredential PromptForCredential(string caption, string message, string userName, string targetName, PSCredentialTypes allowedCredentialTypes, PSCredentialUIOptions options) => throw Unanswered();
    }

    private sealed class RawUserInterface(Terminal terminal) : PSHostRawUserInterface
    {
        public override Size BufferSize { get => new(terminal.Width, 9999); set { } }
        public override Size WindowSize { get => new(terminal.Width, 50); set { } }
        public override Size MaxWindowSize => WindowSize;
        public override Size MaxPhysicalWindowSize => WindowSize;
        public override ConsoleColor BackgroundColor { get; set; } = ConsoleColor.Black;
        public override ConsoleColor ForegroundColor { get; set; } = ConsoleColor.Gray;
        public override Coordinates CursorPosition { get; set; }
        public override Coordinates WindowPosition { get; set; }
        public override int CursorSize { get; set; }
        public override bool KeyAvailable => false;
        public override string WindowTitle { get; set; } = "";

        public override void FlushInputBuffer() { }
        public override BufferCell[,] GetBufferContents(Rectangle rectangle) => throw Unanswered();
        public override KeyInfo ReadKey(ReadKeyOptions options) => throw Unanswered();
        public override void ScrollBufferContents(Rectangle source, Coordinates destination, Rectangle clip, BufferCell fill) { }
        public override void SetBufferContents(Coordinates origin, BufferCell[,] contents) { }
        public override void SetBufferContents(Rectangle rectangle, BufferCell fill) { }
    }
}
