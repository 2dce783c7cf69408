// The operators' page: who may open it, what it shows and does, and that names stay names.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, test } from "node:test";
import { launch, OUT, People, Server } from "./harness.js";
import { PAYLOADS, SCRIPT_TAGS } from "./payloads.js";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SECRET = "a secret of the browser tests, long enough";
const KEY = `hnk_${randomBytes(32).toString("base64url")}`;
const CONFIGURED = `operator:read+write+admin:${createHash("sha256").update(KEY).digest("hex")}`;

let server;
let browser;
let people;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());
afterEach(async () => {
  await people.close();
  await server.stop();
  assert.deepEqual(people.complaints, []);
});

/** A server in production mode, with a configured key or with the one-time link. */
async function begin(settings = { HERENOW_AUTH__API_KEYS: CONFIGURED }) {
  server = await Server.start(0, { secret: SECRET, settings });
  people = new People(browser, server.origin);
  // A refused call is shown on the page, and by Chromium on the console.
  people.expect(/Failed to load resource: the server responded with a status of (401|403|410)/);
}

/** Calls the API with a key. */
async function api(method, path, body, key = KEY) {
  const headers = { authorization: `Bearer ${key}`, ...(body && { "content-type": "application/json" }) };
  const answer = await fetch(server.origin + path, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer;
}

/** Has somebody be in a room, as a bot of a backend would. */
const put = (room, user, name) => api("PUT", `/v1/rooms/${encodeURIComponent(room)}/viewers/${encodeURIComponent(user)}`, { name, ttl_ms: 600_000 });

/** The page, opened with the key. */
async function opened(options) {
  const page = await people.open("/admin", { options });
  await page.getByTestId("key").fill(KEY);
  await page.getByTestId("open").click();
  await page.getByTestId("rooms-count").filter({ hasText: "room" }).waitFor();
  return page;
}

async function enter(page, room) {
  await page.getByTestId("rooms").getByRole("button", { name: room, exact: true }).click();
  await page.getByTestId("tail-state").filter({ hasText: "live" }).waitFor();
}

async function check(page, state) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => axe.run(document));
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ").slice(0, 500)}`);
  assert.deepEqual(found, [], state);
}

test("without a key the page asks for one and shows nothing", async () => {
  await begin();
  await put("board-1", "alice", "Alice");
  const page = await people.open("/admin");
  await page.getByTestId("why").filter({ hasText: "Authorization: Bearer" }).waitFor();
  assert.equal(await page.getByText("board-1").count(), 0);
  await page.getByTestId("key").fill(`hnk_${"x".repeat(43)}`);
  await page.getByTestId("open").click();
  await page.getByTestId("why").filter({ hasText: "not known here" }).waitFor();
  await check(page, "asking for a key");
  // The calls that the page makes, by themselves.
  const calls = [
    ["GET", "/v1/rooms"], ["GET", "/v1/rooms/board-1"], ["GET", "/v1/rooms/board-1/viewers"], ["GET", "/v1/rooms/board-1/events"],
    ["GET", "/v1/rooms/board-1/poll"], ["GET", "/v1/events?room=board-1"], ["POST", "/v1/rooms/board-1/messages"],
    ["PUT", "/v1/rooms/board-1/viewers/bob"], ["DELETE", "/v1/rooms/board-1/viewers/alice"], ["POST", "/v1/rooms/board-1/typing"],
    ["GET", "/v1/users/alice"], ["DELETE", "/v1/users/alice"], ["POST", "/v1/users/statuses"], ["POST", "/v1/tokens"],
    ["GET", "/v1/debug/rooms/board-1/users/alice"], ["GET", "/metrics"], ["POST", "/admin/key"], ["POST", "/admin/key"],
  ];
  let let_in = 0;
  for (const [method, path] of calls) {
    const body = path === "/admin/key" ? JSON.stringify({ code: "x".repeat(43) }) : undefined;
    const { status } = await fetch(server.origin + path, { method, body });
    if (![401, 403].includes(status)) let_in += 1;
  }
  console.log(`unauthenticated: ${let_in}/${calls.length} routes`);
  assert.equal(let_in, 0);
});

test("the one-time link opens the page once and explains itself", async () => {
  await begin({});
  const link = server.lines.join("\n").match(/http\S+\/admin#k=(\S+)/);
  assert.ok(link, server.lines.join("\n"));
  assert.match(server.lines.join("\n"), /opens the operators' page once, within 30 minutes/);
  const page = await people.open(`/admin#k=${link[1]}`);
  await page.getByTestId("rooms").getByText("Nobody is in a room.").waitFor();
  assert.equal(await page.evaluate(() => location.hash), "");
  await page.reload();
  await page.getByTestId("rooms").getByText("Nobody is in a room.").waitFor();
  await check(page, "no rooms");
  // Somebody who finds it later, in a history or a log.
  const other = await people.open(`/admin#k=${link[1]}`);
  await other.getByTestId("why").filter({ hasText: "used before" }).filter({ hasText: "herenow key --name operator" }).waitFor();
  assert.equal(await other.evaluate(() => sessionStorage.length), 0);
  await page.getByTestId("out").click();
  await page.getByTestId("key").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  console.log("one-time link: 1 use let in, 1 refused");
});

test("an operator sees who is where and why, puts somebody out, and forgets a user", async () => {
  await begin();
  await put("board-1", "alice", "Alice");
  await put("board-1", "bob", "Bob");
  await put("board-2", "alice", "Alice");
  const page = await opened();
  await page.getByTestId("rooms-count").filter({ hasText: "2 rooms" }).waitFor();
  await enter(page, "board-1");
  const viewers = page.getByTestId("viewers");
  await viewers.getByRole("row", { name: /Alice/ }).waitFor();
  await page.getByTestId("room-count").filter({ hasText: "2 users, 2 connections" }).waitFor();
  // Looking on is no presence.
  const { count } = await (await api("GET", "/v1/rooms/board-1")).json();
  assert.equal(count.users, 2);

  await put("board-1", "carol", "Carol");
  await page.getByTestId("tail").getByText("joined Carol").waitFor();
  await viewers.getByRole("row", { name: /Carol/ }).waitFor();
  await api("POST", "/v1/rooms/board-1/typing", { user: "carol", target: "card-3", on: true });
  await page.getByTestId("tail").getByText("types Carol in card-3").waitFor();

  await viewers.getByRole("button", { name: "Why is Carol shown?" }).click();
  await page.getByTestId("verdict").filter({ hasText: "carol is shown, because of 1 connection" }).waitFor();
  const known = await page.getByTestId("explained").innerText();
  assert.match(known, /is connected, and active/);
  assert.match(known, /Types in card-3; that ends in \d s/);
  assert.match(known, /the user came/);
  await page.getByTestId("why-user").fill("zoe");
  await page.getByTestId("why-ask").click();
  await page.getByTestId("verdict").filter({ hasText: "zoe is not shown: nothing is known" }).waitFor();

  await viewers.getByRole("button", { name: "Put out Bob" }).click();
  await page.getByTestId("ask").getByText("Put Bob out of board-1?").waitFor();
  await page.getByTestId("ask-field").fill("5");
  await page.getByTestId("ask-yes").click();
  await page.getByTestId("tail").getByText("left bob (kicked)").waitFor();
  await viewers.getByRole("row", { name: /Bob/ }).waitFor({ state: "detached" });
  await page.getByTestId("why-user").fill("bob");
  await page.getByTestId("why-ask").click();
  await page.getByTestId("explained").getByText(/May not come back for \d+ (s|min)\./).waitFor();
  await check(page, "a room");

  await page.getByTestId("user").fill("alice");
  await page.getByTestId("find").click();
  await page.getByTestId("status").filter({ hasText: "alice is online" }).or(page.getByTestId("status").filter({ hasText: "alice is" })).first().waitFor();
  assert.deepEqual(await page.getByTestId("where").getByRole("listitem").allInnerTexts(), ["board-1 (1 connection)", "board-2 (1 connection)"]);
  await page.getByTestId("forget").click();
  assert.ok(await page.getByTestId("ask-yes").isDisabled(), "their id has to be typed");
  await page.getByTestId("ask-field").fill("alice");
  await check(page, "asking before something is done");
  await page.getByTestId("ask-yes").click();
  await page.getByTestId("said").filter({ hasText: "alice was disconnected and forgotten" }).waitFor();
  await viewers.getByRole("row", { name: /Alice/ }).waitFor({ state: "detached" });
  assert.deepEqual(await page.getByTestId("where").getByRole("listitem").allInnerTexts(), []);
});

test("names that are scripts stay names on the operators' page", async () => {
  await begin();
  // A room shows its first 100 viewers; all of them fit.
  for (const [n, payload] of PAYLOADS.entries()) await put(n === 0 ? "<img src=x onerror=hit()>" : "board-1", `u${n}-${payload}`.slice(0, 100), payload);
  const page = await opened();
  await page.evaluate(() => {
    globalThis.hits = 0;
    globalThis.hit = () => (globalThis.hits += 1);
  });
  await page.getByTestId("rooms").getByRole("button", { name: "<img src=x onerror=hit()>" }).waitFor();
  await enter(page, "board-1");
  const rows = page.getByTestId("viewers").locator("tbody tr");
  await rows.nth(PAYLOADS.length - 2).waitFor();
  const user = `u1-${PAYLOADS[1]}`;
  await api("POST", "/v1/rooms/board-1/messages", { event: PAYLOADS[0].slice(0, 60), data: PAYLOADS[0] });
  await api("POST", "/v1/rooms/board-1/typing", { user, target: PAYLOADS[2], on: true });
  await page.getByTestId("tail").getByText("types").first().waitFor();
  await page.getByTestId("viewers").getByRole("button", { name: /^Why/ }).first().click();
  await page.getByTestId("verdict").waitFor();
  await page.getByTestId("user").fill(user);
  await page.getByTestId("find").click();
  await page.getByTestId("status").waitFor();
  await page.getByTestId("viewers").getByRole("button", { name: /^Put/ }).first().click();
  await page.getByTestId("ask").waitFor();
  const shown = await page.getByTestId("viewers").locator("th bdi:first-child").allInnerTexts();
  const texts = new Set(shown.map((text) => text.trim()));
  const missing = PAYLOADS.slice(1).filter((payload) => !texts.has(payload.trim().replace(/\s+/g, " ")));
  assert.deepEqual(missing, []);
  const [hits, nodes] = await page.evaluate((tags) => [globalThis.hits, document.querySelectorAll(`body :is(${tags})`).length], SCRIPT_TAGS);
  console.log(`${PAYLOADS.length} payloads: ${hits} executed, ${nodes} DOM nodes`);
  assert.deepEqual([hits, nodes, PAYLOADS.length], [0, 0, 47]);
});

for (const colorScheme of ["light", "dark"]) {
  for (const [width, height] of [[1280, 900], [390, 844]]) {
    test(`the operators' page, ${width} px wide, ${colorScheme}`, async () => {
      await begin();
      for (const [user, name] of [["alice", "Alice"], ["bob", "Bob Builder-Smith"], ["u-7d1f0c", "محمد"]]) await put("board-1", user, name);
      for (const room of ["board-2", "a-room-with-a-name-that-goes-on-and-on-and-has-no-blank-in-it-at-all"]) await put(room, "alice", "Alice");
      const page = await opened({ viewport: { width, height }, colorScheme });
      await enter(page, "board-1");
      await put("board-1", "dora", "Dora");
      await page.getByTestId("viewers").getByRole("button", { name: "Why is Dora shown?" }).click();
      await page.getByTestId("verdict").waitFor();
      await check(page, "a room");
      await page.screenshot({ path: `${OUT}admin-${width}-${colorScheme}.png`, fullPage: true, animations: "disabled" });
      const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= room, `it is ${wide} px wide in ${room}`);
    });
  }
}
