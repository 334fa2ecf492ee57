using System.Buffers;
using System.Text.Json;
using FhirDeid.Anonymization;

namespace FhirDeid.Fuzz;

/// <summary>One resource: it is refused, or what comes out is JSON that the engine reads again and that holds nothing of what the rules remove.</summary>
internal sealed class ResourceTarget
{
    private static readonly string[] Labels =
    [
        "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "REDACTED", "redacted", "CRYTOHASH", "cryptographic hash function",
        "MASKED", "masked", "PERTURBED", "exact value is replaced with another exact value",
    ];

    private static readonly string[] RemovedNames = ["name", "_name", "identifier", "extension", "telecom", "value", "_value", "valueString", "_valueString", "valueQuantity"];

    private readonly ArrayBufferWriter<byte> _output = new();
    private readonly ArrayBufferWriter<byte> _second = new();
    private readonly Anonymizer _keep = Anonymizer.Create("""{"fhirVersion":"R4","fhirPathRules":[]}""");

    private readonly (Anonymizer Engine, Action<JsonElement> Check)[] _configurations =
    [
        (Anonymizer.Create("""{"fhirVersion":"R4","fhirPathRules":[{"path":"Resource","method":"redact"}]}"""), NothingIsLeft),
        (Anonymizer.Create("""
            {"fhirVersion":"R4","fhirPathRules":[
              {"path":"nodesByName('name')","method":"redact"},{"path":"nodesByName('identifier')","method":"redact"},{"path":"nodesByName('extension')","method":"redact"},
              {"path":"nodesByType('ContactPoint')","method":"redact"},{"path":"nodesByName('value')","method":"redact"}]}
            """), NamesAreGone),
        .. Regular.Concat(Conditional.Where(IsRun)).Select(configuration => (Anonymizer.Create(configuration), (Action<JsonElement>)(_ => { }))),
    ];

    /// <summary>Every method.</summary>
    private static readonly string[] Regular =
    [
        """
        {"fhirVersion":"R4","fhirPathRules":[
          {"path":"Patient.contact.name","method":"keep"},{"path":"Resource.id","method":"cryptoHash"},{"path":"nodesByType('Reference').reference","method":"cryptoHash"},
          {"path":"Patient.name.family","method":"substitute","replaceWith":"Doe"},{"path":"nodesByType('HumanName')","method":"encrypt"},
          {"path":"Observation.value","method":"perturb","span":4,"roundTo":1},{"path":"nodesByType('Address')","method":"redact"},{"path":"nodesByType('Age')","method":"redact"},
          {"path":"Patient.deceased","method":"redact"},{"path":"nodesByType('date')","method":"dateShift"},{"path":"nodesByType('dateTime')","method":"dateShift"},
          {"path":"nodesByType('instant')","method":"dateShift"},{"path":"Observation.component","method":"cryptoHash"},{"path":"Bundle.entry.resource.name","method":"redact"},
          {"path":"Patient.active","method":"substitute","replaceWith":"false"},{"path":"nodesByType('decimal')","method":"perturb","span":0.5,"rangeType":"proportional"}],
         "parameters":{"cryptoHashKey":"k","dateShiftKey":"d","encryptKey":"0123456789abcdef","enablePartialAgesForRedact":true,"enablePartialDatesForRedact":true,
          "enablePartialZipCodesForRedact":true,"restrictedZipCodeTabulationAreas":["036"]}}
        """,
    ];

    /// <summary>What not every version of the engine runs.</summary>
    private static readonly string[] Conditional =
    [
        """
        {"fhirVersion":"R4","fhirPathRules":[
          {"path":"Patient.name.where(use = 'official').given.first()","method":"redact"},{"path":"Observation.component.where(code.coding.exists(code = 'a')).value","method":"redact"},
          {"path":"Bundle.entry[0].resource.descendants().where($this is string)","method":"redact"}]}
        """,
        """{"fhirVersion":"R4","fhirPathRules":[{"path":"Patient.name","method":"substitute","replaceWith":{"family":"Doe","given":["A","B"]}},{"path":"Observation.value","method":"substitute","replaceWith":{"value":1}}]}""",
        """{"fhirVersion":"R4","fhirPathRules":[{"path":"Patient.birthDate","method":"generalize","cases":{"$this < @2000-01-01":"@1990"}},{"path":"Patient.gender","method":"generalize","cases":{"$this = 'male'":"'other'"},"otherValues":"keep"}]}""",
    ];

    public void Run(byte[] input)
    {
        foreach ((Anonymizer engine, Action<JsonElement> check) in _configurations)
        {
            _output.ResetWrittenCount();
            try
            {
                engine.Anonymize(input, _output);
            }
            catch (FhirDeidException)
            {
                continue;
            }
            using JsonDocument output = JsonDocument.Parse(_output.WrittenMemory, new JsonDocumentOptions { MaxDepth = 20_000, AllowDuplicateProperties = false });
            check(output.RootElement);
            _second.ResetWrittenCount();
            _keep.Anonymize(_output.WrittenSpan, _second);
        }
    }

    private static bool IsRun(string configuration)
    {
        try
        {
            Anonymizer.Create(configuration).Dispose();
            return true;
        }
        catch (FhirDeidException)
        {
            return false;
        }
    }

    private static void NothingIsLeft(JsonElement element) => Visit(element, (name, value) =>
    {
        if (value.ValueKind is JsonValueKind.String && name != "resourceType" && !Labels.Contains(value.GetString())
            || value.ValueKind is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False)
            throw new FindingException($"A redacted resource keeps a value in '{name}'.");
    });

    private static void NamesAreGone(JsonElement element) => Visit(element, (name, _) =>
    {
        if (RemovedNames.Contains(name))
            throw new FindingException($"'{name}' is still there.");
    });

    private static void Visit(JsonElement root, Action<string, JsonElement> visit)
    {
        Stack<(string Name, JsonElement Value)> open = new([("", root)]);
        while (open.TryPop(out (string Name, JsonElement Value) next))
        {
            visit(next.Name, next.Value);
            if (next.Value.ValueKind == JsonValueKind.Object)
            {
                foreach (JsonProperty property in next.Value.EnumerateObject())
                    open.Push((property.Name, property.Value));
            }
            else if (next.Value.ValueKind == JsonValueKind.Array)
            {
                foreach (JsonElement item in next.Value.EnumerateArray())
                    open.Push((next.Name, item));
            }
        }
    }
}
