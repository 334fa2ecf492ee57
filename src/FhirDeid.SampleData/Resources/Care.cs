using static FhirDeid.SampleData.PlantedCategory;

namespace FhirDeid.SampleData.Resources;

/// <summary>Encounter, Condition, Procedure, MedicationRequest, Immunization, AllergyIntolerance, FamilyMemberHistory.</summary>
internal static class Care
{
    public static void Encounter(ResourceWriter w, PatientRecord p, Visit visit, Visit? before)
    {
        Code type = p.Random.Pick(Vocabulary.VisitTypes);
        w.Start("Encounter", visit.Encounter);
        w.Meta(p.Random);
        using (w.Single("identifier"))
        {
            w.Write("use", "official");
            w.Write("system", "https://hospital.example.org/visit");
            w.Write("value", new Identifying(Account, $"VISIT-{p.Random.Digits(9)}"));
        }
        w.Write("status", "finished");
        using (w.Object("class")) w.Coding(new Code(Vocabulary.Terminology + "v3-ActCode", "AMB", "ambulatory"));
        using (w.Single("type"))
        {
            using (w.Single("coding"))
            {
                w.Write("system", type.System);
                w.Write("code", type.Value);
                if (p.Random.Chance(15)) w.Write("display", $"{type.Display} ({p.Person.FullName})");
                else w.Write("display", type.Display);
            }
            w.Write("text", type.Display);
        }
        w.Subject(p);
        using (w.List("participant"))
        {
            // A server whose name has a hyphen, one whose name has none, and one that is asked for by number.
            using (w.Item())
            {
                using (w.Object("individual"))
                {
                    w.Write("reference", $"https://fhir-north.example.org/r4/Practitioner/{visit.Practitioner.Id}");
                    w.Write("display", visit.Practitioner.Name);
                }
                w.Period("period", p.Time(visit.Start), p.Time(visit.End));
            }
            using (w.Item())
            using (w.Object("individual"))
            {
                w.Write("type", "Practitioner");
                using (w.Object("identifier"))
                {
                    w.Write("system", "http://hl7.org/fhir/sid/us-npi");
                    w.Write("value", visit.Practitioner.Npi);
                }
            }
        }
        w.Period("period", p.Time(visit.Start), p.Time(visit.End));
        w.Concepts("reasonCode", visit.Condition);
        using (w.Single("diagnosis"))
            w.Reference("condition", "Condition", visit.ConditionId);
        using (w.Single("location"))
        {
            w.Reference("location", "Location", visit.Location);
            using (w.Object("period")) w.Write("start", p.Time(visit.Start));
        }
        w.Reference("serviceProvider", "Organization", p.Clinic.Organization);
        if (before is not null) w.Reference("partOf", "Encounter", before.Encounter);
    }

    public static void Condition(ResourceWriter w, PatientRecord p, Visit visit)
    {
        w.Start("Condition", visit.ConditionId);
        w.Meta(p.Random);
        w.Narrative($"{p.Person.FullName} told {visit.Practitioner.Name} on {Text.Slashed(visit.Day)}: {visit.Condition.Display}.");
        using (w.Single("contained"))
        {
            w.Write("resourceType", "Practitioner");
            w.Write("id", "asserter");
            using (w.Single("name")) w.HumanName(visit.Practitioner.Person, "Dr.");
            using (w.List("telecom")) w.Contact("phone", "work", visit.Practitioner.Person.Phone);
        }
        w.Concept("clinicalStatus", new Code(Vocabulary.Terminology + "condition-clinical", "active", "Active"));
        w.Concept("verificationStatus", new Code(Vocabulary.Terminology + "condition-ver-status", "confirmed", "Confirmed"));
        w.Concepts("category", new Code(Vocabulary.Terminology + "condition-category", "encounter-diagnosis", "Encounter Diagnosis"));
        using (w.Object("code"))
        {
            using (w.Single("coding")) w.Coding(visit.Condition);
            if (p.Random.Chance(20)) w.Write("text", $"{visit.Condition.Display}, as in {p.Relative.FullName}");
            else w.Write("text", visit.Condition.Display);
        }
        w.Subject(p);
        using (w.Object("encounter")) w.Write("reference", $"urn:uuid:{visit.Encounter}");
        int age = p.Person.AgeOn(visit.Day);
        if (age > 89) w.Age("onsetAge", age);
        else w.Write("onsetDateTime", p.Random.Chance(50) ? Text.Day(visit.Day) : Text.Month(visit.Day));
        w.Write("recordedDate", p.Time(visit.Start));
        using (w.Object("asserter")) w.Write("reference", "#asserter");
        w.Note(visit.Practitioner.Name, p.Time(visit.End), $"Known in town as \"{p.Feat}\".\nLives at\t{p.Person.Address.Line}.");
    }

    public static void Procedure(ResourceWriter w, PatientRecord p, Visit visit)
    {
        Code code = p.Random.Pick(Vocabulary.Procedures);
        w.Start("Procedure", visit.Procedure);
        w.Meta(p.Random);
        w.Write("status", "completed");
        using (w.Object("code"))
        {
            using (w.Single("coding")) w.Coding(code);
            w.Write("text", $"{code.Display} for {p.Person.FullName}");
        }
        w.Subject(p);
        using (w.Object("encounter")) w.Write("reference", $"Encounter/{visit.Encounter}/_history/2");
        if (p.Random.Chance(50)) w.Period("performedPeriod", p.Time(visit.Start), p.Time(visit.End));
        else w.Write("performedString", $"in the morning of {Text.Spelled(visit.Day)}");
        using (w.Single("performer"))
        using (w.Object("actor"))
            w.Write("reference", $"https://ehr.example.com/fhir/Practitioner/{visit.Practitioner.Id}/_history/4");
        w.Reference("location", "Location", visit.Location);
        w.References("reasonReference", "Condition", visit.ConditionId);
        using (w.Single("focalDevice")) w.Reference("manipulated", "Device", p.DeviceId, p.Serial);
        w.Note(p.Person.FullName, Text.Day(visit.Day), $"{p.Person.Prefix} {p.Person.Family} was told to call {visit.Practitioner.Person.Phone}");
    }

    public static void MedicationRequest(ResourceWriter w, PatientRecord p, Visit visit)
    {
        w.Start("MedicationRequest", visit.Prescription);
        w.Meta(p.Random);
        using (w.Single("contained"))
        {
            w.Write("resourceType", "Medication");
            w.Write("id", "med");
            w.Concept("code", p.Random.Pick(Vocabulary.Medications));
            using (w.Object("batch"))
            {
                w.Write("lotNumber", "LOT-" + p.Random.Characters(6, "BCDFGHJKLMNPRSTVWXZ"));
                w.Write("expirationDate", Text.Month(visit.Day.AddMonths(18)));
            }
        }
        using (w.Single("identifier"))
        {
            w.Write("system", "https://pharmacy.example.com/rx");
            w.Write("value", new Identifying(Account, $"RX-{p.Random.Digits(10)}"));
        }
        w.Write("status", "active");
        w.Write("intent", "order");
        using (w.Object("medicationReference")) w.Write("reference", "#med");
        w.Subject(p);
        w.Reference("encounter", "Encounter", visit.Encounter);
        w.Write("authoredOn", p.Time(visit.End));
        w.Reference("requester", "Practitioner", visit.Practitioner.Id, visit.Practitioner.Name);
        w.References("reasonReference", "Condition", visit.ConditionId);
        using (w.Single("dosageInstruction"))
        {
            w.Write("sequence", 1);
            w.Write("text", "One tablet twice a day");
            w.Write("patientInstruction", $"{p.Person.Given}, take one in the morning; questions to {p.Person.Fax}");
            using (w.Object("timing"))
            using (w.Object("repeat"))
            {
                using (w.Object("boundsPeriod")) w.Write("start", Text.Day(visit.Day));
                w.Write("frequency", 2);
                w.Write("period", 1);
                w.Write("periodUnit", "d");
            }
            using (w.Single("doseAndRate")) w.Quantity("doseQuantity", 1, "{tbl}");
        }
        using (w.Object("dispenseRequest"))
        {
            using (w.Object("validityPeriod")) w.Write("start", Text.Day(visit.Day));
            w.Write("numberOfRepeatsAllowed", 2);
        }
    }

    public static void Immunization(ResourceWriter w, PatientRecord p, Visit visit)
    {
        w.Start("Immunization", p.NewId());
        w.Meta(p.Random);
        w.Write("status", "completed");
        w.Concept("vaccineCode", p.Random.Pick(Vocabulary.Vaccines));
        w.Subject(p, "patient");
        w.Reference("encounter", "Encounter", visit.Encounter);
        w.Write("occurrenceDateTime", p.Time(visit.Start));
        w.Write("recorded", Text.Day(visit.Day));
        w.Write("primarySource", true);
        w.Write("lotNumber", "LOT-" + p.Random.Characters(6, "BCDFGHJKLMNPRSTVWXZ"));
        w.Write("expirationDate", Text.Day(visit.Day.AddDays(200)));
        using (w.Single("performer")) w.Reference("actor", "Practitioner", visit.Practitioner.Id);
        w.Note(visit.Practitioner.Name, Text.Day(visit.Day), $"Given to {p.Person.FullName}, {p.Ssn}, left arm");
    }

    public static void AllergyIntolerance(ResourceWriter w, PatientRecord p)
    {
        Visit visit = p.Visits[0];
        (string category, Code code) = p.Random.Pick(Vocabulary.Allergens);
        w.Start("AllergyIntolerance", p.NewId());
        w.Meta(p.Random);
        w.Concept("clinicalStatus", new Code(Vocabulary.Terminology + "allergyintolerance-clinical", "active", "Active"));
        w.Concept("verificationStatus", new Code(Vocabulary.Terminology + "allergyintolerance-verification", "confirmed", "Confirmed"));
        w.Write("type", "allergy");
        using (w.List("category")) w.WriteItem(category);
        w.Write("criticality", "high");
        w.Concept("code", code);
        w.Subject(p, "patient");
        w.Write("onsetString", $"since {Text.Spelled(visit.Day)}");
        w.Write("recordedDate", p.Time(visit.End));
        w.Reference("recorder", "Practitioner", visit.Practitioner.Id, visit.Practitioner.Name);
        w.Reference("asserter", "RelatedPerson", p.RelatedPersonId);
        w.Write("lastOccurrence", Text.Day(visit.Day));
        w.Note(p.Relative.FullName, p.Time(visit.End), $"{p.Relative.FullName} saw the rash at {p.Person.Address.Line}");
        using (w.Single("reaction"))
        {
            w.Concepts("manifestation", new Code(Vocabulary.Snomed, "247472004", "Hives"));
            w.Write("description", $"Hives; family of {p.Person.FullName} wrote from {p.Relative.Email}");
            w.Write("onset", Text.Day(visit.Day));
        }
    }

    public static void RelativeHistory(ResourceWriter w, PatientRecord p) =>
        FamilyMemberHistory(w, p, p.Relative, p.Kinship, p.Relative.AgeOn(p.Visits[0].Day), deceased: false);

    /// <summary>A grandparent who died over 89.</summary>
    public static void GrandparentHistory(ResourceWriter w, PatientRecord p)
    {
        var grandparent = new Person(p.Random, p.Person.BirthDate.AddYears(-p.Random.Between(48, 66)).AddDays(p.Random.Below(300)));
        FamilyMemberHistory(w, p, grandparent, new Code(Vocabulary.Terminology + "v3-RoleCode", "GRPRN", "grandparent"), p.Random.Between(90, 104), deceased: true);
    }

    private static void FamilyMemberHistory(ResourceWriter w, PatientRecord p, Person member, Code kinship, int age, bool deceased)
    {
        w.Start("FamilyMemberHistory", p.NewId());
        w.Meta(p.Random);
        w.Write("status", "completed");
        w.Subject(p, "patient");
        w.Write("date", p.Time(p.Visits[0].Start));
        w.Write("name", member.FullName);
        w.Concept("relationship", kinship);
        if (deceased)
        {
            w.Write("bornDate", Text.Day(member.BirthDate));
            w.Write("deceasedString", $"at the age of {new Identifying(Age, Text.Of(age))}");
        }
        else
        {
            w.Age("ageAge", age);
        }
        using (w.List("condition"))
        {
            using (w.Item())
            {
                w.Concept("code", p.Random.Pick(Vocabulary.Conditions));
                w.Age("onsetAge", deceased ? age : age - p.Random.Below(3));
            }
            using (w.Item())
            {
                w.Concept("code", p.Random.Pick(Vocabulary.Conditions));
                w.Write("onsetString", $"soon after {p.Person.Given} was born on {Text.Spelled(p.Person.BirthDate)}");
            }
        }
    }
}
