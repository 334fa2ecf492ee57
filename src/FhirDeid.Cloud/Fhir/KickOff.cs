using System.Globalization;
using System.Text.RegularExpressions;
using FhirDeid.Cloud.Storage;

namespace FhirDeid.Cloud.Fhir;

/// <summary>The kick-off request of a de-identified export. A blank configuration is refused here, because the service would export identified data without a word.</summary>
internal static partial class KickOff
{
    /// <summary>Path and query below the base URL: every value is checked and escaped.</summary>
    /// <param name="request">What to export.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigRequired</c>, <c>FhirDeid.ConfigNameInvalid</c>, <c>FhirDeid.ConfigETagInvalid</c>, <c>FhirDeid.ContainerRequired</c>, <c>FhirDeid.ContainerInvalid</c>, <c>FhirDeid.ResourceTypeInvalid</c>, <c>FhirDeid.GroupIdInvalid</c>, <c>FhirDeid.PeriodInvalid</c>, <c>FhirDeid.MaxCountInvalid</c>, <c>FhirDeid.TypeFilterInvalid</c>, <c>FhirDeid.ConfigCollectionInvalid</c>, <c>FhirDeid.ParametersExclusive</c>.</exception>
    public static string Query(FhirExportRequest request)
    {
        (string Name, string Value)[] configuration = Configuration(request);
        if (!request.DeidentifyLocally || !string.IsNullOrEmpty(request.Container)) CheckContainer(request.Container);
        if (request.Until <= request.Since)
        {
            throw new FhirDeidException("PeriodInvalid", FhirDeidErrorCategory.InvalidArgument,
                "The period of the export ends before it begins.", "Give an end (-Until) after the beginning (-Since).");
        }
        if (request.MaxCount is < 1 or > 10_000)
        {
            throw new FhirDeidException("MaxCountInvalid", FhirDeidErrorCategory.InvalidArgument,
                $"The service reads 1 to 10000 resources at a time, not {request.MaxCount}.", "Give a number in that range.");
        }
        if (request.Level != FhirExportLevel.System && (request.NoParallel || request.IncludeHistory || request.IncludeDeleted))
            throw Exclusive("-NoParallel, -IncludeHistory and -IncludeDeleted count at system level alone: for patients and groups the service ignores them without a word.", "Leave them out, or export at system level.");
        string[] types = [.. request.ResourceType.Distinct(StringComparer.Ordinal)];
        foreach (string type in types) CheckType(type);
        CheckTypeFilter(request, types);

        List<(string Name, string Value)> parameters = [];
        if (!string.IsNullOrEmpty(request.Container)) parameters.Add(("_container", request.Container));
        parameters.AddRange(configuration);
        if (types.Length > 0) parameters.Add(("_type", string.Join(',', types)));
        if (request.TypeFilter.Length > 0) parameters.Add(("_typeFilter", string.Join(',', request.TypeFilter)));
        if (request.Since is { } since) parameters.Add(("_since", Instant(since)));
        if (request.Until is { } until) parameters.Add(("_till", Instant(until)));
        if (request.MaxCount is { } count) parameters.Add(("_maxCount", count.ToString(CultureInfo.InvariantCulture)));
        if (request.NoParallel) parameters.Add(("_isParallel", "false"));
        if (request.IncludeHistory || request.IncludeDeleted)
            parameters.Add(("includeAssociatedData", (request.IncludeHistory, request.IncludeDeleted) switch { (true, true) => "_history,_deleted", (true, _) => "_history", _ => "_deleted" }));
        string query = string.Join('&', parameters.Select(parameter => $"{parameter.Name}={Uri.EscapeDataString(parameter.Value)}"));
        return Path(request) + "$export" + (query.Length > 0 ? "?" + query : "");

        static string Instant(DateTimeOffset time) => time.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFFzzz", CultureInfo.InvariantCulture);
    }

    /// <summary>The parameters that name the configuration; none where data are openly asked for as they are.</summary>
    private static (string Name, string Value)[] Configuration(FhirExportRequest request)
    {
        bool image = !string.IsNullOrWhiteSpace(request.ConfigCollectionReference), etag = !string.IsNullOrWhiteSpace(request.ConfigETag);
        if (request.DeidentifyLocally)
        {
            if (!string.IsNullOrEmpty(request.ConfigName) || image || etag)
                throw Exclusive("An export is de-identified by the service or locally, not both.", "Leave out -DeidentifyLocally, or the configuration: that one is given to Receive-FhirExport.");
            return [];
        }
        if (string.IsNullOrWhiteSpace(request.ConfigName) || !(image || etag))
        {
            throw new FhirDeidException("ConfigRequired", FhirDeidErrorCategory.InvalidArgument,
                "An export needs the name and the ETag of a published configuration: without them the service would export identified data.",
                "Publish a configuration with Publish-AnonymizationConfig and pass its result on.");
        }
        ConfigName.Check(request.ConfigName);
        if (image && etag)
            throw Exclusive("The service takes a configuration by its ETag or from a container registry, not both.", "Give -ConfigETag, or -ConfigCollectionReference with a digest, which pins as well.");
        if (image && !ImageReference().IsMatch(request.ConfigCollectionReference))
        {
            throw new FhirDeidException("ConfigCollectionInvalid", FhirDeidErrorCategory.InvalidArgument,
                $"'{ServiceText.OneLine(request.ConfigCollectionReference)}' is not the reference of an image.", "Write it as registry.azurecr.io/image@sha256:digest, or registry.azurecr.io/image:tag.", request.ConfigCollectionReference);
        }
        return [("_anonymizationConfig", request.ConfigName), image ? ("_anonymizationConfigCollectionReference", request.ConfigCollectionReference) : ("_anonymizationConfigEtag", ETag(request.ConfigETag))];
    }

    // The service splits at every comma and every equals sign, and turns away what it cannot split.
    private static void CheckTypeFilter(FhirExportRequest request, string[] types)
    {
        if (request.TypeFilter.Length > 0 && (request.IncludeHistory || request.IncludeDeleted))
            throw Exclusive("The service takes no -TypeFilter together with -IncludeHistory or -IncludeDeleted.", "Export them apart.");
        foreach (string filter in request.TypeFilter)
        {
            string? wrong = filter is null ? "it is empty"
                : filter.Contains(',') ? "it has a comma, at which the service would split it"
                : filter.Split('?') is not [string type, { Length: > 0 } query] ? "it is not of the form Type?parameter=value"
                : !types.Contains(type, StringComparer.Ordinal) ? "its type is not among the resource types of the export"
                : query.Split('&').Any(pair => pair.Split('=') is not [{ Length: > 0 }, { Length: > 0 }]) ? "not each of its parameters has one equals sign and a value"
                : null;
            // Its values can be identifying: they are not quoted.
            if (wrong is null) continue;
            throw new FhirDeidException("TypeFilterInvalid", FhirDeidErrorCategory.InvalidArgument, $"Type filter {Array.IndexOf(request.TypeFilter, filter) + 1} cannot be used: {wrong}.",
                "Write a search query such as Observation?code=http://loinc.org|8867-4 for each type, and name the type with -ResourceType.");
        }
    }

    private static FhirDeidException Exclusive(string message, string advice) => new("ParametersExclusive", FhirDeidErrorCategory.InvalidArgument, message, advice);

    [GeneratedRegex(@"\A[a-zA-Z0-9.-]+(:[0-9]+)?/[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})\z")]
    private static partial Regex ImageReference();

    /// <summary>An ETag in its quotes, as HTTP writes it (RFC 9110 §8.8.3). Weak ones and <c>*</c> pin nothing.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigETagInvalid</c>.</exception>
    public static string ETag(string given)
    {
        string opaque = Unquoted(given);
        if (opaque.Length > 0 && opaque != "*" && opaque.All(c => c is > ' ' and <= '~' and not '"') && !opaque.StartsWith("W/", StringComparison.Ordinal))
            return $"\"{opaque}\"";
        throw new FhirDeidException("ConfigETagInvalid", FhirDeidErrorCategory.InvalidArgument,
            "The ETag of the configuration is not one that pins a version.", "Use the ConfigETag that Publish-AnonymizationConfig returns, such as \"0x8DCAB12CD34EF56\".");
    }

    /// <summary>An ETag without its quotes.</summary>
    public static string Unquoted(string etag) => etag.Length >= 2 && etag[0] == '"' && etag[^1] == '"' ? etag[1..^1] : etag;

    /// <summary>Whether a text can be the name of a resource type. File names are made of it.</summary>
    [GeneratedRegex(@"\A[A-Z][A-Za-z]{1,63}\z")]
    public static partial Regex ResourceType();

    private static string Path(FhirExportRequest request) => request.Level switch
    {
        FhirExportLevel.Patient => "Patient/",
        FhirExportLevel.Group when LogicalId().IsMatch(request.GroupId) => $"Group/{request.GroupId}/",
        FhirExportLevel.Group => throw new FhirDeidException("GroupIdInvalid", FhirDeidErrorCategory.InvalidArgument,
            $"'{ServiceText.OneLine(request.GroupId)}' is not the id of a Group.", "Give the logical id alone, such as study-7: 1 to 64 letters, digits, hyphens and dots.", request.GroupId),
        _ => "",
    };

    private static void CheckType(string type)
    {
        if (type is not null && ResourceType().IsMatch(type)) return;
        throw new FhirDeidException("ResourceTypeInvalid", FhirDeidErrorCategory.InvalidArgument,
            $"'{ServiceText.OneLine(type)}' is not the name of a resource type.", "Write the type as FHIR does, such as Patient or MedicationRequest: upper and lower case count.", type);
    }

    /// <exception cref="FhirDeidException"><c>FhirDeid.ContainerRequired</c>, <c>FhirDeid.ContainerInvalid</c>.</exception>
    public static void CheckContainer(string container)
    {
        if (string.IsNullOrWhiteSpace(container))
        {
            throw new FhirDeidException("ContainerRequired", FhirDeidErrorCategory.InvalidArgument, "No container is named; a de-identified export needs one for its files.",
                "Name the container, such as research.");
        }
        if (ContainerName().IsMatch(container)) return;
        throw new FhirDeidException("ContainerInvalid", FhirDeidErrorCategory.InvalidArgument,
            $"'{ServiceText.OneLine(container)}' cannot be the name of a container.",
            "Use 3 to 63 lower-case letters, digits and single hyphens, with a letter or digit first and last.", container);
    }

    [GeneratedRegex(@"\A(?=.{3,63}\z)[a-z0-9]+(-[a-z0-9]+)*\z")]
    private static partial Regex ContainerName();

    // FHIR R4, data type id; without the dot segments that a URL would lose.
    [GeneratedRegex(@"\A(?!\.{1,2}\z)[A-Za-z0-9.-]{1,64}\z")]
    private static partial Regex LogicalId();
}
