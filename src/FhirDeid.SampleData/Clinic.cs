using static FhirDeid.SampleData.PlantedCategory;

namespace FhirDeid.SampleData;

/// <summary>A practitioner with the numbers that a licence gives.</summary>
internal sealed record Practitioner(Identifying Id, Person Person, Identifying Npi, Identifying Licence)
{
    public Identifying Name => new(PlantedCategory.Name, $"Dr. {Person.FullName.Text}");
}

/// <summary>Where a hundred patients are treated. Derived from its number alone, so it need not be kept while patients stream by.</summary>
internal sealed class Clinic
{
    /// <summary>Number of patients of one clinic.</summary>
    public const int Patients = 100;

    public Clinic(int seed, int number)
    {
        Random = new SplitMix64(seed, 1, number);
        Number = number;
        Organization = new(Id, Random.Uuid());
        Payer = new(Id, Random.Uuid());
        Locations = [new(Id, Random.Uuid()), new(Id, Random.Uuid())];
        Practitioners = [NewPractitioner(), NewPractitioner(), NewPractitioner(), NewPractitioner()];
    }

    public SplitMix64 Random { get; }
    public int Number { get; }
    public string Name => $"General Hospital {Text.Of(Number + 1)}";
    public Identifying Organization { get; }
    public Identifying Payer { get; }
    public Identifying[] Locations { get; }
    public Practitioner[] Practitioners { get; }

    private Practitioner NewPractitioner() => new(
        new(Id, Random.Uuid()),
        new Person(Random, Random.Day(new DateOnly(1950, 1, 1), new DateOnly(1992, 12, 28))),
        new(Licence, "1" + Random.Digits(9)),
        new(Licence, $"MD-{Random.Digits(7)}"));
}
