using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using FhirDeid.Cloud.Storage;

namespace FhirDeid.Cloud.Fhir;

/// <summary>The kick-off request of a de-identified export. A blank configuration is refused here, because the service would export identified data without a word.</summary>
internal static partial class KickOff
{
    /// <summary>Path and query below the base URL: every value is checked and escaped.</summary>
    /// <param name="request">What to export.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigRequired</c>, <c>FhirDeid.ConfigNameInvalid</c>, <c>FhirDeid.ConfigETagInvalid</c>, <c>FhirDeid.ContainerRequired</c>, <c>FhirDeid.ContainerInvalid</c>, <c>FhirDeid.ResourceTypeInvalid</c>, <c>FhirDeid.GroupIdInvalid</c>, <c>FhirDeid.PeriodInvalid</c>, <c>FhirDeid.MaxCountInvalid</c>.</exception>
    public static string Query(FhirExportRequest request)
    {
        if (string.IsNullOrWhiteSpace(request.ConfigName) || string.IsNullOrWhiteSpace(request.ConfigETag))
        {
            throw new FhirDeidException("ConfigRequired", FhirDeidErrorCategory.InvalidArgument,
                "An export needs the name and the ETag of a published configuration: without them the service would export identified data.",
                "Publish a configuration with Publish-AnonymizationConfig and pass its result on.");
        }
        ConfigName.Check(request.ConfigName);
        string etag = ETag(request.ConfigETag);
        CheckContainer(request.Container);
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
        StringBuilder query = new(Path(request));
        query.Append("$export?_container=");
        query.Append(Uri.EscapeDataString(request.Container));
        query.Append("&_anonymizationConfig=").Append(Uri.EscapeDataString(request.ConfigName));
        query.Append("&_anonymizationConfigEtag=").Append(Uri.EscapeDataString(etag));
        string[] types = [.. request.ResourceType.Distinct(StringComparer.Ordinal)];
        foreach (string type in types) CheckType(type);
        if (types.Length > 0) query.Append("&_type=").Append(Uri.EscapeDataString(string.Join(',', types)));
        if (request.Since is { } since) query.Append("&_since=").Append(Instant(since));
        if (request.Until is { } until) query.Append("&_till=").Append(Instant(until));
        if (request.MaxCount is { } count) query.Append("&_maxCount=").Append(count.ToString(CultureInfo.InvariantCulture));
        return query.ToString();

        static string Instant(DateTimeOffset time) => Uri.EscapeDataString(time.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFFzzz", CultureInfo.InvariantCulture));
    }

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
