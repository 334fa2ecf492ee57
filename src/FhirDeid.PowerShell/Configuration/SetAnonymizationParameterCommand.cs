using System.Management.Automation;
using System.Security;
using FhirDeid.PowerShell.Loading;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Configuration;

/// <summary>Sets parameters of an anonymization configuration, and writes the configuration with them.</summary>
/// <remarks>Only what is given is set. The configuration's text is changed in place: comments, layout and what is unknown stay.</remarks>
/// <example><code>New-AnonymizationConfig Empty | Set-AnonymizationParameter -EnablePartialDatesForRedact $true</code>Lets redact keep the year of dates.</example>
/// <example><code>$config | Set-AnonymizationParameter -CryptoHashKey (Read-Host -AsSecureString)</code>Puts in a key, which is shown nowhere.</example>
/// <example><code>$config | Set-AnonymizationParameter -RestrictedZipCodeTabulationAreas '036', '059'</code>Names the postal areas of which no digit stays.</example>
/// <example><code>$config | Set-AnonymizationParameter -ProcessingErrors skip</code>Has a resource that fails replaced by an empty one, and the rest go on.</example>
[Cmdlet(VerbsCommon.Set, "AnonymizationParameter")]
[OutputType(typeof(AnonymizationConfig))]
public sealed class SetAnonymizationParameterCommand : FhirDeidCommand
{
    /// <summary>The configuration: an object of New-AnonymizationConfig, the path of a file, or JSON text.</summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true)]
    public AnonymizationConfigArgument Config { get; set; } = null!;

    /// <summary>Key of cryptoHash, at least 16 characters.</summary>
    [Parameter]
    [ValidateNotNull]
    public SecureString CryptoHashKey { get; set; } = null!;

    /// <summary>Key of dateShift, at least 16 characters.</summary>
    [Parameter]
    [ValidateNotNull]
    public SecureString DateShiftKey { get; set; } = null!;

    /// <summary>Key of encrypt, 16, 24 or 32 bytes in UTF-8.</summary>
    [Parameter]
    [ValidateNotNull]
    public SecureString EncryptKey { get; set; } = null!;

    /// <summary>What dates shift by: the resource's id, the file's or the folder's name. In $export the service knows only resources.</summary>
    [Parameter]
    [ValidateSet("resource", "file", "folder")]
    public string DateShiftScope { get; set; } = "";

    /// <summary>Days by which dateShift moves all dates alike; $null goes back to a shift by scope and key.</summary>
    [Parameter]
    [AllowNull]
    public int? DateShiftFixedOffsetInDays { get; set; }

    /// <summary>Whether redact keeps ages up to 89.</summary>
    [Parameter]
    public bool EnablePartialAgesForRedact { get; set; }

    /// <summary>Whether redact keeps the year of dates, up to 89 years ago.</summary>
    [Parameter]
    public bool EnablePartialDatesForRedact { get; set; }

    /// <summary>Whether redact keeps the first three digits of postal codes.</summary>
    [Parameter]
    public bool EnablePartialZipCodesForRedact { get; set; }

    /// <summary>Postal areas with too few people, three digits each, as texts: of their postal codes no digit stays.</summary>
    [Parameter]
    [AllowEmptyCollection]
    [ValidatePattern("^[0-9]{3}$")]
    public string[] RestrictedZipCodeTabulationAreas { get; set; } = [];

    /// <summary>What becomes of a resource that fails: with raise the service ends the run and Invoke-FhirDeid leaves the file out, with skip an empty resource takes its place.</summary>
    [Parameter]
    [ValidateSet("raise", "skip", IgnoreCase = false)]
    public string ProcessingErrors { get; set; } = "";

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        Dictionary<string, object?> values = new()
        {
            [nameof(CryptoHashKey)] = CryptoHashKey is null ? null : AnonymizationKey.Text(CryptoHashKey),
            [nameof(DateShiftKey)] = DateShiftKey is null ? null : AnonymizationKey.Text(DateShiftKey),
            [nameof(EncryptKey)] = EncryptKey is null ? null : AnonymizationKey.EncryptText(EncryptKey),
            [nameof(DateShiftScope)] = DateShiftScope,
            [nameof(DateShiftFixedOffsetInDays)] = DateShiftFixedOffsetInDays,
            [nameof(EnablePartialAgesForRedact)] = EnablePartialAgesForRedact,
            [nameof(EnablePartialDatesForRedact)] = EnablePartialDatesForRedact,
            [nameof(EnablePartialZipCodesForRedact)] = EnablePartialZipCodesForRedact,
            [nameof(RestrictedZipCodeTabulationAreas)] = RestrictedZipCodeTabulationAreas,
            [nameof(ProcessingErrors)] = ProcessingErrors,
        };
        await pipeline.WriteObjectAsync(Engine.Authoring.SetParameters(await Config.ReadAsync(this, pipeline, cancellation), values.Where(value => MyInvocation.BoundParameters.ContainsKey(value.Key))
            .ToDictionary(value => char.ToLowerInvariant(value.Key[0]) + value.Key[1..], value => JsonText.Of(value.Value))));
    }
}
