// The client against a server that the test plays: rooms, what is told of them, and what is said in them.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { connect } from "../src/client.js";
import { loaded } from "../src/readable.js";
import { accept, closeAll, ids, inRoom, online } from "./clients.js";
import { browser, diff, pass, roster, settle, Socket, user, viewer, welcome } from "./world.js";

beforeEach(() => void browser());
afterEach(() => {
  closeAll();
  mock.timers.reset();
});

test("a room tells who is here, oneself first, and then what changes", async () => {
  const client = await online();
  const { room, told } = await inRoom(client);
  assert.deepEqual([client.self.get().id, client.session.get(), room.status.get()], ["a", "00000000000000a1", "joined"]);
  assert.deepEqual([ids(room.viewers), ids(room.others), room.self.get().self, room.count.get().users], [["a", "b"], ["b"], true, 2]);
  assert.equal(await room.ready, room);
  const before = room.viewers.get();
  const [self] = before;
  Socket.last.say(diff(5, 6, { joined: [viewer("c", 3)] }));
  Socket.last.say(diff(6, 7, { updated: [viewer("b", 1, { state: { editing: "card-1" } })] }));
  assert.equal(room.viewers.get()[0], self, "who did not change is the same object");
  assert.deepEqual(room.others.get()[0].state, { editing: "card-1" });
  Socket.last.say(diff(7, 8, { left: [{ id: "c", reason: "timeout" }] }));
  assert.deepEqual(told, [["sync", "initial"], ["join", "c"], ["change", "b", ["state"]], ["leave", "c", "timeout"]]);
  const after = room.viewers.get();
  Socket.last.say(diff(7, 8, {}));
  assert.equal(room.viewers.get(), after, "what says nothing new changes nothing");
  assert.equal(before.length, 2, "what was given out is not changed later");
});

test("values call back at once, then with each change, until ended", async () => {
  const { room } = await inRoom(await online());
  const seen = [];
  const ending = new AbortController();
  const stop = room.count.subscribe(({ users }) => seen.push(users));
  room.count.subscribe(({ users }) => seen.push(-users), { immediate: false, signal: ending.signal });
  Socket.last.say(diff(5, 6, { joined: [viewer("c", 3)] }));
  stop();
  ending.abort();
  Socket.last.say(diff(6, 7, { left: [{ id: "c", reason: "left" }] }, { count: { users: 2, sessions: 2 } }));
  assert.deepEqual(seen, [2, 9, -9]);
});

test("a gap is asked about once, and what comes before the answer is left alone", async () => {
  const { room, told } = await inRoom(await online());
  Socket.last.say(diff(8, 9, { joined: [viewer("c", 3)] }));
  Socket.last.say(diff(9, 10, { joined: [viewer("d", 4)] }));
  assert.equal(Socket.last.count("sync"), 1);
  Socket.last.say(roster(10, [viewer("b", 1), viewer("a", 2), viewer("c", 3), viewer("d", 4)]));
  assert.deepEqual(ids(room.viewers), ["a", "b", "c", "d"]);
  assert.deepEqual(told, [["sync", "initial"], ["join", "c"], ["join", "d"], ["sync", "resynced"]]);
  Socket.last.say(diff(12, 13, {}));
  assert.equal(Socket.last.count("sync"), 2);
});

test("the same room twice is one join, and the last to let go leaves", async () => {
  const client = await online();
  const { room } = await inRoom(client);
  assert.equal(client.room("r"), room);
  await settle();
  assert.equal(Socket.last.count("join"), 1);
  room.leave();
  await settle();
  assert.equal(Socket.last.count("leave"), 0);
  room.leave();
  await settle();
  assert.deepEqual([Socket.last.count("leave"), room.status.get()], [1, "left"]);
  room.leave();
  assert.notEqual(client.room("r"), room, "later it is another");
});

test("a client that was closed says no more", async () => {
  const client = await online();
  const { room } = await inRoom(client);
  let isLost = false;
  client.on("lost", () => (isLost = true));
  client.close();
  await pass(10_000);
  assert.deepEqual([Socket.last.closedWith, client.state.get().name, room.status.get(), isLost], [1000, "closed", "left", false]);
});

test("letting go and taking up at once, as in strict mode, is no leave", async () => {
  const client = await online();
  client.room("r").leave();
  const room = client.room("r");
  await settle();
  assert.deepEqual([Socket.last.count("join"), Socket.last.count("leave"), room.status.get()], [1, 0, "joining"]);
  const unused = connect({ url: "https://here.example", auth: "token" });
  unused.close();
  await settle();
  assert.equal(Socket.all.length, 1, "a client closed at once opens nothing");
});

test("a room that was left before the answer came is left at the server too", async () => {
  const client = await online();
  const room = client.room("r");
  const refused = assert.rejects(room.ready, { code: "room.left" });
  await settle();
  room.leave();
  await refused;
  assert.deepEqual(Socket.last.sent.map(({ type }) => type), ["auth", "join", "leave"]);
});

test("away, the last known stays, as stale and without typing; a short absence tells the net difference", async () => {
  const client = await online();
  const { room, told } = await inRoom(client);
  Socket.last.say({ type: "typing", room: "r", user: user("b"), on: true });
  assert.deepEqual([room.typing.users.get().length, room.others.get()[0].typing], [1, [null]]);
  Socket.last.drop();
  assert.deepEqual([room.status.get(), ids(room.viewers), room.typing.users.get(), client.state.get().name], ["stale", ["a", "b"], [], "reconnecting"]);
  await pass(50);
  await accept({ resumed: true });
  assert.deepEqual(Socket.last.sentLast("auth").resume, "a1.first");
  assert.deepEqual(Socket.last.sentLast("join").since, ["e", 5]);
  Socket.last.answer("join", diff(5, 7, { joined: [viewer("c", 3)] }, { typing: [], locks: [] }));
  assert.deepEqual([room.status.get(), ids(room.viewers)], ["joined", ["a", "b", "c"]]);
  assert.deepEqual(told, [["sync", "initial"], ["join", "c"], ["sync", "resumed"]]);
});

test("after a restart of the server nobody who stayed joins or leaves", async () => {
  const client = await online();
  const { room, told } = await inRoom(client);
  Socket.last.drop(1001);
  await pass(50);
  await accept();
  Socket.last.answer("join", roster(1, [viewer("a", 50), viewer("c", 60)], { v: ["f", 1] }));
  assert.deepEqual([ids(room.viewers), room.count.get().users], [["a", "b", "c"], 3], "who is not back yet may be on the way");
  await pass(4_000);
  Socket.last.say(diff(1, 2, { joined: [viewer("b", 70)] }, { v: ["f", 2], count: { users: 3, sessions: 3 } }));
  assert.deepEqual(ids(room.viewers), ["a", "c", "b"]);
  assert.deepEqual(told, [["sync", "initial"], ["join", "c"], ["sync", "resynced"]]);
  await pass(10_000);
  assert.equal(Socket.last.count("sync"), 0, "all are back: there is nothing to ask");
});

test("who is not back ten seconds after a restart has left", async () => {
  const client = await online();
  const { room, told } = await inRoom(client);
  Socket.last.drop(1001);
  await pass(50);
  await accept();
  Socket.last.answer("join", roster(1, [viewer("a", 50)], { v: ["f", 1] }));
  await pass(9_000);
  assert.deepEqual([ids(room.viewers), Socket.last.count("sync")], [["a", "b"], 0]);
  await pass(1_100);
  assert.equal(Socket.last.count("sync"), 1);
  Socket.last.say(roster(1, [viewer("a", 50)], { v: ["f", 1] }));
  assert.deepEqual([ids(room.viewers), room.count.get().users], [["a"], 1]);
  assert.deepEqual(told, [["sync", "initial"], ["sync", "resynced"], ["leave", "b", "missed"], ["sync", "resynced"]]);
});

test("a message ends the typing it came from; a sign of typing does not flash by", async () => {
  const { room } = await inRoom(await online());
  const typing = (on, target) => Socket.last.say({ type: "typing", room: "r", user: user("b"), on, target });
  typing(true, "card");
  assert.equal(room.typing.text.get(), "\u2068B\u2069 is typing");
  assert.equal(room.typing.in("card").users.get().length, 1);
  assert.equal(room.typing.in("other").text.get(), "");
  await pass(200);
  typing(false, "card");
  assert.equal(room.typing.users.get().length, 1, "shown for 0.7 s at least");
  await pass(600);
  assert.equal(room.typing.users.get().length, 0);
  typing(true);
  typing(false);
  const heard = [];
  room.onMessage("wave", (data, from) => heard.push([data, from?.id]));
  Socket.last.say({ type: "message", room: "r", event: "wave", data: { to: "all" }, from: user("b") });
  assert.equal(room.typing.users.get().length, 0);
  assert.deepEqual(heard, [[{ to: "all" }, "b"]]);
  typing(true);
  await pass(100);
  typing(false);
  typing(true);
  await pass(2_000);
  assert.equal(room.typing.users.get().length, 1, "who goes on is not stopped by what was held back");
});

test("one's typing is said again after a reconnect only while it goes on", async () => {
  const { room } = await inRoom(await online());
  room.typing.in("card").start();
  room.typing.in("old").start();
  room.typing.in("old").stop();
  assert.deepEqual(Socket.last.sent.filter(({ type }) => /typing/.test(type)).map(({ type, target }) => [type, target]), [["typing", "card"], ["typing", "old"], ["stop_typing", "old"]]);
  Socket.last.drop();
  await pass(50);
  await accept();
  assert.deepEqual(Socket.last.sent.filter(({ type }) => type === "typing").map(({ target }) => target), ["card"]);
  Socket.last.drop();
  await pass(5_000);
  await accept();
  assert.equal(Socket.last.count("typing"), 0);
});

test("what is shared goes out in bursts of one, and what the server may not have is said again", async () => {
  const client = await online();
  const { room } = await inRoom(client, { state: { role: "host" } });
  assert.deepEqual(Socket.last.sentLast("join").state, { role: "host" });
  room.set({ x: 1 });
  room.set({ x: 2, y: 1 });
  await pass(10);
  assert.deepEqual(Socket.last.sentLast("update").state, { x: 2, y: 1 });
  Socket.last.answer("update", { type: "ack" });
  await settle();
  for (let n = 0; n < 100; n += 1) {
    room.set({ x: n });
    await pass(10);
  }
  assert.ok(Socket.last.count("update") <= 12, `${Socket.last.count("update")} updates in a second`);
  await pass(200);
  assert.equal(Socket.last.sentLast("update").state.x, 99);
  room.set({ y: null });
  assert.deepEqual(room.state.get(), { role: "host", x: 99 });
  await pass(100);
  Socket.last.drop();
  room.set({ z: 1 });
  await pass(50);
  await accept({ resumed: true });
  assert.deepEqual(Socket.last.sentLast("join").state, { x: 99, y: null, z: 1 }, "what was never answered, but not what was");
  Socket.last.drop();
  await pass(50);
  await accept({ resumed: false });
  assert.deepEqual(Socket.last.sentLast("join").state, { role: "host", x: 99, z: 1 }, "all of it to one who knows nothing");
});

test("a message is answered with how many got it, or fails", async () => {
  const { room, told } = await inRoom(await online());
  const sent = room.send("wave", { to: 1 }, { to: "b", echo: true });
  const { id, ...frame } = Socket.last.sentLast("message");
  assert.deepEqual(frame, { type: "message", room: "r", event: "wave", data: { to: 1 }, to: "b", echo: true });
  Socket.last.answer("message", { type: "ack", sessions: 3 });
  assert.equal(await sent, 3);
  const refused = room.send("ack", null);
  Socket.last.answer("message", { type: "error", code: "message.reserved_event", message: "no", hint: "choose another", room: "r" });
  await assert.rejects(refused, { code: "message.reserved_event", hint: "choose another", help: "https://here.example/help/errors/message.reserved_event" });
  const cut = room.send("wave", null);
  Socket.last.drop();
  await assert.rejects(cut, { code: "connection.offline", retryable: true });
  await assert.rejects(room.send("wave", null), { code: "connection.offline" });
  assert.deepEqual(told.filter(([type]) => type === "error").map(([, code]) => code), ["message.reserved_event", "connection.offline", "connection.offline"]);
});

test("a message in the same breath as the room comes after the join", async () => {
  const client = await online();
  client.room("r").send("wave", null).catch(() => {});
  await settle();
  assert.deepEqual(Socket.last.sent.map(({ type }) => type), ["auth", "join", "message"]);
});

test("a refused join and a removal end the room", async () => {
  const client = await online();
  const room = client.room("secret");
  const errors = [];
  room.on("error", ({ code, retryable }) => errors.push([code, retryable]));
  await settle();
  const refused = assert.rejects(room.ready, { code: "room.forbidden", room: "secret" });
  Socket.last.answer("join", { type: "error", code: "room.forbidden", message: "no", hint: "ask", room: "secret" });
  await refused;
  assert.deepEqual([room.status.get(), errors], ["refused", [["room.forbidden", false]]]);
  const { room: other, told } = await inRoom(client);
  Socket.last.say({ type: "removed", room: "r", reason: "kicked", block_ms: 60_000 });
  assert.deepEqual([other.status.get(), told.at(-1)], ["refused", ["error", "room.removed"]]);
});

test("a crowd shows a count and faces, and a roster when it comes down", async () => {
  const { room, told } = await inRoom(await online());
  Socket.last.say({ type: "count", room: "r", v: ["e", 9], gear: "crowd", count: { users: 1001, sessions: 1100 }, faces: [user("x"), user("y")] });
  assert.deepEqual([room.gear.get(), room.count.get().users, room.viewers.get(), room.faces.get().map(({ id }) => id)], ["crowd", 1001, [], ["x", "y"]]);
  room.typing.start();
  assert.equal(Socket.last.count("typing"), 0, "nobody is told who types in a crowd");
  Socket.last.say(roster(12, [viewer("a", 2)]));
  assert.deepEqual([room.gear.get(), ids(room.viewers), room.faces.get().length], ["live", ["a"], 1]);
  assert.deepEqual(told, [["sync", "initial"], ["sync", "resynced"]], "coming down is no thousand leaves");
});

test("a node in doubt makes the room stale until it is sure again", async () => {
  const { room } = await inRoom(await online());
  Socket.last.say({ type: "stale", room: "r", since_ms: 1 });
  assert.equal(room.status.get(), "stale");
  Socket.last.say({ type: "fresh", room: "r" });
  assert.equal(room.status.get(), "joined");
});

test("frames can be looked at, without their secrets", async () => {
  const frames = [];
  const client = connect({ url: "https://here.example", auth: "secret" });
  client.on("frame", ({ direction, frame }) => frames.push([direction, frame]));
  await settle();
  await accept();
  client.room("r");
  await settle();
  assert.deepEqual(frames.map(([direction, { type }]) => [direction, type]), [["in", "welcome"], ["out", "join"]]);
  assert.ok(!/secret|a1\.first/.test(JSON.stringify(frames)));
  client.close();
});

test("what only a cluster says is told: a viewer whose node died, a lock that cannot be had for now", async () => {
  const { room, told } = await inRoom(await online());
  told.length = 0;
  Socket.last.say(diff(5, 6, { left: [{ id: "b", reason: "node_lost" }] }));
  assert.deepEqual(told, [["leave", "b", "node_lost"]]);
  const locked = room.lock("card-1");
  // What locks need is loaded with the first of them.
  while (!Socket.last.count("lock")) await settle();
  Socket.last.answer("lock", { type: "error", code: "lock.unavailable", message: "no lock for now", hint: "try again", room: "r", retry_after_ms: 900 });
  await assert.rejects(locked, { code: "lock.unavailable", hint: "try again", room: "r", retryable: true, retryAfterMs: 900 });
  assert.equal(told.length, 1, "who asked is told, and nobody else");
  const again = room.lock("card-1");
  await settle();
  Socket.last.answer("lock", { type: "ack", held: true, fence: 7 });
  assert.equal((await again).fence, 7);
});

test("a part that could not be loaded is loaded again, and does then what it was asked for", async () => {
  let tries = 0;
  const part = loaded(() => (++tries < 3 ? Promise.reject(new TypeError("no network")) : Promise.resolve({ part: tries })));
  await settle();
  assert.equal(tries, 1);
  await pass(4_950);
  assert.equal(tries, 1, "not at once");
  await pass(5_100);
  await settle();
  assert.deepEqual(await part, { part: 3 });
  await pass(60_000);
  assert.equal(tries, 3);
});
