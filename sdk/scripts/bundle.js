// Bundles the SDK into what a server hands out: `sdk.js`, one request, and beside it in `sdk/` the UI kit, `ui.js`, and
// what is only fetched when it is used. Checked in, so that neither building nor running the server needs Node.
// `--check` only says whether what is there is what would be made.

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../", import.meta.url));
const outdir = `${root}dist`;

const how = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  chunkNames: "sdk/[name]",
  outdir,
  write: false,
  banner: { js: "// @herenow/client, bundled by sdk/scripts/bundle.js: change sdk/src instead." },
};
/** The UI kit uses the very `sdk.js` that a page may have loaded already. */
const besideCore = {
  name: "beside-core",
  setup: ({ onResolve }) => onResolve({ filter: /^\.\.\/index\.js$/ }, () => ({ path: "../sdk.js", external: true })),
};
const bundles = await Promise.all([
  build({ ...how, entryPoints: { sdk: "src/index.js" } }),
  build({ ...how, entryPoints: { "sdk/ui": "src/ui/index.js" }, plugins: [besideCore] }),
]);
const outputFiles = bundles.flatMap((bundle) => bundle.outputFiles);

if (process.argv.includes("--check")) {
  for (const { path, text } of outputFiles) {
    const there = await readFile(path, "utf8").catch(() => null);
    if (there !== text) {
      console.error(`${relative(root, path)} is not what sdk/src gives: run npm run bundle`);
      process.exitCode = 1;
    }
  }
} else {
  await rm(outdir, { recursive: true, force: true });
  for (const { path, text } of outputFiles) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    console.log(`${relative(root, path)} ${text.length} bytes`);
  }
}
