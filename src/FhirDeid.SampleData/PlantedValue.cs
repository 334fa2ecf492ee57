namespace FhirDeid.SampleData;

/// <summary>Kinds of identifying values: the identifiers of the Safe Harbor method (45 CFR 164.514(b)(2)(i)), and resource ids.</summary>
public enum PlantedCategory
{
    /// <summary>Name of a patient, a relative or a practitioner, whole or a part.</summary>
    Name,
    /// <summary>Street line, district or city.</summary>
    Address,
    /// <summary>ZIP code of five or nine digits. Look for five digits as a whole word: a hash in hexadecimal may hold them by chance.</summary>
    Zip,
    /// <summary>Date or time, as written, of at least month precision. A date that was shifted may fall on another planted one: look at the path.</summary>
    Date,
    /// <summary>Telephone number.</summary>
    Phone,
    /// <summary>Fax number.</summary>
    Fax,
    /// <summary>E-mail address.</summary>
    Email,
    /// <summary>Social security number.</summary>
    Ssn,
    /// <summary>Medical record number.</summary>
    Mrn,
    /// <summary>Health plan beneficiary number.</summary>
    HealthPlan,
    /// <summary>Account number.</summary>
    Account,
    /// <summary>Certificate or licence number, of a driver or a practitioner.</summary>
    Licence,
    /// <summary>Licence plate or vehicle identification number.</summary>
    Vehicle,
    /// <summary>Serial number or unique identifier of a device.</summary>
    Device,
    /// <summary>Web address.</summary>
    Url,
    /// <summary>Internet protocol address.</summary>
    Ip,
    /// <summary>Base64 text of a photograph.</summary>
    Photo,
    /// <summary>Age over 89 in years. Two digits are no search term: look at the path.</summary>
    Age,
    /// <summary>Id of a resource, also where a reference holds it.</summary>
    Id,
    /// <summary>Text that singles a person out in some other way, or holds such text in base64.</summary>
    Text,
}

/// <summary>An identifying value and where it stands.</summary>
/// <param name="ResourceType">Type of the resource.</param>
/// <param name="Id">Id of the resource.</param>
/// <param name="Path">FHIRPath of the element from the resource, with indexes: <c>Patient.name[0].family</c>. A value within a longer text has the text's path.</param>
/// <param name="Category">Kind of value.</param>
/// <param name="Value">The value as it stands there.</param>
public sealed record PlantedValue(string ResourceType, string Id, string Path, PlantedCategory Category, string Value);

/// <summary>An identifying value before it has a place. A type of its own, so that nothing identifying is written without being listed.</summary>
internal readonly record struct Identifying(PlantedCategory Category, string Text);
