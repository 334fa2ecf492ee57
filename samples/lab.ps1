# A de-identified export of a FHIR service, from the configuration to the files, without Azure and without one real patient.
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
    # 1. Records. Twenty made-up patients; planted.ndjson lists every value in them that identifies somebody, and where it stands.
    $records = New-FhirSampleData -Path "$work/raw" -PatientCount 20 -PlantedValuesPath "$work/planted.ndjson"
    $records | Where-Object ResourceType -in Patient, Observation
    # So many values are on the list:
    @([System.IO.File]::ReadLines("$work/planted.ndjson")).Count

    # 2. A service. The emulator answers on this machine as the Azure FHIR service does, with the same rules for exports.
    # Its storage is Azurite, Microsoft's own. The first start fetches it by npm: about 10 MB to download, 61 MB on disk.
    $emulator = Start-FhirDeidEmulator -DataPath "$work/raw"
    $emulator | Connect-FhirDeid -Emulator

    # 3. Rules. Safe Harbor denies by default: what no rule lets pass is redacted. The key of its hashes is new and shown nowhere.
    $config = New-AnonymizationConfig -Template SafeHarbor
    $config
    # The first rule that reaches an element decides it.
    $config.Rules

    # 4. Publish. The FHIR service reads the rules from its storage account. The ETag pins exactly these.
    $published = $config | Publish-AnonymizationConfig
    $published

    # 5. Export. Start returns at once; the object is all that is needed to go on, here or in another process.
    $export = $published | Start-FhirDeidExport -Container research
    $export
    # The end is only called Completed when the service confirms the configuration that was asked for.
    $export = $export | Wait-FhirExport
    $export

    # 6. Receive. Each file is checked against the service's manifest, and has its name only once it is complete.
    $files = $export | Receive-FhirExport -Destination $Destination
    $files

    # 7. Compare. The same rules run here too, on files, and give the same bytes as the service.
    $local = Invoke-FhirDeid -Path "$work/raw/Patient.ndjson" -Destination "$work/local" -Configuration $config
    $local
    $received = $files | Where-Object ResourceType -eq Patient
    $local.Sha256 -eq $received.Sha256

    # 8. Look. One patient ...
    $json = [System.Text.Json.JsonSerializerOptions]@{ WriteIndented = $true; Encoder = [System.Text.Encodings.Web.JavaScriptEncoder]::UnsafeRelaxedJsonEscaping }
    $before = @([System.IO.File]::ReadLines("$work/raw/Patient.ndjson"))[0]
    # ... before ...
    [System.Text.Json.Nodes.JsonNode]::Parse($before).ToJsonString($json)
    $after = @([System.IO.File]::ReadLines($received.FullName))[0]
    # ... and after.
    [System.Text.Json.Nodes.JsonNode]::Parse($after).ToJsonString($json)

    # Done. The de-identified files are here:
    $Destination
}
finally {
    # The emulator ends, with all that was exported to it, and the identified records go.
    Stop-FhirDeidEmulator
    [System.IO.Directory]::Delete($work, $true)
}
