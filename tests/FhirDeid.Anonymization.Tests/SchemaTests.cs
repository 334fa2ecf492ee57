using FhirDeid.Anonymization.Schema;
using FhirDeid.R4Model;

namespace FhirDeid.Anonymization.Tests;

public sealed class SchemaTests
{
    [Fact]
    public void The_embedded_table_is_what_the_SDK_says_of_R4()
    {
        using StringWriter expected = new() { NewLine = "\n" };
        R4Table.Write(expected);
        using StreamReader embedded = new(typeof(FhirModel).Assembly.GetManifestResourceStream("r4.table")!);

        Assert.Equal(expected.ToString(), embedded.ReadToEnd());
    }

    [Fact]
    public void Every_R4_resource_is_there_and_nothing_later()
    {
        // R4 has 148 resource types, counting Parameters and Binary, not the abstract Resource and DomainResource.
        Assert.Equal(Hl7.Fhir.Model.ModelInfo.SupportedResources.Order(StringComparer.Ordinal), FhirModel.R4.ResourceNames.Order(StringComparer.Ordinal));
        Assert.Null(FhirModel.R4.Find("CodeableReference"));
        Assert.Null(FhirModel.R4.Find("integer64"));
    }

    [Fact]
    public void Choices_have_a_property_a_type_and_nested_types_the_name_that_FHIRPath_sees()
    {
        FhirType observation = FhirModel.R4.Find("Observation")!;

        Assert.Equal("value", observation.Find("valueQuantity"u8)!.Name);
        Assert.Null(observation.Find("value"u8));
        Assert.Equal(observation.Find("valueQuantity"u8)!.Element, observation.Find("valueString"u8)!.Element);
        Assert.Equal("BackboneElement", observation.Find("component"u8)!.Type!.Name);
        Assert.Equal("Element", FhirModel.R4.Find("Timing")!.Find("repeat"u8)!.Type!.Name);
        Assert.Same(FhirModel.R4.Find("Bundle.link"), FhirModel.R4.Find("Bundle.entry")!.Find("link"u8)!.Type);
    }

    [Fact]
    public void No_type_has_more_elements_than_a_bit_mask_holds() =>
        Assert.All(FhirModel.R4.Types.SelectMany(type => type.Properties), property => Assert.InRange(property.Element, 0, 63));
}
