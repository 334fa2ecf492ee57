# The six exercises of a lab on de-identified exports of a FHIR service, without a portal, without Azure and without one real patient.
#   dotnet run --project samples/FhirDeid.Lab [-- FOLDER]     shows each command and what it gives
#   ./build.ps1 -Task Demo                                    runs this file in your own PowerShell
param(
    # Folder for the de-identified files; it stays. Without one, a new folder beside the temporary files.
    [string] $Destination = "$([System.IO.Path]::GetTempPath())fhirdeid-research-$([datetime]::Now.ToString('yyyyMMdd-HHmmss'))"
)

# The de-identified files will go to this folder, and stay there. Everything else is removed at the end.
$Destination
$work = [System.IO.Directory]::CreateTempSubdirectory('fhirdeid-lab-').FullName
try {
    'Before the exercises: records, and a bare service.'
    # Twenty made-up patients; planted.ndjson lists every value in them that identifies somebody, and where it stands.
    $records = New-FhirSampleData -Path "$work/raw" -PatientCount 20 -PlantedValuesPath "$work/planted.ndjson"
    $records | Where-Object ResourceType -in Patient, Observation
    # So many values are on the list:
    @([System.IO.File]::ReadLines("$work/planted.ndjson")).Count

    # The emulator answers on this machine as the Azure FHIR service, its storage account and the resource manager do.
    # Its storage is Azurite, Microsoft's own. The first start fetches it by npm: about 10 MB to download, 61 MB on disk.
    $emulator = Start-FhirDeidEmulator -DataPath "$work/raw" -Without Identity, BlobRole, ExportStorage
    $names = @{ Subscription = $emulator.SubscriptionId; ResourceGroupName = $emulator.ResourceGroupName; WorkspaceName = $emulator.WorkspaceName; ServiceName = $emulator.FhirServiceName }
    # Names are enough: the resource manager tells the rest. To a service in Azure the same, without -Emulator.
    Connect-FhirDeid -Emulator @names
    # What is missing for an export, and the command that puts it right.
    Test-FhirDeidReadiness | Where-Object Status -in Failed, Warning

    'Exercise 1 of 6: choose and adapt the configuration.'
    # Safe Harbor denies by default: what no rule lets pass is redacted. The key of its hashes is new; the file holds it, and its owner alone may read the file.
    New-AnonymizationConfig -Template SafeHarbor | Export-AnonymizationConfig -Path "$work/study.json"
    # The study does without the marital status. Whoever edits a file makes a slip now and then ...
    $text = [System.IO.File]::ReadAllText("$work/study.json").Replace('"fhirPathRules": [', '"fhirPathRules": [ { "path": "Patient.maritalStatus", "method": "redacted" },')
    [System.IO.File]::WriteAllText("$work/study.json", $text)
    # ... which the service would find when it exports the first patient.
    Test-AnonymizationConfig -Path "$work/study.json"
    [System.IO.File]::WriteAllText("$work/study.json", $text.Replace('"redacted"', '"redact"'))
    # True: no error is left.
    Test-AnonymizationConfig -Path "$work/study.json" -Quiet
    $config = Import-AnonymizationConfig -Path "$work/study.json"
    $config
    # The first rule that reaches an element decides it. These are the first.
    $config.Rules[0..4]

    'Exercise 2 of 6: managed identity.'
    # The service writes exports as its own identity.
    Enable-FhirServiceIdentity

    'Exercise 3 of 6: roles on the storage account, for the service and for you.'
    # It waits until they take effect.
    Grant-FhirExportAccess -StorageAccountName $emulator.StorageAccountName

    'Exercise 4 of 6: export storage, and upload of the configuration.'
    # Nothing else of the service changes.
    Set-FhirExportStorage -StorageAccountName $emulator.StorageAccountName
    # Exercises 2 to 4 in one line, which can be repeated: Changes is empty, for nothing is left to do.
    Set-FhirExportStorage -StorageAccountName $emulator.StorageAccountName -EnableIdentity -GrantAccess
    # The service reads the configuration from its storage account. The ETag pins exactly this one.
    $config | Publish-AnonymizationConfig
    $published = Get-AnonymizationConfig -Name study.json
    # True: what is published is the file.
    $published.ConfigSha256 -eq $config.Sha256
    # And now?
    Test-FhirDeidReadiness

    'Exercise 5 of 6: export and look.'
    # Start returns at once; the object is all that is needed to go on, here or in another process.
    $export = $published | Start-FhirDeidExport -Container research
    $export | Get-FhirExport
    # The end is only called Completed when the service confirms the configuration that was asked for.
    $export = $export | Wait-FhirExport
    $export
    # Look without a download: resources come through the pipeline. This is one.
    @($export | Read-FhirExport -ResourceType Patient -AsObject)[0]
    # Receive. Each file is checked against the service's manifest, and has its name only once it is complete.
    $files = $export | Receive-FhirExport -Destination $Destination
    $files
    # The same rules run here too, on files. True: they give the same bytes as the service.
    $local = Invoke-FhirDeid -Path "$work/raw/Patient.ndjson" -Destination "$work/local" -Config $config -PassThru
    $received = $files | Where-Object ResourceType -eq Patient
    $local.Sha256 -eq $received.Sha256
    # Some elements of one patient.
    $elements = 'id', 'name', 'telecom', 'gender', 'birthDate', 'address', 'maritalStatus'
    $json = [System.Text.Json.JsonSerializerOptions]@{ Encoder = [System.Text.Encodings.Web.JavaScriptEncoder]::UnsafeRelaxedJsonEscaping }
    $before = [System.Text.Json.Nodes.JsonNode]::Parse(@([System.IO.File]::ReadLines("$work/raw/Patient.ndjson"))[0])
    $after = [System.Text.Json.Nodes.JsonNode]::Parse(@([System.IO.File]::ReadLines($received.FullName))[0])
    'Before:'
    foreach ($element in $elements) { '{0,-14} {1}' -f $element, $before[$element]?.ToJsonString($json) }
    'After:'
    foreach ($element in $elements) { '{0,-14} {1}' -f $element, $after[$element]?.ToJsonString($json) }

    'Exercise 6 of 6: share.'
    # Researchers without an account here get a link to the container: to read and list, for two days, by https.
    $link = $export | New-ExportSasToken -Purpose Source -ExpiresIn 2.00:00:00
    # Whoever has the link has the access: it is shown masked. $link.Uri is the whole of it.
    $link
    # The researchers have neither this module nor a connection: a plain client, which trusts the emulator's certificate here and nowhere else.
    $handler = [System.Net.Http.SocketsHttpHandler]::new()
    $handler.SslOptions.CertificateChainPolicy = [System.Security.Cryptography.X509Certificates.X509ChainPolicy]@{ TrustMode = 'CustomRootTrust'; RevocationMode = 'NoCheck' }
    $null = $handler.SslOptions.CertificateChainPolicy.CustomTrustStore.Add([System.Security.Cryptography.X509Certificates.X509Certificate2]::CreateFromPem($emulator.CertificateAuthority))
    $researcher = [System.Net.Http.HttpClient]::new($handler)
    # List: the files of the container.
    $list = [xml] $researcher.GetStringAsync("$($link.Uri.AbsoluteUri)&restype=container&comp=list").GetAwaiter().GetResult()
    $list.EnumerationResults.Blobs.Blob.Name
    # Read: True, the bytes are those that were received.
    $patients = $link.Uri.AbsoluteUri.Replace('?', "/$($list.EnumerationResults.Blobs.Blob.Name -like '*/Patient-*')?")
    [System.Convert]::ToHexString([System.Security.Cryptography.SHA256]::HashData($researcher.GetByteArrayAsync($patients).GetAwaiter().GetResult())) -eq $received.Sha256
    # Write: 403. The link does not allow it.
    $content = [System.Net.Http.StringContent]::new('{}')
    $content.Headers.Add('x-ms-blob-type', 'BlockBlob')
    [int] $researcher.PutAsync($patients, $content).GetAwaiter().GetResult().StatusCode
    # The other way round: a link by which the researchers hand in one file, and can read nothing.
    New-ExportSasToken -Container research -Blob results.csv -Purpose Target -ExpiresIn 08:00:00

    'Done. The de-identified files are here:'
    $Destination
}
finally {
    # The emulator ends, with all that was exported to it, and the identified records go. Without it, no link works.
    Stop-FhirDeidEmulator
    [System.IO.Directory]::Delete($work, $true)
}
