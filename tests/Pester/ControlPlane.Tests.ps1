#Requires -Modules @{ ModuleName = 'Pester'; ModuleVersion = '5.5' }
# Sets up a service of the emulator from bare to exporting, in the PowerShell that runs this.

BeforeAll {
    $folder = $env:FHIRDEID_MODULE ? $env:FHIRDEID_MODULE : "$PSScriptRoot/../../artifacts/Debug/FhirDeid.PowerShell"
    $module = "$folder/FhirDeid.PowerShell.psd1"
    Import-Module $module -Force
    # Not into the journal of whoever runs the tests.
    $env:FHIRDEID_JOURNAL = "$TestDrive/journal"
    $emulator = Start-FhirDeidEmulator -PatientCount 3 -Without Identity, BlobRole, ExportStorage
    $account = $emulator.StorageAccountName
}

AfterAll {
    Remove-Item Env:FHIRDEID_JOURNAL
    $emulator | Stop-FhirDeidEmulator
}

Describe 'Connect-FhirDeid' {
    It 'connects by names' {
        $context = $emulator | Connect-FhirDeid -Emulator -Subscription 'FhirDeid lab' -ServiceName fhir
        $context.ResourceId | Should -Be $emulator.ResourceId
        (Get-FhirDeidContext).SubscriptionId | Should -Be $emulator.SubscriptionId
    }

    It 'connects by an object of Get-AzResource' {
        $resource = [pscustomobject]@{ Name = 'lab/fhir'; ResourceGroupName = 'fhirdeid'; ResourceId = $emulator.ResourceId }
        ($resource | Connect-FhirDeid -Emulator).ResourceId | Should -Be $emulator.ResourceId
    }

    It 'answers <Id> to names that tell no one service it can use' -ForEach @(
        @{ Arguments = @{ ServiceName = 'fhir' }; Id = 'FhirDeid.SubscriptionAmbiguous' }
        @{ Arguments = @{ Subscription = 'FhirDeid lab'; ServiceName = 'nope' }; Id = 'FhirDeid.FhirServiceNotFound' }
        @{ Arguments = @{ Subscription = 'FhirDeid elsewhere' }; Id = 'FhirDeid.FhirServiceAmbiguous' }
        @{ Arguments = @{ Subscription = 'FhirDeid elsewhere'; ServiceName = 'fhirstu3' }; Id = 'FhirDeid.FhirVersionNotSupported' }
    ) {
        { $emulator | Connect-FhirDeid -Emulator @Arguments } | Should -Throw -ErrorId "$Id,*"
    }

    It 'shows no secret' {
        $emulator | Connect-FhirDeid -Emulator | ConvertTo-Json | Should -Not -Match 'eyJ|PRIVATE'
    }
}

Describe 'The setup of a service' {
    BeforeAll {
        $null = $emulator | Connect-FhirDeid -Emulator
    }

    It 'begins with a bare service' {
        $checks = Test-FhirDeidReadiness
        $checks | Where-Object Status -eq Failed | ForEach-Object Name | Should -Contain 'Identity'
        $checks | Where-Object Status -eq Failed | ForEach-Object Fix | Should -Not -BeNullOrEmpty
        (Get-FhirExportStorage).StorageAccountName | Should -BeNullOrEmpty
    }

    It 'changes nothing with -WhatIf' {
        Set-FhirExportStorage $account -EnableIdentity -GrantAccess -WhatIf | Should -BeNullOrEmpty
        Enable-FhirServiceIdentity -WhatIf | Should -BeNullOrEmpty
        (Test-FhirDeidReadiness | Where-Object Name -eq Identity).Status | Should -Be Failed
    }

    It 'switches on the identity, once' {
        (Enable-FhirServiceIdentity).Changed | Should -BeTrue
        (Enable-FhirServiceIdentity).Changed | Should -BeFalse
    }

    It 'grants the role for blobs alone, then the other' {
        $blob = Grant-FhirExportAccess $account -BlobOnly
        $blob.RoleDefinitionName | Sort-Object -Unique | Should -Be 'Storage Blob Data Contributor'
        $blob.Changed | Should -Be $true, $true
        $both = Grant-FhirExportAccess $account
        ($both | Where-Object Changed).RoleDefinitionName | Sort-Object -Unique | Should -Be 'Storage Queue Data Contributor'
    }

    It 'goes into New-AzRoleAssignment with the rows that lack a role, and no others' {
        function New-AzRoleAssignment {
            param(
                [Parameter(Mandatory, ValueFromPipelineByPropertyName)] [Alias('Id', 'PrincipalId')] [ValidateNotNullOrEmpty()] [guid] $ObjectId,
                [Parameter(Mandatory, ValueFromPipelineByPropertyName)] [ValidateNotNullOrEmpty()] [string] $RoleDefinitionName,
                [Parameter(Mandatory, ValueFromPipelineByPropertyName)] [ValidateNotNullOrEmpty()] [string] $Scope,
                [Parameter(ValueFromPipelineByPropertyName)] [string] $ObjectType)
            process { "$RoleDefinitionName $ObjectType $Scope" }
        }
        $null = $emulator | Connect-FhirDeid -Emulator -ClientId no-export
        try {
            $lacking = @(Test-FhirDeidReadiness | Where-Object RoleDefinitionName)
            $lacking.Name | Should -Be 'Caller may export', 'Blob role of the caller'
            $lacking | New-AzRoleAssignment | Should -Be "FHIR Data Exporter ServicePrincipal $($emulator.ResourceId)", "Storage Blob Data Contributor ServicePrincipal $($emulator.StorageAccountId)"
        }
        finally {
            $null = $emulator | Connect-FhirDeid -Emulator
        }
    }

    It 'gives assignments that New-AzRoleAssignment would take' {
        function New-AzRoleAssignment {
            param(
                [Parameter(ValueFromPipelineByPropertyName)] [Alias('Id', 'PrincipalId')] [guid] $ObjectId,
                [Parameter(ValueFromPipelineByPropertyName)] [string] $RoleDefinitionName,
                [Parameter(ValueFromPipelineByPropertyName)] [string] $Scope,
                [Parameter(ValueFromPipelineByPropertyName)] [string] $ObjectType)
            process { "$ObjectId $RoleDefinitionName $Scope $ObjectType" }
        }
        $assignment = Grant-FhirExportAccess $account | Select-Object -First 1
        $assignment | New-AzRoleAssignment | Should -Be "$($assignment.ObjectId) Storage Blob Data Contributor $($emulator.StorageAccountId) ServicePrincipal"
    }

    It 'sets the export storage by the object of Get-AzStorageAccount, once' {
        $az = [pscustomobject]@{ StorageAccountName = $account; ResourceGroupName = 'fhirdeid'; Location = 'westeurope' }
        ($az | Set-FhirExportStorage).Changes | Should -HaveCount 1
        ($az | Set-FhirExportStorage -EnableIdentity -GrantAccess).Changes | Should -BeNullOrEmpty
        (Get-FhirExportStorage).NetworkAccess | Should -Be Open
    }

    It 'ends with a service that exports' {
        $export = New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig | Start-FhirDeidExport research | Wait-FhirExport
        $export.Status | Should -Be Completed
        Test-FhirDeidReadiness | Where-Object Status -ne Passed | Should -BeNullOrEmpty
    }

    It 'is ready for an export by this configuration into that container' {
        $checks = Get-AnonymizationConfig | Select-Object -First 1 | Test-FhirDeidReadiness -Container research
        $checks | Where-Object Status -ne Passed | Should -BeNullOrEmpty
        $checks.Name | Should -Contain 'Export container'
        # Fixed words, of which the beginning is enough.
        $checks | Where-Object Status -eq Fail | Should -BeNullOrEmpty
    }

    It 'has commands that do as they stand' {
        function global:New-AzStorageContext { param($StorageAccountName, [switch] $UseConnectedAccount) $StorageAccountName }
        function global:New-AzStorageContainer { param($Name, $Context) $global:made = "$Name in $Context" }
        $check = Test-FhirDeidReadiness another | Where-Object Name -eq 'Export container'
        $check.Status | Should -Be Warning
        Invoke-Expression $check.Fix
        $made | Should -Be "another in $account"
        Remove-Item Function:New-AzStorageContext, Function:New-AzStorageContainer, Variable:global:made
    }

    It 'refuses storage that cannot be: <Name>' -ForEach @(
        @{ Name = 'nowhere'; Id = 'FhirDeid.StorageAccountNotFound' }
        @{ Name = 'fhirdeidelsewhere'; Id = 'FhirDeid.StorageInOtherSubscription' }
    ) {
        { Set-FhirExportStorage $Name -ErrorAction Stop } | Should -Throw -ErrorId "$Id,*"
    }

    It 'says who may assign roles' {
        $null = $emulator | Connect-FhirDeid -Emulator -ClientId no-owner
        { Grant-FhirExportAccess $account -PrincipalId 0a5b1d5e-7a0c-4f0e-9a43-6f2f3f0c7b11 -ErrorAction Stop } | Should -Throw -ErrorId 'FhirDeid.RoleAssignmentForbidden,*'
        $Error[0].ErrorDetails.RecommendedAction | Should -Match 'User Access Administrator.*New-AzRoleAssignment'
    }
}

Describe 'Runspaces' {
    It 'have connections of their own' {
        $other = Start-FhirDeidEmulator -PatientCount 1
        try {
            $uris = $emulator, $other | ForEach-Object -Parallel {
                Import-Module $using:module
                $null = $_ | Connect-FhirDeid -Emulator
                (Get-FhirDeidContext).FhirServiceUri -eq $_.FhirServiceUri
            }
            $uris | Should -Be $true, $true
        }
        finally {
            $other | Stop-FhirDeidEmulator
        }
    }
}
