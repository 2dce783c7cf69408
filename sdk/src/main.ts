// The types of the package's main entry; `index.js` is its code.
export * from "./index.js";
export * from "./types.js";
