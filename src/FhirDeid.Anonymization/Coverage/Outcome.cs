using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Lint;
using FhirDeid.Anonymization.Plan;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Coverage;

/// <summary>What a configuration leaves of a value.</summary>
/// <param name="Effect">What is left; where conditions decide, the least protected outcome.</param>
/// <param name="Best">What is left; where conditions decide, the most protected outcome.</param>
/// <param name="Decision">The rules behind it.</param>
internal readonly record struct Outcome(AnonymizationEffect Effect, AnonymizationEffect Best, Decision Decision)
{
    /// <summary>What is left of a primitive's value, or of an extension.</summary>
    /// <param name="configuration">The parameters.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="state">The value's state.</param>
    /// <param name="owner">The type that has it.</param>
    /// <param name="name">Its element name.</param>
    public static Outcome Of(AnonymizationConfiguration configuration, EffectivePlan plan, PlanState state, FhirType owner, string name)
    {
        Decision decision = plan.Decide(state);
        AnonymizationEffect effect = decision.Rule is null ? AnonymizationEffect.Unchanged : Of(configuration, decision.Rule, decision, state.Type, owner, name);
        AnonymizationEffect best = effect;
        foreach (ConfigurationRule rule in decision.Conditional)
        {
            AnonymizationEffect conditional = Of(configuration, rule, decision with { IsMatched = true }, state.Type, owner, name);
            (effect, best) = (conditional < effect ? conditional : effect, conditional > best ? conditional : best);
        }
        return new Outcome(effect, best, decision);
    }

    private static AnonymizationEffect Of(AnonymizationConfiguration configuration, ConfigurationRule rule, Decision decision, FhirType type, FhirType owner, string name) => rule.Method switch
    {
        // What an extension holds is of any type: what the method leaves of texts is what it leaves.
        AnonymizationMethod.Redact => Redacted(configuration, decision, type, owner, name),
        AnonymizationMethod.CryptoHash => IsText(type) ? AnonymizationEffect.Hashed : AnonymizationEffect.Removed,
        AnonymizationMethod.Encrypt => IsText(type) ? AnonymizationEffect.Encrypted : AnonymizationEffect.Removed,
        AnonymizationMethod.DateShift => configuration.DateShiftFixedOffsetInDays == 0 ? AnonymizationEffect.Unchanged : AnonymizationEffect.Shifted,
        AnonymizationMethod.Perturb => decision.HoldsAll && name != "value" ? AnonymizationEffect.Unchanged : AnonymizationEffect.Perturbed,
        AnonymizationMethod.Substitute => decision.IsMatched && rule.ReplaceWith is not null ? AnonymizationEffect.Substituted : rule.ReplaceWithObject is not null ? AnonymizationEffect.Substituted : AnonymizationEffect.Removed,
        AnonymizationMethod.Generalize => rule.KeepsOtherValues ? AnonymizationEffect.Unchanged : AnonymizationEffect.Generalized,
        _ => AnonymizationEffect.Unchanged,
    };

    private static bool IsText(FhirType type) => type.Syntax is PrimitiveSyntax.Text or PrimitiveSyntax.None;

    private static AnonymizationEffect Redacted(AnonymizationConfiguration configuration, Decision decision, FhirType type, FhirType owner, string name)
    {
        bool isPartial = type.Name switch
        {
            "date" or "dateTime" => configuration.PartialDates,
            "instant" => configuration.PartialDates && !decision.IsMatched && owner.Name != "Meta",
            "decimal" => configuration.PartialAges && owner.Name == "Age" && name == "value",
            "string" => configuration.PartialZipCodes && name == "postalCode",
            _ => false,
        };
        return isPartial ? AnonymizationEffect.Partial : AnonymizationEffect.Removed;
    }
}
