using System.Text.RegularExpressions;

namespace FhirDeid.Anonymization.FhirPath;

/// <summary>A FHIRPath expression, compiled once and shared by threads.</summary>
/// <remarks>The meaning is that of the service, which runs on the Firely SDK 5: docs/compatibility.md, "FHIRPath", names what differs.</remarks>
internal sealed class FhirPathExpression
{
    private readonly Step _root;

    private FhirPathExpression(Step root) => _root = root;

    /// <summary>Whether nodes of the data can come out; false where every result is computed, such as that of <c>exists()</c> or of an operator.</summary>
    public bool YieldsNodes => _root.YieldsNodes;

    /// <summary>Compiles an expression.</summary>
    /// <param name="expression">FHIRPath with this engine's nodesByType() and nodesByName().</param>
    /// <param name="clock">What now(), today() and timeOfDay() tell; the system's where it is null.</param>
    /// <exception cref="FormatException">It is no FHIRPath, or uses what is not supported; the message says what and where.</exception>
    public static FhirPathExpression Compile(string expression, TimeProvider? clock = null)
    {
        Step root = new FhirPathParser(expression, clock ?? TimeProvider.System).Parse();
        root.FollowNodes();
        return new FhirPathExpression(root);
    }

    /// <summary>Adds the nodes an expression leads to, each once, in the order of evaluation. Computed values are dropped.</summary>
    /// <param name="focus">Node where the expression starts.</param>
    /// <param name="nodes">Receives the nodes. Two objects for one node must be equal.</param>
    /// <param name="resource">What <c>%resource</c> is; the focus where it is a resource itself.</param>
    /// <exception cref="FhirPathException">The expression fails on this data.</exception>
    public void Select(IFhirPathNode focus, List<IFhirPathNode> nodes, IFhirPathNode? resource = null)
    {
        Evaluation evaluation = Evaluation.Rent(focus, resource);
        ValueList values = Run(evaluation);
        int start = nodes.Count;
        HashSet<IFhirPathNode>? seen = values.Count > 16 ? new(values.Count) : null;
        for (int i = 0; i < values.Count; i++)
        {
            if (values[i].Node is { } node && (seen is null ? nodes.IndexOf(node, start) < 0 : seen.Add(node)))
                nodes.Add(node);
        }
        evaluation.Return(values);
    }

    /// <summary>Whether an expression is exactly true; an empty result is not.</summary>
    /// <param name="focus">Node where the expression starts.</param>
    /// <param name="resource">What <c>%resource</c> is; the focus where it is a resource itself.</param>
    /// <exception cref="FhirPathException">The expression fails on this data, or has several results.</exception>
    public bool IsTrue(IFhirPathNode focus, IFhirPathNode? resource = null) =>
        TrySingle(focus, out FhirPathValue value, resource) && value is { Kind: FhirPathKind.Boolean, Boolean: true };

    /// <summary>The one value of an expression; of a node of the data its primitive value.</summary>
    /// <param name="focus">Node where the expression starts.</param>
    /// <param name="value">The value; never a node.</param>
    /// <param name="resource">What <c>%resource</c> is; the focus where it is a resource itself.</param>
    /// <returns>Whether there is a value.</returns>
    /// <exception cref="FhirPathException">The expression fails on this data, has several results, or leads to an element that is no primitive.</exception>
    public bool TrySingle(IFhirPathNode focus, out FhirPathValue value, IFhirPathNode? resource = null)
    {
        Evaluation evaluation = Evaluation.Rent(focus, resource);
        ValueList values = Run(evaluation);
        if (values.Count > 1)
            throw new FhirPathException("the expression has several results where one is needed");
        value = values.Count == 0 ? default : values[0].System;
        evaluation.Return(values);
        if (value.Kind == FhirPathKind.Node)
            throw new FhirPathException($"the expression leads to a {value.Node!.Type.Name}, which is no primitive value");
        return value.Kind != FhirPathKind.None;
    }

    private ValueList Run(Evaluation evaluation)
    {
        ValueList values = evaluation.RentList();
        try
        {
            Scope scope = evaluation.Start();
            _root.Evaluate(in scope, values);
            return values;
        }
        catch (RegexMatchTimeoutException)
        {
            throw new FhirPathException("a regular expression takes too long");
        }
        catch (ArithmeticException)
        {
            throw new FhirPathException("a number is out of range");
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or InvalidOperationException or InvalidCastException or NotSupportedException)
        {
            // Their messages quote values.
            throw new FhirPathException("an operator or function cannot be applied to a value");
        }
    }
}
