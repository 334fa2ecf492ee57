namespace FhirDeid.Anonymization.FhirPath;

/// <summary>A FHIRPath collection, from a pool.</summary>
internal sealed class ValueList
{
    private FhirPathValue[] _values = new FhirPathValue[16];

    public int Count { get; private set; }

    public int Capacity => _values.Length;

    public ref readonly FhirPathValue this[int index] => ref _values[index];

    public void Add(in FhirPathValue value)
    {
        if (Count == _values.Length)
            Array.Resize(ref _values, Count * 2);
        _values[Count++] = value;
    }

    public void AddRange(ValueList values)
    {
        for (int i = 0; i < values.Count; i++)
            Add(in values._values[i]);
    }

    public void Clear()
    {
        Array.Clear(_values, 0, Count);
        Count = 0;
    }
}

/// <summary>What <c>$this</c>, <c>$index</c> and <c>$total</c> are at one point of an evaluation.</summary>
internal readonly struct Scope(Evaluation evaluation, FhirPathValue @this, ValueList? many, int index, ValueList? total)
{
    public readonly Evaluation Evaluation = evaluation;

    /// <summary>The one item of <c>$this</c>, unless <see cref="Many"/> is set.</summary>
    public readonly FhirPathValue This = @this;

    /// <summary>The collection that is <c>$this</c> inside iif().</summary>
    public readonly ValueList? Many = many;

    public readonly int Index = index;

    public readonly ValueList? Total = total;

    /// <summary>Whether <c>$this</c> is nothing, as iif() after nothing has it: operators are empty there.</summary>
    public bool IsEmpty => Many is { Count: 0 };

    public Scope At(in FhirPathValue item, int index) => new(Evaluation, item, null, index, Total);
}

/// <summary>One run of an expression, with its buffers. It belongs to a thread until it is returned.</summary>
internal sealed class Evaluation
{
    /// <summary>Buffers above this many items are not kept.</summary>
    private const int KeptCapacity = 4096;

    [ThreadStatic]
    private static Evaluation? _idle;

    private readonly Stack<ValueList> _lists = new();

    /// <summary>The node where the expression started: <c>%context</c>.</summary>
    public IFhirPathNode Context { get; private set; } = null!;

    /// <summary><c>%resource</c> and <c>%rootResource</c>.</summary>
    public IFhirPathNode? Resource { get; private set; }

    /// <summary>Receives children on their way into a collection; empty in between.</summary>
    public List<IFhirPathNode> Children { get; private set; } = [];

    public static Evaluation Rent(IFhirPathNode focus, IFhirPathNode? resource)
    {
        Evaluation evaluation = _idle ?? new Evaluation();
        _idle = null;
        evaluation.Context = focus;
        evaluation.Resource = resource ?? (focus.Type.Kind == Schema.FhirTypeKind.Resource ? focus : null);
        return evaluation;
    }

    public Scope Start() => new(this, FhirPathValue.Of(Context), null, 0, null);

    /// <summary>Ends the run; a run that failed is left to the garbage collector.</summary>
    public void Return(ValueList values)
    {
        ReturnList(values);
        Context = null!;
        Resource = null;
        if (Children.Capacity > KeptCapacity)
            Children = [];
        _idle = this;
    }

    public ValueList RentList() => _lists.TryPop(out ValueList? list) ? list : new ValueList();

    public void ReturnList(ValueList list)
    {
        list.Clear();
        if (list.Capacity <= KeptCapacity)
            _lists.Push(list);
    }
}
