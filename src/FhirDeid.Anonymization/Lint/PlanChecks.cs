using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Plan;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Lint;

/// <summary>What the rules do to each other: found in the compiled plan, by looking at every kind of node that data can have.</summary>
internal static class PlanChecks
{
    public static IEnumerable<(ConfigurationRule Rule, PathProblem Problem)> Of(EffectivePlan plan)
    {
        IReadOnlyList<RuleReading> readings = plan.Readings;
        HashSet<int> seen = [];
        Dictionary<ConfigurationRule, ConfigurationRule> blocked = [];
        // Below a date or a number that they do act on there are only its id and extensions.
        HashSet<ConfigurationRule> wide = [.. readings.Where(reading => reading.Reach.IsOpen || reading.Reach.Places.Any(place => !EffectivePlan.ActsOn(reading.Rule.Method, place.Type))).Select(reading => reading.Rule)];
        foreach (PlanState state in plan.States(seen))
        {
            Decision decision = plan.Decide(state);
            if (state.Type.Name != "Extension" && decision is { Rule: { Method: not AnonymizationMethod.Keep } later, Idle.Count: > 0 } && decision.Idle.FirstOrDefault(wide.Contains) is { } idle)
                blocked.TryAdd(idle, later);
        }
        foreach ((ConfigurationRule rule, ConfigurationRule later) in blocked)
        {
            yield return (rule, new PathProblem("RuleBlocksLaterRules", AnonymizationConfigSeverity.Error,
                $"Rule {rule.Number}: {rule.Method.Name()} on '{rule.Path}' does nothing to some of what it reaches, but in the service keeps all later rules off it: what rule {later.Number} ({later.Method.Name()}) is for stays in clear.",
                $"Move rule {rule.Number} behind rule {later.Number}, or name only what {rule.Method.Name()} acts on."));
        }
        foreach (RuleReading reading in readings)
        {
            if (seen.Contains(reading.Rule.Number) || reading.Reach.IsNothing || reading.Reach.IsComputed || reading.Rule.Method == AnonymizationMethod.Unknown)
                continue;
            if (reading.Rule.Method is AnonymizationMethod.DateShift or AnonymizationMethod.Perturb && RuleChecks.Of(reading).Any())
                continue;
            ConfigurationRule? cover = CoveredBy(plan, reading);
            string by = cover is null ? "rules before it cover all that it reaches" : $"rule {cover.Number} comes first and covers all that it reaches";
            yield return (reading.Rule, new PathProblem("RuleNeverFires", AnonymizationConfigSeverity.Warning, $"Rule {reading.Rule.Number}: '{reading.Rule.Path}' never decides anything: {by}.",
                $"The first rule that reaches an element, or an element around it, decides. Move the rule up{(cover is null ? "" : $" (-Before {cover.Path.Trim()})")}, or remove it."));
        }
        foreach ((ConfigurationRule, PathProblem) finding in Order(plan).Concat(Extensions(plan, readings)))
            yield return finding;
    }

    /// <summary>The one earlier rule that covers another, if a single one does.</summary>
    private static ConfigurationRule? CoveredBy(EffectivePlan plan, RuleReading reading)
    {
        ConfigurationRule[] earlier = [.. plan.Rules.TakeWhile(rule => rule.Number < reading.Rule.Number)];
        return earlier.FirstOrDefault(rule => rule.Path.Trim() == reading.Rule.Path.Trim())
            ?? earlier.FirstOrDefault(rule => rule.Path.Trim() == "Resource" || reading.Rule.Path.StartsWith(rule.Path.Trim() + ".", StringComparison.Ordinal));
    }

    /// <summary>Dates shift by the id as it is at that rule.</summary>
    private static IEnumerable<(ConfigurationRule, PathProblem)> Order(EffectivePlan plan)
    {
        ConfigurationRule? shift = plan.Rules.FirstOrDefault(rule => rule.Method == AnonymizationMethod.DateShift);
        if (shift is null || plan.Configuration.DateShiftFixedOffsetInDays is not null)
            yield break;
        FhirType patient = FhirModel.R4.Find("Patient")!;
        ConfigurationRule? id = plan.Decide(plan.Plan.Root(patient).Child(plan.Plan, patient.Find("id"u8)!)).Rule;
        if (id is null || id.Number > shift.Number || id.Method == AnonymizationMethod.Keep)
            yield break;
        string effect = id.Method == AnonymizationMethod.Redact
            ? "the id is gone when the dates are shifted: all resources move by one and the same offset, which the key alone gives"
            : "the id is changed before the dates are shifted: offsets depend on the changed id, and on its key as well";
        yield return (shift, new PathProblem("IdChangedBeforeDates", AnonymizationConfigSeverity.Warning, $"Rule {shift.Number}: rule {id.Number} ({id.Method.Name()}) comes first and {effect}.", $"Move the dateShift rules before rule {id.Number}."));
    }

    /// <summary>generalize fails on an extension of a value, unless an earlier rule has dealt with it.</summary>
    private static IEnumerable<(ConfigurationRule, PathProblem)> Extensions(EffectivePlan plan, IReadOnlyList<RuleReading> readings)
    {
        foreach (RuleReading reading in readings.Where(reading => reading.Rule.Method == AnonymizationMethod.Generalize))
        {
            Place place = reading.Reach.Places.FirstOrDefault(place => place is { Type.Kind: FhirTypeKind.Primitive, Parent.Kind: FhirTypeKind.Resource });
            if (place.Parent is null)
                continue;
            PlanState state = plan.Plan.Root(place.Parent).Child(plan.Plan, place.Via!);
            Decision decision = plan.Decide(state.Child(plan.Plan, place.Type.Find("extension"u8)!));
            if (decision.Rule == reading.Rule || decision.Conditional.Contains(reading.Rule))
            {
                yield return (reading.Rule, new PathProblem("GeneralizeMeetsExtensions", AnonymizationConfigSeverity.Warning,
                    $"Rule {reading.Rule.Number}: the service's run ends when a value that it generalizes has an extension, and no rule before it deals with extensions.", "Put { \"path\": \"nodesByType('Extension')\", \"method\": \"redact\" } before it."));
            }
        }
    }
}
