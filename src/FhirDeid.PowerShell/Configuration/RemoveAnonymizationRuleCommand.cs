using System.Management.Automation;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Removes rules from an anonymization configuration, and writes the configuration without them.</summary>
/// <remarks>What no rule reaches is kept as it is: after the last rule of SafeHarbor is removed, texts pass.</remarks>
/// <example><code>New-AnonymizationConfig SafeHarbor | Remove-AnonymizationRule "nodesByType('boolean')"</code>Lets booleans pass no longer: the last rule redacts them.</example>
/// <example><code>$config | Remove-AnonymizationRule 3, 4</code>Removes rules by their numbers.</example>
[Cmdlet(VerbsCommon.Remove, "AnonymizationRule")]
[OutputType(typeof(AnonymizationConfig))]
public sealed class RemoveAnonymizationRuleCommand : FhirDeidCommand
{
    /// <summary>The configuration: an object of New-AnonymizationConfig, the path of a file, or JSON text.</summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true)]
    public AnonymizationConfigArgument Config { get; set; } = null!;

    /// <summary>The rules: numbers, or paths as they are written; all rules of a path go.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ArgumentCompleter(typeof(RulePathCompleter))]
    [ValidateNotNullOrEmpty]
    public string[] Rule { get; set; } = [];

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        AnonymizationConfig config = await Config.ReadAsync(this, pipeline, cancellation);
        await pipeline.WriteObjectAsync(Engine.Authoring.RemoveRules(config, [.. Rule.SelectMany(rule => config.Numbers(rule))]));
    }
}
