// Names, tasks and targets that are scripts, on the demo: they stay text wherever they are shown.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PAYLOADS, SCRIPT_TAGS } from "./payloads.js";
import { launch, People, Server } from "./harness.js";

let server;
let browser;
let people;

before(async () => {
  browser = await launch();
  server = await Server.start();
  people = new People(browser, server.origin);
});
after(async () => {
  await people?.close();
  await browser?.close();
  await server?.stop();
  assert.deepEqual(people.complaints, []);
});

async function send(method, path, body) {
  const answer = await fetch(server.origin + path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.text()}`);
}

test("names that are scripts stay names on a board", async () => {
  const page = await people.board("alice");
  await page.evaluate(() => {
    globalThis.hits = 0;
    globalThis.hit = () => (globalThis.hits += 1);
  });
  for (const [n, payload] of PAYLOADS.entries()) {
    await send("PUT", `/v1/rooms/board-1/viewers/u${n}`, { name: payload, ttl_ms: 600_000 });
  }
  const { lists } = await (await fetch(`${server.origin}/boards/board-1`)).json();
  const tasks = lists.flatMap((list) => list.tasks);
  await send("POST", "/v1/rooms/board-1/typing", { user: "u0", on: true });
  await send("POST", "/v1/rooms/board-1/typing", { user: "u1", target: `card:${tasks[0]?.id ?? "task-1"}`, on: true });
  // The stack shows few; the dialog behind it lists everybody.
  await page.getByTestId("count").filter({ hasText: String(PAYLOADS.length + 1) }).waitFor();
  await page.getByTestId("more").click();
  const text = (payload) => payload.replace(/\s+/g, " ").trim();
  const last = text(PAYLOADS.at(-1));
  await page.waitForFunction((name) => document.body.innerText.replace(/\s+/g, " ").includes(name), last);
  const shown = (await page.evaluate(() => document.body.innerText)).replace(/\s+/g, " ");
  const missing = PAYLOADS.map(text).filter((payload) => !shown.includes(payload));
  assert.deepEqual(missing, []);
  // Icons of the page itself are drawings, so those that come from names are told apart by what they carry.
  const [hits, nodes] = await page.evaluate((tags) => [
    globalThis.hits,
    [...document.querySelectorAll(`body :is(${tags})`)].filter((one) => /hit\(|=x|\bx\b/.test(one.outerHTML.split(">")[0])).length,
  ], SCRIPT_TAGS);
  console.log(`${PAYLOADS.length} payloads on /demo: ${hits} executed, ${nodes} DOM nodes`);
  assert.deepEqual([hits, nodes], [0, 0]);
});
