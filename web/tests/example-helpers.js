// Starts the programs of the examples, and stops them.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const EXAMPLES = fileURLToPath(new URL("../../examples/", import.meta.url));

/** Runs a program of an example until it ends; what it printed. */
export async function run(command, args, options) {
  const { process, lines } = begin(command, args, options);
  const code = await new Promise((ended) => process.once("exit", ended));
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}: ${lines.join("\n")}`);
  return lines;
}

/** Starts a program that says where it listens: its origin, the lines it prints, and how to end it. */
export async function serve(command, args, options) {
  const begun = begin(command, args, options);
  const { process, lines } = begun;
  const origin = await new Promise((found, failed) => {
    process.once("exit", (code) => failed(new Error(`${command} ended with ${code}: ${lines.join("\n")}`)));
    begun.hear = (line) => {
      const address = /http:\/\/(127\.0\.0\.1|localhost):(\d+)/.exec(line);
      if (address) found(address[0]);
    };
  });
  const stop = () => new Promise((ended) => {
    process.once("exit", ended);
    process.kill("SIGINT");
  });
  return { origin, lines, stop };
}

/** Says what is missing where a package of an example was not installed. */
export function installed(name) {
  if (!existsSync(`${EXAMPLES}${name}/node_modules`)) throw new Error(`npm --prefix examples/${name} ci has to come first`);
  return `${EXAMPLES}${name}`;
}

function begin(command, args, { cwd, env } = {}) {
  // Without what a settings prefix or a colourful terminal would change.
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("HERENOW_")));
  const child = spawn(command, args, { cwd, env: { ...own, NO_COLOR: "1", ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const begun = { process: child, lines: [], hear() {} };
  child.once("error", (error) => begun.lines.push(error.message));
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      begun.lines.push(line);
      begun.hear(line);
    });
  }
  return begun;
}
