using System.Text.Json;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Engine;

/// <summary>Third walk: writes what was decided, copying whole subtrees where nothing in them changed. Iterative.</summary>
internal sealed class WriteWalk
{
    private Frame[] _frames = new Frame[32];
    private int _depth;

    private enum Role : byte
    {
        Other,
        /// <summary>The resource itself: gets a meta at its end where it has none.</summary>
        Resource,
        /// <summary>The meta of a resource that gets labels.</summary>
        Meta,
        /// <summary>The security of that meta.</summary>
        Security,
    }

    private struct Frame
    {
        public int Token;

        /// <summary>The next part to write.</summary>
        public int Cursor;

        /// <summary>The part of the other half at the same position, for an array of twins.</summary>
        public int TwinCursor;

        public bool NeedsComma;

        public Role Role;

        /// <summary>Labels that still have to be written here.</summary>
        public Operations Labels;
    }

    /// <summary>Writes a decided resource.</summary>
    public void Run(ReadOnlySpan<byte> json, Span<Token> tokens, DecideWalk decided, Arena output)
    {
        _depth = 0;
        if (tokens[0].Action == TokenAction.Copy)
        {
            output.Append(json[tokens[0].Start..tokens[0].End]);
            return;
        }
        Open(tokens, 0, decided, output);
        WriteOpen(json, tokens, decided, output);
    }

    /// <summary>Writes one decided value of a resource.</summary>
    public void RunPart(ReadOnlySpan<byte> json, Span<Token> tokens, int index, DecideWalk decided, Arena output)
    {
        _depth = 0;
        Value(json, tokens, index, decided, output);
        WriteOpen(json, tokens, decided, output);
    }

    private void WriteOpen(ReadOnlySpan<byte> json, Span<Token> tokens, DecideWalk decided, Arena output)
    {
        while (_depth > 0)
        {
            ref Frame frame = ref _frames[_depth - 1];
            if (frame.Cursor >= tokens[frame.Token].Next)
            {
                Close(tokens, ref frame, output);
                continue;
            }
            int index = frame.Cursor;
            ref Token token = ref tokens[index];
            frame.Cursor = token.Next;
            if (tokens[frame.Token].Kind == JsonTokenType.StartArray)
                Item(json, tokens, index, ref frame, decided, output);
            else if (IsCopied(token) && !tokens[frame.Token].HasWhiteSpace)
                Copies(json, tokens, index, ref frame, output);
            else if (token.IsWritten || token.IsTwin && token.ArenaLength > 0)
                Property(json, tokens, index, ref frame, decided, output);
        }
    }

    private static bool IsCopied(in Token token) => token.Action == TokenAction.Copy && token.ArenaLength == 0 && !token.IsSingleInArray;

    /// <summary>Copies at once the properties from one on that stand side by side and stay as they are.</summary>
    private static void Copies(ReadOnlySpan<byte> json, Span<Token> tokens, int index, ref Frame frame, Arena output)
    {
        int last = index;
        for (int end = tokens[frame.Token].Next; frame.Cursor < end && IsCopied(tokens[frame.Cursor]); frame.Cursor = tokens[last].Next)
            last = frame.Cursor;
        Comma(ref frame, output);
        output.Append(json[(tokens[index].NameStart - 1)..tokens[last].End]);
    }

    private void Property(ReadOnlySpan<byte> json, Span<Token> tokens, int index, ref Frame frame, DecideWalk decided, Arena output)
    {
        ref Token token = ref tokens[index];
        if (token.IsTwin && token.ArenaLength > 0)
        {
            // A value that a substitute gave to a primitive without one.
            Comma(ref frame, output);
            output.Append((byte)'"');
            output.Append(token.Property!.Utf8Name);
            output.Append("\":"u8);
            output.Append(decided.Arena.Slice(token.ArenaStart, token.ArenaLength));
            if (!token.IsWritten)
                return;
        }
        Comma(ref frame, output);
        output.Append(json.Slice(token.NameStart - 1, token.NameLength + 2));
        output.Append((byte)':');
        if (token is { Kind: JsonTokenType.StartArray, Action: TokenAction.Descend } && token.Property is { IsPrimitive: true } && !token.IsTwin)
            Values(json, tokens, index, decided, output);
        else if (token.IsSingleInArray)
            Single(json, tokens, index, ref frame, decided, output);
        else
            Value(json, tokens, index, decided, output);
    }

    /// <summary>Writes the values of a repeating primitive; null where only the twin has an item.</summary>
    private static void Values(ReadOnlySpan<byte> json, Span<Token> tokens, int index, DecideWalk decided, Arena output)
    {
        bool needsComma = false;
        int twin = FirstItem(tokens, tokens[index].Twin);
        output.Append((byte)'[');
        for (int i = index + 1; i < tokens[index].Next || twin != 0; i++)
        {
            bool hasValue = i < tokens[index].Next && tokens[i].IsWritten;
            if (hasValue || twin != 0 && tokens[twin].IsWritten)
            {
                if (needsComma)
                    output.Append((byte)',');
                needsComma = true;
                if (hasValue)
                    Scalar(json, tokens[i], decided, output);
                else
                    output.Append("null"u8);
            }
            twin = NextItem(tokens, tokens[index].Twin, twin);
        }
        output.Append((byte)']');
    }

    /// <summary>Writes an item of an array of objects; in an array of twins, null where only the value has an item, be it one that a substitute has given.</summary>
    private void Item(ReadOnlySpan<byte> json, Span<Token> tokens, int index, ref Frame frame, DecideWalk decided, Arena output)
    {
        int value = frame.TwinCursor;
        frame.TwinCursor = NextItem(tokens, tokens[frame.Token].Twin, value);
        if (tokens[index].IsWritten)
        {
            Comma(ref frame, output);
            Value(json, tokens, index, decided, output);
        }
        else if (value != 0 && tokens[value].IsWritten || tokens[frame.Token] is { IsTwin: true, ArenaLength: > 0 } && !tokens[index].IsNothing(index))
        {
            Comma(ref frame, output);
            output.Append("null"u8);
        }
    }

    /// <summary>Writes a single value where FHIR has an array, as an array.</summary>
    private void Single(ReadOnlySpan<byte> json, Span<Token> tokens, int index, ref Frame frame, DecideWalk decided, Arena output)
    {
        output.Append((byte)'[');
        if (tokens[index].Kind == JsonTokenType.StartObject && tokens[index].Action == TokenAction.Descend)
        {
            Open(tokens, index, decided, output);
            return;
        }
        Value(json, tokens, index, decided, output);
        output.Append((byte)']');
    }

    private void Value(ReadOnlySpan<byte> json, Span<Token> tokens, int index, DecideWalk decided, Arena output)
    {
        if (tokens[index].Action == TokenAction.Descend)
            Open(tokens, index, decided, output);
        else
            Scalar(json, tokens[index], decided, output);
    }

    private static void Scalar(ReadOnlySpan<byte> json, in Token token, DecideWalk decided, Arena output) =>
        output.Append(token.Action == TokenAction.Replace ? decided.Arena.Slice(token.ArenaStart, token.ArenaLength) : json[token.Start..token.End]);

    private void Open(Span<Token> tokens, int index, DecideWalk decided, Arena output)
    {
        ref Token token = ref tokens[index];
        output.Append(token.Kind == JsonTokenType.StartObject ? (byte)'{' : (byte)'[');
        Frame frame = new() { Token = index, Cursor = index + 1, TwinCursor = token.IsTwin ? FirstItem(tokens, token.Twin) : 0 };
        if (token.Kind == JsonTokenType.StartObject && (token.Property is null || token.Property.Type is null))
        {
            ref readonly ResourceContext resource = ref decided.Resources[token.Resource];
            if (resource is { NewLabels: not Operations.None, Meta: 0 })
                (frame.Role, frame.Labels) = (Role.Resource, resource.NewLabels);
        }
        else if (token.Kind == JsonTokenType.StartObject && token.Property!.Name == "meta" && decided.Resources[token.Resource] is { NewLabels: not Operations.None } labelled && labelled.Meta == index)
        {
            (frame.Role, frame.Labels) = (Role.Meta, labelled.NewLabels);
        }
        else if (_depth > 0 && _frames[_depth - 1] is { Role: Role.Meta } && token.Property is { Name: "security" })
        {
            (frame.Role, frame.Labels) = (Role.Security, _frames[_depth - 1].Labels);
            _frames[_depth - 1].Labels = Operations.None;
        }
        if (_depth == _frames.Length)
            Array.Resize(ref _frames, _depth * 2);
        _frames[_depth++] = frame;
    }

    private void Close(Span<Token> tokens, ref Frame frame, Arena output)
    {
        ref Token token = ref tokens[frame.Token];
        bool isArray = token.Kind == JsonTokenType.StartArray;
        // A twin with fewer items than its values goes on with nulls.
        for (int value = frame.TwinCursor; isArray && value != 0; value = NextItem(tokens, token.Twin, value))
        {
            if (!tokens[value].IsWritten)
                continue;
            Comma(ref frame, output);
            output.Append("null"u8);
        }
        if (token.IsSingleInArray)
            output.Append((byte)'}');
        if (frame.Labels != Operations.None)
        {
            Comma(ref frame, output);
            output.Append(frame.Role switch { Role.Resource => "\"meta\":{\"security\":["u8, Role.Meta => "\"security\":["u8, _ => default });
            Labels(frame.Labels, output);
            output.Append(frame.Role switch { Role.Resource => "]}"u8, Role.Meta => "]"u8, _ => default });
        }
        output.Append(isArray || token.IsSingleInArray ? (byte)']' : (byte)'}');
        _depth--;
    }

    private static void Labels(Operations labels, Arena output)
    {
        bool needsComma = false;
        foreach (SecurityLabel label in SecurityLabel.All)
        {
            if ((labels & label.Operation) == 0)
                continue;
            if (needsComma)
                output.Append((byte)',');
            needsComma = true;
            output.Append(label.Json);
        }
    }

    private static void Comma(ref Frame frame, Arena output)
    {
        if (frame.NeedsComma)
            output.Append((byte)',');
        frame.NeedsComma = true;
    }

    /// <summary>The first item of a half, or 0: a single value counts as one item.</summary>
    private static int FirstItem(Span<Token> tokens, int half)
    {
        if (half == 0)
            return 0;
        if (tokens[half].Kind != JsonTokenType.StartArray)
            return half;
        return half + 1 < tokens[half].Next ? half + 1 : 0;
    }

    private static int NextItem(Span<Token> tokens, int half, int item)
    {
        if (item == 0 || item == half)
            return 0;
        int next = tokens[item].Next;
        return next < tokens[half].Next ? next : 0;
    }
}
