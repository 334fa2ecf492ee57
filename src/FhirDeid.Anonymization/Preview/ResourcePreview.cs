using System.Text;
using System.Text.Json;
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
    private readonly PrimitiveReader _primitives = new();
    private readonly long[] _matched;
    private readonly long[] _changed;
    private readonly List<FhirElementChange> _changes = [];
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

    public IReadOnlyList<FhirElementChange> Compare(string resource)
    {
        byte[] json = Encoding.UTF8.GetBytes(resource.Trim().TrimStart('\uFEFF'));
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
            throw new ResourceFailedException(exception.Message, type, exception.Rule?.Number, exception.Rule?.Method.Name());
        }
        FhirType root = _decide.Resources[0].Type;
        _id = "";
        Object(json, 0, Matched(_plan.Root(root), 0, 0), new Place(root, root.Name, 0, 0, false));
        return [.. _changes];
    }

    public void Dispose() => _decide.Dispose();

    /// <summary>Where an object stands: its resource's type, its path, how many resources are around it, how deep it is, and whether all around it goes.</summary>
    private readonly record struct Place(FhirType Resource, string Path, int Resources, int Depth, bool IsDropped);

    private PlanState Matched(PlanState state, int token, int resources) => _decide.Matches.Apply(state, _tape.Tokens[token], resources);

    private void Object(byte[] json, int index, PlanState state, Place place)
    {
        if (place.Depth > MaxDepth)
        {
            throw new FhirDeidException("ResourceInvalid", FhirDeidErrorCategory.InvalidData, $"A {place.Resource.Name} nests more than {MaxDepth} levels deep, which no preview shows.",
                "Leave it out of the sample; Invoke-FhirDeid takes it.");
        }
        place = place with { IsDropped = place.IsDropped || _tape.Tokens[index].Action == TokenAction.Drop };
        for (int i = index + 1; i < _tape.Tokens[index].Next; i = _tape.Tokens[i].Next)
        {
            if (_tape.Tokens[i].Property is not { } property || i == _tape.Tokens[index].ResourceType)
                continue;
            bool isTwin = _tape.Tokens[i].IsTwin;
            string path = $"{place.Path}.{(isTwin ? "_" : "")}{property}";
            PlanState below = property.Type is null ? state : state.Child(_plan, property);
            if (_tape.Tokens[i].Kind != JsonTokenType.StartArray)
            {
                Value(json, i, property, state, below, place with { Path = path });
                continue;
            }
            int position = 0;
            bool isDropped = place.IsDropped || _tape.Tokens[i].Action == TokenAction.Drop;
            for (int item = i + 1; item < _tape.Tokens[i].Next; item = _tape.Tokens[item].Next)
                Value(json, item, property, state, below, place with { Path = $"{path}[{position++}]", IsDropped = isDropped });
        }
    }

    private void Value(byte[] json, int index, FhirProperty property, PlanState parent, PlanState state, Place place)
    {
        Token token = _tape.Tokens[index];
        if (token.Kind == JsonTokenType.Null)
            return;
        if (property.Type is null)
        {
            FhirType type = FhirModel.R4.FindResource(_primitives.Unescape(json, _tape.Tokens[token.ResourceType]))!;
            Object(json, index, Matched(parent.Resource(_plan, property, type), index, place.Resources + 1), place with { Resources = place.Resources + 1, Depth = place.Depth + 1 });
            return;
        }
        state = Matched(state, index, place.Resources);
        if (token.Kind == JsonTokenType.StartObject)
        {
            if (AnonymizationPlan.IsPerturbedQuantity(state) && !HasValue(index))
                state = state.WithoutPerturb(_plan);
            if (token.Action == TokenAction.Replace)
                Add(json, token, state, place);
            else
                Object(json, index, state, place with { Depth = place.Depth + 1 });
            return;
        }
        if (place is { Depth: 0 } && property.Name == "id")
            _id = Encoding.UTF8.GetString(_primitives.Text(json, token));
        Add(json, token, state, place);
    }

    private bool HasValue(int index)
    {
        for (int i = index + 1; i < _tape.Tokens[index].Next; i = _tape.Tokens[i].Next)
        {
            if (_tape.Tokens[i] is { Property.Name: "value", IsTwin: false, Kind: JsonTokenType.Number or JsonTokenType.String })
                return true;
        }
        return false;
    }

    private void Add(byte[] json, in Token token, PlanState state, Place place)
    {
        int rule = state.DecidedBy.Rule;
        if (rule >= 0)
            _matched[rule]++;
        bool isDropped = place.IsDropped || token.Action == TokenAction.Drop;
        if (token.Action == TokenAction.Copy && !isDropped)
            return;
        string before = Text(json.AsSpan(token.Start, token.End - token.Start));
        string? after = isDropped ? null : Text(_decide.Arena.Slice(token.ArenaStart, token.ArenaLength));
        if (before == after)
            return;
        if (rule >= 0)
            _changed[rule]++;
        _changes.Add(new FhirElementChange
        {
            ResourceType = place.Resource.Name, ResourceId = _id, Path = place.Path, Rule = rule < 0 ? 0 : _configuration.Rules[rule].Number, Method = rule < 0 ? "" : _configuration.Rules[rule].Method.Name(), Before = before, After = after,
        });
    }

    /// <summary>A string without its quotes and escapes; anything else as written.</summary>
    private string Text(ReadOnlySpan<byte> json) => Encoding.UTF8.GetString(json.Length > 1 && json[0] == '"' ? _primitives.Unescape(json) : json);
}
