using static FhirDeid.SampleData.PlantedCategory;

namespace FhirDeid.SampleData;

/// <summary>One encounter and the ids of what comes of it.</summary>
internal sealed class Visit
{
    public Visit(SplitMix64 random, DateTime start, Clinic clinic)
    {
        Start = start;
        End = start.AddMinutes(random.Between(11, 95)).AddSeconds(random.Between(1, 50));
        Practitioner = random.Pick(clinic.Practitioners);
        Location = random.Pick(clinic.Locations);
        Condition = random.Pick(Vocabulary.Conditions);
        Encounter = new(Id, random.Uuid());
        ConditionId = new(Id, random.Uuid());
        Pressure = new(Id, random.Uuid());
        Measurement = new(Id, random.Uuid());
        Report = new(Id, random.Uuid());
        Prescription = new(Id, random.Uuid());
        Procedure = new(Id, random.Uuid());
        Claim = new(Id, random.Uuid());
    }

    public DateTime Start { get; }
    public DateTime End { get; }
    public DateOnly Day => DateOnly.FromDateTime(Start);
    public Practitioner Practitioner { get; }
    public Identifying Location { get; }
    public Code Condition { get; }
    public Identifying Encounter { get; }
    public Identifying ConditionId { get; }
    public Identifying Pressure { get; }
    public Identifying Measurement { get; }
    public Identifying Report { get; }
    public Identifying Prescription { get; }
    public Identifying Procedure { get; }
    public Identifying Claim { get; }
}

/// <summary>One patient with relatives, numbers and visits. Derived from seed and index alone.</summary>
internal sealed class PatientRecord
{
    // Visits happen in these years and records were last touched in the first half of 2025: nothing depends on the day of the run.
    private static readonly DateOnly FirstVisit = new(2016, 1, 4);
    private static readonly DateOnly LastVisit = new(2024, 12, 20);

    public PatientRecord(int seed, int index, Clinic clinic)
    {
        SplitMix64 random = Random = new SplitMix64(seed, 2, index);
        Index = index;
        Clinic = clinic;
        // Every fifth is well over 89, every sixth lives in a restricted ZIP area, every seventh has died.
        DateOnly birthDate = index % 5 == 3 ? random.Day(new DateOnly(1917, 2, 2), new DateOnly(1929, 12, 28)) : random.Day(new DateOnly(1936, 2, 2), new DateOnly(2014, 12, 28));
        Person = new Person(random, birthDate, index % 6 == 1);
        // A child of those who are old enough to have one, a parent of the others.
        Kinship = birthDate.Year < 1975 ? new Code(Vocabulary.Terminology + "v3-RoleCode", "CHILD", "child") : new Code(Vocabulary.Terminology + "v3-RoleCode", "PRN", "parent");
        Relative = new Person(random, birthDate.AddYears(birthDate.Year < 1975 ? random.Between(21, 30) : random.Between(-30, -21)), family: Person.Family);
        Zone = random.Pick(Vocabulary.Zones);
        PatientId = NewId();
        RelatedPersonId = NewId();
        CoverageId = NewId();
        DeviceId = NewId();
        Mrn = new(PlantedCategory.Mrn, $"MRN-{random.Digits(8)}");
        Ssn = new(PlantedCategory.Ssn, $"9{random.Digits(2)}-{random.Digits(2)}-{random.Digits(4)}");
        DriverLicence = new(Licence, $"D{random.Digits(3)}-{random.Digits(4)}-{random.Digits(4)}");
        HealthPlan = new(PlantedCategory.HealthPlan, $"HPB{random.Digits(9)}");
        Account = new(PlantedCategory.Account, $"ACCT-{random.Digits(9)}");
        Plate = new(Vehicle, $"{random.Characters(3, "BCDFGHJKLMNPRSTVWXZ")}-{random.Digits(4)}");
        Vin = new(Vehicle, $"1XK{random.Characters(6, "ABCDEFGHJKLMNPRSTUVWXYZ")}{random.Digits(8)}");
        Serial = new(Device, $"SN-{random.Digits(10)}");
        Ip = new(PlantedCategory.Ip, index % 2 == 0
            ? $"{random.Pick(["192.0.2", "198.51.100", "203.0.113"])}.{Text.Of(random.Between(100, 254))}"
            : $"2001:db8:{random.Characters(4, "abcdef")}:{random.Digits(4)}::{random.Characters(4, "abcdef")}");
        Feat = new(PlantedCategory.Text, $"{random.Pick(Vocabulary.Feats)} of {Person.Address.City.Text}");

        var visits = new DateOnly[random.Between(3, 5)];
        for (int i = 0; i < visits.Length; i++) visits[i] = random.Day(FirstVisit, LastVisit);
        Array.Sort(visits);
        Visits = Array.ConvertAll(visits, day => new Visit(random, random.TimeOn(day), clinic));
        Death = index % 7 == 5 ? random.TimeOn(random.Day(new DateOnly(2025, 1, 2), new DateOnly(2025, 1, 30))) : null;
    }

    public SplitMix64 Random { get; }
    public int Index { get; }
    public Clinic Clinic { get; }
    public Person Person { get; }
    public Person Relative { get; }

    /// <summary>What <see cref="Relative"/> is to the patient.</summary>
    public Code Kinship { get; }

    /// <summary>Offset from UTC that this patient's times are written with. No <c>+</c>, which some JSON writers escape.</summary>
    public string Zone { get; }

    public Identifying PatientId { get; }
    public Identifying RelatedPersonId { get; }
    public Identifying CoverageId { get; }
    public Identifying DeviceId { get; }
    public Identifying Mrn { get; }
    public Identifying Ssn { get; }
    public Identifying DriverLicence { get; }
    public Identifying HealthPlan { get; }
    public Identifying Account { get; }
    public Identifying Plate { get; }
    public Identifying Vin { get; }
    public Identifying Serial { get; }
    public Identifying Ip { get; }
    public Identifying Feat { get; }
    public Visit[] Visits { get; }
    public DateTime? Death { get; }

    public Identifying NewId() => new(Id, Random.Uuid());

    public Identifying Time(DateTime time) => Text.Time(time, Zone);

    public Identifying Instant(DateTime time) => Text.Instant(time, Zone);

    /// <summary>A photograph: the head of a JPEG file and noise. Free of <c>+</c>, which some JSON writers escape.</summary>
    public Identifying NewPhoto() =>
        new(Photo, "/9j/4AAQSkZJRgABAQEASABI" + Random.Characters(96, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"));
}
