using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Coverage;
using FhirDeid.Anonymization.Lint;
using FhirDeid.Anonymization.Plan;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Difference;

/// <summary>What two configurations do differently: both plans, asked along every path of R4.</summary>
internal sealed class ConfigurationDifference
{
    private readonly (AnonymizationConfiguration Configuration, EffectivePlan Plan) _before;
    private readonly (AnonymizationConfiguration Configuration, EffectivePlan Plan) _after;
    private readonly Dictionary<(string Element, Difference Difference), List<string>> _found = [];

    private ConfigurationDifference(string reference, string difference) => (_before, _after) = (Compile(reference), Compile(difference));

    /// <summary>What is done to an element before and after; equal texts are no difference.</summary>
    private readonly record struct Difference(AnonymizationConfigChange Change, string Before, string After)
    {
        public bool IsNone => Before == After;
    }

    /// <summary>The differences, those that weaken protection first.</summary>
    public static IReadOnlyList<AnonymizationConfigDifference> Of(string reference, string difference)
    {
        ConfigurationDifference comparison = new(reference, difference);
        foreach (Place resource in ModelPlaces.Resources)
        {
            ElementTree tree = ElementTree.Of(resource.Type);
            if (comparison.Walk(tree, comparison._before.Plan.Plan.Root(resource.Type), comparison._after.Plan.Plan.Root(resource.Type)) is { IsNone: false } whole)
                comparison.Add(tree, whole);
        }
        return [.. comparison.Parameters().Concat(comparison._found.Select(found => new AnonymizationConfigDifference
        {
            Change = found.Key.Difference.Change, Element = found.Key.Element, Before = found.Key.Difference.Before, After = found.Key.Difference.After, Count = found.Value.Count, Paths = [.. found.Value],
        })).OrderBy(difference => difference.Change).ThenByDescending(difference => difference.Count).ThenBy(difference => difference.Element, StringComparer.Ordinal)];
    }

    private static (AnonymizationConfiguration, EffectivePlan) Compile(string json)
    {
        AnonymizationConfiguration configuration = ConfigurationReader.Read(json);
        return (configuration, EffectivePlan.Of(json, configuration));
    }

    /// <summary>The difference that all of an element shares; null where its parts differ, which are added one by one then.</summary>
    private Difference? Walk(ElementTree node, PlanState before, PlanState after)
    {
        if (node.IsLeaf)
            return Compare(node, before, after);
        (ElementTree Node, Difference? Difference)[] parts = [.. node.Children.Select(child =>
            (child, Walk(child, before.Child(_before.Plan.Plan, child.Property!), after.Child(_after.Plan.Plan, child.Property!))))];
        if (parts.Length > 0 && parts[0].Difference is { } first && parts.All(part => part.Difference == first))
            return first;
        foreach ((ElementTree part, Difference? difference) in parts)
        {
            if (difference is { IsNone: false } own)
                Add(part, own);
        }
        return null;
    }

    /// <summary>Data types are told once, with the places where they stand.</summary>
    private void Add(ElementTree node, Difference difference)
    {
        string element = node.Type.Kind == FhirTypeKind.Complex && node.Type.Id == node.Type.Name ? node.Type.Name
            : node.Property is null || node.Owner.Kind == FhirTypeKind.Resource || node.Owner.Id != node.Owner.Name ? node.Path : $"{node.Owner.Name}.{node.Property.Name}";
        if (!_found.TryGetValue((element, difference), out List<string>? paths))
            _found.Add((element, difference), paths = []);
        paths.Add(node.Path);
    }

    private Difference Compare(ElementTree node, PlanState before, PlanState after)
    {
        Outcome first = Outcome.Of(_before.Configuration, _before.Plan, before, node.Owner, node.Property!.Name);
        Outcome second = Outcome.Of(_after.Configuration, _after.Plan, after, node.Owner, node.Property.Name);
        int order = (first.Effect, first.Best).CompareTo((second.Effect, second.Best));
        AnonymizationConfigChange change = order < 0 ? AnonymizationConfigChange.Stronger : order > 0 ? AnonymizationConfigChange.Weaker : AnonymizationConfigChange.Different;
        return new Difference(change, Describe(first), Describe(second));
    }

    private static string Describe(Outcome outcome)
    {
        string text = outcome.Decision.Rule is not { Method: not AnonymizationMethod.Keep } rule ? "unchanged" : outcome.Effect == AnonymizationEffect.Partial ? "redact, in part" : rule.Method.Name() + Settings(rule);
        return outcome.Decision.Conditional.Count == 0 ? text : $"{text}; {string.Join(", ", outcome.Decision.Conditional.Select(conditional => $"{conditional.Method.Name()} where {conditional.Path}").Distinct())}";
    }

    private static string Settings(ConfigurationRule rule) => rule.Method switch
    {
        AnonymizationMethod.Perturb => $" ({rule.Noise?.Span}{(rule.Noise?.IsProportional == true ? ", proportional" : "")})",
        AnonymizationMethod.Substitute => rule.ReplaceWithObject is { } value ? $" ({value.GetRawText()})" : $" ({rule.ReplaceWith ?? "nothing"})",
        AnonymizationMethod.Generalize => $" ({string.Join("; ", rule.Cases.Select(item => $"{item.Condition}: {item.Value}"))}; otherwise {(rule.KeepsOtherValues ? "keep" : "redact")})",
        _ => "",
    };

    private IEnumerable<AnonymizationConfigDifference> Parameters()
    {
        (AnonymizationConfiguration a, AnonymizationConfiguration b) = (_before.Configuration, _after.Configuration);
        if (!a.CryptoHashKey.AsSpan().SequenceEqual(b.CryptoHashKey))
            yield return Parameter("parameters.cryptoHashKey", "one key", "another key: hashes do not match those made before");
        if (!a.EncryptKey.AsSpan().SequenceEqual(b.EncryptKey))
            yield return Parameter("parameters.encryptKey", "one key", "another key");
        if (!a.DateShiftKey.AsSpan().SequenceEqual(b.DateShiftKey))
            yield return Parameter("parameters.dateShiftKey", "one key", "another key: dates move by other offsets");
        if (a.DateShiftScope != b.DateShiftScope)
            yield return Parameter("parameters.dateShiftScope", a.DateShiftScope.ToString().ToLowerInvariant(), b.DateShiftScope.ToString().ToLowerInvariant());
        if (a.DateShiftFixedOffsetInDays != b.DateShiftFixedOffsetInDays)
            yield return Parameter("parameters.dateShiftFixedOffsetInDays", $"{a.DateShiftFixedOffsetInDays}", $"{b.DateShiftFixedOffsetInDays}");
        if (a.SkipsFailures != b.SkipsFailures)
            yield return Parameter("processingErrors", a.SkipsFailures ? "skip" : "raise", b.SkipsFailures ? "skip" : "raise");
        if (a is { PartialZipCodes: true } && b is { PartialZipCodes: true })
        {
            string[] missing = [.. a.RestrictedZipCodeAreas.Except(b.RestrictedZipCodeAreas)], added = [.. b.RestrictedZipCodeAreas.Except(a.RestrictedZipCodeAreas)];
            if (missing.Length + added.Length > 0)
            {
                AnonymizationConfigDifference areas = Parameter("parameters.restrictedZipCodeTabulationAreas", string.Join(", ", missing), string.Join(", ", added));
                areas.Change = missing.Length == 0 ? AnonymizationConfigChange.Stronger : AnonymizationConfigChange.Weaker;
                yield return areas;
            }
        }
    }

    private static AnonymizationConfigDifference Parameter(string name, string before, string after) =>
        new() { Change = AnonymizationConfigChange.Different, Element = name, Before = before, After = after, Count = 1, Paths = [name] };
}
