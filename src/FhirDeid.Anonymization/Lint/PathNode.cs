namespace FhirDeid.Anonymization.Lint;

/// <summary>A part of a FHIRPath expression.</summary>
/// <param name="Start">Offset of its name or sign in the expression.</param>
internal abstract record PathNode(int Start);

/// <summary>An element name, or a type name at the start of an expression.</summary>
/// <param name="Start">Offset of the name.</param>
/// <param name="Focus">What it is taken of; null at the start of an expression.</param>
/// <param name="Name">The name.</param>
internal sealed record NameNode(int Start, PathNode? Focus, string Name) : PathNode(Start);

/// <summary>A function.</summary>
/// <param name="Start">Offset of the name.</param>
/// <param name="Focus">What it is applied to; null at the start of an expression.</param>
/// <param name="Name">The function's name.</param>
/// <param name="Arguments">Its arguments.</param>
internal sealed record CallNode(int Start, PathNode? Focus, string Name, IReadOnlyList<PathNode> Arguments) : PathNode(Start);

/// <summary>An index in brackets.</summary>
internal sealed record IndexNode(int Start, PathNode Focus, PathNode Index) : PathNode(Start);

/// <summary>An operator between two expressions.</summary>
internal sealed record OperatorNode(int Start, string Sign, PathNode Left, PathNode Right) : PathNode(Start);

/// <summary><c>is</c> or <c>as</c> with a type.</summary>
internal sealed record TypeNode(int Start, PathNode Focus, bool IsTest, string TypeName) : PathNode(Start);

/// <summary>A plus or minus before an expression.</summary>
internal sealed record SignNode(int Start, PathNode Operand) : PathNode(Start);

/// <summary>A literal; <paramref name="Text"/> is that of a string and null for anything else.</summary>
internal sealed record LiteralNode(int Start, string? Text) : PathNode(Start);

/// <summary><c>$this</c>, <c>$index</c>, <c>$total</c> or an environment variable.</summary>
internal sealed record VariableNode(int Start, string Name) : PathNode(Start);
