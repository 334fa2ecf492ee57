using System.Globalization;
using static FhirDeid.SampleData.PlantedCategory;

namespace FhirDeid.SampleData;

/// <summary>A made-up address in the United States.</summary>
internal sealed class Address
{
    public Address(SplitMix64 random, bool restrictedArea)
    {
        Line = new(PlantedCategory.Address, $"{Text.Of(random.Between(1000, 9899))} {random.Pick(Vocabulary.StreetStarts)} {random.Pick(Vocabulary.StreetEnds)}");
        Unit = random.Chance(30) ? new(PlantedCategory.Address, $"Unit {random.Digits(4)}-{random.Characters(1, "ABCDEFGH")}") : null;
        City = new(PlantedCategory.Address, $"{random.Pick(Vocabulary.CityStarts)} {random.Pick(Vocabulary.CityEnds)}");
        District = new(PlantedCategory.Address, random.Pick(Vocabulary.Districts));
        (State, string zip3) = random.Pick(restrictedArea ? Vocabulary.RestrictedAreas : Vocabulary.Areas);
        // Never …00: that is what is left of a generalised code.
        string zip5 = zip3 + random.Between(11, 99).ToString(CultureInfo.InvariantCulture);
        PostalCode = new(Zip, random.Chance(40) ? $"{zip5}-{random.Between(1000, 9999).ToString(CultureInfo.InvariantCulture)}" : zip5);
    }

    public Identifying Line { get; }
    public Identifying? Unit { get; }
    public Identifying City { get; }
    public Identifying District { get; }
    public string State { get; }
    public Identifying PostalCode { get; }
}

/// <summary>A made-up person. Numbers come from ranges that are never given out: 555-01xx, SSN 9xx, example domains and documentation networks.</summary>
internal sealed class Person
{
    private readonly SplitMix64 random;

    public Person(SplitMix64 random, DateOnly birthDate, bool restrictedArea = false, Identifying? family = null)
    {
        this.random = random;
        BirthDate = birthDate;
        Female = random.Chance(50);
        Given = new(Name, random.Pick(Female ? Vocabulary.FemaleNames : Vocabulary.MaleNames));
        Middle = new(Name, random.Pick(Female ? Vocabulary.FemaleNames : Vocabulary.MaleNames));
        Family = family ?? FamilyName(random);
        Maiden = FamilyName(random);
        FullName = new(Name, $"{Given.Text} {Family.Text}");
        Address = new Address(random, restrictedArea);
        Phone = new(PlantedCategory.Phone, Number("({0}) 555-{1}"));
        Mobile = new(PlantedCategory.Phone, Number("{0}-555-{1}"));
        Fax = new(PlantedCategory.Fax, Number("{0}.555.{1}"));
        string handle = FormattableString.Invariant($"{Ascii(Given)}.{Ascii(Family)}{random.Between(10, 9999)}");
        Email = new(PlantedCategory.Email, $"{handle}@{random.Pick(["example.com", "example.org", "example.net"])}");
        Web = new(Url, $"https://people.example.org/{handle}");
    }

    public bool Female { get; }
    public string Gender => Female ? "female" : "male";
    public string Prefix => Female ? "Mrs." : "Mr.";
    public DateOnly BirthDate { get; }
    public Identifying Given { get; }
    public Identifying Middle { get; }
    public Identifying Family { get; }
    public Identifying Maiden { get; }
    public Identifying FullName { get; }
    public Address Address { get; }
    public Identifying Phone { get; }
    public Identifying Mobile { get; }
    public Identifying Fax { get; }
    public Identifying Email { get; }
    public Identifying Web { get; }

    /// <summary>Completed years on that day.</summary>
    public int AgeOn(DateOnly day) => day.Year - BirthDate.Year - ((day.Month, day.Day).CompareTo((BirthDate.Month, BirthDate.Day)) < 0 ? 1 : 0);

    private static Identifying FamilyName(SplitMix64 random) => new(Name, random.Pick(Vocabulary.FamilyStarts) + random.Pick(Vocabulary.FamilyEnds));

    private string Number(string format) => string.Format(CultureInfo.InvariantCulture, format, random.Between(201, 789), random.Between(100, 199).ToString("D4", CultureInfo.InvariantCulture));

    private static string Ascii(Identifying name) => name.Text.ToLowerInvariant().Replace('é', 'e').Replace('í', 'i').Replace('ö', 'o');
}
