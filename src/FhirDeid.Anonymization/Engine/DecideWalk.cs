using System.Collections.Concurrent;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Plan;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Engine;

/// <summary>Second walk: finds the R4 element of every token, checks it, and decides what is written for it.</summary>
/// <remarks>Nothing passes unexamined: what the R4 model does not know is an error of the resource. Iterative, linear in the number of tokens.</remarks>
internal sealed class DecideWalk : IDisposable
{
    private const string InstantFormat = "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFzzz";

    private readonly AnonymizationPlan _plan;
    private readonly ValueMethods _methods;
    private readonly PrimitiveReader _primitives;
    private readonly RuleMatches _matches;
    private readonly CurrentTree _tree;
    private readonly Substitution _substitution;
    private Frame[] _frames = new Frame[32];
    private int _depth;
    private ResourceContext[] _resources = new ResourceContext[8];
    private int _resourceCount;
    private readonly long[] _changes = new long[Enum.GetValues<AnonymizationMethod>().Length];

    /// <param name="plan">The compiled rules.</param>
    /// <param name="configuration">The parameters.</param>
    /// <param name="scopeName">Name of the input file or folder that dates shift by; empty where they shift by the document's id.</param>
    /// <param name="hashTables">Tables of hashes that other walks of the configuration have left.</param>
    public DecideWalk(AnonymizationPlan plan, AnonymizationConfiguration configuration, byte[] scopeName, ConcurrentBag<HashTable> hashTables)
    {
        _plan = plan;
        _methods = new ValueMethods(plan, configuration, scopeName, hashTables);
        _primitives = _methods.Primitives;
        _matches = new RuleMatches(plan);
        _tree = new CurrentTree(plan, _methods, _matches);
        _substitution = new Substitution(plan, _methods, _tree, this);
    }

    /// <summary>An object or array whose parts are being decided.</summary>
    private struct Frame
    {
        public int Token;

        /// <summary>Index of the token after it and everything below it.</summary>
        public int Next;

        /// <summary>State of an array's items or of an object.</summary>
        public PlanState State;

        /// <summary>Index of the resource that it belongs to.</summary>
        public int Resource;

        /// <summary>Elements met so far in an object, a bit each; values and twins apart.</summary>
        public ulong Seen;

        public ulong SeenTwins;

        public bool IsArray;

        public bool IsResource;

        /// <summary>Whether anything in it is written.</summary>
        public bool HasContent;

        /// <summary>Whether anything in it is written differently, or not at all.</summary>
        public bool IsChanged;
    }

    public ReadOnlySpan<ResourceContext> Resources => _resources.AsSpan(0, _resourceCount);

    /// <summary>Which nodes the rules with conditions lead to.</summary>
    public RuleMatches Matches => _matches;

    public ValueMethods Methods => _methods;

    /// <summary>New values, as JSON.</summary>
    public Arena Arena => _methods.Arena;

    public void Dispose() => _methods.Dispose();

    /// <summary>Forgets the last resource.</summary>
    public void Clear()
    {
        Arena.Clear();
        _matches.Clear();
        _changes.AsSpan().Clear();
        _depth = _resourceCount = 0;
    }

    /// <summary>Adds the values that the last resource's rules changed or removed, by method.</summary>
    public void CountChanges(Span<long> changes)
    {
        for (int method = 0; method < changes.Length; method++)
            changes[method] += _changes[method];
    }

    /// <summary>Decides every token of a resource, after <see cref="Clear"/>.</summary>
    /// <param name="json">The resource.</param>
    /// <param name="tape">Its tape.</param>
    /// <param name="today">The day on which ages count.</param>
    /// <exception cref="ResourceException">It holds something that R4 does not know, or a rule fails on it.</exception>
    public void Run(ReadOnlySpan<byte> json, Tape tape, DateOnly today)
    {
        Span<Token> tokens = tape.Tokens;
        _methods.Begin(today);
        _tree.Begin(tape.Buffer);
        OpenResource(json, tokens, 0, null);
        for (int i = 1; _depth > 0;)
        {
            ref Frame frame = ref _frames[_depth - 1];
            if (i == frame.Next)
                Close(json, tokens);
            else if (frame.IsArray)
                i = Item(json, tokens, i, ref frame);
            else
                i = Property(json, tokens, i, ref frame);
        }
    }

    /// <summary>Decides a property of an object; returns the index of the token to go on with.</summary>
    private int Property(ReadOnlySpan<byte> json, Span<Token> tokens, int index, ref Frame frame)
    {
        ref Token token = ref tokens[index];
        if (frame.IsResource && tokens[frame.Token].ResourceType == index)
        {
            frame.HasContent = true;
            return index + 1;
        }
        ReadOnlySpan<byte> name = _primitives.Name(json, token);
        if (name.SequenceEqual("fhir_comments"u8))
            return Drop(ref token, ref frame);

        token.IsTwin = name.Length > 1 && name[0] == '_';
        FhirProperty? property = frame.State.Type.Find(token.IsTwin ? name[1..] : name);
        if (property is null && token.Kind == JsonTokenType.Null)
            return Drop(ref token, ref frame);
        if (property is null || token.IsTwin && !property.IsPrimitive)
            throw new ResourceException($"it has an element that R4 does not know in {frame.State.Type.Id}");
        token.Property = property;
        Meet(tokens, index, ref frame, property);

        switch (token.Kind)
        {
            case JsonTokenType.Null:
                return Drop(ref token, ref frame);
            case JsonTokenType.StartArray when !property.IsCollection:
                throw Shape(property, frame);
            case JsonTokenType.StartArray when property.IsPrimitive && !token.IsTwin:
                PrimitiveArray(json, tokens, index, property, ref frame);
                return token.Next;
            case JsonTokenType.StartArray:
                Push(tokens, index, property.Type is null ? frame.State : frame.State.Child(_plan, property), frame.Resource);
                return index + 1;
        }
        if (property.IsCollection)
        {
            token.IsSingleInArray = true;
            frame.IsChanged = true;
        }
        if (token.Kind == JsonTokenType.StartObject)
        {
            if (property.IsPrimitive && !token.IsTwin)
                throw Shape(property, frame);
            if (token.IsNothing(index) && property.Type is not null)
                return Drop(ref token, ref frame);
            Open(json, tokens, index, property, ref frame);
            return index + 1;
        }
        if (!property.IsPrimitive || token.IsTwin)
            throw Shape(property, frame);
        Primitive(json, tokens, index, property, Matched(frame.State.Child(_plan, property), token, frame.Resource), ref frame);
        return index + 1;
    }

    /// <summary>Notes an element of an object: given twice, or with two types, it is refused; its other half is linked.</summary>
    private static void Meet(Span<Token> tokens, int index, ref Frame frame, FhirProperty property)
    {
        ref Token token = ref tokens[index];
        ulong bit = 1UL << property.Element;
        ref ulong own = ref token.IsTwin ? ref frame.SeenTwins : ref frame.Seen;
        if ((own & bit) != 0)
            throw new ResourceException($"{frame.State.Type.Id}.{property.Name} is given twice");
        own |= bit;
        if ((frame.Seen & frame.SeenTwins & bit) == 0)
            return;
        int other = frame.Token + 1;
        while (tokens[other].Property?.Element != property.Element)
            other = tokens[other].Next;
        if (tokens[other].Property != property)
            throw new ResourceException($"{frame.State.Type.Id}.{property.Name} is given twice");
        token.Twin = other;
        tokens[other].Twin = index;
    }

    /// <summary>Decides an item of an array of objects; returns the index of the token to go on with.</summary>
    private int Item(ReadOnlySpan<byte> json, Span<Token> tokens, int index, ref Frame frame)
    {
        ref Token token = ref tokens[index];
        FhirProperty property = tokens[frame.Token].Property!;
        if (token.Kind == JsonTokenType.Null)
            return Drop(ref token, ref frame);
        if (token.Kind != JsonTokenType.StartObject)
            throw new ResourceException($"{property.Name} holds something else than objects");
        if (token.IsNothing(index) && property.Type is not null)
            return Drop(ref token, ref frame);
        token.Property = property;
        if (property.Type is null)
            OpenResource(json, tokens, index, property);
        else
            Push(tokens, index, Element(json, tokens, index, frame.State, frame.Resource), frame.Resource);
        return index + 1;
    }

    private void Open(ReadOnlySpan<byte> json, Span<Token> tokens, int index, FhirProperty property, ref Frame frame)
    {
        if (property.Type is null)
        {
            OpenResource(json, tokens, index, property);
            return;
        }
        if (frame.IsResource && property.Name == "meta")
            _resources[frame.Resource].Meta = index;
        Push(tokens, index, Element(json, tokens, index, frame.State.Child(_plan, property), frame.Resource), frame.Resource);
    }

    private void OpenResource(ReadOnlySpan<byte> json, Span<Token> tokens, int index, FhirProperty? property)
    {
        ref Token token = ref tokens[index];
        if (token.ResourceType == 0)
            throw new ResourceException("a resource has no resourceType");
        FhirType type = FhirModel.R4.FindResource(_primitives.Unescape(json, tokens[token.ResourceType]))
            ?? throw new ResourceException("a resourceType is not one of R4");
        int parent = property is null ? -1 : _frames[_depth - 1].Resource;
        // An array of resources carries the state of the object around it.
        PlanState state = property is null ? _plan.Root(type) : _frames[_depth - 1].State.Resource(_plan, property, type);
        if (_resourceCount == _resources.Length)
            Array.Resize(ref _resources, _resourceCount * 2);
        int depth = parent < 0 ? 0 : _resources[parent].Depth + 1;
        _resources[_resourceCount] = new ResourceContext { Type = type, Parent = parent, Depth = depth, IsContained = property?.Name == "contained" };
        token.Resource = _resourceCount;
        _tree.Evaluate(json, index, property, state, depth);
        Push(tokens, index, Matched(state, token, _resourceCount), _resourceCount++);
        _frames[_depth - 1].IsResource = true;
    }

    /// <summary>The state of a node with the evaluated rules that lead to it.</summary>
    private PlanState Matched(PlanState state, in Token token, int resource) =>
        token.Match == 0 ? state : _matches.Apply(state, token, _resources[resource].Depth);

    private PlanState Element(ReadOnlySpan<byte> json, Span<Token> tokens, int index, PlanState state, int resource)
    {
        state = _methods.Acting(json, tokens, index, Matched(state, tokens[index], resource));
        if (state is { Method: AnonymizationMethod.Generalize, IsMatched: true, Type.Kind: FhirTypeKind.Complex })
            throw new ResourceException($"generalize works on single values, but rule {_plan.Rule(state.DecidedBy).Number} leads to {state.Type.Id}", _plan.Rule(state.DecidedBy));
        return state;
    }

    private void Push(Span<Token> tokens, int token, PlanState state, int resource)
    {
        if (_depth == _frames.Length)
            Array.Resize(ref _frames, _depth * 2);
        ref Frame frame = ref _frames[_depth++];
        frame = default;
        frame.Token = token;
        frame.Next = tokens[token].Next;
        frame.IsArray = tokens[token].Kind == JsonTokenType.StartArray;
        frame.State = state;
        frame.Resource = resource;
    }

    private static int Drop(ref Token token, ref Frame frame)
    {
        token.Action = TokenAction.Drop;
        frame.IsChanged = true;
        return token.Next;
    }

    /// <summary>All parts of the innermost object or array are decided.</summary>
    private void Close(ReadOnlySpan<byte> json, Span<Token> tokens)
    {
        ref Frame frame = ref _frames[--_depth];
        ref Token token = ref tokens[frame.Token];
        if ((frame.SeenTwins & ~frame.Seen) != 0)
            CreateValues(tokens, ref frame);
        bool isSubstituted = token.Kind == JsonTokenType.StartObject && AnonymizationPlan.IsSubstitutedObject(frame.State);
        if (frame.IsResource)
            CloseResource(json, tokens, ref frame);
        else if (!isSubstituted && frame.IsChanged && frame.HasContent && frame.State.Type.Name == "Extension" && token.Kind == JsonTokenType.StartObject)
            frame.HasContent = HasUrlOrExtension(tokens, frame.Token);
        token.Action = !frame.HasContent && !frame.IsResource ? TokenAction.Drop
            : frame.IsChanged || token.HasWhiteSpace ? TokenAction.Descend : TokenAction.Copy;
        if (isSubstituted)
            _substitution.Write(json, tokens, frame.Token, frame.State, frame.Resource);
        else if (token.Kind == JsonTokenType.StartObject && frame.State is { Method: AnonymizationMethod.Substitute, IsMatched: true, Type.Kind: FhirTypeKind.Primitive })
            _substitution.RecordTwin(json, tokens, frame.Token, frame.State, frame.Resource);
        Finish(tokens, frame.Token);
    }

    /// <summary>Tells the parent what became of one of its parts.</summary>
    private void Finish(Span<Token> tokens, int index)
    {
        if (_depth == 0)
            return;
        ref Token token = ref tokens[index];
        ref Frame parent = ref _frames[_depth - 1];
        if (token.Twin != 0 && tokens[token.Twin].Next <= index)
        {
            (int value, int twin) = token.IsTwin ? (token.Twin, index) : (index, token.Twin);
            FillValues(tokens, value, twin, ref parent);
            Align(ref token, ref tokens[token.Twin]);
            parent.IsChanged |= tokens[token.Twin].Action != TokenAction.Copy;
            parent.HasContent |= tokens[token.Twin].IsWritten;
        }
        parent.HasContent |= token.IsWritten;
        parent.IsChanged |= token.Action != TokenAction.Copy;
    }

    /// <summary>The halves of a repeating primitive are written item by item where one of them changes: their positions belong together.</summary>
    private static void Align(ref Token half, ref Token other)
    {
        if (half.Action == TokenAction.Copy && other.Action == TokenAction.Copy)
            return;
        if (half is { Action: TokenAction.Copy, Kind: JsonTokenType.StartArray })
            half.Action = TokenAction.Descend;
        if (other is { Action: TokenAction.Copy, Kind: JsonTokenType.StartArray })
            other.Action = TokenAction.Descend;
    }

    /// <summary>An extension whose url was removed says nothing and is not valid FHIR: it goes as a whole, unless it holds another that stays.</summary>
    private static bool HasUrlOrExtension(Span<Token> tokens, int extension)
    {
        bool hasUrl = false;
        for (int i = extension + 1; i < tokens[extension].Next; i = tokens[i].Next)
        {
            if (tokens[i].Property?.Name == "extension" && tokens[i].IsWritten)
                return true;
            if (tokens[i] is { Property.Name: "url", IsTwin: false })
            {
                hasUrl = true;
                if (tokens[i].IsWritten)
                    return true;
            }
        }
        return !hasUrl;
    }

    private void PrimitiveArray(ReadOnlySpan<byte> json, Span<Token> tokens, int index, FhirProperty property, ref Frame frame)
    {
        ref Token array = ref tokens[index];
        PlanState state = frame.State.Child(_plan, property);
        bool hasContent = false;
        bool isChanged = array.HasWhiteSpace;
        for (int i = index + 1; i < array.Next; i++)
        {
            ref Token item = ref tokens[i];
            if (item.IsContainer)
                throw Shape(property, frame);
            item.Property = property;
            if (item.Kind == JsonTokenType.Null)
                item.Action = TokenAction.Drop;
            else
                Decide(json, tokens, i, property, Matched(state, item, frame.Resource), ref frame);
            hasContent |= item.IsWritten;
            isChanged |= item.Action != TokenAction.Copy;
        }
        array.Action = !hasContent ? TokenAction.Drop : isChanged ? TokenAction.Descend : TokenAction.Copy;
        Finish(tokens, index);
    }

    private void Primitive(ReadOnlySpan<byte> json, Span<Token> tokens, int index, FhirProperty property, PlanState state, ref Frame frame)
    {
        Decide(json, tokens, index, property, state, ref frame);
        Finish(tokens, index);
    }

    private void Decide(ReadOnlySpan<byte> json, Span<Token> tokens, int index, FhirProperty property, PlanState state, ref Frame frame)
    {
        ref Token token = ref tokens[index];
        if (state is { Method: AnonymizationMethod.Keep, Type.Syntax: PrimitiveSyntax.Text } && token is { Kind: JsonTokenType.String, IsEscaped: false })
        {
            // Most values: any text is valid and stays; an empty one counts as none.
            token.Action = token.End - token.Start > 2 ? TokenAction.Copy : TokenAction.Drop;
            return;
        }
        if (!token.IsDecided)
            _methods.Decide(json, tokens, index, new ValuePlace(frame.Token, frame.State.Type, property, state, _resources[frame.Resource].Depth), _tree);
        if (token.Operation != Operations.None)
            Record(frame.Resource, state.DecidedBy, state is { Method: AnonymizationMethod.Substitute, IsMatched: false } && IsOnlyEmptied(state.DecidedBy) ? Operations.None : token.Operation);
    }

    /// <summary>Whether the node that a substitute leads to was decided by an earlier rule: the substitute then takes away what is below it, which earns no label.</summary>
    private bool IsOnlyEmptied(RuleReference substitute)
    {
        for (int i = _depth - 1; i >= 0; i--)
        {
            if (_frames[i].State.Reached.Contains(substitute))
                return _frames[i].State.DecidedBy != substitute;
        }
        return false;
    }

    /// <summary>A substitute gives a value also to a primitive that has only an id or extensions.</summary>
    private void CreateValues(Span<Token> tokens, ref Frame frame)
    {
        for (int i = frame.Token + 1; i < tokens[frame.Token].Next; i = tokens[i].Next)
        {
            ref Token token = ref tokens[i];
            if (!token.IsTwin || token.Twin != 0 || token.IsNothing(i))
                continue;
            PlanState state = frame.State.Child(_plan, token.Property!);
            token.ArenaStart = Arena.Length;
            bool isArray = token.Kind == JsonTokenType.StartArray;
            bool hasValue = false;
            if (token.Property!.IsCollection)
                Arena.Append((byte)'[');
            bool isFirst = true;
            for (int item = isArray ? i + 1 : i; item < token.Next; item = tokens[item].Next)
            {
                if (tokens[item].IsNothing(item))
                    continue;
                if (!isFirst)
                    Arena.Append((byte)',');
                isFirst = false;
                if (TryCreateValue(Matched(state, tokens[item], frame.Resource), frame.Resource))
                    hasValue = true;
                else if (isArray)
                    Arena.Append("null"u8);
            }
            if (token.Property.IsCollection)
                Arena.Append((byte)']');
            token.ArenaLength = hasValue ? Arena.Length - token.ArenaStart : 0;
            if (!hasValue)
                continue;
            frame.HasContent = true;
            frame.IsChanged = true;
        }
    }

    private bool TryCreateValue(PlanState state, int resource)
    {
        if (state.Method != AnonymizationMethod.Substitute)
            return false;
        Record(resource, state.DecidedBy, Operations.Substitute);
        return _methods.TrySubstitute(state);
    }

    /// <summary>A substitute gives a value also to the items of a repeating primitive that have only an id or extensions.</summary>
    private void FillValues(Span<Token> tokens, int value, int twin, ref Frame frame)
    {
        PlanState state = frame.State.Child(_plan, tokens[value].Property!);
        if (tokens[value].Kind != JsonTokenType.StartArray || tokens[twin].Kind != JsonTokenType.StartArray)
            return;
        int item = value + 1;
        for (int i = twin + 1; i < tokens[twin].Next && item < tokens[value].Next; i = tokens[i].Next, item++)
        {
            if (tokens[item].Kind != JsonTokenType.Null || tokens[i].IsNothing(i))
                continue;
            int start = Arena.Length;
            if (!TryCreateValue(Matched(state, tokens[i], frame.Resource), frame.Resource))
                continue;
            (tokens[item].ArenaStart, tokens[item].ArenaLength, tokens[item].Action) = (start, Arena.Length - start, TokenAction.Replace);
            tokens[value].Action = TokenAction.Descend;
        }
    }

    /// <summary>Notes what a rule did, for the resource whose rule it is.</summary>
    internal void Record(int resource, RuleReference rule, Operations operation)
    {
        _resources[Owner(resource, rule)].Operations |= operation;
        _changes[(int)_plan.Method(rule)]++;
    }

    /// <summary>The resource whose rule it is.</summary>
    private int Owner(int resource, RuleReference rule)
    {
        for (int hops = rule.Hops; hops > 0; hops--)
            resource = _resources[resource].Parent;
        return resource;
    }

    private void CloseResource(ReadOnlySpan<byte> json, Span<Token> tokens, ref Frame frame)
    {
        ref ResourceContext resource = ref _resources[frame.Resource];
        if (resource.Parent >= 0)
            _resources[resource.Parent].Operations |= resource.Operations;
        if (resource.Operations == Operations.None || resource.IsContained)
            return;
        resource.NewLabels = resource.Operations & ~ExistingLabels(json, tokens, resource.Meta);
        if (resource.NewLabels == Operations.None)
            return;
        frame.IsChanged = true;
        if (resource.Meta == 0 || !tokens[resource.Meta].IsWritten)
        {
            resource.Meta = 0;
            return;
        }
        if (tokens[resource.Meta].Action == TokenAction.Replace)
        {
            AddLabels(ref tokens[resource.Meta], resource.NewLabels);
            return;
        }
        tokens[resource.Meta].Action = TokenAction.Descend;
        tokens[resource.Meta].Resource = frame.Resource;
        for (int i = resource.Meta + 1; i < tokens[resource.Meta].Next; i = tokens[i].Next)
        {
            ref Token token = ref tokens[i];
            if (token.IsTwin && token.ArenaLength > 0 && token.Property!.Name == "lastUpdated")
                NormaliseInstant(Arena.Slice(token.ArenaStart, token.ArenaLength)[1..^1], ref token);
            if (!token.IsWritten || token.IsTwin)
                continue;
            if (token.Property!.Name == "security")
                token.Action = TokenAction.Descend;
            else if (token.Property!.Name == "lastUpdated" && NormaliseInstant(_methods.DecidedText(json, token), ref token))
                token.Action = TokenAction.Replace;
        }
    }

    /// <summary>The service writes <c>meta</c> anew when it adds a label: <c>lastUpdated</c> then has a numeric zone and no trailing zeros in its fraction.</summary>
    private bool NormaliseInstant(ReadOnlySpan<byte> text, ref Token token)
    {
        if (text.Length <= 19)
            return false;
        token.ArenaStart = Arena.Length;
        bool isUtc = text[^1] == 'Z';
        ReadOnlySpan<byte> time = text[..^(isUtc ? 1 : 6)];
        if (FhirDate.IsInstant(text) && time.Length is 19 or (> 20 and <= 27) && !text.EndsWith("-00:00"u8) && text[0] is > (byte)'0' and < (byte)'9')
        {
            Arena.Append((byte)'"');
            Arena.Append(time.Length == 19 ? time : time.TrimEnd((byte)'0').TrimEnd((byte)'.'));
            Arena.Append(isUtc ? "+00:00\""u8 : text[^6..]);
            if (!isUtc)
                Arena.Append((byte)'"');
        }
        else
        {
            Span<char> characters = text.Length <= 64 ? stackalloc char[64] : new char[text.Length];
            characters = characters[..Encoding.UTF8.GetChars(text, characters)];
            if (!DateTimeOffset.TryParse(characters, CultureInfo.InvariantCulture, DateTimeStyles.None, out DateTimeOffset instant))
                return false;
            Arena.Append((byte)'"');
            instant.TryFormat(Arena.GetSpan(64), out int written, InstantFormat, CultureInfo.InvariantCulture);
            Arena.Advance(written);
            Arena.Append((byte)'"');
        }
        token.ArenaLength = Arena.Length - token.ArenaStart;
        return true;
    }

    /// <summary>Labels that <c>meta.security</c> holds and keeps: same code, and the same system or none.</summary>
    private Operations ExistingLabels(ReadOnlySpan<byte> json, Span<Token> tokens, int meta)
    {
        Operations existing = Operations.None;
        if (meta == 0 || !tokens[meta].IsWritten)
            return existing;
        if (tokens[meta].Action == TokenAction.Replace)
            return Replaced(tokens[meta])["security"]?.AsArray().Aggregate(existing, (labels, coding) => labels | Label(coding!)) ?? existing;
        for (int i = meta + 1; i < tokens[meta].Next; i = tokens[i].Next)
        {
            if (tokens[i].Property?.Name != "security" || !tokens[i].IsWritten)
                continue;
            bool isArray = tokens[i].Kind == JsonTokenType.StartArray;
            for (int coding = isArray ? i + 1 : i; coding < tokens[i].Next; coding = tokens[coding].Next)
            {
                if (tokens[coding].IsWritten)
                    existing |= Label(json, tokens, coding);
            }
        }
        return existing;
    }

    /// <summary>Adds labels to a meta that a substitute has given.</summary>
    private void AddLabels(ref Token meta, Operations labels)
    {
        JsonNode replaced = Replaced(meta);
        JsonArray security = replaced["security"]?.AsArray() ?? [];
        foreach (SecurityLabel label in SecurityLabel.All.Where(label => (labels & label.Operation) != 0))
            security.Add(JsonNode.Parse(label.Json));
        if (security.Parent is null)
            replaced["security"] = security;
        if ((string?)replaced["lastUpdated"] is { Length: > 19 } text && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.None, out DateTimeOffset instant))
            replaced["lastUpdated"] = instant.ToString(InstantFormat, CultureInfo.InvariantCulture);
        meta.ArenaStart = Arena.Length;
        Arena.Append(JsonSerializer.SerializeToUtf8Bytes(replaced, Redaction.RelaxedJson));
        meta.ArenaLength = Arena.Length - meta.ArenaStart;
    }

    private JsonNode Replaced(in Token token) => JsonNode.Parse(Arena.Slice(token.ArenaStart, token.ArenaLength))!;

    private static Operations Label(JsonNode coding) =>
        Label(Encoding.UTF8.GetBytes((string?)coding["system"] ?? ""), Encoding.UTF8.GetBytes((string?)coding["code"] ?? ""));

    private Operations Label(ReadOnlySpan<byte> json, Span<Token> tokens, int coding)
    {
        if (tokens[coding].Action == TokenAction.Replace)
            return Label(Replaced(tokens[coding]));
        byte[] system = [], code = [];
        for (int i = coding + 1; i < tokens[coding].Next; i = tokens[i].Next)
        {
            if (tokens[i].IsTwin || !tokens[i].IsWritten)
                continue;
            if (tokens[i].Property!.Name == "system")
                system = WrittenText(json, tokens[i]);
            else if (tokens[i].Property!.Name == "code")
                code = WrittenText(json, tokens[i]);
        }
        return Label(system, code);
    }

    private static Operations Label(ReadOnlySpan<byte> system, ReadOnlySpan<byte> code)
    {
        foreach (SecurityLabel label in SecurityLabel.All)
        {
            if (label.Code.AsSpan().SequenceEqual(code) && (system.Length == 0 || label.System.AsSpan().SequenceEqual(system)))
                return label.Operation;
        }
        return Operations.None;
    }

    private byte[] WrittenText(ReadOnlySpan<byte> json, in Token token) => token.Action == TokenAction.Replace
        ? Arena.Slice(token.ArenaStart, token.ArenaLength)[1..^1].ToArray()
        : _primitives.Unescape(json, token).ToArray();

    private static ResourceException Shape(FhirProperty property, in Frame frame) =>
        new($"{frame.State.Type.Id}.{property.Name} has another JSON shape than R4 gives it");
}
