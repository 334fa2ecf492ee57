using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Sas;

namespace FhirDeid.Cloud.Storage;

/// <summary>A link to make: its terms are checked by the constructor, before anything is sent.</summary>
internal sealed class ExportSas
{
    private static readonly TimeSpan LongestLife = TimeSpan.FromDays(7);
    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(15);

    /// <summary>Permissions of a container in the order that the storage service wants, with their names (BlobSasPermissions).</summary>
    private static readonly (char Letter, string Word)[] Permissions =
    [
        ('r', "Read"), ('a', "Add"), ('c', "Create"), ('w', "Write"), ('d', "Delete"), ('x', "DeleteVersion"), ('y', "PermanentDelete"),
        ('l', "List"), ('t', "Tag"), ('m', "Move"), ('e', "Execute"), ('o', "ManageOwnership"), ('p', "ManageAccessControl"), ('i', "SetImmutabilityPolicy"),
    ];

    private readonly BlobStorage _storage;
    private readonly ExportSasRequest _request;
    private readonly string _permission;
    private readonly SasIPRange _ipRange;
    private readonly DateTimeOffset _startsOn;
    private readonly DateTimeOffset _expiresOn;

    /// <param name="storage">The account.</param>
    /// <param name="request">What is asked for.</param>
    /// <param name="now">The time.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ContainerRequired</c>, <c>FhirDeid.ContainerInvalid</c>, <c>FhirDeid.BlobInvalid</c>, <c>FhirDeid.ContainerHoldsKeys</c>, <c>FhirDeid.StorageAccountMismatch</c>, <c>FhirDeid.PermissionInvalid</c>, <c>FhirDeid.StartTimeInvalid</c>, <c>FhirDeid.ExpiryInvalid</c>, <c>FhirDeid.IPAddressRangeInvalid</c>.</exception>
    public ExportSas(BlobStorage storage, ExportSasRequest request, DateTimeOffset now)
    {
        (_storage, _request) = (storage, request);
        Fhir.KickOff.CheckContainer(request.Container);
        if (request.Container == ConfigPublishing.ContainerName) throw HoldsKeys($"it is where the FHIR service reads them");
        CheckBlob(request.Blob);
        if (request.Export is { StorageAccountName: { Length: > 0 } account } && account != storage.AccountName)
        {
            throw new FhirDeidException("StorageAccountMismatch", FhirDeidErrorCategory.InvalidArgument,
                $"The export lies in storage account {ServiceText.OneLine(account)}; the connection is for {(storage.AccountName.Length > 0 ? storage.AccountName : "none")}.",
                "Connect with the storage account of the export.", account);
        }
        _permission = PermissionLetters(request.Permission, request.Blob.Length > 0);
        _startsOn = Second(request.StartsOn ?? now - ClockSkew);
        _expiresOn = Second(request.ExpiresOn ?? _startsOn + LongestLife);
        CheckTimes(now);
        _ipRange = IPRange(request.IPAddressRange);
    }

    /// <summary>Whether the link lets its holder read.</summary>
    public bool Reads => _permission.Contains('r', StringComparison.Ordinal);

    /// <summary>Looks at what the link would open, and signs it.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.ContainerHoldsKeys</c>, <c>FhirDeid.NotDeidentified</c>, <c>FhirDeid.ForeignUrl</c>, <c>FhirDeid.ContainerNotFound</c>, <c>FhirDeid.BlobNotFound</c>, <c>FhirDeid.StorageForbidden</c>.</exception>
    public async Task<ExportSasToken> CreateAsync(CancellationToken cancellation)
    {
        BlobContainerClient container = _storage.Container(_request.Container);
        await SharedContent.CheckAsync(_storage, container, _request, Reads, cancellation).ConfigureAwait(false);

        UserDelegationKey key;
        try
        {
            BlobGetUserDelegationKeyOptions options = new(_expiresOn) { StartsOn = _startsOn };
            key = await _storage.Service.GetUserDelegationKeyAsync(options, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (_storage.Plain(e, "a user delegation key", cancellation) is { } plain)
        {
            throw plain;
        }
        BlobSasBuilder builder = new()
        {
            BlobContainerName = _request.Container,
            BlobName = _request.Blob,
            Resource = _request.Blob.Length > 0 ? "b" : "c",
            Protocol = SasProtocol.Https,
            // A link that outlives its key is dead when the key is.
            StartsOn = key.SignedStartsOn > _startsOn ? key.SignedStartsOn : _startsOn,
            ExpiresOn = key.SignedExpiresOn < _expiresOn ? key.SignedExpiresOn : _expiresOn,
            IPRange = _ipRange,
        };
        builder.SetPermissions(_permission);
        string token = builder.ToSasQueryParameters(key, _storage.AccountName).ToString();
        Uri target = _request.Blob.Length > 0 ? container.GetBlobClient(_request.Blob).Uri : container.Uri;
        return new ExportSasToken(new UriBuilder(target) { Query = token }.Uri)
        {
            StorageAccountName = _storage.AccountName,
            Container = _request.Container,
            Blob = _request.Blob,
            Permission = _permission,
            StartsOn = builder.StartsOn,
            ExpiresOn = builder.ExpiresOn,
            IPAddressRange = _request.IPAddressRange,
            SignedBy = key.SignedObjectId,
        };
    }

    /// <summary>Permissions as letters in the service's order.</summary>
    /// <param name="given">Words or letters.</param>
    /// <param name="ofBlob">Whether they are for a blob: there is nothing to list in one.</param>
    /// <exception cref="FhirDeidException"><c>FhirDeid.PermissionInvalid</c>.</exception>
    internal static string PermissionLetters(string[] given, bool ofBlob)
    {
        HashSet<char> letters = [];
        foreach (string text in given)
        {
            string part = text.Trim();
            if (Array.Find(Permissions, known => known.Word.Equals(part, StringComparison.OrdinalIgnoreCase)) is { Word: not null } word) letters.Add(word.Letter);
            else if (part.Length > 0 && part.All(letter => Permissions.Any(known => known.Letter == letter))) letters.UnionWith(part);
            else throw Invalid($"'{ServiceText.OneLine(text)}' is no permission of a link.");
        }
        if (letters.Count == 0) throw Invalid("The link would permit nothing.");
        if (ofBlob && letters.Contains('l')) throw Invalid("A single blob cannot be listed.");
        return string.Concat(Permissions.Select(known => known.Letter).Where(letters.Contains));

        static FhirDeidException Invalid(string message) => new("PermissionInvalid", FhirDeidErrorCategory.InvalidArgument, message,
            $"Use letters of {string.Concat(Permissions.Select(known => known.Letter))}, or words: {string.Join(", ", Permissions.Select(known => known.Word))}. A blob has no List.");
    }

    /// <summary>An IPv4 address, or two with a hyphen between them.</summary>
    /// <exception cref="FhirDeidException"><c>FhirDeid.IPAddressRangeInvalid</c>.</exception>
    internal static SasIPRange IPRange(string text)
    {
        if (text.Length == 0) return default;
        string[] ends = text.Split('-');
        if (ends.Length > 2) throw Invalid("it has more than two ends");
        IPAddress[] addresses = [.. ends.Select(Address)];
        if (addresses.Length == 1) return new SasIPRange(addresses[0]);
        if (Number(addresses[0]) > Number(addresses[1])) throw Invalid("it ends before it begins");
        return new SasIPRange(addresses[0], addresses[1]);

        IPAddress Address(string end)
        {
            // .NET also reads 1, 0x7f.1 and 010.0.0.1, which others read otherwise.
            if (!IPAddress.TryParse(end, out IPAddress? address)) throw Invalid("it is no IPv4 address");
            if (address.AddressFamily == AddressFamily.InterNetworkV6) throw Invalid("links know IPv4 alone");
            return address.ToString() == end ? address : throw Invalid("it is not written as four decimal numbers");
        }

        static uint Number(IPAddress address) => System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(address.GetAddressBytes());

        FhirDeidException Invalid(string why) => new("IPAddressRangeInvalid", FhirDeidErrorCategory.InvalidArgument,
            $"'{ServiceText.OneLine(text)}' cannot be the address range of a link: {why}.", "Give one IPv4 address, such as 203.0.113.7, or the first and the last: 203.0.113.0-203.0.113.255.", text);
    }

    private void CheckTimes(DateTimeOffset now)
    {
        string expiry = _expiresOn.ToString("u", CultureInfo.InvariantCulture);
        if (_startsOn < now - LongestLife || _startsOn > now + LongestLife)
        {
            throw new FhirDeidException("StartTimeInvalid", FhirDeidErrorCategory.InvalidArgument, "The start of the link is more than seven days away: no user delegation key reaches there.",
                "Give a start within seven days, or none: then it is 15 minutes ago, so that clocks may differ.", _startsOn);
        }
        if (_expiresOn <= _startsOn) throw Invalid($"The link would end at {expiry}, before it begins.");
        if (_expiresOn <= now) throw Invalid($"The link would have ended at {expiry}.");
        if (_expiresOn > now + LongestLife) throw Invalid($"The link would end at {expiry}, in more than seven days: no user delegation key lives longer.");

        FhirDeidException Invalid(string message) => new("ExpiryInvalid", FhirDeidErrorCategory.InvalidArgument, message,
            "Give an end after the start and within seven days from now, and make a new link before it comes.", _expiresOn);
    }

    private static void CheckBlob(string name)
    {
        if (name.Length == 0 || (name.Length <= 1024 && name.Trim().Length > 0 && !name.Any(char.IsControl) && !name.Contains('\\')
            && name.Split('/').All(segment => segment is not ("" or "." or "..")))) return;
        throw new FhirDeidException("BlobInvalid", FhirDeidErrorCategory.InvalidArgument, $"'{ServiceText.OneLine(name)}' cannot be the name of a blob.",
            "Give the name within the container, such as 20260101T000000-42/Patient-43-1.ndjson: no URL, no '..', no backslash, no slash at the ends.", name);
    }

    private FhirDeidException HoldsKeys(string why) => SharedContent.HoldsKeys(_request.Container, why);

    // A SAS knows no fractions of seconds.
    private static DateTimeOffset Second(DateTimeOffset time) => new(time.UtcTicks / TimeSpan.TicksPerSecond * TimeSpan.TicksPerSecond, TimeSpan.Zero);
}
