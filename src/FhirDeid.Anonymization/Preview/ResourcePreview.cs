using System.Text;
using System.Text.Json;
using FhirDeid.Anonymization.Bulk;
using FhirDeid.Anonymization.Configuration;
using FhirDeid.Anonymization.Engine;
using FhirDeid.Anonymization.Plan;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Preview;

/// <summary>What a configuration does to one resource after the other: the engine's own decisions, token by token.</summary>
internal sealed class ResourcePreview : IResourcePreview
{
    private const int MaxDepth = 512;

    private readonly AnonymizationConfiguration _configuration;
    private readonly AnonymizationPlan _plan;
    private readonly Tape _tape = new();
    private readonly DecideWalk _decide;
    private readonly long[] _matched;
    private readonly long[] _changed;
    private readonly List<FhirElementChange> _changes = [];
    private long _resources;
    private string _id = "";

    public ResourcePreview(string json)
    {
        _configuration = ConfigurationReader.Read(json);
        _plan = new AnonymizationPlan(_configuration);
        _decide = new DecideWalk(_plan, _configuration, [], []);
        (_matched, _changed) = (new long[_configuration.Rules.Count], new long[_configuration.Rules.Count]);
    }

    public IReadOnlyList<FhirRuleSummary> Rules =>
        [.. _configuration.Rules.Select((rule, index) => new FhirRuleSummary { Rule = rule.Number, Path = rule.Path, Method = rule.Method.Name(), Matched = _matched[index], Changed = _changed[index] })];

    public IReadOnlyList<FhirElementChange> Compare(string resource) => Compare(new FhirResourceText("", ++_resources, ResourceFile.Trim(ResourceFile.Bytes(resource), 1)));

    public IReadOnlyList<FhirElementChange> Compare(FhirResourceText resource)
    {
        ReadOnlySpan<byte> json = resource.Json.Span;
        _changes.Clear();
        _decide.Clear();
        try
        {
            _tape.Read(json);
            _decide.Run(json, _tape, DateOnly.FromDateTime(DateTime.Now));
        }
        catch (ResourceException exception)
        {
            string? type = _decide.Resources.IsEmpty ? null : _decide.Resources[0].Type.Name;
            ResourceFailedException failed = new(exception.Message, type, exception.Rule?.Number, exception.Rule?.Method.Name());
            DeidentificationFailure failure = failed.At(resource.Path, resource.Line);
            throw new FhirDeidException("ResourceInvalid", FhirDeidErrorCategory.InvalidData, $"{failure}.", failed.RecommendedAction, failure);
        }
        FhirType root = _decide.Resources[0].Type;
        _id = "";
        Resource(json, 0, Matched(_plan.Root(root), 0, 0), new Place(root, root.Name, 0, 0, false));
        return [.. _changes];
    }

    public void Dispose() => _decide.Dispose();

    /// <summary>Where an object stands: its resource's type, its path, how many resources are around it, how deep it is, and whether all around it goes.</summary>
    private readonly record struct Place(FhirType Resource, string Path, int Resources, int Depth, bool IsDropped);

    private PlanState Matched(PlanState state, int token, int resources) => _decide.Matches.Apply(state, _tape.Tokens[token], resources);

    private void Resource(ReadOnlySpan<byte> json, int index, PlanState state, Place place)
    {
        Object(json, index, state, place);
        ref readonly ResourceContext resource = ref _decide.Resources[_tape.Tokens[index].Resource];
        // A meta that a substitute gives has been shown with its labels.
        if (resource.NewLabels == Operations.None || resource.Meta != 0 && _tape.Tokens[resource.Meta].Action == TokenAction.Replace)
            return;
        int position = resource.Meta == 0 ? 0 : SecurityCount(resource.Meta);
        foreach (SecurityLabel label in SecurityLabel.All)
        {
            if ((resource.NewLabels & label.Operation) != 0)
                Add(-1, place with { Path = $"{place.Path}.meta.security[{position++}]" }, null, Encoding.UTF8.GetString(label.Json));
        }
    }

    private int SecurityCount(int meta)
    {
        for (int i = meta + 1; i < _tape.Tokens[meta].Next; i = _tape.Tokens[i].Next)
        {
            if (_tape.Tokens[i].Property?.Name == "security")
                return _tape.Tokens[i].Kind == JsonTokenType.StartArray ? Items(i).Count() : 1;
        }
        return 0;
    }

    private void Object(ReadOnlySpan<byte> json, int index, PlanState state, Place place)
    {
        if (place.Depth > MaxDepth)
        {
            throw new FhirDeidException("ResourceInvalid", FhirDeidErrorCategory.InvalidData, $"A {place.Resource.Name} nests more than {MaxDepth} levels deep, which no preview shows.",
                "Leave it out of the sample; Invoke-FhirDeid takes it.");
        }
        place = place with { IsDropped = place.IsDropped || _tape.Tokens[index].Action == TokenAction.Drop };
        for (int i = index + 1; i < _tape.Tokens[index].Next; i = _tape.Tokens[i].Next)
        {
            Token token = _tape.Tokens[i];
            if (token.Property is not { } property || i == _tape.Tokens[index].ResourceType)
                continue;
            string path = $"{place.Path}.{(token.IsTwin ? "_" : "")}{property}";
            PlanState below = property.Type is null ? state : state.Child(_plan, property);
            if (token.IsTwin && token.ArenaLength > 0)
                Create(token, Rule(below, i, place.Resources), place with { Path = $"{place.Path}.{property}" });
            if (token.Kind != JsonTokenType.StartArray)
            {
                Value(json, i, property, state, below, place with { Path = path });
                continue;
            }
            int position = 0;
            bool isDropped = place.IsDropped || token.Action == TokenAction.Drop;
            int[] twins = token is { Twin: not 0, IsTwin: false } ? [.. Items(token.Twin)] : [];
            foreach (int item in Items(i))
            {
                Place at = place with { Path = $"{path}[{position}]", IsDropped = isDropped };
                // A value that a substitute gave to an item with nothing but an id or extensions.
                if (_tape.Tokens[item] is { Kind: JsonTokenType.Null, Action: TokenAction.Replace } created)
                    Create(created, Rule(below, twins[position], place.Resources), at);
                else
                    Value(json, item, property, state, below, at);
                position++;
            }
        }
    }

    private IEnumerable<int> Items(int array)
    {
        for (int item = array + 1; item < _tape.Tokens[array].Next; item = _tape.Tokens[item].Next)
            yield return item;
    }

    private void Value(ReadOnlySpan<byte> json, int index, FhirProperty property, PlanState parent, PlanState state, Place place)
    {
        Token token = _tape.Tokens[index];
        if (token.Kind == JsonTokenType.Null)
            return;
        if (property.Type is null)
        {
            FhirType type = FhirModel.R4.FindResource(_decide.Methods.Primitives.Unescape(json, _tape.Tokens[token.ResourceType]))!;
            Resource(json, index, Matched(parent.Resource(_plan, property, type), index, place.Resources + 1), place with { Resources = place.Resources + 1, Depth = place.Depth + 1 });
            return;
        }
        state = Matched(state, index, place.Resources);
        if (token.Kind == JsonTokenType.StartObject)
        {
            state = _decide.Methods.Acting(json, _tape.Tokens, index, state);
            if (token.Action == TokenAction.Replace)
                Change(json, token, state, place);
            else
                Object(json, index, state, place with { Depth = place.Depth + 1 });
            return;
        }
        if (place is { Depth: 0 } && property.Name == "id")
            _id = Encoding.UTF8.GetString(_decide.Methods.Primitives.Text(json, token));
        Change(json, token, state, place);
    }

    private void Change(ReadOnlySpan<byte> json, in Token token, PlanState state, Place place)
    {
        int rule = state.DecidedBy.Rule;
        if (rule >= 0)
            _matched[rule]++;
        bool isDropped = place.IsDropped || token.Action == TokenAction.Drop;
        if (token.Action == TokenAction.Copy && !isDropped)
            return;
        string before = Text(json[token.Start..token.End]);
        string? after = isDropped ? null : Text(_decide.Arena.Slice(token.ArenaStart, token.ArenaLength));
        if (before != after)
            Add(rule, place, before, after);
    }

    /// <summary>A value where there was none, by a substitute.</summary>
    private void Create(in Token token, int rule, Place place)
    {
        _matched[rule]++;
        Add(rule, place, null, Text(_decide.Arena.Slice(token.ArenaStart, token.ArenaLength)));
    }

    /// <summary>The rule that gave a value to a primitive without one: of a repeating one, to the first item that got it.</summary>
    private int Rule(PlanState state, int twin, int resources) =>
        (_tape.Tokens[twin].Kind == JsonTokenType.StartArray ? Items(twin) : [twin]).Select(item => Matched(state, item, resources)).First(item => item.Method == AnonymizationMethod.Substitute).DecidedBy.Rule;

    private void Add(int rule, Place place, string? before, string? after)
    {
        if (rule >= 0)
            _changed[rule]++;
        _changes.Add(new FhirElementChange
        {
            ResourceType = place.Resource.Name, ResourceId = _id, Path = place.Path, Rule = rule < 0 ? 0 : _configuration.Rules[rule].Number, Method = rule < 0 ? "" : _configuration.Rules[rule].Method.Name(), Before = before, After = after,
        });
    }

    /// <summary>A string without its quotes and escapes; anything else as written.</summary>
    private string Text(ReadOnlySpan<byte> json) => Encoding.UTF8.GetString(json.Length > 1 && json[0] == '"' ? _decide.Methods.Primitives.Unescape(json) : json);
}
