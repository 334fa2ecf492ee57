#Requires -Version 7.4
<#
.SYNOPSIS
A de-identified export as a runbook of Azure Automation: nothing prompts, and a run that has to end before the export does leaves it to the next.
.DESCRIPTION
Import FhirDeid.PowerShell into the Automation account (PowerShell 7.4), switch on its managed identity, and give that FHIR Data Exporter on the FHIR service, Reader on it, and Storage Blob Data Contributor on the export storage account. Schedule the runbook; where the last object of a run still has the status InProgress, start it again with that object's StatusUri.
.EXAMPLE
./runbook.ps1 -ResourceId $id -ConfigName study.json -Container research
Starts an export and waits for it, two hours at the most.
.EXAMPLE
./runbook.ps1 -ResourceId $id -StatusUri https://contoso-lab.fhir.azurehealthcareapis.com/_operations/export/42
Goes on with the export of an earlier run.
#>
param(
    # Resource id of the FHIR service.
    [string] $ResourceId,

    # Published configuration, as Get-AnonymizationConfig lists it.
    [string] $ConfigName,

    # Container for the files.
    [string] $Container,

    # The export of an earlier run, in place of a new one.
    [uri] $StatusUri,

    # How long this run may wait. Automation ends a run after three hours.
    [int] $Minutes = 120,

    # Try it here: connects to the emulator that this process has started.
    [switch] $Emulator
)
$ErrorActionPreference = 'Stop'
$end = [datetime]::UtcNow.AddMinutes($Minutes)

$null = if ($Emulator) { Connect-FhirDeid -Emulator } else { Connect-FhirDeid -ResourceId $ResourceId -ManagedIdentity }
$export = if ($StatusUri) { Get-FhirExport $StatusUri } else { Get-AnonymizationConfig $ConfigName | Start-FhirDeidExport -Container $Container }
# The job's log has the export from the start, whatever becomes of this run.
$export

# Short hops: a run that is ended loses a minute of waiting and nothing else. An export that fails is an error, which ends the run.
while ($export.Status -eq 'InProgress' -and [datetime]::UtcNow -lt $end) { $export = $export | Wait-FhirExport -TimeoutSeconds 60 }
$export
