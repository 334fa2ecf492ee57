using System.Text.Json.Nodes;
using CsCheck;

namespace FhirDeid.Anonymization.Tests.Oracle;

/// <summary>Random configurations on random resources: the engine and the oracle must agree. What differs is cut down before it is printed.</summary>
public sealed class OracleTests
{
    private static readonly string[] ResourceTypes = ["Patient", "Observation", "Encounter", "Condition", "Claim", "Bundle", "Parameters", "Questionnaire", "MedicationRequest", "Group", "FamilyMemberHistory", "QuestionnaireResponse"];

    private static readonly Gen<int> Seed = Gen.Int[0, int.MaxValue];

    [Fact]
    public void The_engine_and_the_oracle_agree()
    {
        long pairs = Environment.GetEnvironmentVariable("FHIRDEID_LONG") == "1" ? 100_000 : 1_000;

        Gen.Select(Seed, Seed).Sample(seeds => Pair(seeds).Difference() is null, iter: pairs, print: seeds => $"{seeds}\n{Pair(seeds).Smallest()}");
    }

    private static OraclePair Pair((int Configuration, int Resource) seeds)
    {
        JsonObject resource = new RandomResource(seeds.Resource).Resource(ResourceTypes[seeds.Resource % ResourceTypes.Length], depth: 5);
        return new OraclePair([.. RandomConfiguration.Rules(seeds.Configuration, resource)], RandomConfiguration.Parameters(seeds.Configuration), resource);
    }
}
