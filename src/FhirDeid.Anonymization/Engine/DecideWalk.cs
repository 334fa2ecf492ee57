using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Plan;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Engine;

/// <summary>Second walk: finds the R4 element of every token, checks it, and decides what is written for it.</summary>
/// <remarks>Nothing passes unexamined: what the R4 model does not know is an error of the resource. Iterative, linear in the number of tokens.</remarks>
/// <param name="plan">The compiled rules.</param>
/// <param name="configuration">The parameters.</param>
/// <param name="scopeName">Name of the input file or folder that dates shift by; empty where they shift by the document's id.</param>
internal sealed class DecideWalk(AnonymizationPlan plan, AnonymizationConfiguration configuration, byte[] scopeName) : IDisposable
{
    private readonly PrimitiveReader _primitives = new();
    private readonly Redaction _redaction = new(configuration);
    private readonly CryptoHash _hash = new(configuration.CryptoHashKey);
    private readonly Encryption _encryption = new(configuration.EncryptKey);
    private readonly DateShift _dateShift = new(configuration, scopeName);
    private Frame[] _frames = new Frame[32];
    private int _depth;
    private ResourceContext[] _resources = new ResourceContext[8];
    private int _resourceCount;
    private readonly long[] _changes = new long[Enum.GetValues<AnonymizationMethod>().Length];
    private DateOnly _today;

    /// <summary>An object or array whose parts are being decided.</summary>
    private struct Frame
    {
        public int Token;

        /// <summary>State of an array's items or of an object.</summary>
        public PlanState State;

        /// <summary>Index of the resource that it belongs to.</summary>
        public int Resource;

        /// <summary>Elements met so far in an object, a bit each; values and twins apart.</summary>
        public ulong Seen;

        public ulong SeenTwins;

        public bool IsResource;

        /// <summary>Whether anything in it is written.</summary>
        public bool HasContent;

        /// <summary>Whether anything in it is written differently, or not at all.</summary>
        public bool IsChanged;
    }

    public ReadOnlySpan<ResourceContext> Resources => _resources.AsSpan(0, _resourceCount);

    /// <summary>New values, as JSON.</summary>
    public Arena Arena { get; } = new();

    public void Dispose()
    {
        _hash.Dispose();
        _encryption.Dispose();
    }

    /// <summary>Forgets the last resource.</summary>
    public void Clear()
    {
        Arena.Clear();
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
    /// <param name="tokens">Its tape.</param>
    /// <param name="today">The day on which ages count.</param>
    /// <exception cref="ResourceException">It holds something that R4 does not know.</exception>
    public void Run(ReadOnlySpan<byte> json, Span<Token> tokens, DateOnly today)
    {
        _today = today;
        OpenResource(json, tokens, 0, null);
        _dateShift.Begin(json, tokens, plan, _frames[0].State, _hash, _primitives);
        for (int i = 1; _depth > 0;)
        {
            ref Frame frame = ref _frames[_depth - 1];
            if (i == tokens[frame.Token].Next)
                Close(json, tokens);
            else if (tokens[frame.Token].Kind == JsonTokenType.StartArray)
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
                Push(index, property.Type is null ? frame.State : frame.State.Child(plan, property), frame.Resource);
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
            Open(json, tokens, index, property, ref frame);
            return index + 1;
        }
        if (!property.IsPrimitive || token.IsTwin)
            throw Shape(property, frame);
        Primitive(json, tokens, index, property, frame.State.Child(plan, property), ref frame);
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
        token.Property = property;
        if (property.Type is null)
            OpenResource(json, tokens, index, property);
        else
            Push(index, Acting(json, tokens, index, frame.State), frame.Resource);
        return index + 1;
    }

    /// <summary>The state of a node: perturb leaves a Quantity without a number to the rules after it.</summary>
    private PlanState Acting(ReadOnlySpan<byte> json, Span<Token> tokens, int index, PlanState state)
    {
        if (!AnonymizationPlan.IsPerturbedQuantity(state))
            return state;
        for (int i = index + 1; i < tokens[index].Next; i = tokens[i].Next)
        {
            if (tokens[i].Kind is JsonTokenType.Number or JsonTokenType.String && _primitives.Name(json, tokens[i]).SequenceEqual("value"u8))
                return state;
        }
        return state.WithoutDecision(plan);
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
        Push(index, Acting(json, tokens, index, frame.State.Child(plan, property)), frame.Resource);
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
        PlanState state = property is null ? plan.Root(type) : _frames[_depth - 1].State.Resource(plan, property, type);
        if (_resourceCount == _resources.Length)
            Array.Resize(ref _resources, _resourceCount * 2);
        _resources[_resourceCount] = new ResourceContext { Type = type, Parent = parent, IsContained = property?.Name == "contained" };
        token.Resource = _resourceCount;
        Push(index, state, _resourceCount++);
        _frames[_depth - 1].IsResource = true;
    }

    private void Push(int token, PlanState state, int resource)
    {
        if (_depth == _frames.Length)
            Array.Resize(ref _frames, _depth * 2);
        _frames[_depth++] = new Frame { Token = token, State = state, Resource = resource };
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
        if (frame.IsResource)
            CloseResource(json, tokens, ref frame);
        else if (frame.IsChanged && frame.HasContent && frame.State.Type.Name == "Extension" && token.Kind == JsonTokenType.StartObject)
            frame.HasContent = KeepsUrl(tokens, frame.Token);
        token.Action = !frame.HasContent && !frame.IsResource ? TokenAction.Drop
            : frame.IsChanged || token.HasWhiteSpace ? TokenAction.Descend : TokenAction.Copy;
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

    /// <summary>An extension whose url was removed says nothing and is not valid FHIR: it goes as a whole.</summary>
    private static bool KeepsUrl(Span<Token> tokens, int extension)
    {
        for (int i = extension + 1; i < tokens[extension].Next; i = tokens[i].Next)
        {
            if (tokens[i] is { Property.Name: "url", IsTwin: false })
                return tokens[i].IsWritten;
        }
        return true;
    }

    private void PrimitiveArray(ReadOnlySpan<byte> json, Span<Token> tokens, int index, FhirProperty property, ref Frame frame)
    {
        ref Token array = ref tokens[index];
        PlanState state = frame.State.Child(plan, property);
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
                Decide(json, tokens, i, property, state, ref frame);
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
        bool isCanonical = _primitives.Read(json, token, state.Type, out ReadOnlySpan<byte> text);
        int start = Arena.Length;
        if (text.IsEmpty)
        {
            token.Action = TokenAction.Drop;
            return;
        }
        bool isWritten = true;
        bool isKept = false;
        switch (state.Method)
        {
            case AnonymizationMethod.Keep:
                isKept = true;
                break;
            case AnonymizationMethod.Redact:
                isWritten = Redact(json, tokens, text, property, state, ref frame, out isKept);
                break;
            case AnonymizationMethod.CryptoHash when state.Type.Syntax == PrimitiveSyntax.Text:
                Record(frame.Resource, state.DecidedBy, Operations.CryptoHash);
                if (frame.State.Type.Name == "Reference" && property.Name == "reference")
                    _hash.WriteReference(text, Arena);
                else
                    _hash.WriteValue(text, Arena);
                break;
            case AnonymizationMethod.DateShift:
                isWritten = Shift(text, state, ref frame);
                break;
            case AnonymizationMethod.Substitute:
                Record(frame.Resource, state.DecidedBy, Operations.Substitute);
                isWritten = TrySubstitute(state);
                break;
            case AnonymizationMethod.Encrypt when state.Type.Syntax == PrimitiveSyntax.Text:
                Record(frame.Resource, state.DecidedBy, Operations.Encrypt);
                _encryption.WriteValue(CryptoHash.Trim(text), Arena);
                break;
            case AnonymizationMethod.Perturb when state.DecidedBy.HoldsAll && !(AnonymizationPlan.IsQuantity(frame.State.Type) && property.Name == "value"):
                isKept = true;
                break;
            case AnonymizationMethod.Perturb:
                Record(frame.Resource, state.DecidedBy, Operations.Perturb);
                isWritten = Noise.TryWrite(text, state.Type, plan.Rule(state.DecidedBy).Noise!, Arena);
                break;
            case AnonymizationMethod.CryptoHash or AnonymizationMethod.Encrypt:
                // No boolean, number or date can hold a hash or a cipher text: the value goes.
                Record(frame.Resource, state.DecidedBy, Operations.Redact);
                isWritten = false;
                break;
        }
        if (isKept && !isCanonical)
            PrimitiveReader.WriteCanonical(text, state.Type, Arena);
        token.Action = !isWritten ? TokenAction.Drop : isKept && isCanonical ? TokenAction.Copy : TokenAction.Replace;
        token.ArenaStart = start;
        token.ArenaLength = Arena.Length - start;
    }

    /// <summary>Redacts a value; returns whether anything of it stays.</summary>
    private bool Redact(ReadOnlySpan<byte> json, Span<Token> tokens, ReadOnlySpan<byte> text, FhirProperty property, PlanState state, ref Frame frame, out bool isKept)
    {
        isKept = false;
        if (property.Name == "postalCode" && _redaction.TryPostalCode(text, Arena))
        {
            Record(frame.Resource, state.DecidedBy, Operations.Abstract);
            return true;
        }
        Record(frame.Resource, state.DecidedBy, Operations.Redact);
        // An instant cannot be a year: one that a rule names goes, and meta.lastUpdated always; within a larger redacted element its year stays, as the service has it.
        if (state.Type.Name is "date" or "dateTime" || state is { Type.Name: "instant", IsMatched: false } && frame.State.Type.Name != "Meta")
            return _redaction.TryYear(text, _today, Arena);
        if (frame.State.Type.Name == "Age" && property.Name is "value" or "unit" or "system" or "code")
            return isKept = KeepsAge(json, tokens, frame.Token, out bool isInYears) && (property.Name == "value" || !isInYears && Redaction.IsUnit(property.Name, text));
        return false;
    }

    /// <summary>Shifts a date; returns whether anything of it stays. What has no day, or who is over 89, is redacted.</summary>
    private bool Shift(ReadOnlySpan<byte> text, PlanState state, ref Frame frame)
    {
        FhirDate.TryParse(text, allowTime: true, out FhirDate date);
        int rule = Owner(frame.Resource, state.DecidedBy) == 0 ? state.DecidedBy.Rule : int.MaxValue;
        if (date.Day > 0 && !date.IsOver89(_today) && _dateShift.TryWrite(text, date, rule, Arena))
        {
            Record(frame.Resource, state.DecidedBy, Operations.Perturb);
            return true;
        }
        Record(frame.Resource, state.DecidedBy, Operations.Redact);
        return date.Day == 0 && _redaction.TryYear(text, _today, Arena);
    }

    /// <summary>Writes the replacement that the rule gives; what lies below the node that the rule names is removed.</summary>
    private bool TrySubstitute(PlanState state)
    {
        if (!state.IsMatched || plan.Rule(state.DecidedBy).ReplaceWith is not { Length: > 0 } text)
            return false;
        ReadOnlySpan<byte> utf8 = Encoding.UTF8.GetBytes(text);
        if (state.Type.Syntax is PrimitiveSyntax.Boolean or PrimitiveSyntax.Integer or PrimitiveSyntax.Decimal)
            PrimitiveReader.WriteCanonical(utf8, state.Type, Arena);
        else
            Arena.Append(JsonSerializer.SerializeToUtf8Bytes(text, Redaction.RelaxedJson));
        return true;
    }

    /// <summary>A substitute gives a value also to a primitive that has only an id or extensions.</summary>
    private void CreateValues(Span<Token> tokens, ref Frame frame)
    {
        for (int i = frame.Token + 1; i < tokens[frame.Token].Next; i = tokens[i].Next)
        {
            ref Token token = ref tokens[i];
            if (!token.IsTwin || token.Twin != 0 || token.Kind == JsonTokenType.Null)
                continue;
            PlanState state = frame.State.Child(plan, token.Property!);
            if (state.Method != AnonymizationMethod.Substitute)
                continue;
            Record(frame.Resource, state.DecidedBy, Operations.Substitute);
            token.ArenaStart = Arena.Length;
            int items = token.Kind == JsonTokenType.StartArray ? CountItems(tokens, i) : 1;
            if (token.Property!.IsCollection)
                Arena.Append((byte)'[');
            bool hasValue = true;
            for (int item = 0; item < items; item++)
            {
                if (item > 0)
                    Arena.Append((byte)',');
                hasValue &= TrySubstitute(state);
            }
            if (token.Property.IsCollection)
                Arena.Append((byte)']');
            token.ArenaLength = hasValue && items > 0 ? Arena.Length - token.ArenaStart : 0;
            frame.HasContent |= token.ArenaLength > 0;
            frame.IsChanged = true;
        }
    }

    /// <summary>A substitute gives a value also to the items of a repeating primitive that have only an id or extensions.</summary>
    private void FillValues(Span<Token> tokens, int value, int twin, ref Frame frame)
    {
        PlanState state = frame.State.Child(plan, tokens[value].Property!);
        if (tokens[value].Kind != JsonTokenType.StartArray || tokens[twin].Kind != JsonTokenType.StartArray
            || state.Method != AnonymizationMethod.Substitute)
            return;
        int item = value + 1;
        for (int i = twin + 1; i < tokens[twin].Next && item < tokens[value].Next; i = tokens[i].Next, item++)
        {
            if (tokens[item].Kind != JsonTokenType.Null || tokens[i].Kind == JsonTokenType.Null)
                continue;
            Record(frame.Resource, state.DecidedBy, Operations.Substitute);
            int start = Arena.Length;
            if (!TrySubstitute(state))
                continue;
            (tokens[item].ArenaStart, tokens[item].ArenaLength, tokens[item].Action) = (start, Arena.Length - start, TokenAction.Replace);
            tokens[value].Action = TokenAction.Descend;
        }
    }

    private static int CountItems(Span<Token> tokens, int array)
    {
        int count = 0;
        for (int i = array + 1; i < tokens[array].Next; i = tokens[i].Next)
            count++;
        return count;
    }

    private bool KeepsAge(ReadOnlySpan<byte> json, Span<Token> tokens, int age, out bool isInYears)
    {
        ReadOnlySpan<byte> value = default;
        string unit = "", code = "", comparator = "";
        PrimitiveReader reader = new();
        for (int i = age + 1; i < tokens[age].Next; i = tokens[i].Next)
        {
            ref Token token = ref tokens[i];
            // A copy: the texts below are unescaped into the same place.
            string name = Encoding.UTF8.GetString(reader.Name(json, token));
            bool isString = token.Kind == JsonTokenType.String;
            if (name == "value")
                value = isString ? json[(token.Start + 1)..(token.End - 1)] : json[token.Start..token.End];
            else if (isString && name == "unit")
                unit = Encoding.UTF8.GetString(reader.Unescape(json, token));
            else if (isString && name == "code")
                code = Encoding.UTF8.GetString(reader.Unescape(json, token));
            else if (isString && name == "comparator")
                comparator = Encoding.UTF8.GetString(reader.Unescape(json, token));
        }
        return _redaction.KeepsAge(value, code.Length > 0 ? code : unit, comparator, out isInYears);
    }

    /// <summary>Notes what a rule did, for the resource whose rule it is.</summary>
    private void Record(int resource, RuleReference rule, Operations operation)
    {
        _resources[Owner(resource, rule)].Operations |= operation;
        _changes[(int)plan.Method(rule)]++;
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
        tokens[resource.Meta].Action = TokenAction.Descend;
        tokens[resource.Meta].Resource = frame.Resource;
        for (int i = resource.Meta + 1; i < tokens[resource.Meta].Next; i = tokens[i].Next)
        {
            if (!tokens[i].IsWritten || tokens[i].IsTwin)
                continue;
            if (tokens[i].Property!.Name == "security")
                tokens[i].Action = TokenAction.Descend;
            else if (tokens[i].Property!.Name == "lastUpdated")
                NormaliseInstant(json, ref tokens[i]);
        }
    }

    /// <summary>The service writes <c>meta</c> anew when it adds a label: <c>lastUpdated</c> then has a numeric zone and no trailing zeros in its fraction.</summary>
    private void NormaliseInstant(ReadOnlySpan<byte> json, ref Token token)
    {
        string text = Encoding.UTF8.GetString(WrittenText(json, token));
        if (text.Length <= 19 || !DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.None, out DateTimeOffset instant))
            return;
        token.Action = TokenAction.Replace;
        token.ArenaStart = Arena.Length;
        Arena.Append(Encoding.ASCII.GetBytes($"\"{instant.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFFzzz", CultureInfo.InvariantCulture)}\""));
        token.ArenaLength = Arena.Length - token.ArenaStart;
    }

    /// <summary>Labels that <c>meta.security</c> holds and keeps: same code, and the same system or none.</summary>
    private Operations ExistingLabels(ReadOnlySpan<byte> json, Span<Token> tokens, int meta)
    {
        Operations existing = Operations.None;
        if (meta == 0 || !tokens[meta].IsWritten)
            return existing;
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

    private Operations Label(ReadOnlySpan<byte> json, Span<Token> tokens, int coding)
    {
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
