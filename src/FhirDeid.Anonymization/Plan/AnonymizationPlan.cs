using System.Collections.Concurrent;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Plan;

/// <summary>A configuration compiled against the R4 model: an automaton over JSON property names whose states are computed when first met.</summary>
/// <remarks>
/// Resources run their rules parent first, each rule in configuration order, and the first rule that reaches a node decides it and everything below it
/// within the resource. So a node is decided by the first rule that matches it or an ancestor in its resource. Shared by all threads of a run.
/// </remarks>
internal sealed class AnonymizationPlan
{
    private readonly List<(PathStep Step, int Next)> _steps = [];
    private readonly RuleEntry[] _rules;
    private readonly ConcurrentDictionary<string, PlanState> _states = new(StringComparer.Ordinal);
    private readonly PlanState?[] _roots = new PlanState?[FhirModel.R4.Types.Count];

    private const int Accept = -1;

    private sealed record RuleEntry(ConfigurationRule Rule, RulePath Path, (PathAlternative Alternative, int First)[] Starts);

    public AnonymizationPlan(AnonymizationConfiguration configuration)
    {
        _rules = [.. configuration.Rules.Select(Compile)];
        foreach (RuleEntry entry in _rules)
        {
            if (!CanMatch(entry))
                configuration.Warnings.Add($"Rule {entry.Rule.Number}: the path '{entry.Rule.Path}' names nothing that FHIR R4 has, so the rule never applies.");
        }
    }

    public AnonymizationMethod Method(RuleReference reference) => _rules[reference.Rule].Rule.Method;

    /// <summary>State of a resource that stands alone.</summary>
    public PlanState Root(FhirType resourceType)
    {
        PlanState? known = Volatile.Read(ref _roots[resourceType.Index]);
        if (known is null)
        {
            Arrivals arrivals = new(this, RuleReference.None);
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
        Arrivals arrivals = new(this, isResource ? RuleReference.None : parent.DecidedBy);
        foreach (Thread thread in parent.Threads)
        {
            (PathStep step, int next) = _steps[thread.Step];
            int hops = isResource ? thread.Hops + 1 : thread.Hops;
            if (step.Kind == StepKind.Child)
            {
                if (step.Name == property.Name)
                    arrivals.Arrive(hops, thread.Rule, next, property.Name, type, isResource);
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
                    arrivals.Arrive(0, rule, first, "", resourceType, isResourceBelow: false);
            }
        }
    }

    private PlanState Intern(FhirType type, Arrivals arrivals)
    {
        Thread[] threads = arrivals.Threads();
        string key = $"{type.Index}|{arrivals.DecidedBy.Hops},{arrivals.DecidedBy.Rule},{arrivals.IsMatched}|{string.Join(';', threads.Select(t => $"{t.Hops},{t.Rule},{t.Step}"))}";
        return _states.GetOrAdd(key, _ => new PlanState(type, arrivals.DecidedBy, arrivals.IsMatched, threads));
    }

    private RuleEntry Compile(ConfigurationRule rule)
    {
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

    /// <summary>Whether R4 has any node that the rule's path leads to.</summary>
    private static bool CanMatch(RuleEntry entry) => entry.Path.Alternatives.Any(alternative =>
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
        return at.Any();
    });

    /// <summary>What arrives at one node: the positions that stay alive there, and the first rule that decides it.</summary>
    private sealed class Arrivals(AnonymizationPlan plan, RuleReference inherited)
    {
        private readonly SortedSet<(int NegatedHops, int Rule, int Step)> _threads = [];

        public RuleReference DecidedBy { get; private set; } = inherited;

        public bool IsMatched { get; private set; }

        public Thread[] Threads() => [.. _threads.Select(t => new Thread(-t.NegatedHops, t.Rule, t.Step))];

        public void Stay(int hops, int rule, int step) => _threads.Add((-hops, rule, step));

        /// <summary>A path has led to the node; <paramref name="step"/> is what remains of it.</summary>
        public void Arrive(int hops, int rule, int step, string name, FhirType type, bool isResourceBelow)
        {
            if (step == Accept)
            {
                RuleReference reference = new(hops, rule);
                if (reference.RunsBefore(DecidedBy))
                    (DecidedBy, IsMatched) = (reference, true);
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
                        Arrive(hops, rule, next, name, type, isResourceBelow);
                    break;
                default:
                    Search(hops, rule, step, name, type, isResourceBelow);
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
                Arrive(hops, rule, next, name, type, isResourceBelow);
        }
    }
}
