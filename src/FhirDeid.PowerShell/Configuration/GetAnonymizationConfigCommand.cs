using System.Management.Automation;
using FhirDeid.PowerShell.Connect;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Lists the anonymization configurations that are published in container 'anonymization' of the export storage account: names, ETags, hashes and ages, never their text. With -Download it writes the configurations themselves.</summary>
/// <remarks>A downloaded configuration is an object, with its keys, as Import-AnonymizationConfig writes it: Export-AnonymizationConfig puts it into a file that its owner alone can read.</remarks>
/// <example><code>Get-AnonymizationConfig</code>Lists all that are published.</example>
/// <example><code>Get-AnonymizationConfig study-7.json | Start-FhirDeidExport -Container research</code>Starts an export with the version that is published now.</example>
/// <example><code>Get-AnonymizationConfig | Where-Object ConfigSha256 -eq (Import-AnonymizationConfig ./study-7.json).Sha256</code>Looks whether exactly this file is published.</example>
/// <example><code>Get-AnonymizationConfig study-7.json -Download | Export-AnonymizationConfig ./study-7.json</code>Fetches a configuration with its keys.</example>
[Cmdlet(VerbsCommon.Get, "AnonymizationConfig")]
[OutputType(typeof(PublishedAnonymizationConfig), typeof(AnonymizationConfig))]
public sealed class GetAnonymizationConfigCommand : ConnectedCommand
{
    /// <summary>Blob names; wildcards are allowed. All where none is given.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("ConfigName")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[] Name { get; set; } = ["*"];

    /// <summary>Writes the configurations with their keys, for Export-AnonymizationConfig, Test-AnonymizationConfig or Invoke-FhirDeid.</summary>
    [Parameter]
    public SwitchParameter Download { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        WildcardPattern[] patterns = [.. Name.Select(name => WildcardPattern.Get(name, WildcardOptions.None))];
        HashSet<string> missing = [.. Name.Where(name => !WildcardPattern.ContainsWildcardCharacters(name))];
        await foreach (PublishedAnonymizationConfig config in Connection.ListConfigsAsync(name => Array.Exists(patterns, pattern => pattern.IsMatch(name)), cancellation))
        {
            missing.Remove(config.ConfigName);
            if (Download) await DownloadAsync(config, pipeline, cancellation);
            else await pipeline.WriteObjectAsync(config);
        }
        foreach (string name in missing)
        {
            await pipeline.WriteErrorAsync(new FhirDeidException("ConfigNotFound", FhirDeidErrorCategory.ObjectNotFound, $"No configuration '{name}' is published.",
                "Get-AnonymizationConfig lists what is; upper and lower case count.", name));
        }
    }

    private async Task DownloadAsync(PublishedAnonymizationConfig config, IPipeline pipeline, CancellationToken cancellation)
    {
        try
        {
            await pipeline.WriteObjectAsync(Engine.Anonymization.Parse(await Connection.ReadConfigAsync(config, cancellation), config.ConfigName));
        }
        catch (FhirDeidException error)
        {
            await pipeline.WriteErrorAsync(error);
        }
    }
}
