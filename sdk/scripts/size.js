// What a page downloads: each entry bundled and minified, gzipped, against its limit. Chunks that are only fetched when
// something is used for the first time are told, and do not count.

import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const DEMO_BYTES_MAX = 60_000;
const folder = fileURLToPath(new URL("../src/", import.meta.url));
const core = 'import { connect, bindTyping, typingText } from "./index.js"; console.log(connect, bindTyping, typingText);';
const entries = [
  { name: "core", limit: 7_000, source: core, needs: "index.js" },
  { name: "with React", limit: 9_000, source: `${core} import * as react from "./react/index.js"; console.log(react);`, needs: "react/index.js" },
  { name: "with UI", limit: 13_000, source: `${core} import "./ui/index.js";`, needs: "ui/index.js" },
];

let failed = false;
for (const { name, limit, source, needs } of entries) {
  if (!existsSync(folder + needs)) {
    console.log(`${name.padEnd(12)} not there yet`);
    continue;
  }
  const { outputFiles, metafile } = await build({
    stdin: { contents: source, resolveDir: folder, sourcefile: "entry.js" },
    bundle: true,
    minify: true,
    splitting: true,
    format: "esm",
    // As they are served: without a hash in their names.
    chunkNames: "[name]",
    target: "es2022",
    external: ["react", "react-dom", "react/jsx-runtime"],
    outdir: "out",
    write: false,
    metafile: true,
  });
  const initial = reached(metafile.outputs, Object.keys(metafile.outputs).find((path) => metafile.outputs[path].entryPoint?.endsWith("entry.js")));
  let sum = 0;
  const later = [];
  for (const { path, contents } of outputFiles) {
    const bytes = gzipSync(contents, { level: 9 }).length;
    const output = Object.keys(metafile.outputs).find((known) => path.endsWith(known));
    if (initial.has(output)) sum += bytes;
    else later.push(`${output.replace(/^out\/|\.js$/g, "")} ${bytes}`);
  }
  const verdict = sum > limit ? "TOO LARGE" : "ok";
  failed ||= sum > limit;
  console.log(`${name.padEnd(12)} ${sum} of ${limit} bytes gzip: ${verdict}; when used: ${later.join(", ") || "nothing"}`);
}
// The demo has no build step: its files are what a browser gets, each by itself. All languages count.
const demo = fileURLToPath(new URL("../../web/demo/", import.meta.url));
const names = await readdir(demo);
const sizes = await Promise.all(names.map(async (name) => gzipSync(await readFile(demo + name), { level: 9 }).length));
const sum = sizes.reduce((one, other) => one + other, 0);
failed ||= sum > DEMO_BYTES_MAX;
console.log(`demo         ${sum} of ${DEMO_BYTES_MAX} bytes gzip, ${names.length} files: ${sum > DEMO_BYTES_MAX ? "TOO LARGE" : "ok"}`);
process.exitCode = failed ? 1 : 0;

/** The files that load with the first one. */
function reached(outputs, path, found = new Set()) {
  if (found.has(path)) return found;
  found.add(path);
  for (const { path: next, kind } of outputs[path].imports) if (kind === "import-statement" && outputs[next]) reached(outputs, next, found);
  return found;
}
