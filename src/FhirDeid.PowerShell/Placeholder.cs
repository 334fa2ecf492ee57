namespace FhirDeid.PowerShell;
