using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Plan;

namespace FhirDeid.Anonymization.Lint;

/// <summary>Finds in a configuration what the service accepts and what cannot work as it is meant.</summary>
internal static class ConfigurationLint
{
    private static readonly Dictionary<string, string> PropertyOf = new()
    {
        ["MethodHasNoEffect"] = "method", ["MethodWritesInvalid"] = "method", ["MethodWritesInvalidText"] = "method", ["GeneralizeOnComplex"] = "path", ["SpanZero"] = "span",
        ["ReplacementInvalid"] = "replaceWith", ["SubstituteOnBackbone"] = "path",
    };

    /// <summary>Everything there is to say about a configuration.</summary>
    /// <param name="json">The file's text.</param>
    /// <returns>Errors first, in the order of the file.</returns>
    public static IReadOnlyList<AnonymizationConfigFinding> Run(string json)
    {
        AnonymizationConfiguration configuration = ConfigurationReader.Read(json, out IReadOnlyList<AnonymizationConfigFinding> refused);
        if (refused.Any(finding => finding.Id is "TooLarge" or "JsonInvalid"))
            return refused;
        List<AnonymizationConfigFinding> findings = [.. refused];
        FilePositions positions = FilePositions.Of(json.TrimStart('\uFEFF'));
        bool isRefused = refused.Any(finding => finding.Severity == AnonymizationConfigSeverity.Error);
        EffectivePlan? plan = isRefused ? null : EffectivePlan.Of(json, configuration);
        IReadOnlyList<RuleReading> readings = plan?.Readings ?? EffectivePlan.ReadPaths(configuration);
        foreach (RuleReading reading in readings)
        {
            foreach (PathProblem problem in reading.Problems.Concat(RuleChecks.Of(reading)))
                Add(reading.Rule, problem);
        }
        if (plan is not null)
        {
            foreach ((string parameter, PathProblem problem) in ParameterChecks.Of(configuration))
            {
                (int line, int column) = positions.Property(parameter);
                findings.Add(new AnonymizationConfigFinding { Id = problem.Id, Severity = problem.Severity, Line = line, Column = column, Path = parameter, Message = problem.Message, Fix = problem.Fix });
            }
            foreach ((ConfigurationRule rule, PathProblem problem) in PlanChecks.Of(plan))
                Add(rule, problem);
            foreach (AnonymizationConfigFinding finding in NotRunHere(configuration, positions))
            {
                if (!findings.Exists(known => known.Rule == finding.Rule && known.Severity == AnonymizationConfigSeverity.Error))
                    findings.Add(finding);
            }
        }
        return [.. findings.OrderBy(finding => finding.Severity).ThenBy(finding => finding.Line).ThenBy(finding => finding.Column)];

        void Add(ConfigurationRule rule, PathProblem problem)
        {
            (int line, int column) = positions.Rule(rule.Number, PropertyOf.GetValueOrDefault(problem.Id, "path"));
            findings.Add(new AnonymizationConfigFinding
            {
                Id = problem.Id, Severity = problem.Severity, Line = line, Column = column, Rule = rule.Number, Path = rule.Path, Message = problem.Message, Fix = problem.Fix,
            });
        }
    }

    /// <summary>Rules that this engine cannot run, one by one, where it cannot run all of them together.</summary>
    private static IEnumerable<AnonymizationConfigFinding> NotRunHere(AnonymizationConfiguration configuration, FilePositions positions)
    {
        if (Refusal(configuration) is null)
            yield break;
        foreach (ConfigurationRule rule in configuration.Rules)
        {
            if (Refusal(configuration with { Rules = [rule] }) is not { } refusal)
                continue;
            bool isError = refusal.ErrorId == "FhirDeid.ConfigInvalid";
            (int line, int column) = positions.Rule(rule.Number);
            yield return new AnonymizationConfigFinding
            {
                Id = isError ? "ReplacementInvalid" : "NotRunHere", Severity = isError ? AnonymizationConfigSeverity.Error : AnonymizationConfigSeverity.Information,
                Line = line, Column = column, Rule = rule.Number, Path = rule.Path, Message = refusal.Message, Fix = refusal.RecommendedAction,
            };
        }
    }

    private static FhirDeidException? Refusal(AnonymizationConfiguration configuration)
    {
        try
        {
            _ = new AnonymizationPlan(configuration);
            return null;
        }
        catch (FhirDeidException exception)
        {
            return exception;
        }
    }

    /// <summary>What the service ignores without a word: unknown names, and paths that lead nowhere.</summary>
    /// <param name="configuration">What was read.</param>
    /// <param name="findings">What its reader found.</param>
    public static IEnumerable<string> Ignored(AnonymizationConfiguration configuration, IReadOnlyList<AnonymizationConfigFinding> findings) =>
        findings.Where(finding => finding.Severity == AnonymizationConfigSeverity.Warning || finding.Id == "MethodUnknown").Select(finding => finding.Message)
            .Concat(EffectivePlan.ReadPaths(configuration).SelectMany(reading => reading.Problems).Where(problem => problem.Severity == AnonymizationConfigSeverity.Warning).Select(problem => problem.Message));
}
