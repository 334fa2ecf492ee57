using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Engine;

/// <summary>Moves numbers by even noise from a cryptographic generator.</summary>
internal static class Noise
{
    /// <summary>Writes a number with noise.</summary>
    /// <param name="text">The number as it is.</param>
    /// <param name="type">Its primitive type: whole numbers stay whole, a positiveInt is at least 1 and an unsignedInt at least 0.</param>
    /// <param name="settings">How far it moves.</param>
    /// <param name="arena">Receives the number, rounded half to even.</param>
    /// <returns>Whether the number with noise is within its type; nothing is written otherwise.</returns>
    public static bool TryWrite(ReadOnlySpan<byte> text, FhirType type, NoiseSettings settings, Arena arena)
    {
        PrimitiveReader.TryDecimal(text, out decimal value);
        double width = settings.IsProportional ? settings.Span * Math.Abs((double)value) : settings.Span;
        double noise = (Uniform() - 0.5) * width;
        bool isWhole = type.Syntax == PrimitiveSyntax.Integer;
        if (!(Math.Abs((double)value + noise) < (isWhole ? int.MaxValue : (double)decimal.MaxValue / 2)))
            return false;
        decimal moved = decimal.Round(value + (decimal)noise, isWhole ? 0 : settings.RoundTo, MidpointRounding.ToEven);
        moved = type.Name switch { "positiveInt" => Math.Max(moved, 1), "unsignedInt" => Math.Max(moved, 0), _ => moved };
        string digits = moved.ToString(CultureInfo.InvariantCulture);
        arena.Append(Encoding.ASCII.GetBytes(moved == 0 ? digits.TrimStart('-') : digits));
        return true;
    }

    /// <summary>A number in [0, 1) of 53 random bits.</summary>
    private static double Uniform()
    {
        Span<byte> bits = stackalloc byte[8];
        RandomNumberGenerator.Fill(bits);
        return (BitConverter.ToUInt64(bits) >> 11) * (1.0 / (1UL << 53));
    }
}
