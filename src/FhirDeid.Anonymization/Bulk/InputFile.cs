using System.IO.Enumeration;

namespace FhirDeid.Anonymization.Bulk;

/// <summary>A file to de-identify.</summary>
/// <param name="path">Full path.</param>
/// <param name="name">Name below the folder that was asked for.</param>
internal sealed class InputFile(string path, string name) : IDeidentificationInput
{
    public string FullName => path;

    public string Name => name;

    public long Length { get; private set; } = Target(path) is { Exists: true } file ? file.Length : 0;

    public string Version
    {
        get
        {
            FileInfo file = Target(path);
            return file.Exists ? $"{file.Length}-{file.LastWriteTimeUtc.Ticks}" : "";
        }
    }

    public long? Count => null;

    /// <summary>The file that a link leads to: size and time of the link itself never change.</summary>
    private static FileInfo Target(string path)
    {
        FileInfo file = new(path);
        return file.Exists && file.LinkTarget is not null && file.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target ? target : file;
    }

    /// <inheritdoc cref="IAnonymization.Files"/>
    public static IReadOnlyList<IDeidentificationInput> List(string path, string except)
    {
        if (!Directory.Exists(path))
            return [new InputFile(path, Path.GetFileName(path))];
        string root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        StringComparison comparison = OperatingSystem.IsLinux() ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase;
        except = Path.TrimEndingDirectorySeparator(Path.GetFullPath(except));
        try
        {
            FileSystemEnumerable<string> files = new(root, (ref FileSystemEntry entry) => entry.ToFullPath(), new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = false })
            {
                ShouldIncludePredicate = (ref FileSystemEntry entry) => !entry.IsDirectory && DataFormat.Reads(entry.FileName.ToString()),
                ShouldRecursePredicate = (ref FileSystemEntry entry) => (entry.Attributes & FileAttributes.ReparsePoint) == 0 && !entry.ToFullPath().Equals(except, comparison),
            };
            return [.. files.Order(StringComparer.Ordinal).Select(file => new InputFile(file, Path.GetRelativePath(root, file).Replace(Path.DirectorySeparatorChar, '/')))];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, exception);
        }
    }

    public Task<Stream> OpenAsync(CancellationToken cancellation)
    {
        try
        {
            FileStream stream = new(path, new FileStreamOptions
            {
                Share = FileShare.ReadWrite | FileShare.Delete,
                Options = FileOptions.Asynchronous | FileOptions.SequentialScan,
                BufferSize = 0,
            });
            if (!stream.CanSeek)
            {
                stream.Dispose();
                throw new IOException("It is no regular file.");
            }
            Length = stream.Length;
            return Task.FromResult<Stream>(stream);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, exception);
        }
    }

    public FhirDeidException? Explain(Exception exception, CancellationToken cancellation) =>
        exception is IOException or UnauthorizedAccessException ? Unreadable(path, exception) : null;

    private static FhirDeidException Unreadable(string path, Exception exception) => new("FileUnreadable", FhirDeidErrorCategory.ReadError,
        $"The file cannot be read: {exception.Message}", "Check that it exists and that you may read it.", path, exception);
}
