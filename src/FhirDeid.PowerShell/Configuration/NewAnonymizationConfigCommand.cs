using System.Management.Automation;
using System.Security;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Creates an anonymization configuration from a template, with a key of its own.</summary>
/// <remarks>The key is in the object and in the file that Publish-AnonymizationConfig writes, and is shown nowhere. Who has it can recompute the hash of every identifier. Exports with the same key give the same hashes, so that their records join.</remarks>
/// <example><code>$config = New-AnonymizationConfig -Template SafeHarbor</code>Creates a configuration with a new random key.</example>
/// <example><code>New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig</code>Creates a configuration and uploads it.</example>
/// <example><code>New-AnonymizationConfig SafeHarbor -CryptoHashKey $key</code>Uses the key of an earlier export, a SecureString: hashes will be the same.</example>
[Cmdlet(VerbsCommon.New, "AnonymizationConfig")]
[OutputType(typeof(AnonymizationConfig))]
public sealed class NewAnonymizationConfigCommand : FhirDeidCommand
{
    /// <summary>Name of the template; Tab completes it.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ArgumentCompleter(typeof(TemplateCompleter))]
    [ValidateNotBlank]
    public string Template { get; set; } = "";

    /// <summary>Key of cryptoHash, at least 16 characters; a random one of 256 bits where it is not given.</summary>
    [Parameter]
    public SecureString? CryptoHashKey { get; set; }

    /// <inheritdoc/>
    protected override async Task EndAsync(IPipeline pipeline, CancellationToken cancellation) =>
        await pipeline.WriteObjectAsync(await AnonymizationTemplate.CreateAsync(Template, CryptoHashKey, cancellation));
}
