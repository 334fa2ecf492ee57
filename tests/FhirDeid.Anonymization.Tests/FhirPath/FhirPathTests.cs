using System.Text;
using FhirDeid.Anonymization.FhirPath;

namespace FhirDeid.Anonymization.Tests.FhirPath;

/// <summary>Expressions on two resources, by what they give.</summary>
public sealed class FhirPathTests
{
    private static readonly TreeNode Patient = TreeNode.Read("""
        {"resourceType":"Patient","id":"p1","active":true,
         "extension":[{"url":"http://e/race","valueString":"r"},{"url":"http://e/age","valueAge":{"value":42.50,"code":"a"}}],
         "identifier":[{"use":"usual","type":{"coding":[{"code":"MR"}]},"value":"mr1"},{"use":"old","type":{"coding":[{"code":"SS"},{"code":"XX"}]},"value":"ss1"}],
         "name":[{"use":"official","family":"Duck","given":["Ann","Bea","Ann"]},{"use":"old","family":"Swan","given":["Ann"]},{"text":"none","_family":{"extension":[{"url":"http://e/absent","valueCode":"x"}]}}],
         "birthDate":"1970-05-06","_birthDate":{"extension":[{"url":"http://e/time","valueDateTime":"1970-05-06T10:11:12.5+02:00"}]},
         "deceasedDateTime":"2015-02","multipleBirthInteger":3,
         "contact":[{"name":{"family":"Ash","given":["Ann"]},"gender":"male"},{"telecom":[{"system":"sms","rank":2}]}],
         "contained":[{"resourceType":"Organization","id":"o1","name":"Org","contact":[{"name":{"family":"Inner"}}]}]}
        """);

    private static readonly TreeNode Observation = TreeNode.Read("""
        {"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"1-1"}]},"effectiveDateTime":"2020-01-01T10:00:00Z",
         "valueQuantity":{"value":10.50,"unit":"milligram","system":"http://unitsofmeasure.org","code":"mg"},
         "component":[{"code":{"text":"a"},"valueString":"12"},{"code":{"text":"b"},"valueInteger":7},{"code":{"text":"c"},"valueQuantity":{"value":20,"code":"mg"}},{"code":{"text":"d"},"valueTime":"10:30:00"}]}
        """);

    [Theory]
    // Paths
    [InlineData("name.family", "Duck, Swan, <string>")]
    [InlineData("Patient.name.use", "official, old")]
    [InlineData("Resource.id", "p1")]
    [InlineData("DomainResource.contained.Organization.name", "Org")]
    [InlineData("Organization.name", "")]
    [InlineData("nosuch.element", "")]
    [InlineData("deceased", "2015-02")]
    [InlineData("deceasedDateTime", "")]
    [InlineData("name . given [ 1 ]", "Bea")]
    [InlineData("`name`.\"text\"", "none")]
    [InlineData("name/* all */.text // the end", "none")]
    [InlineData("birthDate.extension.value", "1970-05-06T10:11:12.5+02:00")]
    [InlineData("$this.id", "p1")]
    [InlineData("%resource.id", "p1")]
    [InlineData("name.where(%context.active).text", "none")]
    [InlineData("name.select(given.first() | %rootResource.id)", "Ann, p1, Ann")]
    // Filters
    [InlineData("identifier.where(type.coding.code='MR').value", "mr1")]
    [InlineData("identifier.where(type.coding.where(code='SS').exists()).value", "ss1")]
    [InlineData("identifier.where(type.coding.code='SS').value", "")]
    [InlineData("name.where(use)", "<HumanName>, <HumanName>")]
    [InlineData("name.where($index=1).family", "Swan")]
    [InlineData("name.given.where($this='Ann')", "Ann, Ann, Ann")]
    [InlineData("name.where(given.where($index=1)='Bea').family", "Duck")]
    [InlineData("name.select(given.tail())", "Bea, Ann")]
    [InlineData("contact.repeat(name | telecom)", "<HumanName>, <ContactPoint>")]
    [InlineData("extension.value.ofType(string)", "r")]
    [InlineData("(extension.value as Age).value", "42.50")]
    [InlineData("extension.value.as(FHIR.string)", "r")]
    [InlineData("contained.ofType(Organization).id", "o1")]
    [InlineData("extension('http://e/race').value", "r")]
    [InlineData("birthDate.extension('http://e/time').value", "1970-05-06T10:11:12.5+02:00")]
    [InlineData("name.iif(count() > 1, first(), last()).family", "Duck")]
    [InlineData("iif(active, id, gender)", "p1")]
    [InlineData("iif(gender.exists(), id)", "")]
    [InlineData("trace('names').id", "p1")]
    // Subsets
    [InlineData("name[0].given[2]", "Ann")]
    [InlineData("name[7]", "")]
    [InlineData("name.first().given.last()", "Ann")]
    [InlineData("name.given.last()", "Ann")]
    [InlineData("active.single()", "true")]
    [InlineData("name.given.skip(1).take(2)", "Bea, Ann")]
    [InlineData("name.given.skip(-1)", "Ann, Bea, Ann, Ann")]
    [InlineData("name.given.take(0)", "")]
    [InlineData("name.tail().use", "old")]
    [InlineData("name.given.intersect(contact.name.given)", "Ann, Ann, Ann")]
    [InlineData("name.given.exclude('Ann')", "Bea")]
    // All that is equal counts where the nodes are the result, each place once.
    [InlineData("name.given | contact.name.given", "Ann, Bea, Ann, Ann, Ann")]
    [InlineData("name.given.union(name.given)", "Ann, Bea, Ann, Ann")]
    [InlineData("name.family.combine(name.family)", "Duck, Swan, <string>")]
    [InlineData("name.given.distinct()", "Ann, Bea, Ann, Ann")]
    // Trees
    [InlineData("contact[0].children()", "<HumanName>, male")]
    [InlineData("contact.descendants()", "<HumanName>, Ash, Ann, male, <ContactPoint>, sms, 2")]
    [InlineData("birthDate.children().url", "http://e/time")]
    [InlineData("descendants().where($this is Coding and code='XX').code", "XX")]
    [InlineData("nodesByType('HumanName').family", "Duck, Swan, <string>, Ash")]
    [InlineData("nodesByType('Patient').id", "p1")]
    [InlineData("nodesByType('Organization').id", "")]
    [InlineData("contact.nodesByName('family')", "Ash")]
    [InlineData("nodesByName('contact').where(gender='male').gender", "male")]
    public void Paths_lead_to_nodes(string expression, string expected) => Assert.Equal(expected, Patient.Evaluate(expression));

    [Theory]
    // Existence
    [InlineData("name.exists()", "Boolean true")]
    [InlineData("gender.exists()", "Boolean false")]
    [InlineData("name.exists(family='Swan')", "Boolean true")]
    [InlineData("name.family.count()", "Integer 3")]
    [InlineData("gender.empty()", "Boolean true")]
    [InlineData("name.family[2].exists()", "Boolean true")]
    [InlineData("name.family[2].hasValue()", "Boolean false")]
    [InlineData("active.hasValue()", "Boolean true")]
    [InlineData("multipleBirth.getValue() + 1", "Integer 4")]
    [InlineData("name.all(given.exists())", "Boolean false")]
    [InlineData("gender.all(false)", "Boolean true")]
    [InlineData("active.allTrue()", "Boolean true")]
    [InlineData("(true | false).anyFalse()", "Boolean true")]
    [InlineData("(true | false).allFalse()", "Boolean false")]
    [InlineData("gender.anyTrue()", "Boolean false")]
    [InlineData("name.given.isDistinct()", "Boolean false")]
    [InlineData("name.given.distinct().count()", "Integer 2")]
    [InlineData("(name.given | contact.name.given).count()", "Integer 2")]
    [InlineData("contact.name.given.subsetOf(name.given)", "Boolean true")]
    [InlineData("contact.name.given.supersetOf(name.given)", "Boolean false")]
    [InlineData("name.given.combine(name.given).count()", "Integer 8")]
    [InlineData("name.given.aggregate($total + 1, 0)", "Integer 4")]
    [InlineData("(1 | 2 | 3).aggregate(iif($total.empty(), $this, $total + $this)) + 0", "Integer 6")]
    // Equality
    [InlineData("id = 'p1'", "Boolean true")]
    [InlineData("id != 'p1'", "Boolean false")]
    [InlineData("'p1' = id", "Boolean true")]
    [InlineData("gender = 'male'", "")]
    [InlineData("name.given = 'Ann'", "Boolean false")]
    [InlineData("contact.name.given = name[1].given", "Boolean true")]
    [InlineData("name[0] = name[1]", "Boolean false")]
    [InlineData("name[0] = name[0]", "Boolean true")]
    [InlineData("name.family[2] = 'x'", "Boolean false")]
    [InlineData("name.family[2] != 'x'", "Boolean true")]
    [InlineData("birthDate = @1970-05-06", "Boolean true")]
    [InlineData("birthDate = @1970-05", "")]
    [InlineData("birthDate = '1970-05-06'", "Boolean false")]
    [InlineData("active = true", "Boolean true")]
    [InlineData("multipleBirth = 3.0", "Boolean true")]
    [InlineData("1 = 1.000000001", "Boolean true")]
    [InlineData("1 'mg' = 1 'mg'", "Boolean true")]
    [InlineData("'ABC  d' ~ 'abc\\t d'", "Boolean true")]
    [InlineData("'Zoë' ~ 'zoe'", "Boolean true")]
    [InlineData("'a' !~ 'b'", "Boolean true")]
    [InlineData("(1 | 2) ~ (2 | 1)", "Boolean true")]
    [InlineData("(1 | 2) = (2 | 1)", "Boolean false")]
    [InlineData("gender ~ {}", "Boolean true")]
    [InlineData("1.23 ~ 1.2", "Boolean true")]
    [InlineData("name[1] ~ name[1]", "Boolean true")]
    // Order
    [InlineData("birthDate < @1970-05-07", "Boolean true")]
    [InlineData("birthDate >= @1970-05-06", "Boolean true")]
    [InlineData("birthDate < @1971", "Boolean true")]
    [InlineData("birthDate < @1970", "")]
    [InlineData("birthDate <= @1970-05-06T10:00:00Z", "")]
    [InlineData("deceased > @2015-01-31", "Boolean true")]
    [InlineData("birthDate.extension.value < @1970-05-06T08:11:13Z", "Boolean true")]
    [InlineData("birthDate.extension.value > @1970-05-06T08:11:12.499Z", "Boolean true")]
    [InlineData("@T10:00 < @T10:00:01", "")]
    [InlineData("@T10:00:00 < @T10:00:00.001", "Boolean true")]
    [InlineData("@2020-01-01T10:00:00 < @2020-01-01T10:00:01Z", "")]
    [InlineData("multipleBirth > 2", "Boolean true")]
    [InlineData("'b' > 'a'", "Boolean true")]
    [InlineData("gender > 'a'", "")]
    [InlineData("1 'mg' < 2 'mg'", "Boolean true")]
    [InlineData("2 days > 1 day", "Boolean true")]
    // Logic
    [InlineData("active and gender.exists()", "Boolean false")]
    [InlineData("{} and false", "Boolean false")]
    [InlineData("{} and true", "")]
    [InlineData("{} or true", "Boolean true")]
    [InlineData("{} or false", "")]
    [InlineData("true xor true", "Boolean false")]
    [InlineData("true xor {}", "")]
    [InlineData("{} implies true", "Boolean true")]
    [InlineData("{} implies false", "")]
    [InlineData("false implies {}", "Boolean true")]
    [InlineData("true implies false", "Boolean false")]
    [InlineData("true or true and false", "Boolean true")]
    [InlineData("active.not()", "Boolean false")]
    [InlineData("gender.not()", "")]
    [InlineData("id.not()", "Boolean false")]
    [InlineData("'p1' and true", "Boolean true")]
    // Membership
    [InlineData("id in ('p1' | 'p2')", "Boolean true")]
    [InlineData("('p1' | 'p2') contains id", "Boolean true")]
    [InlineData("gender in ('p1' | 'p2')", "Boolean false")]
    [InlineData("'Bea' in name.given", "Boolean true")]
    // Types
    [InlineData("$this is Patient", "Boolean true")]
    [InlineData("$this is DomainResource", "Boolean false")]
    [InlineData("id is id", "Boolean true")]
    [InlineData("id is string", "Boolean false")]
    [InlineData("active is FHIR.boolean", "Boolean true")]
    [InlineData("active is System.Boolean", "Boolean false")]
    [InlineData("'a' is String", "Boolean true")]
    [InlineData("1 is System.Integer", "Boolean true")]
    [InlineData("id.is(id)", "Boolean true")]
    [InlineData("gender is code", "")]
    [InlineData("contact[0] is BackboneElement", "Boolean true")]
    // Arithmetic
    [InlineData("1 + 2 * 3", "Integer 7")]
    [InlineData("(1 + 2) * 3", "Integer 9")]
    [InlineData("7 / 2", "Decimal 3.5")]
    [InlineData("7 div 2", "Integer 3")]
    [InlineData("-7 div 2", "Integer -3")]
    [InlineData("7 mod 2", "Integer 1")]
    [InlineData("7.5 mod 2", "Decimal 1.5")]
    [InlineData("1 / 0", "")]
    [InlineData("1 div 0", "")]
    [InlineData("1.50 - 0.5", "Decimal 1.00")]
    [InlineData("-multipleBirth", "Integer -3")]
    [InlineData("+ 4.0", "Decimal 4.0")]
    [InlineData("'a' + 'b'", "String ab")]
    [InlineData("'a' + gender", "")]
    [InlineData("'a' & gender", "String a")]
    [InlineData("birthDate + 1 month", "Date 1970-06-06")]
    [InlineData("birthDate - 10 years", "Date 1960-05-06")]
    [InlineData("deceased + 1 year", "DateTime 2016-02")]
    [InlineData("(2 'mg' + 3 'mg') > 4 'mg'", "Boolean true")]
    // Strings
    [InlineData("id.upper()", "String P1")]
    [InlineData("'AbC'.lower()", "String abc")]
    [InlineData("id.length()", "Integer 2")]
    [InlineData("'abc'.substring(1)", "String bc")]
    [InlineData("'abc'.substring(1, 1)", "String b")]
    [InlineData("'abc'.substring(3)", "")]
    [InlineData("'abc'.substring(0, gender)", "String abc")]
    [InlineData("id.startsWith('p')", "Boolean true")]
    [InlineData("id.endsWith('p')", "Boolean false")]
    [InlineData("id.contains('1')", "Boolean true")]
    [InlineData("id.indexOf('1')", "Integer 1")]
    [InlineData("name.given.indexOf('Bea')", "Integer 1")]
    [InlineData("name.given.lastIndexOf('Ann')", "Integer 3")]
    [InlineData("name.given.indexOf('Ann', 1)", "Integer 2")]
    [InlineData("'abcabc'.replace('b', 'x')", "String axcaxc")]
    [InlineData("'abc'.replace('', 'x')", "String xaxbxcx")]
    [InlineData("'2016-01-05'.replaceMatches('-\\\\d{2}$', '')", "String 2016-01")]
    [InlineData("'aab'.replaceMatches('(a+)(b)', '$2$1')", "String baa")]
    [InlineData("'aa'.matches('^(a)\\\\1$')", "Boolean true")]
    [InlineData("id.matches('[0-9]')", "Boolean true")]
    [InlineData("' a '.trim()", "String a")]
    [InlineData("'abc'.toChars().join('-')", "String a-b-c")]
    [InlineData("'a,b'.split(',').count()", "Integer 2")]
    [InlineData("name.given.join(';')", "String Ann;Bea;Ann;Ann")]
    [InlineData("gender.join(';')", "")]
    [InlineData("'ä?'.encode('base64')", "String w6Q/")]
    [InlineData("'w6Q_'.decode('urlbase64')", "String ä?")]
    [InlineData("'a\\n'.encode('hex')", "String 610a")]
    [InlineData("'<a>'.escape('html')", "String &lt;a&gt;")]
    [InlineData("'\"'.escape('json')", "String \\\"")]
    [InlineData("'&lt;'.unescape('html')", "String <")]
    [InlineData("name.family[2].startsWith('A')", "")]
    [InlineData("name.family[2].length()", "")]
    [InlineData("name.family[2].indexOf('A')", "")]
    [InlineData("gender.upper()", "")]
    [InlineData("id.startsWith(gender)", "")]
    [InlineData("'it\\'s \\u00e4'", "String it's ä")]
    // Numbers
    [InlineData("(-5).abs()", "Decimal 5")]
    [InlineData("1.2.ceiling()", "Decimal 2")]
    [InlineData("(-1.2).floor()", "Decimal -2")]
    [InlineData("1.9.truncate()", "Decimal 1")]
    [InlineData("2.5.round()", "Decimal 2")]
    [InlineData("2.345.round(2)", "Decimal 2.34")]
    [InlineData("2.power(10)", "Decimal 1024")]
    [InlineData("16.sqrt()", "Decimal 4")]
    [InlineData("(-1).sqrt()", "")]
    [InlineData("0.exp()", "Decimal 1")]
    [InlineData("1.ln()", "Decimal 0")]
    [InlineData("16.log(2)", "Decimal 4")]
    [InlineData("(multipleBirth div 2) * 2", "Integer 2")]
    // Conversions
    [InlineData("'12'.toInteger()", "Integer 12")]
    [InlineData("'x'.toInteger()", "")]
    [InlineData("'x'.convertsToInteger()", "Boolean false")]
    [InlineData("1.5.toInteger()", "")]
    [InlineData("true.toInteger()", "Integer 1")]
    [InlineData("'5000000000'.toLong()", "Long 5000000000")]
    [InlineData("'1.50'.toDecimal()", "Decimal 1.50")]
    [InlineData("'yes'.toBoolean()", "Boolean true")]
    [InlineData("2.toBoolean()", "")]
    [InlineData("active.toString()", "String true")]
    [InlineData("1.50.toString()", "String 1.50")]
    [InlineData("birthDate.toString().substring(0, 4)", "String 1970")]
    [InlineData("'2020-02-30'.toDate()", "")]
    [InlineData("'2020-02-29'.toDate()", "Date 2020-02-29")]
    [InlineData("birthDate.toDateTime()", "DateTime 1970-05-06")]
    [InlineData("birthDate.extension.value.toDate()", "Date 1970-05-06")]
    [InlineData("'10:00'.convertsToTime()", "Boolean true")]
    [InlineData("'5 mg'.convertsToQuantity()", "Boolean false")]
    [InlineData("'5 \\'mg\\''.toQuantity() = 5 'mg'", "Boolean true")]
    [InlineData("name.family[2].toString()", "")]
    [InlineData("name.family[2].convertsToString()", "Boolean false")]
    // Literals and variables
    [InlineData("{}", "")]
    [InlineData("@2015T", "DateTime 2015")]
    [InlineData("@2015-02-04T14:34:28+09:00", "DateTime 2015-02-04T14:34:28+09:00")]
    [InlineData("@T14:34", "Time 14:34")]
    [InlineData("%loinc", "String http://loinc.org")]
    [InlineData("%`ext-x`", "String http://hl7.org/fhir/StructureDefinition/x")]
    [InlineData("now() > @2020-01-01", "Boolean true")]
    [InlineData("today() > @2020-01-01", "Boolean true")]
    [InlineData("timeOfDay() >= @T00:00:00", "Boolean true")]
    public void Functions_and_operators_compute_values(string expression, string expected) => Assert.Equal(expected, Patient.Evaluate(expression));

    [Theory]
    [InlineData("value.value", "10.50")]
    [InlineData("value.Quantity.unit", "milligram")]
    [InlineData("component.value.where($this is string)", "12")]
    [InlineData("component.value.ofType(Quantity).code", "mg")]
    [InlineData("component.where(value.toString() = '7').code.text", "b")]
    [InlineData("component.code.select(toString())", null)]
    [InlineData("component.where(value is integer and value > 5).code.text", "b")]
    [InlineData("value = 10.5 'mg'", "Boolean true")]
    [InlineData("value < 11 'mg'", "Boolean true")]
    [InlineData("value.value = 10.5", "Boolean true")]
    [InlineData("value.value.toString()", "String 10.50")]
    [InlineData("(value.value div 10) * 10", "Long 10")]
    [InlineData("component.value.ofType(time) > @T10:00:00", "Boolean true")]
    [InlineData("effective > @2020-01-01T09:00:00Z", "Boolean true")]
    [InlineData("code.coding.where(system = %loinc).code", "1-1")]
    [InlineData("component.value.first().toInteger() >= 10", "Boolean true")]
    public void Choices_and_quantities_are_values(string expression, string? expected)
    {
        if (expected is null)
            Assert.Throws<FhirPathException>(() => Observation.Evaluate(expression));
        else
            Assert.Equal(expected, Observation.Evaluate(expression));
    }

    [Theory]
    [InlineData("name.single()")]
    [InlineData("id >= 0")]
    [InlineData("active < true")]
    [InlineData("name.given.upper()")]
    [InlineData("birthDate.length()")]
    [InlineData("name.given.not()")]
    [InlineData("'a' + 1")]
    [InlineData("2147483647 + 1")]
    [InlineData("name.given is string")]
    [InlineData("name.given > 'a'")]
    [InlineData("iif(name.given, 1, 2)")]
    [InlineData("id.matches(name.text + '(')")]
    [InlineData("'!'.decode('base64')")]
    [InlineData("'a'.encode('rot13')")]
    public void What_fails_on_the_data_says_so_without_the_data(string expression)
    {
        FhirPathException exception = Assert.Throws<FhirPathException>(() => Patient.Evaluate(expression));

        Assert.DoesNotContain("p1", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Ann", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("none", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", 1)]
    [InlineData("name.", 6)]
    [InlineData("name.where(use='x'", 19)]
    [InlineData("name.foo()", 6)]
    [InlineData("name.where()", 6)]
    [InlineData("name.substring()", 6)]
    [InlineData("name)", 5)]
    [InlineData("name family", 6)]
    [InlineData("name[", 6)]
    [InlineData("'open", 1)]
    [InlineData("'\\x'", 3)]
    [InlineData("@2020-13-01", 1)]
    [InlineData("99999999999", 1)]
    [InlineData("%nosuch", 1)]
    [InlineData("$that", 1)]
    [InlineData("name.matches('(')", 6)]
    [InlineData("subject.resolve()", 9)]
    [InlineData("code.memberOf('x')", 6)]
    [InlineData("defineVariable('x')", 1)]
    [InlineData("a is string | b", 13)]
    [InlineData("name /* open", 6)]
    public void What_is_no_expression_or_not_supported_is_refused_with_its_place(string expression, int place)
    {
        FormatException exception = Assert.Throws<FormatException>(() => FhirPathExpression.Compile(expression));

        Assert.EndsWith($"(at character {place})", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("name", true)]
    [InlineData("name.where(use='x')", true)]
    [InlineData("iif(active, name, address)", true)]
    [InlineData("name | 'x'", true)]
    [InlineData("name.exists()", false)]
    [InlineData("name.given.length()", false)]
    [InlineData("name.count() + 1", false)]
    [InlineData("'x' | 'y'", false)]
    [InlineData("name.select(given.exists())", false)]
    [InlineData("{}", false)]
    public void Expressions_know_whether_nodes_can_come_out(string expression, bool expected) =>
        Assert.Equal(expected, FhirPathExpression.Compile(expression).YieldsNodes);

    [Fact]
    public void Computed_values_are_no_nodes() => Assert.Equal("Ann, Bea, Ann", Patient.Evaluate("name[0].given | 'x' | 1"));

    [Fact]
    public void A_generalize_case_starts_at_the_value()
    {
        TreeNode date = Patient.Find("birthDate"), language = Patient.Find("name.where(use='old').family");

        Assert.True(FhirPathExpression.Compile("$this >= @1970-01-01 and $this < @1980-01-01").IsTrue(date));
        Assert.False(FhirPathExpression.Compile("$this < @1970").IsTrue(date));
        Assert.True(FhirPathExpression.Compile("$this in ('Swan' | 'Goose')").IsTrue(language));
        Assert.True(FhirPathExpression.Compile("%resource.active").IsTrue(language, Patient));
        Assert.False(FhirPathExpression.Compile("'text'").IsTrue(language));
        Assert.Equal("String Sw****", language.Evaluate("$this.substring(0,2)+'****'"));
        Assert.Equal("String 1970-05", date.Evaluate("$this.toString().replaceMatches('-\\\\d{2}$','')"));
        Assert.Throws<FhirPathException>(() => FhirPathExpression.Compile("'a' | 'b'").IsTrue(date));
        Assert.Throws<FhirPathException>(() => FhirPathExpression.Compile("'a' | 'b'").TrySingle(date, out _));
        Assert.Throws<FhirPathException>(() => FhirPathExpression.Compile("name.first()").TrySingle(Patient, out _));
    }

    [Fact]
    public void A_node_gives_its_value_and_a_node_without_one_gives_none()
    {
        Assert.True(FhirPathExpression.Compile("birthDate").TrySingle(Patient, out FhirPathValue value));
        Assert.Equal((FhirPathKind.Date, "1970-05-06"), (value.Kind, value.Text));
        Assert.False(FhirPathExpression.Compile("name[2].family").TrySingle(Patient, out _));
    }

    [Fact]
    public void Deep_data_is_walked_without_recursion()
    {
        const int Levels = 20_000;
        Oracle.OracleNode root = Patient.Element.Children.First(child => child.Name == "extension"), node = root;
        root = node = new() { Name = "extension", JsonName = "extension", Type = root.Type, IsCollection = true };
        for (int i = 0; i < Levels; i++)
        {
            Oracle.OracleNode child = new() { Name = "extension", JsonName = "extension", Type = root.Type, Parent = node, IsCollection = true };
            node.Children.Add(child);
            node = child;
        }
        TreeNode deep = new(root);

        Assert.Equal($"Integer {Levels}", deep.Evaluate("descendants().count()"));
        Assert.Equal(Levels + 1, deep.Evaluate("nodesByType('Extension')").Count(c => c == '<'));
        Assert.Equal(Levels, deep.Evaluate("repeat(extension)").Count(c => c == '<'));
        Assert.Equal("Boolean true", deep.Evaluate("($this | $this).single() = %context"));
        Assert.Equal("Boolean false", deep.Evaluate("extension = extension.extension"));
    }

    [Theory]
    [InlineData("(", ")")]
    [InlineData("where(", ")")]
    [InlineData("a.", "")]
    [InlineData("1+", "")]
    [InlineData("a[", "]")]
    public void Deep_expressions_are_refused(string start, string end)
    {
        string core = start == "a[" ? "1" : "a";
        string Nested(int depth) => new StringBuilder().Insert(0, start, depth).Append(core).Insert(start.Length * depth + 1, end, depth).ToString();

        FhirPathExpression.Compile(Nested(100));
        Assert.Contains("deep", Assert.Throws<FormatException>(() => FhirPathExpression.Compile(Nested(100_000))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_deepest_expression_runs_on_a_small_stack()
    {
        const int Depth = 390;
        string? result = null;
        FhirPathExpression nested = FhirPathExpression.Compile(string.Concat(Enumerable.Repeat("where(", Depth)) + "true" + new string(')', Depth));
        Thread thread = new(() =>
        {
            List<IFhirPathNode> nodes = [];
            nested.Select(Patient, nodes);
            result = string.Join(", ", nodes.Select(node => node.Type.Name));
        }, 512 * 1024);
        thread.Start();
        thread.Join();

        Assert.Equal("Patient", result);
    }

    [Fact]
    public void A_long_list_of_codes_is_no_deep_expression()
    {
        string codes = string.Join(" | ", Enumerable.Range(0, 5000).Select(i => $"'c{i}'"));

        Assert.Equal("Boolean false", Patient.Evaluate($"id in ({codes})"));
    }

    [Fact]
    public void A_pattern_that_explodes_ends_in_an_error()
    {
        TreeNode node = new(new Oracle.OracleNode { Name = "text", JsonName = "text", Type = Patient.Find("name.text").Type, Value = System.Text.Json.Nodes.JsonValue.Create(new string('a', 60) + "!") });

        Assert.Equal("Boolean false", node.Evaluate("matches('^(a+)+$')"));
        Assert.Throws<FhirPathException>(() => node.Evaluate("matches('^(a+)+(?=x)$')"));
    }

    [Fact]
    public void Threads_share_an_expression()
    {
        FhirPathExpression expression = FhirPathExpression.Compile("identifier.where(type.coding.code='MR').value | name.where(given.count() > 2).family");

        Parallel.For(0, 2000, _ =>
        {
            List<IFhirPathNode> nodes = [];
            expression.Select(Patient, nodes);
            Assert.Equal(["mr1", "Duck"], nodes.Select(node => node.Text));
        });
    }
}
