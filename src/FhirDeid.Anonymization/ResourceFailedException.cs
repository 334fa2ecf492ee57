namespace FhirDeid.Anonymization;

/// <summary>A resource cannot be de-identified: <c>FhirDeid.ResourceInvalid</c>. Says where it failed, and nothing of its content.</summary>
public sealed class ResourceFailedException : FhirDeidException
{
    internal ResourceFailedException(string reason, string? resourceType, int? rule, string? method)
        : base("ResourceInvalid", FhirDeidErrorCategory.InvalidData, $"The resource cannot be de-identified: {reason}.",
            "Correct the resource at its source; nothing of it was written. With \"processingErrors\": \"skip\" in the configuration an empty resource takes its place.")
    {
        Reason = reason;
        ResourceType = resourceType;
        Rule = rule;
        Method = method;
    }

    /// <summary>Why, as the end of a sentence.</summary>
    public string Reason { get; }

    /// <summary>Type of the outermost resource; null where it was not found out.</summary>
    public string? ResourceType { get; }

    /// <summary>Number of the rule that failed, from 1; null where the resource does not parse.</summary>
    public int? Rule { get; }

    /// <summary>Method of that rule, as the configuration reference names it.</summary>
    public string? Method { get; }

    /// <summary>The failure, with the place of its resource.</summary>
    /// <param name="path">Full path or URL of the file; empty for a resource from the pipeline.</param>
    /// <param name="line">Line of the file; 0 where the file is one resource.</param>
    internal DeidentificationFailure At(string path, long line) => new()
    {
        Path = path, Line = line, ResourceType = ResourceType ?? "", Rule = Rule, Method = Method ?? "", Reason = Reason,
    };
}
