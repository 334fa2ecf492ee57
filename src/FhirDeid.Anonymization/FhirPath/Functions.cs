using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace FhirDeid.Anonymization.FhirPath;

/// <summary>exists(), empty(), count() and the rest that look at a collection as a whole.</summary>
internal sealed class CollectionStep(string name, Step focus, Step? criteria = null) : Step
{
    public override bool YieldsNodes => false;

    public override bool? Truth(in Scope scope) => name switch
    {
        "exists" when criteria is null => focus.Any(in scope),
        "empty" => !focus.Any(in scope),
        _ => base.Truth(in scope),
    };

    public override void Evaluate(in Scope scope, ValueList result)
    {
        ValueList items = scope.Evaluation.RentList();
        focus.Evaluate(in scope, items);
        if (Result(in scope, items) is { Kind: not FhirPathKind.None } value)
            result.Add(in value);
        scope.Evaluation.ReturnList(items);
    }

    private FhirPathValue Result(in Scope scope, ValueList items)
    {
        switch (name)
        {
            case "exists" when criteria is null:
                return FhirPathValue.Of(items.Count > 0);
            case "empty":
                return FhirPathValue.Of(items.Count == 0);
            case "count":
                return FhirPathValue.Of(items.Count);
            case "hasValue":
                return FhirPathValue.Of(items.Count == 1 && items[0].System.Kind is not (FhirPathKind.None or FhirPathKind.Node));
            case "not":
                if (items.Count > 1)
                    throw new FhirPathException("not() meets several items");
                return items.Count == 0 ? default : FhirPathValue.Of(items[0].System is { Kind: FhirPathKind.Boolean, Boolean: false });
            case "isDistinct":
                ValueSet seen = new();
                for (int i = 0; i < items.Count; i++)
                {
                    if (!seen.Add(in items[i]))
                        return FhirPathValue.Of(false);
                }
                return FhirPathValue.Of(true);
            case "allTrue":
                return FhirPathValue.Of(Count(items, true) == items.Count);
            case "allFalse":
                return FhirPathValue.Of(Count(items, false) == items.Count);
            case "anyTrue":
                return FhirPathValue.Of(Count(items, true) > 0);
            case "anyFalse":
                return FhirPathValue.Of(Count(items, false) > 0);
            case "all":
                for (int i = 0; i < items.Count; i++)
                {
                    Scope inner = scope.At(in items[i], i);
                    if (criteria!.Truth(in inner) is not true and var truth)
                        return truth is null ? default : FhirPathValue.Of(false);
                }
                return FhirPathValue.Of(true);
            default:
                for (int i = 0; i < items.Count; i++)
                {
                    Scope inner = scope.At(in items[i], i);
                    if (criteria!.Truth(in inner) == true)
                        return FhirPathValue.Of(true);
                }
                return FhirPathValue.Of(false);
        }
    }

    private static int Count(ValueList items, bool wanted)
    {
        int count = 0;
        for (int i = 0; i < items.Count; i++)
        {
            if (items[i].System is { Kind: FhirPathKind.Boolean } value && value.Boolean == wanted)
                count++;
        }
        return count;
    }
}

/// <summary>distinct(), intersect(), exclude(), subsetOf() and supersetOf(): by value.</summary>
internal sealed class SetStep(string name, Step focus, Step? other = null) : Step
{
    private bool _followsNodes;

    public override bool YieldsNodes => name is "distinct" or "intersect" or "exclude" && focus.YieldsNodes;

    public override void FollowNodes()
    {
        _followsNodes = true;
        focus.FollowNodes();
    }

    public override void Evaluate(in Scope scope, ValueList result)
    {
        ValueList items = scope.Evaluation.RentList(), others = scope.Evaluation.RentList();
        focus.Evaluate(in scope, items);
        other?.Evaluate(in scope, others);
        ValueSet set = new(), seen = new(_followsNodes);
        ValueList members = name == "supersetOf" ? items : others;
        for (int i = 0; i < members.Count; i++)
            set.Add(in members[i]);
        if (name is "subsetOf" or "supersetOf")
        {
            ValueList tested = name == "supersetOf" ? others : items;
            bool isSubset = true;
            for (int i = 0; i < tested.Count && isSubset; i++)
                isSubset = set.Contains(in tested[i]);
            result.Add(FhirPathValue.Of(isSubset));
        }
        else
        {
            for (int i = 0; i < items.Count; i++)
            {
                if (name == "exclude" ? !set.Contains(in items[i]) : (name == "distinct" || set.Contains(in items[i])) && seen.Add(in items[i]))
                    result.Add(in items[i]);
            }
        }
        scope.Evaluation.ReturnList(others);
        scope.Evaluation.ReturnList(items);
    }
}

/// <summary>A function of a single value, empty where that or an argument is empty.</summary>
internal sealed class FunctionStep(string name, Function function, Step focus, Step[] arguments) : Step
{
    public override bool YieldsNodes => false;

    public override void Evaluate(in Scope scope, ValueList result)
    {
        FhirPathValue value = focus.Single(in scope, name + "()");
        if (value.Kind == FhirPathKind.None)
            return;
        value = value.SystemOrQuantity;
        if (value.Kind == FhirPathKind.None && !name.StartsWith("converts", StringComparison.Ordinal))
            return;
        FhirPathValue first = default, second = default;
        if (arguments.Length > 0 && (first = arguments[0].Single(in scope, name + "()").System).Kind == FhirPathKind.None)
            return;
        // The length of a substring may be empty: then it is all the rest.
        if (arguments.Length > 1 && (second = arguments[1].Single(in scope, name + "()").System).Kind == FhirPathKind.None && name != "substring")
            return;
        function(value, first, second, result);
    }
}

/// <summary>Adds the result of a function of one value; nothing where it has none.</summary>
internal delegate void Function(FhirPathValue value, FhirPathValue first, FhirPathValue second, ValueList result);

/// <summary>indexOf() and lastIndexOf() of an item in a collection, and join().</summary>
internal sealed class CollectionFunctionStep(string name, Step focus, Step[] arguments) : Step
{
    public override bool YieldsNodes => false;

    public override void Evaluate(in Scope scope, ValueList result)
    {
        ValueList items = scope.Evaluation.RentList();
        focus.Evaluate(in scope, items);
        if (items.Count > 0)
        {
            if (name == "join")
                Join(in scope, items, result);
            else
                Find(in scope, items, result);
        }
        scope.Evaluation.ReturnList(items);
    }

    private void Join(in Scope scope, ValueList items, ValueList result)
    {
        string separator = "";
        if (arguments.Length > 0)
        {
            FhirPathValue argument = arguments[0].Single(in scope, "join()").System;
            if (argument.Kind == FhirPathKind.None)
                return;
            separator = Functions.Text(argument, "join");
        }
        StringBuilder text = new();
        bool isFirst = true;
        for (int i = 0; i < items.Count; i++)
        {
            if (items[i].System is not { Kind: not FhirPathKind.None } value)
                continue;
            text.Append(isFirst ? "" : separator).Append(Functions.Text(value, "join"));
            isFirst = false;
        }
        result.Add(FhirPathValue.Of(text.ToString()));
    }

    private void Find(in Scope scope, ValueList items, ValueList result)
    {
        FhirPathValue wanted = arguments[0].Single(in scope, name + "()");
        if (wanted.Kind == FhirPathKind.None)
            return;
        if (name == "indexOf" && arguments.Length == 1 && items.Count == 1)
        {
            if (items[0].System.Kind == FhirPathKind.None || wanted.System.Kind == FhirPathKind.None)
                return;
            if (items[0].System.Kind == FhirPathKind.String && wanted.System.Kind == FhirPathKind.String)
            {
                result.Add(FhirPathValue.Of(items[0].System.Text.IndexOf(wanted.System.Text, StringComparison.Ordinal)));
                return;
            }
        }
        long start = name == "indexOf" ? 0 : items.Count - 1;
        if (arguments.Length > 1 && !Functions.TryInteger(arguments[1], in scope, name, out start))
            return;
        int step = name == "indexOf" ? 1 : -1;
        int index = -1;
        for (long i = Math.Min(start, items.Count - (long)(step < 0 ? 1 : 0)); i >= 0 && i < items.Count && index < 0; i += step)
            index = Equality.AreEqual(in items[(int)i], in wanted) == true ? (int)i : -1;
        result.Add(FhirPathValue.Of(index));
    }
}

/// <summary>matches() and replaceMatches(). A constant pattern is compiled once.</summary>
internal sealed class MatchStep(string name, Step focus, Step pattern, Step? substitution) : Step
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(1);
    private readonly Regex? _regex = pattern is ConstantStep { Value.Kind: FhirPathKind.String } constant ? Constant(constant.Value.Text) : null;

    public override bool YieldsNodes => false;

    public override void Evaluate(in Scope scope, ValueList result)
    {
        FhirPathValue value = focus.Single(in scope, name + "()").System;
        FhirPathValue expression = pattern.Single(in scope, name + "()").System;
        FhirPathValue replacement = substitution?.Single(in scope, name + "()").System ?? default;
        if (value.Kind == FhirPathKind.None || expression.Kind == FhirPathKind.None || substitution is not null && replacement.Kind == FhirPathKind.None)
            return;
        string text = Functions.Text(value, name), regex = Functions.Text(expression, name);
        if (substitution is null)
            result.Add(FhirPathValue.Of(_regex?.IsMatch(text) ?? Regex.IsMatch(text, regex, RegexOptions.None, Timeout)));
        else
            result.Add(FhirPathValue.Of(_regex?.Replace(text, Functions.Text(replacement, name)) ?? Regex.Replace(text, regex, Functions.Text(replacement, name), RegexOptions.None, Timeout)));
    }

    private static Regex Constant(string pattern)
    {
        try
        {
            return new Regex(pattern, RegexOptions.NonBacktracking, Timeout);
        }
        catch (NotSupportedException)
        {
            // Lookarounds and references to groups need backtracking.
            return new Regex(pattern, RegexOptions.None, Timeout);
        }
    }
}

/// <summary>now(), today() and timeOfDay()</summary>
internal sealed class ClockStep(string name, TimeProvider clock) : Step
{
    public override bool YieldsNodes => false;

    public override void Evaluate(in Scope scope, ValueList result)
    {
        DateTimeOffset now = clock.GetLocalNow();
        result.Add(name switch
        {
            "today" => FhirPathValue.OfCalendar(FhirPathKind.Date, now.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)),
            "timeOfDay" => FhirPathValue.OfCalendar(FhirPathKind.Time, now.ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture)),
            _ => FhirPathValue.OfCalendar(FhirPathKind.DateTime, now.ToString("yyyy-MM-dd'T'HH:mm:ss.fffzzz", CultureInfo.InvariantCulture)),
        });
    }
}

/// <summary>The functions of a single value.</summary>
internal static class Functions
{
    /// <summary>Functions by name, with the fewest and most arguments.</summary>
    public static readonly IReadOnlyDictionary<string, (int Fewest, int Most, Function Function)> OfOneValue = new Dictionary<string, (int, int, Function)>(StringComparer.Ordinal)
    {
        ["upper"] = (0, 0, (v, _, _, r) => r.Add(FhirPathValue.Of(Text(v, "upper").ToUpperInvariant()))),
        ["lower"] = (0, 0, (v, _, _, r) => r.Add(FhirPathValue.Of(Text(v, "lower").ToLowerInvariant()))),
        ["trim"] = (0, 0, (v, _, _, r) => r.Add(FhirPathValue.Of(Text(v, "trim").Trim()))),
        ["length"] = (0, 0, (v, _, _, r) => r.Add(FhirPathValue.Of(Text(v, "length").Length))),
        ["toChars"] = (0, 0, (v, _, _, r) => { foreach (char c in Text(v, "toChars")) r.Add(FhirPathValue.Of(c.ToString())); }),
        ["startsWith"] = (1, 1, (v, a, _, r) => r.Add(FhirPathValue.Of(Text(v, "startsWith").StartsWith(Text(a, "startsWith"), StringComparison.Ordinal)))),
        ["endsWith"] = (1, 1, (v, a, _, r) => r.Add(FhirPathValue.Of(Text(v, "endsWith").EndsWith(Text(a, "endsWith"), StringComparison.Ordinal)))),
        ["contains"] = (1, 1, (v, a, _, r) => r.Add(FhirPathValue.Of(Text(v, "contains").Contains(Text(a, "contains"), StringComparison.Ordinal)))),
        ["substring"] = (1, 2, Substring),
        ["replace"] = (2, 2, Replace),
        ["split"] = (1, 1, (v, a, _, r) => { foreach (string part in Text(v, "split").Split(Text(a, "split"))) r.Add(FhirPathValue.Of(part)); }),
        ["encode"] = (1, 1, (v, a, _, r) => r.Add(FhirPathValue.Of(Encode(Text(v, "encode"), Text(a, "encode"))))),
        ["decode"] = (1, 1, (v, a, _, r) => r.Add(FhirPathValue.Of(Decode(Text(v, "decode"), Text(a, "decode"))))),
        ["escape"] = (1, 1, (v, a, _, r) => r.Add(FhirPathValue.Of(Escape(Text(v, "escape"), Text(a, "escape"))))),
        ["unescape"] = (1, 1, (v, a, _, r) => r.Add(FhirPathValue.Of(Unescape(Text(v, "unescape"), Text(a, "unescape"))))),

        ["abs"] = (0, 0, Abs),
        ["ceiling"] = (0, 0, (v, _, _, r) => r.Add(FhirPathValue.Of(Math.Ceiling(Number(v, "ceiling"))))),
        ["floor"] = (0, 0, (v, _, _, r) => r.Add(FhirPathValue.Of(Math.Floor(Number(v, "floor"))))),
        ["truncate"] = (0, 0, (v, _, _, r) => r.Add(FhirPathValue.Of(Math.Truncate(Number(v, "truncate"))))),
        ["round"] = (0, 1, (v, a, _, r) => r.Add(FhirPathValue.Of(Math.Round(Number(v, "round"), (int)(a.Kind == FhirPathKind.None ? 0 : Integer(a, "round")))))),
        ["exp"] = (0, 0, (v, _, _, r) => AddReal(Math.Exp((double)Number(v, "exp")), r)),
        ["ln"] = (0, 0, (v, _, _, r) => AddReal(Math.Log((double)Number(v, "ln")), r)),
        ["log"] = (1, 1, (v, a, _, r) => AddReal(Math.Log((double)Number(v, "log"), (double)Number(a, "log")), r)),
        ["power"] = (1, 1, (v, a, _, r) => AddReal(Math.Pow((double)Number(v, "power"), (double)Number(a, "power")), r)),
        ["sqrt"] = (0, 0, (v, _, _, r) => AddReal(Math.Sqrt((double)Number(v, "sqrt")), r)),

        ["comparable"] = (1, 1, (v, a, _, r) => r.Add(FhirPathValue.Of(v.Kind == FhirPathKind.Quantity && a.SystemOrQuantity is { Kind: FhirPathKind.Quantity } q && Quantities.Compare(v.Quantity, q.Quantity) is not null))),
        ["getValue"] = (0, 0, (v, _, _, r) => { if (v.Kind is not (FhirPathKind.None or FhirPathKind.Node or FhirPathKind.Quantity)) r.Add(v); }),
    };

    /// <summary>The types of toX() and convertsToX().</summary>
    public static readonly IReadOnlyDictionary<string, FhirPathKind> Conversions = new Dictionary<string, FhirPathKind>(StringComparer.Ordinal)
    {
        ["Boolean"] = FhirPathKind.Boolean, ["Integer"] = FhirPathKind.Integer, ["Long"] = FhirPathKind.Long, ["Decimal"] = FhirPathKind.Decimal,
        ["String"] = FhirPathKind.String, ["Date"] = FhirPathKind.Date, ["DateTime"] = FhirPathKind.DateTime, ["Time"] = FhirPathKind.Time, ["Quantity"] = FhirPathKind.Quantity,
    };

    public static Function Conversion(FhirPathKind kind, bool test) => (value, _, _, result) =>
    {
        if (value.Kind == FhirPathKind.Node)
            throw new FhirPathException($"a {value.Node!.Type.Name} cannot be converted");
        FhirPathValue converted = Convert(value, kind);
        if (test)
            result.Add(FhirPathValue.Of(converted.Kind != FhirPathKind.None));
        else if (converted.Kind != FhirPathKind.None)
            result.Add(in converted);
    };

    /// <summary>The text of an argument that must be a String.</summary>
    public static string Text(FhirPathValue value, string function) =>
        value.Kind == FhirPathKind.String ? value.Text : throw new FhirPathException($"{function}() needs a String, not a {Equality.NameOf(in value)}");

    private static decimal Number(FhirPathValue value, string function) => value.Kind is FhirPathKind.Integer or FhirPathKind.Long or FhirPathKind.Decimal
        ? value.Decimal : throw new FhirPathException($"{function}() needs a number, not a {Equality.NameOf(in value)}");

    private static long Integer(FhirPathValue value, string function) => value.Kind is FhirPathKind.Integer or FhirPathKind.Long
        ? value.Integer : throw new FhirPathException($"{function}() needs an Integer, not a {Equality.NameOf(in value)}");

    /// <summary>The Integer that an argument is; none where it is empty.</summary>
    public static bool TryInteger(Step argument, in Scope scope, string function, out long number)
    {
        FhirPathValue value = argument.Single(in scope, function).System;
        number = value.Kind == FhirPathKind.None ? 0 : Integer(value, function);
        return value.Kind != FhirPathKind.None;
    }

    private static void AddReal(double value, ValueList result)
    {
        if (double.IsFinite(value))
            result.Add(FhirPathValue.Of((decimal)value));
    }

    private static void Abs(FhirPathValue value, FhirPathValue first, FhirPathValue second, ValueList result) => result.Add(value.Kind == FhirPathKind.Quantity
        ? Quantities.Abs(value.Quantity)
        : FhirPathValue.Of(Math.Abs(Number(value, "abs"))));

    private static void Substring(FhirPathValue value, FhirPathValue start, FhirPathValue length, ValueList result)
    {
        string text = Text(value, "substring");
        long from = Integer(start, "substring"), count = length.Kind == FhirPathKind.None ? text.Length : Math.Max(Integer(length, "substring"), 0);
        if (from >= 0 && from < text.Length)
            result.Add(FhirPathValue.Of(text.Substring((int)from, (int)Math.Min(count, text.Length - from))));
    }

    private static void Replace(FhirPathValue value, FhirPathValue pattern, FhirPathValue substitution, ValueList result)
    {
        string text = Text(value, "replace"), find = Text(pattern, "replace"), by = Text(substitution, "replace");
        result.Add(FhirPathValue.Of(find.Length > 0 ? text.Replace(find, by, StringComparison.Ordinal) : by + string.Join(by, text.ToCharArray()) + by));
    }

    private static FhirPathValue Convert(FhirPathValue value, FhirPathKind kind)
    {
        string text = value.Text;
        bool isText = value.Kind == FhirPathKind.String, isNumber = value.Kind is FhirPathKind.Integer or FhirPathKind.Long or FhirPathKind.Decimal;
        bool isWhole = value.Kind is FhirPathKind.Boolean or FhirPathKind.Integer or FhirPathKind.Long;
        if (value.Kind == kind || value.Kind == FhirPathKind.None)
            return value;
        switch (kind)
        {
            case FhirPathKind.String:
                return FhirPathValue.Of(text);
            case FhirPathKind.Boolean when isNumber:
                return value.Decimal is 0 or 1 ? FhirPathValue.Of(value.Decimal == 1) : default;
            case FhirPathKind.Boolean when isText:
                return text.ToLowerInvariant() switch
                {
                    "true" or "t" or "yes" or "y" or "1" or "1.0" => FhirPathValue.Of(true),
                    "false" or "f" or "no" or "n" or "0" or "0.0" => FhirPathValue.Of(false),
                    _ => default,
                };
            case FhirPathKind.Integer when value.Kind == FhirPathKind.Boolean || isWhole && value.Integer is >= int.MinValue and <= int.MaxValue:
                return FhirPathValue.Of((int)value.Integer);
            case FhirPathKind.Integer when isText:
                return int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out int integer) ? FhirPathValue.Of(integer) : default;
            case FhirPathKind.Long when isWhole:
                return FhirPathValue.OfLong(value.Integer);
            case FhirPathKind.Long when isText:
                return long.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out long whole) ? FhirPathValue.OfLong(whole) : default;
            case FhirPathKind.Decimal when isWhole:
                return FhirPathValue.Of(value.Decimal);
            case FhirPathKind.Decimal when isText && !text.StartsWith('+') && !text.StartsWith('.') && !text.EndsWith('.'):
                return decimal.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out decimal number)
                    ? FhirPathValue.Of(number) : default;
            case FhirPathKind.Quantity when isNumber || value.Kind == FhirPathKind.Boolean:
                return Quantities.Of(value.Decimal);
            case FhirPathKind.Quantity when isText:
                return Quantities.Parse(text);
            case FhirPathKind.Date when value.Kind == FhirPathKind.DateTime:
                return FhirPathValue.OfCalendar(kind, text.Length > 10 ? text[..10] : text);
            case FhirPathKind.DateTime when value.Kind == FhirPathKind.Date:
            case FhirPathKind.Date or FhirPathKind.DateTime or FhirPathKind.Time when isText && CalendarValue.IsValid(kind, text):
                return FhirPathValue.OfCalendar(kind, text);
            default:
                return default;
        }
    }

    private static string Encode(string text, string encoding) => encoding switch
    {
        "base64" => System.Convert.ToBase64String(Encoding.UTF8.GetBytes(text)),
        "urlbase64" => System.Convert.ToBase64String(Encoding.UTF8.GetBytes(text)).Replace('+', '-').Replace('/', '_'),
        "hex" => System.Convert.ToHexString(Encoding.UTF8.GetBytes(text)).ToLowerInvariant(),
        _ => throw new FhirPathException("encode() knows base64, urlbase64 and hex"),
    };

    private static string Decode(string text, string encoding) => Encoding.UTF8.GetString(encoding switch
    {
        "base64" => System.Convert.FromBase64String(text),
        "urlbase64" => System.Convert.FromBase64String(text.Replace('_', '/').Replace('-', '+').TrimEnd('=') + new string('=', (4 - text.TrimEnd('=').Length % 4) % 4)),
        "hex" => System.Convert.FromHexString(text),
        _ => throw new FhirPathException("decode() knows base64, urlbase64 and hex"),
    });

    private static string Escape(string text, string target) => target switch
    {
        "html" => WebUtility.HtmlEncode(text),
        "json" => JsonEncodedText.Encode(text, System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping).Value,
        _ => throw new FhirPathException("escape() knows html and json"),
    };

    private static string Unescape(string text, string target) => target switch
    {
        "html" => WebUtility.HtmlDecode(text),
        "json" => Regex.Unescape(text),
        _ => throw new FhirPathException("unescape() knows html and json"),
    };
}
