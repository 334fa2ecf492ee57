namespace FhirDeid;

/// <summary>What an export has written so far.</summary>
/// <param name="Files">Number of files.</param>
/// <param name="Bytes">Their size together.</param>
public readonly record struct FhirExportSize(long Files, long Bytes);
