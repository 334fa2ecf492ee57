using System.Management.Automation;
using System.Reflection;
using System.Xml.Linq;

namespace FhirDeid.Tests;

public sealed class ModuleTests : IDisposable
{
    private static readonly string[] s_changingVerbs =
        ["Clear", "Copy", "Disable", "Enable", "Export", "Grant", "Invoke", "Publish", "Receive", "Remove", "Revoke", "Set", "Start", "Stop"];

    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public void The_engine_folder_holds_no_second_copy_of_the_contracts()
    {
        string folder = Shell.Metadata("ModuleFolder");

        Assert.True(File.Exists(Path.Combine(folder, "FhirDeid.Contracts.dll")));
        Assert.False(File.Exists(Path.Combine(folder, "engine", "FhirDeid.Contracts.dll")));
        Assert.False(File.Exists(Path.Combine(folder, "engine", "FhirDeid.PowerShell.dll")));
    }

    [Fact]
    public void The_module_folder_holds_our_assemblies_alone() =>
        Assert.Equal(["FhirDeid.Contracts.dll", "FhirDeid.PowerShell.dll"],
            Directory.EnumerateFiles(Shell.Metadata("ModuleFolder"), "*.dll").Select(Path.GetFileName).Order(StringComparer.Ordinal));

    [Fact]
    public async Task The_manifest_exports_every_cmdlet_and_has_the_version_of_the_assembly()
    {
        CommandInfo[] commands = await CommandsAsync();
        PSObject module = await _shell.RunAsync("Get-Module FhirDeid.PowerShell");
        Assembly assembly = await AssemblyAsync();

        Assert.Equal(Cmdlets(assembly).Select(type => type.GetCustomAttribute<CmdletAttribute>()!).Select(cmdlet => $"{cmdlet.VerbName}-{cmdlet.NounName}").Order(),
            commands.OfType<CmdletInfo>().Select(command => command.Name).Order());
        Assert.Equal(["Start-FhirExport"], commands.OfType<AliasInfo>().Select(alias => alias.Name));
        Assert.Equal(module.Text("Version") + ".0", assembly.GetName().Version!.ToString());
    }

    [Fact]
    public async Task Each_cmdlet_says_what_it_writes_and_asks_before_it_changes_something()
    {
        foreach (Type type in Cmdlets(await AssemblyAsync()))
        {
            CmdletAttribute cmdlet = type.GetCustomAttribute<CmdletAttribute>()!;
            // Configurations are objects: a rule or parameter makes another object, and changes nothing.
            bool changes = s_changingVerbs.Contains(cmdlet.VerbName) && cmdlet.NounName is not ("AnonymizationRule" or "AnonymizationParameter") || cmdlet is { VerbName: "New", NounName: "FhirSampleData" or "ExportSasToken" };

            Assert.True(type.GetCustomAttribute<OutputTypeAttribute>() is not null, $"{type.Name} has no OutputType.");
            Assert.True(cmdlet.SupportsShouldProcess == changes, $"{type.Name}: SupportsShouldProcess.");
        }
    }

    [Fact]
    public async Task Each_cmdlet_and_each_parameter_is_documented()
    {
        Dictionary<string, XElement> documented = XDocument.Load(Shell.Metadata("Documentation")).Descendants("member").ToDictionary(member => member.Attribute("name")!.Value);

        foreach (Type type in Cmdlets(await AssemblyAsync()))
        {
            XElement cmdlet = documented["T:" + type.FullName];
            Assert.True(HasText(cmdlet, "summary"), $"{type.Name} has no summary.");
            Assert.True(HasText(cmdlet, "example"), $"{type.Name} has no example.");
            Assert.All(Parameters(type), parameter =>
                Assert.True(documented.TryGetValue($"P:{parameter.DeclaringType!.FullName}.{parameter.Name}", out XElement? text) && HasText(text, "summary"),
                    $"{type.Name} -{parameter.Name} is not documented."));
        }
    }

    [Fact]
    public async Task Get_Help_shows_what_each_cmdlet_and_each_parameter_is_for()
    {
        foreach (CmdletInfo command in (await CommandsAsync()).OfType<CmdletInfo>())
        {
            PSObject help = await _shell.RunAsync("Get-Help $a", command.Name);
            Assert.DoesNotContain(command.Name, help.Text("Synopsis"), StringComparison.Ordinal);
            Assert.NotEmpty(help.Text("Synopsis").Trim());
            Assert.NotNull(help.Value("examples"));

            foreach (PSObject parameter in await _shell.RunAllAsync("Get-Help $a -Parameter * -ErrorAction Ignore", command.Name))
            {
                Assert.True(((PSObject[])parameter.Value("description")!)[0].Text("Text").Length > 0, $"{command.Name} -{parameter.Text("name")}");
            }
        }
    }

    [Fact]
    public async Task Public_signatures_use_types_of_the_base_library_PowerShell_and_our_own_alone()
    {
        Assembly cmdlets = await AssemblyAsync();
        Assembly contracts = (Assembly)(await _shell.RunAsync("[FhirDeid.FhirExport].Assembly")).BaseObject;
        string[] allowed = ["FhirDeid.PowerShell", "FhirDeid.Contracts", "System.Management.Automation", typeof(object).Assembly.GetName().Name!, typeof(Uri).Assembly.GetName().Name!, typeof(System.Collections.Specialized.OrderedDictionary).Assembly.GetName().Name!];

        foreach (Type type in cmdlets.GetExportedTypes().Concat(contracts.GetExportedTypes()))
        {
            const BindingFlags members = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
            IEnumerable<Type> used = type.GetMethods(members).Where(method => method.IsPublic || method.IsFamily)
                .SelectMany(method => method.GetParameters().Select(parameter => parameter.ParameterType).Append(method.ReturnType))
                .Concat(type.GetConstructors().SelectMany(constructor => constructor.GetParameters().Select(parameter => parameter.ParameterType)))
                .SelectMany(Parts);
            Assert.All(used, part => Assert.Contains(part.Assembly.GetName().Name, allowed));
        }
    }

    [Fact]
    public async Task A_link_is_shown_without_its_signature_alone_and_behind_other_objects()
    {
        const string link = "[FhirDeid.ExportSasToken]::new('https://store.example/research?sp=rl&sig=c2VjcmV0')";

        foreach (string script in (string[])[link, $"[FhirDeid.FhirExport]::new(); {link}", $"[FhirDeid.FhirExport]::new(); [pscustomobject]@{{ Link = {link} }}"])
        {
            Outcome outcome = await _shell.TryAsync($"& {{ {script} }} | Out-Default");

            Assert.Empty(outcome.Errors);
            Assert.Contains("https://store.example/research?sp=rl&sig=***", outcome.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("c2VjcmV0", outcome.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_link_is_given_by_name_alone_and_converted_or_saved_without_its_signature()
    {
        const string link = "[FhirDeid.ExportSasToken]::new('https://store.example/research?sp=rl&sig=c2VjcmV0')";
        PSObject item = await _shell.RunAsync(link);

        Assert.Equal("https://store.example/research?sp=rl&sig=c2VjcmV0 sp=rl&sig=c2VjcmV0", (await _shell.RunAsync($"$l = {link}; \"$($l.Uri) $($l.Token)\"")).ToString());
        Assert.Equal("https://store.example/research?sp=rl&sig=c2VjcmV0", (await _shell.RunAsync($$"""function Take { param([Parameter(ValueFromPipelineByPropertyName)][uri] $Uri) process { "$Uri" } } {{link}} | Take""")).ToString());
        string saved = PSSerializer.Serialize(item);
        Assert.Contains("sig=***", saved, StringComparison.Ordinal);
        Assert.DoesNotContain("c2VjcmV0", saved + string.Concat(item.Properties.Select(property => property.Value)) + System.Text.Json.JsonSerializer.Serialize(item.BaseObject, item.BaseObject.GetType()), StringComparison.Ordinal);
    }

    [Fact]
    public void No_view_holds_rows_back_to_measure_them_all() =>
        // An autosized table prints nothing before its pipeline ends, and the screen then lags behind what Ctrl+C would stop.
        Assert.DoesNotContain("<AutoSize", File.ReadAllText(Path.Combine(Shell.Metadata("ModuleFolder"), "FhirDeid.PowerShell.format.ps1xml")), StringComparison.OrdinalIgnoreCase);

    [Fact]
    public async Task Importing_again_works_with_and_without_Force()
    {
        await _shell.RunAllAsync("Import-Module $a; Import-Module $a -Force; Remove-Module FhirDeid.PowerShell; Import-Module $a", Shell.Module);

        Assert.Equal("FhirDeid.PowerShell", (await _shell.RunAsync("Get-Command Connect-FhirDeid")).Text("ModuleName"));
        Assert.Empty(await _shell.RunAllAsync("Get-FhirDeidContext"));
    }

    [Fact]
    public async Task Importing_and_looking_around_loads_nothing_of_the_engine()
    {
        string loaded = await Shell.RunInChildAsync(Shell.Module, """
            Get-FhirDeidContext
            foreach ($command in Get-Command -Module FhirDeid.PowerShell) { $null = $command.Parameters }
            [AppDomain]::CurrentDomain.GetAssemblies() | ForEach-Object { $_.GetName().Name } | Where-Object { $_ -like 'FhirDeid*' -or $_ -like 'Azure*' -or $_ -like 'Hl7*' }
            """);

        Assert.Equal(["FhirDeid.Contracts", "FhirDeid.PowerShell", "FhirDeid.PowerShell.Tests"], Lines(loaded).Order());
    }

    [Fact]
    public async Task A_copy_of_the_module_works_from_any_folder()
    {
        using TemporaryFolder folder = new("with space");
        Copy(Shell.Metadata("ModuleFolder"), Path.Combine(folder.FullName, "FhirDeid.PowerShell"));

        string loaded = await Shell.RunInChildAsync(Path.Combine(folder.FullName, "FhirDeid.PowerShell", "FhirDeid.PowerShell.psd1"), """
            try { $null = New-AnonymizationConfig SafeHarbor } catch { }
            [AppDomain]::CurrentDomain.GetAssemblies() | Where-Object { $_.GetName().Name -like 'FhirDeid*' } | ForEach-Object Location
            """);

        Assert.Contains(Path.Combine(folder.FullName, "FhirDeid.PowerShell", "FhirDeid.Contracts.dll"), Lines(loaded));
        Assert.Contains(Path.Combine(folder.FullName, "FhirDeid.PowerShell", "engine", "FhirDeid.Anonymization.dll"), Lines(loaded));
        Assert.Single(Lines(loaded), line => line.EndsWith("FhirDeid.Contracts.dll", StringComparison.Ordinal));
    }

    private static string[] Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static void Copy(string from, string to)
    {
        foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    private static bool HasText(XElement member, string element) => !string.IsNullOrWhiteSpace(member.Element(element)?.Value);

    private static IEnumerable<Type> Cmdlets(Assembly assembly) => assembly.GetExportedTypes().Where(type => type.GetCustomAttribute<CmdletAttribute>() is not null);

    private static IEnumerable<PropertyInfo> Parameters(Type type) =>
        type.GetProperties().Where(property => property.GetCustomAttributes<ParameterAttribute>().Any());

    private static IEnumerable<Type> Parts(Type type)
    {
        if (type.IsGenericParameter) return [];
        if (type.HasElementType) return Parts(type.GetElementType()!);
        return type.GetGenericArguments().SelectMany(Parts).Append(type);
    }

    private async Task<CommandInfo[]> CommandsAsync() =>
        [.. (await _shell.RunAllAsync("Get-Command -Module FhirDeid.PowerShell")).Select(command => (CommandInfo)command.BaseObject)];

    private async Task<Assembly> AssemblyAsync() =>
        ((CmdletInfo)(await _shell.RunAsync("Get-Command Connect-FhirDeid")).BaseObject).ImplementingType.Assembly;
}
