namespace FhirDeid;

/// <summary>One resource as it stands in a file.</summary>
/// <param name="Path">Full path of the file; empty for a resource from the pipeline.</param>
/// <param name="Line">Line of the file, from 1; 0 where the file is one resource. From the pipeline: how many resources came, with this one.</param>
/// <param name="Json">The resource as UTF-8 JSON, not looked at yet; valid until the next one is read.</param>
public readonly record struct FhirResourceText(string Path, long Line, ReadOnlyMemory<byte> Json);
