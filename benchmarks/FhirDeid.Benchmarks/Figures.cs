using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FhirDeid.Benchmarks;

/// <summary>One figure of the table.</summary>
/// <param name="Name">What it says.</param>
/// <param name="Data">Which data it was measured on.</param>
/// <param name="Value">The figure, or null where it was not run.</param>
/// <param name="Bar">What it has to reach, or null.</param>
/// <param name="IsMore">Whether more is better.</param>
/// <param name="Format">How it is written.</param>
internal sealed record Figure(string Name, string Data, double? Value, double? Bar, bool IsMore, string Format = "0.00")
{
    /// <summary>Key in the baseline.</summary>
    public string Key => $"{Name} ({Data})";

    public string Text => Value?.ToString(Format, CultureInfo.InvariantCulture) ?? "not run";

    /// <summary>Whether it is worse than a value by more than a share of it.</summary>
    public bool IsWorseThan(double value, double tolerance) => Value is { } measured
        && (IsMore ? measured < value * (1 - tolerance) : measured > value * (1 + tolerance) + 0.005);
}

/// <summary>The figures of one run, as a table, and against those that were committed.</summary>
internal sealed class Figures
{
    /// <summary>Share by which a figure may be worse than the baseline: runs on a shared machine differ.</summary>
    private const double Tolerance = 0.25;

    private readonly List<Figure> _figures = [];

    private static string BaselineFile { get; } = Path.Combine(Program.Metadata("Repository"), "benchmarks/FhirDeid.Benchmarks/baseline.json");

    public void Add(Figure figure)
    {
        _figures.Add(figure);
        Console.WriteLine($"{figure.Key}: {figure.Text}");
    }

    /// <summary>The figures as a Markdown table, a column for each set of data.</summary>
    public string Table()
    {
        string[] sets = [.. _figures.Select(figure => figure.Data).Distinct()];
        StringWriter table = new(CultureInfo.InvariantCulture);
        table.WriteLine($"| figure | {string.Join(" | ", sets)} | bar |");
        table.WriteLine($"|---|{string.Concat(sets.Select(_ => "---|"))}---|");
        foreach (IGrouping<string, Figure> row in _figures.GroupBy(figure => figure.Name))
        {
            Figure any = row.First();
            string bar = any.Bar is { } value ? $"{(any.IsMore ? "≥" : "≤")} {value.ToString(CultureInfo.InvariantCulture)}" : "";
            table.WriteLine($"| {row.Key} | {string.Join(" | ", sets.Select(set => row.FirstOrDefault(figure => figure.Data == set)?.Text ?? ""))} | {bar} |");
        }
        return table.ToString();
    }

    /// <summary>What has become worse than the committed baseline.</summary>
    public string[] Worse()
    {
        JsonObject ratios = JsonNode.Parse(File.ReadAllText(BaselineFile))!["figures"]!.AsObject();
        return [.. _figures.Where(figure => ratios[figure.Key] is { } known && figure.IsWorseThan((double)known, Tolerance))
            .Select(figure => $"{figure.Key}: {figure.Text}, slower than the baseline's {((double)ratios[figure.Key]!).ToString(figure.Format, CultureInfo.InvariantCulture)}")];
    }

    /// <summary>Makes the figures that have a bar the baseline.</summary>
    public void WriteBaseline(string machine)
    {
        JsonObject baseline = new()
        {
            ["measured"] = DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
            ["machine"] = machine,
            ["figures"] = new JsonObject(_figures.Where(figure => figure is { Bar: not null, Value: not null })
                .Select(figure => KeyValuePair.Create(figure.Key, (JsonNode?)JsonValue.Create(Math.Round(figure.Value!.Value, 3))))),
        };
        File.WriteAllText(BaselineFile, baseline.ToJsonString(new JsonSerializerOptions { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }) + "\n");
    }
}

internal static class Statistics
{
    public static double Median(this IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
