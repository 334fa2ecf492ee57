using System.Buffers.Binary;
using System.Numerics;

namespace FhirDeid.Anonymization.Engine;

/// <summary>Hashes of the texts of late, as hex: most ids and references come again.</summary>
/// <remarks>Entries stand in the order in which their texts came, so that those of one patient are close together; when there is no room left, all are forgotten.</remarks>
internal sealed class HashTable
{
    /// <summary>Longer texts are not kept; ids have 64 characters at the most.</summary>
    public const int LongestText = 64;

    private const int HexLength = 64;
    private const int Size = 8 << 20;

    /// <summary>For each value of <see cref="Slot"/>, where the latest of its entries starts; 0 for none.</summary>
    private readonly int[] _starts = new int[1 << 16];

    /// <summary>Length of the text, the text, its hash.</summary>
    private readonly byte[] _entries = new byte[Size];

    private int _end = 1;

    /// <summary>Finds the hash of a text.</summary>
    /// <param name="text">Up to <see cref="LongestText"/> bytes.</param>
    /// <param name="hex">Receives the hash.</param>
    public bool TryGet(ReadOnlySpan<byte> text, Span<byte> hex)
    {
        int start = _starts[Slot(text)];
        if (start == 0 || _entries[start] != text.Length || !_entries.AsSpan(start + 1, text.Length).SequenceEqual(text))
            return false;
        _entries.AsSpan(start + 1 + text.Length, HexLength).CopyTo(hex);
        return true;
    }

    /// <summary>Keeps the hash of a text.</summary>
    /// <param name="text">Up to <see cref="LongestText"/> bytes.</param>
    /// <param name="hex">The hash.</param>
    public void Add(ReadOnlySpan<byte> text, ReadOnlySpan<byte> hex)
    {
        if (Size - _end < 1 + text.Length + HexLength)
        {
            Array.Clear(_starts);
            _end = 1;
        }
        _starts[Slot(text)] = _end;
        _entries[_end++] = (byte)text.Length;
        text.CopyTo(_entries.AsSpan(_end));
        _end += text.Length;
        hex.CopyTo(_entries.AsSpan(_end));
        _end += HexLength;
    }

    /// <summary>A hash of eight bytes at a time.</summary>
    private static ushort Slot(ReadOnlySpan<byte> text)
    {
        const ulong Factor = 0x9E3779B97F4A7C15;
        ulong hash = (ulong)text.Length;
        for (; text.Length >= sizeof(ulong); text = text[sizeof(ulong)..])
            hash = (BitOperations.RotateLeft(hash, 29) ^ BinaryPrimitives.ReadUInt64LittleEndian(text)) * Factor;
        foreach (byte b in text)
            hash = (hash ^ b) * Factor;
        return (ushort)(hash >> 48);
    }
}
