using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Coverage;

/// <summary>Which identifiers of 45 CFR 164.514(b)(2)(i) an element can hold: by its type, its name, and whether people write in it. docs/coverage.md has the rules in words.</summary>
internal static class Identifiers
{
    /// <summary>Free text and extensions: whatever somebody wrote.</summary>
    public const string Any = "A-R";

    /// <summary>The letters of the regulation, and what they stand for.</summary>
    public static readonly IReadOnlyList<(string Letter, string Name)> Categories =
    [
        ("A", "Names"), ("B", "Geography below the state"), ("C", "Dates, and ages over 89"), ("D", "Telephone numbers"), ("E", "Fax numbers"), ("F", "E-mail addresses"),
        ("G", "Social security numbers"), ("H", "Medical record numbers"), ("I", "Health plan numbers"), ("J", "Account numbers"), ("K", "Certificate and license numbers"),
        ("L", "Vehicle numbers"), ("M", "Device numbers"), ("N", "Web addresses"), ("O", "IP addresses"), ("P", "Biometric data"), ("Q", "Photographs"), ("R", "Other unique codes"),
        (Any, "Free text and extensions"),
    ];

    /// <summary>URIs that name a system, a type or a definition, and nobody.</summary>
    private static readonly string[] PublicUris = ["system", "type", "implicitRules", "instantiatesUri", "policy"];

    /// <summary>Texts that are no prose.</summary>
    private static readonly string[] TechnicalTexts = ["id", "unit", "version", "contentType", "fhirVersion"];

    /// <summary>The letters of what an element can hold; empty for none.</summary>
    /// <param name="resource">The resource's type.</param>
    /// <param name="owner">The type that has the element.</param>
    /// <param name="property">The element, a primitive.</param>
    public static string Of(FhirType resource, FhirType owner, FhirProperty property) => (owner.Name, property.Name) switch
    {
        ("HumanName", "text" or "family" or "given" or "prefix" or "suffix") => "A",
        ("Address", "text" or "line" or "city" or "district" or "postalCode") => "B",
        ("Address", "state" or "country") => "",
        ("ContactPoint", "value") => "DEF",
        ("Identifier", "value") => IdentifierValue(resource.Name),
        ("Reference", "reference") => "R",
        ("Age", "value") => "C",
        ("Attachment", "url") => "N",
        ("Attachment", "data") => property.Type!.Name == "base64Binary" && resource.Name is "Patient" or "Person" or "Practitioner" or "RelatedPerson" ? "Q" : "PQ",
        ("Attachment", "hash") => "R",
        ("Signature", "data") => "P",
        ("SampledData", "data") => "P",
        ("Quantity" or "Age" or "Count" or "Duration" or "Distance" or "Money", "unit") => "",
        _ => ByContext(owner, property),
    };

    private static string IdentifierValue(string resource) => resource switch
    {
        "Patient" or "Person" or "RelatedPerson" or "BodyStructure" or "Group" => "GHIJKL",
        "Practitioner" or "PractitionerRole" or "Organization" => "GK",
        "Coverage" or "CoverageEligibilityRequest" or "CoverageEligibilityResponse" or "Claim" or "ClaimResponse" or "ExplanationOfBenefit" or "EnrollmentRequest" or "EnrollmentResponse" or "InsurancePlan" => "I",
        "Account" or "Invoice" or "PaymentNotice" or "PaymentReconciliation" or "ChargeItem" => "J",
        "Device" or "DeviceMetric" or "DeviceRequest" or "DeviceUseStatement" => "LM",
        "Location" => "L",
        "Encounter" or "EpisodeOfCare" => "H",
        _ => "R",
    };

    private static string ByContext(FhirType owner, FhirProperty property) => (owner.Id, property.Name) switch
    {
        ("Location.position", _) => "B",
        ("AuditEvent.agent.network", "address") => "O",
        ("Endpoint", "address") => "NO",
        ("Coverage", "subscriberId" or "dependent") => "I",
        (_, "serialNumber" or "lotNumber" or "distinctIdentifier" or "deviceIdentifier" or "carrierAIDC" or "carrierHRF") => "M",
        _ => ByType(owner, property),
    };

    private static string ByType(FhirType owner, FhirProperty property) => property.Type!.Name switch
    {
        "date" or "dateTime" or "instant" => "C",
        "base64Binary" => "PQ",
        "url" => "N",
        "uri" => owner.Name == "Extension" || PublicUris.Contains(property.Name) ? "" : "N",
        "oid" or "uuid" => "R",
        "id" => property.Name == "id" ? "R" : "",
        "markdown" or "xhtml" => Any,
        "string" => TechnicalTexts.Contains(property.Name) ? "" : Any,
        _ => "",
    };
}
