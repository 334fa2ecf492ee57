using System.Net;
using System.Text.Json;

namespace FhirDeid.Tests;

/// <summary>Exports of patients and groups.</summary>
public sealed class LevelTests(LevelTests.Data data) : IClassFixture<LevelTests.Data>
{
    private readonly Service _service = data.Service;

    [Theory]
    [InlineData("Patient/$export?", "Appointment/a1 Appointment/a1 Group/all Group/all Group/inactive Group/past Observation/o1 Observation/o2 Observation/o3 Patient/p1 Patient/p2 Patient/p3 RelatedPerson/r1")]
    [InlineData("Patient/$export?_isParallel=perhaps&includeAssociatedData=nonsense&_type=Patient", "Patient/p1 Patient/p2 Patient/p3")]
    [InlineData("Patient/$export?_type=Organization", "")]
    [InlineData("Patient/$export?_type=Patient,Observation&_since=2025", "Observation/o1 Observation/o2 Observation/o3 Patient/p1 Patient/p3")]
    [InlineData("Group/all/$export?", "Appointment/a1 Appointment/a1 Observation/o1 Observation/o2 Observation/o3 Patient/p1 Patient/p2 RelatedPerson/r1")]
    [InlineData("Group/nested/$export?_type=Patient,Observation", "Observation/o1 Observation/o2 Observation/o3 Patient/p1 Patient/p2")]
    [InlineData("Group/inactive/$export?_type=Patient", "")]
    [InlineData("Group/past/$export?_type=Patient", "Patient/p3")]
    [InlineData("Group/empty/$export?", "")]
    public async Task Patients_are_exported_with_what_belongs_to_them(string path, string expected)
    {
        Answer kickOff = await _service.KickOffAsync(path + "&_container=levels");
        Assert.Equal(HttpStatusCode.Accepted, kickOff.Status);
        Answer answer = await _service.PollAsync(kickOff);

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        List<string> exported = [];
        foreach (JsonElement file in answer.Output)
        {
            foreach (string line in await _service.LinesAsync(file))
            {
                JsonElement resource = JsonDocument.Parse(line).RootElement;
                exported.Add($"{resource.GetProperty("resourceType").GetString()}/{resource.GetProperty("id").GetString()}");
            }
        }

        Assert.Equal(expected, string.Join(' ', exported.Order(StringComparer.Ordinal)));
    }

    [Fact]
    public async Task A_group_that_does_not_exist_fails_the_job()
    {
        Answer kickOff = await _service.KickOffAsync("Group/nobody/$export?_container=levels");

        Assert.Equal(HttpStatusCode.Accepted, kickOff.Status);
        (await _service.PollAsync(kickOff)).IsFailure(HttpStatusCode.BadRequest, "Group nobody was not found.");
    }

    [Fact]
    public async Task Patients_of_a_group_are_de_identified_too()
    {
        await _service.PublishAsync("level.json", """{ "fhirVersion": "R4", "fhirPathRules": [ { "path": "Patient.birthDate", "method": "redact" } ] }""");
        Answer answer = await _service.PollAsync(await _service.KickOffAsync("Group/all/$export?_container=levels&_type=Patient&_anonymizationConfig=level.json"));

        string[] lines = await _service.LinesAsync(answer.Output.Single());
        Assert.Equal(2, lines.Length);
        Assert.All(lines, line => Assert.DoesNotContain("birthDate", line));
    }

    /// <summary>Three patients, and what belongs to them by each form of a reference.</summary>
    public sealed class Data : IAsyncLifetime
    {
        private readonly TestFolder _folder = new();

        public Service Service { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            _folder.Write("all.ndjson", """
                {"resourceType":"Patient","id":"p1","birthDate":"1970-01-01"}
                {"resourceType":"Patient","id":"p2","birthDate":"1970-01-01","meta":{"lastUpdated":"2024-01-01T00:00:00Z"}}
                {"resourceType":"Patient","id":"p3"}
                {"resourceType":"Observation","id":"o1","subject":{"reference":"Patient/p1"}}
                {"subject":{"reference":"https://fhir.example/Patient/p2/_history/1"},"id":"o2","resourceType":"Observation"}
                {"resourceType":"Observation","id":"o3","subject":{"reference":"Group/all"},"performer":[{"reference":"Practitioner/x"},{"reference":"Patient/p1"}]}
                {"resourceType":"Observation","id":"o4","focus":[{"reference":"Patient/p1"}],"subject":{"reference":"urn:uuid:p1"}}
                {"resourceType":"Observation","id":"o5","subject":{"reference":"Patient/p1/Patient"}}
                {"resourceType":"Appointment","id":"a1","participant":[{"actor":{"reference":"Patient/p1"}},{"actor":{"reference":"Patient/p2"}}]}
                {"resourceType":"RelatedPerson","id":"r1","patient":{"reference":"Patient/p2"}}
                {"resourceType":"Organization","id":"org"}
                {"resourceType":"Group","id":"all","member":[{"entity":{"reference":"Patient/p1"}},{"entity":{"reference":"Patient/p2"}},{"entity":{"reference":"Practitioner/x"}},{"entity":{"display":"nobody"}}]}
                {"resourceType":"Group","id":"nested","member":[{"entity":{"reference":"Group/all"}},{"entity":{"reference":"Group/nested"}},{"entity":{"reference":"Group/gone"}}]}
                {"resourceType":"Group","id":"inactive","member":[{"entity":{"reference":"Patient/p1"},"inactive":true}]}
                {"resourceType":"Group","id":"past","member":[{"entity":{"reference":"Patient/p3"},"period":{"start":"2020"}},{"entity":{"reference":"Patient/p4"},"period":{"end":"2020-01-01"}},{"entity":{"reference":"Group/all"},"period":{"start":"2999-01"}}]}
                {"resourceType":"Group","id":"empty"}
                """);
            Service = await Service.StartAsync(new FhirDeidEmulatorOptions { DataPath = _folder.FullName });
        }

        public async ValueTask DisposeAsync()
        {
            await Service.StopAsync();
            Service.Dispose();
            _folder.Dispose();
        }
    }
}
