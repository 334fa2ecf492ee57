using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace FhirDeid.Anonymization.FhirPath;

/// <summary>Reads an expression into steps: grammar and precedence of the Firely SDK 5, by recursive descent.</summary>
internal sealed partial class FhirPathParser(string text, TimeProvider clock)
{
    /// <summary>Steps and brackets above one another; evaluation needs stack for each.</summary>
    private const int MaximumDepth = 400;

    private const int TypePrecedence = 5;

    private int _position;
    private int _nesting;

    /// <exception cref="FormatException">The text is no expression, or uses what is not supported.</exception>
    public Step Parse()
    {
        Step step = ParseExpression(0);
        if (_position < text.Length)
            throw Error($"'{text[_position]}' is not expected");
        return step;
    }

    private FormatException Error(string what, int? at = null) => new($"{what} (at character {(at ?? _position) + 1})");

    private Step ParseExpression(int lowest)
    {
        if (++_nesting > MaximumDepth)
            throw Error($"the expression is nested more than {MaximumDepth} deep");
        Step left = ParseOperand();
        int highest = int.MaxValue;
        while (PeekOperator() is { } op && Precedence(op) is int precedence && precedence >= lowest && precedence <= highest)
        {
            _position += op.Length;
            if (precedence == TypePrecedence)
            {
                FhirPathType type = ParseType();
                left = Built(op == "is" ? new IsStep(left, type) : new OfTypeStep(left, type), left);
                highest = TypePrecedence - 1;
            }
            else
            {
                left = Binary(op, left, ParseExpression(precedence + 1));
            }
        }
        _nesting--;
        return left;
    }

    private Step Binary(string op, Step left, Step right) => op switch
    {
        "|" when left is UnionStep { KeepsEqual: false } union => Built(union.With(right), right),
        "|" => Built(new UnionStep([left, right]), left, right),
        "=" => Built(new EqualStep(left, right, negated: false), left, right),
        "!=" => Built(new EqualStep(left, right, negated: true), left, right),
        "~" => Built(new EquivalentStep(left, right, negated: false), left, right),
        "!~" => Built(new EquivalentStep(left, right, negated: true), left, right),
        "in" => Built(new MembershipStep(left, right, op), left, right),
        "contains" => Built(new MembershipStep(right, left, op), left, right),
        "and" or "or" or "xor" or "implies" => Built(new LogicStep(op, left, right), left, right),
        "<" or "<=" or ">" or ">=" => Built(new OrderStep(op, left, right), left, right),
        _ => Built(new ArithmeticStep(op, left, right), left, right),
    };

    private static int Precedence(string op) => op switch
    {
        "implies" => 0,
        "or" or "xor" => 1,
        "and" => 2,
        "in" or "contains" => 3,
        "=" or "~" or "!=" or "!~" => 4,
        "is" or "as" => TypePrecedence,
        "<" or "<=" or ">" or ">=" => 6,
        "|" => 7,
        "+" or "-" or "&" => 8,
        _ => 9,
    };

    private string? PeekOperator()
    {
        SkipSpace();
        if (_position == text.Length)
            return null;
        if (char.IsLetter(text[_position]))
        {
            int end = _position;
            while (end < text.Length && (char.IsLetterOrDigit(text[end]) || text[end] == '_'))
                end++;
            return text[_position..end] is "implies" or "or" or "xor" or "and" or "in" or "contains" or "is" or "as" or "div" or "mod" ? text[_position..end] : null;
        }
        if (_position + 1 < text.Length && text.AsSpan(_position, 2) is "!=" or "!~" or "<=" or ">=")
            return text.Substring(_position, 2);
        return text[_position] is '=' or '~' or '<' or '>' or '|' or '+' or '-' or '&' or '*' or '/' ? text.Substring(_position, 1) : null;
    }

    private Step ParseOperand()
    {
        SkipSpace();
        string? sign = Take('-') ? "-" : Take('+') ? "+" : null;
        Step step = ParseTerm();
        while (true)
        {
            SkipSpace();
            if (Take('.'))
            {
                SkipSpace();
                step = ParseInvocation(step);
            }
            else if (Take('['))
            {
                Step index = ParseExpression(0);
                Expect(']');
                step = Built(new RangeStep("[]", step, index), step, index);
            }
            else
            {
                break;
            }
        }
        return sign is null ? step : Built(new ArithmeticStep(sign, null, step), step);
    }

    private Step ParseTerm()
    {
        SkipSpace();
        if (_position == text.Length)
            throw Error("the expression ends too early");
        char c = text[_position];
        switch (c)
        {
            case '(':
                _position++;
                Step inner = ParseExpression(0);
                Expect(')');
                return inner;
            case '{':
                _position++;
                SkipSpace();
                Expect('}');
                return new EmptyStep();
            case '\'':
                return new ConstantStep(FhirPathValue.Of(ParseDelimited('\'')));
            case '@':
                return ParseCalendar();
            case '$':
                return ParseAxis();
            case '%':
                return ParseVariable();
        }
        if (char.IsAsciiDigit(c))
            return ParseNumber();
        if (Literal().Match(text, _position) is { Success: true } literal)
        {
            _position += literal.Length;
            return new ConstantStep(FhirPathValue.Of(literal.Value == "true"));
        }
        return ParseInvocation(new ThisStep());
    }

    [GeneratedRegex(@"\G(true|false)(?![\w])")]
    private static partial Regex Literal();

    private Step ParseAxis()
    {
        int start = _position++;
        return ParseIdentifier() switch
        {
            "this" => new ThisStep(),
            "index" => new IndexStep(),
            "total" => new TotalStep(),
            string name => throw Error($"${name} is not known", start),
        };
    }

    private Step ParseVariable()
    {
        int start = _position++;
        string name = _position < text.Length && text[_position] == '\'' ? ParseDelimited('\'') : ParseIdentifier();
        return name switch
        {
            "context" => new ContextStep(isResource: false),
            "resource" or "rootResource" => new ContextStep(isResource: true),
            "sct" => Constant("http://snomed.info/sct"),
            "loinc" => Constant("http://loinc.org"),
            "ucum" => Constant("http://unitsofmeasure.org"),
            _ when name.StartsWith("ext-", StringComparison.Ordinal) => Constant("http://hl7.org/fhir/StructureDefinition/" + name[4..]),
            _ when name.StartsWith("vs-", StringComparison.Ordinal) => Constant("http://hl7.org/fhir/ValueSet/" + name[3..]),
            _ => throw Error($"the variable %{name} is not known", start),
        };

        static ConstantStep Constant(string value) => new(FhirPathValue.Of(value));
    }

    private ConstantStep ParseNumber()
    {
        int start = _position;
        while (_position < text.Length && char.IsAsciiDigit(text[_position]))
            _position++;
        bool isDecimal = _position + 1 < text.Length && text[_position] == '.' && char.IsAsciiDigit(text[_position + 1]);
        if (isDecimal)
        {
            _position++;
            while (_position < text.Length && char.IsAsciiDigit(text[_position]))
                _position++;
        }
        string digits = text[start.._position];
        if (!decimal.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number))
            throw Error($"the number {digits} is out of range", start);

        int end = _position;
        SkipSpace();
        if (_position < text.Length && text[_position] == '\'')
            return new ConstantStep(Quantities.Of(number, ParseDelimited('\'')));
        if (CalendarUnit().Match(text, _position) is { Success: true } unit)
        {
            _position += unit.Length;
            return new ConstantStep(Quantities.OfDuration(number, unit.Groups["unit"].Value));
        }
        _position = end;
        if (isDecimal)
            return new ConstantStep(FhirPathValue.Of(number));
        return number <= int.MaxValue ? new ConstantStep(FhirPathValue.Of((int)number)) : throw Error($"the number {digits} is out of range", start);
    }

    [GeneratedRegex(@"\G(?<unit>year|month|week|day|hour|minute|second|millisecond)s?(?![\w])")]
    private static partial Regex CalendarUnit();

    private ConstantStep ParseCalendar()
    {
        Match match = Calendar().Match(text, _position);
        string value = match.Groups["date"].Value;
        FhirPathKind kind = !match.Groups["date"].Success ? FhirPathKind.Time : match.Groups["t"].Success ? FhirPathKind.DateTime : FhirPathKind.Date;
        if (match.Groups["time"].Success)
            value += (kind == FhirPathKind.Time ? "" : "T") + match.Groups["time"].Value;
        value += match.Groups["zone"].Value;
        if (!match.Success || !CalendarValue.IsValid(kind, value))
            throw Error("this is no date or time");
        _position += match.Length;
        return new ConstantStep(FhirPathValue.OfCalendar(kind, value));
    }

    [GeneratedRegex(@"\G@((?<date>[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?)((?<t>T)(?<time>[0-9]{2}(:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)?)?(?<zone>Z|[+-][0-9]{2}:[0-9]{2})?)?|T(?<time>[0-9]{2}(:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)?))", RegexOptions.ExplicitCapture)]
    private static partial Regex Calendar();

    /// <summary>A name, or a function with its arguments.</summary>
    private Step ParseInvocation(Step focus)
    {
        int start = _position;
        string name = ParseIdentifier();
        int end = _position;
        SkipSpace();
        if (!Take('('))
        {
            _position = end;
            return Built(new ChildStep(focus, name), focus);
        }
        if (name is "is" or "as" or "ofType")
        {
            FhirPathType type = ParseType();
            SkipSpace();
            Expect(')');
            return Built(name == "is" ? new IsStep(focus, type) : new OfTypeStep(focus, type), focus);
        }
        List<Step> arguments = [];
        SkipSpace();
        if (!Take(')'))
        {
            do
                arguments.Add(ParseExpression(0));
            while (Take(','));
            Expect(')');
        }
        try
        {
            return Built(Function(name, focus, [.. arguments], start), [focus, .. arguments]);
        }
        catch (RegexParseException exception)
        {
            throw Error($"{name}() has a pattern that is no regular expression: {exception.Message.ReplaceLineEndings(" ")}", start);
        }
    }

    private Step Function(string name, Step focus, Step[] arguments, int start)
    {
        int count = arguments.Length;
        if (Functions.OfOneValue.TryGetValue(name, out (int Fewest, int Most, Function Function) function))
        {
            return count >= function.Fewest && count <= function.Most
                ? new FunctionStep(name, function.Function, focus, arguments)
                : throw Error($"{name}() takes {(function.Fewest == function.Most ? "" : function.Fewest + " or ")}{function.Most} arguments, not {count}", start);
        }
        bool isTest = name.StartsWith("convertsTo", StringComparison.Ordinal);
        if ((isTest || name.StartsWith("to", StringComparison.Ordinal)) && count == 0 && Functions.Conversions.TryGetValue(name[(isTest ? 10 : 2)..], out FhirPathKind kind))
            return new FunctionStep(name, Functions.Conversion(kind, isTest), focus, arguments);
        return (name, count) switch
        {
            ("exists", 0 or 1) or ("all", 1) or ("any", 1) => new CollectionStep(name, focus, arguments.FirstOrDefault()),
            ("empty" or "count" or "not" or "hasValue" or "isDistinct" or "allTrue" or "anyTrue" or "allFalse" or "anyFalse", 0) => new CollectionStep(name, focus),
            ("distinct", 0) => new SetStep(name, focus),
            ("intersect" or "exclude" or "subsetOf" or "supersetOf", 1) => new SetStep(name, focus, arguments[0]),
            ("union", 1) => new UnionStep([focus, arguments[0]]),
            ("combine", 1) => new UnionStep([focus, arguments[0]], keepsEqual: true),
            ("where", 1) => new WhereStep(focus, arguments[0]),
            ("select", 1) => new SelectStep(focus, arguments[0]),
            ("repeat", 1) => new RepeatStep(focus, arguments[0]),
            ("first" or "last" or "tail" or "single", 0) => new RangeStep(name, focus),
            ("skip" or "take", 1) => new RangeStep(name, focus, arguments[0]),
            ("iif", 2 or 3) => new IifStep(focus, arguments[0], arguments[1], arguments.ElementAtOrDefault(2)),
            ("aggregate", 1 or 2) => new AggregateStep(focus, arguments[0], arguments.ElementAtOrDefault(1)),
            ("trace", 1 or 2) => focus,
            ("children", 0) => new ChildrenStep(focus),
            ("descendants", 0) => new DescendantsStep(focus),
            ("nodesByType", 1) => new DescendantsStep(focus, byType: true, arguments[0]),
            ("nodesByName", 1) => new DescendantsStep(focus, byType: false, arguments[0]),
            ("extension", 1) => new ExtensionStep(focus, arguments[0]),
            ("indexOf" or "lastIndexOf", 1 or 2) or ("join", 0 or 1) => new CollectionFunctionStep(name, focus, arguments),
            ("matches", 1) => new MatchStep(name, focus, arguments[0], null),
            ("replaceMatches", 2) => new MatchStep(name, focus, arguments[0], arguments[1]),
            ("now" or "today" or "timeOfDay", 0) => new ClockStep(name, clock),
            ("resolve" or "memberOf" or "conformsTo" or "subsumes" or "subsumedBy" or "htmlChecks" or "htmlchecks" or "lowBoundary" or "highBoundary" or "defineVariable" or "elementDefinition" or "slice" or "checkModifiers", _)
                => throw Error($"{name}() is not supported in rules", start),
            _ => throw Error($"there is no function {name}() with {count} arguments", start),
        };
    }

    private FhirPathType ParseType()
    {
        SkipSpace();
        string name = ParseIdentifier();
        while (Take('.'))
            name += "." + ParseIdentifier();
        return new FhirPathType(name);
    }

    private string ParseIdentifier()
    {
        if (_position < text.Length && text[_position] is '`' or '"')
            return ParseDelimited(text[_position]);
        int start = _position;
        while (_position < text.Length && (char.IsLetter(text[_position]) || text[_position] == '_' || _position > start && char.IsDigit(text[_position])))
            _position++;
        return _position > start ? text[start.._position] : throw Error(_position < text.Length ? $"'{text[_position]}' is not expected" : "the expression ends too early");
    }

    private string ParseDelimited(char delimiter)
    {
        int start = _position++;
        StringBuilder value = new();
        while (_position < text.Length && text[_position] != delimiter)
        {
            char c = text[_position++];
            if (c != '\\')
            {
                value.Append(c);
                continue;
            }
            char escape = _position < text.Length ? text[_position++] : '\0';
            if (escape == 'u' && _position + 4 <= text.Length && int.TryParse(text.AsSpan(_position, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int code))
            {
                value.Append((char)code);
                _position += 4;
                continue;
            }
            value.Append(escape switch
            {
                'f' => '\f',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                '\'' or '"' or '`' or '\\' or '/' => escape,
                _ => throw Error("this is no escape sequence", _position - 1),
            });
        }
        if (_position == text.Length)
            throw Error("a quotation is not closed", start);
        _position++;
        return value.ToString();
    }

    private bool Take(char c)
    {
        if (_position == text.Length || text[_position] != c)
            return false;
        _position++;
        return true;
    }

    private void Expect(char c)
    {
        SkipSpace();
        if (!Take(c))
            throw Error($"'{c}' is missing");
    }

    private void SkipSpace()
    {
        while (_position < text.Length)
        {
            if (char.IsWhiteSpace(text[_position]))
            {
                _position++;
            }
            else if (text.AsSpan(_position).StartsWith("//"))
            {
                int end = text.IndexOf('\n', _position);
                _position = end < 0 ? text.Length : end + 1;
            }
            else if (text.AsSpan(_position).StartsWith("/*"))
            {
                int end = text.IndexOf("*/", _position + 2, StringComparison.Ordinal);
                _position = end < 0 ? throw Error("a comment is not closed") : end + 2;
            }
            else
            {
                return;
            }
        }
    }

    private Step Built(Step step, params ReadOnlySpan<Step> parts)
    {
        foreach (Step part in parts)
        {
            if (!ReferenceEquals(part, step))
                step.Depth = Math.Max(step.Depth, part.Depth + 1);
        }
        return step.Depth <= MaximumDepth ? step : throw Error($"the expression is nested more than {MaximumDepth} deep");
    }
}
