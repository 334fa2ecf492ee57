namespace FhirDeid.Anonymization.Schema;

/// <summary>What kind of node a type describes.</summary>
internal enum FhirTypeKind
{
    Primitive,
    Complex,
    Resource,
}

/// <summary>How the text of a primitive is checked and written.</summary>
internal enum PrimitiveSyntax
{
    /// <summary>Not a primitive.</summary>
    None,
    /// <summary>Any JSON string.</summary>
    Text,
    /// <summary>JSON true or false.</summary>
    Boolean,
    /// <summary>A whole number of 32 bits.</summary>
    Integer,
    /// <summary>A number within the range of <see cref="decimal"/>.</summary>
    Decimal,
    /// <summary>YYYY, YYYY-MM or YYYY-MM-DD.</summary>
    Date,
    /// <summary>A date, with time and zone or without.</summary>
    DateTime,
    /// <summary>hh:mm:ss with a fraction or without.</summary>
    Time,
}

/// <summary>One type of the R4 model: a resource, a data type, a primitive or a nested type such as <c>Patient.contact</c>.</summary>
internal sealed class FhirType(int index, string id, string name, FhirTypeKind kind)
{
    private FhirProperty[] _properties = [];
    private FhirProperty?[] _buckets = [null, null];
    private int _bucketBits = 1;

    /// <summary>Position in the model.</summary>
    public int Index { get; } = index;

    /// <summary>The type's name, or the path of a nested type.</summary>
    public string Id { get; } = id;

    /// <summary>The name that FHIRPath sees: <c>BackboneElement</c> or <c>Element</c> for nested types.</summary>
    public string Name { get; } = name;

    public byte[] Utf8Name { get; } = System.Text.Encoding.UTF8.GetBytes(name);

    public FhirTypeKind Kind { get; } = kind;

    /// <summary>Syntax of the value; <see cref="PrimitiveSyntax.None"/> where the type is no primitive.</summary>
    public PrimitiveSyntax Syntax { get; } = kind != FhirTypeKind.Primitive ? PrimitiveSyntax.None : name switch
    {
        "boolean" => PrimitiveSyntax.Boolean,
        "integer" or "positiveInt" or "unsignedInt" => PrimitiveSyntax.Integer,
        "decimal" => PrimitiveSyntax.Decimal,
        "date" => PrimitiveSyntax.Date,
        "dateTime" or "instant" => PrimitiveSyntax.DateTime,
        "time" => PrimitiveSyntax.Time,
        _ => PrimitiveSyntax.Text,
    };

    /// <summary>JSON properties: a choice element has one for each of its types.</summary>
    public IReadOnlyList<FhirProperty> Properties => _properties;

    /// <summary>Whether a resource can stand somewhere below it.</summary>
    public bool HoldsResources => HoldsResource([]);

    private bool HoldsResource(HashSet<FhirType> seen) =>
        seen.Add(this) && _properties.Any(property => property.Type is null || property.Type.HoldsResource(seen));

    /// <summary>Finds a property by its JSON name, without the underscore of a twin.</summary>
    /// <param name="jsonName">UTF-8 name.</param>
    /// <returns>The property, or null where the type has none of that name.</returns>
    public FhirProperty? Find(ReadOnlySpan<byte> jsonName)
    {
        NameKey key = NameKey.Of(jsonName);
        for (FhirProperty? property = _buckets[key.Bucket(_bucketBits)]; property is not null; property = property.NextInBucket)
        {
            if (property.Key == key && (key.IsWhole || property.Utf8Name.AsSpan().SequenceEqual(jsonName)))
                return property;
        }
        return null;
    }

    internal void SetProperties(FhirProperty[] properties)
    {
        _properties = properties;
        _bucketBits = System.Numerics.BitOperations.Log2((uint)properties.Length * 2 + 1) + 1;
        _buckets = new FhirProperty[1 << _bucketBits];
        foreach (FhirProperty property in properties)
        {
            ref FhirProperty? bucket = ref _buckets[property.Key.Bucket(_bucketBits)];
            property.NextInBucket = bucket;
            bucket = property;
        }
    }

    public override string ToString() => Id;
}

/// <summary>One JSON property of a type.</summary>
internal sealed class FhirProperty(int index, int element, string name, string jsonName, FhirType? type, bool isCollection, bool isRequired)
{
    /// <summary>Position among the properties of its type.</summary>
    public int Index { get; } = index;

    /// <summary>Position of the element among the elements of its type, below 64: the types of a choice share one.</summary>
    public int Element { get; } = element;

    /// <summary>Element name: <c>value</c> for <c>valueQuantity</c>.</summary>
    public string Name { get; } = name;

    public byte[] Utf8Name { get; } = System.Text.Encoding.UTF8.GetBytes(jsonName);

    public NameKey Key { get; } = NameKey.Of(System.Text.Encoding.UTF8.GetBytes(jsonName));

    /// <summary>Type of the element, or null where it holds a resource of any type.</summary>
    public FhirType? Type { get; } = type;

    public bool IsCollection { get; } = isCollection;

    public bool IsRequired { get; } = isRequired;

    public bool IsPrimitive { get; } = type?.Kind == FhirTypeKind.Primitive;

    internal FhirProperty? NextInBucket { get; set; }

    public override string ToString() => System.Text.Encoding.UTF8.GetString(Utf8Name);
}
