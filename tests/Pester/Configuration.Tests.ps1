#Requires -Modules @{ ModuleName = 'Pester'; ModuleVersion = '5.5' }
# Configuration files, in the PowerShell that runs this.

BeforeAll {
    $folder = $env:FHIRDEID_MODULE ? $env:FHIRDEID_MODULE : "$PSScriptRoot/../../artifacts/Debug/FhirDeid.PowerShell"
    Import-Module "$folder/FhirDeid.PowerShell.psd1" -Force
    # Not into the journal of whoever runs the tests.
    $env:FHIRDEID_JOURNAL = "$TestDrive/journal"
    $config = New-AnonymizationConfig SafeHarbor
    '{ "fhirPathRules": [ { "path": "Patient.name", "method": "redakt" } ] }' | Set-Content "$TestDrive/unsound.json"
    '{ "fhirPathRules": [ { "path": "Patient.name" } ] }' | Set-Content "$TestDrive/incomplete.json"
    '{ "fhirPathRules": [ { "path": "Resource", "method": "keep" } ] }' | Set-Content "$TestDrive/keep.json"
}

Describe 'Configuration files' {
    It 'come back as they were written' {
        $config | Export-AnonymizationConfig "$TestDrive/study.json"
        (Import-AnonymizationConfig "$TestDrive/study.json").Sha256 | Should -Be $config.Sha256
        (Get-Item "$TestDrive/study.json" | Import-AnonymizationConfig).Name | Should -Be 'study.json'
        (Get-FileHash "$TestDrive/study.json").Hash | Should -Be $config.Sha256
    }

    It 'can be read by their owner alone' -Skip:$IsWindows {
        (Get-Item "$TestDrive/study.json").UnixMode | Should -Be '-rw-------'
    }

    It 'are replaced by -Force alone' {
        { $config | Export-AnonymizationConfig "$TestDrive/study.json" -ErrorAction Stop } | Should -Throw -ErrorId 'FhirDeid.FileExists,*'
        $config | Export-AnonymizationConfig "$TestDrive/study.json" -Force
    }

    It 'are not written with -WhatIf' {
        $config | Export-AnonymizationConfig "$TestDrive/none.json" -WhatIf
        "$TestDrive/none.json" | Should -Not -Exist
    }

    It 'are tested' {
        $findings = Test-AnonymizationConfig "$TestDrive/unsound.json"
        $findings.Id | Should -Contain 'MethodUnknown'
        $findings | Out-String | Should -Match 'Severity +Line +Rule +Id +Message'
        Test-AnonymizationConfig "$TestDrive/unsound.json" -Quiet | Should -BeFalse
        Get-Item "$TestDrive/study.json" | Test-AnonymizationConfig -Quiet | Should -BeTrue
        $config | Test-AnonymizationConfig -Quiet | Should -BeTrue
    }

    It 'are taken as objects, paths and JSON text alike' {
        $json = Get-Content "$TestDrive/study.json" -Raw
        foreach ($given in $config, "$TestDrive/study.json", (Get-Item "$TestDrive/study.json"), $json) {
            ($given | Add-AnonymizationRule Patient.gender redact -Before 1).Rules.Count | Should -Be ($config.Rules.Count + 1)
            Test-AnonymizationConfig -Config $given -Quiet | Should -BeTrue
            Compare-AnonymizationConfig $config $given | Should -BeNullOrEmpty
            ('{"resourceType":"Patient","gender":"male"}' | Compare-FhirDeidResource -Config $given -WarningAction SilentlyContinue) | Should -BeNullOrEmpty
            '{"resourceType":"Patient","gender":"male"}' | Invoke-FhirDeid -Config $given | Should -Be '{"resourceType":"Patient","gender":"male"}'
        }
        { Export-AnonymizationConfig -Config "$TestDrive/stduy.json" "$TestDrive/x.json" -ErrorAction Stop } | Should -Throw -ErrorId 'FhirDeid.FileUnreadable,*'
    }

    It 'have one name as parameters' {
        $cmdlets = Get-Command -Module FhirDeid.PowerShell | Where-Object { $_.Parameters.Values.ParameterType.Name -contains 'AnonymizationConfigArgument' }
        $cmdlets.Count | Should -BeGreaterThan 8
        $cmdlets | Where-Object { -not $_.Parameters.ContainsKey('Config') } | ForEach-Object Name | Should -Be 'Compare-AnonymizationConfig'
    }

    It 'of a template have no finding' {
        foreach ($template in 'SafeHarbor', 'LimitedDataSet', 'RedactAll') { New-AnonymizationConfig $template | Test-AnonymizationConfig | Should -BeNullOrEmpty }
    }

    It 'that are unsound are not imported' {
        Set-Content "$TestDrive/incomplete.json" '{ "fhirPathRules": [ { "path": "Patient.name" } ] }'
        { Import-AnonymizationConfig "$TestDrive/incomplete.json" -ErrorAction Stop } | Should -Throw -ErrorId 'FhirDeid.ConfigInvalid,*'
    }

    It 'with an unknown method are imported with a warning, as the service takes them' {
        "$((Import-AnonymizationConfig "$TestDrive/unsound.json").Warnings)" | Should -Match "'.+' is not supported"
    }
}

Describe 'Configurations in the pipeline' {
    It 'are written rule by rule' {
        $written = New-AnonymizationConfig Empty |
            Add-AnonymizationRule Patient.name redact |
            Add-AnonymizationRule Resource.id cryptoHash -Before Patient.name |
            Add-AnonymizationRule Observation.value perturb -Span 0.1 -RangeType proportional |
            Set-AnonymizationParameter -EnablePartialDatesForRedact $true
        $written.Rules.Path | Should -Be 'Resource.id', 'Patient.name', 'Observation.value'
        $json = $written.ToJson() | ConvertFrom-Json
        $json.fhirPathRules[2].rangeType | Should -Be 'proportional'
        $json.parameters.enablePartialDatesForRedact | Should -BeTrue
        ($written | Remove-AnonymizationRule 1, Observation.value).Rules.Path | Should -Be 'Patient.name'
        $written | Test-AnonymizationConfig -Quiet | Should -BeTrue
    }

    It 'warn of a rule that comes too late' {
        $null = New-AnonymizationConfig SafeHarbor | Add-AnonymizationRule Patient.maritalStatus.text keep -WarningVariable late -WarningAction SilentlyContinue
        $null = New-AnonymizationConfig SafeHarbor | Add-AnonymizationRule Patient.maritalStatus.text keep -Before Resource -WarningVariable early
        $late | Should -Match 'never decides'
        $early | Should -BeNullOrEmpty
    }

    It 'show what their rules do, in the form that they are written by' {
        $cases = [ordered]@{ '$this < @1950' = '@1940'; '$this < @2000' = '@1975' }
        $written = New-AnonymizationConfig Empty |
            Add-AnonymizationRule "nodesByType('Extension')" redact |
            Add-AnonymizationRule Patient.birthDate generalize -Cases $cases -OtherValues keep |
            Add-AnonymizationRule Patient.gender substitute -ReplaceWith unknown |
            Add-AnonymizationRule Patient.name substitute -ReplaceWith @{ text = 'x' } |
            Add-AnonymizationRule Observation.value perturb -Span 0.1 -RangeType proportional |
            Set-AnonymizationParameter -ProcessingErrors skip
        $written.ProcessingErrors | Should -Be 'skip'
        ($written.ToJson() | ConvertFrom-Json).processingErrors | Should -Be 'skip'
        $rules = $written.Rules
        "$($rules[1].Cases.Keys)" | Should -Be "$($cases.Keys)"
        $rules[1].Cases['$this < @2000'] | Should -Be '@1975'
        $rules[1].OtherValues | Should -Be 'keep'
        $rules[2].ReplaceWith | Should -Be 'unknown'
        ($rules[3].ReplaceWith | ConvertFrom-Json).text | Should -Be 'x'
        "$($rules[4].Span) $($rules[4].RangeType) $($rules[4].RoundTo)" | Should -Be '0.1 proportional 2'
        $rules[0].Cases | Should -BeNullOrEmpty
        (New-AnonymizationConfig Empty | Add-AnonymizationRule Patient.birthDate generalize -Cases $rules[1].Cases -WarningAction SilentlyContinue).Rules[0].Cases.Count | Should -Be 2
    }

    It 'show no key' {
        $shown = $config | Add-AnonymizationRule Patient.active redact -Before 1 -Verbose -Debug 4>&1 5>&1 | ForEach-Object { $_; "$_"; $_ | Format-List * | Out-String }
        $keys = [regex]::Matches($config.ToJson(), '(?<="\w+Key": ")\w+').Value
        $keys.Count | Should -Be 3
        $keys | ForEach-Object { $shown | Out-String | Should -Not -Match $_ }
    }

    It 'complete <Line>' -ForEach @(
        @{ Line = 'Add-AnonymizationRule -Path Patient.na'; Text = 'Patient.name' }
        @{ Line = 'Add-AnonymizationRule "nodesByType(''Hum'; Text = '"nodesByType(''HumanName'')"' }
        @{ Line = 'Add-AnonymizationRule -Path Observation.value.ofT'; Text = '"Observation.value.ofType(Quantity)"' }
        @{ Line = 'Add-AnonymizationRule Patient.birthDate -Method d'; Text = 'dateShift' }
        @{ Line = 'New-AnonymizationConfig -Template l'; Text = 'LimitedDataSet' }
    ) {
        (TabExpansion2 $Line $Line.Length).CompletionMatches.CompletionText | Should -Contain $Text
    }

    It 'are explained' {
        Get-Help about_FhirDeid_Configurations | Out-String | Should -Match 'Which rule decides'
    }
}

Describe 'What configurations do' {
    BeforeAll {
        $null = New-FhirSampleData "$TestDrive/raw" -PatientCount 2
        '{ "fhirVersion": "R4", "fhirPathRules": [ { "path": "Patient.nmae", "method": "redact" }, { "path": "Patient.birthDate", "method": "redact" } ] }' | Set-Content "$TestDrive/study-8.json"
    }

    It 'ends a script that stops at errors' {
        { Test-AnonymizationConfig "$TestDrive/unsound.json" -ErrorAction Stop } | Should -Throw -ErrorId 'FhirDeid.ConfigInvalid,*'
        (Test-AnonymizationConfig "$TestDrive/study-8.json" -ErrorAction Stop).Id | Should -Contain 'ElementUnknown'
    }

    It 'is told for every identifier on one screen' {
        $coverage = $config | Test-AnonymizationConfig -Coverage
        $coverage.Category | Should -Be @('A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'A-R')
        ($coverage | Out-String -Width 100).Trim().Split("`n").Count | Should -BeLessThan 25
        ($coverage.Unchanged | Measure-Object -Sum).Sum | Should -Be 0
    }

    It 'is told of the data of a user' {
        $elements = (Test-AnonymizationConfig "$TestDrive/study-8.json" -Coverage -ResourceType Patient -SampleData "$TestDrive/raw").Elements
        ($elements | Where-Object Path -eq 'Patient.name.family').Found | Should -BeGreaterThan 1
        ($elements | Where-Object Path -eq 'Patient.birthDate').Effect | Should -Be 'Removed'
    }

    It 'is not told of data without -Coverage' {
        { $config | Test-AnonymizationConfig -SampleData "$TestDrive/raw" } | Should -Throw -ErrorId 'FhirDeid.CoverageRequired,*'
        $null = New-Item "$TestDrive/nothing" -ItemType Directory
        { $config | Test-AnonymizationConfig -Coverage -SampleData "$TestDrive/nothing" -ErrorAction Stop } | Should -Throw -ErrorId 'FhirDeid.FileNotFound,*'
    }

    It 'is shown for folders and packed files' {
        $packed = [IO.Compression.GZipStream]::new([IO.File]::Create("$TestDrive/Patient.ndjson.gz"), [IO.Compression.CompressionLevel]::Optimal)
        try { $packed.Write([IO.File]::ReadAllBytes("$TestDrive/raw/Patient.ndjson")) } finally { $packed.Dispose() }
        $plain = Compare-FhirDeidResource -Path "$TestDrive/raw/Patient.ndjson" $config -WarningAction SilentlyContinue
        $unpacked = Get-Item "$TestDrive/Patient.ndjson.gz" | Compare-FhirDeidResource $config -WarningAction SilentlyContinue
        "$($unpacked.Path)" | Should -Be "$($plain.Path)"
        $all = Get-Item "$TestDrive/raw" | Compare-FhirDeidResource $config -WarningAction SilentlyContinue
        ($all.ResourceType | Sort-Object -Unique).Count | Should -Be (Get-ChildItem "$TestDrive/raw/*.ndjson").Count
    }

    It 'is not told of a sample that nobody has seen' {
        Compare-FhirDeidResource -Path "$TestDrive/none.ndjson" $config -ErrorVariable missing -WarningVariable idle -ErrorAction SilentlyContinue -WarningAction SilentlyContinue
        $missing.FullyQualifiedErrorId | Should -BeLike 'FhirDeid.PathNotFound,*'
        $idle | Should -BeNullOrEmpty
        '{"resourceType":"Patient","gender":"male"}', '{"resourceType":"Patient","secret":1}' | Compare-FhirDeidResource $config -ErrorVariable invalid -ErrorAction SilentlyContinue -WarningAction SilentlyContinue
        "$invalid" | Should -BeLike 'Resource 2 of the pipeline: Patient: *'
        "$TestDrive/raw" | Compare-FhirDeidResource $config -ErrorVariable path -ErrorAction SilentlyContinue
        $path.FullyQualifiedErrorId | Should -BeLike 'FhirDeid.ResourceExpected,*'
    }

    It 'is shown value by value' {
        $changes = Get-Content "$TestDrive/raw/Patient.ndjson" | Compare-FhirDeidResource "$TestDrive/study-8.json" -WarningVariable idle -WarningAction SilentlyContinue
        $changes | Where-Object { $_.Path -eq 'Patient.birthDate' -and $_.After } | Should -BeNullOrEmpty
        $changes.Path | Should -Contain 'Patient.birthDate'
        ($changes | Where-Object Path -eq 'Patient.meta.security[0]').Before | Should -BeNullOrEmpty
        "$idle" | Should -Match 'nothing in the sample: 1'
        $changes | Out-String | Should -Match 'Resource: Patient/'
        (Get-Item "$TestDrive/raw/Patient.ndjson" | Compare-FhirDeidResource $config -Summary).Count | Should -Be $config.Rules.Count
    }

    It 'is compared by its effect' {
        $change = Compare-AnonymizationConfig $config ($config | Add-AnonymizationRule Patient.gender redact -Before 1)
        $change.Element | Should -Be 'Patient.gender'
        $change.Change | Should -Be 'Stronger'
        Compare-AnonymizationConfig $config $config | Should -BeNullOrEmpty
    }
}

Describe 'Published configurations' {
    BeforeAll {
        $emulator = Start-FhirDeidEmulator -PatientCount 1
        $null = $emulator | Connect-FhirDeid -Emulator
    }

    AfterAll {
    Remove-Item Env:FHIRDEID_JOURNAL
        Stop-FhirDeidEmulator
    }

    It 'are none at first' {
        Get-AnonymizationConfig | Should -BeNullOrEmpty
    }

    It 'are listed with what pins them' {
        $published = $config | Publish-AnonymizationConfig
        $listed = Get-AnonymizationConfig Safe*
        $listed.ConfigETag | Should -Be $published.ConfigETag
        $listed.ConfigSha256 | Should -Be $config.Sha256
        (Get-AnonymizationConfig SafeHarbor.json | Start-FhirDeidExport -Container research | Wait-FhirExport).Status | Should -Be 'Completed'
    }

    It 'are published from a path' {
        $config | Export-AnonymizationConfig "$TestDrive/study-9.json"
        (Publish-AnonymizationConfig "$TestDrive/study-9.json").ConfigSha256 | Should -Be $config.Sha256
        { Publish-AnonymizationConfig "$TestDrive/stduy-9.json" -ErrorAction Stop } | Should -Throw -ErrorId 'FhirDeid.FileUnreadable,*'
    }

    It 'are fetched with their keys' {
        (Get-AnonymizationConfig SafeHarbor.json -Download).ToJson() | Should -Be $config.ToJson()
    }

    It 'can have their hash in their name' {
        ($config | Publish-AnonymizationConfig -ContentAddressed).ConfigName | Should -Be "SafeHarbor-$($config.Sha256).json"
    }

    It 'have no errors' {
        { Publish-AnonymizationConfig -Path "$TestDrive/unsound.json" -ErrorAction Stop } | Should -Throw -ErrorId 'FhirDeid.ConfigInvalid,*'
    }

    It 'never keep everything' {
        { Publish-AnonymizationConfig -Path "$TestDrive/keep.json" -ErrorAction Stop } | Should -Throw -ErrorId 'FhirDeid.ConfigKeepsEverything,*'
    }
}
