// Each callback that the SDK's types document is fired by what it is documented for, in a real page against a real server.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { launch, People, Server } from "./harness.js";
import { cable, servePages } from "./sdk-pages.js";

let server;
let pages;
let browser;
let wire;

before(async () => {
  browser = await launch();
  pages = await servePages();
  server = await Server.start();
  wire = await cable(server.port);
});
after(async () => {
  await wire?.close();
  await server?.stop();
  await pages?.close();
  await browser?.close();
});

/** The callbacks in the types: `room.on join`, `room.viewers`, `room.onMessage`, `lock.lost`. */
async function documented() {
  const types = await readFile(new URL("../../sdk/src/types.ts", import.meta.url), "utf8");
  const names = [];
  for (const [, name, parent, body] of types.matchAll(/^export interface (\w+)(.*?) \{\n(.*?)^\}/gms)) {
    const owner = name.toLowerCase();
    const members = body.replace(/\/\*\*.*?\*\//gs, "");
    const find = (pattern) => [...members.matchAll(pattern)].map(([, member]) => member);
    if (name.endsWith("Events")) names.push(...find(/^ {2}(\w+):/gm).map((event) => `${owner.replace("events", "")}.on ${event}`));
    if (parent.includes("extends Readable<")) names.push(owner);
    names.push(...find(/^ {2}readonly (\w+): (?:Readable|Promise)</gm).map((member) => `${owner}.${member}`));
    names.push(...find(/^ {2}(on\w+)</gm).map((member) => `${owner}.${member}`));
  }
  return names.sort();
}

/** Connects, and notes in `window.fired` which callbacks were called. */
async function watchAll(page, url) {
  await page.evaluate(async (url) => {
    window.sdk = await import("/sdk/src/index.js");
    window.fired = new Set();
    window.waiting = [];
    const fire = (name) => {
      fired.add(name);
      for (const look of waiting) look();
    };
    /** Waits until all of these were called. */
    window.called = (...names) => new Promise((done) => {
      const look = () => names.every((name) => fired.has(name)) && done();
      waiting.push(look);
      look();
    });
    const later = { immediate: false };
    window.follow = (name, readable) => readable.subscribe(() => fire(name), later);
    window.client = sdk.connect({ url, user: { id: "alice", name: "Alice" } });
    for (const name of ["state", "self", "session"]) follow(`client.${name}`, client[name]);
    for (const event of ["error", "lost", "restored", "frame"]) client.on(event, () => fire(`client.on ${event}`));
    window.room = client.room("board-1");
    for (const name of ["viewers", "others", "self", "count", "faces", "gear", "status", "state", "locks"]) follow(`room.${name}`, room[name]);
    for (const event of ["join", "leave", "change", "sync", "message", "error"]) room.on(event, () => fire(`room.on ${event}`));
    for (const name of ["users", "text"]) follow(`typing.${name}`, room.typing[name]);
    room.ready.then(() => fire("room.ready"));
    room.onMessage("wave", () => fire("room.onMessage"));
    window.lockLost = (lock) => void lock.lost.then(() => fire("lock.lost"));
  }, url);
}

test("T-58: every callback that is documented is fired by what it is for", { timeout: 120_000 }, async () => {
  const people = new People(browser, pages.origin);
  // While the cable is cut.
  people.expect(/ERR_(CONNECTION|EMPTY|SOCKET)|WebSocket connection to|asked for .*\/dev\/token$/);
  const alice = await people.open("/");
  await watchAll(alice, wire.origin);
  await alice.evaluate(() => called("client.state", "client.self", "client.session", "client.on frame", "room.ready", "room.on sync", "room.status", "room.self"));

  const bob = await people.open("/");
  await bob.evaluate(async (url) => {
    const sdk = await import("/sdk/src/index.js");
    window.bob = sdk.connect({ url, user: { id: "bob", name: "Bob" } });
    window.room = window.bob.room("board-1");
    await room.ready;
  }, server.origin);
  await alice.evaluate(() => called("room.on join", "room.viewers", "room.others", "room.count", "room.faces"));
  await bob.evaluate(() => room.set({ editing: "card-1" }));
  await alice.evaluate(() => called("room.on change"));
  await alice.evaluate(() => (room.set({ page: 3 }), called("room.state")));
  await bob.evaluate(() => room.typing.start());
  await alice.evaluate(() => called("typing.users", "typing.text"));
  await bob.evaluate(() => room.send("wave", { to: "all" }));
  await alice.evaluate(() => called("room.on message", "room.onMessage"));
  await alice.evaluate(async () => {
    const lock = await room.lock("card-1");
    lockLost(lock);
    lock.release();
    await called("room.locks", "lock.lost");
  });

  // Pointers, until one is seen: only who is asked for sessions is told, which takes a moment.
  await alice.evaluate(() => follow("cursors", room.cursors(document.body)));
  await bob.evaluate(() => void (document.body.style.height = "200px", room.cursors(document.body)));
  const seen = alice.evaluate(() => called("cursors"));
  for (let isSeen = false, step = 0; !isSeen; step += 1) {
    await bob.mouse.move(100 + (step % 2), 50);
    isSeen = await Promise.race([seen.then(() => true), bob.evaluate(() => new Promise((next) => requestAnimationFrame(() => next(false))))]);
  }
  await alice.evaluate(() => (follow("presencewatch", client.watch(["bob"])), called("presencewatch")));
  // One user more than may be watched.
  await alice.evaluate(() => (client.watch(Array.from({ length: 1_000 }, (_, n) => `user-${n}`)), called("client.on error")));
  await bob.evaluate(() => room.leave());
  await alice.evaluate(() => called("room.on leave"));

  // A hundred more, and the room tells its news in another way.
  await bob.evaluate(async (url) => {
    const joined = async (_, n) => {
      const body = JSON.stringify({ userId: `guest-${n}`, name: `Guest ${n}` });
      const made = await fetch(`${url}/dev/token`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
      const { token } = await made.json();
      const socket = new WebSocket(`${url.replace("http", "ws")}/ws?token=${token}`, "herenow.v1");
      await new Promise((open) => (socket.onopen = open));
      socket.send(JSON.stringify({ type: "join", room: "board-1", interest: "none" }));
      return socket;
    };
    window.guests = await Promise.all(Array.from({ length: 105 }, joined));
  }, server.origin);
  await alice.evaluate(() => called("room.gear"));

  wire.cut();
  await alice.evaluate(async () => {
    await called("client.on lost");
    // Nobody waits for this one, so that the room tells.
    room.send("wave", { to: "nobody" });
    await called("room.on error");
  });
  wire.mend();
  await alice.evaluate(() => called("client.on restored"));

  assert.deepEqual(await alice.evaluate(() => [...fired].sort()), await documented());
  await people.close();
  assert.deepEqual(people.complaints, []);
});
