using System.Net;
using System.Security;
using System.Security.Cryptography;
using System.Text;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>The keys of a configuration: given as SecureStrings, or random.</summary>
internal static class AnonymizationKey
{
    private const int MinLength = 16;
    private const int Bytes = 32;
    private const string Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    /// <summary>The text of a key of cryptoHash or dateShift; where none is given, 256 random bits in hexadecimal.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.KeyTooShort</c>.</exception>
    public static string Text(SecureString? given)
    {
        if (given is null) return Convert.ToHexString(RandomNumberGenerator.GetBytes(Bytes)).ToLowerInvariant();
        string key = new NetworkCredential("", given).Password;
        return key.Trim().Length >= MinLength ? key
            : throw new FhirDeidException("KeyTooShort", FhirDeidErrorCategory.InvalidArgument, $"The key has fewer than {MinLength} characters: hashes could be reversed by trying keys.",
                "Give a long random key, or none to have one made.");
    }

    /// <summary>The text of a key of encrypt, which the service takes as it stands for the bytes of an AES key; where none is given, 32 random letters and digits (190 bits).</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.EncryptKeySize</c>.</exception>
    public static string EncryptText(SecureString? given)
    {
        if (given is null) return RandomNumberGenerator.GetString(Letters, Bytes);
        string key = new NetworkCredential("", given).Password;
        return Encoding.UTF8.GetByteCount(key) is 16 or 24 or 32 ? key
            : throw new FhirDeidException("EncryptKeySize", FhirDeidErrorCategory.InvalidArgument, $"The key has {Encoding.UTF8.GetByteCount(key)} bytes in UTF-8; AES takes 16, 24 or 32.",
                "Give a random key of 32 letters and digits, or none to have one made.");
    }
}
