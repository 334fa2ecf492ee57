using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace FhirDeid.SampleData;

/// <summary>Writes one resource after the other as compact JSON, knows the FHIRPath of where it stands, and lists each identifying value it writes.</summary>
internal sealed class ResourceWriter : IDisposable
{
    // Choice elements in use; FHIRPath names them without their type. (Attachment.contentType is none, but identifies nobody.)
    private static readonly string[] Choices =
        ["value", "deceased", "multipleBirth", "effective", "onset", "abatement", "performed", "occurrence", "medication", "author", "age", "born", "serviced", "diagnosis", "bounds", "location", "occurred", "content"];

    private readonly ArrayBufferWriter<byte> buffer = new(16 * 1024);
    private readonly Utf8JsonWriter json;
    private readonly StringBuilder path = new();
    private readonly StringBuilder prose = new();
    private readonly List<Identifying> mentioned = [];
    private readonly List<(string Name, int Index)> steps = [];
    private List<PlantedValue> planted = [];
    private string resourceType = "";
    private string id = "";

    public ResourceWriter() =>
        json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true });

    /// <summary>Type of the resource that is being written.</summary>
    public string ResourceType => resourceType;

    public void Dispose() => json.Dispose();

    public void Start(string type, Identifying resourceId)
    {
        resourceType = type;
        id = resourceId.Text;
        planted = [];
        buffer.ResetWrittenCount();
        json.Reset();
        json.WriteStartObject();
        Write("resourceType", type);
        Write("id", resourceId);
    }

    public GeneratedResource End()
    {
        json.WriteEndObject();
        json.Flush();
        return new GeneratedResource(resourceType, id, buffer.WrittenSpan.ToArray(), planted);
    }

    public Scope Object(string name)
    {
        json.WriteStartObject(name);
        steps.Add((name, -1));
        return new Scope(this, ScopeKind.Object);
    }

    public Scope List(string name)
    {
        json.WriteStartArray(name);
        steps.Add((name, -1));
        return new Scope(this, ScopeKind.List);
    }

    /// <summary>An object in a list.</summary>
    public Scope Item()
    {
        CountItem();
        json.WriteStartObject();
        return new Scope(this, ScopeKind.Item);
    }

    /// <summary>A list of one object.</summary>
    public Scope Single(string name)
    {
        List(name);
        CountItem();
        json.WriteStartObject();
        return new Scope(this, ScopeKind.Single);
    }

    public void Write(string name, string value) => json.WriteString(name, value);

    public void Write(string name, bool value) => json.WriteBoolean(name, value);

    public void Write(string name, int value) => json.WriteNumber(name, value);

    public void Write(string name, decimal value) => json.WriteNumber(name, value);

    public void Write(string name, Identifying value)
    {
        json.WriteString(name, value.Text);
        Plant(name, value);
    }

    public void WriteNumber(string name, int value, PlantedCategory category)
    {
        json.WriteNumber(name, value);
        Plant(name, new Identifying(category, Text.Of(value)));
    }

    public void WriteItem(string value)
    {
        CountItem();
        json.WriteStringValue(value);
    }

    public void WriteItem(Identifying value)
    {
        CountItem();
        json.WriteStringValue(value.Text);
        Plant(null, value);
    }

    /// <summary>The place-holder in one of two parallel lists of values and extensions.</summary>
    public void WriteNullItem()
    {
        CountItem();
        json.WriteNullValue();
    }

    /// <summary>Text with identifying values in it.</summary>
    public void Write(string name, [InterpolatedStringHandlerArgument("")] Prose text)
    {
        Write(name, prose.ToString());
        PlantMentioned(name);
    }

    /// <inheritdoc cref="Write(string, Prose)"/>
    public void WriteDiv([InterpolatedStringHandlerArgument("")] Prose text)
    {
        prose.Insert(0, "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>").Append("</p></div>");
        Write("div", prose.ToString());
        PlantMentioned("div");
    }

    /// <summary>Text in base64; not only the text is identifying then.</summary>
    public void WriteBase64(string name, [InterpolatedStringHandlerArgument("")] Prose text) =>
        Write(name, new Identifying(PlantedCategory.Text, Convert.ToBase64String(Encoding.UTF8.GetBytes(prose.ToString()))));

    private void PlantMentioned(string name)
    {
        foreach (Identifying value in mentioned) Plant(name, value);
    }

    private void Plant(string? name, Identifying value)
    {
        path.Clear().Append(resourceType);
        foreach ((string step, int index) in steps)
        {
            path.Append('.').Append(ElementName(step));
            if (index >= 0) path.Append('[').Append(index).Append(']');
        }
        if (name is not null) path.Append('.').Append(ElementName(name));
        planted.Add(new PlantedValue(resourceType, id, path.ToString(), value.Category, value.Text));
    }

    private static ReadOnlySpan<char> ElementName(string jsonName)
    {
        ReadOnlySpan<char> name = jsonName;
        if (name[0] == '_') name = name[1..];
        foreach (string choice in Choices)
            if (name.Length > choice.Length && char.IsAsciiLetterUpper(name[choice.Length]) && name.StartsWith(choice, StringComparison.Ordinal)) return choice;
        return name;
    }

    private void CountItem() => steps[^1] = (steps[^1].Name, steps[^1].Index + 1);

    private void Close(ScopeKind kind)
    {
        if (kind != ScopeKind.List) json.WriteEndObject();
        if (kind is ScopeKind.List or ScopeKind.Single) json.WriteEndArray();
        if (kind != ScopeKind.Item) steps.RemoveAt(steps.Count - 1);
    }

    internal enum ScopeKind { Object, List, Item, Single }

    /// <summary>An open object or list; closed at the end of its <c>using</c>.</summary>
    public readonly ref struct Scope(ResourceWriter writer, ScopeKind kind)
    {
        public void Dispose() => writer.Close(kind);
    }

    /// <summary>An interpolated text; what identifies somebody in it is known by its type.</summary>
    [InterpolatedStringHandler]
    public readonly ref struct Prose
    {
        private readonly ResourceWriter writer;

        public Prose(int literalLength, int formattedCount, ResourceWriter writer)
        {
            this.writer = writer;
            writer.prose.Clear();
            writer.mentioned.Clear();
        }

        public void AppendLiteral(string text) => writer.prose.Append(text);

        public void AppendFormatted(string text) => writer.prose.Append(text);

        public void AppendFormatted(Identifying value)
        {
            writer.prose.Append(value.Text);
            writer.mentioned.Add(value);
        }
    }
}
