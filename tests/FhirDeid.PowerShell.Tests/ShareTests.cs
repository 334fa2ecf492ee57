using System.Management.Automation;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace FhirDeid.Tests;

/// <summary>Links, used as a stranger uses them: by a plain HTTP client against real Azurite.</summary>
[Collection(nameof(Lab))]
public sealed class ShareTests(Lab lab) : IAsyncLifetime
{
    private readonly Shell _shell = lab.Shell;
    private readonly HttpClient _stranger = Client(lab.Emulator.Text("CertificateAuthority"));
    private readonly TemporaryFolder _folder = new("share");
    private readonly string _container = "share" + Guid.NewGuid().ToString("n")[..8];
    private PSObject _export = null!;

    public async ValueTask InitializeAsync() =>
        _export = await _shell.RunAsync("$a | Start-FhirDeidExport -Container $b -ResourceType Patient | Wait-FhirExport", lab.Published, _container);

    public ValueTask DisposeAsync()
    {
        _stranger.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_source_link_lists_and_reads_and_does_not_write()
    {
        PSObject link = await _shell.RunAsync("$a | New-ExportSasToken -ExpiresIn 1:00:00", _export);

        string list = await TextAsync(ListOf(link));
        Assert.Contains("Patient-", list, StringComparison.Ordinal);
        Assert.Equal((await _shell.RunAllAsync("$a | Read-FhirExport", _export)).Select(line => line.ToString()), (await TextAsync(File(link))).Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(HttpStatusCode.Forbidden, await PutAsync(Blob(link, "new.ndjson")));
        Assert.Equal(HttpStatusCode.Forbidden, await PutAsync(File(link)));
        using HttpResponseMessage deleted = await _stranger.DeleteAsync(File(link), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Forbidden, deleted.StatusCode);
    }

    [Fact]
    public async Task A_target_link_writes_and_lists_and_does_not_read()
    {
        PSObject link = await _shell.RunAsync("New-ExportSasToken $a -Purpose Target -ExpiresIn 1:00:00", _container);

        Assert.Equal(HttpStatusCode.Created, await PutAsync(Blob(link, "new.txt")));
        Assert.Contains("new.txt", await TextAsync(ListOf(link)), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(Blob(link, "new.txt")));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(File(link)));
    }

    [Fact]
    public async Task A_blobs_link_reads_that_blob_and_lists_nothing()
    {
        PSObject link = await _shell.RunAsync("New-ExportSasToken $a -Blob $b", _container, BlobName);

        Assert.Equal(5, (await TextAsync((Uri)link.Value("Uri")!)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Equal("r", link.Text("Permission"));
        Uri container = new(((Uri)link.Value("Uri")!).AbsoluteUri.Replace("/" + BlobName, "", StringComparison.Ordinal) + "&restype=container&comp=list");
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(container));
    }

    [Fact]
    public async Task A_link_that_has_not_begun_or_was_tampered_with_opens_nothing()
    {
        PSObject later = await _shell.RunAsync("New-ExportSasToken $a -StartTime ([DateTimeOffset]::UtcNow.AddHours(1)) -ExpiresIn 2:00:00", _container);
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(File(later)));

        PSObject link = await _shell.RunAsync("New-ExportSasToken $a -Permission List", _container);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(ListOf(link)));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(File(link)));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(new Uri(File(link).AbsoluteUri.Replace("sp=l", "sp=rl", StringComparison.Ordinal))));
        Uri other = new(File(link).AbsoluteUri.Replace(_container, "anonymization", StringComparison.Ordinal).Replace(BlobName, "study.json", StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(other));
    }

    [Fact]
    public async Task A_link_that_has_ended_opens_nothing()
    {
        PSObject link = await _shell.RunAsync("New-ExportSasToken $a -ExpiresIn 00:00:03", _container);
        HttpStatusCode status = HttpStatusCode.OK;
        DateTimeOffset ends = (DateTimeOffset)link.Value("ExpiresOn")!;
        for (int i = 0; i < 300 && status == HttpStatusCode.OK; i++)
        {
            await Task.Delay(200, TestContext.Current.CancellationToken);
            status = await StatusAsync(File(link));
        }

        Assert.Equal(HttpStatusCode.Forbidden, status);
        Assert.True(DateTimeOffset.UtcNow >= ends);
    }

    [Fact]
    public async Task A_container_of_identified_files_or_of_keys_is_not_shared()
    {
        PSObject target = await _shell.RunAsync("New-ExportSasToken $a -Purpose Target", _container);
        string identified = await System.IO.File.ReadAllTextAsync(lab.Folder["raw/Patient.ndjson"], TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Created, await PutAsync(Blob(target, "raw/Patient.ndjson"), identified));

        await _shell.FailsAsync("FhirDeid.NotDeidentified", "New-ExportSasToken $a", _container);
        await _shell.FailsAsync("FhirDeid.NotDeidentified", "$a | New-ExportSasToken", _export);
        await _shell.FailsAsync("FhirDeid.NotDeidentified", "New-ExportSasToken $a -Blob raw/Patient.ndjson", _container);
        await _shell.RunAsync("New-ExportSasToken $a -Force", _container);

        Assert.Equal(HttpStatusCode.Created, await PutAsync(Blob(target, "old/study.json"), (string)lab.Config.Methods["ToJson"].Invoke()));
        foreach (string script in (string[])["New-ExportSasToken $a -Force", "New-ExportSasToken $a -Purpose Target -Force", "New-ExportSasToken $a -Blob old/study.json -Force", "New-ExportSasToken anonymization -Force"])
            await _shell.FailsAsync("FhirDeid.ContainerHoldsKeys", script, _container);
    }

    [Fact]
    public async Task An_export_that_did_not_complete_is_not_shared()
    {
        PSObject failed = Assert.Single((await _shell.TryAsync("""$a | ForEach-Object { Start-FhirDeidExport -Container research -ConfigName $_.ConfigName -ConfigETag '"0x1"' } | Wait-FhirExport""", lab.Published)).Output);
        await _shell.FailsAsync("FhirDeid.NotDeidentified", "$a | New-ExportSasToken -Force", failed);

        PSObject cancelled = await _shell.RunAsync("$a | Start-FhirDeidExport -Container research | Stop-FhirExport -PassThru", lab.Published);
        await _shell.FailsAsync("FhirDeid.NotDeidentified", "$a | New-ExportSasToken -Force", cancelled);
    }

    [Fact]
    public async Task A_link_comes_from_a_saved_export()
    {
        PSObject link = await _shell.RunAsync("$a | New-ExportSasToken", PSSerializer.Deserialize(PSSerializer.Serialize(_export)));

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(File(link)));
    }

    [Fact]
    public async Task No_stream_and_no_view_shows_a_signature()
    {
        Outcome outcome = await _shell.TryAsync("""
            $link = $a | New-ExportSasToken -Verbose -Debug
            $link | Out-Host
            "$link"
            $a | New-ExportSasToken -WhatIf -Verbose
            New-ExportSasToken anonymization -Verbose
            New-ExportSasToken $a.Container -ExpiresIn 8.00:00:00
            [regex]::Match($link.Token, 'sig=([^&]+)').Groups[1].Value
            """, _export);

        string signature = outcome.Output[^1].ToString();
        Assert.True(signature.Length > 40);
        string seen = outcome.Text + outcome.Output[0] + string.Concat(outcome.Errors.Select(error => $"{error}{error.Exception}{error.TargetObject}{error.ErrorDetails?.RecommendedAction}"));
        Assert.Contains("sig=***", seen, StringComparison.Ordinal);
        Assert.DoesNotContain(signature, seen, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(WebUtility.UrlDecode(signature), seen, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(["FhirDeid.ContainerHoldsKeys", "FhirDeid.ExpiryInvalid"], outcome.Errors.Select(error => error.FullyQualifiedErrorId.Split(',')[0]));
    }

    private string BlobName => string.Join('/', FileUrl.AbsolutePath.Split('/')[^2..]);

    private Uri FileUrl => new((string)((PSObject)PSObject.AsPSObject(((Array)_export.Value("Output")!).GetValue(0)!)).Text("Url"));

    private Uri File(PSObject link) => Blob(link, BlobName);

    private static Uri Blob(PSObject link, string name)
    {
        Uri uri = (Uri)link.Value("Uri")!;
        return new Uri($"{uri.GetLeftPart(UriPartial.Path)}/{name}{uri.Query}");
    }

    private static Uri ListOf(PSObject link) => new(((Uri)link.Value("Uri")!).AbsoluteUri + "&restype=container&comp=list");

    private async Task<HttpStatusCode> StatusAsync(Uri uri)
    {
        using HttpResponseMessage answer = await _stranger.GetAsync(uri, TestContext.Current.CancellationToken);
        return answer.StatusCode;
    }

    private async Task<string> TextAsync(Uri uri)
    {
        using HttpResponseMessage answer = await _stranger.GetAsync(uri, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }

    private async Task<HttpStatusCode> PutAsync(Uri uri, string text = "x")
    {
        using HttpRequestMessage request = new(HttpMethod.Put, uri) { Content = new StringContent(text) };
        request.Headers.Add("x-ms-blob-type", "BlockBlob");
        using HttpResponseMessage answer = await _stranger.SendAsync(request, TestContext.Current.CancellationToken);
        return answer.StatusCode;
    }

    /// <summary>A client that knows the run's authority and no credential.</summary>
    internal static HttpClient Client(string authority)
    {
        X509ChainPolicy policy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPem(authority);
        return new HttpClient(new SocketsHttpHandler { UseProxy = false, SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy } });
    }
}
