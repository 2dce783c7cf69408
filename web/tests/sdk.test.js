// The SDK in real pages against a real server.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, People, Server } from "./harness.js";
import { servePages } from "./sdk-pages.js";

let server;
let pages;
let browser;
let people;

before(async () => {
  browser = await launch();
  pages = await servePages();
});
after(async () => {
  await pages?.close();
  await browser?.close();
});
beforeEach(async () => {
  server = await Server.start();
  people = new People(browser, pages.origin);
});
afterEach(async () => {
  await people.close();
  await server.stop();
  assert.deepEqual(people.complaints, []);
});

/** A page with a client in `window.client`, a room in `window.room`, and what the room told in `window.told`. */
async function visit(id, { context, path = "/", roomOptions } = {}) {
  const page = await people.open(path, { context });
  await connect(page, id, roomOptions);
  return page;
}

async function connect(page, id, roomOptions) {
  await page.evaluate(
    async ({ url, id, roomOptions }) => {
      const sdk = await import("/sdk/src/index.js");
      const name = id[0].toUpperCase() + id.slice(1);
      window.sdk = sdk;
      window.client = sdk.connect({ url, user: { id, name } });
      window.room = client.room("board-1", roomOptions);
      window.told = [];
      for (const type of ["join", "leave", "change", "sync", "error"]) {
        room.on(type, (detail) => told.push([type, detail.viewer?.user.id ?? detail.cause ?? detail.code]));
      }
      window.until = (readable, test) => new Promise((found) => {
        const stop = readable.subscribe((value) => {
          if (!test(value)) return;
          queueMicrotask(() => stop());
          found(performance.timeOrigin + performance.now());
        });
      });
      await room.ready;
    },
    { url: server.origin, id, roomOptions },
  );
}

const names = (page) => page.evaluate(() => room.viewers.get().map(({ user }) => user.name));
const now = () => performance.timeOrigin + performance.now();

test("a join is visible to others within 200 ms", async () => {
  const alice = await visit("alice");
  const seen = alice.evaluate(() => until(room.viewers, (viewers) => viewers.length === 2));
  const bob = await people.open("/");
  const started = now();
  await connect(bob, "bob");
  assert.ok((await seen) - started < 200, `seen after ${(await seen) - started} ms`);
  assert.deepEqual(await names(alice), ["Alice", "Bob"]);
  assert.deepEqual(await names(bob), ["Bob", "Alice"], "oneself first");
  assert.deepEqual(await alice.evaluate(() => told), [["sync", "initial"], ["join", "bob"]]);
  assert.deepEqual(await bob.evaluate(() => told), [["sync", "initial"]]);
});

test("typing appears within 200 ms and is gone 2.3 s after the last key", async () => {
  const [alice, bob] = [await visit("alice"), await visit("bob")];
  await alice.evaluate(() => void sdk.bindTyping(document.querySelector("input"), room));
  const appeared = bob.evaluate(() => until(room.typing.text, (text) => text !== ""));
  const typed = now();
  await alice.locator("input").press("x");
  assert.ok((await appeared) - typed < 200, `appeared after ${(await appeared) - typed} ms`);
  assert.equal(await bob.evaluate(() => room.typing.in("note").text.get()), "\u2068Alice\u2069 is typing");
  assert.deepEqual(await bob.evaluate(() => room.others.get()[0].typing), ["note"]);
  const last = now();
  await alice.locator("input").press("y");
  const gone = await bob.evaluate(() => until(room.typing.text, (text) => text === ""));
  assert.ok(gone - last > 1_900 && gone - last < 2_300, `gone after ${gone - last} ms`);
});
