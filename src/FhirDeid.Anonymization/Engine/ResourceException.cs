using FhirDeid.Anonymization.Configuration;

namespace FhirDeid.Anonymization.Engine;

/// <summary>A resource that cannot be processed. The message says why and never quotes the resource.</summary>
/// <param name="reason">Why, as the end of a sentence.</param>
/// <param name="rule">The rule that failed on it; null where it does not parse.</param>
internal sealed class ResourceException(string reason, ConfigurationRule? rule = null) : Exception(reason)
{
    public ConfigurationRule? Rule { get; } = rule;
}
