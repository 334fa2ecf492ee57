using FhirDeid.Anonymization.Configuration;

namespace FhirDeid.Anonymization.Plan;

/// <summary>What only the compiled rules show: rules that can never apply, and rules that this engine cannot run.</summary>
internal static class PlanCheck
{
    public static IEnumerable<AnonymizationConfigFinding> Run(AnonymizationConfiguration configuration, string json)
    {
        FilePositions positions = FilePositions.Of(json);
        foreach (ConfigurationRule rule in configuration.Rules)
        {
            AnonymizationConfigFinding? finding = null;
            try
            {
                AnonymizationPlan plan = new(configuration with { Rules = [rule] });
                if (plan.RulesWithoutTarget().Any())
                {
                    finding = new AnonymizationConfigFinding
                    {
                        Id = "PathMatchesNothing", Severity = AnonymizationConfigSeverity.Warning,
                        Message = $"Rule {rule.Number}: the path '{rule.Path}' names nothing that FHIR R4 has, so the rule never applies.",
                        Fix = "Correct the path. A choice element has its base name (Observation.value, not valueQuantity); a data type is reached by nodesByType('…').",
                    };
                }
            }
            catch (FhirDeidException exception)
            {
                bool isError = exception.ErrorId == "FhirDeid.ConfigInvalid";
                finding = new AnonymizationConfigFinding
                {
                    Id = isError ? "ReplacementInvalid" : "NotRunHere", Severity = isError ? AnonymizationConfigSeverity.Error : AnonymizationConfigSeverity.Information,
                    Message = exception.Message, Fix = exception.RecommendedAction,
                };
            }
            if (finding is null)
                continue;
            (finding.Line, finding.Column) = positions.Rule(rule.Number);
            (finding.Rule, finding.Path) = (rule.Number, rule.Path);
            yield return finding;
        }
    }
}
