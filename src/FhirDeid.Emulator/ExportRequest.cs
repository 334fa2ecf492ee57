using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http.Extensions;

namespace FhirDeid.Emulator;

/// <summary>What an export is of.</summary>
internal enum ExportLevel
{
    /// <summary>Everything.</summary>
    System,
    /// <summary>All patients, and what belongs to them.</summary>
    Patient,
    /// <summary>The patients of a Group, and what belongs to them.</summary>
    Group,
}

/// <summary>A kick-off request that passed the service's rules: headers, allow-list of parameters, values. Rules and texts are those of the open-source FHIR server.</summary>
internal sealed partial record ExportRequest
{
    private const uint MaximumCount = 10_000;

    private static readonly HashSet<string> Parameters = new(StringComparer.Ordinal)
    {
        "_outputFormat", "_since", "_till", "_type", "_typeFilter", "_container", "_format", "_isParallel", "includeAssociatedData", "_maxCount",
        "_anonymizationConfig", "_anonymizationConfigEtag", "_anonymizationConfigCollectionReference",
    };

    /// <summary>The full URL, as it came.</summary>
    public required string Url { get; init; }

    /// <summary>What is exported.</summary>
    public required ExportLevel Level { get; init; }

    /// <summary>Id of the Group at group level.</summary>
    public string? GroupId { get; private init; }

    /// <summary>Container of the files; null for one of the job's own.</summary>
    public string? Container { get; private init; }

    /// <summary>Resource types; empty for all.</summary>
    public string[] Types { get; private init; } = [];

    /// <summary>Resources changed at or after this time.</summary>
    public DateTimeOffset? Since { get; private init; }

    /// <summary>Resources changed before this time.</summary>
    public DateTimeOffset? Till { get; private init; }

    /// <summary>Blob name of the anonymization configuration; null for an export as it is.</summary>
    public string? AnonymizationConfig { get; init; }

    /// <summary>Registry that the configuration is in; null for the storage account.</summary>
    public string? Registry { get; private init; }

    /// <summary>ETag that the configuration must have, with or without quotes; null for any.</summary>
    public string? AnonymizationConfigEtag { get; private init; }

    /// <summary>Whether every type and range has a worker of its own.</summary>
    public bool Parallel { get; private init; } = true;

    /// <summary>Most resources of one worker.</summary>
    public int MaxCount { get; private init; } = (int)MaximumCount;

    /// <summary>Checks a request in the order of the service.</summary>
    /// <exception cref="OperationOutcomeException">It breaks a rule.</exception>
    public static ExportRequest Read(HttpRequest request, ExportLevel level, string? groupId, Exports exports)
    {
        ReadHeaders(request);
        IQueryCollection query = request.Query;
        if (query.Keys.FirstOrDefault(name => !Parameters.Contains(name)) is { } unknown)
            throw OperationOutcomeException.Invalid($"The \"{unknown}\" parameter is not supported.");
        if (query.ContainsKey("_typeFilter") && !query.ContainsKey("_type"))
            throw OperationOutcomeException.Invalid("The _type parameter must be included when using the _typeFilter parameter. ");
        if (Value("_outputFormat") is { } format && format is not ("application/fhir+ndjson" or "application/ndjson" or "ndjson"))
            throw OperationOutcomeException.Invalid($"The output format '{format}' is not supported.");
        if (!exports.Enabled)
            throw NotEnabled();

        string? config = Value("_anonymizationConfig"), etag = Value("_anonymizationConfigEtag"), container = Value("_container");
        CheckAnonymized(config, etag, Value("_anonymizationConfigCollectionReference"), container, exports);
        CheckPath(container);
        if (Value("_format") is { } name && name is not ("resourcename_only" or "unique_folder"))
            throw OperationOutcomeException.Invalid($"The format '{name}' could not be found.");
        string[] associated = level == ExportLevel.System ? Value("includeAssociatedData")?.Split(',') ?? [] : [];
        if (associated.Where(data => data is not ("_history" or "_deleted")).ToArray() is { Length: > 0 } unsupported)
            throw OperationOutcomeException.Invalid($"The export parameter \"includeAssociatedData\" contains an invalid value. Supported values are: {string.Join(',', unsupported)}. ");
        CheckTypeFilter(Value("_typeFilter"), associated.Length > 0);

        return new ExportRequest
        {
            Url = request.GetEncodedUrl(),
            Level = level,
            GroupId = groupId,
            Container = container,
            Types = Value("_type")?.Split(',') ?? [],
            Since = Time(Value("_since")),
            Till = Time(Value("_till")),
            AnonymizationConfig = config,
            AnonymizationConfigEtag = etag,
            Registry = Value("_anonymizationConfigCollectionReference")?.Split('/')[0],
            // Only the system level heeds the parameter.
            Parallel = level != ExportLevel.System ? level == ExportLevel.Patient : Value("_isParallel") is not { } parallel || (bool.TryParse(parallel, out bool isParallel) ? isParallel : throw NotValid(parallel)),
            MaxCount = Count(Value("_maxCount")),
        };

        // A blank value counts as none. For _anonymizationConfig that means: the export runs, and nothing is de-identified.
        string? Value(string name) => query[name] is [{ } value, ..] && !string.IsNullOrWhiteSpace(value) ? value : null;
    }

    /// <summary>The service has no export storage account: 400.</summary>
    public static OperationOutcomeException NotEnabled() => OperationOutcomeException.Invalid("The requested \"export\" operation is not enabled");

    /// <summary>Checks Accept and Prefer.</summary>
    /// <exception cref="OperationOutcomeException">They are not what an export needs.</exception>
    public static void ReadHeaders(HttpRequest request)
    {
        if (request.Headers.Accept is not [{ } accept] || !accept.Equals("application/fhir+json", StringComparison.OrdinalIgnoreCase))
            throw UnsupportedHeader(request.Headers.Accept.ToString(), "Accept");

        string[] preferences = request.Headers["Prefer"].SelectMany(value => (value ?? "").Split(',', StringSplitOptions.TrimEntries)).ToArray();
        if (preferences.Length == 0)
            throw OperationOutcomeException.Invalid("Missing required header; Prefer");
        if (preferences.FirstOrDefault(value => value is not ("respond-async" or "handling=strict" or "handling=lenient")) is { } unknown)
            throw UnsupportedHeader(unknown, "Prefer");
        if (!preferences.Contains("respond-async"))
            throw OperationOutcomeException.Invalid("Missing required header value; header=Prefer,value=respond-async.");
    }

    private static void CheckAnonymized(string? config, string? etag, string? collection, string? container, Exports exports)
    {
        if (config is null && etag is null && collection is null) return;
        if (!exports.AnonymizedEnabled)
            throw OperationOutcomeException.Invalid("The requested \"anonymized-export\" operation is not enabled");
        if (config is null)
            throw OperationOutcomeException.Invalid("Missing '_anonymizationConfig' for anonymized export");
        if (container is null)
            throw OperationOutcomeException.Invalid("Missing '_container' for anonymized export");
        CheckPath(config);
        if (etag is not null && collection is not null)
            throw OperationOutcomeException.Invalid("The parameters '_anonymizationConfigEtag' and '_anonymizationConfigCollectionReference' cannot be given in the same request. Please only specify one of them.");
        if (collection is null) return;
        if (!ImageReference().IsMatch(collection))
            throw OperationOutcomeException.Invalid($"The configuration collection reference '{collection}' is invalid.");
        if (!exports.Registered(collection.Split('/')[0]))
            throw OperationOutcomeException.Invalid($"The configuration collection reference '{collection}' is not configured.");
    }

    private static void CheckTypeFilter(string? filter, bool associatedData)
    {
        if (filter is null) return;
        if (associatedData)
            throw OperationOutcomeException.Invalid("The request \"_typeFilter\" cannot be used with an export request with historical or soft deleted resources.");
        foreach (string segment in filter.Split(','))
        {
            if (segment.Split('?') is not [{ Length: > 0 }, { Length: > 0 } query] || query.Split('&').Any(pair => pair.Split('=').Length != 2))
                throw OperationOutcomeException.Invalid($"The _typeFilter segment '{segment}' could not be parsed.");
        }

        throw OperationOutcomeException.Invalid("The emulator does not evaluate _typeFilter: it would export more than was asked for.");
    }

    private static void CheckPath(string? value)
    {
        if (value is not null && Uri.UnescapeDataString(value).Split('/', '\\').Contains(".."))
            throw OperationOutcomeException.Invalid($"The value '{value}' is not valid. Path traversal characters are not allowed.");
    }

    private static DateTimeOffset? Time(string? value)
    {
        if (value is null) return null;
        return FhirTime.TryParse(value, out DateTimeOffset time) ? time : throw NotValid(value);
    }

    private static int Count(string? value)
    {
        if (value is null) return (int)MaximumCount;
        if (!uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out uint count)) throw NotValid(value);
        return count switch
        {
            0 => (int)MaximumCount,
            <= MaximumCount => (int)count,
            _ => throw OperationOutcomeException.Invalid("Export operation parameter 'MaximumNumberOfResourcesPerQuery' was out of the range of valid values. Please specify a different value within a range '1' - '10000'."),
        };
    }

    private static OperationOutcomeException NotValid(string value) => OperationOutcomeException.Invalid($"The value '{value}' is not valid.");

    // Two spaces after the value, as the service writes it.
    private static OperationOutcomeException UnsupportedHeader(string value, string header) =>
        OperationOutcomeException.Invalid($"Value supplied, {value},  for the \"{header}\" header is not supported.");

    [GeneratedRegex(@"^[a-zA-Z0-9.-]+(:[0-9]+)?/[a-z0-9._/-]+(:[A-Za-z0-9_.-]+|@sha256:[0-9a-f]{64})$")]
    private static partial Regex ImageReference();
}
