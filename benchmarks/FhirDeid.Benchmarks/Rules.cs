using System.Text.Json.Nodes;
using FhirDeid.Anonymization;

namespace FhirDeid.Benchmarks;

/// <summary>The configurations that are measured.</summary>
internal static class Rules
{
    /// <summary>Path of the file with 190 rules, in the manner of Microsoft's sample.</summary>
    public static string File { get; } = Path.Combine(AppContext.BaseDirectory, "rules.json");

    /// <summary>The 190 rules.</summary>
    public static string All { get; } = System.IO.File.ReadAllText(File);

    /// <summary>The 190 rules behind five with a condition.</summary>
    public static string WithConditions { get; } = Before(
        "Patient.telecom.where(system = 'phone' and use = 'home')",
        "Observation.component.where(code.coding.code = '8480-6').value",
        "Claim.item.where(encounter.exists()).productOrService",
        "Encounter.participant.where(type.coding.exists(code = 'PPRF')).individual",
        "Condition.code.where(coding.first().system = 'http://snomed.info/sct').text");

    /// <summary>The 190 rules behind five whose conditions use what is rare in FHIRPath.</summary>
    public static string WithRareFunctions { get; } = Before(
        "Patient.name.where(iif(use = 'official', given.combine(prefix).count() > 1, family.matches('^[A-M]'))).family",
        "Observation.code.coding.where(code.toChars().all($this != ' ')).display",
        "Claim.item.where(productOrService.coding.select(code).distinct().count() > 0).net",
        "Encounter.participant.where(type.coding.code.intersect('PPRF' | 'ATND').exists()).individual",
        "Condition.code.coding.where(display.replaceMatches('[^a-z]', '').length() > 5).display");

    /// <summary>Whether the engine runs a configuration.</summary>
    public static bool AreRun(string configuration)
    {
        try
        {
            Anonymizer.Create(configuration).Dispose();
            return true;
        }
        catch (FhirDeidException exception) when (exception.ErrorId == "FhirDeid.ConfigNotSupported")
        {
            return false;
        }
    }

    private static string Before(params string[] paths)
    {
        JsonNode configuration = JsonNode.Parse(All)!;
        JsonArray rules = configuration["fhirPathRules"]!.AsArray();
        foreach (string path in paths.Reverse())
            rules.Insert(0, new JsonObject { ["path"] = path, ["method"] = "redact" });
        return configuration.ToJsonString();
    }
}
