using System.Management.Automation;
using FhirDeid.PowerShell.Export;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Share;

/// <summary>Makes a link to exported files for people without an account here: a shared access signature by a user delegation key, https alone, seven days at the most.</summary>
/// <remarks>
/// <para>Uri and Token of the object, asked for by name, are the secret: whoever has one of them has the access. Wherever the object is shown, converted or saved they are left out or the signature is masked: views, ToString, -Verbose, -WhatIf, Select-Object *, ConvertTo-Json, Export-Csv, Export-Clixml, jobs and remoting. An object that was saved and read again has the terms of the link, not the link. Hand the link over by a channel that is fit for it. It cannot be taken back by itself: that needs the account's user delegation keys revoked, or the signer's role removed.</para>
/// <para>A link to a container opens whatever is in it, also what is written there later. So container 'anonymization', and any container with a file that looks like a configuration, is refused; -Force does not change that. Searched are files up to 1 MiB and the beginnings of NDJSON files; packed files, snapshots and earlier versions are not.</para>
/// <para>A link that can read needs evidence that the files are de-identified. For an export from the pipeline that is the service's confirmation; an export that is not completed and confirmed is refused. For every other NDJSON file that the link would open, at least one resource in its first 256 KiB must bear a label of the service's anonymization (meta.security). That is a sample and no proof: it tells a whole identified file, not a single identified resource. A file whose resources no rule touches has no labels; where you know that, use -Force. Files of other kinds are not judged.</para>
/// <para>The signer needs the action generateUserDelegationKey on the storage account, which Storage Blob Data Contributor and Reader have there, and Storage Blob Delegator; and a link can do no more than its signer's roles. Azure does not check the address range for traffic within its region.</para>
/// </remarks>
/// <example><code>$link = $export | New-ExportSasToken -ExpiresIn 2.00:00:00</code>Makes a link to read the container of a completed export for two days.</example>
/// <example><code>(New-ExportSasToken -Container research -IPAddressRange 203.0.113.0-203.0.113.255).Uri.AbsoluteUri | Set-Clipboard</code>Copies a link that works from one network.</example>
/// <example><code>New-ExportSasToken -Container inbox -Purpose Target -ExpiresIn 08:00:00</code>Makes a link to put files into a container, but not to read them.</example>
[Cmdlet(VerbsCommon.New, "ExportSasToken", DefaultParameterSetName = ByContainer, SupportsShouldProcess = true)]
[OutputType(typeof(ExportSasToken))]
public sealed class NewExportSasTokenCommand : FhirExportCommand
{
    private const string ByContainer = "Container";
    private const string ByExport = "Export";

    /// <summary>Status URL of the export whose files the link is for; it comes with the export.</summary>
    [Parameter(ParameterSetName = ByExport, Mandatory = true, ValueFromPipelineByPropertyName = true)]
    public override Uri StatusUri { get; set; } = null!;

    /// <summary>The container.</summary>
    [Parameter(ParameterSetName = ByContainer, Mandatory = true, Position = 0)]
    [Parameter(ParameterSetName = ByExport, ValueFromPipelineByPropertyName = true)]
    [ValidateNotBlank]
    public override string? Container { get; set; }

    /// <summary>Name of one blob, for a link to that alone.</summary>
    [Parameter]
    [ValidateNotBlank]
    public string? Blob { get; set; }

    /// <summary>Source, the default: to take files from (read, and list a container). Target: to put files into (write, and list a container).</summary>
    [Parameter]
    public ExportSasPurpose Purpose { get; set; }

    /// <summary>Permissions in place of a purpose: words such as Read, List, or the storage service's letters, in any order.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(ExportSasPermissionCompleter))]
    [ValidateNotNullOrEmpty]
    public string[]? Permission { get; set; }

    /// <summary>When the link begins to work; 15 minutes ago where it is not given, so that clocks may differ.</summary>
    [Parameter]
    [IsoTime]
    public DateTimeOffset? StartTime { get; set; }

    /// <summary>When the link ends: within seven days from now. Seven days after its start where neither this nor -ExpiresIn is given.</summary>
    [Parameter]
    [IsoTime]
    public DateTimeOffset? ExpiryTime { get; set; }

    /// <summary>How long from now the link works: up to seven days, 7.00:00:00.</summary>
    [Parameter]
    public TimeSpan? ExpiresIn { get; set; }

    /// <summary>IPv4 address that the link works from, or the first and the last of a range with a hyphen between them.</summary>
    [Parameter]
    [ValidateNotBlank]
    public string? IPAddressRange { get; set; }

    /// <summary>Makes the link although files show no sign of de-identification. It opens neither keys nor an export that the service does not confirm.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    protected override async Task ProcessAsync(IPipeline pipeline, CancellationToken cancellation)
    {
        RefuseTwoWays(nameof(Purpose), nameof(Permission));
        RefuseTwoWays(nameof(ExpiryTime), nameof(ExpiresIn));
        ExportSasRequest request = new()
        {
            Blob = Blob ?? "",
            Permission = Permission ?? [Purpose == ExportSasPurpose.Source ? "Read" : "Write", .. Blob is null ? ["List"] : Array.Empty<string>()],
            StartsOn = StartTime,
            ExpiresOn = ExpiresIn is { } life ? DateTimeOffset.UtcNow + life : ExpiryTime,
            IPAddressRange = IPAddressRange ?? "",
            Force = Force,
        };
        if (ParameterSetName == ByExport)
        {
            request.Export = Status == FhirExportStatus.InProgress || Output is not { Length: > 0 } ? await AskAsync(Export, cancellation) : Export;
            if (request.Permission.Any(word => word.Equals("Read", StringComparison.OrdinalIgnoreCase) || word.Contains('r'))) request.Export = await LookedIntoAsync(request.Export, pipeline, mustLook: !Force, cancellation);
            if (request.Export.Status == FhirExportStatus.CompletedWithErrors)
                pipeline.WriteWarning($"Export {request.Export.JobId} completed with errors: what the link opens is not all that was asked for.");
        }
        request.Container = request.Export?.Container ?? Container!;
        string what = Blob is null ? $"container {request.Container}" : $"blob {Blob} in container {request.Container}";
        if (!await pipeline.ShouldProcessAsync($"{what} of storage account {Connection.Context.StorageAccountName}", $"Make a link ({string.Join(", ", request.Permission)})")) return;

        ExportSasToken token = await Connection.CreateSasTokenAsync(request, cancellation);
        pipeline.WriteVerbose($"Made {token}, signed by {token.SignedBy}.");
        if (request.ExpiresOn - token.ExpiresOn > TimeSpan.FromSeconds(1)) pipeline.WriteWarning($"The link ends at {token.ExpiresOn:u}: the key that signs it lives no longer.");
        await pipeline.WriteObjectAsync(token);
    }

    private void RefuseTwoWays(string one, string other)
    {
        if (!MyInvocation.BoundParameters.ContainsKey(one) || !MyInvocation.BoundParameters.ContainsKey(other)) return;
        throw new FhirDeidException("ParametersExclusive", FhirDeidErrorCategory.InvalidArgument, $"-{one} and -{other} say the same thing in two ways.", "Give one of them.");
    }
}
