using System.Buffers.Binary;

namespace FhirDeid.Anonymization.Schema;

/// <summary>A UTF-8 name in a form that compares and hashes in a few instructions: two names of up to sixteen bytes are equal where their keys are.</summary>
/// <param name="Head">Its first eight bytes; of shorter names the first four, two or one.</param>
/// <param name="Tail">Its last bytes, as many.</param>
/// <param name="Length">Its length in bytes.</param>
internal readonly record struct NameKey(ulong Head, ulong Tail, int Length)
{
    /// <summary>Whether longer names need to be compared themselves.</summary>
    public bool IsWhole => Length <= 16;

    public static NameKey Of(ReadOnlySpan<byte> name) => name.Length switch
    {
        >= 8 => new(BinaryPrimitives.ReadUInt64LittleEndian(name), BinaryPrimitives.ReadUInt64LittleEndian(name[^8..]), name.Length),
        >= 4 => new(BinaryPrimitives.ReadUInt32LittleEndian(name), BinaryPrimitives.ReadUInt32LittleEndian(name[^4..]), name.Length),
        >= 2 => new(BinaryPrimitives.ReadUInt16LittleEndian(name), BinaryPrimitives.ReadUInt16LittleEndian(name[^2..]), name.Length),
        1 => new(name[0], name[0], 1),
        _ => default,
    };

    /// <summary>One of a number of buckets.</summary>
    /// <param name="bits">The number of buckets is two to this power.</param>
    public int Bucket(int bits) => (int)((Head * 0x9E3779B97F4A7C15 ^ Tail * 0xC2B2AE3D27D4EB4F) >> (64 - bits));
}
