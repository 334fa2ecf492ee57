using System.Collections.ObjectModel;
using System.Management.Automation;

namespace FhirDeid.PowerShell.Pipeline;

/// <summary>Paths as PowerShell users write them: relative to the current location, on any drive of the file system. For the pipeline thread.</summary>
internal static class FileSystemPaths
{
    private const string FileSystem = "FileSystem";

    /// <summary>Full path of a file or folder that need not exist.</summary>
    public static string FullPath(this PSCmdlet cmdlet, string path)
    {
        try
        {
            string full = cmdlet.SessionState.Path.GetUnresolvedProviderPathFromPSPath(path, out ProviderInfo provider, out _);
            return provider.Name == FileSystem ? full : throw NotAFile(path);
        }
        catch (RuntimeException exception)
        {
            throw NotFound(path, exception);
        }
    }

    /// <summary>Whether a text names a file or folder that is there.</summary>
    public static bool Exists(this PSCmdlet cmdlet, string text)
    {
        try
        {
            return cmdlet.FullPath(text) is var path && (File.Exists(path) || Directory.Exists(path));
        }
        catch (FhirDeidException)
        {
            return false;
        }
    }

    /// <summary>Full paths of the files and folders that a path with wildcards names.</summary>
    public static IReadOnlyList<string> ExistingPaths(this PSCmdlet cmdlet, string path)
    {
        try
        {
            Collection<string> full = cmdlet.SessionState.Path.GetResolvedProviderPathFromPSPath(path, out ProviderInfo provider);
            if (provider.Name != FileSystem) throw NotAFile(path);
            return full.Count > 0 ? full : throw NotFound(path);
        }
        catch (RuntimeException exception)
        {
            throw NotFound(path, exception);
        }
    }

    /// <summary>Creates a folder that its owner alone can read; one that exists stays as it is.</summary>
    public static void CreateOwnerOnlyFolder(string folder)
    {
        try
        {
            if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
            else Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new FhirDeidException("FileUnwritable", FhirDeidErrorCategory.WriteError, $"The folder '{folder}' cannot be created: {exception.Message}",
                "Name a folder that you may write to.", folder, exception);
        }
    }

    /// <summary>A file stands where one is to be written.</summary>
    public static FhirDeidException FileExists(string path) =>
        new("FileExists", FhirDeidErrorCategory.ResourceExists, $"The file '{path}' exists.", "Choose another folder, or replace the files with -Force.", path);

    private static FhirDeidException NotAFile(string path) => IsContent(path) ? ContentForPath() :
        new("PathNotSupported", FhirDeidErrorCategory.InvalidArgument, $"'{path}' is not a path of the file system.",
            "Give a path on a file system drive, or set the location to one.", path);

    private static FhirDeidException NotFound(string path, Exception? cause = null) => IsContent(path) ? ContentForPath() :
        new("PathNotFound", FhirDeidErrorCategory.ObjectNotFound, $"There is no file or folder '{path}'.", "Check the path.", path, cause);

    /// <summary>Whether a text that names no file is rather JSON, or a line of it: with keys or patients in it, which no error may quote, nor its cause.</summary>
    internal static bool IsContent(string path) => path.AsSpan().ContainsAny("\"{}\r\n");

    internal static FhirDeidException ContentForPath() => new("PathNotFound", FhirDeidErrorCategory.InvalidArgument, "A text that looks like JSON was given for the path of a file or folder.",
        "Give a path, or the whole text as one string: Get-Content -Raw. Resources in the pipeline come out of it again: leave out what only files need, such as -Destination.");
}
