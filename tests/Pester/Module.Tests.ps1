#Requires -Modules @{ ModuleName = 'Pester'; ModuleVersion = '5.5' }
# Drives the built module in the PowerShell that runs this. FHIRDEID_MODULE names its folder; without, that of the debug build.

BeforeDiscovery {
    $folder = $env:FHIRDEID_MODULE ? $env:FHIRDEID_MODULE : "$PSScriptRoot/../../artifacts/Debug/FhirDeid.PowerShell"
    $manifest = Import-PowerShellDataFile "$folder/FhirDeid.PowerShell.psd1"
    $commands = $manifest.CmdletsToExport | ForEach-Object { @{ Name = $_ } }
}

BeforeAll {
    $folder = $env:FHIRDEID_MODULE ? $env:FHIRDEID_MODULE : "$PSScriptRoot/../../artifacts/Debug/FhirDeid.PowerShell"
    $module = "$folder/FhirDeid.PowerShell.psd1"
    Import-Module $module -Force
}

Describe 'The module' {
    It 'exports what its manifest names, and nothing else' {
        $manifest = Import-PowerShellDataFile $module
        (Get-Command -Module FhirDeid.PowerShell -CommandType Cmdlet).Name | Sort-Object | Should -Be ($manifest.CmdletsToExport | Sort-Object)
        (Get-Module FhirDeid.PowerShell).ExportedAliases.Keys | Should -Be $manifest.AliasesToExport
    }

    It 'is a valid module for PowerShell 7.4' {
        $tested = Test-ModuleManifest $module
        $tested.PowerShellVersion | Should -Be '7.4'
        $tested.CompatiblePSEditions | Should -Be 'Core'
    }

    It '<Name> has help with its syntax' -ForEach $commands {
        (Get-Help $Name).Syntax | Out-String | Should -Match $Name
    }

    It 'imports in a process of its own' {
        $milliseconds = & ([System.Environment]::ProcessPath) -NoProfile -NonInteractive -Command "(Measure-Command { Import-Module '$module' -ErrorAction Stop }).TotalMilliseconds"
        $LASTEXITCODE | Should -Be 0
        # Reported, not judged: it depends on the machine.
        Write-Host "      import: $([int][double] $milliseconds) ms"
    }

    It 'can be imported again, and removed' {
        Import-Module $module -Force
        Remove-Module FhirDeid.PowerShell
        Get-Command Connect-FhirDeid -ErrorAction Ignore -Module FhirDeid.PowerShell | Should -BeNullOrEmpty
        Import-Module $module
        Get-Command Connect-FhirDeid | Should -Not -BeNullOrEmpty
    }
}

Describe 'Errors' {
    It 'have an id, a category and a recommended action' {
        Disconnect-FhirDeid
        $caught = $null
        try { Start-FhirDeidExport research -ConfigName c.json -ConfigETag '"1"' -ErrorAction Stop } catch { $caught = $_ }
        $caught.FullyQualifiedErrorId | Should -BeLike 'FhirDeid.*,*StartFhirDeidExportCommand'
        $caught.CategoryInfo.Category | Should -Not -Be 'NotSpecified'
        $caught.ErrorDetails.RecommendedAction | Should -Match 'Connect-FhirDeid'
    }

    It 'refuse a blank configuration name before anything is sent' {
        { Start-FhirDeidExport research -ConfigName ' ' -ConfigETag '"1"' } | Should -Throw -ErrorId 'ParameterArgumentValidationError,*'
    }

    It 'name a template that does not exist' {
        { New-AnonymizationConfig NoSuchTemplate -ErrorAction Stop } | Should -Throw -ErrorId 'FhirDeid.*'
    }
}

Describe 'Files on this machine' {
    It 'go through the pipeline by property name' {
        $config = New-AnonymizationConfig SafeHarbor
        $results = New-FhirSampleData "$TestDrive/raw" -PatientCount 2 | Invoke-FhirDeid -Destination "$TestDrive/research" -Configuration $config -PassThru
        $results.Count | Should -Be (Get-ChildItem "$TestDrive/raw").Count
        Get-Content "$TestDrive/research/Patient.ndjson" | ForEach-Object { ($_ | ConvertFrom-Json).id | Should -Match '^[0-9a-f]{64}$' }
    }

    It 'are also read with a configuration file, by relative path' {
        Push-Location $TestDrive
        try {
            $null = New-FhirSampleData raw2 -PatientCount 1
            '{ "fhirPathRules": [ { "path": "Resource", "method": "redact" } ], "parameters": {} }' | Set-Content rules.json
            (Invoke-FhirDeid ./raw2/Patient.ndjson -Destination out2 -Configuration ./rules.json -PassThru).Resources | Should -Be 1
            'out2/Patient.ndjson' | Should -Exist
        }
        finally { Pop-Location }
    }

    It 'are not written with -WhatIf' {
        New-FhirSampleData "$TestDrive/none" -WhatIf
        "$TestDrive/none" | Should -Not -Exist
        Invoke-FhirDeid "$TestDrive/raw/Patient.ndjson" -Destination "$TestDrive/none" -Configuration (New-AnonymizationConfig SafeHarbor) -WhatIf
        "$TestDrive/none" | Should -Not -Exist
    }

    It 'do not show keys' {
        $config = New-AnonymizationConfig SafeHarbor
        $key = ($config.ToJson() | ConvertFrom-Json).parameters.cryptoHashKey
        $key.Length | Should -BeGreaterThan 15
        ($config | Format-List * | Out-String -Width 500) + ($config | ConvertTo-Json -Depth 5) + "$config" | Should -Not -Match ([regex]::Escape($key))
    }
}

Describe 'Scripts of users' {
    It 'can mock a cmdlet' {
        function Invoke-Nightly { (Start-FhirDeidExport research -ConfigName c.json -ConfigETag '"1"' | Wait-FhirExport).Status }
        Mock Start-FhirDeidExport { [FhirDeid.FhirExport]@{ JobId = '7'; StatusUri = 'https://example.org/_operations/export/7' } }
        Mock Wait-FhirExport { [FhirDeid.FhirExport]@{ JobId = $JobId; Status = 'Completed' } }

        Invoke-Nightly | Should -Be 'Completed'
        Should -Invoke Wait-FhirExport -Times 1 -Exactly
    }
}
