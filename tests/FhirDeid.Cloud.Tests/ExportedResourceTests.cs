using System.Buffers;
using System.Text;
using FhirDeid.Cloud.Storage;

namespace FhirDeid.Cloud.Tests;

/// <summary>The fast way of reading a line says what the slow one says, or nothing.</summary>
public sealed class ExportedResourceTests
{
    private static readonly string[] s_lines =
    [
        """{"resourceType":"Patient","id":"1","meta":{"versionId":"2","security":[{"system":"s","code":"REDACTED"}]},"active":true,"n":[1,{"a":"}]\"["}]}""",
        """ { "id" : "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" , "resourceType" : "Patient" , "x" : null , "y" : -1.5e3 } """,
        """{"meta":{"tag":[{"code":"REDACTED"}],"security":[{"code":"x"},{"code":"MASKED"}],"extension":[{"security":[{"code":"REDACTED"}]}]},"resourceType":"Patient"}""",
        """{"contained":[{"resourceType":"Patient","meta":{"security":[{"code":"REDACTED"}]}}],"resourceType":"Patient","id":"1"}""",
        """{"resourceType":"Patient","id":"\u0031","meta":{"security":[{"code":"\u0052EDACTED"}]}}""",
        """{"r\u0065sourceType":"Patient","id":"1"}""",
        """{"resourceType":"Patient","id":5,"meta":{"versionId":7,"security":{"code":"REDACTED"}}}""",
        """{"resourceType":"Patient","meta":"x"}""",
        """{"resourceType":"Patient","resourceType":"Patient"}""",
        """{"resourceType":"Observation"}""",
        """{"resourceType":"Patient"} {}""",
        """{"resourceType":"Patient","id":"1}""",
        """{"resourceType":"Patient",}""",
        """{"resourceType":"Patient""id":"1"}""",
        """[{"resourceType":"Patient"}]""",
        """{"id":"1"}""",
        "{}", "", "x", "{", "\"", "{\"",
    ];

    [Fact]
    public void Both_ways_agree_on_every_line_and_on_what_is_left_of_it_when_it_is_cut_or_changed()
    {
        int scanned = 0;
        Random random = new(1);
        foreach (string line in s_lines)
        {
            byte[] whole = Encoding.UTF8.GetBytes(line);
            Agree(whole);
            for (int length = 0; length < whole.Length; length++) Agree(whole[..length]);
            for (int i = 0; i < 500 && whole.Length > 0; i++)
            {
                byte[] changed = [.. whole];
                changed[random.Next(changed.Length)] = (byte)"\"\\{}[]:, aP1"[random.Next(12)];
                Agree(changed);
            }
        }
        Assert.True(scanned > 500);

        void Agree(byte[] line)
        {
            if (ExportedResource.Scan(line, "Patient") is not { } fast) return;
            scanned++;
            // What is nested is passed over: there the slow way may still find something wrong.
            if (ExportedResource.ReadSlowly(new ReadOnlySequence<byte>(line), "Patient") is { } slow) Assert.Equal(slow, fast);
        }
    }

    [Fact]
    public void The_usual_resource_is_read_the_fast_way()
    {
        ExportedResource resource = Assert.NotNull(ExportedResource.Scan(Encoding.UTF8.GetBytes(s_lines[0] + "\r\n"), "Patient"));

        Assert.True(resource.IsLabelled);
        Assert.False(resource.HasHashedId);
        Assert.NotNull(resource.Key);
    }
}
