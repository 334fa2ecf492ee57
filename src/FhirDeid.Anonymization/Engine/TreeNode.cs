using FhirDeid.Anonymization.FhirPath;
using FhirDeid.Anonymization.Plan;
using FhirDeid.Anonymization.Schema;

namespace FhirDeid.Anonymization.Engine;

/// <summary>A node of the current tree: a resource, an element, or a value with its <c>_</c> twin.</summary>
/// <remarks>Two of them are equal where they stand for the same place of the document.</remarks>
internal sealed class TreeNode(CurrentTree tree) : IFhirPathNode
{
    public const int None = -1;

    private string? _text;
    private bool _hasText;

    /// <summary>Token of the object or value; <see cref="None"/> for a primitive without a value, and for what a substitute has added.</summary>
    public int Value { get; private set; }

    /// <summary>Token of a primitive's id and extensions, or <see cref="None"/>.</summary>
    public int Twin { get; private set; }

    public TreeNode? Parent { get; private set; }

    /// <summary>The element it is a value of; null for a resource that stands alone.</summary>
    public FhirProperty? Property { get; private set; }

    public PlanState State { get; private set; } = null!;

    /// <summary>How many resources are around the one it belongs to.</summary>
    public int Depth { get; private set; }

    /// <summary>What a substitute gives to it; null where none has reached it.</summary>
    public ReplacementItem? Replacement { get; private set; }

    public string Name => Property?.Name ?? "";

    public FhirType Type => State.Type;

    public string? Text
    {
        get
        {
            if (!_hasText)
                (_text, _hasText) = (tree.Text(this), true);
            return _text;
        }
    }

    /// <summary>Token of the object that holds its children, or <see cref="None"/>.</summary>
    public int Object => Type.Kind == FhirTypeKind.Primitive ? Twin : Value;

    public void Set(TreeNode? parent, FhirProperty? property, PlanState state, int depth, int value, int twin, ReplacementItem? replacement = null)
    {
        (Parent, Property, State, Depth, Value, Twin, Replacement) = (parent, property, state, depth, value, twin, replacement);
        _hasText = false;
    }

    public void AddChildren(List<IFhirPathNode> children) => tree.AddChildren(this, null, children);

    public void AddChildren(string name, List<IFhirPathNode> children) => tree.AddChildren(this, name, children);

    public override bool Equals(object? obj) => ReferenceEquals(this, obj)
        || obj is TreeNode other && (Value, Twin) == (other.Value, other.Twin) && (Value, Twin) != (None, None);

    public override int GetHashCode() => HashCode.Combine(Value, Twin);
}
