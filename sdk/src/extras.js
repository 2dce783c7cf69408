// What not every page uses, in one file: loaded when any of it is first asked for.
export { openCursors } from "./cursors.js";
export { takeLock } from "./lock.js";
export { Watches } from "./watch.js";
