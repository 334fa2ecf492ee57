using System.Runtime.CompilerServices;
using System.Text;

namespace FhirDeid.Anonymization.Bulk;

/// <summary>The resources of a file, one after the other, for those who look at data and write none. What it takes for a resource, and what it refuses, is the same as for <see cref="ResourceStream"/>.</summary>
internal static class ResourceFile
{
    private const int FirstSize = 64 * 1024;

    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <inheritdoc cref="IAnonymizationAnalysis.ReadAsync"/>
    public static async IAsyncEnumerable<FhirResourceText> ReadAsync(string path, [EnumeratorCancellation] CancellationToken cancellation)
    {
        InputFile file = new(path, Path.GetFileName(path));
        DataFormat format = DataFormat.Of(path);
        await using Stream packed = await file.OpenAsync(cancellation);
        await using Stream source = format.IsPacked ? new GzipReader(packed) : packed;
        byte[] buffer = new byte[FirstSize];
        int start = 0, end = 0, searched = 0;
        bool hasEnded = false;
        for (long line = 1; !hasEnded || start < end || format.IsSingle; line++)
        {
            int newline;
            while ((newline = format.IsSingle ? -1 : buffer.AsSpan(searched, end - searched).IndexOf((byte)'\n')) < 0 && !hasEnded)
            {
                if (end - start > ResourceStream.MaxResourceSize)
                    throw ResourceStream.TooLarge(path, format.IsSingle ? 0 : line);
                buffer.AsSpan(start, end - start).CopyTo(buffer);
                (start, end) = (0, end - start);
                searched = end;
                if (end == buffer.Length)
                    Array.Resize(ref buffer, buffer.Length * 2);
                int read = await FillAsync(source, buffer.AsMemory(end), path, file, cancellation);
                hasEnded = read == 0;
                end += read;
            }
            if (line == 1)
                ResourceStream.RefuseOtherEncodings(path, buffer.AsSpan(start, end - start));
            int next = newline < 0 ? end : searched + newline + 1;
            ReadOnlyMemory<byte> json = Trim(buffer.AsMemory(start, next - start), line);
            start = searched = next;
            if (json.Length > ResourceStream.MaxResourceSize)
                throw ResourceStream.TooLarge(path, format.IsSingle ? 0 : line);
            if (!json.IsEmpty || format.IsSingle)
                yield return new FhirResourceText(path, format.IsSingle ? 0 : line, json);
            if (format.IsSingle)
                yield break;
        }
    }

    /// <summary>A resource that comes as text. Half of a surrogate pair becomes a byte that JSON does not have either.</summary>
    public static byte[] Bytes(string resource)
    {
        try
        {
            return s_utf8.GetBytes(resource);
        }
        catch (EncoderFallbackException)
        {
            return [0xFF];
        }
    }

    /// <summary>What is left of a line without its end and, at the start of a file, the byte order mark.</summary>
    public static ReadOnlyMemory<byte> Trim(ReadOnlyMemory<byte> line, long number)
    {
        if (number <= 1 && line.Span.StartsWith(Encoding.UTF8.Preamble))
            line = line[Encoding.UTF8.Preamble.Length..];
        ReadOnlySpan<byte> blank = " \t\r\n"u8;
        int start = line.Span.IndexOfAnyExcept(blank);
        return start < 0 ? default : line[start..(line.Span.LastIndexOfAnyExcept(blank) + 1)];
    }

    private static async Task<int> FillAsync(Stream source, Memory<byte> buffer, string path, InputFile file, CancellationToken cancellation)
    {
        try
        {
            return await source.ReadAsync(buffer, cancellation);
        }
        catch (InvalidDataException)
        {
            throw ResourceStream.NotWhole(path);
        }
        catch (Exception exception) when (file.Explain(exception, cancellation) is { } plain)
        {
            throw plain;
        }
    }
}
