using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace FhirDeid.Cloud.Storage;

/// <summary>A file that is being received, <c>{name}.{address}-{ETag}.partial</c>: by its name the next run knows whether it is the beginning of what it wants, and goes on with exactly that version.</summary>
/// <remarks>Without an ETag in its name it is the beginning of nothing: what is changed on the way (duplicates left out, de-identified here, unpacked) cannot be taken up in its middle, nor by a run that changes it in another way or not at all.</remarks>
internal sealed partial class PartialFile : IAsyncDisposable
{
    private readonly string _path;
    private readonly FileStream _stream;

    private PartialFile(string path, FileStream stream) => (_path, _stream) = (path, stream);

    /// <summary>Whether the file stays for the next run when it is disposed of without having been completed.</summary>
    public bool Keep { get; set; }

    public long Length => _stream.Length;

    /// <summary>Whether a run writes bytes as they come, so that a part of a file is a beginning of the whole.</summary>
    public static bool IsVerbatim(FhirReceiveOptions options) => !options.Unique && options.Deidentify is null;

    /// <summary>The partial files of a folder, by the names of what they are to become.</summary>
    public static ILookup<string, string> In(string folder) => Directory.EnumerateFiles(folder, "*.ndjson.*.partial").ToLookup(NameOf, StringComparer.Ordinal);

    private static string NameOf(string partial)
    {
        string name = Path.GetFileName(partial);
        return name[..(name.IndexOf(".ndjson.", StringComparison.Ordinal) + ".ndjson".Length)];
    }

    /// <summary>Which version of a file a partial one is the beginning of; null where it is of none that could be gone on with.</summary>
    public static string? ETagOf(ExportLedger.Entry entry, string partial)
    {
        string name = Path.GetFileName(partial), start = $"{entry.Name}.{Address(entry)}-", end = ".partial";
        return name.StartsWith(start, StringComparison.Ordinal) && name[start.Length..^end.Length] is { Length: > 0 } version && new FileInfo(partial).LinkTarget is null ? $"\"{version}\"" : null;
    }

    /// <summary>Begins a file.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="entry">What it is to become.</param>
    /// <param name="etag">The version that it begins, where its bytes are written as they come.</param>
    public static PartialFile Create(string folder, ExportLedger.Entry entry, string? etag)
    {
        string? version = etag?.Trim('"');
        bool canGoOn = version is not null && PlainVersion().IsMatch(version);
        string path = Path.Combine(folder, $"{entry.Name}.{Address(entry)}{(canGoOn ? "-" + version : "")}.partial");
        return new PartialFile(path, LocalFile.Create(path)) { Keep = canGoOn };
    }

    /// <summary>Takes up the beginning of a file: its lines are checked again, and what follows the last whole one is cut off.</summary>
    /// <param name="path">The beginning.</param>
    /// <param name="lines">Checks them.</param>
    /// <param name="sums">Counts them.</param>
    /// <param name="cancellation">Stops.</param>
    /// <exception cref="RestartException">It is nothing to go on from.</exception>
    public static async Task<PartialFile> GoOnAsync(string path, ExportedLines lines, FileSums sums, CancellationToken cancellation)
    {
        FileStream stream = new(path, new FileStreamOptions { Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0, Options = FileOptions.Asynchronous });
        PartialFile partial = new(path, stream) { Keep = true };
        try
        {
            stream.SetLength(await EndOfLinesAsync(stream, cancellation).ConfigureAwait(false));
            stream.Position = 0;
            await sums.AddAsync(lines, stream, cancellation).ConfigureAwait(false);
            stream.Position = stream.Length;
            return partial;
        }
        catch (Exception e)
        {
            // A disk that lost power in the middle.
            partial.Keep = e is not FhirDeidException;
            await partial.DisposeAsync().ConfigureAwait(false);
            if (e is FhirDeidException) throw new RestartException();
            throw;
        }
    }

    private static async Task<long> EndOfLinesAsync(FileStream file, CancellationToken cancellation)
    {
        byte[] buffer = new byte[64 * 1024];
        for (long end = file.Length; end > 0;)
        {
            int length = (int)Math.Min(buffer.Length, end);
            file.Position = end - length;
            await file.ReadExactlyAsync(buffer.AsMemory(0, length), cancellation).ConfigureAwait(false);
            int last = buffer.AsSpan(0, length).LastIndexOf((byte)'\n');
            if (last >= 0) return end - length + last + 1;
            end -= length;
        }
        return 0;
    }

    /// <summary>Writes what has come, also while the command is being stopped.</summary>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes) => _stream.WriteAsync(bytes, CancellationToken.None);

    /// <summary>Gives the file its name, once all of it is on the disk.</summary>
    /// <param name="path">Where it goes.</param>
    /// <param name="overwrite">Replaces what stands there.</param>
    public async Task CompleteAsync(string path, bool overwrite)
    {
        // It can take long, and the threads of the pool are needed for the other files.
        await Task.Factory.StartNew(() => _stream.Flush(flushToDisk: true), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
        await _stream.DisposeAsync().ConfigureAwait(false);
        File.Move(_path, path, overwrite);
        Keep = true;
    }

    public async ValueTask DisposeAsync()
    {
        await _stream.DisposeAsync().ConfigureAwait(false);
        if (!Keep) File.Delete(_path);
    }

    /// <summary>Stands for where a file comes from.</summary>
    private static string Address(ExportLedger.Entry entry) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(entry.Url)))[..8].ToLowerInvariant();

    [GeneratedRegex(@"\A[A-Za-z0-9_]{1,64}\z")]
    private static partial Regex PlainVersion();
}
