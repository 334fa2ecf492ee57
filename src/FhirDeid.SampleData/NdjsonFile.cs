using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace FhirDeid.SampleData;

/// <summary>A file of JSON lines, for its owner only, that gets its name when all files are complete and is gone when they are not.</summary>
internal sealed class NdjsonFile : IDisposable
{
    private readonly string temporaryPath;
    private readonly FileStream stream;
    private readonly ArrayBufferWriter<byte> buffer = new();
    private readonly Utf8JsonWriter json;

    public NdjsonFile(string path)
    {
        FullName = path;
        string folder = Path.GetDirectoryName(path)!;
        Directory.CreateDirectory(folder);
        if (Directory.Exists(path)) throw new IOException($"The path '{path}' is a folder.");
        temporaryPath = Path.Combine(folder, $".{Path.GetFileName(path)}.{Guid.NewGuid():N}.tmp");
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 64 * 1024 };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        stream = new FileStream(temporaryPath, options);
        json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
    }

    public string FullName { get; }
    public long Count { get; private set; }
    public long Length { get; private set; }

    public void WriteLine(ReadOnlySpan<byte> line)
    {
        stream.Write(line);
        stream.WriteByte((byte)'\n');
        Count++;
        Length += line.Length + 1;
    }

    public void WriteLine(PlantedValue value)
    {
        buffer.ResetWrittenCount();
        json.Reset();
        json.WriteStartObject();
        json.WriteString("resourceType", value.ResourceType);
        json.WriteString("id", value.Id);
        json.WriteString("path", value.Path);
        json.WriteString("category", value.Category.ToString());
        json.WriteString("value", value.Value);
        json.WriteEndObject();
        json.Flush();
        WriteLine(buffer.WrittenSpan);
    }

    /// <summary>Everything is on its way to the disk; a full volume shows here at the latest.</summary>
    public void Complete() => stream.Dispose();

    /// <summary>Gives the file its name, in place of an older file of that name.</summary>
    public void Publish() => File.Move(temporaryPath, FullName, overwrite: true);

    public void Dispose()
    {
        json.Dispose();
        try
        {
            stream.Dispose();
        }
        catch (IOException)
        {
            // The buffer of a file that is given up anyway.
        }
        File.Delete(temporaryPath);
    }
}
