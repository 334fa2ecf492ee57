using Xunit.Sdk;
using Xunit.v3;

// Emulators belong to the process: "the newest one" is another's where test classes run side by side.
[assembly: Parallelization(Mode = ParallelMode.None)]
