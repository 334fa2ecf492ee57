using System.Collections.Concurrent;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Engine;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Plan;

/// <summary>A configuration compiled against the R4 model: an automaton over JSON property names whose states are computed when first met.</summary>
/// <remarks>
/// Resources run their rules parent first, each rule in configuration order, and the first rule that reaches a node decides it and everything below it
/// within the resource. So a node is decided by the first rule that matches it or an ancestor in its resource. A method that acts on some types only,
/// such as dateShift or perturb, leaves the other nodes to the rules after it. Shared by all threads of a run.
/// </remarks>
internal sealed class AnonymizationPlan
{
    private readonly List<(PathStep Step, int Next)> _steps = [];
    private readonly RuleEntry[] _rules;
    private readonly ConcurrentDictionary<string, PlanState> _states = new(StringComparer.Ordinal);
    private readonly PlanState?[] _roots = new PlanState?[FhirModel.R4.Types.Count];

    private const int Accept = -1;

    private sealed record RuleEntry(ConfigurationRule Rule, RulePath Path, (PathAlternative Alternative, int First)[] Starts);

    /// <summary>Compiles a configuration.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigNotSupported</c>: a rule uses what this engine cannot run. <c>FhirDeid.ConfigInvalid</c>: a replacement does not fit.</exception>
    public AnonymizationPlan(AnonymizationConfiguration configuration)
    {
        _rules = [.. configuration.Rules.Select(Compile)];
        foreach (RuleEntry entry in _rules.Where(entry => entry.Rule.Method == AnonymizationMethod.Substitute))
            CheckReplacement(entry.Rule, Targets(entry));
    }

    /// <summary>Rules whose path leads to nothing that R4 has: they never apply.</summary>
    public IEnumerable<ConfigurationRule> RulesWithoutTarget() => _rules.Where(entry => Targets(entry).Length == 0).Select(entry => entry.Rule);

    public ConfigurationRule Rule(RuleReference reference) => _rules[reference.Rule].Rule;

    public AnonymizationMethod Method(RuleReference reference) => Rule(reference).Method;

    /// <summary>State of a resource that stands alone.</summary>
    public PlanState Root(FhirType resourceType)
    {
        PlanState? known = Volatile.Read(ref _roots[resourceType.Index]);
        if (known is null)
        {
            Arrivals arrivals = new(this, []);
            Start(resourceType, arrivals);
            Volatile.Write(ref _roots[resourceType.Index], known = Intern(resourceType, arrivals));
        }
        return known;
    }

    /// <summary>State of the children that a property holds.</summary>
    /// <param name="parent">State of the parent.</param>
    /// <param name="property">The property.</param>
    /// <param name="type">Type of the child: the property's, or the resource's own.</param>
    public PlanState Next(PlanState parent, FhirProperty property, FhirType type)
    {
        bool isResource = type.Kind == FhirTypeKind.Resource;
        Arrivals arrivals = new(this, isResource ? [] : Inherited(parent));
        foreach (Thread thread in parent.Threads)
        {
            (PathStep step, int next) = _steps[thread.Step];
            int hops = isResource ? thread.Hops + 1 : thread.Hops;
            if (step.Kind == StepKind.Child)
            {
                if (step.Name == property.Name)
                    arrivals.Arrive(hops, thread.Rule, next, property.Name, type);
            }
            else
            {
                arrivals.Search(hops, thread.Rule, thread.Step, property.Name, type, isResource);
            }
        }
        if (isResource)
            Start(type, arrivals);
        return Intern(type, arrivals);
    }

    private void Start(FhirType resourceType, Arrivals arrivals)
    {
        for (int rule = 0; rule < _rules.Length; rule++)
        {
            RuleEntry entry = _rules[rule];
            if (entry.Path.ResourceType is { } ruleType && ruleType != resourceType.Name)
                continue;
            foreach ((PathAlternative alternative, int first) in entry.Starts)
            {
                if (alternative.ResourceType is { } start && start != resourceType.Name)
                    continue;
                if (alternative.IsLookup)
                    arrivals.Stay(0, rule, first);
                else
                    arrivals.Arrive(0, rule, first, "", resourceType);
            }
        }
    }

    /// <summary>The state of a node without the rule that decides it.</summary>
    public PlanState WithoutDecision(PlanState state) =>
        Intern(state.Type, [.. state.Claims.Where(claim => claim != state.DecidedBy)], state.Threads, matched: []);

    private PlanState Intern(FhirType type, Arrivals arrivals) => Intern(type, arrivals.Claims(), arrivals.Threads(), arrivals.Matched);

    private PlanState Intern(FhirType type, RuleReference[] claims, Thread[] threads, HashSet<RuleReference> matched)
    {
        int first = Array.FindIndex(claims, claim => ActsOn(claim, type));
        RuleReference decidedBy = first < 0 ? RuleReference.None : claims[first];
        bool isMatched = matched.Contains(decidedBy);
        string key = $"{type.Index}|{string.Join(';', claims)}|{isMatched}|{string.Join(';', threads.Select(t => $"{t.Hops},{t.Rule},{t.Step}"))}";
        return _states.GetOrAdd(key, _ => new PlanState(type, decidedBy, first < 0 ? AnonymizationMethod.Keep : Method(decidedBy), isMatched, claims, threads));
    }

    /// <summary>What the children of a node inherit. A Quantity whose number perturb moves is perturb's as a whole: unit and code are safe from later rules.</summary>
    private static RuleReference[] Inherited(PlanState parent) => IsPerturbedQuantity(parent)
        ? [.. parent.Claims.Select(claim => claim == parent.DecidedBy ? claim with { HoldsAll = true } : claim)]
        : parent.Claims;

    /// <summary>Whether a node is a Quantity, of whatever kind, that a perturb rule decides.</summary>
    public static bool IsPerturbedQuantity(PlanState state) =>
        state is { Method: AnonymizationMethod.Perturb, DecidedBy.HoldsAll: false } && IsQuantity(state.Type);

    public static bool IsQuantity(FhirType type) =>
        type.Name is "Quantity" or "SimpleQuantity" or "Age" or "Count" or "Duration" or "Distance" or "Money" or "MoneyQuantity";

    /// <summary>Whether a method does anything on nodes of a type: dateShift claims dates alone and perturb numbers alone, and both leave the rest to later rules.</summary>
    private bool ActsOn(RuleReference reference, FhirType type) => reference.HoldsAll || Method(reference) switch
    {
        AnonymizationMethod.DateShift => type.Name is "date" or "dateTime" or "instant",
        AnonymizationMethod.Perturb => type.Name is "decimal" or "integer" or "positiveInt" or "unsignedInt" || IsQuantity(type),
        _ => true,
    };

    private bool ActsOnEveryType(RuleReference reference) => reference.HoldsAll || Method(reference) is not (AnonymizationMethod.DateShift or AnonymizationMethod.Perturb);

    private RuleEntry Compile(ConfigurationRule rule)
    {
        if (rule.Method == AnonymizationMethod.Generalize)
        {
            throw new FhirDeidException("ConfigNotSupported", FhirDeidErrorCategory.NotImplemented,
                $"Rule {rule.Number} uses method {rule.Method.ToString().ToLowerInvariant()}, which this version does not run here yet.", "Use another method in this rule, or run the configuration in the service.");
        }
        RulePath path = RulePath.Parse(rule);
        return new RuleEntry(rule, path, [.. path.Alternatives.Select(a => (a, AddSteps(a.Steps)))]);
    }

    private int AddSteps(IReadOnlyList<PathStep> steps)
    {
        int first = Accept;
        for (int i = steps.Count - 1; i >= 0; i--)
        {
            _steps.Add((steps[i], first));
            first = _steps.Count - 1;
        }
        return first;
    }

    /// <summary>A replacement must be a value of every type that it can meet: found out here, and not when half of the data is written.</summary>
    private static void CheckReplacement(ConfigurationRule rule, FhirType?[] targets)
    {
        if (rule.ReplacesComplex || targets.Any(type => type?.Kind != FhirTypeKind.Primitive))
        {
            throw new FhirDeidException("ConfigNotSupported", FhirDeidErrorCategory.NotImplemented,
                $"Rule {rule.Number}: the path '{rule.Path}' leads to complex elements, which substitute does not replace in this version.", "Substitute their primitive elements one by one, or redact them.");
        }
        if (rule.ReplaceWith is { } text && Array.Find(targets, type => !PrimitiveReader.IsValid(System.Text.Encoding.UTF8.GetBytes(text), type!.Syntax)) is { } misfit)
        {
            throw new FhirDeidException("ConfigInvalid", FhirDeidErrorCategory.InvalidData,
                $"Rule {rule.Number}: replaceWith is not a FHIR {misfit.Name}, but the path '{rule.Path}' leads to one.", "Give a replacement that fits the element's type, or redact it.");
        }
    }

    /// <summary>Types of the nodes that a rule's path can lead to in R4; null stands for a resource of any type.</summary>
    private static FhirType?[] Targets(RuleEntry entry) => [.. entry.Path.Alternatives.SelectMany(alternative =>
    {
        IEnumerable<FhirType?> at = FhirModel.R4.Types.Where(t => t.Kind == FhirTypeKind.Resource
            && (entry.Path.ResourceType is null || entry.Path.ResourceType == t.Name) && (alternative.ResourceType is null || alternative.ResourceType == t.Name));
        foreach (PathStep step in alternative.Steps)
        {
            at = step.Kind switch
            {
                StepKind.Child => at.SelectMany(t => t is null ? [null] : t.Properties.Where(p => p.Name == step.Name).Select(p => p.Type)),
                StepKind.OfType => at.Where(t => t is null || t.Name == step.Name),
                StepKind.NodesByType => at.Any() ? FhirModel.R4.Types.Where(t => t.Name == step.Name) : [],
                _ => at.Any() ? FhirModel.R4.Types.SelectMany(t => t.Properties).Where(p => p.Name == step.Name).Select(p => p.Type) : [],
            };
            at = at.Distinct().ToArray();
        }
        return at;
    }).Distinct()];

    /// <summary>What arrives at one node: the positions that stay alive there, and the first rule that decides it.</summary>
    private sealed class Arrivals(AnonymizationPlan plan, RuleReference[] inherited)
    {
        private readonly SortedSet<(int NegatedHops, int Rule, int Step)> _threads = [];

        /// <summary>Rules whose path leads to the node itself and not only to an ancestor.</summary>
        public HashSet<RuleReference> Matched { get; } = [];

        public Thread[] Threads() => [.. _threads.Select(t => new Thread(-t.NegatedHops, t.Rule, t.Step))];

        /// <summary>All rules on the node, the first to run first, up to one that acts on every type.</summary>
        public RuleReference[] Claims()
        {
            RuleReference[] all = [.. inherited.Concat(Matched).OrderByDescending(claim => claim.Hops).ThenBy(claim => claim.Rule)];
            int last = Array.FindIndex(all, plan.ActsOnEveryType);
            return last < 0 ? all : all[..(last + 1)];
        }

        public void Stay(int hops, int rule, int step) => _threads.Add((-hops, rule, step));

        /// <summary>A path has led to the node; <paramref name="step"/> is what remains of it.</summary>
        public void Arrive(int hops, int rule, int step, string name, FhirType type)
        {
            if (step == Accept)
            {
                RuleReference reference = new(hops, rule);
                if (!inherited.Contains(reference))
                    Matched.Add(reference);
                return;
            }
            (PathStep path, int next) = plan._steps[step];
            switch (path.Kind)
            {
                case StepKind.Child:
                    Stay(hops, rule, step);
                    break;
                case StepKind.OfType:
                    if (type.Name == path.Name)
                        Arrive(hops, rule, next, name, type);
                    break;
                default:
                    // A search that starts at a resource goes on in it.
                    Search(hops, rule, step, name, type, isResourceBelow: false);
                    break;
            }
        }

        /// <summary>A search reaches the node: it tests it and goes on below, but not into another resource.</summary>
        public void Search(int hops, int rule, int step, string name, FhirType type, bool isResourceBelow)
        {
            (PathStep path, int next) = plan._steps[step];
            if (!isResourceBelow)
                Stay(hops, rule, step);
            if ((path.Kind == StepKind.NodesByType ? type.Name : name) == path.Name)
                Arrive(hops, rule, next, name, type);
        }
    }
}
