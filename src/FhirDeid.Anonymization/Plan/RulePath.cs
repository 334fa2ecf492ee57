using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;
using FhirDeid.Anonymization.Configuration;

namespace FhirDeid.Anonymization.Plan;

/// <summary>A rule's path, split as the service splits it.</summary>
/// <param name="ResourceType">The resource type it starts at, or null for any.</param>
/// <param name="Alternatives">The path where it is of the regular part of FHIRPath: element names, <c>nodesByType</c>, <c>nodesByName</c>, <c>ofType</c>, <c>as</c> and unions.</param>
/// <param name="Expression">What has to be evaluated instead, on resources of that type; null for a regular path.</param>
internal sealed partial record RulePath(string? ResourceType, IReadOnlyList<PathAlternative> Alternatives, string? Expression = null)
{
    [GeneratedRegex(@"^nodesBy(Type|Name)\(['""](?<name>[A-Za-z0-9]+)['""]\)(\.(?<child>[A-Za-z0-9]+))?$")]
    private static partial Regex Lookup();

    [GeneratedRegex(@"^(?<resourceType>[A-Z][a-zA-Z]*)?(\.)?(?<expression>.*?)$", RegexOptions.Singleline)]
    private static partial Regex Split();

    [GeneratedRegex(@"\G\s*(?:(?<word>[A-Za-z_][A-Za-z0-9_]*)|`(?<word>[^`]+)`|'(?<text>[^'\\]*)'|""(?<text>[^""\\]*)""|(?<sign>[.()|]))\s*")]
    private static partial Regex Token();

    [GeneratedRegex(@"^[A-Za-z]+(\.[A-Za-z]+)*$")]
    private static partial Regex ElementNames();

    /// <summary>Whether an expression is nothing but element names, or a look-up: well formed at sight.</summary>
    public static bool IsPlain(string expression) => ElementNames().IsMatch(expression) || Lookup().IsMatch(expression);

    /// <summary>Reads a path.</summary>
    /// <param name="rule">The rule it belongs to.</param>
    public static RulePath Parse(ConfigurationRule rule)
    {
        string path = rule.Path.Trim();
        Match lookup = Lookup().Match(path);
        if (lookup.Success)
        {
            List<PathStep> steps = [new(path.StartsWith("nodesByType", StringComparison.Ordinal) ? StepKind.NodesByType : StepKind.NodesByName, lookup.Groups["name"].Value, MeetsNested: true)];
            if (lookup.Groups["child"].Success)
                steps.Add(new PathStep(StepKind.Child, lookup.Groups["child"].Value));
            return new RulePath(null, [new PathAlternative(null, steps, IsLookup: true)]);
        }

        // The service splits off the first capitalised word, and evaluates the rest on resources of that type.
        Match split = Split().Match(path);
        string? resourceType = AnyResource(split.Groups["resourceType"].Value);
        string expression = split.Groups["expression"].Value;
        if (expression.Length == 0)
            return new RulePath(resourceType, [new PathAlternative(null, [], IsLookup: false)]);
        return new Reader(expression).TryUnion(out List<PathAlternative> alternatives) ? new RulePath(resourceType, alternatives) : new RulePath(resourceType, [], expression);
    }

    private static string? AnyResource(string name) => name is "" or "Resource" or "DomainResource" ? null : name;

    private sealed class Reader(string expression)
    {
        private int _position;
        private Match _next = Token().Match(expression);

        /// <summary>Reads a regular path; false where it uses more of FHIRPath.</summary>
        public bool TryUnion(out List<PathAlternative> alternatives)
        {
            alternatives = [];
            do
            {
                if (!TryTerm(out PathAlternative? term))
                    return false;
                alternatives.Add(term);
            }
            while (TrySign("|"));
            return _position == expression.Length;
        }

        private bool TryTerm([NotNullWhen(true)] out PathAlternative? term)
        {
            term = null;
            bool parenthesised = TrySign("(");
            string? resourceType = null;
            List<PathStep> steps = [];
            do
            {
                if (!TryTake("word", out string word))
                    return false;
                if (TrySign("("))
                {
                    if (!TryFunction(word, out PathStep function))
                        return false;
                    steps.Add(function);
                }
                else if (!char.IsUpper(word[0]))
                {
                    steps.Add(new PathStep(StepKind.Child, word));
                }
                else if (steps.Count == 0 && resourceType is null)
                {
                    resourceType = word;
                }
                else
                {
                    return false;
                }
            }
            while (TrySign("."));
            if (_next.Success && _next.Groups["word"].Value == "as")
            {
                if (!TryTake("word", out _) || !TryTypeName(out string name))
                    return false;
                steps.Add(new PathStep(StepKind.OfType, name));
            }
            if (parenthesised && !TrySign(")"))
                return false;
            term = new PathAlternative(resourceType is null ? null : AnyResource(resourceType), steps, IsLookup: false);
            return true;
        }

        private bool TryFunction(string name, out PathStep step)
        {
            step = default;
            StepKind? kind = name switch
            {
                "nodesByType" => StepKind.NodesByType,
                "nodesByName" => StepKind.NodesByName,
                "ofType" or "as" => StepKind.OfType,
                _ => null,
            };
            if (kind is not { } known || !(known == StepKind.OfType ? TryTypeName(out string argument) : TryTake("text", out argument)) || !TrySign(")"))
                return false;
            step = new PathStep(known, argument);
            return true;
        }

        private bool TryTypeName(out string name) => TryTake("word", out name) && (name != "FHIR" || !TrySign(".") || TryTake("word", out name));

        private bool TryTake(string group, out string value)
        {
            value = _next.Success && _next.Groups[group].Success ? _next.Groups[group].Value : "";
            if (value.Length == 0)
                return false;
            Advance();
            return true;
        }

        private bool TrySign(string sign)
        {
            if (!_next.Success || _next.Groups["sign"].Value != sign)
                return false;
            Advance();
            return true;
        }

        private void Advance()
        {
            _position += _next.Length;
            _next = Token().Match(expression, _position);
        }
    }
}
