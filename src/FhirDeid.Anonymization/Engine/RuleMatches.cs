using FhirDeid.Anonymization.Plan;

namespace FhirDeid.Anonymization.Engine;

/// <summary>Which nodes of a document the evaluated rules lead to: those whose paths no automaton follows.</summary>
internal sealed class RuleMatches(AnonymizationPlan plan)
{
    private readonly List<(int Rule, int Depth, int Next)> _matches = [default];

    public void Clear() => _matches.RemoveRange(1, _matches.Count - 1);

    /// <summary>Notes that a rule's path leads to a node.</summary>
    /// <param name="token">The node.</param>
    /// <param name="rule">Index of the rule.</param>
    /// <param name="depth">How many resources are around the one whose rule it is.</param>
    public void Add(ref Token token, int rule, int depth)
    {
        _matches.Add((rule, depth, token.Match));
        token.Match = _matches.Count - 1;
    }

    /// <summary>The state of a node with the rules that were found to lead to it.</summary>
    /// <param name="state">The state by the automaton.</param>
    /// <param name="token">The node.</param>
    /// <param name="depth">How many resources are around the one it belongs to.</param>
    public PlanState Apply(PlanState state, in Token token, int depth)
    {
        for (int match = token.Match; match != 0; match = _matches[match].Next)
            state = state.With(plan, new RuleReference(depth - _matches[match].Depth, _matches[match].Rule));
        return state;
    }
}
