using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Plan;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Lint;

/// <summary>Which rule a node gets.</summary>
/// <param name="Rule">The rule that decides it, if no conditional one comes first; null where none does.</param>
/// <param name="Conditional">Rules that come first where their conditions hold, in order.</param>
/// <param name="IsMatched">Whether the rule's path leads to the node itself, and not only to an ancestor.</param>
/// <param name="HoldsAll">Whether it is the rest of a Quantity whose number perturb moves.</param>
internal sealed record Decision(ConfigurationRule? Rule, IReadOnlyList<ConfigurationRule> Conditional, bool IsMatched, bool HoldsAll)
{
    /// <summary>Rules before it whose method does nothing there; in the service they keep it away all the same.</summary>
    public IReadOnlyList<ConfigurationRule> Idle { get; init; } = [];
}

/// <summary>A configuration's plan, for questions about all data: paths with conditions count as rules that may apply wherever they could.</summary>
internal sealed class EffectivePlan
{
    private readonly ConfigurationRule[] _rules;
    private readonly RuleReading?[] _readings;
    private static volatile EffectivePlan? s_last;

    private readonly ConcurrentDictionary<PlanState, Decision> _decisions = [];
    private readonly byte[] _sha256;
    private readonly bool _reachesNested;

    private EffectivePlan(byte[] sha256, AnonymizationConfiguration configuration, IReadOnlyList<RuleReading> readings)
    {
        _sha256 = sha256;
        // What stays in memory needs no keys.
        configuration = configuration with { CryptoHashKey = [], DateShiftKey = [], EncryptKey = [] };
        (Configuration, Readings) = (configuration, readings);
        _rules = [.. configuration.Rules.Where(rule => rule.Method != AnonymizationMethod.Unknown)];
        Dictionary<int, RuleReading> byNumber = readings.ToDictionary(reading => reading.Rule.Number);
        _readings = [.. _rules.Select(rule => byNumber.GetValueOrDefault(rule.Number))];
        Plan = new AnonymizationPlan(configuration with { Rules = [.. _rules.Select((rule, index) => StandIn(rule, _readings[index]))] });
        _reachesNested = readings.Any(reading => reading.Hull.Contains("contained", StringComparison.Ordinal) || reading.Hull.Contains("resource", StringComparison.Ordinal)
            || reading.Hull.Contains("outcome", StringComparison.Ordinal) || reading.Reach.Places.Any(place => place is { Via: not null, Type.Kind: FhirTypeKind.Resource }));
    }

    /// <summary>Compiles a configuration. The last one is kept: what follows a check is a look at the same text.</summary>
    /// <param name="json">The configuration file's text.</param>
    /// <param name="configuration">What was read from it.</param>
    public static EffectivePlan Of(string json, AnonymizationConfiguration configuration)
    {
        byte[] sha256 = SHA256.HashData(MemoryMarshal.AsBytes(json.AsSpan()));
        return s_last is { } last && last._sha256.AsSpan().SequenceEqual(sha256) ? last : s_last = new EffectivePlan(sha256, configuration, ReadPaths(configuration));
    }

    /// <summary>The configuration, without its keys.</summary>
    public AnonymizationConfiguration Configuration { get; }

    /// <summary>The rules whose paths can be read.</summary>
    public IReadOnlyList<RuleReading> Readings { get; }

    public AnonymizationPlan Plan { get; }

    public IReadOnlyList<ConfigurationRule> Rules => _rules;

    /// <summary>Reads the paths of the rules, as far as they can be read.</summary>
    public static IReadOnlyList<RuleReading> ReadPaths(AnonymizationConfiguration configuration)
    {
        List<RuleReading> readings = [];
        foreach (ConfigurationRule rule in configuration.Rules)
        {
            try
            {
                readings.Add(RuleReading.Of(rule));
            }
            catch (PathSyntaxException)
            {
                // The reader of the configuration has said so.
            }
        }
        return readings;
    }

    /// <summary>The rule that a node of a state gets.</summary>
    public Decision Decide(PlanState state)
    {
        if (_decisions.TryGetValue(state, out Decision? known))
            return known;
        List<ConfigurationRule> conditional = [], idle = [];
        Decision? decision = null;
        foreach (RuleReference claim in state.Claims)
        {
            ConfigurationRule rule = _rules[claim.Rule];
            if (!claim.HoldsAll && !ActsOn(rule.Method, state.Type))
                idle.Add(rule);
            else if (_readings[claim.Rule]?.IsConditional == true)
                conditional.Add(rule);
            else
            {
                decision = new Decision(rule, conditional, state.Matched.Contains(claim), claim.HoldsAll);
                break;
            }
        }
        return _decisions[state] = (decision ?? new Decision(null, conditional, false, false)) with { Idle = idle };
    }

    /// <summary>Every state that data can reach, as far as rules not yet met in <paramref name="seen"/> may decide one below it.</summary>
    /// <param name="seen">Numbers of the rules that decide some state; filled on the way.</param>
    public IEnumerable<PlanState> States(HashSet<int> seen)
    {
        HashSet<PlanState> met = [];
        Queue<PlanState> open = [], extensions = [];
        foreach (Place resource in ModelPlaces.Resources)
            Add(Plan.Root(resource.Type), open);
        while (true)
        {
            if (!open.TryDequeue(out PlanState? state) && !extensions.TryDequeue(out state))
                yield break;
            Decision decision = Decide(state);
            if (decision.Rule is { } rule)
                seen.Add(rule.Number);
            foreach (ConfigurationRule conditional in decision.Conditional)
                seen.Add(conditional.Number);
            // perturb leaves a Quantity without a number to the rules after it.
            if (decision is { Rule.Method: AnonymizationMethod.Perturb, HoldsAll: false } && AnonymizationPlan.IsQuantity(state.Type))
                seen.UnionWith(state.Claims.Select(claim => _rules[claim.Rule].Number));
            yield return state;
            if (IsSettled(decision, seen))
                continue;
            foreach (FhirProperty property in state.Type.Properties)
            {
                if (property.Type is { } type)
                    Add(state.Child(Plan, property), type.Name == "Extension" || state.Type.Name == "Extension" ? extensions : open);
                else if (_reachesNested && state.Threads.Length > 0)
                {
                    foreach (Place resource in ModelPlaces.Resources)
                        Add(state.Resource(Plan, property, resource.Type), open);
                }
            }
            if (AnonymizationPlan.IsPerturbedQuantity(state))
                Add(state.WithoutPerturb(Plan), open);
        }

        void Add(PlanState state, Queue<PlanState> queue)
        {
            if (met.Add(state))
                queue.Enqueue(state);
        }
    }

    /// <summary>Below a node that a rule decides only rules before that one can decide anything: once all of those are met, nothing new is there.</summary>
    private bool IsSettled(Decision decision, HashSet<int> seen)
    {
        if (seen.Count == _rules.Length)
            return true;
        if (decision.Rule is null || decision.Idle.Count > 0)
            return false;
        foreach (ConfigurationRule rule in _rules)
        {
            if (rule.Number >= decision.Rule.Number)
                return true;
            if (!seen.Contains(rule.Number))
                return false;
        }
        return true;
    }

    /// <summary>The plan takes what it needs to know of where a rule leads; what its method does there is looked up in the rule itself.</summary>
    private static ConfigurationRule StandIn(ConfigurationRule rule, RuleReading? reading)
    {
        // A method that acts on some types only does not end the list of a node's rules.
        if (reading is not { IsConditional: false })
            return new ConfigurationRule(rule.Number, reading?.Hull ?? "Resource", AnonymizationMethod.DateShift);
        return rule.Method is AnonymizationMethod.Substitute or AnonymizationMethod.Generalize ? new ConfigurationRule(rule.Number, reading.Hull, AnonymizationMethod.Redact) : rule with { Path = reading.Hull };
    }

    /// <summary>Whether a method does anything to elements of a type.</summary>
    public static bool ActsOn(AnonymizationMethod method, FhirType type) => method switch
    {
        AnonymizationMethod.DateShift => type.Name is "date" or "dateTime" or "instant",
        AnonymizationMethod.Perturb => type.Name is "decimal" or "integer" or "positiveInt" or "unsignedInt" || AnonymizationPlan.IsQuantity(type),
        _ => true,
    };
}
