namespace FhirDeid.Tests;
