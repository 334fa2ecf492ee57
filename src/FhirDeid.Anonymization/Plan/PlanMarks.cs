using System.Text;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Plan;

/// <summary>What a configuration leaves on every resource of a type. Every resource has an id, so the rule that decides the id decides that; any other rule may find nothing to act on.</summary>
internal static class PlanMarks
{
    /// <inheritdoc cref="IAnonymization.Marks"/>
    public static IReadOnlyDictionary<string, FhirResourceMark> Of(string json, IEnumerable<string> resourceTypes)
    {
        Dictionary<string, FhirResourceMark> marks = new(StringComparer.Ordinal);
        AnonymizationPlan plan;
        try
        {
            plan = new AnonymizationPlan(ConfigurationReader.Read(json, out _));
        }
        catch (FhirDeidException)
        {
            return marks;
        }
        foreach (string name in resourceTypes)
        {
            if (FhirModel.R4.FindResource(Encoding.UTF8.GetBytes(name)) is not { } type || type.Find("id"u8) is not { } id) continue;
            PlanState state = plan.Root(type).Child(plan, id);
            // A rule with a condition can let the id of one resource pass that a later rule hashes in all others.
            if (plan.EvaluatedRules(type).Any(rule => state.DecidedBy.Rule < 0 || rule.Index < state.DecidedBy.Rule)) continue;
            marks[name] = state.Method switch
            {
                AnonymizationMethod.Keep => FhirResourceMark.None,
                AnonymizationMethod.CryptoHash => FhirResourceMark.HashedId,
                _ => FhirResourceMark.Label,
            };
        }
        return marks;
    }
}
