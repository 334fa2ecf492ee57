"use strict";
// Ends with the process that started it, however that ended: its standard input closes then. The run's folder goes too.
const end = () => {
  if (process.env.FHIRDEID_RUN_FOLDER) {
    try {
      require("fs").rmSync(process.env.FHIRDEID_RUN_FOLDER, { recursive: true, force: true });
    } catch {
      // Someone else is deleting it.
    }
  }
  process.exit(0);
};
process.stdin.on("end", end).on("close", end).on("error", end).resume();

// Ctrl+C in the terminal is meant for what runs there: Azurite must not stop on it, so its handler is not registered.
const once = process.once;
process.once = function (event, ...rest) {
  return event === "SIGINT" ? this : once.call(this, event, ...rest);
};
process.on("SIGINT", () => {});
