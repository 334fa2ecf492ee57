using System.Reflection;

namespace FhirDeid.Anonymization.Schema;

/// <summary>The FHIR R4 model: every type with its elements, read once from the embedded table.</summary>
internal sealed class FhirModel
{
    private const int ResourceBucketBits = 8;
    private static readonly Lazy<FhirModel> Loaded = new(Load);
    private readonly Dictionary<string, FhirType> _types;
    private readonly FhirType[][] _resourceBuckets;

    private FhirModel(Dictionary<string, FhirType> types)
    {
        _types = types;
        ILookup<int, FhirType> resources = types.Values.Where(t => t.Kind == FhirTypeKind.Resource).ToLookup(t => NameKey.Of(t.Utf8Name).Bucket(ResourceBucketBits));
        _resourceBuckets = [.. Enumerable.Range(0, 1 << ResourceBucketBits).Select(bucket => resources[bucket].ToArray())];
        Types = [.. types.Values.OrderBy(t => t.Index)];
        ResourceNames = [.. Types.Where(t => t.Kind == FhirTypeKind.Resource).Select(t => t.Name)];
    }

    public static FhirModel R4 => Loaded.Value;

    public IReadOnlyList<FhirType> Types { get; }

    public IReadOnlyList<string> ResourceNames { get; }

    /// <summary>Finds a type by name, or a nested one by path.</summary>
    public FhirType? Find(string id) => _types.GetValueOrDefault(id);

    /// <summary>Finds a resource type by its UTF-8 name.</summary>
    public FhirType? FindResource(ReadOnlySpan<byte> name)
    {
        foreach (FhirType type in _resourceBuckets[NameKey.Of(name).Bucket(ResourceBucketBits)])
        {
            if (name.SequenceEqual(type.Utf8Name))
                return type;
        }
        return null;
    }

    private static FhirModel Load()
    {
        using Stream table = Assembly.GetExecutingAssembly().GetManifestResourceStream("r4.table")!;
        using StreamReader reader = new(table);
        Dictionary<string, FhirType> types = new(StringComparer.Ordinal);
        List<(FhirType Type, List<string> Elements)> rows = [];
        while (reader.ReadLine() is { } line)
        {
            if (line[0] != '@')
            {
                rows[^1].Elements.Add(line);
                continue;
            }
            string[] header = line[1..].Split(' ');
            FhirType type = new(rows.Count, header[0], header[2], Enum.Parse<FhirTypeKind>(header[1], ignoreCase: true));
            types.Add(type.Id, type);
            rows.Add((type, []));
        }
        foreach ((FhirType type, List<string> elements) in rows)
            type.SetProperties([.. Properties(elements, types)]);
        return new FhirModel(types);
    }

    private static IEnumerable<FhirProperty> Properties(List<string> elements, Dictionary<string, FhirType> types)
    {
        int index = 0;
        for (int element = 0; element < elements.Count; element++)
        {
            string[] columns = elements[element].Split(' ');
            bool isCollection = columns[1][0] == '*';
            bool isRequired = columns[1].Contains('!', StringComparison.Ordinal);
            bool isChoice = columns[1].EndsWith('?');
            foreach (string typeName in columns[2].Split(','))
            {
                FhirType? type = typeName == "Resource" ? null : types[typeName];
                string jsonName = isChoice ? columns[0] + char.ToUpperInvariant(typeName[0]) + typeName[1..] : columns[0];
                yield return new FhirProperty(index++, element, columns[0], jsonName, type, isCollection, isRequired);
            }
        }
    }
}
