using System.Management.Automation;
using System.Security;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Creates an anonymization configuration from a template, with keys of its own.</summary>
/// <remarks>
/// <para>SafeHarbor is for 45 CFR 164.514(b)(2), LimitedDataSet for 164.514(e); both redact what no rule lets pass. RedactAll redacts everything, Empty nothing: they are to start from. docs/templates.md tells each rule's reason.</para>
/// <para>The keys are in the object and in the file that Publish-AnonymizationConfig writes, and are shown nowhere. Who has them can recompute the hash of every identifier. Exports with the same key give the same hashes, so that their records join.</para>
/// </remarks>
/// <example><code>$config = New-AnonymizationConfig -Template SafeHarbor</code>Creates a configuration with new random keys.</example>
/// <example><code>New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig</code>Creates a configuration and uploads it.</example>
/// <example><code>New-AnonymizationConfig SafeHarbor -CryptoHashKey $key</code>Uses the key of an earlier export, a SecureString: hashes will be the same.</example>
/// <example><code>New-AnonymizationConfig LimitedDataSet -FixedDateShiftInDays -30</code>Moves all dates by 30 days into the past: intervals stay, and times of day are lost.</example>
/// <example><code>New-AnonymizationConfig Empty | Add-AnonymizationRule Patient.name redact | Export-AnonymizationConfig ./study-7.json</code>Writes a configuration rule by rule.</example>
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

    /// <summary>Key of dateShift, at least 16 characters; a random one of 256 bits where it is not given.</summary>
    [Parameter]
    public SecureString? DateShiftKey { get; set; }

    /// <summary>Key of encrypt, 16, 24 or 32 bytes in UTF-8; 32 random letters and digits where it is not given.</summary>
    [Parameter]
    public SecureString? EncryptKey { get; set; }

    /// <summary>Days by which all dates move, for LimitedDataSet. Whoever knows one true date knows them all, and a service older than May 2024 ignores it.</summary>
    [Parameter]
    [ValidateRange(-36_500, 36_500)]
    public int? FixedDateShiftInDays { get; set; }

    /// <inheritdoc/>
    protected override async Task EndAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        Dictionary<string, string> keys = new()
        {
            ["cryptoHashKey"] = AnonymizationKey.Text(CryptoHashKey),
            ["dateShiftKey"] = AnonymizationKey.Text(DateShiftKey),
            ["encryptKey"] = AnonymizationKey.EncryptText(EncryptKey),
        };
        await pipeline.WriteObjectAsync(await AnonymizationTemplate.CreateAsync(Template, keys, FixedDateShiftInDays, cancellation));
    }
}
