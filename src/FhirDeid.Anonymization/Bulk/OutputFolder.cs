using System.Security.Cryptography;
using System.Text;

namespace FhirDeid.Anonymization.Bulk;

/// <summary>A folder that results go to. The notes on them are in its hidden folder <c>.fhirdeid</c>.</summary>
/// <param name="root">Full path.</param>
internal sealed class OutputFolder(string root) : IDeidentificationTarget
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public string FullName(string name) => Path.Combine(root, name.Replace('/', Path.DirectorySeparatorChar));

    /// <summary>The note: the hash of the file on the first line, the rest on the second.</summary>
    private string Note(string name) => Path.Combine(root, ".fhirdeid", name.Replace('/', Path.DirectorySeparatorChar) + ".done");

    public async Task<string?> FindAsync(string name, CancellationToken cancellation)
    {
        string path = FullName(name);
        try
        {
            if (!File.Exists(path) || !File.Exists(Note(name)) || IsLinked(Note(name)))
                return null;
            string[] note = await File.ReadAllLinesAsync(Note(name), cancellation);
            await using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1, FileOptions.Asynchronous | FileOptions.SequentialScan);
            return note.Length == 2 && Convert.ToHexString(await SHA256.HashDataAsync(file, cancellation)).Equals(note[0], StringComparison.OrdinalIgnoreCase) ? note[1] : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public Task<IDeidentificationOutput> CreateAsync(IDeidentificationInput input, bool force, CancellationToken cancellation)
    {
        string path = FullName(input.Name);
        string partial = $"{path}.{Guid.NewGuid():N}.partial";
        OutputFile? output = null;
        try
        {
            if (!Path.GetFullPath(path).StartsWith(Path.TrimEndingDirectorySeparator(Path.GetFullPath(root)) + Path.DirectorySeparatorChar, StringComparison.Ordinal))
                throw new FhirDeidException("FileNameInvalid", FhirDeidErrorCategory.SecurityError, "The name of the input leads out of the destination.", "Rename it.", input.FullName);
            CreateFolder(Path.GetDirectoryName(path)!);
            if (IsLinked(Note(input.Name)))
                throw new IOException($"{Note(input.Name)}, or a folder on the way to it, is a link.");
            output = new OutputFile(path, partial, Note(input.Name));
            if (input is InputFile && IsSource(input.FullName, path, partial))
            {
                throw new FhirDeidException("DestinationIsSource", FhirDeidErrorCategory.InvalidArgument, $"The output would replace the input: {input.FullName}.",
                    "Give another folder to -Destination.", input.FullName);
            }
            if (!force && File.Exists(path) && !File.Exists(Note(input.Name)))
            {
                throw new FhirDeidException("FileExists", FhirDeidErrorCategory.ResourceExists, $"{path} exists and is not a result of Invoke-FhirDeid.",
                    "Choose another folder, or replace the file with -Force.", path);
            }
            return Task.FromResult<IDeidentificationOutput>(output);
        }
        catch (Exception exception)
        {
            output?.Discard();
            throw exception is IOException or UnauthorizedAccessException ? Unwritable(path, exception) : exception;
        }
    }

    /// <summary>Whether input and output are one file, whatever links, mounts and letter case lie between: a partial file's name is unique, so the folder that it shows up in is the output's.</summary>
    private static bool IsSource(string input, string path, string partial)
    {
        FileSystemInfo real = File.ResolveLinkTarget(input, returnFinalTarget: true) ?? new FileInfo(input);
        return Path.GetFileName(real.FullName).Equals(Path.GetFileName(path), StringComparison.OrdinalIgnoreCase)
            && File.Exists(Path.Combine(Path.GetDirectoryName(real.FullName)!, Path.GetFileName(partial)));
    }

    /// <summary>Whether a note, or a folder of notes on the way to it, is a link: what it leads to is not the destination's.</summary>
    private bool IsLinked(string note)
    {
        for (FileSystemInfo? at = new FileInfo(note); at is not null && at.FullName.Length > Path.GetFullPath(root).Length; at = at is FileInfo file ? file.Directory : ((DirectoryInfo)at).Parent)
        {
            if (at.LinkTarget is not null)
                return true;
        }
        return false;
    }

    private static FileStream Create(string path)
    {
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.Asynchronous, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerOnly;
        return new FileStream(path, options);
    }

    private static void CreateFolder(string path)
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(path);
        else
            Directory.CreateDirectory(path, OwnerOnly | UnixFileMode.UserExecute);
    }

    private static FhirDeidException Unwritable(string path, Exception exception) => new("FileUnwritable", FhirDeidErrorCategory.WriteError,
        $"The output cannot be written: {exception.Message}", "Give a folder to -Destination that has room and lets you write.", path, exception);

    private sealed class OutputFile : IDeidentificationOutput
    {
        private readonly string _path;
        private readonly string _partial;
        private readonly string _note;
        private readonly FileStream _stream;

        public OutputFile(string path, string partial, string note)
        {
            (_path, _partial, _note) = (path, partial, note);
            _stream = Create(partial);
        }

        public Stream Stream => _stream;

        public async Task CommitAsync(string sha256, string note, CancellationToken cancellation)
        {
            _stream.Flush(flushToDisk: true);
            await _stream.DisposeAsync();
            cancellation.ThrowIfCancellationRequested();
            CreateFolder(Path.GetDirectoryName(_note)!);
            // First the note: a result without one would count as somebody else's. One that does not fit its result is no harm.
            string partialNote = $"{_note}.{Guid.NewGuid():N}.partial";
            try
            {
                await using (FileStream file = Create(partialNote))
                {
                    await file.WriteAsync(Encoding.UTF8.GetBytes($"{sha256}\n{note}\n"), CancellationToken.None);
                    file.Flush(flushToDisk: true);
                }
                File.Move(partialNote, _note, overwrite: true);
            }
            finally
            {
                File.Delete(partialNote);
            }
            File.Move(_partial, _path, overwrite: true);
        }

        public FhirDeidException? Explain(Exception exception, CancellationToken cancellation) =>
            exception is IOException or UnauthorizedAccessException ? Unwritable(_path, exception) : null;

        public async ValueTask DisposeAsync()
        {
            await _stream.DisposeAsync();
            File.Delete(_partial);
        }

        public void Discard()
        {
            _stream.Dispose();
            File.Delete(_partial);
        }
    }
}
