using System.Text;
using System.Text.Json;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Engine;
using FhirDeid.Anonymization.Plan;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Lint;

/// <summary>Whether a rule's method can do its work on the elements that its path leads to.</summary>
internal static class RuleChecks
{
    /// <summary>Kinds of values that an element holds, itself or below it, extensions and ids aside.</summary>
    [Flags]
    private enum Kinds
    {
        None = 0,
        Text = 1,
        Date = 2,
        Number = 4,
        Other = 8,
    }

    private static readonly Lazy<Kinds[]> s_kinds = new(FindKinds);

    /// <summary>What is wrong with a rule, apart from its path.</summary>
    public static IEnumerable<PathProblem> Of(RuleReading reading)
    {
        ConfigurationRule rule = reading.Rule;
        Place[] places = [.. reading.Reach.Places];
        if (places.Length == 0 || reading.Reach.IsOpen)
            return [];
        return rule.Method switch
        {
            AnonymizationMethod.DateShift => Idle(rule, places, Kinds.Date, "dates", "Name the dates: .ofType(dateTime), nodesByType('date'), or use redact."),
            AnonymizationMethod.Perturb => Idle(rule, places, Kinds.Number, "numbers", "Name the number or the quantity, or use redact or generalize.").Concat(NoNoise(rule)),
            AnonymizationMethod.CryptoHash or AnonymizationMethod.Encrypt => Texts(rule, places),
            AnonymizationMethod.Redact => Required(reading, places),
            AnonymizationMethod.Substitute => Replacement(rule, places),
            AnonymizationMethod.Generalize => Generalize(reading, places),
            _ => [],
        };
    }

    private static PathProblem Warning(string id, ConfigurationRule rule, string message, string fix) => new(id, AnonymizationConfigSeverity.Warning, $"Rule {rule.Number}: {message}", fix);

    private static PathProblem Error(string id, ConfigurationRule rule, string message, string fix) => new(id, AnonymizationConfigSeverity.Error, $"Rule {rule.Number}: {message}", fix);

    private static string Some(IEnumerable<Place> places)
    {
        string[] names = [.. places.Select(place => place.ToString()).Distinct()];
        return names.Length <= 3 ? string.Join(", ", names) : $"{string.Join(", ", names.Take(3))} and {names.Length - 3} more";
    }

    private static IEnumerable<PathProblem> Idle(ConfigurationRule rule, Place[] places, Kinds acted, string on, string fix)
    {
        if (Array.TrueForAll(places, place => (Of(place.Type) & acted) == 0))
            yield return Warning("MethodHasNoEffect", rule, $"{rule.Method.Name()} acts on {on} alone, and there are none in {Some(places)}: the values stay as they are.", fix);
    }

    private static IEnumerable<PathProblem> NoNoise(ConfigurationRule rule)
    {
        if (rule.Noise is { Span: 0 })
            yield return Warning("SpanZero", rule, "with a span of 0 perturb moves nothing: the numbers are only rounded.", "Give the rule a span above 0.");
    }

    /// <summary>A hash or a cipher text is a text: where a boolean, a number or a date belongs, no reader accepts it.</summary>
    private static IEnumerable<PathProblem> Texts(ConfigurationRule rule, Place[] places)
    {
        string method = rule.Method.Name();
        Place[] invalid = [.. places.Where(place => place.Type.Kind == FhirTypeKind.Primitive && place.Type.Syntax != PrimitiveSyntax.Text)];
        Place[] odd = [.. places.Where(place => place.Type.Name is "code" or "oid" or "uuid" or "xhtml" || rule.Method == AnonymizationMethod.Encrypt && place.Type.Name == "id")];
        if (invalid.Length > 0)
            yield return Error("MethodWritesInvalid", rule, $"{method} writes a text, but {Some(invalid)} is {Article(invalid[0].Type)}: the service's output is not FHIR there.", "Use redact, dateShift, perturb or generalize on it.");
        else if (odd.Length > 0)
            yield return Warning("MethodWritesInvalidText", rule, $"what {method} writes is not valid where R4 has {Article(odd[0].Type)}: {Some(odd)}.", "Use redact, substitute or generalize on it.");
        else if (places.FirstOrDefault(place => place.Type.Kind != FhirTypeKind.Primitive && (Of(place.Type) & (Kinds.Date | Kinds.Number | Kinds.Other)) != 0) is { Type: not null } complex)
            yield return Warning("MethodWritesInvalidText", rule, $"{method} on {complex} also meets booleans, numbers or dates below it, where a text is not valid FHIR.", "Name the texts below it, and redact the rest.");
    }

    private static string Article(FhirType type) => type.Name is "integer" or "instant" or "id" or "oid" or "uuid" ? $"an {type.Name}" : $"a {type.Name}";

    private static IEnumerable<PathProblem> Required(RuleReading reading, Place[] places)
    {
        if (reading.EndsInName && places.All(place => place.Via is { IsRequired: true }))
            yield return Warning("RequiredElementRemoved", reading.Rule, $"{Some(places)} is required in R4: without it the resource is not valid.", "Use substitute or generalize, or keep it; or redact the element around it.");
    }

    private static IEnumerable<PathProblem> Replacement(ConfigurationRule rule, Place[] places)
    {
        FhirType[] types = [.. places.Select(place => place.Type).Distinct()];
        if (rule.ReplaceWithObject is { ValueKind: JsonValueKind.Object } value)
        {
            if (types.FirstOrDefault(type => type.Name is "BackboneElement" or "Element") is { } backbone)
                yield return Error("SubstituteOnBackbone", rule, $"the service cannot substitute {backbone.Id} as a whole: its run ends there.", "Substitute the elements below it one by one, or redact it.");
            else if (types.FirstOrDefault(type => type.Kind == FhirTypeKind.Primitive) is { } primitive)
                yield return Error("ReplacementInvalid", rule, $"replaceWith is an object, but the path '{rule.Path}' leads to {Article(primitive)}.", "Give replaceWith a text, or null.");
            else if (types.Length > 0)
            {
                foreach (JsonProperty property in value.EnumerateObject())
                {
                    FhirType type = types[0];
                    if (type.Find(Encoding.UTF8.GetBytes(property.Name.TrimStart('_'))) is null)
                        yield return Error("ReplacementInvalid", rule, $"replaceWith has '{property.Name}', which {type.Id} does not: the service's run ends there.{Spelling.Question(property.Name, type.Properties.Select(p => p.ToString()))}", "Correct the element's name in replaceWith.");
                }
            }
        }
        else if (rule.ReplaceWith is { } text)
        {
            if (types.FirstOrDefault(type => type.Kind != FhirTypeKind.Primitive) is { } complex)
                yield return Error("ReplacementInvalid", rule, $"replaceWith is a text, but the path '{rule.Path}' leads to {complex.Id}, which is no single value.", $"Give replaceWith an object with elements of {complex.Name}.");
            else if (types.FirstOrDefault(type => !PrimitiveReader.IsValid(Encoding.UTF8.GetBytes(text), type.Syntax)) is { } misfit)
                yield return Error("ReplacementInvalid", rule, $"replaceWith is not {Article(misfit)}, but the path '{rule.Path}' leads to one.", "Give a replacement that fits the element's type, or redact it.");
            else if (types.FirstOrDefault(type => type.Syntax is PrimitiveSyntax.Boolean or PrimitiveSyntax.Integer or PrimitiveSyntax.Decimal) is { } value2)
                yield return Error("MethodWritesInvalid", rule, $"substitute writes a text, but {Some(places)} is {Article(value2)}: the service's output is not FHIR there.", "Use redact or generalize on it. Invoke-FhirDeid writes it as FHIR has it; the service does not.");
        }
    }

    private static IEnumerable<PathProblem> Generalize(RuleReading reading, Place[] places)
    {
        if (places.FirstOrDefault(place => place.Type.Kind != FhirTypeKind.Primitive) is { Type: not null } complex)
            yield return Error("GeneralizeOnComplex", reading.Rule, $"generalize works on single values, but {complex} is {Article(complex.Type)}: the service's run ends there, and processingErrors does not help.", "Name the values below it, such as .value or .code.");
        foreach ((string condition, string value) in reading.Rule.Cases)
        {
            foreach (PathProblem problem in reading.ProblemsOf(condition).Concat(reading.ProblemsOf(value)))
                yield return problem;
        }
    }

    private static Kinds Of(FhirType type) => s_kinds.Value[type.Index];

    private static Kinds[] FindKinds()
    {
        Kinds[] kinds = [.. FhirModel.R4.Types.Select(type => type.Syntax switch
        {
            PrimitiveSyntax.None => Kinds.None,
            PrimitiveSyntax.Text => Kinds.Text,
            PrimitiveSyntax.Date or PrimitiveSyntax.DateTime => Kinds.Date,
            PrimitiveSyntax.Integer or PrimitiveSyntax.Decimal => Kinds.Number,
            _ => Kinds.Other,
        })];
        bool changed = true;
        while (changed)
        {
            changed = false;
            foreach (FhirType type in FhirModel.R4.Types.Where(type => type.Kind != FhirTypeKind.Primitive))
            {
                Kinds all = type.Properties.Where(p => p.Type is { Name: not "Extension" } && p.Name is not "id").Aggregate(kinds[type.Index], (sum, p) => sum | kinds[p.Type!.Index]);
                changed |= all != kinds[type.Index];
                kinds[type.Index] = all;
            }
        }
        return kinds;
    }
}
