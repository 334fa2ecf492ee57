using System.Text;
using System.Text.RegularExpressions;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Plan;

/// <summary>What a configuration leaves on every resource of a type. Every resource has an id, so the rule that decides the id decides that; any other rule may find nothing to act on.</summary>
internal static partial class PlanMarks
{
    /// <inheritdoc cref="IAnonymization.Marks"/>
    public static IReadOnlyDictionary<string, FhirResourceMark> Of(string json, IEnumerable<string> resourceTypes)
    {
        Dictionary<string, FhirResourceMark> marks = new(StringComparer.Ordinal);
        AnonymizationPlan plan;
        try
        {
            AnonymizationConfiguration configuration = ConfigurationReader.Read(json, out _);
            // A rule with a condition can let the id of one resource pass that the next rule hashes in all others.
            if (configuration.Rules.Any(rule => Lookup().Replace(rule.Path, "").AsSpan().ContainsAny('(', '[', '='))) return marks;
            plan = new AnonymizationPlan(configuration);
        }
        catch (FhirDeidException)
        {
            return marks;
        }
        foreach (string name in resourceTypes)
        {
            if (FhirModel.R4.FindResource(Encoding.UTF8.GetBytes(name)) is not { } type || type.Find("id"u8) is not { } id) continue;
            marks[name] = plan.Root(type).Child(plan, id).Method switch
            {
                AnonymizationMethod.Keep => FhirResourceMark.None,
                AnonymizationMethod.CryptoHash => FhirResourceMark.HashedId,
                _ => FhirResourceMark.Label,
            };
        }
        return marks;
    }

    [GeneratedRegex(@"\b(nodesByType|nodesByName|ofType|as)\('?[\w.]+'?\)")]
    private static partial Regex Lookup();
}
