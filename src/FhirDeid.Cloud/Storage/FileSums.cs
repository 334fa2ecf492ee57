using System.Security.Cryptography;

namespace FhirDeid.Cloud.Storage;

/// <summary>What is counted of one file while it comes, and its hash.</summary>
/// <param name="index">The resources of its type that the export has held so far.</param>
internal sealed class FileSums(ResourceIndex index) : IDisposable
{
    /// <summary>Failed resources that are described; the rest is only counted.</summary>
    private const int MaxDescribed = 100;

    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly List<long> _added = [];
    private readonly List<DeidentificationFailure> _failures = [];
    private long _resources, _unlabelled, _duplicates, _failed, _length;

    /// <summary>Looks whether the export has held a resource already.</summary>
    public bool IsDuplicate(in ExportedResource resource)
    {
        if (resource.Key is not { } key) return false;
        if (index.Add(key, out long slot))
        {
            _added.Add(slot);
            return false;
        }
        _duplicates++;
        return true;
    }

    /// <summary>Counts a resource that the file has here.</summary>
    public void Count(in ExportedResource resource)
    {
        _resources++;
        if (!resource.IsLabelled) _unlabelled++;
    }

    /// <summary>Counts a resource that could not be de-identified.</summary>
    public void Count(DeidentificationFailure failure)
    {
        _failed++;
        if (_failures.Count < MaxDescribed) _failures.Add(failure);
    }

    /// <summary>Counts the lines that have been read, all of which the file has here.</summary>
    public void Count(ExportedLines lines)
    {
        while (lines.TryNext(out _, out ExportedResource resource))
        {
            IsDuplicate(resource);
            Count(resource);
        }
    }

    /// <summary>Takes in a file of this machine, through the checks.</summary>
    public async Task AddAsync(ExportedLines lines, Stream stream, CancellationToken cancellation)
    {
        while (await lines.ReadAsync(stream, ExportedLines.Batch, cancellation).ConfigureAwait(false))
        {
            Count(lines);
            Append(lines.Lines.Span);
        }
    }

    /// <summary>Takes bytes of the file into length and hash.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        _length += bytes.Length;
        _hash.AppendData(bytes);
    }

    /// <summary>Takes back what the file has added to the resources that the export has held.</summary>
    public void Forget()
    {
        index.TakeBack(_added);
        _added.Clear();
    }

    /// <summary>The file as scripts see it.</summary>
    public ReceivedFhirFile Received(string type, string path, string jobId) => new()
    {
        ResourceType = type,
        Count = _resources,
        UnlabelledCount = _unlabelled,
        DuplicateCount = _duplicates,
        FailureCount = _failed,
        FailedResources = [.. _failures],
        Length = _length,
        Sha256 = Convert.ToHexString(_hash.GetHashAndReset()).ToLowerInvariant(),
        FullName = path,
        JobId = jobId,
    };

    public void Dispose() => _hash.Dispose();
}
