namespace FhirDeid;

/// <summary>Who is connected where: what <c>Get-FhirDeidContext</c> shows. Holds no secret.</summary>
public sealed class FhirDeidContext
{
    /// <summary>Base URL of the FHIR service, without a trailing slash.</summary>
    public Uri? FhirServiceUri { get; set; }

    /// <summary>Resource id of the FHIR service; empty where only its URL is known.</summary>
    public string ResourceId { get; set; } = "";

    /// <summary>Subscription of the FHIR service; empty where only its URL is known.</summary>
    public string SubscriptionId { get; set; } = "";

    /// <summary>Cloud of Azure.</summary>
    public AzureEnvironment Environment { get; set; }

    /// <summary>Audience of the tokens for the FHIR service.</summary>
    public string Audience { get; set; } = "";

    /// <summary>Storage account that exports go to.</summary>
    public string StorageAccountName { get; set; } = "";

    /// <summary>Base URL of that account's blob service.</summary>
    public Uri? BlobEndpoint { get; set; }

    /// <summary>Where tokens come from.</summary>
    public FhirDeidCredential Credential { get; set; }

    /// <summary>Name, client id or object id of the caller, as far as the token tells.</summary>
    public string Account { get; set; } = "";

    /// <summary>Microsoft Entra tenant, as far as the token tells.</summary>
    public string TenantId { get; set; } = "";

    /// <summary>When the current token of the FHIR service ends; it is renewed before, unless it was given by <c>-AccessToken</c>.</summary>
    public DateTimeOffset ExpiresOn { get; set; }

    /// <inheritdoc/>
    public override string ToString() => FhirServiceUri?.ToString() ?? "";
}

/// <summary>The clouds of Azure, by the names that Az gives them.</summary>
public enum AzureEnvironment
{
    /// <summary>Azure's public cloud.</summary>
    AzureCloud,
    /// <summary>Azure Government.</summary>
    AzureUSGovernment,
    /// <summary>Azure operated by 21Vianet.</summary>
    AzureChinaCloud,
}

/// <summary>Where tokens come from.</summary>
public enum FhirDeidCredential
{
    /// <summary>The Az session, by Get-AzAccessToken.</summary>
    Az,
    /// <summary>The machine's managed identity.</summary>
    ManagedIdentity,
    /// <summary>A service principal with a client secret.</summary>
    ClientSecret,
    /// <summary>A service principal with a certificate.</summary>
    ClientCertificate,
    /// <summary>A service principal with a token of another identity provider, read from a file.</summary>
    FederatedToken,
    /// <summary>A user, in the browser of this machine.</summary>
    Interactive,
    /// <summary>A user, in the browser of another machine, by a code.</summary>
    DeviceCode,
    /// <summary>A token for the FHIR service, given as it is.</summary>
    AccessToken,
    /// <summary>The emulator's token endpoint.</summary>
    Emulator,
}
