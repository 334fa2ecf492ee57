using System.Diagnostics;

namespace FhirDeid.Anonymization.Bulk;

/// <summary>De-identifies NDJSON files: the output appears under its name only when it is complete.</summary>
internal static class NdjsonFile
{
    /// <summary>De-identifies one file.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.DestinationIsSource</c>, <c>FhirDeid.FileUnreadable</c>, <c>FhirDeid.FileUnwritable</c>, <c>FhirDeid.ResourceInvalid</c>, <c>FhirDeid.ResourceTooLarge</c>.</exception>
    public static async Task<DeidentifiedFile> DeidentifyAsync(Anonymizer anonymizer, string path, string destination,
        IProgress<FhirDeidProgress> progress, CancellationToken cancellation)
    {
        if (string.Equals(RealPath(path), RealPath(destination), StringComparison.OrdinalIgnoreCase))
        {
            throw new FhirDeidException("DestinationIsSource", FhirDeidErrorCategory.InvalidArgument, "The output would replace the input.",
                "Give another folder to -Destination.", path);
        }
        long started = Stopwatch.GetTimestamp();
        string partial = $"{destination}.{Guid.NewGuid():N}.partial";
        NdjsonStream stream = new(anonymizer, path, progress);
        await using FileStream input = OpenInput(path);
        FileStream output = CreateOutput(partial, destination);
        try
        {
            await using (output)
            {
                await stream.DeidentifyAsync(input, output, cancellation);
                await output.FlushAsync(cancellation);
            }
            File.Move(partial, destination, overwrite: true);
            return new DeidentifiedFile
            {
                Path = path,
                FullName = destination,
                Resources = stream.Resources,
                Failures = stream.Failures,
                Length = stream.BytesWritten,
                Sha256 = stream.Sha256,
                Duration = Stopwatch.GetElapsedTime(started),
            };
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(destination, exception);
        }
        finally
        {
            File.Delete(partial);
        }
    }

    /// <summary>The path with the symbolic links of its folders followed, as far as it exists.</summary>
    private static string RealPath(string path)
    {
        string full = Path.GetFullPath(path);
        if (Path.GetDirectoryName(full) is not { } parent)
            return full;
        string here = Path.Combine(RealPath(parent), Path.GetFileName(full));
        FileSystemInfo? target = Directory.Exists(here) ? Directory.ResolveLinkTarget(here, returnFinalTarget: true) : null;
        return target is null ? here : RealPath(target.FullName);
    }

    private static FileStream OpenInput(string path)
    {
        try
        {
            return new FileStream(path, new FileStreamOptions { Options = FileOptions.Asynchronous | FileOptions.SequentialScan, BufferSize = 0 });
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, exception);
        }
    }

    private static FileStream CreateOutput(string partial, string destination)
    {
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.Asynchronous, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        try
        {
            return new FileStream(partial, options);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(destination, exception);
        }
    }

    public static FhirDeidException Unreadable(string path, Exception exception) => new("FileUnreadable", FhirDeidErrorCategory.ReadError,
        $"The file cannot be read: {exception.Message}", "Check that it exists and that you may read it.", path, exception);

    private static FhirDeidException Unwritable(string destination, Exception exception) => new("FileUnwritable", FhirDeidErrorCategory.WriteError,
        $"The output cannot be written: {exception.Message}", "Give a folder to -Destination that exists, has room and lets you write.", destination, exception);
}
