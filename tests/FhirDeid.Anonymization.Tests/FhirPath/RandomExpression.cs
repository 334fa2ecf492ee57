namespace FhirDeid.Anonymization.Tests.FhirPath;

/// <summary>Expressions about an element's children, made up from names, types and values that the data holds.</summary>
internal sealed class RandomExpression(Random random, string[] names, string[] types, string[] texts)
{
    private static readonly string[] Constants =
    [
        "1", "2", "10", "2.5", "10.50", "true", "false", "@1970-05-06", "@1970-05", "@2015", "@2015-02-07T13:28:17Z", "@2015-02-07T13:28:17.2-05:00", "@T10:30:00", "4 'mg'", "{}", "''", "'a'",
    ];

    /// <summary>An expression that leads to nodes.</summary>
    public string Path(int depth)
    {
        string path = depth > 0 && random.Next(12) == 0 ? $"({Path(depth - 1)} | {Path(depth - 1)})" : Name();
        for (int steps = random.Next(4); steps > 0; steps--)
            path += Step(depth);
        return path;
    }

    private string Name() => names[random.Next(names.Length)];

    private string Type() => types[random.Next(types.Length)];

    private string Text() => $"'{texts[random.Next(texts.Length)].Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";

    private string Step(int depth) => random.Next(depth > 0 ? 15 : 10) switch
    {
        < 4 => "." + Name(),
        4 => $"[{random.Next(3)}]",
        5 => $".skip({random.Next(-1, 3)})",
        6 => $".take({random.Next(-1, 3)})",
        7 => ".tail()",
        8 => $".ofType({Type()})",
        9 => random.Next(2) == 0 ? ".first()" : ".last()",
        10 => $".select({Path(depth - 1)})",
        11 => $".iif({Path(depth - 1)}.exists(), {Name()}, $this)",
        _ => $".where({Condition(depth - 1)})",
    };

    /// <summary>An expression that is true, false or empty.</summary>
    public string Condition(int depth) => random.Next(depth > 0 ? 17 : 11) switch
    {
        0 => Path(depth - 1),
        1 => $"{Path(depth - 1)}.exists()",
        2 => $"{Path(depth - 1)}.empty()",
        3 => $"$this is {Type()}",
        4 => $"{Value(depth)} {Pick("=", "!=", "~", "!~")} {Value(depth)}",
        5 => $"{Value(depth)} {Pick("<", "<=", ">", ">=")} {Value(depth)}",
        6 => $"{Text()} in {Path(depth - 1)}",
        7 => $"{Path(depth - 1)} = {Text()}",
        8 => $"{Path(depth - 1)}.{Pick("count() > 1", "isDistinct()", "allTrue()", "hasValue()", "not()", "convertsToInteger()", "convertsToDate()")}",
        9 => $"{Path(depth - 1)}.{Pick("startsWith", "endsWith", "contains", "matches")}({Text()})",
        10 => $"{Path(depth - 1)}.exists($index {Pick("=", "<")} {random.Next(3)})",
        11 => $"({Condition(depth - 1)}) {Pick("and", "or", "xor", "implies")} ({Condition(depth - 1)})",
        12 => $"({Condition(depth - 1)}).not()",
        13 => $"{Path(depth - 1)}.exists({Condition(depth - 1)})",
        14 => $"{Path(depth - 1)}.all({Condition(depth - 1)})",
        15 => $"{Path(depth - 1)}.{Pick("subsetOf", "supersetOf")}({Path(depth - 1)})",
        _ => $"{Value(depth - 1)} in ({Text()} | {Text()} | {Constants[random.Next(Constants.Length)]})",
    };

    /// <summary>An expression that gives a value or a few.</summary>
    public string Value(int depth) => random.Next(depth > 0 ? 9 : 4) switch
    {
        0 => Constants[random.Next(Constants.Length)],
        1 => Text(),
        2 or 3 => Path(depth - 1),
        4 => $"{Path(depth - 1)}.{Pick("count()", "first()", "length()", "upper()", "toString()", "toInteger()", "toDecimal()", "toDate()", "toDateTime()", "substring(1)", "substring(0, 2)", "indexOf('a')", "distinct().count()", "trim()")}",
        5 => $"({Value(depth - 1)} {Pick("+", "-", "*", "/", "div", "mod")} {Value(depth - 1)})",
        6 => $"{Path(depth - 1)}.{Pick("replace('a', 'b')", "replaceMatches('[0-9]', 'n')", "toBoolean()", "abs()", "round(1)", "floor()", "join('-')")}",
        7 => $"({Value(depth - 1)}).combine({Value(depth - 1)})",
        _ => $"({Path(depth - 1)}.{Pick("intersect", "exclude", "union")}({Path(depth - 1)})).count()",
    };

    private string Pick(params string[] choices) => choices[random.Next(choices.Length)];
}
