namespace FhirDeid.Anonymization.Plan;

/// <summary>How one step of a path goes on from a node.</summary>
internal enum StepKind
{
    /// <summary>To the children of one element name.</summary>
    Child,
    /// <summary>Stays, where the node has a type.</summary>
    OfType,
    /// <summary>To the node itself and all below it within the resource that have a type.</summary>
    NodesByType,
    /// <summary>To the node itself and all below it within the resource that have a name.</summary>
    NodesByName,
}

/// <summary>One step of a path.</summary>
/// <param name="Kind">How it goes on.</param>
/// <param name="Name">Element or type name.</param>
/// <param name="MeetsNested">For a search: whether it meets the roots of nested resources, as it does where it begins the path.</param>
internal readonly record struct PathStep(StepKind Kind, string Name, bool MeetsNested = false);

/// <summary>One of the alternatives that a path joins by <c>|</c>.</summary>
/// <param name="ResourceType">The resource type it starts at, or null for any.</param>
/// <param name="Steps">The steps; none for the resource itself.</param>
/// <param name="IsLookup">Whether the first step searches below the resource only, and not the resource itself.</param>
internal sealed record PathAlternative(string? ResourceType, IReadOnlyList<PathStep> Steps, bool IsLookup);
