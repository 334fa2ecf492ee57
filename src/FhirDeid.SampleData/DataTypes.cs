using System.Runtime.CompilerServices;
using static FhirDeid.SampleData.PlantedCategory;

namespace FhirDeid.SampleData;

/// <summary>FHIR's data types.</summary>
internal static class DataTypes
{
    public static void Meta(this ResourceWriter w, SplitMix64 random, Identifying? tagged = null)
    {
        using var meta = w.Object("meta");
        w.Write("versionId", Text.Of(random.Between(1, 9)));
        w.Write("lastUpdated", Text.Instant(random.TimeOn(random.Day(new DateOnly(2025, 2, 3), new DateOnly(2025, 6, 27))), "Z"));
        if (random.Chance(30)) w.Write("source", new Identifying(Url, $"https://ehr.example.com/messages/{random.Digits(10)}"));
        using (w.List("profile")) w.WriteItem("http://hl7.org/fhir/StructureDefinition/" + w.ResourceType);
        if (random.Chance(20))
            using (w.Single("security")) w.Coding(new Code(Vocabulary.Terminology + "v3-Confidentiality", "R", "restricted"));
        if (tagged is { } name)
        {
            using var tag = w.Single("tag");
            w.Write("system", Vocabulary.Site + "tags");
            w.Write("code", "chart");
            w.Write("display", $"Chart of {name}");
        }
    }

    public static void Narrative(this ResourceWriter w, [InterpolatedStringHandlerArgument(nameof(w))] ResourceWriter.Prose text)
    {
        using (w.Object("text"))
        {
            w.Write("status", "generated");
            w.WriteDiv(text);
        }
    }

    /// <summary>The elements of a Coding.</summary>
    public static void Coding(this ResourceWriter w, Code code)
    {
        w.Write("system", code.System);
        w.Write("code", code.Value);
        w.Write("display", code.Display);
    }

    public static void Concept(this ResourceWriter w, string name, Code code)
    {
        using (w.Object(name)) w.ConceptElements(code);
    }

    /// <summary>A list of one CodeableConcept.</summary>
    public static void Concepts(this ResourceWriter w, string name, Code code)
    {
        using (w.Single(name)) w.ConceptElements(code);
    }

    private static void ConceptElements(this ResourceWriter w, Code code)
    {
        using (w.Single("coding")) w.Coding(code);
        w.Write("text", code.Display);
    }

    /// <summary>The elements of an Identifier with a type of table 0203.</summary>
    public static void Identifier(this ResourceWriter w, string type, string display, string system, Identifying value)
    {
        w.Concept("type", new Code(Vocabulary.Terminology + "v2-0203", type, display));
        w.Write("system", system);
        w.Write("value", value);
    }

    /// <summary>The elements of a HumanName.</summary>
    public static void HumanName(this ResourceWriter w, Person person, string? prefix = null)
    {
        w.Write("use", "official");
        w.Write("text", new Identifying(Name, $"{prefix ?? person.Prefix} {person.Given.Text} {person.Middle.Text} {person.Family.Text}"));
        w.Write("family", person.Family);
        using (w.List("given"))
        {
            w.WriteItem(person.Given);
            w.WriteItem(person.Middle);
        }
        using (w.List("prefix")) w.WriteItem(prefix ?? person.Prefix);
    }

    /// <summary>The elements of an Address.</summary>
    public static void Address(this ResourceWriter w, Address address, DateOnly since)
    {
        w.Write("use", "home");
        w.Write("type", "both");
        w.Write("text", $"{address.Line}, {address.City}, {address.State} {address.PostalCode}");
        using (w.List("line"))
        {
            w.WriteItem(address.Line);
            if (address.Unit is { } unit) w.WriteItem(unit);
        }
        w.Write("city", address.City);
        w.Write("district", address.District);
        w.Write("state", address.State);
        w.Write("postalCode", address.PostalCode);
        w.Write("country", "US");
        using (w.Object("period")) w.Write("start", Text.Day(since));
    }

    /// <summary>A ContactPoint in a list.</summary>
    public static void Contact(this ResourceWriter w, string system, string use, Identifying value)
    {
        using var contact = w.Item();
        w.Write("system", system);
        w.Write("value", value);
        w.Write("use", use);
    }

    public static void Telecom(this ResourceWriter w, Person person)
    {
        using var telecom = w.List("telecom");
        w.Contact("phone", "home", person.Phone);
        w.Contact("phone", "mobile", person.Mobile);
        w.Contact("fax", "work", person.Fax);
        w.Contact("email", "home", person.Email);
        w.Contact("url", "home", person.Web);
    }

    public static void Period(this ResourceWriter w, string name, Identifying start, Identifying end)
    {
        using var period = w.Object(name);
        w.Write("start", start);
        w.Write("end", end);
    }

    public static void Quantity(this ResourceWriter w, string name, decimal value, string unit)
    {
        using var quantity = w.Object(name);
        w.Write("value", value);
        w.Write("unit", unit);
        w.Write("system", "http://unitsofmeasure.org");
        w.Write("code", unit);
    }

    /// <summary>An Age; listed when it is over 89.</summary>
    public static void Age(this ResourceWriter w, string name, int years)
    {
        using var age = w.Object(name);
        if (years > 89) w.WriteNumber("value", years, PlantedCategory.Age);
        else w.Write("value", years);
        w.Write("unit", "a");
        w.Write("system", "http://unitsofmeasure.org");
        w.Write("code", "a");
    }

    public static void Money(this ResourceWriter w, string name, decimal value)
    {
        using var money = w.Object(name);
        w.Write("value", value);
        w.Write("currency", "USD");
    }

    /// <summary>A relative reference.</summary>
    public static void Reference(this ResourceWriter w, string name, string type, Identifying id, Identifying? display = null)
    {
        using (w.Object(name)) w.ReferenceElements(type, id, display);
    }

    /// <summary>A list of one relative reference.</summary>
    public static void References(this ResourceWriter w, string name, string type, Identifying id, Identifying? display = null)
    {
        using (w.Single(name)) w.ReferenceElements(type, id, display);
    }

    public static void ReferenceElements(this ResourceWriter w, string type, Identifying id, Identifying? display = null)
    {
        w.Write("reference", $"{type}/{id}");
        if (display is { } name) w.Write("display", name);
    }

    public static void Subject(this ResourceWriter w, PatientRecord p, string name = "subject") => w.Reference(name, "Patient", p.PatientId, p.Person.FullName);

    /// <summary>The note of many resources: a list of one Annotation.</summary>
    public static void Note(this ResourceWriter w, Identifying author, Identifying time, [InterpolatedStringHandlerArgument(nameof(w))] ResourceWriter.Prose text)
    {
        using (w.Single("note"))
        {
            // The text first: the names that it mentions are still at hand.
            w.Write("text", text);
            w.Write("authorString", author);
            w.Write("time", time);
        }
    }
}
