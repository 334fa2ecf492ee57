#Requires -Modules @{ ModuleName = 'Pester'; ModuleVersion = '5.5' }
<#
.SYNOPSIS
Tests of runbook.ps1, as you may write them for scripts of your own: an emulator stands in for the service, and has a bad day when it is told to.
.EXAMPLE
Invoke-Pester ./runbook.Tests.ps1
#>
BeforeAll {
    Import-Module ($env:FHIRDEID_MODULE ? "$env:FHIRDEID_MODULE/FhirDeid.PowerShell.psd1" : 'FhirDeid.PowerShell')
    # As in Azure Automation.
    $journal, $env:FHIRDEID_JOURNAL = $env:FHIRDEID_JOURNAL, 'off'
    $null = Start-FhirDeidEmulator -PatientCount 3 | Connect-FhirDeid -Emulator
    $null = New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig -Name study.json
    function Invoke-Runbook { & "$PSScriptRoot/runbook.ps1" -Emulator -ConfigName study.json -Container research @args 3> $null }
}

AfterAll {
    Stop-FhirDeidEmulator
    $env:FHIRDEID_JOURNAL = $journal
}

Describe 'The runbook' {
    AfterEach { Set-FhirDeidEmulator }

    It 'comes through throttling, outages, broken connections and expired tokens' {
        Set-FhirDeidEmulator -StartFault '429 Retry-After: 1', '503' -StatusFault '503', reset, expired, '504', '504', '504', '504'
        @(Invoke-Runbook)[-1].Status | Should -Be 'Completed'
    }

    It 'leaves an export that does not end to its next run' {
        Set-FhirDeidEmulator -StartFault endless
        $left = @(Invoke-Runbook -Minutes 0)[-1]
        $left.Status | Should -Be 'InProgress'
        @(Invoke-Runbook -StatusUri $left.StatusUri -Minutes 0)[-1].JobId | Should -Be $left.JobId
    }

    It 'ends with the reason of an export that fails' {
        Set-FhirDeidEmulator -StartFault 'fail 403 This request is not authorized to perform this operation. ErrorCode: AuthorizationFailure'
        { Invoke-Runbook } | Should -Throw '*firewall*' -ErrorId 'FhirDeid.ExportFailed,*'
    }

    It 'ends with an error where the data are not de-identified' {
        Set-FhirDeidEmulator -StartFault identified
        { Invoke-Runbook } | Should -Throw -ErrorId 'FhirDeid.NotDeidentified,*'
    }

    It 'starts nothing a second time where the answer to the start is lost' {
        Set-FhirDeidEmulator -StartFault lost
        { Invoke-Runbook } | Should -Throw -ErrorId 'FhirDeid.ExportUncertain,*'
    }
}
