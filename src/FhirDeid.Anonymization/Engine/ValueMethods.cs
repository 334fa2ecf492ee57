using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.FhirPath;
using FhirDeid.Anonymization.Plan;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Engine;

/// <summary>Where a value stands, and what the plan says of it.</summary>
/// <param name="Parent">Token of the object that holds it.</param>
/// <param name="ParentType">Type of that object.</param>
/// <param name="Property">Its element.</param>
/// <param name="State">Its state.</param>
/// <param name="Depth">How many resources are around the one it belongs to.</param>
internal readonly record struct ValuePlace(int Parent, FhirType ParentType, FhirProperty Property, PlanState State, int Depth);

/// <summary>The methods, applied to one value: each decides what is written for it.</summary>
internal sealed class ValueMethods(AnonymizationPlan plan, AnonymizationConfiguration configuration, byte[] scopeName, ConcurrentBag<HashTable> hashTables) : IDisposable
{
    private readonly Redaction _redaction = new(configuration);
    private readonly CryptoHash _hash = new(configuration.CryptoHashKey, hashTables);
    private readonly Encryption _encryption = new(configuration.EncryptKey);
    private readonly DateShift _dateShift = new(configuration, scopeName);
    private DateOnly _today;

    public PrimitiveReader Primitives { get; } = new();

    /// <summary>New values, as JSON.</summary>
    public Arena Arena { get; } = new();

    public void Dispose()
    {
        _hash.Dispose();
        _encryption.Dispose();
    }

    /// <summary>Begins a document.</summary>
    /// <param name="today">The day on which ages count.</param>
    public void Begin(DateOnly today)
    {
        _today = today;
        _dateShift.Begin();
    }

    /// <summary>Decides a value: its token says afterwards what is written for it and what was done.</summary>
    /// <exception cref="ResourceException">It does not parse for its type, or its rule fails on it.</exception>
    public void Decide(ReadOnlySpan<byte> json, Span<Token> tokens, int index, in ValuePlace place, CurrentTree tree)
    {
        ref Token token = ref tokens[index];
        PlanState state = place.State;
        token.IsDecided = true;
        bool isCanonical = Primitives.Read(json, token, state.Type, out ReadOnlySpan<byte> text, out FhirDate date);
        if (text.IsEmpty)
        {
            token.Action = TokenAction.Drop;
            return;
        }
        if (state.Method == AnonymizationMethod.Keep && isCanonical)
            return;
        int start = Arena.Length;
        bool isWritten = true;
        bool isKept = false;
        switch (state.Method)
        {
            case AnonymizationMethod.Keep:
                isKept = true;
                break;
            case AnonymizationMethod.Redact:
                isWritten = Redact(json, tokens, text, date, ref token, place, out isKept);
                break;
            case AnonymizationMethod.CryptoHash when state.Type.Syntax == PrimitiveSyntax.Text:
                token.Operation = Operations.CryptoHash;
                if (place.ParentType.Name == "Reference" && place.Property.Name == "reference")
                    _hash.WriteReference(text, Arena);
                else
                    _hash.WriteValue(text, Arena);
                break;
            case AnonymizationMethod.DateShift:
                isWritten = Shift(json, tokens, date, ref token, place, tree, ref start);
                break;
            case AnonymizationMethod.Substitute:
                token.Operation = Operations.Substitute;
                isWritten = TrySubstitute(state);
                break;
            case AnonymizationMethod.Encrypt when state.Type.Syntax == PrimitiveSyntax.Text:
                token.Operation = Operations.Encrypt;
                _encryption.WriteValue(CryptoHash.Trim(text), Arena);
                break;
            case AnonymizationMethod.Perturb when state.DecidedBy.BelowQuantity > 1 || state.DecidedBy.HoldsAll && place.Property.Name != "value":
                isKept = true;
                break;
            case AnonymizationMethod.Perturb:
                token.Operation = Operations.Perturb;
                isWritten = Noise.TryWrite(text, state.Type, plan.Rule(state.DecidedBy).Noise!, Arena);
                break;
            case AnonymizationMethod.Generalize:
                token.Operation = Operations.Generalize;
                isWritten = state.IsMatched && TryGeneralize(json, index, place, tree, ref start, out isKept);
                break;
            case AnonymizationMethod.CryptoHash or AnonymizationMethod.Encrypt:
                // No boolean, number or date can hold a hash or a cipher text: the value goes.
                token.Operation = Operations.Redact;
                isWritten = false;
                break;
        }
        if (isKept && !isCanonical)
            PrimitiveReader.WriteCanonical(Primitives.Text(json, token), state.Type, Arena);
        token.Action = !isWritten ? TokenAction.Drop : isKept && isCanonical ? TokenAction.Copy : TokenAction.Replace;
        token.ArenaStart = start;
        token.ArenaLength = Arena.Length - start;
    }

    /// <summary>The state of a node: perturb leaves a Quantity without a number to the rules after it.</summary>
    public PlanState Acting(ReadOnlySpan<byte> json, ReadOnlySpan<Token> tokens, int index, PlanState state)
    {
        if (!AnonymizationPlan.IsPerturbedQuantity(state))
            return state;
        for (int i = index + 1; i < tokens[index].Next; i = tokens[i].Next)
        {
            if (tokens[i].Kind is JsonTokenType.Number or JsonTokenType.String && Primitives.Name(json, tokens[i]).SequenceEqual("value"u8))
                return state;
        }
        return state.WithoutPerturb(plan);
    }

    /// <summary>Writes the replacement that the rule gives. What lies below the node that the rule names is removed, and so is a value of a type that the replacement does not fit.</summary>
    public bool TrySubstitute(PlanState state)
    {
        if (!state.IsMatched || plan.Rule(state.DecidedBy).ReplaceWith is not { Length: > 0 } text || !PrimitiveReader.IsValid(text, state.Type))
            return false;
        PrimitiveReader.WriteValue(text, state.Type, Arena);
        return true;
    }

    /// <summary>Text of a decided value, without quotes and escapes; empty where nothing of it stays.</summary>
    public ReadOnlySpan<byte> DecidedText(ReadOnlySpan<byte> json, in Token token)
    {
        if (token.Action == TokenAction.Copy)
            return Primitives.Text(json, token);
        if (token.Action == TokenAction.Drop)
            return default;
        ReadOnlySpan<byte> value = Arena.Slice(token.ArenaStart, token.ArenaLength);
        if (value.IsEmpty || value[0] != '"')
            return value;
        return value.Contains((byte)'\\') ? Primitives.Unescape(value) : value[1..^1];
    }

    /// <summary>Redacts a value; returns whether anything of it stays.</summary>
    private bool Redact(ReadOnlySpan<byte> json, Span<Token> tokens, ReadOnlySpan<byte> text, FhirDate date, ref Token token, in ValuePlace place, out bool isKept)
    {
        isKept = false;
        string name = place.Property.Name;
        if (name == "postalCode" && _redaction.TryPostalCode(text, Arena))
        {
            token.Operation = Operations.Abstract;
            return true;
        }
        token.Operation = Operations.Redact;
        // An instant cannot be a year: one that a rule names goes, and meta.lastUpdated always; within a larger redacted element its year stays, as the service has it.
        if (place.State.Type.Name is "date" or "dateTime" || place.State is { Type.Name: "instant", IsMatched: false } && place.ParentType.Name != "Meta")
            return _redaction.TryYear(date, _today, Arena);
        if (place.ParentType.Name == "Age" && name is "value" or "unit" or "system" or "code")
            return isKept = KeepsAge(json, tokens, place.Parent, out bool isInYears) && (name == "value" || !isInYears && Redaction.IsUnit(name, Primitives.Text(json, token)));
        return false;
    }

    /// <summary>Shifts a date; returns whether anything of it stays. What has no day, or who is over 89, is redacted.</summary>
    private bool Shift(ReadOnlySpan<byte> json, Span<Token> tokens, FhirDate date, ref Token token, in ValuePlace place, CurrentTree tree, ref int start)
    {
        if (date.Day > 0 && !date.IsOver89(_today))
        {
            int days = _dateShift.Days ?? Days(json, tokens, place, tree);
            // To settle the id may have used the arena, and the place where a text with escapes stood.
            start = Arena.Length;
            if (DateShift.TryWrite(Primitives.Text(json, token), date, days, Arena))
            {
                token.Operation = Operations.Perturb;
                return true;
            }
        }
        token.Operation = Operations.Redact;
        return date.Day == 0 && _redaction.TryYear(date, _today, Arena);
    }

    /// <summary>Days by which dates of a document move under a rule: by the document's id, as the rules before have left it.</summary>
    private int Days(ReadOnlySpan<byte> json, Span<Token> tokens, in ValuePlace place, CurrentTree tree)
    {
        int id = tree.DocumentId(json, out ValuePlace idPlace);
        if (id == 0)
            return _dateShift.DaysFor([], isChanged: false);
        RuleReference changedBy = idPlace.State.DecidedBy;
        bool isOfDocument = place.Depth == place.State.DecidedBy.Hops;
        bool isChanged = idPlace.State.Method != AnonymizationMethod.Keep && (!isOfDocument || changedBy.Rule < place.State.DecidedBy.Rule);
        if (_dateShift.KnownDays(isChanged) is { } known)
            return known;
        if (!isChanged)
            return _dateShift.DaysFor(CryptoHash.Trim(Primitives.Unescape(json, tokens[id])), isChanged: false);
        if (!tokens[id].IsDecided)
            Decide(json, tokens, id, idPlace, tree);
        return _dateShift.DaysFor(DecidedText(json, tokens[id]), isChanged: true);
    }

    /// <summary>Writes what the first case that holds gives; a value of another type goes.</summary>
    private bool TryGeneralize(ReadOnlySpan<byte> json, int index, in ValuePlace place, CurrentTree tree, ref int start, out bool isKept)
    {
        PlanState state = place.State;
        using CurrentTree.Moment before = tree.At(json, place.Depth - state.DecidedBy.Hops, state.DecidedBy.Rule);
        TreeNode value = tree.Value(index, place);
        isKept = false;
        ConfigurationRule rule = plan.Rule(state.DecidedBy);
        try
        {
            foreach (GeneralizeCase @case in plan.Cases(state.DecidedBy))
            {
                if (!@case.Condition.IsTrue(value))
                    continue;
                if (!@case.Value.TrySingle(value, out FhirPathValue result) || result.Text is not { Length: > 0 } text || !PrimitiveReader.IsValid(text, state.Type))
                    return false;
                start = Arena.Length;
                PrimitiveReader.WriteValue(text, state.Type, Arena);
                return true;
            }
        }
        catch (FhirPathException exception)
        {
            throw new ResourceException($"a case of rule {rule.Number} fails: {exception.Message}", rule);
        }
        start = Arena.Length;
        return isKept = rule.KeepsOtherValues;
    }

    private bool KeepsAge(ReadOnlySpan<byte> json, Span<Token> tokens, int age, out bool isInYears)
    {
        ReadOnlySpan<byte> value = default;
        int unit = 0, code = 0;
        bool isMore = false;
        for (int i = age + 1; i < tokens[age].Next; i = tokens[i].Next)
        {
            ref Token token = ref tokens[i];
            ReadOnlySpan<byte> name = Primitives.Name(json, token);
            bool isString = token.Kind == JsonTokenType.String;
            if (name.SequenceEqual("value"u8))
                value = isString ? json[(token.Start + 1)..(token.End - 1)] : json[token.Start..token.End];
            else if (isString && name.SequenceEqual("unit"u8))
                unit = i;
            else if (isString && name.SequenceEqual("code"u8) && token.End - token.Start > 2)
                code = i;
            else if (isString && name.SequenceEqual("comparator"u8))
                isMore = Primitives.Unescape(json, token).StartsWith(">"u8);
        }
        int named = code != 0 ? code : unit;
        return _redaction.KeepsAge(value, named != 0 ? Primitives.Unescape(json, tokens[named]) : default, isMore, out isInYears);
    }
}
