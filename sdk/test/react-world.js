// Both versions of React, each bundled with the SDK's entry for it, and a page to render into.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { JSDOM } from "jsdom";
import { Socket } from "./world.js";

const SOURCE = `
  export * as React from "react";
  export { createRoot, hydrateRoot } from "react-dom/client";
  export { renderToString } from "react-dom/server";
  export { connect } from "./src/index.js";
  export * as herenow from "./src/react/index.js";
`;
const FOLDER = fileURLToPath(new URL("../", import.meta.url));

/** The versions to test, by name: the packages that are React there. */
export const VERSIONS = {
  18: { react: "react-18", "react-dom": "react-dom-18" },
  19: { react: "react", "react-dom": "react-dom" },
};

// React waits by channels that it never closes: they must not keep the process from ending.
globalThis.MessageChannel = class extends MessageChannel {
  constructor() {
    super();
    const unref = () => [this.port1, this.port2].forEach((port) => port.unref());
    setTimeout(unref, 1_000).unref();
  }
};

/** React of a version and the SDK, as one module. */
export async function load(version) {
  const require = createRequire(import.meta.url);
  const packages = Object.entries(VERSIONS[version]).map(([name, own]) => [name, require.resolve(`${own}/package.json`).replace("/package.json", "")]);
  const { outputFiles } = await build({
    stdin: { contents: SOURCE, resolveDir: FOLDER },
    alias: Object.fromEntries(packages),
    bundle: true,
    format: "esm",
    platform: "node",
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    define: { "process.env.NODE_ENV": '"development"' },
    logLevel: "error",
    write: false,
  });
  const folder = await mkdtemp(join(tmpdir(), "herenow-react-"));
  try {
    const file = join(folder, "bundle.mjs");
    await writeFile(file, outputFiles[0].text);
    return await import(pathToFileURL(file).href);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Puts a page in the place of Node, with sockets that the test plays the other end of. */
export function page() {
  Socket.all = [];
  const { window } = new JSDOM("<!doctype html><main></main>", { url: "https://app.example/", pretendToBeVisual: true });
  const { document, navigator, location, sessionStorage, MutationObserver, AbortController, AbortSignal } = window;
  // Listeners of a page take only its own signals.
  const globals = { window, document, navigator, location, sessionStorage, MutationObserver, AbortController, AbortSignal, WebSocket: Socket, IS_REACT_ACT_ENVIRONMENT: true };
  for (const [name, value] of Object.entries(globals)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  return { document, main: document.querySelector("main"), close: () => window.close() };
}

/** As on a server: nothing of a browser. */
export function noPage() {
  for (const name of ["window", "document", "navigator", "location", "sessionStorage", "MutationObserver"]) delete globalThis[name];
}
