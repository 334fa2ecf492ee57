using System.Runtime.CompilerServices;
using Hl7.Fhir.ElementModel.Types;
using DateTime = Hl7.Fhir.ElementModel.Types.DateTime;

namespace FhirDeid.Anonymization.FhirPath;

/// <summary>Quantities and their units, which the Firely SDK knows. Its assemblies load with the first quantity, and not before.</summary>
internal static class Quantities
{
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static FhirPathValue Of(decimal value, string? unit = null) => FhirPathValue.OfQuantity(new Quantity(value, unit));

    /// <param name="value">How many.</param>
    /// <param name="unit">year, month, week, day, hour, minute, second or millisecond.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static FhirPathValue OfDuration(decimal value, string unit) => FhirPathValue.OfQuantity(Quantity.ForCalendarDuration(value, unit));

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static FhirPathValue Parse(string text) => Quantity.TryParse(text, out Quantity? quantity) ? FhirPathValue.OfQuantity(quantity) : default;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool? AreEqual(object left, object right) => ((ICqlEquatable)left).IsEqualTo((Quantity)right);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool AreEquivalent(object left, object right) => ((ICqlEquatable)left).IsEquivalentTo((Quantity)right);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int? Compare(object left, object right) => ((ICqlOrderable)left).CompareTo((Quantity)right);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static FhirPathValue Negate(object value) => With((Quantity)value, -((Quantity)value).Value);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static FhirPathValue Abs(object value) => With((Quantity)value, Math.Abs(((Quantity)value).Value));

    private static FhirPathValue With(Quantity quantity, decimal value) => FhirPathValue.OfQuantity(new Quantity(value, quantity.Unit, quantity.System));

    /// <summary>Adds or subtracts quantities of one unit, multiplies or divides; none where the units do not allow it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static FhirPathValue Compute(string op, object left, object right)
    {
        Quantity l = (Quantity)left, r = (Quantity)right;
        return op switch
        {
            "+" or "-" when l.Unit == r.Unit => With(l, op == "+" ? l.Value + r.Value : l.Value - r.Value),
            "*" when r.Unit == Quantity.UCUM_UNIT => With(l, l.Value * r.Value),
            "*" when l.Unit == Quantity.UCUM_UNIT => With(r, l.Value * r.Value),
            "/" when r.Value != 0 && r.Unit == Quantity.UCUM_UNIT => With(l, l.Value / r.Value),
            "/" when r.Value != 0 && l.Unit == r.Unit => Of(l.Value / r.Value),
            _ => default,
        };
    }

    /// <summary>A date or date and time plus or minus a duration.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static FhirPathValue Shift(in FhirPathValue value, object duration, bool back)
    {
        Quantity quantity = (Quantity)duration;
        string shifted = value.Kind == FhirPathKind.Date
            ? (back ? Date.Parse(value.Text) - quantity : Date.Parse(value.Text) + quantity).ToString()
            : (back ? DateTime.Parse(value.Text) - quantity : DateTime.Parse(value.Text) + quantity).ToString();
        return FhirPathValue.OfCalendar(value.Kind, shifted);
    }
}
