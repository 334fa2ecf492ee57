#Requires -Modules @{ ModuleName = 'Pester'; ModuleVersion = '5.5' }
# The journey against the emulator, in the PowerShell that runs this.

BeforeAll {
    $folder = $env:FHIRDEID_MODULE ? $env:FHIRDEID_MODULE : "$PSScriptRoot/../../artifacts/Debug/FhirDeid.PowerShell"
    $module = "$folder/FhirDeid.PowerShell.psd1"
    Import-Module $module -Force
    # Not into the journal of whoever runs the tests.
    $env:FHIRDEID_JOURNAL = "$TestDrive/journal"
    $emulator = Start-FhirDeidEmulator -PatientCount 3
    $context = $emulator | Connect-FhirDeid -Emulator
    $published = New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig
    $export = $published | Start-FhirDeidExport -Container research | Wait-FhirExport
}

AfterAll {
    Remove-Item Env:FHIRDEID_JOURNAL
    Stop-FhirDeidEmulator
}

Describe 'A de-identified export' {
    It 'is connected to the emulator' {
        $context.FhirServiceUri | Should -Be $emulator.FhirServiceUri
        (Get-FhirDeidContext).Credential | Should -Be 'Emulator'
    }

    It 'completes with the configuration that was published' {
        $export.Status | Should -Be 'Completed'
        $export.ConfigETag | Should -Be $published.ConfigETag
        $export.ConfigSha256 | Should -Be $published.ConfigSha256
        $export.Request.Query | Should -Match '_anonymizationConfig=SafeHarbor.json'
    }

    It 'is downloaded' {
        $files = $export | Receive-FhirExport -Destination "$TestDrive/live"
        ($files | Where-Object ResourceType -eq Patient).Count | Should -Be 3
        $files | ForEach-Object { (Get-FileHash $_.FullName).Hash | Should -Be $_.Sha256 }
    }

    It 'is verified without a connection, and told when it was changed' {
        $export | Receive-FhirExport "$TestDrive/verified"
        (Receive-FhirExport "$TestDrive/verified" -Verify).Count | Should -Be $export.Output.Count
        Add-Content "$TestDrive/verified/Patient-1.ndjson" 'x'
        { Receive-FhirExport "$TestDrive/verified" -Verify -ErrorAction Stop } | Should -Throw -ErrorId 'FhirDeid.FileChanged,*'
    }

    It 'is listed in any session' {
        (Get-FhirExport | Where-Object JobId -eq $export.JobId).Status | Should -Be 'Completed'
    }

    It 'is what the next one goes on from' {
        $next = $published | Start-FhirDeidExport -Container research -Since $export | Wait-FhirExport -WarningAction SilentlyContinue
        $next.Request.Query | Should -Match "_since=$($export.TransactionTime.ToString('yyyy-MM-dd'))"
    }

    It 'is not downloaded with -WhatIf' {
        $export | Receive-FhirExport -Destination "$TestDrive/none" -WhatIf
        "$TestDrive/none" | Should -Not -Exist
    }

    It 'is not started with -WhatIf' {
        $published | Start-FhirDeidExport -Container research -WhatIf | Should -BeNullOrEmpty
    }

    It 'goes on from Clixml' {
        $export | Export-Clixml "$TestDrive/export.xml"
        (Import-Clixml "$TestDrive/export.xml" | Wait-FhirExport).Status | Should -Be 'Completed'
        (Import-Clixml "$TestDrive/export.xml" | Receive-FhirExport "$TestDrive/clixml").Count | Should -Be $export.Output.Count
    }

    It 'goes on from JSON' {
        $json = $export | ConvertTo-Json -Depth 5
        ($json | ConvertFrom-Json | Wait-FhirExport).Status | Should -Be 'Completed'
        ($json | ConvertFrom-Json | Receive-FhirExport "$TestDrive/json").Count | Should -Be $export.Output.Count
    }

    It 'is shown in a table and a list' {
        $export | Out-String | Should -Match 'JobId +Status +Container +Files +StartedAt'
        $export | Format-List | Out-String | Should -Match 'ConfigSha256 +: [0-9a-f]{64}'
    }

    It 'stops when the reader has enough' {
        ($export | Receive-FhirExport "$TestDrive/first" | Select-Object -First 1).FullName | Should -Exist
    }

    It 'is removed with its files, which WhatIf lists' {
        $removed = $published | Start-FhirDeidExport -Container removed -ResourceType Patient | Wait-FhirExport
        $removed | Remove-FhirExport -DeleteFiles -WhatIf
        ($removed | Get-FhirExport).Status | Should -Be 'Completed'
        $removed | Remove-FhirExport -DeleteFiles -Confirm:$false | Should -BeNullOrEmpty
        Get-FhirExport | Where-Object JobId -eq $removed.JobId | Should -BeNullOrEmpty
        { $removed | Get-FhirExport -ErrorAction Stop } | Should -Throw -ErrorId 'FhirDeid.ExportNotFound,*'
    }
}

Describe 'Several runspaces' {
    It 'connect for themselves' {
        $results = 1..3 | ForEach-Object -ThrottleLimit 3 -Parallel {
            Import-Module $using:module
            $before = Get-FhirDeidContext
            $null = $using:emulator | Connect-FhirDeid -Emulator
            $published = New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig -Name "parallel-$_.json"
            $export = $published | Start-FhirDeidExport -Container "parallel$_" -ResourceType Patient | Wait-FhirExport
            [pscustomobject]@{ Before = $before; Status = "$($export.Status)"; Container = $export.Container; Connected = [bool] (Get-FhirDeidContext) }
        }
        $results.Before | Should -BeNullOrEmpty
        $results.Status | Should -Be 'Completed', 'Completed', 'Completed'
        $results.Container | Sort-Object | Should -Be 'parallel1', 'parallel2', 'parallel3'
        Get-FhirDeidContext | Should -Not -BeNullOrEmpty
    }
}
