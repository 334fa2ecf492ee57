using System.Text.Json;

namespace FhirDeid.Emulator;

/// <summary>The Patient compartment of FHIR R4: by which elements a resource belongs to patients.</summary>
internal static class PatientCompartment
{
    private static readonly string[] Subject = ["subject"];
    private static readonly string[] Patient = ["patient"];

    // http://hl7.org/fhir/R4/compartmentdefinition-patient.html, each search parameter by the element that it begins at.
    private static readonly Dictionary<string, string[]> Elements = new(StringComparer.Ordinal)
    {
        ["Account"] = Subject, ["AdverseEvent"] = Subject, ["AllergyIntolerance"] = ["patient", "recorder", "asserter"],
        ["Appointment"] = ["participant"], ["AppointmentResponse"] = ["actor"], ["AuditEvent"] = ["agent", "entity"],
        ["Basic"] = ["subject", "author"], ["BodyStructure"] = Patient, ["CarePlan"] = ["subject", "activity"],
        ["CareTeam"] = ["subject", "participant"], ["ChargeItem"] = Subject, ["Claim"] = ["patient", "payee"], ["ClaimResponse"] = Patient,
        ["ClinicalImpression"] = Subject, ["Communication"] = ["subject", "sender", "recipient"],
        ["CommunicationRequest"] = ["subject", "sender", "recipient", "requester"], ["Composition"] = ["subject", "author", "attester"],
        ["Condition"] = ["subject", "asserter"], ["Consent"] = Patient, ["Coverage"] = ["policyHolder", "subscriber", "beneficiary", "payor"],
        ["CoverageEligibilityRequest"] = Patient, ["CoverageEligibilityResponse"] = Patient, ["DetectedIssue"] = Patient,
        ["DeviceRequest"] = ["subject", "performer"], ["DeviceUseStatement"] = Subject, ["DiagnosticReport"] = Subject,
        ["DocumentManifest"] = ["subject", "author", "recipient"], ["DocumentReference"] = ["subject", "author"], ["Encounter"] = Subject,
        ["EnrollmentRequest"] = ["candidate"], ["EpisodeOfCare"] = Patient, ["ExplanationOfBenefit"] = ["patient", "payee"],
        ["FamilyMemberHistory"] = Patient, ["Flag"] = Subject, ["Goal"] = Subject, ["Group"] = ["member"], ["ImagingStudy"] = Subject,
        ["Immunization"] = Patient, ["ImmunizationEvaluation"] = Patient, ["ImmunizationRecommendation"] = Patient,
        ["Invoice"] = ["subject", "recipient"], ["List"] = ["subject", "source"], ["MeasureReport"] = Subject, ["Media"] = Subject,
        ["MedicationAdministration"] = ["subject", "performer"], ["MedicationDispense"] = ["subject", "receiver"], ["MedicationRequest"] = Subject,
        ["MedicationStatement"] = Subject, ["MolecularSequence"] = Patient, ["NutritionOrder"] = Patient, ["Observation"] = ["subject", "performer"],
        ["Patient"] = ["link"], ["Person"] = ["link"], ["Procedure"] = ["subject", "performer"], ["Provenance"] = ["target"],
        ["QuestionnaireResponse"] = ["subject", "author"], ["RelatedPerson"] = Patient, ["RequestGroup"] = ["subject", "action"],
        ["ResearchSubject"] = ["individual"], ["RiskAssessment"] = Subject, ["Schedule"] = ["actor"], ["ServiceRequest"] = ["subject", "performer"],
        ["Specimen"] = Subject, ["SupplyDelivery"] = Patient, ["SupplyRequest"] = ["requester"], ["VisionPrescription"] = Patient,
    };

    /// <summary>Whether resources of a type belong to patients.</summary>
    public static bool Has(string type) => Elements.ContainsKey(type);

    /// <summary>Ids of the patients that a resource belongs to: a Patient to itself, too.</summary>
    /// <param name="type">Its type.</param>
    /// <param name="id">Its id.</param>
    /// <param name="references">Its references, each with the top-level element that it stands in.</param>
    public static string[] Of(string type, string? id, List<(string Element, string Target)> references)
    {
        if (!Elements.TryGetValue(type, out string[]? elements)) return [];
        IEnumerable<string> patients = references.Where(reference => elements.Contains(reference.Element))
            .Select(reference => Id("Patient", reference.Target)).OfType<string>();
        if (type == "Patient" && id is not null) patients = patients.Prepend(id);
        return [.. patients.Distinct(StringComparer.Ordinal)];
    }

    /// <summary>The patients and groups that a Group names as its members now.</summary>
    /// <param name="group">The Group in JSON.</param>
    /// <param name="now">Memberships that have ended, or have not begun, do not count.</param>
    public static IEnumerable<(string Type, string Id)> Members(ReadOnlyMemory<byte> group, DateTimeOffset now)
    {
        using JsonDocument document = JsonDocument.Parse(group);
        if (!document.RootElement.TryGetProperty("member", out JsonElement members) || members.ValueKind != JsonValueKind.Array) yield break;
        foreach (JsonElement member in members.EnumerateArray())
        {
            if (member.TryGetProperty("inactive", out JsonElement inactive) && inactive.ValueKind == JsonValueKind.True) continue;
            if (Time(member, "start") > now || Time(member, "end") < now) continue;
            if (!member.TryGetProperty("entity", out JsonElement entity) || !entity.TryGetProperty("reference", out JsonElement reference)) continue;
            string target = reference.GetString() ?? "";
            if (Id("Patient", target) is { } patient) yield return ("Patient", patient);
            else if (Id("Group", target) is { } nested) yield return ("Group", nested);
        }

        static DateTimeOffset? Time(JsonElement member, string name) =>
            member.TryGetProperty("period", out JsonElement period) && period.TryGetProperty(name, out JsonElement value) && FhirTime.TryParse(value.GetString(), out DateTimeOffset time) ? time : null;
    }

    /// <summary>The id of a reference to a type: relative or absolute, to a version or not.</summary>
    private static string? Id(string type, string reference)
    {
        string[] segments = reference.Split('/');
        int at = Array.LastIndexOf(segments, "_history") is > 1 and int history ? history - 2 : segments.Length - 2;
        return at >= 0 && segments[at] == type ? segments[at + 1] : null;
    }
}
