using System.Globalization;
using System.Runtime.CompilerServices;

namespace FhirDeid.Anonymization.FhirPath;

/// <summary>Equality, equivalence and order of items, as in the Firely SDK 5.</summary>
internal static class Equality
{
    /// <summary>The <c>=</c> of two collections: null where dates of unlike precision or quantities of unlike units decide.</summary>
    public static bool? AreEqual(ValueList left, ValueList right)
    {
        for (int i = 0; i < left.Count; i++)
        {
            if (i == right.Count)
                return false;
            if (AreEqual(in left[i], in right[i]) is not true and var difference)
                return difference;
        }
        return left.Count == right.Count;
    }

    public static bool? AreEqual(in FhirPathValue left, in FhirPathValue right)
    {
        FhirPathValue l = left.SystemOrQuantity, r = right.SystemOrQuantity;
        bool leftHasValue = HasValue(in l), rightHasValue = HasValue(in r);
        if (leftHasValue && rightHasValue)
            return AreSystemEqual(l, r);
        return !leftHasValue && !rightHasValue && left.Node is { } a && right.Node is { } b ? AreElementsEqual(a, b) : false;
    }

    /// <summary>Compares elements child by child, in order and with their names; without recursion, data may be deep.</summary>
    private static bool? AreElementsEqual(IFhirPathNode left, IFhirPathNode right)
    {
        if (left.Equals(right))
            return true;
        Stack<(IFhirPathNode Left, IFhirPathNode Right)> pairs = new();
        List<IFhirPathNode> leftChildren = [], rightChildren = [];
        pairs.Push((left, right));
        while (pairs.TryPop(out (IFhirPathNode Left, IFhirPathNode Right) pair))
        {
            FhirPathValue l = FhirPathValue.Of(pair.Left).SystemOrQuantity, r = FhirPathValue.Of(pair.Right).SystemOrQuantity;
            if (HasValue(in l) || HasValue(in r))
            {
                if (!HasValue(in l) || !HasValue(in r))
                    return false;
                if (AreSystemEqual(l, r) is not true and var difference)
                    return difference;
                continue;
            }
            leftChildren.Clear();
            rightChildren.Clear();
            pair.Left.AddChildren(leftChildren);
            pair.Right.AddChildren(rightChildren);
            if (leftChildren.Count != rightChildren.Count)
                return false;
            for (int i = leftChildren.Count - 1; i >= 0; i--)
            {
                if (leftChildren[i].Name != rightChildren[i].Name)
                    return false;
                pairs.Push((leftChildren[i], rightChildren[i]));
            }
        }
        return true;
    }

    private static bool HasValue(in FhirPathValue value) => value.Kind is not (FhirPathKind.None or FhirPathKind.Node);

    private static bool? AreSystemEqual(FhirPathValue left, FhirPathValue right)
    {
        Coerce(ref left, ref right);
        if (left.Kind != right.Kind)
            return false;
        switch (left.Kind)
        {
            case FhirPathKind.String:
                return string.Equals(left.Text, right.Text, StringComparison.Ordinal);
            case FhirPathKind.Boolean or FhirPathKind.Integer or FhirPathKind.Long:
                return left.Integer == right.Integer;
            case FhirPathKind.Decimal:
                return Math.Round(left.Decimal, 8) == Math.Round(right.Decimal, 8);
            case FhirPathKind.Quantity:
                return Quantities.AreEqual(left.Quantity, right.Quantity);
            default:
                return CalendarValue.Compare(in left, in right) is { } order ? order == 0 : null;
        }
    }

    /// <summary>The <c>~</c> of two collections: in any order.</summary>
    public static bool AreEquivalent(ValueList left, ValueList right)
    {
        if (left.Count != right.Count)
            return false;
        for (int i = 0; i < left.Count; i++)
        {
            bool isFound = false;
            for (int j = 0; j < right.Count && !isFound; j++)
                isFound = AreEquivalent(left[i], right[j]);
            if (!isFound)
                return false;
        }
        return true;
    }

    private static bool AreEquivalent(FhirPathValue left, FhirPathValue right)
    {
        FhirPathValue l = left.SystemOrQuantity, r = right.SystemOrQuantity;
        if (HasValue(in l) && HasValue(in r))
            return AreSystemEquivalent(l, r);
        return !HasValue(in l) && !HasValue(in r) && left.Node is { } a && right.Node is { } b && AreElementsEquivalent(a, b);
    }

    private static bool AreElementsEquivalent(IFhirPathNode left, IFhirPathNode right)
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new FhirPathException("elements are nested too deeply to be compared");
        List<IFhirPathNode> leftChildren = [], rightChildren = [];
        left.AddChildren(leftChildren);
        right.AddChildren(rightChildren);
        return leftChildren.Count == rightChildren.Count
            && leftChildren.TrueForAll(a => rightChildren.Exists(b => a.Name == b.Name && AreEquivalent(FhirPathValue.Of(a), FhirPathValue.Of(b))));
    }

    private static bool AreSystemEquivalent(FhirPathValue left, FhirPathValue right)
    {
        Coerce(ref left, ref right);
        if (left.Kind != right.Kind)
            return false;
        switch (left.Kind)
        {
            case FhirPathKind.String:
                return CultureInfo.InvariantCulture.CompareInfo.Compare(Normalized(left.Text), Normalized(right.Text), CompareOptions.IgnoreCase | CompareOptions.IgnoreNonSpace) == 0;
            case FhirPathKind.Decimal:
                int scale = Math.Min(Scale(left.Decimal), Scale(right.Decimal));
                return Math.Round(left.Decimal, scale) == Math.Round(right.Decimal, scale);
            case FhirPathKind.Quantity:
                return Quantities.AreEquivalent(left.Quantity, right.Quantity);
            default:
                return AreSystemEqual(left, right) == true;
        }
    }

    private static int Scale(decimal value) => Math.Min((int)(value / 1.0000000000000000000000000000m).Scale, 8);

    private static string Normalized(string text) => string.Create(text.Length, text, static (span, source) =>
    {
        for (int i = 0; i < span.Length; i++)
            span[i] = char.IsWhiteSpace(source[i]) ? ' ' : source[i];
    });

    /// <summary>The order of two items; null where either is empty or cannot be told.</summary>
    /// <exception cref="FhirPathException">The types have no order between them.</exception>
    public static int? Compare(FhirPathValue left, FhirPathValue right)
    {
        left = left.SystemOrQuantity;
        right = right.SystemOrQuantity;
        if (left.Kind == FhirPathKind.None || right.Kind == FhirPathKind.None)
            return null;
        Coerce(ref left, ref right);
        if (left.Kind != right.Kind || left.Kind is FhirPathKind.Boolean or FhirPathKind.Node)
            throw new FhirPathException($"a {NameOf(in left)} and a {NameOf(in right)} have no order");
        return left.Kind switch
        {
            FhirPathKind.String => string.CompareOrdinal(left.Text, right.Text),
            FhirPathKind.Integer or FhirPathKind.Long => left.Integer.CompareTo(right.Integer),
            FhirPathKind.Decimal => Math.Round(left.Decimal, 8).CompareTo(Math.Round(right.Decimal, 8)),
            FhirPathKind.Quantity => Quantities.Compare(left.Quantity, right.Quantity),
            _ => CalendarValue.Compare(in left, in right),
        };
    }

    public static string NameOf(in FhirPathValue value) => value.Node?.Type.Name ?? value.Kind.ToString();

    private static void Coerce(ref FhirPathValue left, ref FhirPathValue right)
    {
        if (left.Kind == right.Kind)
            return;
        left = Coerce(in left, right.Kind);
        right = Coerce(in right, left.Kind);
    }

    private static FhirPathValue Coerce(in FhirPathValue value, FhirPathKind other) => (value.Kind, other) switch
    {
        (FhirPathKind.Integer, FhirPathKind.Long) => FhirPathValue.OfLong(value.Integer),
        (FhirPathKind.Integer or FhirPathKind.Long, FhirPathKind.Decimal) => FhirPathValue.Of(value.Decimal),
        (FhirPathKind.Integer or FhirPathKind.Long or FhirPathKind.Decimal, FhirPathKind.Quantity) => Quantities.Of(value.Decimal),
        (FhirPathKind.Date, FhirPathKind.DateTime) => FhirPathValue.OfCalendar(FhirPathKind.DateTime, value.Text),
        _ => value,
    };

    /// <summary>A hash that equal items share.</summary>
    public static int Hash(in FhirPathValue item)
    {
        FhirPathValue value = item.System;
        if (value.Kind == FhirPathKind.String)
            return string.GetHashCode(value.Text);
        if (value.Node is not { } node || node.Type.Name == "Quantity")
            return 0;
        List<IFhirPathNode> children = [];
        node.AddChildren(children);
        HashCode hash = default;
        foreach (IFhirPathNode child in children)
        {
            hash.Add(child.Name, StringComparer.Ordinal);
            if (child.Type.Syntax == Schema.PrimitiveSyntax.Text && child.Text is { } text)
                hash.Add(text, StringComparer.Ordinal);
        }
        return hash.ToHashCode();
    }
}

/// <summary>A set of items: by their values, or nodes by what they are.</summary>
internal sealed class ValueSet(bool followsNodes = false) : IEqualityComparer<FhirPathValue>
{
    private HashSet<FhirPathValue>? _values;
    private HashSet<IFhirPathNode>? _nodes;

    public bool Add(in FhirPathValue value) =>
        followsNodes && value.Node is { } node ? (_nodes ??= []).Add(node) : (_values ??= new(this)).Add(value);

    public bool Contains(in FhirPathValue value) => _values?.Contains(value) == true;

    bool IEqualityComparer<FhirPathValue>.Equals(FhirPathValue x, FhirPathValue y) => Equality.AreEqual(in x, in y) == true;

    int IEqualityComparer<FhirPathValue>.GetHashCode(FhirPathValue value) => Equality.Hash(in value);
}
