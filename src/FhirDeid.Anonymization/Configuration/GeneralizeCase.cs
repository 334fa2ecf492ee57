using FhirDeid.Anonymization.FhirPath;

namespace FhirDeid.Anonymization.Configuration;

/// <summary>One case of a generalize rule.</summary>
/// <param name="Condition">The case applies where this is true; empty counts as false.</param>
/// <param name="Value">What takes the value's place.</param>
internal sealed record GeneralizeCase(FhirPathExpression Condition, FhirPathExpression Value);
