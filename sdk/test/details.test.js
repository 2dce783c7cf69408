// Locks, dots, and whether the person is there.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { accept, online, closeAll, inRoom } from "./clients.js";
import { browser, pass, settle, Socket, user } from "./world.js";
// What the client loads when it is used: loaded before, so that no test waits for a disk.
import "../src/extras.js";
import "../src/later.js";

let world;

beforeEach(() => {
  world = browser();
});
afterEach(() => {
  closeAll();
  mock.timers.reset();
});

test("a lock is got, waited for, and noticed to be lost", async () => {
  const { room } = await inRoom(await online());
  const held = room.lock("card");
  await settle();
  Socket.last.answer("lock", { type: "ack", held: true, fence: 7 });
  const lock = await held;
  let isLost = false;
  void lock.lost.then(() => (isLost = true));
  Socket.last.say({ type: "lock", room: "r", name: "card", holder: user("a"), session: "00000000000000a1", fence: 7 });
  await settle();
  assert.deepEqual([lock.fence, isLost, room.locks.get().get("card").mine], [7, false, true]);
  Socket.last.say({ type: "lock", room: "r", name: "card", holder: user("b"), session: "b1", fence: 8 });
  await settle();
  assert.deepEqual([isLost, room.locks.get().get("card").mine], [true, false]);
  const taken = room.lock("card");
  await settle();
  Socket.last.answer("lock", { type: "ack", held: false, fence: 8 });
  assert.equal(await taken, null);
  const waited = room.lock("card", { wait: true });
  await settle();
  Socket.last.answer("lock", { type: "ack", held: false, fence: 8 });
  await settle();
  Socket.last.say({ type: "lock", room: "r", name: "card", holder: user("a"), session: "00000000000000a1", fence: 9 });
  assert.equal((await waited).fence, 9);
  (await waited).release();
  assert.equal(Socket.last.sentLast("unlock").name, "card");
});

test("dots are asked for once a user, and again after a reconnect", async () => {
  const client = await online();
  const dots = client.watch(["b", "c"]);
  const more = client.watch(["b", "d"]);
  await settle();
  assert.deepEqual(Socket.last.sent.filter(({ type }) => type === "watch").map(({ users }) => users), [["b", "c"], ["d"]]);
  Socket.last.say({ type: "statuses", users: { b: { status: "active" }, c: { status: "offline" } } });
  await settle();
  assert.deepEqual([dots.get().get("b"), dots.get().size, more.get().size], [{ status: "active" }, 2, 1]);
  const before = dots.get();
  Socket.last.say({ type: "statuses", users: { d: { status: "idle" } } });
  await settle();
  assert.equal(dots.get(), before);
  more.close();
  await settle();
  assert.deepEqual(Socket.last.sentLast("unwatch").users, ["d"]);
  Socket.last.drop();
  await pass(50);
  await accept();
  assert.deepEqual(Socket.last.sentLast("watch").users, ["b", "c"]);
});

test("a session is idle after a minute without a sign of the person, and after ten hidden seconds", async () => {
  await online({ idleAfterMs: 60_000 });
  const statuses = () => Socket.last.sent.filter(({ type }) => type === "status").map(({ status }) => status);
  await pass(30_000);
  world.fire("pointermove");
  await pass(59_000);
  assert.deepEqual(statuses(), []);
  await pass(2_000);
  assert.deepEqual(statuses(), ["idle"]);
  world.fire("keydown");
  assert.deepEqual(statuses(), ["idle", "active"]);
  world.hide(true);
  world.fire("pointermove");
  await pass(10_500);
  assert.deepEqual(statuses(), ["idle", "active", "idle"]);
  Socket.last.drop();
  await pass(60);
  await accept();
  assert.deepEqual(statuses(), ["idle"], "a new connection is told");
  world.hide(false);
  assert.deepEqual(statuses(), ["idle", "active"]);
});

test("a page that was loaded anew, and whose session goes on, says that the person is there", async () => {
  await online({ idleAfterMs: 60_000 }, { resumed: true });
  const statuses = () => Socket.last.sent.filter(({ type }) => type === "status").map(({ status }) => status);
  await pass(10_500);
  assert.deepEqual(statuses(), ["active"], "the page before may have been idle");
  Socket.last.drop();
  await pass(60);
  await accept();
  await pass(10_500);
  assert.deepEqual(statuses(), [], "a new session is active anyway");
});
