using System.Text;
using System.Text.RegularExpressions;

namespace FhirDeid.Anonymization.Lint;

/// <summary>An expression is not FHIRPath, or is more of it than any reader should be given.</summary>
/// <param name="message">What is wrong, in the middle of a sentence.</param>
/// <param name="isTooComplex">Whether it is too long or too deeply nested to be read.</param>
internal sealed class PathSyntaxException(string message, bool isTooComplex = false) : Exception(message)
{
    public bool IsTooComplex { get; } = isTooComplex;
}

/// <summary>Reads FHIRPath: its grammar, and the names of its functions with their numbers of arguments.</summary>
/// <remarks>Length and nesting are bounded: the parser inside the service is recursive, and an expression that overflows its stack ends its worker.</remarks>
internal sealed partial class PathParser
{
    private const int MaxLength = 16_384;
    private const int MaxTokens = 2_000;
    private const int MaxDepth = 24;

    /// <summary>Operators, the loosest first.</summary>
    private static readonly string[][] Precedence =
    [
        ["implies"], ["or", "xor"], ["and"], ["in", "contains"], ["=", "~", "!=", "!~"], ["<=", "<", ">", ">="], ["|"], ["is", "as"], ["+", "-", "&"], ["*", "/", "div", "mod"],
    ];

    private static readonly string[] TypeOperators = ["is", "as"];

    /// <summary>Functions with the fewest and the most arguments.</summary>
    private static readonly Dictionary<string, (int Least, int Most)> Functions = Table(
        "empty 0|exists 0 1|all 1|allTrue 0|anyTrue 0|allFalse 0|anyFalse 0|subsetOf 1|supersetOf 1|count 0|distinct 0|isDistinct 0|where 1|select 1|repeat 1|ofType 1|as 1|is 1|" +
        "single 0|first 0|last 0|tail 0|skip 1|take 1|intersect 1|exclude 1|union 1|combine 1|iif 2 3|not 0|children 0|descendants 0|trace 1 2|now 0|timeOfDay 0|today 0|" +
        "toBoolean 0|convertsToBoolean 0|toInteger 0|convertsToInteger 0|toDecimal 0|convertsToDecimal 0|toDate 0|convertsToDate 0|toDateTime 0|convertsToDateTime 0|toTime 0|convertsToTime 0|" +
        "toQuantity 0 1|convertsToQuantity 0 1|toString 0|convertsToString 0|indexOf 1|substring 1 2|startsWith 1|endsWith 1|contains 1|upper 0|lower 0|replace 2|matches 1|replaceMatches 2|length 0|" +
        "toChars 0|abs 0|ceiling 0|exp 0|floor 0|ln 0|log 1|power 1|round 0 1|sqrt 0|truncate 0|hasValue 0|extension 1|resolve 0|memberOf 1|htmlChecks 0|nodesByType 1|nodesByName 1");

    private readonly string _text;
    private readonly List<Token> _tokens = [];
    private int _next;
    private int _depth;

    private PathParser(string text) => _text = text;

    private enum TokenKind
    {
        Word,
        QuotedWord,
        Text,
        Literal,
        Variable,
        Sign,
        End,
    }

    private readonly record struct Token(TokenKind Kind, string Value, int Start);

    [GeneratedRegex(@"\G(?:
          (?<space>\s+|//[^\n]*|/\*(?s:.*?)\*/)
        | (?<word>[A-Za-z_][A-Za-z0-9_]*)
        | `(?<quoted>(?:[^`\\]|\\.)+)` | ""(?<dquoted>(?:[^""\\]|\\.)*)""
        | '(?<text>(?:[^'\\]|\\.)*)'
        | (?<literal>@T?[0-9][0-9T:.+Z\-]*|[0-9]+(?:\.[0-9]+)?)
        | (?<variable>\$(?:this|index|total)|%(?:[A-Za-z_][A-Za-z0-9_\-]*|`[^`]+`|'[^']+'|""[^""]+""))
        | (?<sign><=|>=|!=|!~|[.()\[\]{},|=~<>+\-*/&])
        )", RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex TokenPattern();

    /// <summary>Reads an expression.</summary>
    /// <exception cref="PathSyntaxException">It is not FHIRPath, or too much of it.</exception>
    public static PathNode Parse(string text)
    {
        if (text.Length > MaxLength)
            throw new PathSyntaxException($"it is longer than {MaxLength:N0} characters", isTooComplex: true);
        PathParser parser = new(text);
        parser.Tokenise();
        PathNode node = parser.Expression(0);
        if (parser.Peek.Kind != TokenKind.End)
            throw parser.Unexpected();
        return node;
    }

    /// <summary>Names of functions, for suggestions.</summary>
    public static IReadOnlyCollection<string> FunctionNames => Functions.Keys;

    private static Dictionary<string, (int, int)> Table(string rows) => rows.Split('|').Select(row => row.Split(' '))
        .ToDictionary(cells => cells[0], cells => (int.Parse(cells[1], null), int.Parse(cells[^1], null)), StringComparer.Ordinal);

    private Token Peek => _tokens[_next];

    private void Tokenise()
    {
        int position = 0;
        while (position < _text.Length)
        {
            Match match = TokenPattern().Match(_text, position);
            if (!match.Success)
                throw new PathSyntaxException($"it cannot be read from character {position + 1} on");
            Token? token = match.Groups switch
            {
                var g when g["space"].Success => null,
                var g when g["word"].Success => new Token(TokenKind.Word, match.Value, position),
                var g when g["quoted"].Success => new Token(TokenKind.QuotedWord, Unescape(g["quoted"].Value), position),
                var g when g["dquoted"].Success => new Token(TokenKind.Text, Unescape(g["dquoted"].Value), position),
                var g when g["text"].Success => new Token(TokenKind.Text, Unescape(g["text"].Value), position),
                var g when g["literal"].Success => new Token(TokenKind.Literal, match.Value, position),
                var g when g["variable"].Success => new Token(TokenKind.Variable, match.Value, position),
                _ => new Token(TokenKind.Sign, match.Value, position),
            };
            if (token is { } found)
                _tokens.Add(found);
            if (_tokens.Count > MaxTokens)
                throw new PathSyntaxException($"it has more than {MaxTokens:N0} parts", isTooComplex: true);
            position += match.Length;
        }
        _tokens.Add(new Token(TokenKind.End, "", _text.Length));
    }

    private static string Unescape(string text)
    {
        if (!text.Contains('\\', StringComparison.Ordinal))
            return text;
        StringBuilder result = new();
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
                result.Append(text[i]);
            else
                result.Append(text[++i] switch { 'n' => '\n', 'r' => '\r', 't' => '\t', 'f' => '\f', char other => other });
        }
        return result.ToString();
    }

    private PathNode Expression(int level)
    {
        if (level == Precedence.Length)
            return Signed();
        PathNode left = Expression(level + 1);
        while (Peek is { Kind: TokenKind.Word or TokenKind.Sign } sign && Precedence[level].Contains(sign.Value))
        {
            _next++;
            left = TypeOperators.Contains(sign.Value) ? new TypeNode(sign.Start, left, sign.Value == "is", TypeName()) : new OperatorNode(sign.Start, sign.Value, left, Expression(level + 1));
        }
        return left;
    }

    private PathNode Signed()
    {
        if (Peek is not { Kind: TokenKind.Sign, Value: "+" or "-" } sign)
            return Invocation();
        _next++;
        return Nested(() => new SignNode(sign.Start, Signed()));
    }

    private PathNode Invocation()
    {
        PathNode node = Term();
        while (true)
        {
            if (TrySign("."))
                node = Member(node);
            else if (Peek is { Kind: TokenKind.Sign, Value: "[" } bracket)
            {
                _next++;
                PathNode index = Nested(() => Expression(0));
                Require("]");
                node = new IndexNode(bracket.Start, node, index);
            }
            else
                return node;
        }
    }

    private PathNode Term()
    {
        Token token = Peek;
        switch (token)
        {
            case { Kind: TokenKind.Sign, Value: "(" }:
                _next++;
                PathNode inner = Nested(() => Expression(0));
                Require(")");
                return inner;
            case { Kind: TokenKind.Sign, Value: "{" }:
                _next++;
                Require("}");
                return new LiteralNode(token.Start, null);
            case { Kind: TokenKind.Text }:
                _next++;
                return new LiteralNode(token.Start, token.Value);
            case { Kind: TokenKind.Literal }:
                _next++;
                Unit();
                return new LiteralNode(token.Start, null);
            case { Kind: TokenKind.Variable }:
                _next++;
                return new VariableNode(token.Start, token.Value);
            case { Kind: TokenKind.Word, Value: "true" or "false" }:
                _next++;
                return new LiteralNode(token.Start, null);
            default:
                return Member(null);
        }
    }

    /// <summary>The unit of a quantity: <c>3 'mg'</c>, <c>3 days</c>.</summary>
    private void Unit()
    {
        if (Peek.Kind == TokenKind.Text || Peek is { Kind: TokenKind.Word, Value: "year" or "years" or "month" or "months" or "week" or "weeks" or "day" or "days" or "hour" or "hours"
            or "minute" or "minutes" or "second" or "seconds" or "millisecond" or "milliseconds" })
            _next++;
    }

    private PathNode Member(PathNode? focus)
    {
        Token name = Peek;
        if (name.Kind == TokenKind.Variable && focus is not null && name.Value[0] == '$')
        {
            _next++;
            return new VariableNode(name.Start, name.Value);
        }
        if (name.Kind is not (TokenKind.Word or TokenKind.QuotedWord))
            throw Unexpected();
        _next++;
        if (!TrySign("("))
            return new NameNode(name.Start, focus, name.Value);
        List<PathNode> arguments = [];
        if (!TrySign(")"))
        {
            do
                arguments.Add(Nested(() => Expression(0)));
            while (TrySign(","));
            Require(")");
        }
        if (!Functions.TryGetValue(name.Value, out (int Least, int Most) count))
            throw new PathSyntaxException($"there is no function '{name.Value}'{(Configuration.Spelling.Nearest(name.Value, Functions.Keys) is { } near ? $"; did you mean '{near}'?" : "")}");
        if (arguments.Count < count.Least || arguments.Count > count.Most)
            throw new PathSyntaxException($"function '{name.Value}' takes {(count.Least == count.Most ? count.Least : $"{count.Least} or {count.Most}")} arguments");
        return new CallNode(name.Start, focus, name.Value, arguments);
    }

    private string TypeName()
    {
        if (Peek.Kind is not (TokenKind.Word or TokenKind.QuotedWord))
            throw Unexpected();
        string name = _tokens[_next++].Value;
        if (name is not ("FHIR" or "System") || !TrySign("."))
            return name;
        if (Peek.Kind is not (TokenKind.Word or TokenKind.QuotedWord))
            throw Unexpected();
        return (name == "System" ? "System." : "") + _tokens[_next++].Value;
    }

    private PathNode Nested(Func<PathNode> read)
    {
        if (++_depth > MaxDepth)
            throw new PathSyntaxException($"it is nested more than {MaxDepth} levels deep", isTooComplex: true);
        PathNode node = read();
        _depth--;
        return node;
    }

    private bool TrySign(string sign)
    {
        if (Peek.Kind != TokenKind.Sign || Peek.Value != sign)
            return false;
        _next++;
        return true;
    }

    private void Require(string sign)
    {
        if (!TrySign(sign))
            throw Unexpected($"a '{sign}' is missing");
    }

    private PathSyntaxException Unexpected(string? missing = null) => new(
        Peek.Kind == TokenKind.End ? $"{missing ?? "something is missing"} at its end" : $"{missing ?? $"'{Peek.Value}' does not fit"} at character {Peek.Start + 1}");
}
