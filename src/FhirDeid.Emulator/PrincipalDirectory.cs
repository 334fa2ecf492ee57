using System.Collections.Concurrent;

namespace FhirDeid.Emulator;

/// <summary>The principals of the tenant. One is known where roles are assigned only a while after it was created, as replication makes it in Azure.</summary>
/// <param name="delay">How long that takes.</param>
internal sealed class PrincipalDirectory(TimeSpan delay)
{
    /// <summary>Object id of a person, to assign roles to.</summary>
    public const string UserObjectId = "0a5b1d5e-7a0c-4f0e-9a43-6f2f3f0c7b11";

    private readonly ConcurrentDictionary<string, (string Type, DateTimeOffset Visible)> _principals = new(StringComparer.OrdinalIgnoreCase)
    {
        [UserObjectId] = ("User", DateTimeOffset.MinValue),
    };

    /// <summary>Adds a service principal that everybody knows already.</summary>
    public void Add(string objectId) => _principals.TryAdd(objectId, ("ServicePrincipal", DateTimeOffset.MinValue));

    /// <summary>Adds the service principal of a managed identity that was just turned on.</summary>
    public void Create(string objectId) => _principals[objectId] = ("ServicePrincipal", DateTimeOffset.UtcNow + delay);

    /// <summary>Removes the service principal of a managed identity that was turned off. Its role assignments stay.</summary>
    public void Delete(string objectId) => _principals.TryRemove(objectId, out _);

    /// <summary>Type of a principal: User, ServicePrincipal; null for one that is not there, or not yet.</summary>
    public string? TypeOf(string objectId) =>
        _principals.TryGetValue(objectId, out (string Type, DateTimeOffset Visible) principal) && principal.Visible <= DateTimeOffset.UtcNow ? principal.Type : null;
}
