using Hl7.Fhir.Introspection;
using Hl7.Fhir.Model;

namespace FhirDeid.R4Model;

/// <summary>Writes the R4 model as a table: a line <c>@id kind name</c> a type, below it a line <c>element cardinality types</c> an element.</summary>
/// <remarks>
/// Kinds: <c>resource</c>, <c>complex</c>, <c>primitive</c>. The id of a nested type is its path (<c>Patient.contact</c>), its name what FHIRPath sees
/// (<c>BackboneElement</c>, <c>Element</c>). Cardinality: <c>1</c> or <c>*</c>, then <c>!</c> where required, then <c>?</c> for a choice element.
/// </remarks>
public static class R4Table
{
    private static readonly ModelInspector Model = ModelInfo.ModelInspector;

    public static void Write(TextWriter writer)
    {
        Dictionary<Type, string> ids = [];
        Queue<ClassMapping> open = [];
        foreach (ClassMapping type in Model.ClassMappings
            .Where(t => !t.NativeType.IsAbstract && !t.NativeType.IsNested && ModelInfo.FhirTypeToCsType.ContainsKey(t.Name))
            .OrderBy(t => t.Name, StringComparer.Ordinal))
        {
            if (ids.TryAdd(type.NativeType, type.Name))
                open.Enqueue(type);
        }
        while (open.TryDequeue(out ClassMapping? type))
            WriteType(writer, type, ids, open);
    }

    private static void WriteType(TextWriter writer, ClassMapping type, Dictionary<Type, string> ids, Queue<ClassMapping> open)
    {
        string id = ids[type.NativeType];
        bool nested = type.NativeType.IsNested;
        string kind = type.IsResource ? "resource" : typeof(PrimitiveType).IsAssignableFrom(type.NativeType) ? "primitive" : "complex";
        string name = !nested ? type.Name : typeof(BackboneElement).IsAssignableFrom(type.NativeType) ? "BackboneElement" : "Element";
        writer.WriteLine($"@{id} {kind} {name}");
        foreach (PropertyMapping element in type.PropertyMappings.OrderBy(p => p.Order).ThenBy(p => p.Name, StringComparer.Ordinal))
        {
            if (kind == "primitive" && element.Name == "value")
                continue;
            string types = element.Choice == ChoiceType.ResourceChoice ? "Resource" : string.Join(',', element.FhirType.Select(t => TypeId(t, id, element.Name, ids, open)).Where(IsR4));
            writer.WriteLine($"{element.Name} {(element.IsCollection ? '*' : '1')}{(element.IsMandatoryElement ? "!" : "")}{(element.Choice == ChoiceType.DatatypeChoice ? "?" : "")} {types}");
        }
    }

    /// <summary>The SDK shares ElementDefinition with R5, whose choices have a type more.</summary>
    private static bool IsR4(string typeId) => typeId == "Resource" || typeId.Contains('.', StringComparison.Ordinal) || ModelInfo.FhirTypeToCsType.ContainsKey(typeId);

    private static string TypeId(Type type, string parent, string element, Dictionary<Type, string> ids, Queue<ClassMapping> open)
    {
        if (type == typeof(Resource))
            return "Resource";
        ClassMapping mapping = Model.FindClassMapping(type) ?? throw new InvalidOperationException($"{parent}.{element}: no R4 type for {type}.");
        if (!mapping.NativeType.IsNested)
            return mapping.Name;
        if (ids.TryAdd(mapping.NativeType, $"{parent}.{element}"))
            open.Enqueue(mapping);
        return ids[mapping.NativeType];
    }
}
