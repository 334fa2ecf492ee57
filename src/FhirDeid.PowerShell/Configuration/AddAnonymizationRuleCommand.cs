using System.Collections;
using System.Management.Automation;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Adds a rule to an anonymization configuration, and writes the configuration with it.</summary>
/// <remarks>
/// <para>The first rule that reaches an element decides it, and everything below it. Without -Before or -After the rule becomes the last one, which is right for Empty. SafeHarbor, LimitedDataSet and RedactAll end with a rule for Resource that redacts all that is left: a rule behind it never applies. Give -Before Resource there.</para>
/// <para>The configuration's text is changed in place: comments, layout and what is unknown stay. What the service would refuse is an error, what it would ignore a warning.</para>
/// </remarks>
/// <example><code>New-AnonymizationConfig SafeHarbor | Add-AnonymizationRule Patient.maritalStatus.text keep -Before Resource</code>Lets one more text pass.</example>
/// <example><code>$config | Add-AnonymizationRule "nodesByType('Address').postalCode" substitute -ReplaceWith $null -Before "nodesByType('Address')"</code>Removes ZIP codes altogether.</example>
/// <example><code>$config | Add-AnonymizationRule Observation.value perturb -Span 0.1 -RangeType proportional -RoundTo 1 -Before 1</code>Adds noise of at most five percent in each direction, before all other rules.</example>
/// <example><code>$config | Add-AnonymizationRule Patient.birthDate generalize -Cases ([ordered]@{ '$this &lt; @1950' = '@1940'; '$this &lt; @2000' = '@1975' }) -OtherValues redact</code>Puts birth dates into classes.</example>
[Cmdlet(VerbsCommon.Add, "AnonymizationRule", DefaultParameterSetName = AtEnd)]
[OutputType(typeof(AnonymizationConfig))]
public sealed class AddAnonymizationRuleCommand : FhirDeidCommand
{
    private const string AtEnd = "AtEnd";
    private const string AtRule = "Before";
    private const string BehindRule = "After";

    private static readonly string[] s_settings = [nameof(ReplaceWith), nameof(Span), nameof(RangeType), nameof(RoundTo), nameof(Cases), nameof(OtherValues)];

    /// <summary>The configuration: an object of New-AnonymizationConfig, the path of a file, or JSON text.</summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true)]
    public AnonymizationConfigArgument Config { get; set; } = null!;

    /// <summary>Which elements: Patient.name, "nodesByType('HumanName')", "nodesByName('onset')", or other FHIRPath; Tab completes it from FHIR R4.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ArgumentCompleter(typeof(RulePathCompleter))]
    [ValidateNotBlank]
    public string Path { get; set; } = "";

    /// <summary>What happens to them: keep, redact, cryptoHash, dateShift, substitute, encrypt, perturb or generalize; Tab offers what acts on the path.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ArgumentCompleter(typeof(RuleMethodCompleter))]
    [ValidateNotBlank]
    public string Method { get; set; } = "";

    /// <summary>The rule that it comes before: its number or its path, of several the first.</summary>
    [Parameter(ParameterSetName = AtRule, Mandatory = true)]
    [ValidateNotBlank]
    public string Before { get; set; } = "";

    /// <summary>The rule that it comes after: its number or its path, of several the last.</summary>
    [Parameter(ParameterSetName = BehindRule, Mandatory = true)]
    [ValidateNotBlank]
    public string After { get; set; } = "";

    /// <summary>substitute: the new value; a hashtable for an element with parts, $null to remove the value.</summary>
    [Parameter]
    [AllowNull]
    [AllowEmptyString]
    public object? ReplaceWith { get; set; }

    /// <summary>perturb: width of the range of the noise, half of it in each direction; 0 or more.</summary>
    [Parameter]
    public double Span { get; set; }

    /// <summary>perturb: whether the span is a number (fixed) or a share of the value (proportional).</summary>
    [Parameter]
    [ValidateSet("fixed", "proportional")]
    public string RangeType { get; set; } = "";

    /// <summary>perturb: decimal places of the result, 0 to 28; 2 where it is not given.</summary>
    [Parameter]
    public int RoundTo { get; set; }

    /// <summary>generalize: conditions and values, both FHIRPath, in their order: [ordered]@{ … }. The first that holds decides.</summary>
    [Parameter]
    public IDictionary? Cases { get; set; }

    /// <summary>generalize: what becomes of values that no case covers; redact where it is not given.</summary>
    [Parameter]
    [ValidateSet("redact", "keep")]
    public string OtherValues { get; set; } = "";

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        if (Cases is Hashtable { Count: > 1 })
        {
            throw new FhirDeidException("CasesUnordered", FhirDeidErrorCategory.InvalidArgument, "The first case that holds decides, and a hashtable has no order.",
                "Give -Cases [ordered]@{ … }.", Path);
        }
        Dictionary<string, object?> given = MyInvocation.BoundParameters;
        string rule = JsonText.Object(s_settings.Where(given.ContainsKey).Select(name => KeyValuePair.Create(char.ToLowerInvariant(name[0]) + name[1..], given[name]))
            .Prepend(KeyValuePair.Create("method", (object?)Method)).Prepend(KeyValuePair.Create("path", (object?)Path)));
        AnonymizationConfig config = await Config.ReadAsync(this, pipeline, cancellation);
        int number = ParameterSetName switch
        {
            AtRule => config.Numbers(Before)[0],
            BehindRule => config.Numbers(After)[^1] + 1,
            _ => config.Rules.Length + 1,
        };
        config = Engine.Authoring.InsertRule(config, rule, number);
        foreach (string warning in config.WarningsOf(number)) pipeline.WriteWarning(warning);
        await pipeline.WriteObjectAsync(config);
    }
}
