using System.Buffers.Text;
using System.Security.Cryptography;

namespace FhirDeid.Anonymization.Engine;

/// <summary>AES-CBC with PKCS#7 padding and a fresh IV a value, written as Base64(IV ‖ ciphertext): what the service writes, and what its own decryption reads.</summary>
internal sealed class Encryption : IDisposable
{
    private const int BlockSize = 16;

    private readonly Aes? _aes;
    private byte[] _buffer = new byte[256];

    /// <param name="key">16, 24 or 32 bytes; none where no rule encrypts.</param>
    public Encryption(byte[] key)
    {
        if (key.Length == 0)
            return;
        _aes = Aes.Create();
        _aes.Key = key;
    }

    /// <summary>Writes the encrypted value as a JSON string.</summary>
    public void WriteValue(ReadOnlySpan<byte> text, Arena arena)
    {
        int length = BlockSize + _aes!.GetCiphertextLengthCbc(text.Length);
        if (_buffer.Length < length)
            _buffer = new byte[length * 2];
        Span<byte> iv = _buffer.AsSpan(0, BlockSize);
        RandomNumberGenerator.Fill(iv);
        _aes.EncryptCbc(text, iv, _buffer.AsSpan(BlockSize));
        arena.Append((byte)'"');
        Base64.EncodeToUtf8(_buffer.AsSpan(0, length), arena.GetSpan(Base64.GetMaxEncodedToUtf8Length(length)), out _, out int written);
        arena.Advance(written);
        arena.Append((byte)'"');
    }

    public void Dispose() => _aes?.Dispose();
}
