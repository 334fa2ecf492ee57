namespace FhirDeid.Anonymization.Engine;

/// <summary>A resource that cannot be processed. The message says why and never quotes the resource.</summary>
internal sealed class ResourceException(string reason) : Exception(reason);
