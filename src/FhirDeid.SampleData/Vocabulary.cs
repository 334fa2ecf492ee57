namespace FhirDeid.SampleData;

/// <summary>A code of some system.</summary>
internal sealed record Code(string System, string Value, string Display);

/// <summary>Word lists. Names and places are long and odd on purpose: none may occur in a code, a display or an ordinary sentence, or looking for leaks would find words.</summary>
internal static class Vocabulary
{
    public static readonly string[] FemaleNames =
    [
        "Rosalind", "Marisol", "Wilhelmina", "Philippa", "Clementine", "Ottoline", "Seraphina", "Henrietta", "Anneliese", "Mirabel", "Georgiana", "Beatrix", "Eulalia", "Ximena",
        "Leocadia", "Zuleika", "Thomasina", "Perpetua", "Drusilla", "Isolde", "Yevgenia", "Cordelia", "Araminta", "Jessamyn", "Rowena", "Eloísa", "Marguerite", "Winifred",
    ];

    public static readonly string[] MaleNames =
    [
        "Thaddeus", "Leopold", "Barnaby", "Cornelius", "Montgomery", "Ignatius", "Phineas", "Bartholomew", "Algernon", "Casimir", "Lysander", "Peregrine", "Reginald", "Septimus",
        "Valentino", "Wolfgang", "Ezekiel", "Hezekiah", "Octavian", "Rutherford", "Siegfried", "Tiberius", "Ulysses", "Zachariah", "Horatio", "Balthasar", "Évariste", "Dashiell",
    ];

    public static readonly string[] FamilyStarts =
    [
        "Quill", "Bracken", "Hollo", "Thistle", "Farthing", "Winter", "Pember", "Kestrel", "Larring", "Maddle", "Nettle", "Oakens", "Pidding", "Ravens", "Saffron", "Tolli", "Umber",
        "Vander", "Wexcom", "Yarrow", "Zimmer", "Amber", "Bellwether", "Crickle", "Dunder", "Elder", "Fennel", "Gossamer", "Haver", "Inglen", "Juniper", "Kittle", "Lavender", "Mossel",
    ];

    public static readonly string[] FamilyEnds =
    [
        "hurst", "fell", "wick", "combe", "shaw", "thwaite", "gate", "worth", "brook", "mere", "dahl", "quist", "stein", "feld", "sby", "marsh", "holt", "burgh", "cote", "ridge", "löf", "ström",
    ];

    public static readonly string[] StreetStarts =
    [
        "Juniper", "Lantern", "Wagoner", "Copperfield", "Marigold", "Tanager", "Sparrowhawk", "Millwright", "Foxglove", "Chandler", "Dovecote", "Huckleberry", "Ironmonger", "Kingfisher",
    ];

    public static readonly string[] StreetEnds = ["Hollow Road", "Crossing Street", "Terrace Lane", "Orchard Avenue", "Ferry Road", "Bluff Drive", "Quarry Street", "Meadow Court"];

    public static readonly string[] CityStarts =
    [
        "Harrowmere", "Wendlebury", "Larksfield", "Pinnaker", "Tansyville", "Oxbridle", "Corvallen", "Gullhaven", "Mistlewood", "Brambleton", "Saltmarch", "Otterburn", "Quincewater", "Stillbrooke",
    ];

    public static readonly string[] CityEnds = ["Falls", "Junction", "Springs", "Landing", "Heights", "Mills", "Grove", "Harbor"];

    public static readonly string[] Districts = ["Wapsipin County", "Tolliver County", "Merrimoke County", "Anselmo County", "Kittatin County", "Ogallow County", "Pasquot County", "Umpkwa County"];

    /// <summary>States with the first three digits of a ZIP code in them.</summary>
    public static readonly (string State, string Zip3)[] Areas =
    [
        ("WA", "981"), ("OR", "974"), ("CA", "945"), ("TX", "787"), ("IL", "606"), ("NY", "112"), ("FL", "331"), ("OH", "441"), ("GA", "303"), ("MI", "482"), ("PA", "191"), ("MA", "021"),
    ];

    /// <summary>The seventeen areas of 20,000 people or fewer (census of 2000): HHS, Guidance Regarding Methods for De-identification, 2012.</summary>
    public static readonly (string State, string Zip3)[] RestrictedAreas =
    [
        ("NH", "036"), ("VT", "059"), ("CT", "063"), ("NY", "102"), ("DC", "203"), ("MN", "556"), ("NE", "692"), ("TX", "790"), ("WY", "821"), ("WY", "823"), ("WY", "830"), ("WY", "831"),
        ("NM", "878"), ("NM", "879"), ("NM", "884"), ("NV", "890"), ("NV", "893"),
    ];

    public static readonly string[] Feats =
    [
        "winner of the lantern regatta", "owner of the only blue windmill", "voice of the harbor radio show", "builder of the clockwork carousel", "keeper of the covered bridge", "first mayor of the island",
    ];

    public static readonly string[] Zones = ["-05:00", "-08:00", "Z", "-06:00", "-07:00"];

    public const string Snomed = "http://snomed.info/sct";
    public const string Loinc = "http://loinc.org";
    public const string RxNorm = "http://www.nlm.nih.gov/research/umls/rxnorm";
    public const string Terminology = "http://terminology.hl7.org/CodeSystem/";
    public const string Site = "https://sample.example.org/fhir/";

    public static readonly Code[] Conditions =
    [
        new(Snomed, "44054006", "Type 2 diabetes mellitus"), new(Snomed, "38341003", "Hypertensive disorder"), new(Snomed, "195967001", "Asthma"), new(Snomed, "13645005", "Chronic obstructive lung disease"),
        new(Snomed, "396275006", "Osteoarthritis"), new(Snomed, "35489007", "Depressive disorder"), new(Snomed, "55822004", "Hyperlipidemia"), new(Snomed, "271737000", "Anemia"),
    ];

    public static readonly (Code Code, string Unit, int Low, int High)[] Measurements =
    [
        (new(Loinc, "8302-2", "Body height"), "cm", 1450, 1990), (new(Loinc, "29463-7", "Body weight"), "kg", 450, 1300), (new(Loinc, "8867-4", "Heart rate"), "/min", 500, 1100),
        (new(Loinc, "4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"), "%", 45, 110), (new(Loinc, "2339-0", "Glucose [Mass/volume] in Blood"), "mg/dL", 700, 2400),
        (new(Loinc, "8310-5", "Body temperature"), "Cel", 355, 395),
    ];

    public static readonly Code[] Medications =
    [
        new(RxNorm, "860975", "metformin hydrochloride 500 MG Extended Release Oral Tablet"), new(RxNorm, "314076", "lisinopril 10 MG Oral Tablet"), new(RxNorm, "617312", "atorvastatin 20 MG Oral Tablet"),
        new(RxNorm, "745679", "albuterol 0.09 MG/ACTUAT Metered Dose Inhaler"), new(RxNorm, "313782", "acetaminophen 325 MG Oral Tablet"),
    ];

    public static readonly Code[] Procedures =
    [
        new(Snomed, "80146002", "Appendectomy"), new(Snomed, "73761001", "Colonoscopy"), new(Snomed, "399208008", "Plain chest X-ray"), new(Snomed, "29303009", "Electrocardiographic procedure"),
        new(Snomed, "52734007", "Total replacement of hip"),
    ];

    public static readonly (string Category, Code Code)[] Allergens =
    [
        ("medication", new(Snomed, "91936005", "Allergy to penicillin")), ("food", new(Snomed, "91935009", "Allergy to peanut")), ("food", new(Snomed, "300913006", "Shellfish allergy")),
        ("environment", new(Snomed, "419474003", "Allergy to mould")),
    ];

    public static readonly Code[] Vaccines =
    [
        new("http://hl7.org/fhir/sid/cvx", "140", "Influenza, seasonal, injectable, preservative free"), new("http://hl7.org/fhir/sid/cvx", "113", "Td (adult) preservative free"),
        new("http://hl7.org/fhir/sid/cvx", "133", "Pneumococcal conjugate PCV 13"),
    ];

    public static readonly Code[] VisitTypes =
    [
        new(Snomed, "185349003", "Encounter for check up"), new(Snomed, "390906007", "Follow-up encounter"), new(Snomed, "50849002", "Emergency room admission"),
    ];
}
