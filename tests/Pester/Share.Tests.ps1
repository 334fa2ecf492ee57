#Requires -Modules @{ ModuleName = 'Pester'; ModuleVersion = '5.5' }
# Reading, cancelling and sharing exports against the emulator, in the PowerShell that runs this.

BeforeAll {
    $folder = $env:FHIRDEID_MODULE ? $env:FHIRDEID_MODULE : "$PSScriptRoot/../../artifacts/Debug/FhirDeid.PowerShell"
    Import-Module "$folder/FhirDeid.PowerShell.psd1" -Force
    # Not into the journal of whoever runs the tests.
    $env:FHIRDEID_JOURNAL = "$TestDrive/journal"
    $emulator = Start-FhirDeidEmulator -PatientCount 3
    $null = $emulator | Connect-FhirDeid -Emulator
    $published = New-AnonymizationConfig SafeHarbor | Publish-AnonymizationConfig
    $export = $published | Start-FhirDeidExport -Container research | Wait-FhirExport

    # A stranger: no credential; the emulator's certificate is not in the trust store.
    function Get-Link([string] $Uri) { Invoke-WebRequest $Uri -SkipCertificateCheck -NoProxy -SkipHttpErrorCheck }
    function Set-Link([string] $Uri) { Invoke-WebRequest $Uri -Method Put -Body 'x' -Headers @{ 'x-ms-blob-type' = 'BlockBlob' } -SkipCertificateCheck -NoProxy -SkipHttpErrorCheck }
    function Get-BlobUri($Link, [string] $Name) { $Link.Uri.GetLeftPart('Path') + "/$Name" + $Link.Uri.Query }
}

AfterAll {
    Remove-Item Env:FHIRDEID_JOURNAL
    Stop-FhirDeidEmulator
}

Describe 'Read-FhirExport' {
    It 'writes resources as text' {
        $patients = $export | Read-FhirExport -ResourceType Patient
        $patients.Count | Should -Be 3
        $patients | ForEach-Object { ($_ | ConvertFrom-Json).resourceType | Should -Be 'Patient' }
    }

    It 'writes them as objects' {
        ($export | Read-FhirExport Patient, Encounter -AsObject | Group-Object resourceType).Name | Should -Be 'Encounter', 'Patient'
    }

    It 'stops when the reader has enough' {
        $export | Read-FhirExport | Select-Object -First 1 | Should -Not -BeNullOrEmpty
    }

    It 'goes on from Clixml' {
        $export | Export-Clixml "$TestDrive/export.xml"
        (Import-Clixml "$TestDrive/export.xml" | Read-FhirExport Patient).Count | Should -Be 3
    }
}

Describe 'Get- and Stop-FhirExport' {
    It 'finds an export by its id' {
        (Get-FhirExport -JobId $export.JobId).Status | Should -Be 'Completed'
        (Get-FhirExport $export.StatusUri).ConfigETag | Should -Be $export.ConfigETag
    }

    It 'leaves a completed export alone' {
        $export | Stop-FhirExport -WarningVariable warnings -WarningAction SilentlyContinue
        $warnings | Should -Match 'nothing to cancel'
        ($export | Get-FhirExport).Status | Should -Be 'Completed'
    }

    It 'cancels a running one' {
        $running = $published | Start-FhirDeidExport -Container cancelled
        ($running | Stop-FhirExport -PassThru).Status | Should -Be 'Cancelled'
        { $running | Get-FhirExport -ErrorAction Stop } | Should -Throw -ErrorId 'FhirDeid.ExportNotFound,*'
    }
}

Describe 'New-ExportSasToken' {
    It 'makes a link that lists and reads, and does not write' {
        $link = $export | New-ExportSasToken -ExpiresIn 1:00:00
        $list = Get-Link ($link.Uri.AbsoluteUri + '&restype=container&comp=list')
        $list.StatusCode | Should -Be 200
        $name = [regex]::Match($list.Content, '<Name>([^<]*Patient-[^<]*)</Name>').Groups[1].Value
        (Get-Link (Get-BlobUri $link $name)).StatusCode | Should -Be 200
        (Set-Link (Get-BlobUri $link 'new.txt')).StatusCode | Should -Be 403
    }

    It 'makes a link that writes, and does not read' {
        $null = $published | Start-FhirDeidExport -Container inbox -ResourceType Patient | Wait-FhirExport
        $link = New-ExportSasToken inbox -Purpose Target -ExpiresIn 1:00:00
        (Set-Link (Get-BlobUri $link 'new.txt')).StatusCode | Should -Be 201
        (Get-Link (Get-BlobUri $link 'new.txt')).StatusCode | Should -Be 403
    }

    It 'shows its signature in no view, conversion or file' {
        $link = $export | New-ExportSasToken
        $signature = [regex]::Match($link.Token, 'sig=([^&]+)').Groups[1].Value
        $signature.Length | Should -BeGreaterThan 40
        $seen = ($link | Out-String -Width 1000) + ($link | Format-Table | Out-String -Width 1000) + ($link | Format-List | Out-String -Width 1000) + "$link" +
            ($export | New-ExportSasToken -Verbose 4>&1 | ForEach-Object { "$_" } | Out-String -Width 1000)
        $link | Export-Clixml "$TestDrive/link.xml"
        $seen += ($link | ConvertTo-Json), ($link | Select-Object * | ConvertTo-Csv), ($link | Format-List * -Force | Out-String -Width 1000), (Get-Content "$TestDrive/link.xml") -join "`n"
        $seen | Should -Match 'sig=\*\*\*'
        $seen | Should -Not -Match 'sig=[^*]'
    }

    It 'shares no keys' {
        { New-ExportSasToken anonymization -Force -ErrorAction Stop } | Should -Throw -ErrorId 'FhirDeid.ContainerHoldsKeys,*'
    }

    It 'refuses <What>' -ForEach @(
        @{ What = 'more than seven days'; Arguments = @{ ExpiresIn = '8.00:00:00' }; Id = 'ExpiryInvalid' }
        @{ What = 'an end in the past'; Arguments = @{ ExpiresIn = '-1:00:00' }; Id = 'ExpiryInvalid' }
        @{ What = 'a reversed range'; Arguments = @{ IPAddressRange = '203.0.113.9-203.0.113.7' }; Id = 'IPAddressRangeInvalid' }
        @{ What = 'IPv6'; Arguments = @{ IPAddressRange = '2001:db8::1' }; Id = 'IPAddressRangeInvalid' }
        @{ What = 'an unknown permission'; Arguments = @{ Permission = 'Everything' }; Id = 'PermissionInvalid' }
    ) {
        { New-ExportSasToken research @Arguments -ErrorAction Stop } | Should -Throw -ErrorId "FhirDeid.$Id,*"
    }

    It 'makes no link with -WhatIf' {
        $export | New-ExportSasToken -WhatIf | Should -BeNullOrEmpty
    }
}
