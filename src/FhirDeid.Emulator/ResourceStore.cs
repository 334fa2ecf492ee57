using System.Text;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace FhirDeid.Emulator;

/// <summary>The resources that are served: an index over files, so that data of any size takes no more memory than their number.</summary>
internal sealed class ResourceStore : IDisposable
{
    private static readonly JsonReaderOptions Json = new() { MaxDepth = 1024 };
    private static readonly byte[] ByteOrderMark = [0xEF, 0xBB, 0xBF];

    private readonly List<(string Path, SafeFileHandle Handle)> _files = [];
    private readonly SortedDictionary<string, List<Entry>> _entries = new(StringComparer.Ordinal);
    private readonly DateTimeOffset _loaded = DateTimeOffset.UtcNow;

    private ResourceStore()
    {
    }

    /// <summary>The resource types, in ordinal order.</summary>
    public IEnumerable<string> Types => _entries.Keys;

    /// <summary>Reads a file, or all .ndjson, .jsonl and .json files of a folder and below it.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.DataNotFound</c>, <c>FhirDeid.DataInvalid</c>.</exception>
    public static ResourceStore Load(string path, CancellationToken cancellation)
    {
        path = Path.GetFullPath(path);
        string[] files = File.Exists(path) ? [path]
            : Directory.Exists(path) ? [.. Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Where(IsData).Order(StringComparer.Ordinal)]
            : throw new FhirDeidException("DataNotFound", FhirDeidErrorCategory.ObjectNotFound, $"There is no file or folder {path}.",
                "Name a file or folder of NDJSON or JSON Bundles.", path);
        ResourceStore store = new();
        try
        {
            foreach (string file in files)
            {
                cancellation.ThrowIfCancellationRequested();
                store.Add(file);
            }

            return store._entries.Count > 0 ? store : throw Invalid(path, $"{path} holds no FHIR resource");
        }
        catch
        {
            store.Dispose();
            throw;
        }

        static bool IsData(string file) => Path.GetExtension(file).ToLowerInvariant() is ".ndjson" or ".jsonl" or ".json";
    }

    /// <summary>Where the resources of one type lie that were changed in [since, till). One without meta.lastUpdated was changed when it was loaded.</summary>
    public Entry[] Find(string type, DateTimeOffset? since, DateTimeOffset? till) => _entries.TryGetValue(type, out List<Entry>? entries)
        ? [.. entries.Where(entry => (since is null || entry.LastUpdated >= since) && (till is null || entry.LastUpdated < till))] : [];

    /// <summary>Where the resources of one type lie that belong to patients: those of one patient after those of another, and one of several patients several times, as the service exports them.</summary>
    /// <param name="type">Resource type.</param>
    /// <param name="patients">Ids of the patients; null for all.</param>
    /// <param name="since">Changed at or after.</param>
    /// <param name="till">Changed before.</param>
    public Entry[] Find(string type, IReadOnlyCollection<string>? patients, DateTimeOffset? since, DateTimeOffset? till)
    {
        if (!PatientCompartment.Has(type)) return [];
        ILookup<string, Entry> byPatient = Find(type, since, till).SelectMany(entry => entry.Patients, (entry, patient) => (entry, patient))
            .ToLookup(pair => pair.patient, pair => pair.entry, StringComparer.Ordinal);
        return [.. (patients ?? Find("Patient", null, null).Select(entry => entry.Id).OfType<string>().Distinct(StringComparer.Ordinal)).SelectMany(patient => byPatient[patient])];
    }

    /// <summary>Ids of the patients of a Group and of the Groups in it; null if there is no such Group.</summary>
    public IReadOnlyCollection<string>? GroupMembers(string id)
    {
        Dictionary<string, Entry> groups = Find("Group", null, null).Where(entry => entry.Id is not null)
            .DistinctBy(entry => entry.Id).ToDictionary(entry => entry.Id!, StringComparer.Ordinal);
        if (!groups.ContainsKey(id)) return null;

        SortedSet<string> patients = new(StringComparer.Ordinal), seen = new(StringComparer.Ordinal) { id };
        Queue<string> open = new(seen);
        byte[] buffer = new byte[1 << 16];
        while (open.TryDequeue(out string? next))
        {
            if (!groups.TryGetValue(next, out Entry entry)) continue;
            foreach ((string type, string member) in PatientCompartment.Members(Read(entry, ref buffer), DateTimeOffset.UtcNow))
            {
                if (type == "Patient") patients.Add(member);
                else if (seen.Add(member)) open.Enqueue(member);
            }
        }

        return patients;
    }

    /// <summary>Reads one resource as compact JSON.</summary>
    /// <param name="entry">Where it lies.</param>
    /// <param name="buffer">Holds the result; replaced by a bigger one when needed.</param>
    /// <returns>The resource, in the buffer.</returns>
    public ReadOnlyMemory<byte> Read(in Entry entry, ref byte[] buffer)
    {
        if (buffer.Length < entry.Length) buffer = new byte[entry.Length * 2];
        Span<byte> resource = buffer.AsSpan(0, entry.Length);
        for (int read = 0; read < resource.Length;)
        {
            int count = RandomAccess.Read(_files[entry.File].Handle, resource[read..], entry.Offset + read);
            if (count == 0) throw new EndOfStreamException($"{_files[entry.File].Path} has become shorter.");
            read += count;
        }

        return buffer.AsMemory(0, resource.ContainsAny((byte)'\n', (byte)'\r') ? Compact(resource) : resource.Length);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((_, SafeFileHandle handle) in _files) handle.Dispose();
    }

    private void Add(string path)
    {
        try
        {
            _files.Add((path, File.OpenHandle(path)));
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
            if (Path.GetExtension(path).Equals(".json", StringComparison.OrdinalIgnoreCase)) AddDocument(stream, path);
            else AddLines(stream, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Invalid(path, $"{path} cannot be read ({e.Message})");
        }
    }

    private void AddLines(FileStream stream, string path)
    {
        byte[] buffer = new byte[1 << 16];
        long offset = 0; // of the buffer's first byte in the file
        int length = 0, searched = 0;
        for (long number = 1; ;)
        {
            int end = buffer.AsSpan(searched, length - searched).IndexOf((byte)'\n');
            if (end < 0)
            {
                searched = length;
                if (length == buffer.Length) Array.Resize(ref buffer, buffer.Length * 2);
                int read = stream.Read(buffer, length, buffer.Length - length);
                length += read;
                if (read > 0) continue;
                AddLine(buffer.AsSpan(0, length), number);
                return;
            }

            end += searched;
            AddLine(buffer.AsSpan(0, end), number++);
            buffer.AsSpan((end + 1)..length).CopyTo(buffer);
            offset += end + 1;
            length -= end + 1;
            searched = 0;
        }

        void AddLine(ReadOnlySpan<byte> line, long number)
        {
            int start = number == 1 && line.StartsWith(ByteOrderMark) ? 3 : 0;
            line = line[start..].TrimEnd(" \t\r"u8);
            if (line.Length == 0) return;
            try
            {
                AddResource(line, offset + start);
            }
            catch (JsonException)
            {
                // Its message may quote the resource.
                throw Invalid(path, $"Line {number} of {path} is not a FHIR R4 resource in JSON");
            }
        }
    }

    private void AddDocument(FileStream stream, string path)
    {
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        int start = bytes.AsSpan().StartsWith(ByteOrderMark) ? 3 : 0;
        try
        {
            ReadOnlySpan<byte> document = bytes.AsSpan(start);
            if (Describe(document, out List<Range> entries, []).Type != "Bundle")
            {
                AddResource(document, start);
                return;
            }

            foreach (Range entry in entries) AddResource(document[entry], start + entry.Start.Value);
        }
        catch (JsonException)
        {
            throw Invalid(path, $"{path} is neither a FHIR R4 resource nor a Bundle of such in JSON");
        }
    }

    private void AddResource(ReadOnlySpan<byte> resource, long offset)
    {
        List<(string Element, string Target)> references = [];
        (string? type, string? id, DateTimeOffset? lastUpdated) = Describe(resource, out _, references);
        if (type is null || !R4.ResourceTypes.Contains(type)) throw new JsonException();
        if (!_entries.TryGetValue(type, out List<Entry>? entries)) _entries.Add(type, entries = []);
        entries.Add(new Entry(_files.Count - 1, offset, resource.Length, lastUpdated ?? _loaded,
            type is "Patient" or "Group" ? id : null, PatientCompartment.Of(type, id, references)));
    }

    // Reads the whole resource, so that what is not JSON is found at the start and not in the middle of an export.
    private static (string? Type, string? Id, DateTimeOffset? LastUpdated) Describe(ReadOnlySpan<byte> resource, out List<Range> bundleEntries,
        List<(string Element, string Target)> references)
    {
        bundleEntries = [];
        string? type = null, id = null;
        Range element = default;
        DateTimeOffset? lastUpdated = null;
        bool inMeta = false, inEntry = false;
        Utf8JsonReader reader = new(resource, Json);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) throw new JsonException();
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName) continue;
            if (reader.CurrentDepth == 1)
            {
                inMeta = reader.ValueTextEquals("meta");
                inEntry = reader.ValueTextEquals("entry");
                bool isId = reader.ValueTextEquals("id"), isType = reader.ValueTextEquals("resourceType");
                if (!isId && !isType)
                {
                    int name = (int)reader.TokenStartIndex + 1;
                    element = name..(name + reader.ValueSpan.Length);
                    continue;
                }

                reader.Read();
                if (isId) id = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
                else type = reader.TokenType == JsonTokenType.String ? reader.GetString() : throw new JsonException();
            }
            else if (reader.ValueTextEquals("reference"u8))
            {
                reader.Read();
                if (reader.TokenType == JsonTokenType.String) references.Add((Encoding.UTF8.GetString(resource[element]), reader.GetString()!));
            }
            else if (inMeta && reader.CurrentDepth == 2 && reader.ValueTextEquals("lastUpdated"))
            {
                reader.Read();
                if (reader.TokenType == JsonTokenType.String && reader.TryGetDateTimeOffset(out DateTimeOffset time)) lastUpdated = time;
            }
            else if (inEntry && reader.CurrentDepth == 3 && reader.ValueTextEquals("resource"))
            {
                reader.Read();
                int start = (int)reader.TokenStartIndex;
                reader.Skip();
                bundleEntries.Add(start..(int)reader.BytesConsumed);
            }
        }

        return (type, id, lastUpdated);
    }

    // Drops white space between tokens: a string holds no line end, and what lies between quotes stays.
    private static int Compact(Span<byte> json)
    {
        int length = 0;
        bool inString = false;
        for (int i = 0; i < json.Length; i++)
        {
            byte b = json[i];
            if (!inString && b is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n') continue;
            if (b == '"') inString = !inString;
            json[length++] = b;
            if (inString && b == '\\') json[length++] = json[++i];
        }

        return length;
    }

    private static FhirDeidException Invalid(string path, string message) => new("DataInvalid", FhirDeidErrorCategory.InvalidData, message + ".",
        "Name a file or folder of NDJSON (.ndjson, .jsonl: one resource a line) or JSON Bundles and resources (.json).", path);

    /// <summary>Where one resource lies, its id if it is a Patient or a Group, and the patients that it belongs to.</summary>
    internal readonly record struct Entry(int File, long Offset, int Length, DateTimeOffset LastUpdated, string? Id, string[] Patients);
}
