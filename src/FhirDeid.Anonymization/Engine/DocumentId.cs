using System.Text.Json;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Plan;

namespace FhirDeid.Anonymization.Engine;

/// <summary>The id of the outermost resource, as rules see it: as it came until its own rule has run, then as that rule left it.</summary>
internal sealed class DocumentId
{
    private readonly Arena _before = new();
    private readonly Arena _after = new();
    private int _changedBy;

    /// <summary>Reads the id of a document.</summary>
    public void Read(ReadOnlySpan<byte> json, Span<Token> tokens, AnonymizationPlan plan, PlanState root, CryptoHash hash, PrimitiveReader primitives)
    {
        _before.Clear();
        _after.Clear();
        _changedBy = int.MaxValue;
        for (int i = 1; i < tokens[0].Next; i = tokens[i].Next)
        {
            if (tokens[i].Kind == JsonTokenType.String && json.Slice(tokens[i].NameStart, tokens[i].NameLength).SequenceEqual("id"u8))
                _before.Append(primitives.Unescape(json, tokens[i]));
        }
        PlanState state = root.Child(plan, root.Type.Find("id"u8)!);
        if (state.DecidedBy.Rule < 0 || _before.Length == 0)
            return;
        ConfigurationRule rule = plan.Rule(state.DecidedBy);
        if (rule.Method == AnonymizationMethod.Keep)
            return;
        _changedBy = state.DecidedBy.Rule;
        if (rule.Method == AnonymizationMethod.CryptoHash)
            hash.WriteHex(_before.Slice(0, _before.Length), _after);
        else if (rule.Method == AnonymizationMethod.Substitute && rule.ReplaceWith is { } text)
            _after.Append(System.Text.Encoding.UTF8.GetBytes(text));
    }

    /// <summary>The id when a rule of the document runs; <see cref="int.MaxValue"/> for the rules of nested resources, which run after all of the document's.</summary>
    public ReadOnlySpan<byte> At(int rule) => _changedBy < rule ? _after.Slice(0, _after.Length) : _before.Slice(0, _before.Length);
}
