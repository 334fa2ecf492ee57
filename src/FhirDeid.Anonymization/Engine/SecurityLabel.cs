namespace FhirDeid.Anonymization.Engine;

/// <summary>What was done to a resource, in the order in which labels are added.</summary>
[Flags]
internal enum Operations : byte
{
    None = 0,
    Redact = 1,
    Abstract = 2,
    CryptoHash = 4,
    Encrypt = 8,
    Perturb = 16,
    Substitute = 32,
    Generalize = 64,
}

/// <summary>The coding in <c>meta.security</c> that says what was done.</summary>
/// <param name="Operation">What was done.</param>
/// <param name="System">Code system, or empty.</param>
/// <param name="Code">Code.</param>
/// <param name="Json">The whole coding, as JSON.</param>
internal sealed record SecurityLabel(Operations Operation, byte[] System, byte[] Code, byte[] Json)
{
    // http://terminology.hl7.org/CodeSystem/v3-ObservationValue has the codes; CRYTOHASH is its own spelling.
    public static IReadOnlyList<SecurityLabel> All { get; } =
    [
        ObservationValue(Operations.Redact, "REDACTED", "redacted"),
        ObservationValue(Operations.Abstract, "ABSTRED", "abstracted"),
        ObservationValue(Operations.CryptoHash, "CRYTOHASH", "cryptographic hash function"),
        ObservationValue(Operations.Encrypt, "MASKED", "masked"),
        WithoutSystem(Operations.Perturb, "PERTURBED", "exact value is replaced with another exact value"),
        WithoutSystem(Operations.Substitute, "SUBSTITUTED", "exact value is replaced with a predefined value"),
        WithoutSystem(Operations.Generalize, "GENERALIZED", "exact value is replaced with a general value"),
    ];

    private static SecurityLabel ObservationValue(Operations operation, string code, string display)
    {
        const string CodeSystem = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
        return new SecurityLabel(operation, Utf8(CodeSystem), Utf8(code), Utf8($$"""{"system":"{{CodeSystem}}","code":"{{code}}","display":"{{display}}"}"""));
    }

    private static SecurityLabel WithoutSystem(Operations operation, string code, string display) =>
        new(operation, [], Utf8(code), Utf8($$"""{"code":"{{code}}","display":"{{display}}"}"""));

    private static byte[] Utf8(string text) => global::System.Text.Encoding.UTF8.GetBytes(text);
}
