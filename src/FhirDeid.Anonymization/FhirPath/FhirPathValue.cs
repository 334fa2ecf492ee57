using System.Globalization;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.FhirPath;

/// <summary>What a value is: a node of the data, or one of FHIRPath's System types.</summary>
internal enum FhirPathKind : byte
{
    None,
    Node,
    Boolean,
    Integer,
    Long,
    Decimal,
    String,
    Date,
    DateTime,
    Time,
    Quantity,
}

/// <summary>One item of a FHIRPath collection.</summary>
internal readonly struct FhirPathValue
{
    private readonly object? _reference;
    private readonly long _number;

    private FhirPathValue(FhirPathKind kind, object? reference, long number = 0)
    {
        Kind = kind;
        _reference = reference;
        _number = number;
    }

    public FhirPathKind Kind { get; }

    public IFhirPathNode? Node => Kind == FhirPathKind.Node ? (IFhirPathNode)_reference! : null;

    public bool Boolean => _number != 0;

    /// <summary>Value of an Integer or a Long.</summary>
    public long Integer => _number;

    /// <summary>Value of a number of any kind.</summary>
    public decimal Decimal => Kind == FhirPathKind.Decimal ? (decimal)_reference! : _number;

    /// <summary>The Firely SDK's quantity, for <see cref="Quantities"/>.</summary>
    public object Quantity => _reference!;

    /// <summary>The value as FHIR writes it: <c>true</c>, plain digits, a date with the precision that it has.</summary>
    public string Text => Kind switch
    {
        FhirPathKind.Boolean => Boolean ? "true" : "false",
        FhirPathKind.Integer or FhirPathKind.Long => _number.ToString(CultureInfo.InvariantCulture),
        FhirPathKind.Decimal => Decimal.ToString(CultureInfo.InvariantCulture),
        FhirPathKind.Quantity => _reference!.ToString()!,
        FhirPathKind.None or FhirPathKind.Node => "",
        _ => (string)_reference!,
    };

    /// <summary>The name that <c>is</c> and <c>ofType</c> compare, with its namespace.</summary>
    public bool Is(FhirPathType type) => Kind == FhirPathKind.Node ? type.IsFhir && Node!.Type.Name == type.Name : type.IsSystem && Kind.ToString() == type.Name;

    public static FhirPathValue Of(IFhirPathNode node) => new(FhirPathKind.Node, node);

    public static FhirPathValue Of(bool value) => new(FhirPathKind.Boolean, null, value ? 1 : 0);

    public static FhirPathValue Of(int value) => new(FhirPathKind.Integer, null, value);

    public static FhirPathValue OfLong(long value) => new(FhirPathKind.Long, null, value);

    public static FhirPathValue Of(decimal value) => new(FhirPathKind.Decimal, value);

    public static FhirPathValue Of(string value) => new(FhirPathKind.String, value);

    public static FhirPathValue OfQuantity(object quantity) => new(FhirPathKind.Quantity, quantity);

    /// <summary>A Date, DateTime or Time by its text, which must be one.</summary>
    public static FhirPathValue OfCalendar(FhirPathKind kind, string text) => new(kind, text);

    /// <summary>The System value of a primitive node, none where it has no value; any other item as it is.</summary>
    public FhirPathValue System
    {
        get
        {
            if (Kind != FhirPathKind.Node)
                return this;
            IFhirPathNode node = (IFhirPathNode)_reference!;
            PrimitiveSyntax syntax = node.Type.Syntax;
            if (syntax == PrimitiveSyntax.None)
                return this;
            if (node.Text is not { } text)
                return default;
            return syntax switch
            {
                PrimitiveSyntax.Text => Of(text),
                PrimitiveSyntax.Boolean => Of(text == "true"),
                PrimitiveSyntax.Integer => Of(int.Parse(text, CultureInfo.InvariantCulture)),
                PrimitiveSyntax.Decimal => Of(decimal.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture)),
                PrimitiveSyntax.Date => new(FhirPathKind.Date, text),
                PrimitiveSyntax.DateTime => new(FhirPathKind.DateTime, text),
                _ => new(FhirPathKind.Time, text),
            };
        }
    }

    /// <summary><see cref="System"/>, and the System quantity of a Quantity: none where that has no value.</summary>
    public FhirPathValue SystemOrQuantity
    {
        get
        {
            FhirPathValue value = System;
            return value.Node is { Type.Name: "Quantity" } node ? QuantityOf(node) : value;
        }
    }

    private static FhirPathValue QuantityOf(IFhirPathNode node)
    {
        FhirPathValue value = Child(node, "value"), code = Child(node, "code");
        return value.Kind == FhirPathKind.Decimal ? Quantities.Of(value.Decimal, code.Kind == FhirPathKind.String ? code.Text : null) : default;
    }

    private static FhirPathValue Child(IFhirPathNode node, string name)
    {
        List<IFhirPathNode> children = [];
        node.AddChildren(name, children);
        return children.Count == 1 ? Of(children[0]).System : default;
    }
}

/// <summary>A type named in an expression: <c>Patient</c>, <c>FHIR.string</c>, <c>System.String</c>; without a namespace either.</summary>
internal sealed class FhirPathType(string specifier)
{
    private readonly int _dot = specifier.LastIndexOf('.');

    public string Name { get; } = specifier[(specifier.LastIndexOf('.') + 1)..];

    public bool IsFhir => _dot < 0 || specifier.StartsWith("FHIR.", StringComparison.Ordinal) && _dot == 4;

    public bool IsSystem => _dot < 0 || specifier.StartsWith("System.", StringComparison.Ordinal) && _dot == 6;
}
