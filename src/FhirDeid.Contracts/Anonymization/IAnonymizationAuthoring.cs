namespace FhirDeid;

/// <summary>Changes configurations, and knows what can be written in them. Safe for several runspaces at once.</summary>
public interface IAnonymizationAuthoring
{
    /// <summary>Puts a rule into a configuration. Comments, unknown properties and their order stay as they are.</summary>
    /// <param name="config">The configuration; it is not changed.</param>
    /// <param name="rule">The rule, as JSON text: an object with <c>path</c>, <c>method</c> and the method's settings.</param>
    /// <param name="number">The number that it gets, from 1; rules from there on move by one.</param>
    /// <returns>The configuration with the rule.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>: the service would refuse it with this rule. <c>FhirDeid.KeyMissing</c>: a key that a rule uses is empty.</exception>
    AnonymizationConfig InsertRule(AnonymizationConfig config, string rule, int number);

    /// <summary>Removes rules from a configuration.</summary>
    /// <param name="config">The configuration; it is not changed.</param>
    /// <param name="numbers">The numbers of the rules, from 1.</param>
    /// <returns>The configuration without them.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>, <c>FhirDeid.KeyMissing</c>.</exception>
    AnonymizationConfig RemoveRules(AnonymizationConfig config, IReadOnlyCollection<int> numbers);

    /// <summary>Sets parameters of a configuration.</summary>
    /// <param name="config">The configuration; it is not changed.</param>
    /// <param name="parameters">Names and values, the values as JSON text; <c>processingErrors</c>, which stands beside the parameters, is one of them.</param>
    /// <returns>The configuration with the parameters.</returns>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ConfigInvalid</c>, <c>FhirDeid.KeyMissing</c>.</exception>
    AnonymizationConfig SetParameters(AnonymizationConfig config, IReadOnlyDictionary<string, string> parameters);

    /// <summary>Ways to go on with a path, from the R4 model.</summary>
    /// <param name="path">The beginning of a path, such as <c>Patient.na</c> or <c>nodesByType('H</c>.</param>
    /// <returns>Whole paths, sorted; none where the model knows no way on.</returns>
    IReadOnlyList<string> CompletePath(string path);

    /// <summary>Methods that act on what a path leads to.</summary>
    /// <param name="path">A path; where the model does not know what it leads to, all methods are answered.</param>
    /// <returns>Names of methods.</returns>
    IReadOnlyList<string> MethodsFor(string path);
}
