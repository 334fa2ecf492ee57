namespace FhirDeid.Anonymization.FhirPath;

/// <summary>An expression that cannot be evaluated on this data. The message never holds values of it.</summary>
internal sealed class FhirPathException(string message) : Exception(message);
