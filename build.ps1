#!/usr/bin/env pwsh
#Requires -Version 7.4
<#
.SYNOPSIS
The front door for people who have pwsh; dotnet build, dotnet test and dotnet run do the work.
.PARAMETER Task
Build     builds everything and lays the module out in artifacts.
Test      runs dotnet test.
Pester    builds, and runs the Pester suite in this PowerShell.
Demo      builds, and runs samples/lab.ps1 in this PowerShell.
Package   builds for release and packs the module into artifacts/FhirDeid.PowerShell-<version>.zip.
Install   builds for release and copies the module to your own module folder.
#>
[CmdletBinding()]
param(
    [Parameter(Position = 0)]
    [ValidateSet('Build', 'Test', 'Pester', 'Demo', 'Package', 'Install')]
    [string] $Task = 'Build',

    [ValidateSet('Debug', 'Release')]
    [string] $Configuration = ($Task -in 'Package', 'Install') ? 'Release' : 'Debug'
)
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $true

$module = "$PSScriptRoot/artifacts/$Configuration/FhirDeid.PowerShell"
$version = (Import-PowerShellDataFile "$PSScriptRoot/module/FhirDeid.PowerShell.psd1").ModuleVersion
function Build-Module { dotnet build "$PSScriptRoot/src/FhirDeid.PowerShell" --configuration $Configuration }

switch ($Task) {
    'Build' { dotnet build "$PSScriptRoot/FhirDeid.PowerShell.sln" --configuration $Configuration }
    'Test' { Push-Location $PSScriptRoot; try { dotnet test } finally { Pop-Location } }
    'Pester' {
        Build-Module
        $env:FHIRDEID_MODULE = $module
        if ((Invoke-Pester "$PSScriptRoot/tests/Pester", "$PSScriptRoot/samples" -PassThru -Output Detailed).Result -ne 'Passed') { throw 'The Pester suite did not pass.' }
    }
    'Demo' { Build-Module; Import-Module $module -Force; & "$PSScriptRoot/samples/lab.ps1" }
    'Package' { Build-Module; Compress-Archive $module "$PSScriptRoot/artifacts/FhirDeid.PowerShell-$version.zip" -Force }
    'Install' {
        Build-Module
        $modules = ($env:PSModulePath -split [System.IO.Path]::PathSeparator)[0]
        $target = New-Item "$modules/FhirDeid.PowerShell/$version" -ItemType Directory -Force
        Copy-Item "$module/*" $target -Recurse -Force
        "Installed in $target. Import-Module FhirDeid.PowerShell"
    }
}
