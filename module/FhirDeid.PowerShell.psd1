@{
    RootModule           = 'FhirDeid.PowerShell.dll'
    ModuleVersion        = '0.1.0'
    GUID                 = '0b6f2c1e-6f0a-4f0e-9c57-6d3a5e3f7d1b'
    Author               = 'FhirDeid contributors'
    CompanyName          = 'FhirDeid contributors'
    Copyright            = 'Copyright (c) FhirDeid contributors. MIT License.'
    Description          = 'De-identified $export from the Azure FHIR service, from configuration to verified files.'
    PowerShellVersion    = '7.4'
    CompatiblePSEditions = @('Core')
    CmdletsToExport      = @(
        'Compare-AnonymizationConfig'
        'Compare-FhirDeidResource'
        'Add-AnonymizationRule'
        'Remove-AnonymizationRule'
        'Set-AnonymizationParameter'
        'Export-AnonymizationConfig'
        'Get-AnonymizationConfig'
        'Import-AnonymizationConfig'
        'New-AnonymizationConfig'
        'Publish-AnonymizationConfig'
        'Test-AnonymizationConfig'
        'Connect-FhirDeid'
        'Enable-FhirServiceIdentity'
        'Get-FhirExportStorage'
        'Set-FhirExportStorage'
        'Test-FhirDeidReadiness'
        'Disconnect-FhirDeid'
        'Invoke-FhirDeid'
        'Get-FhirDeidContext'
        'Get-FhirDeidEmulator'
        'Grant-FhirExportAccess'
        'Set-FhirDeidEmulator'
        'Start-FhirDeidEmulator'
        'Stop-FhirDeidEmulator'
        'Start-FhirDeidExport'
        'Get-FhirExport'
        'Read-FhirExport'
        'Receive-FhirExport'
        'Remove-FhirExport'
        'Stop-FhirExport'
        'Wait-FhirExport'
        'New-ExportSasToken'
        'New-FhirSampleData'
    )
    FunctionsToExport    = @()
    AliasesToExport      = @('Start-FhirExport')
    VariablesToExport    = @()
    FormatsToProcess     = @('FhirDeid.PowerShell.format.ps1xml')
    TypesToProcess       = @('FhirDeid.PowerShell.types.ps1xml')
    PrivateData          = @{
        PSData = @{
            Tags       = @('FHIR', 'Azure', 'HealthDataServices', 'DeIdentification', 'Anonymization', 'HIPAA', 'BulkData', 'PSEdition_Core')
            LicenseUri = 'https://opensource.org/license/mit'
        }
    }
}
