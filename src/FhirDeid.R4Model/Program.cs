using FhirDeid.R4Model;

using StreamWriter writer = new(args[0]) { NewLine = "\n" };
R4Table.Write(writer);
