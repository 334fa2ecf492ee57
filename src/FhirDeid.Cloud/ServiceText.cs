using System.Text.RegularExpressions;

namespace FhirDeid.Cloud;

/// <summary>Text that another program wrote, made fit for an error message.</summary>
internal static partial class ServiceText
{
    private const int MaxLength = 500;

    /// <summary>One line of at most 500 characters, without queries of URLs (they can hold a SAS), tokens, keys, or what follows a failed anonymization (it can hold the resource).</summary>
    public static string OneLine(string? text)
    {
        string line = AnonymizationFailure().Replace(text ?? "", "$1");
        line = Query().Replace(line, "$1");
        line = Token().Replace(line, "(token)");
        line = Secret().Replace(line, "$1=(secret)");
        line = Space().Replace(line, " ").Trim();
        return line.Length <= MaxLength ? line : string.Concat(line.AsSpan(0, MaxLength - 1), "…");
    }

    [GeneratedRegex(@"(Failed to anonymize resource\.).*", RegexOptions.Singleline)]
    private static partial Regex AnonymizationFailure();

    [GeneratedRegex(@"(https?://[^\s?""'<>]*)\?[^\s""'<>]*", RegexOptions.IgnoreCase)]
    private static partial Regex Query();

    [GeneratedRegex(@"\beyJ[\w-]+\.[\w-]+(\.[\w-]*)*")]
    private static partial Regex Token();

    [GeneratedRegex(@"\b(sig|AccountKey|SharedAccessKey|SharedAccessSignature)=[^\s;""'<>]+", RegexOptions.IgnoreCase)]
    private static partial Regex Secret();

    [GeneratedRegex(@"[\s\p{C}]+")]
    private static partial Regex Space();
}
