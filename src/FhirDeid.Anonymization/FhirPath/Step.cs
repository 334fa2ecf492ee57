namespace FhirDeid.Anonymization.FhirPath;

/// <summary>One part of a compiled expression. Steps do not change once compiled.</summary>
internal abstract class Step
{
    /// <summary>Steps above one another, this one included.</summary>
    public int Depth { get; set; } = 1;

    /// <summary>Whether nodes of the data can come out.</summary>
    public abstract bool YieldsNodes { get; }

    /// <summary>Adds the result to a collection.</summary>
    public abstract void Evaluate(in Scope scope, ValueList result);

    /// <summary>The result as a condition: empty is null, a single Boolean is itself, anything else is true.</summary>
    public virtual bool? Truth(in Scope scope)
    {
        ValueList values = scope.Evaluation.RentList();
        Evaluate(in scope, values);
        bool? truth = values.Count == 0 ? null : values.Count > 1 || values[0].System is not { Kind: FhirPathKind.Boolean } value || value.Boolean;
        scope.Evaluation.ReturnList(values);
        return truth;
    }

    /// <summary>Whether the result has an item.</summary>
    public virtual bool Any(in Scope scope)
    {
        ValueList values = scope.Evaluation.RentList();
        Evaluate(in scope, values);
        bool any = values.Count > 0;
        scope.Evaluation.ReturnList(values);
        return any;
    }

    /// <summary>Tells a step that the expression's result are its nodes: equal nodes in different places all count then.</summary>
    /// <remarks>Of two equal names the service's <c>|</c> and repeat() drop one, which would stay in clear.</remarks>
    public virtual void FollowNodes()
    {
    }

    /// <summary>The single item of an operand or argument; none where it is empty.</summary>
    /// <exception cref="FhirPathException">There are several.</exception>
    public virtual FhirPathValue Single(in Scope scope, string user)
    {
        ValueList values = scope.Evaluation.RentList();
        Evaluate(in scope, values);
        if (values.Count > 1)
            throw new FhirPathException($"{user} needs a single item and has several");
        FhirPathValue value = values.Count == 0 ? default : values[0];
        scope.Evaluation.ReturnList(values);
        return value;
    }
}

/// <summary>A literal, or a variable of the standard.</summary>
internal sealed class ConstantStep(FhirPathValue value) : Step
{
    public FhirPathValue Value => value;

    public override bool YieldsNodes => false;

    public override void Evaluate(in Scope scope, ValueList result) => result.Add(in value);

    public override FhirPathValue Single(in Scope scope, string user) => value;
}

/// <summary><c>{}</c>.</summary>
internal sealed class EmptyStep : Step
{
    public override bool YieldsNodes => false;

    public override void Evaluate(in Scope scope, ValueList result)
    {
    }
}

/// <summary><c>$this</c>, also where it is left out: <c>use</c> is <c>$this.use</c>.</summary>
internal sealed class ThisStep : Step
{
    public override bool YieldsNodes => true;

    public override void Evaluate(in Scope scope, ValueList result)
    {
        if (scope.Many is { } many)
            result.AddRange(many);
        else
            result.Add(in scope.This);
    }

    public override FhirPathValue Single(in Scope scope, string user) => scope.Many is null ? scope.This : base.Single(in scope, user);
}

internal sealed class IndexStep : Step
{
    public override bool YieldsNodes => false;

    public override void Evaluate(in Scope scope, ValueList result) => result.Add(FhirPathValue.Of(scope.Index));
}

internal sealed class TotalStep : Step
{
    public override bool YieldsNodes => true;

    public override void Evaluate(in Scope scope, ValueList result)
    {
        if (scope.Total is { } total)
            result.AddRange(total);
    }
}

/// <summary><c>%context</c>, <c>%resource</c> and <c>%rootResource</c>.</summary>
internal sealed class ContextStep(bool isResource) : Step
{
    public override bool YieldsNodes => true;

    public override void Evaluate(in Scope scope, ValueList result)
    {
        if ((isResource ? scope.Evaluation.Resource : scope.Evaluation.Context) is { } node)
            result.Add(FhirPathValue.Of(node));
    }
}

/// <summary>A step that takes a collection item by item; each item gives none, one or several.</summary>
internal abstract class ItemStep(Step focus) : Step
{
    public Step Focus => focus;

    public override bool YieldsNodes => focus.YieldsNodes;

    public override void FollowNodes() => focus.FollowNodes();

    public sealed override void Evaluate(in Scope scope, ValueList result)
    {
        if (focus is ThisStep && scope.Many is null)
        {
            EvaluateItem(in scope, in scope.This, 0, result);
            return;
        }
        ValueList items = scope.Evaluation.RentList();
        focus.Evaluate(in scope, items);
        for (int i = 0; i < items.Count; i++)
            EvaluateItem(in scope, in items[i], i, result);
        scope.Evaluation.ReturnList(items);
    }

    protected abstract void EvaluateItem(in Scope scope, in FhirPathValue item, int index, ValueList result);
}

/// <summary><c>.name</c>. A choice is reached by its base name; a type's name stays where it is, so that <c>Patient.name</c> works on a Patient.</summary>
internal sealed class ChildStep(Step focus, string name) : ItemStep(focus)
{
    private readonly bool _isType = name.Length > 0 && char.IsUpper(name[0]);

    protected override void EvaluateItem(in Scope scope, in FhirPathValue item, int index, ValueList result)
    {
        if (item.Node is not { } node)
            return;
        if (_isType && (node.Type.Name == name || name is "Resource" or "DomainResource"))
        {
            result.Add(in item);
            return;
        }
        List<IFhirPathNode> children = scope.Evaluation.Children;
        node.AddChildren(name, children);
        for (int i = 0; i < children.Count; i++)
            result.Add(FhirPathValue.Of(children[i]));
        children.Clear();
    }
}

/// <summary>children()</summary>
internal sealed class ChildrenStep(Step focus) : ItemStep(focus)
{
    protected override void EvaluateItem(in Scope scope, in FhirPathValue item, int index, ValueList result)
    {
        if (item.Node is not { } node)
            return;
        List<IFhirPathNode> children = scope.Evaluation.Children;
        node.AddChildren(children);
        for (int i = 0; i < children.Count; i++)
            result.Add(FhirPathValue.Of(children[i]));
        children.Clear();
    }
}

/// <summary>descendants(), and this engine's nodesByType(T) and nodesByName(n), in document order.</summary>
/// <remarks>The latter two start with the node itself and do not meet nested resources.</remarks>
internal sealed class DescendantsStep(Step focus, bool byType = false, Step? wanted = null) : ItemStep(focus)
{
    protected override void EvaluateItem(in Scope scope, in FhirPathValue item, int index, ValueList result)
    {
        if (item.Node is not { } root)
            return;
        FhirPathValue argument = wanted is null ? default : wanted.Single(in scope, byType ? "nodesByType()" : "nodesByName()").System;
        if (wanted is not null && argument.Kind != FhirPathKind.String)
            return;
        string name = argument.Text;
        List<IFhirPathNode> children = scope.Evaluation.Children;
        Stack<FhirPathValue> stack = new();
        stack.Push(item);
        while (stack.TryPop(out FhirPathValue value))
        {
            IFhirPathNode node = value.Node!;
            bool isRoot = ReferenceEquals(node, root);
            if (wanted is not null && !isRoot && node.Type.Kind == Schema.FhirTypeKind.Resource)
                continue;
            if (wanted is null ? !isRoot : (byType ? node.Type.Name : node.Name) == name)
                result.Add(in value);
            node.AddChildren(children);
            for (int i = children.Count - 1; i >= 0; i--)
                stack.Push(FhirPathValue.Of(children[i]));
            children.Clear();
        }
    }
}

/// <summary>extension(url)</summary>
internal sealed class ExtensionStep(Step focus, Step url) : ItemStep(focus)
{
    protected override void EvaluateItem(in Scope scope, in FhirPathValue item, int index, ValueList result)
    {
        if (item.Node is not { } node || url.Single(in scope, "extension()").System is not { Kind: FhirPathKind.String } wanted)
            return;
        List<IFhirPathNode> children = scope.Evaluation.Children;
        node.AddChildren("extension", children);
        int extensions = children.Count;
        for (int i = 0; i < extensions; i++)
        {
            children[i].AddChildren("url", children);
            if (children.Count == extensions + 1 && children[extensions].Text == wanted.Text)
                result.Add(FhirPathValue.Of(children[i]));
            children.RemoveRange(extensions, children.Count - extensions);
        }
        children.Clear();
    }
}

/// <summary>where(criteria)</summary>
internal sealed class WhereStep(Step focus, Step criteria) : ItemStep(focus)
{
    protected override void EvaluateItem(in Scope scope, in FhirPathValue item, int index, ValueList result)
    {
        Scope inner = scope.At(in item, index);
        if (criteria.Truth(in inner) == true)
            result.Add(in item);
    }
}

/// <summary>select(projection)</summary>
internal sealed class SelectStep(Step focus, Step projection) : ItemStep(focus)
{
    public override bool YieldsNodes => projection.YieldsNodes;

    public override void FollowNodes()
    {
        Focus.FollowNodes();
        projection.FollowNodes();
    }

    protected override void EvaluateItem(in Scope scope, in FhirPathValue item, int index, ValueList result)
    {
        Scope inner = scope.At(in item, index);
        projection.Evaluate(in inner, result);
    }
}

/// <summary>ofType(T), and <c>as</c> in both forms.</summary>
internal sealed class OfTypeStep(Step focus, FhirPathType type) : ItemStep(focus)
{
    protected override void EvaluateItem(in Scope scope, in FhirPathValue item, int index, ValueList result)
    {
        if (item.Is(type))
            result.Add(in item);
    }
}

/// <summary>repeat(projection), level by level.</summary>
internal sealed class RepeatStep(Step focus, Step projection) : Step
{
    private bool _followsNodes;

    public override bool YieldsNodes => projection.YieldsNodes;

    public override void FollowNodes()
    {
        _followsNodes = true;
        focus.FollowNodes();
        projection.FollowNodes();
    }

    public override void Evaluate(in Scope scope, ValueList result)
    {
        ValueSet seen = new(_followsNodes);
        ValueList level = scope.Evaluation.RentList(), next = scope.Evaluation.RentList();
        focus.Evaluate(in scope, level);
        while (level.Count > 0)
        {
            ValueList found = scope.Evaluation.RentList();
            for (int i = 0; i < level.Count; i++)
            {
                Scope inner = scope.At(in level[i], i);
                projection.Evaluate(in inner, found);
            }
            for (int i = 0; i < found.Count; i++)
            {
                if (seen.Add(in found[i]))
                    next.Add(in found[i]);
            }
            scope.Evaluation.ReturnList(found);
            result.AddRange(next);
            level.Clear();
            (level, next) = (next, level);
        }
        scope.Evaluation.ReturnList(level);
        scope.Evaluation.ReturnList(next);
    }
}

/// <summary><c>[n]</c>, first(), last(), tail(), skip(n), take(n): a part of a collection by position.</summary>
internal sealed class RangeStep(string name, Step focus, Step? number = null) : Step
{
    public override bool YieldsNodes => focus.YieldsNodes;

    public override void FollowNodes() => focus.FollowNodes();

    public override void Evaluate(in Scope scope, ValueList result)
    {
        ValueList items = scope.Evaluation.RentList();
        focus.Evaluate(in scope, items);
        if (items.Count > 0)
        {
            if (name == "single" && items.Count > 1)
                throw new FhirPathException("single() meets several items");
            long n = 0;
            if (number is null || Functions.TryInteger(number, in scope, name, out n))
            {
                (long start, long end) = name switch
                {
                    "first" or "single" => (0, 1),
                    "last" => (items.Count - 1, items.Count),
                    "tail" => (1, items.Count),
                    "skip" => (n, items.Count),
                    "take" => (0, n),
                    _ => (Math.Max(n, 0), Math.Max(n, 0) + 1),
                };
                for (long i = Math.Max(start, 0); i < Math.Min(end, items.Count); i++)
                    result.Add(in items[(int)i]);
            }
        }
        scope.Evaluation.ReturnList(items);
    }
}

/// <summary>iif(criterion, result, otherwise): the arguments see the whole focus as <c>$this</c>.</summary>
internal sealed class IifStep(Step focus, Step criterion, Step whenTrue, Step? otherwise) : Step
{
    public override bool YieldsNodes => whenTrue.YieldsNodes || otherwise?.YieldsNodes == true;

    public override void FollowNodes()
    {
        focus.FollowNodes();
        whenTrue.FollowNodes();
        otherwise?.FollowNodes();
    }

    public override void Evaluate(in Scope scope, ValueList result)
    {
        ValueList items = scope.Evaluation.RentList(), criteria = scope.Evaluation.RentList();
        focus.Evaluate(in scope, items);
        Scope inner = items.Count == 1 ? new(scope.Evaluation, items[0], null, scope.Index, scope.Total) : new(scope.Evaluation, default, items, scope.Index, scope.Total);
        criterion.Evaluate(in inner, criteria);
        if (criteria.Count > 1)
            throw new FhirPathException("the condition of iif() has several results");
        if (criteria.Count == 1 && (criteria[0].System is not { Kind: FhirPathKind.Boolean } value || value.Boolean))
            whenTrue.Evaluate(in inner, result);
        else
            otherwise?.Evaluate(in inner, result);
        scope.Evaluation.ReturnList(criteria);
        scope.Evaluation.ReturnList(items);
    }
}

/// <summary>aggregate(aggregator, init)</summary>
internal sealed class AggregateStep(Step focus, Step aggregator, Step? init) : Step
{
    public override bool YieldsNodes => aggregator.YieldsNodes;

    public override void Evaluate(in Scope scope, ValueList result)
    {
        ValueList items = scope.Evaluation.RentList(), total = scope.Evaluation.RentList();
        focus.Evaluate(in scope, items);
        init?.Evaluate(in scope, total);
        for (int i = 0; i < items.Count; i++)
        {
            ValueList next = scope.Evaluation.RentList();
            Scope inner = new(scope.Evaluation, items[i], null, scope.Index, total);
            aggregator.Evaluate(in inner, next);
            scope.Evaluation.ReturnList(total);
            total = next;
        }
        result.AddRange(total);
        scope.Evaluation.ReturnList(total);
        scope.Evaluation.ReturnList(items);
    }
}
