using System.Globalization;
using System.Text.Json.Nodes;
using FhirDeid.Anonymization.FhirPath;
using FhirDeid.Anonymization.Tests.Oracle;
using Hl7.Fhir.FhirPath;
using Hl7.Fhir.Model;
using Hl7.Fhir.Serialization;
using Hl7.FhirPath;
using Hl7.FhirPath.Expressions;

namespace FhirDeid.Anonymization.Tests.FhirPath;

/// <summary>Random expressions on resources: this evaluator and the Firely SDK agree.</summary>
/// <remarks>
/// The service runs on version 5 of that SDK, whose results decide; the tests have version 6. Left out is what differs between the two or on purpose:
/// where nodes are the result, equal nodes in different places all count; what fails in either, since version 6 takes values without an order for empty,
/// and evaluates an operand that does not matter; children() and descendants(), whose order in version 6 is not that of the document;
/// $index outside of a criterion; and the child "value" that primitives have in version 6.
/// </remarks>
public sealed class FirelyTests
{
    private static readonly string[] Resources =
    [
        """{"resourceType":"Patient","id":"p1","active":true,"identifier":[{"use":"usual","system":"http://h/mrn","value":"a1"},{"use":"old","value":"b2","period":{"end":"2015"}}],"name":[{"use":"official","family":"Duck","given":["Ann","Bea"]},{"use":"old","family":"Swan","given":["Ann"]}],"gender":"female","birthDate":"1970-05-06","deceasedDateTime":"2015-02-07T13:28:17-05:00","address":[{"line":["1 Main St","Unit 5"],"city":"Ames","postalCode":"50010"}],"multipleBirthInteger":2,"contact":[{"name":{"family":"Ash"},"gender":"male"},{"telecom":[{"system":"sms","value":"5","rank":2}]}],"extension":[{"url":"http://e/race","valueString":"r"}]}""",
        """{"resourceType":"Observation","id":"o1","status":"final","category":[{"coding":[{"code":"lab"},{"code":"vital"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"1-1","display":"One"}],"text":"one"},"subject":{"reference":"Patient/p1"},"effectivePeriod":{"start":"2015-02-07","end":"2016-02"},"issued":"2015-02-07T13:28:17.239+02:00","valueQuantity":{"value":10.50,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"},"component":[{"code":{"text":"a"},"valueString":"12"},{"code":{"text":"b"},"valueInteger":7},{"code":{"text":"c"},"valueTime":"10:30:00"},{"code":{"text":"d"},"valueBoolean":false}]}""",
        """{"resourceType":"Questionnaire","id":"q1","status":"draft","date":"2020-01-01","item":[{"linkId":"1","text":"Top","type":"group","item":[{"linkId":"1.1","text":"Inner","type":"decimal","initial":[{"valueDecimal":2.5}]},{"linkId":"1.2","type":"choice","answerOption":[{"valueCoding":{"code":"x"}},{"valueDate":"2015-02-07"}]}]},{"linkId":"2","text":"Last","type":"boolean","repeats":false}]}""",
    ];

    private static readonly FhirJsonDeserializer Json = new(new DeserializerSettings().UsingMode(DeserializationMode.Strict));

    [Fact]
    public void Random_expressions_give_what_the_Firely_SDK_gives()
    {
        int expressions = Environment.GetEnvironmentVariable("FHIRDEID_LONG") == "1" ? 100_000 : 400;
        for (int seed = 0; seed < expressions; seed++)
            Agree(new Random(seed));
    }

    private static void Agree(Random random)
    {
        string json = Resources[random.Next(Resources.Length)];
        TreeNode root = TreeNode.Read(json);
        OracleNode[] nodes = [.. root.Element.SelfAndBelow()];
        RandomExpression expressions = new(random, [.. nodes.Select(n => n.Name == "value" ? "value.ofType(Quantity)" : n.Name).Where(n => n != "").Distinct()], [.. nodes.Select(n => n.Type.Name).Distinct()],
            [.. nodes.Select(n => new TreeNode(n).Text).OfType<string>().Where(text => text.Length < 12).Distinct()]);
        string expression = random.Next(2) == 0 ? $"({expressions.Condition(3)}).count()" : $"({expressions.Value(3)}).count()";

        string? expected = Firely(expression, Json.DeserializeResource(json));
        string? actual = Own(expression, root);
        if (expected is not null && actual is not null && expected != actual)
            throw new InvalidOperationException($"{expression}\nFirely: {expected}\nhere: {actual}\n{json}");
    }

    private static string? Own(string expression, TreeNode root)
    {
        try
        {
            return root.Evaluate(expression);
        }
        catch (FhirPathException)
        {
            return null;
        }
    }

    private static string? Firely(string expression, Resource root)
    {
        try
        {
            return "Integer " + Convert.ToString(root.Scalar(expression), CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is InvalidOperationException or ArgumentException or InvalidCastException or FormatException or OverflowException)
        {
            return null;
        }
    }
}
