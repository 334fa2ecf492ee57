namespace FhirDeid.Tests;

/// <summary>How an export job fails: what the service says behind its prefix, with which status, and what the user must read of it.</summary>
internal static class JobFailures
{
    public static readonly (string Reason, int Status, string Means)[] All =
    [
        ("Anonymization container not found on the destination storage.", 400, "no container 'anonymization'"),
        ("Anonymization configuration 'a.json' not found. ", 400, "publish it to that account"),
        ("Anonymization configuration is too large > 1MB.", 400, "larger than the 1 MiB"),
        ("Anonymization configuration collection is too large > 100MB.", 400, "registry"),
        ("The condition specified using HTTP conditional header(s) is not met.", 400, "no longer the one that was published"),
        ("Failed to parse configuration file", 400, "cannot parse the configuration"),
        ("Configuration of fhirVersion STU3 is not supported. Expected fhirVersion: R4", 400, "set its fhirVersion to R4"),
        ("The configuration is invalid, please specify any fhirPathRules", 400, "has no rules"),
        ("Missing path or method in Fhir path rule config.", 400, "refuses the configuration"),
        ("Invalid FHIR path Patient.nam(", 400, "refuses the configuration"),
        ("Missing replaceWith value in substitution rule at Patient.name.", 400, "refuses the configuration"),
        ("Span value is invalid in perturb rule at Patient.birthDate.", 400, "refuses the configuration"),
        ("Span value is required in perturb rule at Patient.birthDate.", 400, "refuses the configuration"),
        ("RoundTo value is invalid in perturb rule at Patient.birthDate.", 400, "refuses the configuration"),
        ("RangeType value is invalid in perturb rule at Patient.birthDate.", 400, "refuses the configuration"),
        ("Missing cases in FHIR path rule config.", 400, "refuses the configuration"),
        ("Invalid cases expression 'x'", 400, "refuses the configuration"),
        ("OtherValues setting is invalid at Patient.gender.", 400, "refuses the configuration"),
        ("Invalid encrypt key size : 8 bits! Please provide key sizes of 128, 192 or 256 bits.", 400, "refuses the configuration"),
        ("Failed to anonymize resource. The job will be marked as failed. {\"resourceType\":\"Patient\",\"name\":\"Lovelace\"}", 400, "could not be anonymized"),
        ("Failed to anonymize resource. The job will be marked as failed. Anonymization method blur not supported.", 400, "does not know the anonymization method 'blur'"),
        ("Failed to access container registry 'lab.azurecr.io', please check your configuration.", 400, "AcrPull"),
        ("Fail to access the container registry lab.azurecr.io.", 400, "AcrPull"),
        ("Failed to get access token for Azure Container Registry.", 400, "AcrPull"),
        ("Container registry 'lab.azurecr.io' not found.", 400, "registry"),
        ("Group study-7 was not found.", 400, "no Group"),
        ("The given storage uri is invalid", 400, "no usable export storage account"),
        ("Export job connection settings have changed since the job was created.", 400, "changed"),
        ("This request is not authorized to perform this operation.\nRequestId:1\nStatus: 403\nErrorCode: AuthorizationFailure\n<?xml?><Error/>", 403, "firewall"),
        ("This request is not authorized to perform this operation using this permission.\nErrorCode: AuthorizationPermissionMismatch\n", 403, "Storage Blob Data Contributor"),
        ("Unable to get access token for storage account.", 403, "no managed identity"),
        ("The storage account not found.", 404, "does not exist"),
        ("The FHIR Server ran out of memory while processing an export job. Please use the _maxCount parameter when requesting an export job to reduce the number of resources exported at one time. The count used in this job was 10000", 413, "-MaxCount"),
        ("Timespan in export request contains too much data to be exported in a single request.", 413, "too much data"),
        ("Database was throttled.", 429, "throttled"),
        ("Job has been retried too many times.", 500, "too many times"),
        ("Unknown Error.", 500, "gives no reason"),
        ("Anonymization configuration 'a.json' not found. \r\nUnknown Error.", 400, "publish it to that account"),
    ];
}
