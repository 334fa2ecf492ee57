using System.Text;
using System.Text.Json;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.FhirPath;
using FhirDeid.Anonymization.Plan;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Engine;

/// <summary>A document as the rules that have run so far have left it: what the paths and conditions see that no automaton can follow.</summary>
/// <remarks>
/// Nothing is moved in it: a node that a rule has emptied still counts for <c>exists()</c> and for positions, as in the service. Only a substitute
/// adds and takes away. Nodes are made when they are asked for, and used again for the next document.
/// </remarks>
internal sealed class CurrentTree(AnonymizationPlan plan, ValueMethods methods, RuleMatches matches)
{
    private readonly List<TreeNode> _nodes = [];
    private readonly List<IFhirPathNode> _found = [];
    private int _used;
    private byte[] _json = [];
    private int _length;
    private Token[] _tokens = [];
    private FhirType? _documentType;

    /// <summary>Token of the document's id, 0 where it has none, −1 before it is looked for.</summary>
    private int _documentId;

    private int _nowDepth;
    private int _nowRule;

    private ReadOnlySpan<byte> Json => _json.AsSpan(0, _length);

    /// <summary>Begins a document.</summary>
    /// <param name="tokens">Its tape.</param>
    public void Begin(Token[] tokens) => (_tokens, _length, _used, _documentId) = (tokens, 0, 0, -1);

    /// <summary>Runs the rules of a resource whose paths have to be evaluated, and notes where they lead.</summary>
    /// <param name="json">The document.</param>
    /// <param name="resource">Token of the resource.</param>
    /// <param name="property">The element that holds it; null where it stands alone.</param>
    /// <param name="state">Its state by the automaton.</param>
    /// <param name="depth">How many resources are around it.</param>
    /// <exception cref="ResourceException">A path fails on it.</exception>
    public void Evaluate(ReadOnlySpan<byte> json, int resource, FhirProperty? property, PlanState state, int depth)
    {
        foreach ((int index, ConfigurationRule rule, FhirPathExpression path) in plan.EvaluatedRules(state.Type))
        {
            using Moment before = At(json, depth, index);
            _found.Clear();
            try
            {
                path.Select(Node(null, property, matches.Apply(state, _tokens[resource], depth), depth, resource, TreeNode.None), _found);
            }
            catch (FhirPathException exception)
            {
                throw new ResourceException($"the path of rule {rule.Number} fails on it: {exception.Message}", rule);
            }
            foreach (TreeNode node in _found.Cast<TreeNode>())
            {
                if (node.Value != TreeNode.None)
                    matches.Add(ref _tokens[node.Value], index, depth);
                if (node.Twin != TreeNode.None)
                    matches.Add(ref _tokens[node.Twin], index, depth);
            }
        }
    }

    /// <summary>Goes to the moment at which a rule is about to run, until the result is disposed.</summary>
    public Moment At(ReadOnlySpan<byte> json, int depth, int rule)
    {
        Moment before = new(this);
        Attach(json, depth, rule);
        return before;
    }

    /// <summary>A moment to come back to.</summary>
    public readonly ref struct Moment(CurrentTree tree)
    {
        private readonly (int Depth, int Rule, int Used) _before = (tree._nowDepth, tree._nowRule, tree._used);

        public void Dispose() => (tree._nowDepth, tree._nowRule, tree._used) = _before;
    }

    /// <summary>A value with all that stands beside it.</summary>
    public TreeNode Value(int value, in ValuePlace place)
    {
        TreeNode parent = Node(null, null, place.State, place.Depth, place.Parent, TreeNode.None);
        return Node(parent, place.Property, place.State, place.Depth, value, TwinOf(place.Parent, place.Property, value));
    }

    /// <summary>An element, or the value that a twin belongs to.</summary>
    public TreeNode Element(int index, PlanState state, int depth) => state.Type.Kind == FhirTypeKind.Primitive
        ? Node(null, _tokens[index].Property, state, depth, TreeNode.None, index) : Node(null, _tokens[index].Property, state, depth, index, TreeNode.None);

    /// <summary>Token of the document's id and its place; 0 where it has none.</summary>
    public int DocumentId(ReadOnlySpan<byte> json, out ValuePlace place)
    {
        place = default;
        if (_documentId < 0)
            FindDocumentId(json);
        if (_documentId == 0)
            return 0;
        PlanState root = matches.Apply(plan.Root(_documentType!), _tokens[0], 0);
        FhirProperty property = _tokens[_documentId].Property ?? _documentType!.Find("id"u8)!;
        place = new ValuePlace(0, _documentType!, property, matches.Apply(root.Child(plan, property), _tokens[_documentId], 0), 0);
        return _documentId;
    }

    private void FindDocumentId(ReadOnlySpan<byte> json)
    {
        _documentId = 0;
        _documentType = FhirModel.R4.FindResource(methods.Primitives.Unescape(json, _tokens[_tokens[0].ResourceType]));
        if (_documentType?.Find("id"u8) is null)
            return;
        for (int i = 1; i < _tokens[0].Next && _documentId == 0; i = _tokens[i].Next)
        {
            if (_tokens[i].Kind == JsonTokenType.String && methods.Primitives.Name(json, _tokens[i]).SequenceEqual("id"u8))
                _documentId = i;
        }
    }

    /// <summary>Text of a node's value, as the rules before have left it; null for none.</summary>
    public string? Text(TreeNode node)
    {
        if (node.Type.Kind != FhirTypeKind.Primitive)
            return null;
        if (node.Replacement is { } replacement)
            return replacement.Value is { } json ? JsonDocument.Parse(json).RootElement.ToString() : null;
        bool isDecided = IsBefore(node.State.DecidedBy, node.Depth) && node.State.Method != AnonymizationMethod.Keep;
        if (node.Value == TreeNode.None)
            return isDecided && node.State is { Method: AnonymizationMethod.Substitute, IsMatched: true } ? plan.Rule(node.State.DecidedBy).ReplaceWith : null;
        ref Token token = ref _tokens[node.Value];
        if (token.IsContainer || token.Kind == JsonTokenType.Null)
            return null;
        ReadOnlySpan<byte> text;
        if (isDecided)
        {
            if (!token.IsDecided)
                methods.Decide(Json, _tokens, node.Value, new ValuePlace(node.Parent!.Object, node.Parent.Type, node.Property!, node.State, node.Depth), this);
            text = methods.DecidedText(Json, token);
        }
        else
        {
            methods.Primitives.Read(Json, token, node.Type, out text, out _);
            if (node.Type.Syntax is PrimitiveSyntax.Decimal or PrimitiveSyntax.Integer)
                return PrimitiveReader.Canonical(text, node.Type);
        }
        return text.IsEmpty ? null : Encoding.UTF8.GetString(text).Trim();
    }

    /// <summary>Adds the children of a node, or those of one element name, as the rules before have left them.</summary>
    public void AddChildren(TreeNode node, string? name, List<IFhirPathNode> children)
    {
        if (ReplacementOf(node) is { } replacement)
            AddReplaced(node, replacement, name, children, null);
        else
            AddExisting(node, name, children);
    }

    /// <summary>What a substitute makes of a node: its children afterwards, and those that it takes away.</summary>
    /// <param name="node">The node.</param>
    /// <param name="substitute">The rule.</param>
    /// <param name="children">Receives the children that it has afterwards, those of one element together.</param>
    /// <param name="removed">Receives the others.</param>
    public void AddReplaced(TreeNode node, RuleReference substitute, List<IFhirPathNode> children, List<IFhirPathNode> removed) =>
        AddReplaced(node, ReplacementOf(node) ?? plan.Replacement(substitute, node.Type), null, children, removed);

    private void Attach(ReadOnlySpan<byte> json, int depth, int rule)
    {
        if (_length != json.Length)
        {
            if (_json.Length < json.Length)
                _json = new byte[json.Length * 2];
            json.CopyTo(_json);
            _length = json.Length;
        }
        (_nowDepth, _nowRule) = (depth, rule);
    }

    private TreeNode Node(TreeNode? parent, FhirProperty? property, PlanState state, int depth, int value, int twin, ReplacementItem? replacement = null)
    {
        if (_used == _nodes.Count)
            _nodes.Add(new TreeNode(this));
        TreeNode node = _nodes[_used++];
        node.Set(parent, property, state, depth, value, twin, replacement);
        return node;
    }

    /// <summary>Whether a rule has run already.</summary>
    private bool IsBefore(RuleReference rule, int depth)
    {
        int owner = depth - rule.Hops;
        return rule.Rule >= 0 && (owner < _nowDepth || owner == _nowDepth && rule.Rule < _nowRule);
    }

    /// <summary>What a substitute that has run gives to a node; null where none has reached it.</summary>
    private Replacement? ReplacementOf(TreeNode node)
    {
        if (node.Replacement is { } item)
            return item.Content ?? Plan.Replacement.Empty;
        if (node.State is not { Method: AnonymizationMethod.Substitute, IsMatched: true } || !IsBefore(node.State.DecidedBy, node.Depth))
            return null;
        return node.Type.Kind == FhirTypeKind.Primitive ? Plan.Replacement.Empty : plan.Replacement(node.State.DecidedBy, node.Type);
    }

    private void AddReplaced(TreeNode node, Replacement replacement, string? name, List<IFhirPathNode> children, List<IFhirPathNode>? removed)
    {
        List<IFhirPathNode> existing = [];
        AddExisting(node, name, existing);
        foreach (ReplacementElement element in replacement.Elements)
        {
            if (name is not null && element.Property.Name != name)
                continue;
            TreeNode[] same = [.. existing.Cast<TreeNode>().Where(child => child.Property!.Element == element.Property.Element)];
            existing.RemoveAll(same.Contains);
            if (same.Any(child => child.Property != element.Property && IsProtected(child, node)))
            {
                children.AddRange(same.Where(child => IsProtected(child, node)));
                continue;
            }
            for (int i = 0; i < Math.Max(same.Length, element.Items.Length); i++)
            {
                if (i >= element.Items.Length)
                    KeepOrRemove(same[i], node, children, removed);
                else if (i < same.Length && IsProtected(same[i], node))
                    children.Add(same[i]);
                else if (i < same.Length && same[i].Property == element.Property)
                    children.Add(Node(node, element.Property, same[i].State, node.Depth, same[i].Value, same[i].Twin, element.Items[i]));
                else
                {
                    if (i < same.Length)
                        removed?.Add(same[i]);
                    children.Add(Node(node, element.Property, node.State.Child(plan, element.Property), node.Depth, TreeNode.None, TreeNode.None, element.Items[i]));
                }
            }
        }
        foreach (TreeNode child in existing.Cast<TreeNode>())
            KeepOrRemove(child, node, children, removed);
    }

    /// <summary>Removes a node that the replacement does not have; where something below it is protected, what stands around that.</summary>
    private void KeepOrRemove(TreeNode child, TreeNode substituted, List<IFhirPathNode> children, List<IFhirPathNode>? removed)
    {
        if (removed is null)
        {
            if (IsProtected(child, substituted))
                children.Add(child);
            else if (ContainsProtected(child, substituted))
                children.Add(Node(substituted, child.Property, child.State, child.Depth, child.Value, child.Twin, default(ReplacementItem)));
            return;
        }
        if (ContainsProtected(child, substituted))
            children.Add(child);
        List<IFhirPathNode> open = [child];
        while (open.Count > 0)
        {
            TreeNode next = (TreeNode)open[^1];
            open.RemoveAt(open.Count - 1);
            if (!ContainsProtected(next, substituted))
                removed.Add(next);
            else if (!IsProtected(next, substituted))
                AddExisting(next, null, open);
        }
    }

    /// <summary>Whether an earlier rule than the substitute around it has decided a node: the substitute leaves it as it is.</summary>
    public static bool IsProtected(TreeNode child, TreeNode substituted) =>
        (child.State.DecidedBy.Rule, child.Depth - child.State.DecidedBy.Hops) != (substituted.State.DecidedBy.Rule, substituted.Depth - substituted.State.DecidedBy.Hops);

    private bool ContainsProtected(TreeNode child, TreeNode substituted)
    {
        List<IFhirPathNode> open = [child];
        while (open.Count > 0)
        {
            TreeNode next = (TreeNode)open[^1];
            open.RemoveAt(open.Count - 1);
            if (IsProtected(next, substituted))
                return true;
            AddExisting(next, null, open);
        }
        return false;
    }

    /// <summary>Adds the children of a node that the document has, or those of one element name.</summary>
    public void AddExisting(TreeNode node, string? name, List<IFhirPathNode> children)
    {
        int @object = node.Object;
        if (@object == TreeNode.None || _tokens[@object].Kind != JsonTokenType.StartObject)
            return;
        for (int i = @object + 1; i < _tokens[@object].Next; i = _tokens[i].Next)
        {
            ReadOnlySpan<byte> jsonName = methods.Primitives.Name(Json, _tokens[i]);
            bool isTwin = jsonName.Length > 1 && jsonName[0] == '_';
            if (node.Type.Find(isTwin ? jsonName[1..] : jsonName) is not { } property || isTwin && !property.IsPrimitive || name is not null && name != property.Name)
                continue;
            if (!property.IsPrimitive)
            {
                AddObjects(node, property, i, children);
                continue;
            }
            int other = Half(@object, property, !isTwin);
            if (other == TreeNode.None || other > i)
                AddPrimitives(node, property, isTwin ? other : i, isTwin ? i : other, children);
        }
    }

    private void AddObjects(TreeNode node, FhirProperty property, int token, List<IFhirPathNode> children)
    {
        bool isArray = _tokens[token].Kind == JsonTokenType.StartArray;
        for (int i = isArray ? token + 1 : token; i < _tokens[token].Next; i = _tokens[i].Next)
        {
            if (_tokens[i].Kind != JsonTokenType.StartObject || _tokens[i].IsNothing(i))
                continue;
            if (property.Type is null)
            {
                if (_tokens[i].ResourceType != 0 && FhirModel.R4.FindResource(methods.Primitives.Unescape(Json, _tokens[_tokens[i].ResourceType])) is { } type)
                    children.Add(Node(node, property, matches.Apply(node.State.Resource(plan, property, type), _tokens[i], node.Depth + 1), node.Depth + 1, i, TreeNode.None));
            }
            else
            {
                PlanState state = matches.Apply(node.State.Child(plan, property), _tokens[i], node.Depth);
                children.Add(Node(node, property, methods.Acting(Json, _tokens, i, state), node.Depth, i, TreeNode.None));
            }
        }
    }

    private void AddPrimitives(TreeNode node, FhirProperty property, int value, int twin, List<IFhirPathNode> children)
    {
        int valueItem = First(value), twinItem = First(twin);
        while (valueItem != TreeNode.None || twinItem != TreeNode.None)
        {
            bool hasValue = valueItem != TreeNode.None && _tokens[valueItem].Kind != JsonTokenType.Null && !IsBlank(valueItem);
            bool hasTwin = twinItem != TreeNode.None && !_tokens[twinItem].IsNothing(twinItem);
            if (hasValue || hasTwin)
            {
                PlanState state = matches.Apply(node.State.Child(plan, property), _tokens[hasValue ? valueItem : twinItem], node.Depth);
                children.Add(Node(node, property, state, node.Depth, hasValue ? valueItem : TreeNode.None, hasTwin ? twinItem : TreeNode.None));
            }
            valueItem = Next(value, valueItem);
            twinItem = Next(twin, twinItem);
        }
    }

    /// <summary>Whether a value is a text of nothing but white space, which the service's parser takes for none.</summary>
    private bool IsBlank(int value)
    {
        ref Token token = ref _tokens[value];
        return token.Kind == JsonTokenType.String && (token.End - token.Start == 2
            || Json[token.Start + 1] is not (> (byte)' ' and < (byte)'\\' or > (byte)'\\' and < 0x80) && string.IsNullOrWhiteSpace(Encoding.UTF8.GetString(methods.Primitives.Text(Json, token))));
    }

    /// <summary>The value or the twin of an element of an object, or none.</summary>
    private int Half(int @object, FhirProperty property, bool isTwin)
    {
        for (int i = @object + 1; i < _tokens[@object].Next; i = _tokens[i].Next)
        {
            if (!_tokens[i].IsNameEscaped && _tokens[i].NameLength != property.Utf8Name.Length + (isTwin ? 1 : 0))
                continue;
            ReadOnlySpan<byte> name = methods.Primitives.Name(Json, _tokens[i]);
            if (isTwin ? name.StartsWith("_"u8) && name[1..].SequenceEqual(property.Utf8Name) : name.SequenceEqual(property.Utf8Name))
                return i;
        }
        return TreeNode.None;
    }

    private int TwinOf(int @object, FhirProperty property, int value)
    {
        int twin = Half(@object, property, isTwin: true);
        int half = Half(@object, property, isTwin: false);
        int twinItem = First(twin);
        for (int item = First(half); item != value && twinItem != TreeNode.None && item != TreeNode.None; item = Next(half, item))
            twinItem = Next(twin, twinItem);
        return twinItem;
    }

    private int First(int half)
    {
        if (half == TreeNode.None || _tokens[half].Kind != JsonTokenType.StartArray)
            return half;
        return half + 1 < _tokens[half].Next ? half + 1 : TreeNode.None;
    }

    private int Next(int half, int item)
    {
        if (item == TreeNode.None || item == half)
            return TreeNode.None;
        int next = _tokens[item].Next;
        return next < _tokens[half].Next ? next : TreeNode.None;
    }
}
