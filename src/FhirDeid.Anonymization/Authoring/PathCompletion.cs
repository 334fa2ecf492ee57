using System.Text.RegularExpressions;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Authoring;

/// <summary>What the R4 model knows about the beginning of a rule's path.</summary>
internal static partial class PathCompletion
{
    private static readonly string[] Starts = ["nodesByName('", "nodesByType('", "Resource"];

    private static readonly Lazy<string[]> TypeNames = new(() => [.. FhirModel.R4.Types.Where(type => type.Kind != FhirTypeKind.Resource).Select(type => type.Name).Distinct()]);

    private static readonly Lazy<string[]> ElementNames = new(() => [.. FhirModel.R4.Types.SelectMany(type => type.Properties).Select(property => property.Name).Distinct()]);

    /// <summary>A path that is begun: what stands before its last step, and the step as far as it is written.</summary>
    [GeneratedRegex(@"^(?<head>(?:.*\|)?\s*\(?)(?:(?<base>[^|]*)\.)?(?<step>[A-Za-z0-9]*|nodesBy(?<search>Type|Name)\((?<quote>['""])(?<name>[A-Za-z0-9]*)|(?<function>ofType)\((?<name>[A-Za-z0-9]*))$", RegexOptions.Singleline)]
    private static partial Regex Begun();

    [GeneratedRegex(@"\G(?:^|\.)(?:nodesBy(?<search>Type|Name)\(['""](?<name>[A-Za-z0-9]+)['""]\)|(?<function>ofType|as)\((?:FHIR\.)?(?<name>[A-Za-z0-9]+)\)|(?<step>[A-Za-z0-9]+))")]
    private static partial Regex Step();

    /// <summary>Whole paths that begin so.</summary>
    public static IReadOnlyList<string> Complete(string path)
    {
        Match begun = Begun().Match(path);
        if (!begun.Success)
            return [];
        string before = begun.Groups["base"].Success ? begun.Groups["base"].Value + "." : "";
        string name = begun.Groups["name"].Value;
        IEnumerable<string> steps;
        if (begun.Groups["search"].Success)
        {
            string quote = begun.Groups["quote"].Value;
            string search = begun.Groups["search"].Value;
            steps = Matching(search == "Type" ? TypeNames.Value : ElementNames.Value, name).Select(found => $"nodesBy{search}({quote}{found}{quote})");
        }
        else if (before.Length == 0)
        {
            steps = Matching([.. FhirModel.R4.ResourceNames, .. Starts], begun.Groups["step"].Value);
        }
        else
        {
            FhirType?[] types = Targets(begun.Groups["base"].Value) ?? [];
            string[] choices = types.Length > 1 && types.All(type => type?.Kind != FhirTypeKind.Resource) ? [.. types.OfType<FhirType>().Select(type => type.Name).Distinct()] : [];
            steps = begun.Groups["function"].Success
                ? Matching(choices, name).Select(found => $"ofType({found})")
                : Matching([.. Children(types)], begun.Groups["step"].Value).Concat(Matching([.. choices.Select(type => $"ofType({type})")], begun.Groups["step"].Value));
        }
        return [.. steps.Select(step => begun.Groups["head"].Value + before + step)];
    }

    /// <summary>Methods that act on what a path leads to.</summary>
    public static IReadOnlyList<string> Methods(string path)
    {
        FhirType?[]? types = Targets(path.Trim());
        // Below complex elements there may be anything.
        bool isOpen = types is null or [] || types.Any(type => type?.Kind != FhirTypeKind.Primitive);
        bool Holds(Func<PrimitiveSyntax, bool> test) => isOpen || types!.Any(type => test(type!.Syntax));
        List<string> methods = ["keep", "redact", "substitute"];
        if (Holds(syntax => syntax == PrimitiveSyntax.Text))
            methods.AddRange(["cryptoHash", "encrypt"]);
        if (Holds(syntax => syntax is PrimitiveSyntax.Date or PrimitiveSyntax.DateTime))
            methods.Add("dateShift");
        if (Holds(syntax => syntax is PrimitiveSyntax.Integer or PrimitiveSyntax.Decimal))
            methods.Add("perturb");
        if (types is null || types.Any(type => type?.Kind == FhirTypeKind.Primitive))
            methods.Add("generalize");
        return methods;
    }

    /// <summary>Types that a path leads to, null for a resource of any type; null as a whole where the path is more than names and searches.</summary>
    private static FhirType?[]? Targets(string path)
    {
        IEnumerable<FhirType?> at = [];
        int position = 0;
        for (Match step = Step().Match(path); step.Success; step = Step().Match(path, position))
        {
            string name = step.Groups["name"].Value;
            if (step.Groups["search"].Success)
                at = step.Groups["search"].Value == "Type" ? FhirModel.R4.Types.Where(type => type.Name == name)
                    : FhirModel.R4.Types.SelectMany(type => type.Properties).Where(property => property.Name == name).Select(property => property.Type);
            else if (step.Groups["function"].Success)
                at = at.Where(type => type is null || type.Name == name);
            else if (position == 0)
                at = Roots(step.Groups["step"].Value);
            else
                at = at.OfType<FhirType>().SelectMany(type => type.Properties).Where(property => property.Name == step.Groups["step"].Value).Select(property => property.Type);
            at = at.Distinct().ToArray();
            position += step.Length;
            if (position == path.Length)
                return [.. at];
        }
        return null;
    }

    private static IEnumerable<FhirType?> Roots(string name) => FhirModel.R4.Types.Where(type => type.Kind == FhirTypeKind.Resource && (name is "Resource" or "DomainResource" || type.Name == name));

    /// <summary>Names of elements: of several resources those that all of them have, of the types of a choice those of each.</summary>
    private static IEnumerable<string> Children(FhirType?[] types)
    {
        IEnumerable<IEnumerable<string>> names = types.OfType<FhirType>().Select(type => type.Properties.Select(property => property.Name).Distinct());
        return types.Length > 1 && types.All(type => type?.Kind == FhirTypeKind.Resource)
            ? names.Aggregate((common, next) => common.Intersect(next).ToArray())
            : names.SelectMany(list => list).Distinct();
    }

    private static IEnumerable<string> Matching(IEnumerable<string> names, string beginning) =>
        names.Where(name => name.StartsWith(beginning, StringComparison.OrdinalIgnoreCase)).Order(StringComparer.Ordinal);
}
