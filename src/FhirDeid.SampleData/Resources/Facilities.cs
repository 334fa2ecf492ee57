using static FhirDeid.SampleData.PlantedCategory;

namespace FhirDeid.SampleData.Resources;

/// <summary>Organization, Location, Practitioner. A hospital's own name and address identify no person, so they are not listed.</summary>
internal static class Facilities
{
    public static void Organization(ResourceWriter w, Clinic clinic, Identifying id, string name, string type, string display)
    {
        w.Start("Organization", id);
        w.Meta(clinic.Random);
        using (w.Single("identifier"))
        {
            w.Write("system", "http://hl7.org/fhir/sid/us-npi");
            w.Write("value", "2000" + clinic.Random.Digits(6));
        }
        w.Write("active", true);
        w.Concepts("type", new Code(Vocabulary.Terminology + "organization-type", type, display));
        w.Write("name", name);
        using (w.Single("telecom"))
        {
            w.Write("system", "phone");
            w.Write("value", "800-555-0100");
            w.Write("use", "work");
        }
        HospitalAddress(w, list: true);
        using (w.Single("contact"))
        {
            Person person = clinic.Practitioners[0].Person;
            w.Concept("purpose", new Code(Vocabulary.Terminology + "contactentity-type", "ADMIN", "Administrative"));
            using (w.Object("name")) w.Write("text", person.FullName);
            using (w.List("telecom")) w.Contact("email", "work", person.Email);
        }
    }

    public static void Location(ResourceWriter w, Clinic clinic, int index)
    {
        w.Start("Location", clinic.Locations[index]);
        w.Meta(clinic.Random);
        w.Write("status", "active");
        w.Write("name", $"{clinic.Name}, ward {Text.Of(index + 1)}");
        w.Write("description", $"Ask for {clinic.Practitioners[index].Name} at {clinic.Practitioners[index].Person.Phone}");
        w.Write("mode", "instance");
        HospitalAddress(w, list: false);
        w.Reference("managingOrganization", "Organization", clinic.Organization);
    }

    private static void HospitalAddress(ResourceWriter w, bool list)
    {
        using (list ? w.Single("address") : w.Object("address"))
        {
            using (w.List("line")) w.WriteItem("1 Medical Center Way");
            w.Write("city", "Capital City");
            w.Write("state", "WA");
            w.Write("postalCode", "99900");
            w.Write("country", "US");
        }
    }

    public static void Practitioner(ResourceWriter w, Clinic clinic, Practitioner practitioner)
    {
        SplitMix64 random = clinic.Random;
        Person person = practitioner.Person;
        w.Start("Practitioner", practitioner.Id);
        w.Meta(random);
        w.Narrative($"{practitioner.Name} can be reached at {person.Phone} or {person.Email}.");
        using (w.List("identifier"))
        {
            using (w.Item()) w.Identifier("NPI", "National provider identifier", "http://hl7.org/fhir/sid/us-npi", practitioner.Npi);
            using (w.Item()) w.Identifier("MD", "Medical License number", "https://licences.example.org/wa", practitioner.Licence);
        }
        w.Write("active", true);
        using (w.Single("name")) w.HumanName(person, "Dr.");
        w.Telecom(person);
        using (w.Single("address")) w.Address(person.Address, person.BirthDate.AddYears(30));
        w.Write("gender", person.Gender);
        w.Write("birthDate", Text.Day(person.BirthDate));
        using (w.Single("qualification"))
        {
            using (w.Single("identifier"))
            {
                w.Write("system", "https://licences.example.org/wa");
                w.Write("value", practitioner.Licence);
            }
            w.Concept("code", new Code(Vocabulary.Terminology + "v2-0360", "MD", "Doctor of Medicine"));
            using (w.Object("period")) w.Write("start", Text.Month(random.Day(new DateOnly(2016, 1, 1), new DateOnly(2019, 12, 31))));
            w.Reference("issuer", "Organization", clinic.Organization);
        }
    }
}
