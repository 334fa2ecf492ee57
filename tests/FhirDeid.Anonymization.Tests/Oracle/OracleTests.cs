using System.Text.Json.Nodes;
using CsCheck;

namespace FhirDeid.Anonymization.Tests.Oracle;

/// <summary>Random configurations on random resources: the engine and the oracle must agree. CsCheck shrinks what differs and prints the seed.</summary>
public sealed class OracleTests
{
    private static readonly string[] ResourceTypes = ["Patient", "Observation", "Encounter", "Condition", "Claim", "Bundle", "Parameters", "Questionnaire", "MedicationRequest", "Group", "FamilyMemberHistory", "QuestionnaireResponse"];

    private static readonly Gen<int> Seed = Gen.Int[0, int.MaxValue];

    [Fact]
    public void The_engine_and_the_oracle_agree()
    {
        long pairs = Environment.GetEnvironmentVariable("FHIRDEID_LONG") == "1" ? 100_000 : 1_000;

        Gen.Select(Seed, Seed).Sample((configuration, resource) => Agree(configuration, resource), iter: pairs);
    }

    private static void Agree(int configurationSeed, int resourceSeed)
    {
        JsonObject resource = new RandomResource(resourceSeed).Resource(ResourceTypes[resourceSeed % ResourceTypes.Length], depth: 5);
        OraclePair pair = new([.. RandomConfiguration.Rules(configurationSeed, resource)], RandomConfiguration.Parameters(configurationSeed), resource);
        if (pair.Difference() is not null)
            throw new InvalidOperationException(pair.Smallest().ToString());
    }
}
