using static FhirDeid.SampleData.PlantedCategory;

namespace FhirDeid.SampleData.Resources;

/// <summary>Patient, RelatedPerson, Device, Appointment, Communication.</summary>
internal static class Individuals
{
    private const string Core = "http://hl7.org/fhir/StructureDefinition/";

    public static void Patient(ResourceWriter w, PatientRecord p)
    {
        SplitMix64 random = p.Random;
        Person person = p.Person;
        w.Start("Patient", p.PatientId);
        w.Meta(random, p.Index % 4 == 0 ? person.FullName : null);
        w.Narrative($"{person.FullName}, born {Text.Spelled(person.BirthDate)}, {p.Mrn}. Call {person.Mobile}; {p.Feat}.");
        using (w.List("extension"))
        {
            using (w.Item())
            {
                w.Write("url", "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race");
                using (w.List("extension"))
                {
                    using (w.Item())
                    {
                        w.Write("url", "ombCategory");
                        using (w.Object("valueCoding")) w.Coding(new Code("urn:oid:2.16.840.1.113883.6.238", "2106-3", "White"));
                    }
                    using (w.Item())
                    {
                        w.Write("url", "text");
                        w.Write("valueString", "White");
                    }
                }
            }
            Extension(w, Core + "patient-mothersMaidenName", p.Relative.Maiden);
            using (w.Item())
            {
                w.Write("url", Core + "patient-birthPlace");
                using (w.Object("valueAddress"))
                {
                    w.Write("city", p.Relative.Address.City);
                    w.Write("state", p.Relative.Address.State);
                }
            }
            Extension(w, Vocabulary.Site + "StructureDefinition/vehicle-plate", p.Plate);
            Extension(w, Vocabulary.Site + "StructureDefinition/vehicle-vin", p.Vin);
            Extension(w, Vocabulary.Site + "StructureDefinition/portal-address", p.Ip);
        }
        using (w.List("identifier"))
        {
            using (w.Item())
            {
                w.Write("use", "usual");
                w.Identifier("MR", "Medical record number", "https://hospital.example.org/mrn", p.Mrn);
                using (w.Object("period")) w.Write("start", Text.Day(p.Visits[0].Day));
                using (w.Object("assigner")) w.Write("display", p.Clinic.Name);
            }
            using (w.Item()) w.Identifier("SS", "Social Security number", "http://hl7.org/fhir/sid/us-ssn", p.Ssn);
            using (w.Item()) w.Identifier("DL", "Driver's license number", "urn:oid:2.16.840.1.113883.4.3.53", p.DriverLicence);
            using (w.Item()) w.Identifier("MB", "Member Number", "https://plan.example.com/member", p.HealthPlan);
            using (w.Item()) w.Identifier("AN", "Account number", "https://hospital.example.org/account", p.Account);
        }
        w.Write("active", true);
        using (w.List("name"))
        {
            using (w.Item()) Name(w, p);
            using (w.Item())
            {
                w.Write("use", "maiden");
                w.Write("family", person.Maiden);
                using (w.Object("period")) w.Write("end", Text.Month(person.BirthDate.AddYears(26).AddMonths(random.Between(1, 11))));
            }
            if (p.Index % 3 == 0)
                using (w.Item())
                {
                    // A middle name that is masked already: a null in one list, the reason in its twin.
                    w.Write("use", "old");
                    w.Write("family", person.Maiden);
                    using (w.List("given"))
                    {
                        w.WriteItem(person.Given);
                        w.WriteNullItem();
                    }
                    using (w.List("_given"))
                    {
                        w.WriteNullItem();
                        using (w.Item())
                        using (w.Single("extension"))
                        {
                            w.Write("url", Core + "data-absent-reason");
                            w.Write("valueCode", "masked");
                        }
                    }
                }
        }
        w.Telecom(person);
        w.Write("gender", person.Gender);
        if (p.Index % 13 == 12) w.Write("birthDate", Text.Month(person.BirthDate));
        else
        {
            w.Write("birthDate", Text.Day(person.BirthDate));
            using (w.Object("_birthDate"))
            using (w.Single("extension"))
            {
                w.Write("url", Core + "patient-birthTime");
                w.Write("valueDateTime", p.Time(random.TimeOn(person.BirthDate)));
            }
        }
        if (p.Death is { } death) w.Write("deceasedDateTime", p.Time(death));
        else w.Write("deceasedBoolean", false);
        using (w.List("address"))
        {
            using (w.Item()) w.Address(person.Address, p.Visits[0].Day.AddDays(-random.Between(40, 2000)));
            using (w.Item())
            {
                w.Write("use", "old");
                w.Write("text", $"{p.Relative.Address.Line}, {p.Relative.Address.City} {p.Relative.Address.PostalCode}");
                w.Write("postalCode", p.Relative.Address.PostalCode);
            }
        }
        w.Concept("maritalStatus", new Code(Vocabulary.Terminology + "v3-MaritalStatus", "M", "Married"));
        if (p.Index % 9 == 2) w.Write("multipleBirthInteger", 2);
        using (w.Single("photo"))
        {
            w.Write("contentType", "image/jpeg");
            w.Write("data", p.NewPhoto());
            w.Write("url", new Identifying(Url, $"https://photos.example.org/{random.Digits(12)}.jpg"));
            w.Write("title", $"Portrait of {person.FullName}");
            w.Write("creation", p.Time(random.TimeOn(p.Visits[0].Day)));
        }
        using (w.Single("contact"))
        {
            w.Concepts("relationship", new Code(Vocabulary.Terminology + "v2-0131", "N", "Next-of-Kin"));
            using (w.Object("name")) w.HumanName(p.Relative);
            w.Telecom(p.Relative);
            using (w.Object("address")) w.Address(p.Relative.Address, p.Visits[0].Day.AddDays(-random.Between(40, 2000)));
            w.Write("gender", p.Relative.Gender);
        }
        using (w.Single("communication"))
        {
            w.Concept("language", new Code("urn:ietf:bcp:47", "en-US", "English (United States)"));
            w.Write("preferred", true);
        }
        using (w.List("generalPractitioner"))
        {
            Practitioner first = p.Visits[0].Practitioner, last = p.Visits[^1].Practitioner;
            using (w.Item()) w.ReferenceElements("Practitioner", first.Id, first.Name);
            using (w.Item()) w.Write("reference", $"Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|{last.Npi}");
        }
        w.Reference("managingOrganization", "Organization", p.Clinic.Organization);
        using (w.Single("link"))
        {
            w.Reference("other", "RelatedPerson", p.RelatedPersonId);
            w.Write("type", "seealso");
        }
    }

    /// <summary>The official name, whose family name says in an extension what it was before.</summary>
    private static void Name(ResourceWriter w, PatientRecord p)
    {
        w.HumanName(p.Person);
        using (w.Object("_family"))
        using (w.Single("extension"))
        {
            w.Write("url", Core + "humanname-own-name");
            w.Write("valueString", p.Person.Maiden);
        }
        using (w.List("suffix")) w.WriteItem("PhD");
        using (w.Object("period")) w.Write("start", Text.Day(p.Person.BirthDate));
    }

    private static void Extension(ResourceWriter w, string url, Identifying value)
    {
        using var extension = w.Item();
        w.Write("url", url);
        w.Write("valueString", value);
    }

    public static void RelatedPerson(ResourceWriter w, PatientRecord p)
    {
        w.Start("RelatedPerson", p.RelatedPersonId);
        w.Meta(p.Random);
        w.Narrative($"{p.Relative.FullName} speaks for {p.Person.FullName}.");
        using (w.Single("identifier"))
            w.Identifier("SS", "Social Security number", "http://hl7.org/fhir/sid/us-ssn", new Identifying(Ssn, $"9{p.Random.Digits(2)}-{p.Random.Digits(2)}-{p.Random.Digits(4)}"));
        w.Write("active", true);
        w.Subject(p, "patient");
        w.Concepts("relationship", p.Kinship);
        using (w.Single("name")) w.HumanName(p.Relative);
        w.Telecom(p.Relative);
        w.Write("gender", p.Relative.Gender);
        w.Write("birthDate", Text.Day(p.Relative.BirthDate));
        using (w.Single("address")) w.Address(p.Relative.Address, p.Visits[0].Day.AddDays(-p.Random.Between(40, 2000)));
        using (w.Single("photo"))
        {
            w.Write("contentType", "image/jpeg");
            w.Write("data", p.NewPhoto());
        }
    }

    public static void DeviceResource(ResourceWriter w, PatientRecord p)
    {
        DateTime made = p.Random.TimeOn(p.Visits[0].Day.AddDays(-p.Random.Between(30, 400)));
        w.Start("Device", p.DeviceId);
        w.Meta(p.Random);
        using (w.Single("identifier"))
            w.Identifier("SNO", "Serial Number", "https://devices.example.com/serial", p.Serial);
        using (w.Single("udiCarrier"))
        {
            w.Write("deviceIdentifier", "00844588003288");
            w.Write("carrierHRF", new Identifying(Device, $"(01)00844588003288(21){p.Serial.Text}"));
        }
        w.Write("status", "active");
        w.Write("manufactureDate", p.Time(made));
        w.Write("expirationDate", p.Time(made.AddYears(10)));
        w.Write("lotNumber", "LOT-" + p.Random.Characters(6, "BCDFGHJKLMNPRSTVWXZ"));
        w.Write("serialNumber", p.Serial);
        using (w.Single("deviceName"))
        {
            w.Write("name", $"Pacemaker of {p.Person.FullName}");
            w.Write("type", "patient-reported-name");
        }
        w.Concept("type", new Code(Vocabulary.Snomed, "14106009", "Cardiac pacemaker"));
        w.Subject(p, "patient");
        w.Reference("owner", "Organization", p.Clinic.Organization);
        using (w.List("contact")) w.Contact("phone", "home", p.Person.Phone);
        w.Write("url", new Identifying(Url, $"https://devices.example.com/unit/{p.Random.Digits(9)}"));
        w.Note(p.Visits[0].Practitioner.Name, p.Time(p.Visits[0].End), $"Checked by {p.Visits[0].Practitioner.Name} on {Text.Slashed(p.Visits[0].Day)}, gateway {p.Ip}");
    }

    public static void Appointment(ResourceWriter w, PatientRecord p)
    {
        Visit last = p.Visits[^1];
        DateTime start = p.Random.TimeOn(last.Day.AddDays(p.Random.Between(5, 60)));
        w.Start("Appointment", p.NewId());
        w.Meta(p.Random);
        w.Write("status", "booked");
        w.Concepts("serviceType", p.Random.Pick(Vocabulary.VisitTypes));
        w.Write("description", $"Check-up of {p.Person.FullName}");
        w.Write("start", p.Instant(start));
        w.Write("end", p.Instant(start.AddMinutes(20)));
        w.Write("minutesDuration", 20);
        w.Write("created", p.Time(last.End));
        w.Write("comment", $"Text {p.Person.Mobile} or fax {p.Person.Fax} the day before");
        w.Write("patientInstruction", $"Park the car ({p.Plate}) in the yard, {p.Person.Family}");
        using (w.List("participant"))
        {
            using (w.Item())
            {
                w.Subject(p, "actor");
                w.Write("status", "accepted");
            }
            using (w.Item())
            {
                w.Reference("actor", "Practitioner", last.Practitioner.Id, last.Practitioner.Name);
                w.Write("status", "tentative");
            }
        }
    }

    public static void Communication(ResourceWriter w, PatientRecord p)
    {
        Visit visit = p.Random.Pick(p.Visits);
        w.Start("Communication", p.NewId());
        w.Meta(p.Random);
        w.Write("status", "completed");
        w.Subject(p);
        w.Reference("encounter", "Encounter", visit.Encounter);
        w.Write("sent", p.Time(visit.End.AddMinutes(31)));
        w.Write("received", p.Time(visit.End.AddMinutes(44)));
        w.References("recipient", "RelatedPerson", p.RelatedPersonId, p.Relative.FullName);
        w.Reference("sender", "Practitioner", visit.Practitioner.Id);
        using (w.List("payload"))
        {
            using (w.Item())
                w.Write("contentString", $"Dear {p.Relative.FullName}, {p.Person.Given} was seen on {Text.Spelled(visit.Day)}. Write to {p.Person.Address.Line}, {p.Person.Address.City} {p.Person.Address.PostalCode}, or to {p.Person.Email}.");
            using (w.Item())
            using (w.Object("contentAttachment"))
            {
                w.Write("contentType", "text/html");
                w.Write("url", p.Person.Web);
                w.Write("title", $"Page of {p.Person.FullName}");
            }
        }
        w.Note(p.Relative.FullName, p.Time(visit.End.AddMinutes(50)), $"{p.Relative.FullName} asks for a call to {p.Relative.Mobile}, not {p.Person.Phone}");
    }
}
