using System.Net;

namespace FhirDeid.Tests;

public sealed class KickOffTests(SharedEmulator shared)
{
    private readonly Service _service = shared.Service;

    [Fact]
    public async Task A_kick_off_answers_202_with_an_absolute_Content_Location_and_no_body()
    {
        Answer answer = await _service.KickOffAsync("$export?_container=kickoff");

        Assert.Equal(HttpStatusCode.Accepted, answer.Status);
        Assert.Equal("", answer.Body);
        Assert.Matches($@"^{_service.Audience}/_operations/export/[0-9]+$", answer.ContentLocation!.OriginalString);
    }

    [Theory]
    [InlineData(new[] { "application/json" }, new[] { "respond-async" }, "Value supplied, application/json,  for the \"Accept\" header is not supported.")]
    [InlineData(new[] { "*/*" }, new[] { "respond-async" }, "Value supplied, */*,  for the \"Accept\" header is not supported.")]
    [InlineData(new string[0], new[] { "respond-async" }, "Value supplied, ,  for the \"Accept\" header is not supported.")]
    [InlineData(new[] { "application/fhir+json;charset=utf-8" }, new[] { "respond-async" }, "Value supplied, application/fhir+json;charset=utf-8,  for the \"Accept\" header is not supported.")]
    [InlineData(new[] { "application/fhir+json, application/json" }, new[] { "respond-async" }, "Value supplied, application/fhir+json, application/json,  for the \"Accept\" header is not supported.")]
    [InlineData(new[] { "application/fhir+json" }, new string[0], "Missing required header; Prefer")]
    [InlineData(new[] { "application/fhir+json" }, new[] { "handling=strict" }, "Missing required header value; header=Prefer,value=respond-async.")]
    [InlineData(new[] { "application/fhir+json" }, new[] { "respond-async, wait=10" }, "Value supplied, wait=10,  for the \"Prefer\" header is not supported.")]
    [InlineData(new[] { "application/fhir+json" }, new[] { "respond-async", "separate-export-status" }, "Value supplied, separate-export-status,  for the \"Prefer\" header is not supported.")]
    public async Task Headers_that_the_service_does_not_take_are_refused(string[] accept, string[] prefer, string message)
    {
        Answer answer = await _service.SendAsync(HttpMethod.Get, "$export?_container=headers", await _service.TokenAsync(), accept, prefer);

        answer.IsOutcome(HttpStatusCode.BadRequest, "invalid", message);
    }

    [Theory]
    [InlineData("application/fhir+json", "respond-async")]
    [InlineData("Application/FHIR+json", "respond-async, handling=lenient")]
    [InlineData("application/fhir+json", "handling=strict", "respond-async")]
    public async Task Headers_that_the_service_takes_start_an_export(string accept, params string[] prefer)
    {
        Answer answer = await _service.SendAsync(HttpMethod.Get, "$export?_container=headers", await _service.TokenAsync(), [accept], prefer);

        Assert.Equal(HttpStatusCode.Accepted, answer.Status);
    }

    [Theory]
    [InlineData("_elements=id", "The \"_elements\" parameter is not supported.")]
    [InlineData("patient=p1", "The \"patient\" parameter is not supported.")]
    [InlineData("_until=2025", "The \"_until\" parameter is not supported.")]
    [InlineData("_Container=x", "The \"_Container\" parameter is not supported.")]
    [InlineData("_count=1", "The \"_count\" parameter is not supported.")]
    [InlineData("_outputFormat=application/fhir%2Bjson", "The output format 'application/fhir+json' is not supported.")]
    [InlineData("_outputFormat=application/fhir+ndjson", "The output format 'application/fhir ndjson' is not supported.")]
    [InlineData("_since=yesterday", "The value 'yesterday' is not valid.")]
    [InlineData("_typeFilter=Patient?active=true", "The _type parameter must be included when using the _typeFilter parameter. ")]
    [InlineData("_type=Patient&_typeFilter=Patient?active=true", "The emulator does not evaluate _typeFilter: it would export more than was asked for.")]
    [InlineData("_type=Patient&_typeFilter=Patient", "The _typeFilter segment 'Patient' could not be parsed.")]
    [InlineData("_type=Patient&_typeFilter=Patient?name=a,b", "The _typeFilter segment 'b' could not be parsed.")]
    [InlineData("_type=Patient&_typeFilter=Patient?name=a=b", "The _typeFilter segment 'Patient?name=a=b' could not be parsed.")]
    [InlineData("_type=Patient&_typeFilter=Patient?active=true&includeAssociatedData=_history", "The request \"_typeFilter\" cannot be used with an export request with historical or soft deleted resources.")]
    [InlineData("_container=a/../b", "The value 'a/../b' is not valid. Path traversal characters are not allowed.")]
    [InlineData("_container=x%252F..", "The value 'x%2F..' is not valid. Path traversal characters are not allowed.")]
    [InlineData("_format=mine", "The format 'mine' could not be found.")]
    [InlineData("_isParallel=maybe", "The value 'maybe' is not valid.")]
    [InlineData("includeAssociatedData=_history,_x", "The export parameter \"includeAssociatedData\" contains an invalid value. Supported values are: _x. ")]
    [InlineData("_maxCount=10001", "Export operation parameter 'MaximumNumberOfResourcesPerQuery' was out of the range of valid values. Please specify a different value within a range '1' - '10000'.")]
    [InlineData("_maxCount=-1", "The value '-1' is not valid.")]
    [InlineData("_container=c&_anonymizationConfig=&_anonymizationConfigEtag=x", "Missing '_anonymizationConfig' for anonymized export")]
    [InlineData("_anonymizationConfig=c.json", "Missing '_container' for anonymized export")]
    [InlineData("_container=%20&_anonymizationConfig=c.json", "Missing '_container' for anonymized export")]
    [InlineData("_container=c&_anonymizationConfig=../c.json", "The value '../c.json' is not valid. Path traversal characters are not allowed.")]
    [InlineData("_container=c&_anonymizationConfig=c&_anonymizationConfigEtag=e&_anonymizationConfigCollectionReference=r.azurecr.io/i:t", "The parameters '_anonymizationConfigEtag' and '_anonymizationConfigCollectionReference' cannot be given in the same request. Please only specify one of them.")]
    [InlineData("_container=c&_anonymizationConfig=c&_anonymizationConfigCollectionReference=r", "The configuration collection reference 'r' is invalid.")]
    [InlineData("_container=c&_anonymizationConfig=c&_anonymizationConfigCollectionReference=r.azurecr.io/i:t", "The configuration collection reference 'r.azurecr.io/i:t' is not configured.")]
    public async Task Parameters_that_the_service_does_not_take_are_refused(string query, string message) =>
        (await _service.KickOffAsync("$export?" + query)).IsOutcome(HttpStatusCode.BadRequest, "invalid", message);

    [Theory]
    [InlineData("")]
    [InlineData("?_outputFormat=application/fhir%2Bndjson&_since=2024-01-01T00:00:00.5%2B01:00&_till=2025&_type=Patient,Observation&_container=all")]
    [InlineData("?_outputFormat=ndjson&_maxCount=0&_isParallel=false&includeAssociatedData=_history,_deleted&_format=unique_folder")]
    public async Task Parameters_that_the_service_takes_start_an_export(string query) =>
        Assert.Equal(HttpStatusCode.Accepted, (await _service.KickOffAsync("$export" + query)).Status);

    [Theory]
    [InlineData("Observation/$export", "Requested operation does not support resource type: Observation.")]
    [InlineData("patient/$export", "Requested operation does not support resource type: patient.")]
    [InlineData("Patient/p1/$export", "Requested operation does not support resource type: Patient.")]
    [InlineData("group/g/$export", "Requested operation does not support resource type: group.")]
    public async Task Other_levels_are_refused(string path, string message) =>
        (await _service.KickOffAsync(path)).IsOutcome(HttpStatusCode.BadRequest, "invalid", message);

    [Fact]
    public async Task The_capability_statement_needs_no_token_and_lists_the_exports()
    {
        Answer answer = await _service.SendAsync(HttpMethod.Get, "metadata", null, [], []);

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal("CapabilityStatement", answer.Json.GetProperty("resourceType").GetString());
        Assert.Equal("4.0.1", answer.Json.GetProperty("fhirVersion").GetString());
        Assert.Equal(["export", "patient-export", "group-export", "anonymized-export"], answer.Json.GetProperty("rest")[0].GetProperty("operation").EnumerateArray().Select(operation => operation.GetProperty("name").GetString()));
    }

    [Fact]
    public async Task An_unknown_route_is_not_found() =>
        (await _service.GetAsync("Patient/p1/$everything")).IsOutcome(HttpStatusCode.NotFound, "not-found", "The requested route was not found.");
}
