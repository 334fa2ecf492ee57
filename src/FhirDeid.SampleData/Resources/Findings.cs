using static FhirDeid.SampleData.PlantedCategory;

namespace FhirDeid.SampleData.Resources;

/// <summary>Observation, DiagnosticReport, DocumentReference, QuestionnaireResponse, Provenance.</summary>
internal static class Findings
{
    private static void StartObservation(ResourceWriter w, PatientRecord p, Visit visit, Identifying id, string category, Code code)
    {
        w.Start("Observation", id);
        w.Meta(p.Random);
        w.Write("status", "final");
        w.Concepts("category", new Code(Vocabulary.Terminology + "observation-category", category, category));
        w.Concept("code", code);
        w.Subject(p);
        w.Reference("encounter", "Encounter", visit.Encounter);
    }

    public static void Measurement(ResourceWriter w, PatientRecord p, Visit visit)
    {
        (Code code, string unit, int low, int high) = p.Random.Pick(Vocabulary.Measurements);
        StartObservation(w, p, visit, visit.Measurement, "laboratory", code);
        w.Write("effectiveDateTime", p.Time(visit.Start));
        w.Write("issued", p.Instant(visit.End));
        w.References("performer", "Practitioner", visit.Practitioner.Id);
        w.Quantity("valueQuantity", new decimal(p.Random.Between(low, high), 0, 0, false, 1), unit);
        w.Concepts("interpretation", new Code(Vocabulary.Terminology + "v3-ObservationInterpretation", "N", "Normal"));
        if (p.Random.Chance(40))
            w.Note(visit.Practitioner.Name, p.Time(visit.End), $"Result phoned to {p.Person.Prefix} {p.Person.Family} at {p.Person.Phone} on {Text.Slashed(visit.Day)}");
        w.Reference("device", "Device", p.DeviceId);
    }

    public static void Pressure(ResourceWriter w, PatientRecord p, Visit visit)
    {
        StartObservation(w, p, visit, visit.Pressure, "vital-signs", new Code(Vocabulary.Loinc, "85354-9", "Blood pressure panel with all children optional"));
        w.Period("effectivePeriod", p.Time(visit.Start), p.Time(visit.End));
        w.Write("issued", p.Instant(visit.End));
        using (w.List("component"))
        {
            using (w.Item())
            {
                w.Concept("code", new Code(Vocabulary.Loinc, "8480-6", "Systolic blood pressure"));
                w.Quantity("valueQuantity", p.Random.Between(95, 175), "mm[Hg]");
            }
            using (w.Item())
            {
                w.Concept("code", new Code(Vocabulary.Loinc, "8462-4", "Diastolic blood pressure"));
                w.Quantity("valueQuantity", p.Random.Between(55, 105), "mm[Hg]");
            }
            using (w.Item())
            {
                w.Concept("code", new Code(Vocabulary.Loinc, "8357-6", "Blood pressure method"));
                w.Write("valueString", $"cuff no. {p.Serial}");
            }
        }
    }

    public static void History(ResourceWriter w, PatientRecord p, Visit visit)
    {
        int age = p.Person.AgeOn(visit.Day);
        StartObservation(w, p, visit, p.NewId(), "social-history", new Code(Vocabulary.Loinc, "29762-2", "Social history Narrative"));
        w.Narrative($"History of {p.Person.FullName}, taken {Text.Spelled(visit.Day)}.");
        w.Write("effectiveDateTime", Text.Day(visit.Day));
        w.References("performer", "RelatedPerson", p.RelatedPersonId, p.Relative.FullName);
        if (age > 89) w.Write("valueString", $"A {new Identifying(Age, Text.Of(age))}-year-old, {p.Feat}; born {p.Person.Maiden}");
        else w.Write("valueString", $"{p.Person.Given} is the {p.Feat}; born {p.Person.Maiden}");
        using (w.List("derivedFrom"))
            using (w.Item()) w.ReferenceElements("Observation", visit.Pressure);
    }

    public static void DiagnosticReport(ResourceWriter w, PatientRecord p, Visit visit)
    {
        w.Start("DiagnosticReport", visit.Report);
        w.Meta(p.Random);
        w.Narrative($"Report on {p.Person.FullName} ({p.Mrn}), {Text.Slashed(visit.Day)}.");
        using (w.Single("identifier"))
        {
            w.Write("system", "https://lab.example.org/accession");
            w.Write("value", new Identifying(Account, $"ACC-{p.Random.Digits(10)}"));
        }
        w.Write("status", "final");
        w.Concepts("category", new Code(Vocabulary.Terminology + "v2-0074", "LAB", "Laboratory"));
        w.Concept("code", new Code(Vocabulary.Loinc, "58410-2", "CBC panel - Blood by Automated count"));
        w.Subject(p);
        w.Reference("encounter", "Encounter", visit.Encounter);
        w.Write("effectiveDateTime", p.Time(visit.Start));
        w.Write("issued", p.Instant(visit.End));
        w.References("performer", "Practitioner", visit.Practitioner.Id, visit.Practitioner.Name);
        using (w.List("result"))
        {
            using (w.Item()) w.ReferenceElements("Observation", visit.Pressure);
            using (w.Item()) w.ReferenceElements("Observation", visit.Measurement);
        }
        w.Write("conclusion", $"Nothing new in {p.Person.FullName} since {Text.Day(p.Visits[0].Day)}. Copy to {visit.Practitioner.Person.Email}, account {p.Account}.");
        using (w.Single("presentedForm"))
        {
            w.Write("contentType", "text/plain");
            w.WriteBase64("data", $"Laboratory report for {p.Person.FullName}, {p.Ssn}, printed {Text.Slashed(visit.Day)}");
            w.Write("title", $"Report {p.Mrn}");
        }
    }

    public static void DocumentReference(ResourceWriter w, PatientRecord p, Visit visit)
    {
        w.Start("DocumentReference", p.NewId());
        w.Meta(p.Random);
        using (w.Object("masterIdentifier"))
        {
            w.Write("system", "urn:ietf:rfc:3986");
            w.Write("value", $"urn:uuid:{p.NewId()}");
        }
        w.Write("status", "current");
        w.Concept("type", new Code(Vocabulary.Loinc, "34117-2", "History and physical note"));
        w.Subject(p);
        w.Write("date", p.Instant(visit.End));
        w.References("author", "Practitioner", visit.Practitioner.Id, visit.Practitioner.Name);
        using (w.Object("custodian"))
        {
            w.Write("reference", $"urn:oid:2.16.840.1.113883.{new Identifying(Id, $"19.5.{p.Random.Between(10000, 99999).ToString(System.Globalization.CultureInfo.InvariantCulture)}.1{p.Random.Digits(8)}")}");
            w.Write("display", p.Clinic.Name);
        }
        w.Write("description", $"Note on {p.Person.FullName}, insured as {p.HealthPlan}");
        using (w.Single("content"))
        using (w.Object("attachment"))
        {
            w.Write("contentType", "text/plain");
            w.Write("language", "en-US");
            w.WriteBase64("data", $"{p.Person.FullName}, {p.Mrn}, born {Text.Spelled(p.Person.BirthDate)}, of {p.Person.Address.Line}, {p.Person.Address.City}, came on {Text.Spelled(visit.Day)} with {visit.Condition.Display}. Phone {p.Person.Phone}.");
            w.Write("url", new Identifying(Url, $"https://documents.example.org/{p.Random.Digits(12)}/note.txt"));
            w.Write("title", $"{p.Person.FullName} {Text.Day(visit.Day)}");
            w.Write("creation", p.Time(visit.End));
        }
        using (w.Object("context"))
        {
            w.References("encounter", "Encounter", visit.Encounter);
            w.Period("period", p.Time(visit.Start), p.Time(visit.End));
        }
    }

    public static void QuestionnaireResponse(ResourceWriter w, PatientRecord p, Visit visit)
    {
        w.Start("QuestionnaireResponse", p.NewId());
        w.Meta(p.Random);
        w.Write("questionnaire", Vocabulary.Site + "Questionnaire/admission|1.0");
        w.Write("status", "completed");
        w.Subject(p);
        w.Reference("encounter", "Encounter", visit.Encounter);
        w.Write("authored", p.Time(visit.Start));
        w.Reference("author", "RelatedPerson", p.RelatedPersonId, p.Relative.FullName);
        using (w.List("item"))
        {
            using (Question(w, "name", "What is your full name?"))
            using (w.Single("answer")) w.Write("valueString", p.Person.FullName);
            using (Question(w, "moved", "When did you move here?"))
            using (w.Single("answer")) w.Write("valueDate", Text.Day(visit.Day.AddDays(-p.Random.Between(100, 900))));
            using (Question(w, "web", "Do you have a web page?"))
            using (w.Single("answer"))
            {
                w.Write("valueUri", p.Person.Web);
                using (Nested(w, "ip", "From which address do you visit it?"))
                using (w.Single("answer")) w.Write("valueString", p.Ip);
            }
            using (Question(w, "pain", "How bad is the pain, 0 to 10?"))
            using (w.Single("answer")) w.Write("valueInteger", p.Random.Between(0, 10));
        }
    }

    private static ResourceWriter.Scope Question(ResourceWriter w, string linkId, string text)
    {
        ResourceWriter.Scope item = w.Item();
        w.Write("linkId", linkId);
        w.Write("text", text);
        return item;
    }

    private static ResourceWriter.Scope Nested(ResourceWriter w, string linkId, string text)
    {
        ResourceWriter.Scope item = w.Single("item");
        w.Write("linkId", linkId);
        w.Write("text", text);
        return item;
    }

    public static void Provenance(ResourceWriter w, PatientRecord p, Visit visit)
    {
        w.Start("Provenance", p.NewId());
        w.Meta(p.Random);
        using (w.List("target"))
        {
            using (w.Item()) w.ReferenceElements("Patient", p.PatientId);
            using (w.Item()) w.Write("reference", $"Condition/{visit.ConditionId}/_history/1");
            using (w.Item()) w.Write("reference", $"urn:uuid:{visit.Report}");
            using (w.Item()) w.Write("reference", $"https://fhir-north.example.org/r4/Encounter/{visit.Encounter}/_history/3");
        }
        w.Period("occurredPeriod", p.Time(visit.Start), p.Time(visit.End));
        w.Write("recorded", p.Instant(visit.End));
        using (w.List("policy")) w.WriteItem(Vocabulary.Site + "policy/consent");
        using (w.Single("agent"))
        {
            w.Concept("type", new Code(Vocabulary.Terminology + "provenance-participant-type", "author", "Author"));
            w.Reference("who", "Practitioner", visit.Practitioner.Id, visit.Practitioner.Name);
            w.Reference("onBehalfOf", "Organization", p.Clinic.Organization);
        }
        using (w.Single("signature"))
        {
            using (w.Single("type")) w.Coding(new Code("urn:iso-astm:E1762-95:2013", "1.2.840.10065.1.12.1.1", "Author's Signature"));
            w.Write("when", p.Instant(visit.End.AddSeconds(77)));
            w.Reference("who", "Practitioner", visit.Practitioner.Id);
            w.WriteBase64("data", $"Signed by {visit.Practitioner.Name}, {visit.Practitioner.Licence}");
        }
    }
}
