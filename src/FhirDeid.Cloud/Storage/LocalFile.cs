using System.Runtime.InteropServices;
using System.Text;

namespace FhirDeid.Cloud.Storage;

/// <summary>Files on this machine's disk.</summary>
internal static partial class LocalFile
{
    /// <summary>Opens a new file that its owner alone can read, in place of one of that name; a link is replaced, never followed.</summary>
    public static FileStream Create(string path)
    {
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0, Options = FileOptions.Asynchronous };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        File.Delete(path);
        return new FileStream(path, options);
    }

    /// <summary>Holds a folder for one run at a time, until the result is disposed or the process ends.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.FolderInUse</c>, <c>FhirDeid.FileUnwritable</c>.</exception>
    public static FileStream Hold(string folder)
    {
        FileStreamOptions options = new() { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0, Options = FileOptions.DeleteOnClose };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        try
        {
            return new FileStream(Path.Combine(folder, ".receiving"), options);
        }
        catch (IOException e) when (OperatingSystem.IsWindows() ? (e.HResult & 0xFFFF) is 32 or 33 : e.HResult is 11 or 35)
        {
            throw new FhirDeidException("FolderInUse", FhirDeidErrorCategory.ResourceExists, $"Another command receives into {folder} at this moment.", "Wait until it has ended, or choose another folder.", folder, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(Path.Combine(folder, ExportLedger.FileName), e);
        }
    }

    /// <summary>Has the names in a folder written to the disk, where the platform offers that: Windows does so by itself.</summary>
    public static void FlushFolder(string folder)
    {
        if (OperatingSystem.IsWindows()) return;
        int descriptor = Open([.. Encoding.UTF8.GetBytes(folder), 0], 0);
        if (descriptor < 0) return;
        // Some file systems know no such thing, and say so: nothing could be done about it.
        _ = Synchronize(descriptor);
        _ = Close(descriptor);
    }

    /// <summary>Whether a file could not grow because its disk is full: ENOSPC, EDQUOT, or ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL.</summary>
    public static bool IsDiskFull(IOException e) => OperatingSystem.IsWindows() ? (e.HResult & 0xFFFF) is 112 or 39 : e.HResult is 28 or 122 or 69;

    /// <summary>The error for a file that cannot be written.</summary>
    public static FhirDeidException Unwritable(string path, Exception cause) => new("FileUnwritable", FhirDeidErrorCategory.WriteError,
        $"{path} cannot be written: {ServiceText.OneLine(cause.Message)}", "Check that the folder exists, that you may write there, and that the disk has room.", path, cause);

    /// <summary>The error for a file that is no longer what it was.</summary>
    public static FhirDeidException Changed(string path) => new("FileChanged", FhirDeidErrorCategory.InvalidData, $"{path} is not what was received: it was changed or cut off.",
        "Receive it again with -Force.", path);

    [DllImport("libc", EntryPoint = "open", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Open(byte[] path, int flags);

    [DllImport("libc", EntryPoint = "fsync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Synchronize(int descriptor);

    [DllImport("libc", EntryPoint = "close", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Close(int descriptor);
}
