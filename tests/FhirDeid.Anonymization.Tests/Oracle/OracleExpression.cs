using System.Globalization;
using System.Text.RegularExpressions;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Tests.Oracle;

/// <summary>A date, dateTime or instant as a value of FHIRPath: its text.</summary>
internal sealed record OracleDate(string Text)
{
    /// <summary>Before, same or after; null where the one is less precise than the other and they agree as far as it goes.</summary>
    public int? CompareTo(OracleDate other)
    {
        int[] left = Parts(), right = other.Parts();
        int different = Enumerable.Range(0, Math.Min(left.Length, right.Length)).FirstOrDefault(i => left[i] != right[i], -1);
        return different >= 0 ? left[different].CompareTo(right[different]) : left.Length == right.Length ? 0 : null;
    }

    /// <summary>Year, month, day; with a time in UTC also its parts.</summary>
    private int[] Parts()
    {
        if (!Text.Contains('T', StringComparison.Ordinal))
            return [.. Text.Split('-').Select(part => int.Parse(part, CultureInfo.InvariantCulture))];
        DateTime time = DateTimeOffset.Parse(Text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal).UtcDateTime;
        return [time.Year, time.Month, time.Day, time.Hour, time.Minute, time.Second * 1000 + time.Millisecond];
    }

    public override string ToString() => "@" + Text;
}

/// <summary>FHIRPath as a tree: <see cref="ToString"/> prints it for the configuration, <see cref="Evaluate"/> walks the oracle's nodes with it.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Name">Name of the element, function or operator.</param>
/// <param name="On">What it is applied to; null stands for <c>$this</c>.</param>
/// <param name="Arguments">Arguments of a function, or the right side of an operator.</param>
internal sealed record OracleExpression(OracleExpression.Form Kind, string Name, OracleExpression? On, params OracleExpression[] Arguments)
{
    public enum Form { This, Literal, Child, Index, Call, Operator }

    /// <summary>A string, boolean, decimal or <see cref="OracleDate"/>.</summary>
    public object? Value { get; private init; }

    public static OracleExpression This { get; } = new(Form.This, "$this", null);

    /// <summary>A literal; null is the empty collection.</summary>
    public static OracleExpression Of(object? value) => new(Form.Literal, "", null) { Value = value };

    public static OracleExpression Child(OracleExpression? on, string name) => new(Form.Child, name, on);

    public static OracleExpression At(OracleExpression on, int index) => new(Form.Index, index.ToString(CultureInfo.InvariantCulture), on);

    public static OracleExpression Call(OracleExpression? on, string name, params OracleExpression[] arguments) => new(Form.Call, name, on, arguments);

    public static OracleExpression Operator(OracleExpression left, string name, OracleExpression right) => new(Form.Operator, name, left, right);

    public override string ToString()
    {
        string on = On is null ? "" : On.Kind == Form.Operator ? $"({On})." : $"{On}.";
        return Kind switch
        {
            Form.Literal => Value switch
            {
                string text => "'" + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal) + "'",
                bool boolean => boolean ? "true" : "false",
                null => "{}",
                _ => string.Create(CultureInfo.InvariantCulture, $"{Value}"),
            },
            Form.Index => $"{on.TrimEnd('.')}[{Name}]",
            Form.Call => $"{on}{Name}({string.Join(", ", Arguments.Select(argument => argument.ToString()))})",
            Form.Operator => $"{Operand(On!)} {Name} {Operand(Arguments[0])}",
            _ => on + Name,
        };
    }

    private static string Operand(OracleExpression side) => side.Kind == Form.Operator ? $"({side})" : side.ToString();

    /// <summary>Whether it yields true, and not false or nothing.</summary>
    public bool IsTrue(object focus) => Truth(Evaluate(focus)) is true;

    /// <summary>The items that it yields: nodes and values.</summary>
    public List<object> Evaluate(object focus) => Kind switch
    {
        Form.This => [focus],
        Form.Literal => Value is null ? [] : [Value],
        Form.Child when On is null && char.IsUpper(Name[0]) => focus is OracleNode { IsResource: true } node && (Name is "Resource" or "DomainResource" || Name == node.Type.Name) ? [focus] : [],
        Form.Child => [.. Nodes(Input(focus)).SelectMany(node => node.Children.Where(child => child.Name == Name))],
        Form.Index => [.. Input(focus).Skip(int.Parse(Name, CultureInfo.InvariantCulture)).Take(1)],
        Form.Operator => Operate(focus),
        _ => Invoke(Input(focus), focus),
    };

    private List<object> Input(object focus) => On?.Evaluate(focus) ?? [focus];

    private static IEnumerable<OracleNode> Nodes(IEnumerable<object> items) => items.OfType<OracleNode>();

    private List<object> Invoke(List<object> input, object focus)
    {
        switch (Name)
        {
            case "where":
                return [.. input.Where(Arguments[0].IsTrue)];
            case "select":
                return [.. input.SelectMany(Arguments[0].Evaluate)];
            case "exists":
                return [Arguments.Length == 0 ? input.Count > 0 : input.Any(Arguments[0].IsTrue)];
            case "all":
                bool? first = input.Select(item => Truth(Arguments[0].Evaluate(item))).FirstOrDefault(truth => truth is not true, true);
                return first is { } all ? [all] : [];
            case "empty":
                return [input.Count == 0];
            case "count":
                return [(decimal)input.Count];
            case "not":
                return Truth(input) is { } truth ? [!truth] : [];
            case "first":
                return [.. input.Take(1)];
            case "last":
                return [.. input.TakeLast(1)];
            case "tail":
                return [.. input.Skip(1)];
            case "skip":
                return [.. input.Skip((int)(decimal)Arguments[0].Value!)];
            case "take":
                return [.. input.Take((int)(decimal)Arguments[0].Value!)];
            case "ofType" or "as":
                return [.. Nodes(input).Where(node => node.Type.Name == Arguments[0].Name)];
            case "is":
                return Is(input, Arguments[0].Name);
            case "extension":
                return [.. Nodes(input).SelectMany(node => node.Children).Where(node => node.Name == "extension" && node.Children.Any(c => c.Name == "url" && ValueOf(c) is string url && url.Equals(Arguments[0].Value)))];
            case "children":
                return [.. Nodes(input).SelectMany(node => node.Children)];
            case "descendants":
                return [.. Nodes(input).SelectMany(node => node.SelfAndBelow().Skip(1))];
            case "repeat":
                return Repeat(input);
            case "nodesByType":
                return [.. Nodes(input).SelectMany(node => node.SelfAndBelowInResource()).Where(node => node.Type.Name.Equals(Arguments[0].Value))];
            case "nodesByName":
                return [.. Nodes(input).SelectMany(node => node.SelfAndBelowInResource()).Where(node => node.Name.Equals(Arguments[0].Value))];
        }
        if (input.Count != 1)
            return [];
        return OnText(Text(input[0]), focus) is { } result ? [result] : [];
    }

    /// <summary>Functions of a string: nothing where the string or an argument is missing.</summary>
    private object? OnText(string? text, object focus)
    {
        object[] arguments = [.. Arguments.SelectMany(argument => argument.Evaluate(focus)).Select(item => ValueOf(item)!)];
        if (text is null || arguments.Length < Arguments.Length)
            return null;
        string first = arguments.FirstOrDefault() as string ?? "";
        return Name switch
        {
            "startsWith" => text.StartsWith(first, StringComparison.Ordinal),
            "endsWith" => text.EndsWith(first, StringComparison.Ordinal),
            "contains" => text.Contains(first, StringComparison.Ordinal),
            "matches" => Regex.IsMatch(text, first),
            "replaceMatches" => Regex.Replace(text, first, (string)arguments[1]),
            "replace" => text.Replace(first, (string)arguments[1], StringComparison.Ordinal),
            "length" => (decimal)text.Length,
            "indexOf" => (decimal)text.IndexOf(first, StringComparison.Ordinal),
            "upper" => text.ToUpperInvariant(),
            "lower" => text.ToLowerInvariant(),
            "substring" => Substring(text, (int)(decimal)arguments[0], arguments.Length > 1 ? (int)(decimal)arguments[1] : text.Length),
            "toString" => text,
            "toInteger" => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) ? (decimal)number : null,
            _ => throw new NotSupportedException(Name),
        };
    }

    private static string? Substring(string text, int start, int length) =>
        start < 0 || start >= text.Length ? null : text.Substring(start, Math.Min(length, text.Length - start));

    private List<object> Repeat(List<object> input)
    {
        List<object> all = [], next = input;
        while (next.Count > 0)
        {
            next = [.. next.SelectMany(Arguments[0].Evaluate).Except(all).Distinct()];
            all.AddRange(next);
        }
        return all;
    }

    private List<object> Operate(object focus)
    {
        List<object> left = On!.Evaluate(focus);
        if (Name is "is")
            return Is(left, Arguments[0].Name);
        if (Name is "as")
            return [.. Nodes(left).Where(node => node.Type.Name == Arguments[0].Name)];
        List<object> right = Arguments[0].Evaluate(focus);
        switch (Name)
        {
            case "|":
                return [.. left.Union(right)];
            case "and":
                return Truth(left) is false || Truth(right) is false ? [false] : Truth(left) is null || Truth(right) is null ? [] : [true];
            case "or":
                return Truth(left) is true || Truth(right) is true ? [true] : Truth(left) is null || Truth(right) is null ? [] : [false];
            case "in":
                return left.Count == 0 ? [] : [right.Any(item => Same(left[0], item) is true)];
            case "contains":
                return right.Count == 0 ? [] : [left.Any(item => Same(item, right[0]) is true)];
            case "=" or "!=":
                return Equal(left, right) is { } equal ? [equal == (Name == "=")] : [];
        }
        if (left.Count != 1 || right.Count != 1)
            return [];
        return (ValueOf(left[0]), ValueOf(right[0])) switch
        {
            (decimal a, decimal b) => Name switch { "+" => [a + b], "-" => [a - b], "*" => [a * b], "div" => [decimal.Truncate(a / b)], _ => Ordered(a.CompareTo(b)) },
            (string a, string b) => Name == "+" ? [a + b] : Ordered(string.CompareOrdinal(a, b)),
            (OracleDate a, OracleDate b) => a.CompareTo(b) is { } order ? Ordered(order) : [],
            (null, _) or (_, null) => [],
            _ => throw new InvalidOperationException($"{Name} compares values of one type"),
        };
    }

    private List<object> Ordered(int order) => [Name switch { "<" => order < 0, "<=" => order <= 0, ">" => order > 0, ">=" => order >= 0, _ => throw new NotSupportedException(Name) }];

    private static bool? Equal(List<object> left, List<object> right)
    {
        if (left.Count == 0 || right.Count == 0)
            return null;
        if (left.Count != right.Count)
            return false;
        bool?[] same = [.. left.Zip(right, Same)];
        return same.Contains(false) ? false : same.Contains(null) ? null : true;
    }

    /// <summary>A node without a value, emptied by an earlier rule, equals no value.</summary>
    private static bool? Same(object left, object right) => (ValueOf(left), ValueOf(right)) switch
    {
        (OracleDate a, OracleDate b) => a.CompareTo(b) is { } order ? order == 0 : null,
        ({ } a, { } b) => a.Equals(b),
        _ => false,
    };

    /// <summary>Nothing is unknown; anything that is no boolean counts as true, as in the service.</summary>
    private static bool? Truth(List<object> items) => items.Count == 0 ? null : items is not [var item] || ValueOf(item) is not false;

    private static List<object> Is(List<object> items, string type) => items is [var item] ? [item is OracleNode node && node.Type.Name == type] : [];

    private static object? ValueOf(object item)
    {
        if (item is not OracleNode node)
            return item;
        if (node.Value is null)
            return null;
        string text = node.Value.ToString();
        return node.Type.Syntax switch
        {
            PrimitiveSyntax.Boolean => text == "true",
            PrimitiveSyntax.Integer or PrimitiveSyntax.Decimal => decimal.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture),
            PrimitiveSyntax.Date or PrimitiveSyntax.DateTime => new OracleDate(text),
            _ => text,
        };
    }

    /// <summary>The text of a value, as toString() gives it.</summary>
    public static string? Text(object item) => ValueOf(item) switch
    {
        null => null,
        OracleDate date => date.Text,
        bool boolean => boolean ? "true" : "false",
        var value => string.Create(CultureInfo.InvariantCulture, $"{value}"),
    };
}
