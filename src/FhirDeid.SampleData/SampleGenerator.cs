using FhirDeid.SampleData.Resources;

namespace FhirDeid.SampleData;

/// <summary>One made-up resource.</summary>
/// <param name="ResourceType">Its type.</param>
/// <param name="Id">Its id.</param>
/// <param name="Utf8Json">The resource as one line of compact JSON in UTF-8, without the line feed.</param>
/// <param name="PlantedValues">Every identifying value in it, in the order of the text.</param>
public sealed record GeneratedResource(string ResourceType, string Id, ReadOnlyMemory<byte> Utf8Json, IReadOnlyList<PlantedValue> PlantedValues);

/// <summary>Makes up patient records without files.</summary>
public static class SampleGenerator
{
    /// <summary>Types of the resources, sorted. Each patient brings at least one of each, but for those of the clinic.</summary>
    public static IReadOnlyList<string> ResourceTypes { get; } =
    [
        "AllergyIntolerance", "Appointment", "Claim", "Communication", "Condition", "Coverage", "Device", "DiagnosticReport", "DocumentReference", "Encounter", "ExplanationOfBenefit", "FamilyMemberHistory",
        "Immunization", "Location", "MedicationRequest", "Observation", "Organization", "Patient", "Practitioner", "Procedure", "Provenance", "QuestionnaireResponse", "RelatedPerson",
    ];

    /// <summary>The resources, patient by patient; each Patient comes before what refers to it, and the clinic of a hundred patients before them.</summary>
    /// <param name="patientCount">Number of patients, at least 1. The first N patients are the same whatever the count.</param>
    /// <param name="seed">Any number. The same seed gives the same bytes on every system and .NET version.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="patientCount"/> is less than 1.</exception>
    public static IEnumerable<GeneratedResource> Generate(int patientCount, int seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(patientCount, 1);
        return Resources(patientCount, seed);
    }

    private static IEnumerable<GeneratedResource> Resources(int patientCount, int seed)
    {
        using var w = new ResourceWriter();
        Clinic clinic = null!;
        for (int index = 0; index < patientCount; index++)
        {
            if (index % Clinic.Patients == 0)
            {
                clinic = new Clinic(seed, index / Clinic.Patients);
                foreach (GeneratedResource resource in ClinicResources(w, clinic)) yield return resource;
            }
            foreach (GeneratedResource resource in PatientResources(w, new PatientRecord(seed, index, clinic))) yield return resource;
        }
    }

    private static IEnumerable<GeneratedResource> ClinicResources(ResourceWriter w, Clinic clinic)
    {
        Facilities.Organization(w, clinic, clinic.Organization, clinic.Name, "prov", "Healthcare Provider");
        yield return w.End();
        Facilities.Organization(w, clinic, clinic.Payer, $"Health Insurer {Text.Of(clinic.Number + 1)}", "ins", "Insurance Company");
        yield return w.End();
        for (int i = 0; i < clinic.Locations.Length; i++)
        {
            Facilities.Location(w, clinic, i);
            yield return w.End();
        }
        foreach (Practitioner practitioner in clinic.Practitioners)
        {
            Facilities.Practitioner(w, clinic, practitioner);
            yield return w.End();
        }
    }

    private static IEnumerable<GeneratedResource> PatientResources(ResourceWriter w, PatientRecord p)
    {
        Action<ResourceWriter, PatientRecord>[] once =
        [
            Individuals.Patient, Individuals.RelatedPerson, Individuals.DeviceResource, Billing.Coverage, Care.AllergyIntolerance,
            Care.GrandparentHistory, Care.RelativeHistory,
            (w, p) => Findings.QuestionnaireResponse(w, p, p.Visits[0]), (w, p) => Care.Immunization(w, p, p.Visits[^1]),
        ];
        Action<ResourceWriter, PatientRecord, Visit>[] eachVisit =
        [
            Care.Condition, Findings.Measurement, Findings.Pressure, Care.Procedure, Care.MedicationRequest, Findings.DiagnosticReport, Findings.DocumentReference, Billing.Claim, Findings.Provenance,
        ];
        foreach (var write in once)
        {
            write(w, p);
            yield return w.End();
        }
        Visit? before = null;
        foreach (Visit visit in p.Visits)
        {
            Care.Encounter(w, p, visit, before);
            yield return w.End();
            foreach (var write in eachVisit)
            {
                write(w, p, visit);
                yield return w.End();
            }
            before = visit;
        }
        Findings.History(w, p, p.Visits[^1]);
        yield return w.End();
        Billing.ExplanationOfBenefit(w, p, p.Visits[0]);
        yield return w.End();
        Individuals.Appointment(w, p);
        yield return w.End();
        Individuals.Communication(w, p);
        yield return w.End();
    }
}
