// How the connection is kept: when it is tried again and when not, tokens, sessions that go on, other transports.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { retryDelay } from "../src/backoff.js";
import { connect } from "../src/client.js";
import { browser, pass, settle, Socket, welcome } from "./world.js";
import "../src/dev-token.js";
import "../src/later.js";
import "../src/transports/http.js";

let world;
let clients;

beforeEach(() => {
  world = browser();
  clients = [];
});
afterEach(() => {
  for (const client of clients) client.close();
  mock.timers.reset();
  mock.restoreAll();
});

async function open(options = {}) {
  const client = connect({ url: "https://here.example", auth: "token", backoff: { minMs: 1, maxMs: 1 }, ...options });
  clients.push(client);
  await settle();
  return client;
}

async function accept(greeting) {
  Socket.last.open();
  Socket.last.say(welcome(greeting));
  await settle();
}

const stateOf = (client) => client.state.get().name;
const base64 = (json) => Buffer.from(JSON.stringify(json)).toString("base64url");
const tokenOf = (sub) => `x.${base64({ sub })}.y`;

test("waits are random up to a limit that doubles, at most twenty seconds", () => {
  assert.deepEqual([0, 1, 2, 6, 7, 50].map((failures) => retryDelay(failures, {}, () => 1)), [250, 500, 1_000, 16_000, 20_000, 20_000]);
  assert.equal(retryDelay(5, {}, () => 0), 0);
  assert.equal(retryDelay(3, { minMs: 10, factor: 3, maxMs: 100 }, () => 0.5), 50);
});

test("it connects with the subprotocol and says who it is first", async () => {
  const client = await open({ url: "https://here.example/base/" });
  assert.deepEqual([Socket.last.url, Socket.last.protocol, stateOf(client)], ["wss://here.example/base/ws", "herenow.v1", "connecting"]);
  Socket.last.open();
  assert.deepEqual(Socket.last.sent, [{ type: "auth", token: "token", resume: null }]);
  Socket.last.say(welcome());
  assert.deepEqual(client.state.get(), { name: "online", transport: "ws", resumed: false, draining: false });
  const cookie = await open({ auth: "cookie" });
  await accept();
  assert.deepEqual(Socket.last.sent, [], "the cookie said it");
  Socket.last.drop();
  await pass(10);
  assert.equal(Socket.last.url, "wss://here.example/ws?resume=a1.first");
  assert.equal(stateOf(cookie), "reconnecting");
});

test("what may go well later is tried again, what may not is the end", async () => {
  for (const [code, goesOn] of [[1001, true], [1006, true], [4408, true], [4429, true], [4503, true], [4400, false], [4401, false], [4403, false]]) {
    const client = await open();
    await accept();
    const sockets = Socket.all.length;
    Socket.last.drop(code);
    assert.equal(stateOf(client), goesOn ? "reconnecting" : "closed", code);
    await pass(2_000);
    assert.equal(Socket.all.length > sockets, goesOn, code);
    client.close();
  }
});

test("what the server says before it closes is the cause", async () => {
  const client = await open();
  const errors = [];
  client.on("error", ({ code, hint, close }) => errors.push([code, hint, close]));
  Socket.last.open();
  Socket.last.say({ type: "error", code: "auth.invalid", message: "no", hint: "sign anew" });
  Socket.last.drop(4401);
  assert.deepEqual(errors, [["auth.invalid", "sign anew", 4401]]);
  assert.equal(client.state.get().cause.help, "https://here.example/help/errors/auth.invalid");
  client.reconnect();
  await settle();
  await accept();
  assert.equal(stateOf(client), "online", "signed in anew");
});

test("a session taken over goes on as a new one, once", async () => {
  const client = await open();
  await accept();
  Socket.last.drop(4409);
  await pass(10);
  Socket.last.open();
  assert.equal(Socket.last.sentLast("auth").resume, null);
  Socket.last.say(welcome());
  Socket.last.drop(4409);
  assert.equal(stateOf(client), "closed");
});

test("a token that is not accepted is replaced, once; a function that fails is asked again", async () => {
  const tokens = ["old", new Error("no network"), "new", "newer"];
  const client = await open({
    auth: async () => {
      const next = tokens.shift();
      if (next instanceof Error) throw next;
      return next;
    },
  });
  Socket.last.open();
  Socket.last.drop(4401);
  await pass(10);
  assert.equal(client.state.get().cause.code, "auth.unavailable");
  await pass(10);
  Socket.last.open();
  assert.equal(Socket.last.sentLast("auth").token, "new");
  Socket.last.drop(4401);
  assert.equal(stateOf(client), "closed");
  const signedOut = await open({ auth: () => "" });
  assert.equal(signedOut.state.get().cause.code, "auth.missing");
});

test("a token is renewed on the live connection before it expires, by the server's clock", async () => {
  let asked = 0;
  const client = await open({ auth: () => `token-${++asked}` });
  const hours = 3_600_000;
  await accept({ time_ms: Date.now() + 9 * hours, expires_at_ms: Date.now() + 9 * hours + 120_000 });
  await pass(80_000);
  assert.equal(asked, 1);
  await pass(20_000);
  assert.equal(Socket.last.sentLast("auth").token, "token-2");
  Socket.last.answer("auth", { type: "ack", expires_at_ms: Date.now() + 9 * hours + 120_000 });
  await settle();
  await pass(70_000);
  assert.equal(asked, 2);
  await pass(30_000);
  assert.equal(asked, 3);
  assert.equal(Socket.all.length, 1);
  assert.equal(stateOf(client), "online");
});

test("a session outlives its page, but not in a copy of the tab's storage, nor for another user", async () => {
  const first = await open({ auth: tokenOf("a") });
  await accept();
  assert.equal(world.stored.size, 0, "what is not there cannot be copied");
  world.fire("pagehide");
  assert.deepEqual([stateOf(first), Socket.last.closedWith, world.stored.size], ["suspended", 4900, 1]);
  first.close();
  await open({ auth: tokenOf("b") });
  Socket.last.open();
  assert.equal(Socket.last.sentLast("auth").resume, null, "somebody else's");
  await open({ auth: tokenOf("a") });
  Socket.last.open();
  assert.equal(Socket.last.sentLast("auth").resume, "a1.first");
  assert.equal(world.stored.size, 0, "good once");
});

test("a page that comes back out of the cache goes on", async () => {
  const client = await open();
  await accept();
  world.fire("pagehide");
  world.fire("pageshow");
  await settle();
  Socket.last.open();
  assert.equal(Socket.last.sentLast("auth").resume, "a1.first");
  assert.equal(stateOf(client), "connecting");
});

test("without a network it waits for one; with a server on this machine it does not", async () => {
  const client = await open();
  const near = await open({ url: "http://localhost:4280" });
  for (const socket of Socket.all) {
    socket.open();
    socket.say(welcome());
  }
  navigator.onLine = false;
  world.fire("offline");
  assert.deepEqual([stateOf(client), stateOf(near)], ["offline", "online"]);
  const sockets = Socket.all.length;
  await pass(60_000);
  assert.equal(Socket.all.length, sockets);
  navigator.onLine = true;
  world.fire("online");
  await settle();
  assert.equal(Socket.all.length, sockets + 1);
});

test("a hidden page tries rarely, and at once when it is seen", async () => {
  const client = await open({ transports: ["ws"] });
  document.hidden = true;
  for (let failures = 0; failures < 6; failures += 1) {
    Socket.last.drop();
    await pass(10);
  }
  const sockets = Socket.all.length;
  await pass(50_000);
  assert.equal(Socket.all.length, sockets);
  world.hide(false);
  await settle();
  assert.equal(Socket.all.length, sockets + 1);
  assert.equal(stateOf(client), "reconnecting");
});

test("a node that is about to stop is left in time, for as long as it said", async () => {
  mock.method(Math, "random", () => 0.5);
  const client = await open();
  await accept();
  Socket.last.say({ type: "draining", reconnect_within_ms: 10_000 });
  assert.equal(client.state.get().draining, true);
  const [socket] = Socket.all;
  await pass(4_900);
  assert.equal(socket.closedWith, null);
  await pass(200);
  assert.deepEqual([socket.closedWith, Socket.all.length, client.state.get().cause.code], [4900, 2, "server.draining"]);
});

test("what does not answer is given up, and lost and restored are told once", async () => {
  const told = [];
  const client = await open({ transports: ["ws"] });
  for (const type of ["lost", "restored"]) client.on(type, () => told.push(type));
  await accept();
  Socket.last.drop();
  await pass(10);
  const silent = Socket.last;
  await pass(8_100);
  assert.deepEqual([silent.closedWith, told], [4900, ["lost"]]);
  await accept();
  assert.deepEqual(told, ["lost", "restored"]);
});

test("in dev mode it is an animal, the same as long as the tab lives, or whoever is named", async () => {
  world = browser({ href: "http://localhost:5173/" });
  const bodies = [];
  mock.method(globalThis, "fetch", async (url, { body }) => {
    bodies.push([url, JSON.parse(body)]);
    return { ok: true, status: 200, json: async () => ({ token: "dev" }) };
  });
  const dev = { url: "http://localhost:4280", auth: undefined };
  await open(dev);
  await open(dev);
  await open({ ...dev, user: { id: "alice", name: "Alice" } });
  const [[url, first], [, again], [, named]] = bodies;
  assert.equal(url, "http://localhost:4280/dev/token");
  assert.match(first.name, /^[A-Z][a-z]+$/);
  assert.deepEqual(again, first);
  assert.deepEqual(named, { userId: "alice", name: "Alice" });
  Socket.last.open();
  assert.equal(Socket.last.sentLast("auth").token, "dev");
});

/** A server that streams, polls, and takes what is sent. */
function httpServer({ streams = true } = {}) {
  const server = { asked: [], posted: [], push: null, number: 0 };
  const encoder = new TextEncoder();
  mock.method(globalThis, "fetch", async (url, init = {}) => {
    const { pathname, search } = new URL(url);
    server.asked.push(pathname + search);
    server.headers = init.headers;
    if (pathname === "/send") {
      server.posted.push(...JSON.parse(init.body));
      return new Response(null, { status: 202 });
    }
    if (pathname === "/stream" && !streams) return new Response("not here", { status: 404 });
    if (pathname === "/stream") {
      const body = new ReadableStream({ start: (stream) => (server.push = (frame) => stream.enqueue(encoder.encode(`data: ${JSON.stringify(frame)}\n\n`))) });
      return new Response(body, { status: 200 });
    }
    return new Promise((answer, refuse) => {
      init.signal.addEventListener("abort", () => refuse(init.signal.reason));
      server.push = (...frames) => answer(Response.json(frames.map((frame) => [(server.number += 1), frame])));
    });
  });
  return server;
}

test("where no WebSocket gets through it goes over a stream, and back as soon as one does", async () => {
  const server = httpServer();
  const client = await open();
  Socket.last.drop();
  await pass(10);
  Socket.last.drop();
  await settle();
  assert.equal(server.asked[0], "/stream");
  assert.equal(server.headers.Authorization, "Bearer token");
  server.push(welcome({ send: "a1.send" }));
  await settle();
  assert.equal(client.state.get().transport, "sse");
  client.room("r");
  await settle();
  assert.deepEqual(server.posted.map(({ type }) => type), ["join"]);
  assert.deepEqual([server.headers["Herenow-Session"], server.headers.Authorization], ["a1.send", undefined]);
  server.push({ type: "ping" });
  await settle();
  assert.equal(server.asked.filter((path) => path === "/send").length, 2, "a sign of life");
  await pass(15_100);
  assert.equal(Socket.all.length, 3, "looked for a WebSocket");
  Socket.last.drop();
  await pass(30_100);
  Socket.last.open();
  await settle();
  await accept({ resumed: true });
  assert.deepEqual([client.state.get().transport, Socket.last.sentLast("auth").resume], ["ws", "a1.first"]);
});

test("where nothing streams it polls", async () => {
  const server = httpServer({ streams: false });
  const client = await open({ transports: ["sse", "poll"] });
  await settle();
  assert.deepEqual(server.asked, ["/stream", "/session-poll"]);
  server.push(welcome({ send: "a1.send" }));
  await settle();
  assert.deepEqual([client.state.get().transport, server.asked.at(-1)], ["poll", "/session-poll?after=1"]);
  client.room("r");
  await settle();
  server.push({ type: "pong", time_ms: 1 }, { type: "closed", code: 4503, reason: "" });
  await settle();
  assert.equal(client.state.get().cause.close, 4503);
  await pass(10);
  assert.equal(server.asked.at(-1), "/session-poll?resume=a1.first");
  server.number = 0;
  server.push(welcome({ send: "a1.again" }));
  await settle();
  client.close();
  await settle();
  assert.deepEqual(server.posted.map(({ type, code }) => [type, code]), [["join", undefined], ["join", undefined], ["close", 1000]]);
});

test("where the server is not there at all it begins with a WebSocket again", async () => {
  mock.method(globalThis, "fetch", async () => {
    throw new TypeError("unreachable");
  });
  const client = await open();
  for (let tries = 0; tries < 3; tries += 1) {
    const sockets = Socket.all.length;
    Socket.last.drop();
    // The second time, a stream is asked for in between.
    await pass(10);
    await pass(10);
    assert.equal(Socket.all.length, sockets + 1);
  }
  assert.equal(stateOf(client), "reconnecting");
});
