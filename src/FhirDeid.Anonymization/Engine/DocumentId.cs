using System.Text.Json;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Plan;

namespace FhirDeid.Anonymization.Engine;

/// <summary>The id of the outermost resource, as rules see it: as it came until its own rule has run, then as that rule left it.</summary>
internal sealed class DocumentId
{
    private readonly Arena _before = new();
    private readonly Arena _after = new();

    /// <summary>Index of the rule that changes the id; <see cref="int.MaxValue"/> for none.</summary>
    public int ChangedBy { get; private set; }

    public ReadOnlySpan<byte> Before => _before.Slice(0, _before.Length);

    public ReadOnlySpan<byte> After => _after.Slice(0, _after.Length);

    /// <summary>Reads the id of a document.</summary>
    public void Read(ReadOnlySpan<byte> json, Span<Token> tokens, AnonymizationPlan plan, PlanState root, CryptoHash hash, PrimitiveReader primitives)
    {
        _before.Clear();
        _after.Clear();
        ChangedBy = int.MaxValue;
        for (int i = 1; i < tokens[0].Next; i = tokens[i].Next)
        {
            if (tokens[i].Kind == JsonTokenType.String && primitives.Name(json, tokens[i]).SequenceEqual("id"u8))
                _before.Append(primitives.Unescape(json, tokens[i]));
        }
        PlanState state = root.Child(plan, root.Type.Find("id"u8)!);
        if (state.DecidedBy.Rule < 0 || _before.Length == 0)
            return;
        ConfigurationRule rule = plan.Rule(state.DecidedBy);
        if (rule.Method == AnonymizationMethod.Keep)
            return;
        ChangedBy = state.DecidedBy.Rule;
        if (rule.Method == AnonymizationMethod.CryptoHash)
            hash.WriteHex(Before, _after);
        else if (rule.Method == AnonymizationMethod.Substitute && rule.ReplaceWith is { } text)
            _after.Append(System.Text.Encoding.UTF8.GetBytes(text));
    }
}
