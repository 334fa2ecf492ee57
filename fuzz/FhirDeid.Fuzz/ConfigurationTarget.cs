using System.Buffers;
using System.Text;
using FhirDeid.Anonymization;

namespace FhirDeid.Fuzz;

/// <summary>The text of a configuration: its check never throws, and what it finds no error in can be read and runs.</summary>
internal static class ConfigurationTarget
{
    private static readonly AnonymizationEngine Engine = new();

    private static readonly byte[] Patient = """
        {"resourceType":"Patient","id":"p1","meta":{"lastUpdated":"2020-01-02T03:04:05Z"},"active":true,"name":[{"use":"official","family":"F","given":["G","H"],"_given":[null,{"id":"x"}]}],
        "birthDate":"1970-05-06","multipleBirthInteger":2,"address":[{"postalCode":"98052","state":"WA"}],"contained":[{"resourceType":"Observation","id":"o","valueQuantity":{"value":1.5,"unit":"kg"}}]}
        """u8.ToArray();

    public static void Run(byte[] input)
    {
        string json = Encoding.UTF8.GetString(input);
        IReadOnlyList<AnonymizationConfigFinding> findings = Engine.Test(json);
        try
        {
            Engine.Parse(json, "fuzz");
        }
        catch (FhirDeidException exception)
        {
            if (!findings.Any(finding => finding.Severity == AnonymizationConfigSeverity.Error))
                throw new FindingException($"It is refused, but its check finds no error: {exception.ErrorId}.");
            return;
        }
        try
        {
            using Anonymizer anonymizer = Anonymizer.Create(json);
            anonymizer.Anonymize(Patient, new ArrayBufferWriter<byte>());
        }
        catch (FhirDeidException)
        {
            // What this engine does not run, or a rule that fails on this resource.
        }
    }
}
