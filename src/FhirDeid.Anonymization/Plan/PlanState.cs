using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Plan;

/// <summary>A rule as seen from a resource: its own, or one of a resource around it.</summary>
/// <param name="Hops">How many resources further out the rule runs: 0 for the resource's own rules. Outer rules run first.</param>
/// <param name="Rule">Index of the rule in the plan, or −1 for none.</param>
/// <param name="BelowQuantity">For perturb: how many levels below a Quantity whose number it moves, 2 for more; 0 elsewhere.</param>
internal readonly record struct RuleReference(int Hops, int Rule, int BelowQuantity = 0)
{
    /// <summary>Whether it claims nodes of every type here: perturb does so below a Quantity whose number it moves.</summary>
    public bool HoldsAll => BelowQuantity > 0;

    public static readonly RuleReference None = new(-1, -1);
}

/// <summary>A position in a rule's path that is alive at a node: its step still has to be taken by the node's children.</summary>
internal readonly record struct Thread(int Hops, int Rule, int Step);

/// <summary>One kind of node: an R4 type, the rule that decides it, and the positions of rule paths that are alive there.</summary>
internal sealed class PlanState(FhirType type, RuleReference decidedBy, AnonymizationMethod method, RuleReference[] matched, RuleReference[] reached, RuleReference[] claims, Thread[] threads)
{
    private readonly PlanState?[] _children = new PlanState?[type.Properties.Count];
    private PlanState? _withoutPerturb;
    private volatile Dictionary<(int Property, int ResourceType), PlanState> _resources = [];
    private volatile Dictionary<RuleReference, PlanState> _matched = [];

    public FhirType Type { get; } = type;

    /// <summary>The rule that decides the node: the first to match it, or an ancestor within its resource, whose method acts on the node's type.</summary>
    public RuleReference DecidedBy { get; } = decidedBy;

    /// <summary>That rule's method; keep where no rule decides the node.</summary>
    public AnonymizationMethod Method { get; } = method;

    /// <summary>Rules that match the node or an ancestor within its resource, the first to run first, up to one whose method acts on every type: what its children inherit.</summary>
    public RuleReference[] Claims { get; } = claims;

    /// <summary>Whether that rule's path leads to the node itself, and to no ancestor.</summary>
    public bool IsMatched { get; } = matched.Contains(decidedBy);

    /// <summary>Claims whose path leads to the node and to no ancestor.</summary>
    public RuleReference[] Matched { get; } = matched;

    /// <summary>Claims whose path leads to the node, and perhaps to an ancestor as well.</summary>
    public RuleReference[] Reached { get; } = reached;

    public Thread[] Threads { get; } = threads;

    /// <summary>State of the children that a property holds.</summary>
    public PlanState Child(AnonymizationPlan plan, FhirProperty property)
    {
        PlanState? known = Volatile.Read(ref _children[property.Index]);
        if (known is null)
            Volatile.Write(ref _children[property.Index], known = plan.Next(this, property, property.Type!));
        return known;
    }

    /// <summary>State of a resource that a property holds.</summary>
    public PlanState Resource(AnonymizationPlan plan, FhirProperty property, FhirType resourceType)
    {
        if (_resources.TryGetValue((property.Index, resourceType.Index), out PlanState? known))
            return known;
        PlanState state = plan.Next(this, property, resourceType);
        _resources = new(_resources) { [(property.Index, resourceType.Index)] = state };
        return state;
    }

    /// <summary>State of the same node with one more rule that leads to it.</summary>
    public PlanState With(AnonymizationPlan plan, RuleReference rule)
    {
        if (_matched.TryGetValue(rule, out PlanState? known))
            return known;
        PlanState state = plan.With(this, rule);
        _matched = new(_matched) { [rule] = state };
        return state;
    }

    /// <summary>State of the same node where it is a Quantity without a number.</summary>
    public PlanState WithoutPerturb(AnonymizationPlan plan) => _withoutPerturb ??= plan.WithoutPerturb(this);
}
