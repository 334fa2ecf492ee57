using System.Runtime.CompilerServices;

namespace FhirDeid.Tests;

/// <summary>One fault: what is injected, and how the command ends. The test that runs it compares the end with what happened, and docs/reliability.md shows it.</summary>
/// <param name="Phase">What was being done.</param>
/// <param name="Name">The fault.</param>
/// <param name="End">What happened, as the test tells it.</param>
public sealed record FaultRow(string Phase, string Name, string End);

/// <summary>The tables of docs/reliability.md. Each is between two marks, and is what the tests ran.</summary>
internal static class ReliabilityPage
{
    private static string Page([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "docs", "reliability.md");

    /// <summary>Compares a table of the page with the faults that the tests run; with <c>FHIRDEID_WRITE_DOCS=1</c> writes it.</summary>
    public static void Check(string section, IEnumerable<FaultRow> faults)
    {
        string start = $"<!-- {section}: written by the tests -->\n", end = $"<!-- end of {section} -->";
        string table = "| during | fault | end |\n|---|---|---|\n"
            + string.Concat(faults.Select(fault => $"| {fault.Phase} | {Cell(fault.Name)} | {Cell(fault.End)} |\n"));
        string page = File.ReadAllText(Page()).ReplaceLineEndings("\n");
        int from = page.IndexOf(start, StringComparison.Ordinal) + start.Length, to = page.IndexOf(end, StringComparison.Ordinal);
        Assert.True(from >= start.Length && to >= from, $"docs/reliability.md has no place for {section}.");
        if (Environment.GetEnvironmentVariable("FHIRDEID_WRITE_DOCS") == "1") File.WriteAllText(Page(), page[..from] + table + page[to..]);
        else Assert.Equal(table, page[from..to]);

        static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);
    }
}
