using System.Management.Automation;
using System.Security;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace FhirDeid.Tests;

public sealed class AuthoringTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    private async Task<JsonElement> JsonAsync(string script) =>
        JsonDocument.Parse((await _shell.RunAsync($"({script}).ToJson()")).ToString(), new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip }).RootElement;

    private async Task<string[]> CompletedAsync(string line) =>
        [.. (await _shell.RunAllAsync("(TabExpansion2 $a $a.Length).CompletionMatches.CompletionText", line)).Select(text => text.ToString())];

    [Fact]
    public async Task Rules_are_written_in_the_order_and_with_the_settings_that_are_given()
    {
        JsonElement json = await JsonAsync("""
            New-AnonymizationConfig Empty |
                Add-AnonymizationRule Patient.name redact |
                Add-AnonymizationRule Observation.value perturb -Span 0.5 -RangeType proportional -RoundTo 1 |
                Add-AnonymizationRule Patient.birthDate generalize -Cases ([ordered]@{ '$this < @1950' = '@1940'; '$this < @2000' = '@1975' }) -OtherValues keep -Before Observation.value |
                Add-AnonymizationRule Patient.address substitute -ReplaceWith @{ city = 'Boston' } -After 1 |
                Add-AnonymizationRule Patient.active substitute -ReplaceWith $null -Before 1
            """);

        Assert.Equal("""
            {"path":"Patient.active","method":"substitute","replaceWith":null}
            {"path":"Patient.name","method":"redact"}
            {"path":"Patient.address","method":"substitute","replaceWith":{"city":"Boston"}}
            {"path":"Patient.birthDate","method":"generalize","cases":{"$this < @1950":"@1940","$this < @2000":"@1975"},"otherValues":"keep"}
            {"path":"Observation.value","method":"perturb","span":0.5,"rangeType":"proportional","roundTo":1}
            """, string.Join('\n', json.GetProperty("fhirPathRules").EnumerateArray().Select(rule => Regex.Replace(rule.GetRawText(), "(?<=[:,{]) (?=[^<@])|(?<=[{\\[]) | (?=[}\\]])", ""))));
    }

    [Fact]
    public async Task A_rule_behind_one_that_covers_it_is_warned_of_and_before_it_is_not()
    {
        Outcome behind = await _shell.TryAsync("New-AnonymizationConfig SafeHarbor | Add-AnonymizationRule Patient.maritalStatus.text keep");
        Outcome before = await _shell.TryAsync("New-AnonymizationConfig SafeHarbor | Add-AnonymizationRule Patient.maritalStatus.text keep -Before Resource");

        Assert.Contains("-Before Resource", Assert.Single(behind.Warnings), StringComparison.Ordinal);
        Assert.Empty(before.Warnings);
        Assert.Empty(before.Errors);
    }

    [Theory]
    [InlineData("Add-AnonymizationRule Patient.name redakt", "FhirDeid.ConfigInvalid")]
    [InlineData("Add-AnonymizationRule 'Patient.name(' redact", "FhirDeid.ConfigInvalid")]
    [InlineData("Add-AnonymizationRule Patient.name substitute", "FhirDeid.ConfigInvalid")]
    [InlineData("Add-AnonymizationRule Patient.name perturb -Span -1", "FhirDeid.ConfigInvalid")]
    [InlineData("Add-AnonymizationRule Patient.name redact -Before nothing", "FhirDeid.RuleNotFound")]
    [InlineData("Add-AnonymizationRule Patient.name redact -After 17", "FhirDeid.RuleNotFound")]
    [InlineData("Add-AnonymizationRule Patient.birthDate generalize -Cases @{ a = 'b'; c = 'd' }", "FhirDeid.CasesUnordered")]
    [InlineData("Add-AnonymizationRule Patient.name substitute -ReplaceWith ([datetime]::Now)", "FhirDeid.ValueInvalid")]
    [InlineData("Remove-AnonymizationRule Patient.name", "FhirDeid.RuleNotFound")]
    public async Task What_cannot_be_meant_is_an_error(string command, string id) => await _shell.FailsAsync(id, $"New-AnonymizationConfig Empty | {command}");

    [Fact]
    public async Task Rules_go_by_number_and_by_path()
    {
        PSObject config = await _shell.RunAsync("""
            $config = New-AnonymizationConfig Empty | Add-AnonymizationRule Patient.name redact | Add-AnonymizationRule Patient.photo redact | Add-AnonymizationRule Patient.name keep | Add-AnonymizationRule Resource redact
            $config | Remove-AnonymizationRule 2, Patient.name
            """);

        Assert.Equal("Resource redact", Assert.Single((object[])config.Value("Rules")!).ToString());
    }

    [Fact]
    public async Task Parameters_are_set_by_their_names_and_keys_by_SecureStrings()
    {
        using SecureString key = new();
        foreach (char c in "0123456789abcdef") key.AppendChar(c);

        Outcome outcome = await _shell.TryAsync("""
            $config = New-AnonymizationConfig SafeHarbor | Set-AnonymizationParameter -CryptoHashKey $a -DateShiftKey $a -EncryptKey $a -DateShiftScope file -DateShiftFixedOffsetInDays 7 -EnablePartialZipCodesForRedact $false -RestrictedZipCodeTabulationAreas '036', '059' -Verbose -Debug *>&1
            $config.ToJson()
            """, key);

        Assert.Empty(outcome.Errors);
        JsonElement parameters = JsonDocument.Parse(outcome.Output[0].ToString(), new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip }).RootElement.GetProperty("parameters");
        Assert.All(["cryptoHashKey", "dateShiftKey", "encryptKey"], name => Assert.Equal("0123456789abcdef", parameters.GetProperty(name).GetString()));
        Assert.Equal(("file", 7, false, true), (parameters.GetProperty("dateShiftScope").GetString(), parameters.GetProperty("dateShiftFixedOffsetInDays").GetInt32(),
            parameters.GetProperty("enablePartialZipCodesForRedact").GetBoolean(), parameters.GetProperty("enablePartialDatesForRedact").GetBoolean()));
        Assert.Equal(2, parameters.GetProperty("restrictedZipCodeTabulationAreas").GetArrayLength());
        Assert.DoesNotContain("0123456789abcdef", outcome.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keys_that_are_too_short_or_of_no_AES_size_are_refused()
    {
        using SecureString key = new();
        foreach (char c in "short") key.AppendChar(c);

        foreach (string command in (string[])["New-AnonymizationConfig Empty", "New-AnonymizationConfig Empty | Set-AnonymizationParameter"])
        {
            await _shell.FailsAsync("FhirDeid.KeyTooShort", command + " -CryptoHashKey $a", key);
            await _shell.FailsAsync("FhirDeid.KeyTooShort", command + " -DateShiftKey $a", key);
            Assert.DoesNotContain("short", (await _shell.FailsAsync("FhirDeid.EncryptKeySize", command + " -EncryptKey $a", key)).ToString(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("SafeHarbor")]
    [InlineData("LimitedDataSet")]
    [InlineData("RedactAll")]
    [InlineData("Empty")]
    public async Task Each_template_has_three_keys_of_its_own_and_no_error_but_that_Empty_keeps_everything(string template)
    {
        JsonElement one = (await JsonAsync($"New-AnonymizationConfig {template}")).GetProperty("parameters"), other = (await JsonAsync($"New-AnonymizationConfig {template}")).GetProperty("parameters");

        string[] keys = [.. new[] { one, other }.SelectMany(parameters => parameters.EnumerateObject()).Where(parameter => parameter.Name.EndsWith("Key", StringComparison.Ordinal)).Select(parameter => parameter.Value.GetString()!)];
        Assert.Equal(6, keys.Distinct().Count());
        Assert.All(keys, key => Assert.True(key.Length >= 32));
        Assert.Equal(32, one.GetProperty("encryptKey").GetString()!.Length);
        Assert.Equal(template != "Empty", (bool)(await _shell.RunAsync($"New-AnonymizationConfig {template} | Test-AnonymizationConfig -Quiet")).BaseObject);
    }

    [Fact]
    public async Task Only_LimitedDataSet_takes_a_fixed_shift_of_dates()
    {
        JsonElement json = await JsonAsync("New-AnonymizationConfig LimitedDataSet -FixedDateShiftInDays -30");

        Assert.Equal(-30, json.GetProperty("parameters").GetProperty("dateShiftFixedOffsetInDays").GetInt32());
        Assert.Equal(["nodesByType('date')", "nodesByType('dateTime')", "nodesByType('instant')"],
            json.GetProperty("fhirPathRules").EnumerateArray().Where(rule => rule.GetProperty("method").GetString() == "dateShift").Select(rule => rule.GetProperty("path").GetString()!));
        foreach (string template in (string[])["SafeHarbor", "RedactAll", "Empty"]) await _shell.FailsAsync("FhirDeid.DatesNotKept", $"New-AnonymizationConfig {template} -FixedDateShiftInDays 1");
    }

    [Theory]
    [InlineData("New-AnonymizationConfig Lim", "LimitedDataSet")]
    [InlineData("Add-AnonymizationRule -Path Patient.na", "Patient.name")]
    [InlineData("Add-AnonymizationRule patien", "Patient")]
    [InlineData("Add-AnonymizationRule -Path nodesByT", "\"nodesByType('\"")]
    [InlineData("Add-AnonymizationRule -Path \"nodesByType('Hum", "\"nodesByType('HumanName')\"")]
    [InlineData("Add-AnonymizationRule -Path \"nodesByType('HumanName').fam", "\"nodesByType('HumanName').family\"")]
    [InlineData("Add-AnonymizationRule Patient.birthDate -Method dat", "dateShift")]
    [InlineData("Remove-AnonymizationRule Patient.birthD", "Patient.birthDate")]
    public async Task Tab_completes(string line, string completed) => Assert.Equal(completed, Assert.Single(await CompletedAsync(line)));

    [Fact]
    public async Task Methods_that_do_nothing_on_the_path_are_not_offered()
    {
        Assert.DoesNotContain("dateShift", await CompletedAsync("Add-AnonymizationRule Patient.active -Method "));
        Assert.Contains("'Address'", string.Concat(await CompletedAsync("Add-AnonymizationRule -Path \"nodesByType('")), StringComparison.Ordinal);
    }
}
