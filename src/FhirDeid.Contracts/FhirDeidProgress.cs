namespace FhirDeid;

/// <summary>How far a long operation has come.</summary>
/// <param name="Activity">What is being done, the same for the whole operation.</param>
/// <param name="Status">Where it stands, in words.</param>
/// <param name="PercentComplete">0 to 100, or −1 where no end is known.</param>
/// <param name="SecondsRemaining">Seconds until the end as far as can be told, or −1.</param>
public readonly record struct FhirDeidProgress(string Activity, string Status, int PercentComplete = -1, int SecondsRemaining = -1);
