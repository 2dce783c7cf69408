// The SDK where no WebSocket gets through, as in some company networks: over a stream, over polls, and back.

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
  people.expect(/WebSocket|ERR_CONNECTION|ERR_ABORTED|ERR_FAILED|404|asked for/);
});
afterEach(async () => {
  await people.close();
  await server.stop();
  assert.deepEqual(people.complaints, []);
});

/** A page in a room; `blocked` says what does not get through. */
async function visit(id, blocked = []) {
  const page = await people.open("/");
  await page.evaluate((blocked) => {
    window.blocked = blocked;
    const Real = window.WebSocket;
    // What a proxy does that knows no upgrade: the connection is never open.
    window.WebSocket = function (url, protocol) {
      return new Real(window.blocked.includes("ws") ? "ws://127.0.0.1:9/" : url, protocol);
    };
  }, blocked);
  if (blocked.includes("sse")) await page.route("**/stream*", (route) => route.fulfill({ status: 404, headers: { "Access-Control-Allow-Origin": "*" } }));
  await page.evaluate(
    async ({ url, id }) => {
      const { connect } = await import("/sdk/src/index.js");
      window.client = connect({ url, user: { id, name: id } });
      window.room = client.room("board-1");
      window.told = [];
      for (const type of ["join", "leave"]) room.on(type, ({ viewer }) => told.push([type, viewer.user.id]));
      window.until = (readable, test) => new Promise((found) => {
        const stop = readable.subscribe((value) => {
          if (!test(value)) return;
          queueMicrotask(() => stop());
          found();
        });
      });
      await room.ready;
    },
    { url: server.origin, id },
  );
  return page;
}

for (const [transport, blocked] of [["sse", ["ws"]], ["poll", ["ws", "sse"]]]) {
  test(`with ${blocked.join(" and ")} blocked it is the same over ${transport}`, async () => {
    const bob = await visit("bob");
    const alice = await visit("alice", blocked);
    assert.equal(await alice.evaluate(() => client.state.get().transport), transport);
    await bob.evaluate(() => until(room.viewers, ({ length }) => length === 2));
    await alice.evaluate(() => room.typing.start());
    await bob.evaluate(() => until(room.typing.users, ({ length }) => length === 1));
    await bob.evaluate(() => room.set({ editing: "card-1" }));
    await alice.evaluate(() => until(room.others, ([viewer]) => viewer?.state.editing === "card-1"));
    const heard = bob.evaluate(() => new Promise((found) => room.onMessage("wave", found)));
    assert.equal(await alice.evaluate(() => room.send("wave", { to: "all" })), 1);
    assert.deepEqual(await heard, { to: "all" });
    await alice.reload();
    assert.deepEqual(await bob.evaluate(() => told), [["join", "alice"]], "a reload is no news");
    const again = await visit("alice", blocked);
    await again.evaluate(() => client.close());
    await alice.close();
    await bob.evaluate(() => until(room.viewers, ({ length }) => length === 1));
  });
}

test("as soon as a WebSocket gets through it is used, which is no news to others", async () => {
  const bob = await visit("bob");
  const alice = await visit("alice", ["ws"]);
  const session = await alice.evaluate(() => client.session.get());
  await alice.evaluate(() => (blocked.length = 0));
  await alice.evaluate(() => until(client.state, ({ transport }) => transport === "ws"));
  await alice.evaluate(() => until(room.status, (status) => status === "joined"));
  assert.equal(await alice.evaluate(() => client.session.get()), session, "the same session");
  assert.deepEqual(await bob.evaluate(() => told), [["join", "alice"]]);
});
