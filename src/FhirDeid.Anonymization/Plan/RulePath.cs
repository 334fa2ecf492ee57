using System.Text.RegularExpressions;
using FhirDeid.Anonymization.Configuration;

namespace FhirDeid.Anonymization.Plan;

/// <summary>The regular part of FHIRPath as rules use it: element names, <c>nodesByType</c>, <c>nodesByName</c>, <c>ofType</c>, <c>as</c> and unions.</summary>
internal sealed partial record RulePath(string? ResourceType, IReadOnlyList<PathAlternative> Alternatives)
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
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigNotSupported</c>: it uses more of FHIRPath.</exception>
    public static RulePath Parse(ConfigurationRule rule)
    {
        string path = rule.Path.Trim();
        Match lookup = Lookup().Match(path);
        if (lookup.Success)
        {
            List<PathStep> steps = [new(path.StartsWith("nodesByType", StringComparison.Ordinal) ? StepKind.NodesByType : StepKind.NodesByName, lookup.Groups["name"].Value)];
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
        return new RulePath(resourceType, new Reader(rule, expression).Union());
    }

    private static string? AnyResource(string name) => name is "" or "Resource" or "DomainResource" ? null : name;

    private sealed class Reader(ConfigurationRule rule, string expression)
    {
        private int _position;
        private Match _next = Token().Match(expression);

        public List<PathAlternative> Union()
        {
            List<PathAlternative> alternatives = [Term()];
            while (TrySign("|"))
                alternatives.Add(Term());
            if (_position < expression.Length)
                throw NotSupported();
            return alternatives;
        }

        private PathAlternative Term()
        {
            bool parenthesised = TrySign("(");
            string? resourceType = null;
            List<PathStep> steps = [];
            do
            {
                string word = Word();
                if (TrySign("("))
                    steps.Add(Function(word));
                else if (steps.Count == 0 && resourceType is null && char.IsUpper(word[0]))
                    resourceType = word;
                else if (char.IsUpper(word[0]))
                    throw NotSupported();
                else
                    steps.Add(new PathStep(StepKind.Child, word));
            }
            while (TrySign("."));
            if (_next.Success && _next.Groups["word"].Value == "as")
            {
                Word();
                steps.Add(new PathStep(StepKind.OfType, TypeName()));
            }
            if (parenthesised && !TrySign(")"))
                throw NotSupported();
            return new PathAlternative(resourceType is null ? null : AnyResource(resourceType), steps, IsLookup: false);
        }

        private PathStep Function(string name)
        {
            StepKind kind = name switch
            {
                "nodesByType" => StepKind.NodesByType,
                "nodesByName" => StepKind.NodesByName,
                "ofType" or "as" => StepKind.OfType,
                _ => throw NotSupported(),
            };
            string argument = kind == StepKind.OfType ? TypeName() : Take("text");
            if (!TrySign(")"))
                throw NotSupported();
            return new PathStep(kind, argument);
        }

        private string TypeName()
        {
            string name = Word();
            return name == "FHIR" && TrySign(".") ? Word() : name;
        }

        private string Word() => Take("word");

        private string Take(string group)
        {
            if (!_next.Success || !_next.Groups[group].Success)
                throw NotSupported();
            string value = _next.Groups[group].Value;
            Advance();
            return value;
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

        private FhirDeidException NotSupported() => new("ConfigNotSupported", FhirDeidErrorCategory.NotImplemented,
            $"Rule {rule.Number}: the path '{rule.Path}' uses FHIRPath that this version does not evaluate here yet.",
            "Use element names, nodesByType('…'), nodesByName('…'), ofType(…), as and unions with |. No rule is skipped: the configuration is refused as a whole.");
    }
}
