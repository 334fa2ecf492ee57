using System.Collections.Concurrent;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Engine;
using FhirDeid.Anonymization.FhirPath;
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
    private readonly ConcurrentDictionary<(int Rule, int Type), Replacement> _replacements = [];
    private readonly PlanState?[] _roots = new PlanState?[FhirModel.R4.Types.Count];
    private readonly (int, ConfigurationRule, FhirPathExpression)[]?[] _evaluated = new (int, ConfigurationRule, FhirPathExpression)[]?[FhirModel.R4.Types.Count];

    private const int Accept = -1;

    /// <summary>A rule, and what it compiles to.</summary>
    /// <param name="Rule">The rule.</param>
    /// <param name="Path">Its path.</param>
    /// <param name="Starts">Where the automaton starts on it; none for a path that is evaluated.</param>
    /// <param name="Evaluated">The expression to evaluate; null for a path that the automaton follows.</param>
    /// <param name="Cases">The cases of generalize.</param>
    private sealed record RuleEntry(ConfigurationRule Rule, RulePath Path, (PathAlternative Alternative, int First)[] Starts, FhirPathExpression? Evaluated, GeneralizeCase[] Cases)
    {
        /// <summary>The steps of a path that is a search of the whole resource.</summary>
        public IReadOnlyList<PathStep>? Lookup => Starts is [{ Alternative: { IsLookup: true, Steps: var steps } }] ? steps : null;
    }

    /// <summary>Compiles a configuration.</summary>
    /// <param name="configuration">What was read of it.</param>
    /// <param name="clock">What now() and today() tell in paths and cases; the system's where it is null.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>: a rule can do nothing but fail. <c>FhirDeid.ConfigNotSupported</c>: a rule uses what this engine cannot run.</exception>
    public AnonymizationPlan(AnonymizationConfiguration configuration, TimeProvider? clock = null)
    {
        _rules = [.. configuration.Rules.Select(rule => Compile(rule, clock))];
        foreach (RuleEntry entry in _rules)
        {
            if (entry.Rule.Method == AnonymizationMethod.Substitute)
                CheckReplacement(entry.Rule, Targets(entry));
            else if (entry.Rule.Method == AnonymizationMethod.Generalize)
                CheckGeneralized(entry.Rule, Targets(entry));
        }
    }

    public ConfigurationRule Rule(RuleReference reference) => _rules[reference.Rule].Rule;

    public AnonymizationMethod Method(RuleReference reference) => Rule(reference).Method;

    /// <summary>The cases of a generalize rule.</summary>
    public IReadOnlyList<GeneralizeCase> Cases(RuleReference reference) => _rules[reference.Rule].Cases;

    /// <summary>Rules that apply to a resource type and whose paths have to be evaluated, in order.</summary>
    public IReadOnlyList<(int Index, ConfigurationRule Rule, FhirPathExpression Path)> EvaluatedRules(FhirType resourceType)
    {
        (int, ConfigurationRule, FhirPathExpression)[]? known = Volatile.Read(ref _evaluated[resourceType.Index]);
        if (known is null)
        {
            known = [.. _rules.Select((entry, index) => (Entry: entry, Index: index))
                .Where(rule => rule.Entry.Evaluated is not null && (rule.Entry.Path.ResourceType is null || rule.Entry.Path.ResourceType == resourceType.Name))
                .Select(rule => (rule.Index, rule.Entry.Rule, rule.Entry.Evaluated!))];
            Volatile.Write(ref _evaluated[resourceType.Index], known);
        }
        return known;
    }

    /// <summary>Rules behind one whose path is a search of the whole resource by type or by name, perhaps with one element of what it meets.</summary>
    public IReadOnlyList<(int Rule, PathStep Search, string? Child)> LookupsAfter(int rule) =>
        [.. _rules.Select((entry, index) => (Index: index, entry.Lookup)).Where(r => r.Index > rule && r.Lookup is not null).Select(r => (r.Index, r.Lookup![0], r.Lookup.ElementAtOrDefault(1).Name))];

    /// <summary>State of a node that the first of some rules decides whose method acts on its type; null where none does.</summary>
    /// <param name="rules">The rules, in order.</param>
    /// <param name="matched">Those whose path leads to the node itself.</param>
    /// <param name="type">Type of the node.</param>
    public PlanState? FirstActing(IEnumerable<int> rules, int[] matched, FhirType type)
    {
        foreach (RuleReference rule in rules.Select(rule => new RuleReference(0, rule)))
        {
            if (ActsOn(rule, type))
                return Intern(type, [rule], [], matched.Contains(rule.Rule) ? [rule] : [], [rule]);
        }
        return null;
    }

    /// <summary>What a substitute puts in the place of an element of some type: nothing where it gives a text and the type is an object, or the other way round.</summary>
    /// <exception cref="ResourceException">It gives an object that does not fit the type.</exception>
    public Replacement Replacement(RuleReference reference, FhirType type) => _replacements.GetOrAdd((reference.Rule, type.Index), _ =>
    {
        try
        {
            return ReadReplacement(Rule(reference), type);
        }
        catch (FormatException exception) when (type.Kind == FhirTypeKind.Complex && Rule(reference).ReplaceWithObject is not null)
        {
            throw new ResourceException($"the replacement of rule {Rule(reference).Number} does not fit: {exception.Message}", Rule(reference));
        }
        catch (FormatException)
        {
            return Plan.Replacement.Empty;
        }
    });

    /// <summary>Whether a node is an element, and no value, that a substitute replaces.</summary>
    public static bool IsSubstitutedObject(PlanState state) => state is { Method: AnonymizationMethod.Substitute, IsMatched: true, Type.Kind: FhirTypeKind.Complex };

    /// <summary>State of a resource that stands alone.</summary>
    public PlanState Root(FhirType resourceType)
    {
        PlanState? known = Volatile.Read(ref _roots[resourceType.Index]);
        if (known is null)
        {
            Arrivals arrivals = new(this, []);
            Start(resourceType, "", arrivals);
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
            else if (!isResource || step.MeetsNested)
            {
                arrivals.Search(hops, thread.Rule, thread.Step, property.Name, type, isResource);
            }
        }
        if (isResource)
            Start(type, property.Name, arrivals);
        return Intern(type, arrivals);
    }

    private void Start(FhirType resourceType, string name, Arrivals arrivals)
    {
        for (int rule = 0; rule < _rules.Length; rule++)
        {
            RuleEntry entry = _rules[rule];
            if (entry.Path.ResourceType is { } ruleType && ruleType != resourceType.Name)
                continue;
            if (entry.Rule.Method == AnonymizationMethod.Unknown)
            {
                throw new FhirDeidException("ConfigInvalid", FhirDeidErrorCategory.InvalidData, $"Anonymization method {entry.Rule.UnknownMethod} not supported.",
                    $"Correct rule {entry.Rule.Number}, which applies to {resourceType.Name}; Test-AnonymizationConfig lists the methods.");
            }
            foreach ((PathAlternative alternative, int first) in entry.Starts)
            {
                if (alternative.ResourceType is { } start && start != resourceType.Name)
                    continue;
                if (alternative.IsLookup)
                    arrivals.Stay(0, rule, first);
                else
                    arrivals.Arrive(0, rule, first, name, resourceType);
            }
        }
    }

    /// <summary>The state of a Quantity that has no number: no perturb decides it, though each still claims what lies below.</summary>
    public PlanState WithoutPerturb(PlanState state) =>
        Intern(state.Type, state.Claims, state.Threads, state.Matched, state.Reached, hasNumber: false);

    /// <summary>The state of a node with one more rule that leads to it.</summary>
    public PlanState With(PlanState state, RuleReference rule)
    {
        if (state.Claims.Any(claim => (claim.Hops, claim.Rule) == (rule.Hops, rule.Rule)))
            return Intern(state.Type, state.Claims, state.Threads, state.Matched, [.. state.Reached, rule]);
        return Intern(state.Type, Sort(state.Claims.Append(rule)), state.Threads, [.. state.Matched, rule], [.. state.Reached, rule]);
    }

    /// <summary>The first rule to run first, up to one that acts on every type.</summary>
    private RuleReference[] Sort(IEnumerable<RuleReference> claims)
    {
        RuleReference[] all = [.. claims.OrderByDescending(claim => claim.Hops).ThenBy(claim => claim.Rule)];
        int last = Array.FindIndex(all, ActsOnEveryType);
        return last < 0 ? all : all[..(last + 1)];
    }

    private PlanState Intern(FhirType type, Arrivals arrivals) => Intern(type, arrivals.Claims(), arrivals.Threads(), arrivals.Matched, arrivals.Reached);

    private PlanState Intern(FhirType type, RuleReference[] claims, Thread[] threads, IEnumerable<RuleReference> matched, IEnumerable<RuleReference> reached, bool hasNumber = true)
    {
        int first = Array.FindIndex(claims, claim => (hasNumber || Method(claim) != AnonymizationMethod.Perturb || claim.HoldsAll) && ActsOn(claim, type));
        RuleReference decidedBy = first < 0 ? RuleReference.None : claims[first];
        RuleReference[] matchedClaims = [.. claims.Where(matched.Contains)];
        RuleReference[] reachedClaims = [.. claims.Where(reached.Contains)];
        string key = $"{type.Index}|{decidedBy}|{string.Join(';', claims)}|{string.Join(';', matchedClaims)}|{string.Join(';', reachedClaims)}|{string.Join(';', threads.Select(t => $"{t.Hops},{t.Rule},{t.Step}"))}";
        return _states.GetOrAdd(key, _ => new PlanState(type, decidedBy, first < 0 ? AnonymizationMethod.Keep : Method(decidedBy), matchedClaims, reachedClaims, claims, threads));
    }

    /// <summary>What the children of a node inherit. A Quantity whose number perturb moves is perturb's as a whole: unit and code are safe from later rules.</summary>
    private static RuleReference[] Inherited(PlanState parent)
    {
        bool isQuantity = IsPerturbedQuantity(parent);
        if (!isQuantity && !parent.Claims.Any(claim => claim.BelowQuantity == 1))
            return parent.Claims;
        return [.. parent.Claims.Select(claim => claim.HoldsAll ? claim with { BelowQuantity = 2 } : isQuantity && claim == parent.DecidedBy ? claim with { BelowQuantity = 1 } : claim)];
    }

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

    private RuleEntry Compile(ConfigurationRule rule, TimeProvider? clock)
    {
        RulePath path = RulePath.Parse(rule);
        FhirPathExpression? evaluated = path.Expression is { } expression ? Compile(rule, expression, clock) : null;
        if (evaluated is { YieldsNodes: false })
        {
            throw new FhirDeidException("ConfigInvalid", FhirDeidErrorCategory.InvalidData, $"Rule {rule.Number}: the path '{rule.Path}' computes a value and leads to no element.",
                "End the path with the element that the rule is for; conditions stand in where(…).");
        }
        return new RuleEntry(rule, path, [.. path.Alternatives.Select(a => (a, AddSteps(a.Steps)))], evaluated,
            [.. rule.Cases.Select(@case => new GeneralizeCase(Compile(rule, @case.Condition, clock), Compile(rule, @case.Value, clock)))]);
    }

    private static FhirPathExpression Compile(ConfigurationRule rule, string expression, TimeProvider? clock)
    {
        try
        {
            return FhirPathExpression.Compile(expression, clock);
        }
        catch (FormatException exception)
        {
            throw new FhirDeidException("ConfigNotSupported", FhirDeidErrorCategory.NotImplemented, $"Rule {rule.Number}: '{expression}' cannot be evaluated here: {exception.Message}.",
                "Write it in another way. No rule is skipped: the configuration is refused as a whole.");
        }
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

    /// <summary>A replacement must fit a type that it can meet: found out here, and not when half of the data is written.</summary>
    private static void CheckReplacement(ConfigurationRule rule, FhirType?[] targets)
    {
        string? misfit = null;
        foreach (FhirType? type in targets)
        {
            try
            {
                if (type is null || type.Kind == FhirTypeKind.Resource || type.HoldsResources)
                    throw Misfit(rule, "it leads to resources, or to an element that holds some, and those cannot be substituted");
                ReadReplacement(rule, type);
                return;
            }
            catch (FormatException exception)
            {
                misfit ??= exception.Message;
            }
        }
        if (misfit is not null)
            throw Misfit(rule, misfit);
    }

    private static FhirDeidException Misfit(ConfigurationRule rule, string reason) => new("ConfigInvalid", FhirDeidErrorCategory.InvalidData,
        $"Rule {rule.Number}: replaceWith does not fit where the path '{rule.Path}' leads: {reason}.", "Give a replacement that fits the element's type, or redact it.");

    private static Replacement ReadReplacement(ConfigurationRule rule, FhirType type)
    {
        if (type.Kind == FhirTypeKind.Primitive)
        {
            if (rule.ReplaceWithObject is not null || rule.ReplaceWith is { Length: > 0 } text && !PrimitiveReader.IsValid(text, type))
                throw new FormatException($"the replacement is not a FHIR {type.Name}");
            return Plan.Replacement.Empty;
        }
        if (rule.ReplaceWith is not null)
            throw new FormatException($"{type.Id} needs a JSON object");
        return rule.ReplaceWithObject is { } json ? Plan.Replacement.Read(json, type) : Plan.Replacement.Empty;
    }

    private static void CheckGeneralized(ConfigurationRule rule, FhirType?[] targets)
    {
        if (targets is [{ } complex, ..] && targets.All(type => type?.Kind != FhirTypeKind.Primitive))
        {
            throw new FhirDeidException("ConfigInvalid", FhirDeidErrorCategory.InvalidData, $"Rule {rule.Number}: generalize works on single values, but the path '{rule.Path}' leads to {complex.Id}.",
                "Name the elements below it one by one, such as .value or .code.");
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
                StepKind.Child => at.SelectMany(t => t is null ? FhirModel.R4.Types.Where(type => type.Kind == FhirTypeKind.Resource) : [t]).SelectMany(t => t.Properties).Where(p => p.Name == step.Name).Select(p => p.Type),
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

        /// <summary>Rules whose path leads to the node and to no ancestor.</summary>
        public HashSet<RuleReference> Matched { get; } = [];

        /// <summary>Rules whose path leads to the node.</summary>
        public HashSet<RuleReference> Reached { get; } = [];

        public Thread[] Threads() => [.. _threads.Select(t => new Thread(-t.NegatedHops, t.Rule, t.Step))];

        /// <summary>All rules on the node, the first to run first, up to one that acts on every type.</summary>
        public RuleReference[] Claims() => plan.Sort(inherited.Concat(Matched));

        public void Stay(int hops, int rule, int step) => _threads.Add((-hops, rule, step));

        /// <summary>A path has led to the node; <paramref name="step"/> is what remains of it.</summary>
        public void Arrive(int hops, int rule, int step, string name, FhirType type)
        {
            if (step == Accept)
            {
                RuleReference reference = new(hops, rule);
                Reached.Add(reference);
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
