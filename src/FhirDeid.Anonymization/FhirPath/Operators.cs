namespace FhirDeid.Anonymization.FhirPath;

/// <summary>A step whose result is a Boolean or empty.</summary>
internal abstract class ConditionStep : Step
{
    public sealed override bool YieldsNodes => false;

    public abstract override bool? Truth(in Scope scope);

    public sealed override void Evaluate(in Scope scope, ValueList result)
    {
        if (Truth(in scope) is { } truth)
            result.Add(FhirPathValue.Of(truth));
    }

    public sealed override bool Any(in Scope scope) => Truth(in scope) is not null;

    public sealed override FhirPathValue Single(in Scope scope, string user) => Truth(in scope) is { } truth ? FhirPathValue.Of(truth) : default;
}

/// <summary>The operands of an operator that takes single items.</summary>
internal static class Operands
{
    /// <returns>Whether both are there: where one is empty, the other may have several items.</returns>
    /// <exception cref="FhirPathException">Neither is empty and one has several items.</exception>
    public static bool TrySingle(Step left, Step right, in Scope scope, string op, out FhirPathValue l, out FhirPathValue r)
    {
        l = r = default;
        if (scope.IsEmpty)
            return false;
        ValueList lefts = scope.Evaluation.RentList(), rights = scope.Evaluation.RentList();
        left.Evaluate(in scope, lefts);
        if (lefts.Count > 0)
            right.Evaluate(in scope, rights);
        bool areThere = lefts.Count > 0 && rights.Count > 0;
        if (areThere && (lefts.Count > 1 || rights.Count > 1))
            throw new FhirPathException($"{op} needs single items and has several");
        if (areThere)
            (l, r) = (lefts[0], rights[0]);
        scope.Evaluation.ReturnList(rights);
        scope.Evaluation.ReturnList(lefts);
        return areThere;
    }
}

/// <summary><c>=</c> and <c>!=</c></summary>
internal sealed class EqualStep(Step left, Step right, bool negated) : ConditionStep
{
    private readonly string? _text = (right as ConstantStep)?.Value is { Kind: FhirPathKind.String } constant ? constant.Text : null;

    public override bool? Truth(in Scope scope)
    {
        ValueList l = scope.Evaluation.RentList();
        bool? equal = null;
        if (!scope.IsEmpty)
            left.Evaluate(in scope, l);
        if (l.Count > 0 && _text is not null)
        {
            equal = l.Count == 1 && IsText(in l[0], _text);
        }
        else if (l.Count > 0)
        {
            ValueList r = scope.Evaluation.RentList();
            right.Evaluate(in scope, r);
            equal = r.Count == 0 ? null : Equality.AreEqual(l, r);
            scope.Evaluation.ReturnList(r);
        }
        scope.Evaluation.ReturnList(l);
        return negated ? !equal : equal;
    }

    private static bool IsText(in FhirPathValue item, string text) => item.Node is { } node
        ? node.Type.Syntax == Schema.PrimitiveSyntax.Text && node.Text == text
        : item.Kind == FhirPathKind.String && item.Text == text;
}

/// <summary><c>~</c> and <c>!~</c>, which are never empty.</summary>
internal sealed class EquivalentStep(Step left, Step right, bool negated) : ConditionStep
{
    public override bool? Truth(in Scope scope)
    {
        ValueList l = scope.Evaluation.RentList(), r = scope.Evaluation.RentList();
        left.Evaluate(in scope, l);
        right.Evaluate(in scope, r);
        bool equivalent = Equality.AreEquivalent(l, r);
        scope.Evaluation.ReturnList(r);
        scope.Evaluation.ReturnList(l);
        return equivalent != negated;
    }
}

/// <summary><c>&lt;</c>, <c>&lt;=</c>, <c>&gt;</c>, <c>&gt;=</c></summary>
internal sealed class OrderStep(string op, Step left, Step right) : ConditionStep
{
    public override bool? Truth(in Scope scope)
    {
        return !Operands.TrySingle(left, right, in scope, op, out FhirPathValue l, out FhirPathValue r) || Equality.Compare(l, r) is not { } order ? null : op switch
        {
            "<" => order < 0,
            "<=" => order <= 0,
            ">" => order > 0,
            _ => order >= 0,
        };
    }
}

/// <summary><c>and</c>, <c>or</c>, <c>xor</c>, <c>implies</c>, with three values.</summary>
internal sealed class LogicStep(string op, Step left, Step right) : ConditionStep
{
    public override bool? Truth(in Scope scope)
    {
        bool? l = left.Truth(in scope);
        switch (op)
        {
            case "and":
                return l == false ? false : l & right.Truth(in scope);
            case "or":
                return l == true ? true : l | right.Truth(in scope);
            case "xor":
                return l is null ? null : l ^ right.Truth(in scope);
            default:
                return l == false ? true : !l | right.Truth(in scope);
        }
    }
}

/// <summary><c>is</c>: exact types, as the service compares them.</summary>
internal sealed class IsStep(Step focus, FhirPathType type) : ConditionStep
{
    public override bool? Truth(in Scope scope)
    {
        FhirPathValue value = focus.Single(in scope, "is");
        return value.Kind == FhirPathKind.None ? null : value.Is(type);
    }
}

/// <summary><c>in</c>, and <c>contains</c> with its operands exchanged. No item is in nothing.</summary>
internal sealed class MembershipStep(Step item, Step collection, string op) : ConditionStep
{
    /// <summary>A list of codes, looked up by hash.</summary>
    private readonly HashSet<string>? _texts = collection is UnionStep union && union.Operands.All(operand => operand is ConstantStep { Value.Kind: FhirPathKind.String })
        ? [.. union.Operands.Select(operand => ((ConstantStep)operand).Value.Text)] : null;

    public override bool? Truth(in Scope scope)
    {
        FhirPathValue wanted = item.Single(in scope, op);
        if (wanted.Kind == FhirPathKind.None)
            return false;
        if (_texts is not null)
            return wanted.System is { Kind: FhirPathKind.String } value && _texts.Contains(value.Text);
        ValueList values = scope.Evaluation.RentList();
        collection.Evaluate(in scope, values);
        bool isFound = false;
        for (int i = 0; i < values.Count && !isFound; i++)
            isFound = Equality.AreEqual(in values[i], in wanted) == true;
        scope.Evaluation.ReturnList(values);
        return isFound;
    }
}

/// <summary><c>|</c>, union() and combine()</summary>
internal sealed class UnionStep(List<Step> operands, bool keepsEqual = false) : Step
{
    private bool _followsNodes;

    public IReadOnlyList<Step> Operands => operands;

    public bool KeepsEqual => keepsEqual;

    public override bool YieldsNodes => operands.Exists(operand => operand.YieldsNodes);

    /// <summary>Takes one more operand while the expression is compiled, so that a long list of codes does not nest.</summary>
    public UnionStep With(Step operand)
    {
        operands.Add(operand);
        return this;
    }

    public override void FollowNodes()
    {
        _followsNodes = true;
        foreach (Step operand in operands)
            operand.FollowNodes();
    }

    public override void Evaluate(in Scope scope, ValueList result)
    {
        if (keepsEqual)
        {
            for (int i = 0; i < operands.Count; i++)
                operands[i].Evaluate(in scope, result);
            return;
        }
        ValueList values = scope.Evaluation.RentList();
        for (int i = 0; i < operands.Count; i++)
            operands[i].Evaluate(in scope, values);
        ValueSet seen = new(_followsNodes);
        for (int i = 0; i < values.Count; i++)
        {
            if (seen.Add(in values[i]))
                result.Add(in values[i]);
        }
        scope.Evaluation.ReturnList(values);
    }
}

/// <summary><c>+ - * / div mod &amp;</c>, and <c>+</c> and <c>-</c> before an operand.</summary>
internal sealed class ArithmeticStep(string op, Step? left, Step right) : Step
{
    public override bool YieldsNodes => false;

    public override void Evaluate(in Scope scope, ValueList result)
    {
        FhirPathValue value = Single(in scope, op);
        if (value.Kind != FhirPathKind.None)
            result.Add(in value);
    }

    public override FhirPathValue Single(in Scope scope, string user)
    {
        if (op == "&")
            return FhirPathValue.Of(Text(left!.Single(in scope, op).System) + Text(right.Single(in scope, op).System));
        if (!Operands.TrySingle(left ?? right, right, in scope, op, out FhirPathValue l, out FhirPathValue r))
            return default;
        l = l.SystemOrQuantity;
        r = r.SystemOrQuantity;
        if (l.Kind == FhirPathKind.None || r.Kind == FhirPathKind.None)
            return default;
        if (left is not null)
            return Compute(in l, in r);
        if (r.Kind == FhirPathKind.Quantity)
            return op == "+" ? r : Quantities.Negate(r.Quantity);
        l = FhirPathValue.Of(0);
        return Compute(in l, in r);
    }

    private string Text(FhirPathValue value) => value.Kind switch
    {
        FhirPathKind.None => "",
        FhirPathKind.String => value.Text,
        _ => throw Unsuitable(in value),
    };

    private FhirPathException Unsuitable(in FhirPathValue value) => new($"{op} cannot take a {Equality.NameOf(in value)}");

    private FhirPathValue Compute(in FhirPathValue l, in FhirPathValue r)
    {
        switch (l.Kind, r.Kind)
        {
            case (FhirPathKind.Integer or FhirPathKind.Long, FhirPathKind.Integer or FhirPathKind.Long) when op != "/":
                return Whole(l.Integer, r.Integer, l.Kind == FhirPathKind.Long || r.Kind == FhirPathKind.Long);
            case (FhirPathKind.Integer or FhirPathKind.Long or FhirPathKind.Decimal, FhirPathKind.Integer or FhirPathKind.Long or FhirPathKind.Decimal):
                return Decimals(l.Decimal, r.Decimal);
            case (FhirPathKind.String, FhirPathKind.String) when op == "+":
                return FhirPathValue.Of(l.Text + r.Text);
            case (FhirPathKind.Date or FhirPathKind.DateTime, FhirPathKind.Quantity) when op is "+" or "-":
                return Quantities.Shift(in l, r.Quantity, back: op == "-");
            case (FhirPathKind.Quantity, FhirPathKind.Quantity) when op is "+" or "-" or "*" or "/":
                return Quantities.Compute(op, l.Quantity, r.Quantity);
            default:
                throw Unsuitable(l.Kind is FhirPathKind.Integer or FhirPathKind.Long or FhirPathKind.Decimal ? r : l);
        }
    }

    private FhirPathValue Whole(long l, long r, bool isLong)
    {
        if (r == 0 && op is "div" or "mod")
            return default;
        long value = op switch
        {
            "+" => checked(l + r),
            "-" => checked(l - r),
            "*" => checked(l * r),
            "div" => l / r,
            _ => l % r,
        };
        return isLong ? FhirPathValue.OfLong(value) : FhirPathValue.Of(checked((int)value));
    }

    private FhirPathValue Decimals(decimal l, decimal r) => op switch
    {
        "+" => FhirPathValue.Of(l + r),
        "-" => FhirPathValue.Of(l - r),
        "*" => FhirPathValue.Of(l * r),
        _ when r == 0 => default,
        "/" => FhirPathValue.Of(l / r),
        "div" => FhirPathValue.OfLong((long)decimal.Truncate(l / r)),
        _ => FhirPathValue.Of(l % r),
    };
}
