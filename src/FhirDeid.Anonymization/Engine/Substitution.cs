using System.Text.Json;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.FhirPath;
using FhirDeid.Anonymization.Plan;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Engine;

/// <summary>Substitute on an element that is no primitive: writes what it gives, merged with what earlier rules have decided below the element.</summary>
internal sealed class Substitution(AnonymizationPlan plan, ValueMethods methods, CurrentTree tree, DecideWalk decided)
{
    private readonly WriteWalk _write = new();

    /// <summary>Settles an element whose parts are all decided.</summary>
    public void Write(ReadOnlySpan<byte> json, Span<Token> tokens, int index, PlanState state, int resource)
    {
        decided.Record(resource, state.DecidedBy, Operations.Substitute);
        int start = methods.Arena.Length;
        ref Token token = ref tokens[index];
        List<IFhirPathNode> removed = [];
        int depth = decided.Resources[resource].Depth;
        using CurrentTree.Moment before = tree.At(json, depth - state.DecidedBy.Hops, state.DecidedBy.Rule + 1);
        bool hasContent = TryWriteObject(json, tokens, tree.Element(index, state, depth), removed);
        token.Action = hasContent ? TokenAction.Replace : TokenAction.Drop;
        token.ArenaStart = start;
        token.ArenaLength = methods.Arena.Length - start;
        RecordRemoved(json, tokens, removed, state.DecidedBy, resource);
    }

    /// <summary>Notes what goes with the twin of a value that a substitute replaces.</summary>
    public void RecordTwin(ReadOnlySpan<byte> json, Span<Token> tokens, int index, PlanState state, int resource)
    {
        List<IFhirPathNode> removed = [];
        int depth = decided.Resources[resource].Depth;
        using CurrentTree.Moment before = tree.At(json, depth - state.DecidedBy.Hops, state.DecidedBy.Rule + 1);
        tree.AddReplaced(tree.Element(index, state, depth), state.DecidedBy, [], removed);
        RecordRemoved(json, tokens, removed, state.DecidedBy, resource);
    }

    private bool TryWriteObject(ReadOnlySpan<byte> json, Span<Token> tokens, TreeNode node, List<IFhirPathNode> removed)
    {
        List<IFhirPathNode> children = [];
        tree.AddReplaced(node, node.State.DecidedBy, children, removed);
        Arena arena = methods.Arena;
        int start = arena.Length;
        arena.Append((byte)'{');
        bool hasContent = false;
        bool isExtension = node.Type.Name == "Extension";
        for (int first = 0, next; first < children.Count; first = next)
        {
            FhirProperty property = ((TreeNode)children[first]).Property!;
            for (next = first + 1; next < children.Count && ((TreeNode)children[next]).Property == property;)
                next++;
            List<TreeNode> items = [.. children[first..next].Cast<TreeNode>()];
            bool isWritten = TryWriteElement(json, tokens, property, items, removed, isTwin: false, hasContent);
            hasContent |= isWritten;
            // As anywhere: an extension without url goes as a whole, unless it holds another that stays.
            isExtension &= !(isWritten && property.Name is ("url" or "extension"));
            if (property.IsPrimitive)
                hasContent |= TryWriteElement(json, tokens, property, items, removed, isTwin: true, hasContent);
        }
        arena.Append((byte)'}');
        hasContent &= !isExtension;
        if (!hasContent)
            arena.Truncate(start);
        return hasContent;
    }

    /// <summary>Writes the values of one element, or the ids and extensions beside them.</summary>
    private bool TryWriteElement(ReadOnlySpan<byte> json, Span<Token> tokens, FhirProperty property, List<TreeNode> items, List<IFhirPathNode> removed, bool isTwin, bool needsComma)
    {
        Arena arena = methods.Arena;
        int start = arena.Length;
        arena.Append(needsComma ? ",\""u8 : "\""u8);
        if (isTwin)
            arena.Append((byte)'_');
        arena.Append(property.Utf8Name);
        arena.Append(property.IsCollection ? "\":["u8 : "\":"u8);
        bool hasContent = false;
        bool isFirst = true;
        foreach (TreeNode item in items)
        {
            // The halves of a repeating primitive keep their positions: null stands where only the other one has something.
            if (property.IsPrimitive && !HasContent(json, tokens, item))
                continue;
            int before = arena.Length;
            if (!isFirst)
                arena.Append((byte)',');
            bool isWritten = TryWriteItem(json, tokens, item, removed, isTwin);
            if (!isWritten && property.IsPrimitive)
                arena.Append("null"u8);
            else if (!isWritten)
                arena.Truncate(before);
            hasContent |= isWritten;
            isFirst &= arena.Length == before;
        }
        if (property.IsCollection)
            arena.Append((byte)']');
        if (!hasContent)
            arena.Truncate(start);
        return hasContent;
    }

    private bool HasContent(ReadOnlySpan<byte> json, Span<Token> tokens, TreeNode item)
    {
        int start = methods.Arena.Length;
        bool hasContent = TryWriteItem(json, tokens, item, [], isTwin: false) || TryWriteItem(json, tokens, item, [], isTwin: true);
        methods.Arena.Truncate(start);
        return hasContent;
    }

    private bool TryWriteItem(ReadOnlySpan<byte> json, Span<Token> tokens, TreeNode item, List<IFhirPathNode> removed, bool isTwin)
    {
        bool isValue = item.Property!.IsPrimitive && !isTwin;
        if (item.Replacement is { } replacement)
        {
            if (!isValue)
                return TryWriteObject(json, tokens, item, removed);
            methods.Arena.Append(replacement.Value);
            return replacement.Value is not null;
        }
        int token = isTwin ? item.Twin : item.Value;
        if (token == TreeNode.None)
            return isValue && item.State.Method == AnonymizationMethod.Substitute && methods.TrySubstitute(item.State);
        if (!tokens[token].IsWritten)
            return false;
        _write.RunPart(json, tokens, token, decided, methods.Arena);
        return true;
    }

    /// <summary>What a substitute takes away is still met by later searches of the whole resource: they change nothing any more, and are recorded.</summary>
    private void RecordRemoved(ReadOnlySpan<byte> json, Span<Token> tokens, List<IFhirPathNode> removed, RuleReference substitute, int resource)
    {
        if (substitute.Hops > 0 || plan.LookupsAfter(substitute.Rule) is not { Count: > 0 } lookups)
            return;
        List<(TreeNode Node, TreeNode? Parent, int[] Met)> open = [.. removed.Cast<TreeNode>().Select(node => (node, (TreeNode?)null, Array.Empty<int>()))];
        List<IFhirPathNode> children = [];
        while (open.Count > 0)
        {
            (TreeNode node, TreeNode? parent, int[] met) = open[^1];
            open.RemoveAt(open.Count - 1);
            if (node.Replacement is not null || node.State.Reached.Contains(substitute))
            {
                // The substitute leads here as well, and has acted on it, for nothing.
                List<IFhirPathNode> replaced = [];
                children.Clear();
                tree.AddReplaced(node, substitute, replaced, children);
                open.AddRange(children.Concat(replaced.Where(child => ((TreeNode)child).Replacement is not null)).Cast<TreeNode>().Select(child => (child, (TreeNode?)null, Array.Empty<int>())));
                continue;
            }
            int[] here = [.. lookups.Where(lookup => met.Contains(lookup.Rule) || (lookup.Child is null ? Meets(lookup.Search, node) : lookup.Child == node.Name && parent is not null && Meets(lookup.Search, parent))).Select(lookup => lookup.Rule)];
            if (node.Value != TreeNode.None && node.Type.Kind == FhirTypeKind.Primitive && plan.FirstActing(here, [.. here.Except(met)], node.Type) is { } state)
            {
                Token token = tokens[node.Value];
                tokens[node.Value].Operation = Operations.None;
                methods.Decide(json, tokens, node.Value, new ValuePlace(node.Parent!.Object, node.Parent.Type, node.Property!, state, node.Depth), tree);
                Operations operation = tokens[node.Value].Operation;
                tokens[node.Value] = token;
                if (operation != Operations.None)
                    decided.Record(resource, state.DecidedBy, operation);
            }
            children.Clear();
            tree.AddExisting(node, null, children);
            open.AddRange(children.Cast<TreeNode>().Select(child => (child, (TreeNode?)node, here)));
        }
    }

    private static bool Meets(PathStep search, TreeNode node) => (search.Kind == StepKind.NodesByType ? node.Type.Name : node.Name) == search.Name;
}
