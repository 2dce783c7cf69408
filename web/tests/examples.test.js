// The examples, each as whoever follows it would run it, in a real page against a real server.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { EXAMPLES, installed, run, serve } from "./example-helpers.js";
import { launch, People, Server } from "./harness.js";
import { servePages } from "./sdk-pages.js";

const ADDRESS = "http://localhost:4280";
const SECRET = "a secret of the examples, long enough";

let browser;
let pages;
let people;
/** What a test started, to be stopped after it. */
const started = [];

before(async () => {
  browser = await launch();
  pages = await servePages();
});
after(async () => {
  await pages?.close();
  await browser?.close();
});
afterEach(async () => {
  await people.close();
  for (const one of started.splice(0).reverse()) await one.stop();
  assert.deepEqual(people.complaints, []);
});

/** A herenow of its own, and people who look at pages from elsewhere. */
async function herenow(options) {
  const server = await Server.start(0, options);
  started.push(server);
  people = new People(browser, pages.origin);
  return server;
}

/** A page where somebody sits in `board-1`, with the SDK of the server: `window.client` and `window.room`. */
async function guest(server, id) {
  const page = await people.open("/");
  await page.evaluate(
    async ({ id, name, origin }) => {
      window.sdk = await import(`${origin}/sdk.js`);
      window.client = sdk.connect({ user: { id, name } });
      window.room = client.room("board-1");
      window.until = (readable, test) => new Promise((found) => readable.subscribe((value) => test(value) && found(true)));
      await room.ready;
    },
    { id, name: id[0].toUpperCase() + id.slice(1), origin: server.origin },
  );
  return page;
}

const block = (text, kind) => new RegExp(`(?<=\`\`\`${kind}\\n)[^]*?(?=\\n\`\`\`)`).exec(text)[0];
const readmes = () => Promise.all(["../../README.md", "../../sdk/README.md"].map((name) => readFile(new URL(name, import.meta.url), "utf8")));

test("seven lines: the page of examples/vanilla is the one in both READMEs, and runs from a file", async () => {
  const html = (await readFile(`${EXAMPLES}vanilla/index.html`, "utf8")).trimEnd();
  for (const text of await readmes()) assert.equal(block(text, "html"), html);
  const script = /<script type="module">\n([^]*)\n<\/script>/.exec(html)[1].split("\n");
  assert.ok(script.length <= 7, `${script.length} lines`);

  const server = await herenow();
  const bob = await guest(server, "bob");
  const folder = await mkdtemp(join(tmpdir(), "herenow-"));
  started.push({ stop: () => rm(folder, { recursive: true }) });
  const file = join(folder, "index.html");
  await writeFile(file, html.replace(ADDRESS, server.origin));
  const page = await people.open("/");
  await page.goto(pathToFileURL(file).href);
  await page.locator("#who").filter({ hasText: /^[A-Z][a-z]+, Bob$/ }).waitFor();
  await page.locator('#who[data-bob="active"]').waitFor();
  await bob.evaluate(() => room.typing.start());
  await page.locator("#now").filter({ hasText: "Bob\u2069 is typing" }).waitFor();
  const typed = bob.evaluate(() => until(room.typing.in("note").users, ({ length }) => length === 1));
  await page.locator("#note").press("x");
  await typed;
  const pointed = bob.evaluate(() => until((window.pointers = room.cursors(document.body)), ({ length }) => length === 1));
  // Only who asks is told of pointers, which takes a moment; the pointer goes on moving.
  for (let isSeen = false, step = 0; !isSeen; step += 1) {
    await page.mouse.move(30 + (step % 2), 40);
    isSeen = await Promise.race([pointed, page.evaluate(() => new Promise((next) => requestAnimationFrame(() => next(false))))]);
  }
});

test("twelve lines of React: the app of examples/react is the one in both READMEs, and runs as Vite builds it", async () => {
  const app = (await readFile(`${EXAMPLES}react/src/App.jsx`, "utf8")).trimEnd();
  const plain = app.replace(`{import.meta.env.VITE_HERENOW_URL ?? "${ADDRESS}"}`, `"${ADDRESS}"`);
  for (const text of await readmes()) assert.equal(block(text, "jsx"), plain);
  assert.ok(plain.split("\n").length <= 12);

  const server = await herenow();
  const cwd = installed("react");
  await run("npm", ["run", "build"], { cwd, env: { VITE_HERENOW_URL: server.origin } });
  const vite = await serve("node", ["node_modules/vite/bin/vite.js", "preview", "--host", "127.0.0.1", "--port", "0"], { cwd });
  started.push(vite);
  const bob = await guest(server, "bob");
  const page = await people.open("/");
  await page.goto(vite.origin);
  await page.locator("p").getByText("Bob", { exact: true }).waitFor();
  await page.locator("i").getByText("active").waitFor();
  await bob.evaluate(() => room.typing.in("note").start());
  await page.locator("p").getByText("Bob\u2069 is typing").waitFor();
  const typed = bob.evaluate(() => until(room.typing.in("note").users, ({ length }) => length === 1));
  await page.locator("input").press("x");
  await typed;
  assert.equal(await bob.evaluate(() => room.count.get().sessions), 2, "strict mode joins once");
});

test("the Node backend vouches for who signed in with it, in the rooms that it says", async () => {
  const server = await herenow({ secret: SECRET });
  const cwd = installed("node-tokens");
  const backend = await serve("node", ["server.js"], { cwd, env: { HERENOW_SECRET: SECRET, HERENOW_URL: server.origin, PORT: "0" } });
  started.push(backend);
  people = new People(browser, backend.origin);
  const enter = async (name, path = "/") => {
    const page = await people.open(path);
    await page.getByLabel("Your name").fill(name);
    await page.getByRole("button").click();
    return page;
  };
  const alice = await enter("Alice");
  const bob = await enter("Bob");
  await alice.locator("#who").getByText("Alice, Bob", { exact: true }).waitFor();
  await bob.locator("#who").getByText("Bob, Alice", { exact: true }).waitFor();
  people.expect(/40[14]/);
  const mallory = await enter("Mallory", "/?room=board-2");
  await mallory.locator("#problem").getByText("room.forbidden").waitFor();
  const [{ status: unknown }, { status: stranger }] = await mallory.evaluate(async () => {
    const { status } = await fetch("/token", { method: "POST", credentials: "omit" });
    return [{ status }, { status: (await fetch("/nothing")).status }];
  });
  assert.deepEqual([unknown, stranger], [401, 404]);
});

test("the axum app with herenow inside shows who is here, and what the app tells", async () => {
  const binary = join(dirname(process.env.HERENOW_BIN), "examples", "axum_app");
  const app = await serve(binary, ["127.0.0.1:0"]);
  started.push(app);
  people = new People(browser, app.origin);
  const enter = async (name) => {
    const page = await people.open("/");
    await page.getByLabel("Your name").fill(name);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.locator("main").waitFor();
    return page;
  };
  people.expect(/401/);
  const alice = await enter("Alice");
  const bob = await enter("<b>Bob</b>");
  await alice.locator("#who").getByText("Alice, <b>Bob</b>", { exact: true }).waitFor();
  await alice.getByLabel("New task").press("x");
  await bob.locator("#typing").getByText("Alice\u2069 is typing").waitFor();
  await alice.getByLabel("New task").fill("Ship it");
  await alice.getByRole("button", { name: "Add" }).click();
  await bob.locator("li").getByText("Ship it (Alice)").waitFor();
  await bob.close();
  await alice.locator("#who").getByText("Alice", { exact: true }).waitFor();
  assert.ok(app.lines.includes("Alice is in board-1, with 1"), app.lines.join("\n"));
});
