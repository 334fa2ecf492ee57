using System.Globalization;
using System.Management.Automation;
using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace FhirDeid.Help;

/// <summary>Writes MAML, the help format of compiled cmdlets: what is known of each command from its metadata, with the words of the XML documentation.</summary>
internal static partial class Maml
{
    private static readonly XNamespace Msh = "http://msh";
    private static readonly XNamespace Text = "http://schemas.microsoft.com/maml/2004/10";
    private static readonly XNamespace Command = "http://schemas.microsoft.com/maml/dev/command/2004/10";
    private static readonly XNamespace Dev = "http://schemas.microsoft.com/maml/dev/2004/10";

    private static readonly Dictionary<string, string> ShouldProcess = new()
    {
        ["WhatIf"] = "Shows what would happen, and changes nothing.",
        ["Confirm"] = "Asks before anything is changed.",
    };

    /// <summary>Writes the help of some cmdlets.</summary>
    /// <param name="cmdlets">The cmdlets.</param>
    /// <param name="documentation">XML documentation of their assembly.</param>
    public static XDocument Write(IEnumerable<CmdletInfo> cmdlets, XDocument documentation)
    {
        Dictionary<string, XElement> members = documentation.Descendants("member").ToDictionary(member => member.Attribute("name")!.Value);
        return new XDocument(new XElement(Msh + "helpItems", new XAttribute("schema", "maml"),
            new XAttribute(XNamespace.Xmlns + "maml", Text), new XAttribute(XNamespace.Xmlns + "command", Command), new XAttribute(XNamespace.Xmlns + "dev", Dev),
            cmdlets.OrderBy(cmdlet => cmdlet.Name, StringComparer.Ordinal).Select(cmdlet => Write(cmdlet, members))));
    }

    private static XElement Write(CmdletInfo cmdlet, Dictionary<string, XElement> members)
    {
        XElement member = members["T:" + cmdlet.ImplementingType.FullName];
        return new XElement(Command + "command",
            new XElement(Command + "details",
                new XElement(Command + "name", cmdlet.Name),
                new XElement(Command + "verb", cmdlet.Verb),
                new XElement(Command + "noun", cmdlet.Noun),
                new XElement(Text + "description", Paragraphs(member.Element("summary")))),
            new XElement(Text + "description", Paragraphs(member.Element("remarks") ?? member.Element("summary"))),
            new XElement(Command + "syntax", cmdlet.ParameterSets.Select(set => new XElement(Command + "syntaxItem",
                new XElement(Text + "name", cmdlet.Name),
                Shown(set).Select(parameter => Write(cmdlet, parameter, members))))),
            new XElement(Command + "parameters", cmdlet.ParameterSets.SelectMany(Documented).DistinctBy(parameter => parameter.Name)
                .OrderBy(parameter => parameter.Name, StringComparer.Ordinal).Select(parameter => Write(cmdlet, parameter, members))),
            new XElement(Command + "returnValues", cmdlet.OutputType.Where(type => type.Type != typeof(void)).Select(type => new XElement(Command + "returnValue",
                new XElement(Dev + "type", new XElement(Text + "name", type.Name))))),
            new XElement(Command + "examples", member.Elements("example").Select((example, index) => new XElement(Command + "example",
                new XElement(Text + "title", string.Create(CultureInfo.InvariantCulture, $"---------- Example {index + 1} ----------")),
                new XElement(Dev + "code", example.Element("code")!.Value.Trim()),
                new XElement(Dev + "remarks", Paragraphs(new XElement("remarks", example.Nodes().Where(node => node is not XElement { Name.LocalName: "code" }))))))));
    }

    private static XElement Write(CmdletInfo cmdlet, CommandParameterInfo parameter, Dictionary<string, XElement> members)
    {
        Type type = Nullable.GetUnderlyingType(parameter.ParameterType) ?? parameter.ParameterType;
        PropertyInfo? property = cmdlet.ImplementingType.GetProperty(parameter.Name);
        XElement? summary = property is null
            ? new XElement("summary", ShouldProcess[parameter.Name])
            : members[$"P:{property.DeclaringType!.FullName}.{parameter.Name}"].Element("summary");
        return new XElement(Command + "parameter",
            new XAttribute("required", parameter.IsMandatory),
            new XAttribute("globbing", parameter.Name == "Path" && type.IsArray),
            new XAttribute("pipelineInput", Pipeline(parameter)),
            new XAttribute("position", parameter.Position < 0 ? "named" : parameter.Position.ToString(CultureInfo.InvariantCulture)),
            new XAttribute("aliases", parameter.Aliases.Count == 0 ? "none" : string.Join(", ", parameter.Aliases)),
            new XElement(Text + "name", parameter.Name),
            new XElement(Text + "description", Paragraphs(summary)),
            type.IsEnum ? new XElement(Command + "parameterValueGroup", Enum.GetNames(type).Select(name => new XElement(Command + "parameterValue", name))) : null,
            type == typeof(SwitchParameter) ? null : new XElement(Command + "parameterValue", new XAttribute("required", true), type.Name),
            new XElement(Dev + "type", new XElement(Text + "name", type.Name)));
    }

    private static string Pipeline(CommandParameterInfo parameter) => (parameter.ValueFromPipeline, parameter.ValueFromPipelineByPropertyName) switch
    {
        (true, true) => "True (ByValue, ByPropertyName)",
        (true, false) => "True (ByValue)",
        (false, true) => "True (ByPropertyName)",
        _ => "False",
    };

    private static IEnumerable<CommandParameterInfo> Documented(CommandParameterSetInfo set) =>
        set.Parameters.Where(parameter => !Cmdlet.CommonParameters.Contains(parameter.Name));

    /// <summary>In the order of the syntax: by position, then what is mandatory, then as declared.</summary>
    private static IEnumerable<CommandParameterInfo> Shown(CommandParameterSetInfo set) =>
        Documented(set).Where(parameter => !parameter.Attributes.OfType<ParameterAttribute>().Any(attribute => attribute.DontShow))
            .OrderBy(parameter => parameter.Position < 0 ? int.MaxValue : parameter.Position)
            .ThenByDescending(parameter => parameter.IsMandatory)
            .ThenBy(parameter => ShouldProcess.ContainsKey(parameter.Name));

    private static IEnumerable<XElement> Paragraphs(XElement? documentation)
    {
        if (documentation is null) return [];
        IEnumerable<XElement> paragraphs = documentation.Elements("para").Any() ? documentation.Elements("para") : [documentation];
        return paragraphs.Select(paragraph => new XElement(Text + "para", Spaces().Replace(string.Concat(paragraph.Nodes().Select(Words)), " ").Trim()));
    }

    private static string Words(XNode node) => node switch
    {
        XText text => text.Value,
        XElement { Value: "" } reference => (reference.Attribute("cref") ?? reference.Attribute("name"))?.Value.Split('.', ':')[^1] ?? "",
        XElement element => element.Value,
        _ => "",
    };

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
