// The board over several nodes of one cluster, on a real Redis.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { see } from "./demo-helpers.js";
import { launch, OUT, People, Server } from "./harness.js";

const SECRET = "a secret that is only good for tests, 32 bytes";

let folder;
let redis;
let servers = [];
let options;
let browser;

async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  return port;
}

/** Waits until a node hears as many as there are. */
async function hears(server, count) {
  for (;;) {
    const ready = await (await fetch(`${server.origin}/readyz`)).json();
    if (ready.status === "ready" && ready.cluster.nodes === count) return;
    await new Promise((done) => setTimeout(done, 50));
  }
}

before(async () => {
  folder = mkdtempSync(`${tmpdir()}/herenow-redis-`);
  const port = await freePort();
  redis = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder], { stdio: "ignore" });
  options = ["--dev", "--redis", `redis://127.0.0.1:${port}`];
  servers = await Promise.all([1, 2].map(() => Server.start(0, { secret: SECRET, options })));
  await Promise.all(servers.map((server) => hears(server, servers.length)));
  browser = await launch();
}, { timeout: 60_000 });

after(async () => {
  await browser?.close();
  await Promise.all(servers.map((server) => server.stop()));
  redis?.kill();
  rmSync(folder, { recursive: true, force: true });
});

test("people on different nodes see each other, and each window says which node it is on", async () => {
  const [hers, his] = servers.map((server) => new People(browser, server.origin));
  const alice = await hers.board("alice");
  const bob = await his.board("bob");
  await see(alice, "alice", "bob");
  await see(bob, "bob", "alice");
  const names = [];
  for (const page of [alice, bob]) {
    const node = page.getByTestId("node");
    await node.waitFor();
    assert.match(await node.innerText(), /^node \S*[0-9a-f]{4}\S*$/u);
    names.push(await node.innerText());
  }
  assert.notEqual(names[0], names[1], "two nodes have two names");
  await alice.screenshot({ path: `${OUT}cluster-alice.png` });
  await bob.setViewportSize({ width: 390, height: 844 });
  await bob.screenshot({ path: `${OUT}cluster-bob-390.png` });
  const width = await bob.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 390, `nothing sticks out: ${width}`);
  await hers.close();
  await his.close();
  assert.deepEqual([...hers.complaints, ...his.complaints], []);
});

test("the operators' page names the nodes, and says when one has gone", async () => {
  const people = new People(browser, servers[0].origin);
  const extra = await Server.start(0, { secret: SECRET, options });
  servers.push(extra);
  const page = await people.open("/admin");
  const rows = page.getByTestId("nodes").locator("tbody tr");
  await hears(servers[0], 3);
  await rows.nth(2).waitFor();
  assert.equal(await rows.filter({ hasText: "this one" }).count(), 1);
  await page.getByTestId("cluster-state").filter({ hasText: "has heard the others" }).waitFor();
  await page.screenshot({ path: `${OUT}admin-nodes.png` });
  await page.setViewportSize({ width: 390, height: 844 });
  await page.screenshot({ path: `${OUT}admin-nodes-390.png` });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 390, `nothing sticks out: ${width}`);
  await extra.kill();
  await rows.nth(2).waitFor({ state: "detached" });
  assert.equal(await rows.count(), 2);
  await people.close();
  assert.deepEqual(people.complaints, []);
});

test("a server that is alone says nothing of nodes", async () => {
  const server = await Server.start();
  const people = new People(browser, server.origin);
  const alice = await people.board("alice");
  await see(alice, "alice");
  assert.equal(await alice.getByTestId("node").isVisible(), false);
  await people.close();
  await server.stop();
});
