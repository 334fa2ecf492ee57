using System.Management.Automation;
using System.Security;
using FhirDeid.PowerShell.Pipeline;

namespace FhirDeid.PowerShell.Connect;

/// <summary>Tokens of the Az session. Get-AzAccessToken is called by name, on the pipeline thread of the cmdlet that needs the token: Az is no dependency of this module.</summary>
internal static class AzSession
{
    /// <summary>Gets a token.</summary>
    /// <param name="resource">Audience of the token.</param>
    /// <param name="cancellation">Stops.</param>
    public static async Task<SecureString> TokenAsync(string resource, CancellationToken cancellation)
    {
        IPipeline pipeline = CommandPipeline.Current ?? throw new InvalidOperationException("A token of the Az session can be had only while a cmdlet runs.");
        return await pipeline.InvokeAsync(() => Token(resource)).WaitAsync(cancellation);
    }

    private static SecureString Token(string resource)
    {
        using System.Management.Automation.PowerShell command = System.Management.Automation.PowerShell.Create(RunspaceMode.CurrentRunspace);
        command.AddCommand("Get-AzAccessToken").AddParameter("ResourceUrl", resource).AddParameter("ErrorAction", ActionPreference.Stop);
        try
        {
            object? token = command.Invoke().FirstOrDefault()?.Properties["Token"]?.Value;
            return (token is PSObject wrapped ? wrapped.BaseObject : token) switch
            {
                SecureString secure => secure,
                string text => text.ToSecureString(),
                _ => throw Failed("Get-AzAccessToken returned no token.", resource),
            };
        }
        catch (CommandNotFoundException exception)
        {
            throw new FhirDeidException("AzMissing", FhirDeidErrorCategory.NotInstalled, "There is no Az session to take tokens from: Get-AzAccessToken is not available.",
                "Install the module Az.Accounts and run Connect-AzAccount, or connect with -Interactive, -DeviceCode, -ManagedIdentity or a service principal.", resource, exception);
        }
        catch (RuntimeException exception)
        {
            throw Failed($"Get-AzAccessToken failed: {exception.Message}", resource, exception);
        }
    }

    private static SecureString ToSecureString(this string text)
    {
        SecureString secure = new();
        foreach (char c in text) secure.AppendChar(c);
        secure.MakeReadOnly();
        return secure;
    }

    private static FhirDeidException Failed(string message, string resource, Exception? cause = null) =>
        new("AuthenticationFailed", FhirDeidErrorCategory.AuthenticationError, message, "Run Connect-AzAccount and try again.", resource, cause);
}
