// What the page does when the server goes away, and comes back.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { ALICE_TYPES, launch, People, Server } from "./harness.js";
import { badge, card, composer, face, heldAt, listen, see, told } from "./demo-helpers.js";

let server;
let browser;
let people;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());
beforeEach(async () => {
  server = await Server.start();
  people = new People(browser, server.origin);
  people.expect(/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_INTERNET_DISCONNECTED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE|ERR_NETWORK|lab took/);
});
afterEach(async () => {
  await people.close();
  await server.stop();
  assert.deepEqual(people.complaints, []);
});

const stale = '[data-testid="here"].stale';

test("a killed server is waited for: faces turn grey after 5 s, stay, and are told nothing new when it is back", async () => {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  for (const page of [alice, bob]) {
    await page.getByText("2 viewing").waitFor();
    await listen(page);
  }
  const { port } = server;
  const greyAt = heldAt(alice, 'document.querySelector("#here.stale")');
  const killedAt = Date.now();
  await server.kill();
  await badge(alice, "reconnecting").waitFor();
  assert.equal(await alice.locator(stale).count(), 0, "not grey at once");
  await alice.getByTestId("retry").waitFor();
  await alice.getByTestId("badge-text").filter({ hasText: /retry in \d+ s/ }).waitFor();
  const grey = (await greyAt) - killedAt;
  assert.ok(grey > 4_500 && grey < 5_800, `grey after ${grey} ms`);
  await bob.locator(stale).waitFor();
  for (const page of [alice, bob]) assert.equal(await page.getByTestId("stack").locator("li").count(), 2, "the last known faces stay");

  server = await Server.start(port);
  for (const page of [alice, bob]) await page.getByTestId("retry").click({ timeout: 1_000 }).catch(() => {});
  for (const page of [alice, bob]) {
    await badge(page, "live").waitFor();
    await page.getByText("2 viewing").waitFor();
    await page.locator(stale).waitFor({ state: "detached" });
    await page.locator('[data-testid="transport"][data-transport="stream"]').waitFor({ state: "attached" });
  }
  assert.deepEqual([await told(alice), await told(bob)], [[], []], "who stayed is no news");
  await composer(alice, "list-todo").fill("After the restart");
  await composer(alice, "list-todo").press("Enter");
  await card(bob, "After the restart").waitFor();
  await composer(alice, "list-todo").press("x");
  await bob.getByTestId("chip").filter({ hasText: ALICE_TYPES }).waitFor();
});

test("a restart from the lab is told as one, and nobody is told that anybody left", async () => {
  people.expect(/ERR_/);
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  for (const page of [alice, bob]) await see(page, "alice", "bob");
  for (const page of [alice, bob]) await listen(page);
  const sessions = [alice, bob].map((page) => page.evaluate(() => new Promise((done) => {
    const names = new Set();
    herenow.client.state.subscribe((state) => {
      names.add(state.draining ? "draining" : state.name);
      if (state.name === "online" && names.has("reconnecting")) done([...names]);
    });
  })));
  await alice.locator("#open-lab, #tab-lab").and(alice.locator(":visible")).first().click();
  await alice.getByTestId("lab-restart").click();
  for (const states of await Promise.all(sessions)) assert.ok(states.includes("draining"), states.join());
  for (const page of [alice, bob]) await see(page, "alice", "bob");
  assert.deepEqual([await told(alice), await told(bob)], [[], []]);
  assert.equal(server.lines.filter((line) => line.includes("/demo")).length, 2, server.lines.join("\n"));
  await composer(alice, "list-todo").fill("After the restart");
  await composer(alice, "list-todo").press("Enter");
  await card(bob, "After the restart").waitFor();
});

test("a blip of less than a second is not told", async () => {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  await see(alice, "alice", "bob");
  await listen(bob);
  const looks = alice.evaluate(() => new Promise((done) => {
    const seen = new Set();
    const badge = document.getElementById("badge");
    new MutationObserver(() => seen.add(badge.dataset.state)).observe(badge, { attributes: true });
    herenow.client.state.subscribe(({ name }) => name === "online" && setTimeout(() => done([...seen]), 50), { immediate: false });
  }));
  await alice.locator("#tab-lab").click();
  await alice.getByTestId("lab-drop").click();
  assert.deepEqual((await looks).filter((look) => look !== "live"), []);
  await see(bob, "bob", "alice");
  assert.deepEqual(await told(bob), []);
});

test("a page that let go says so, and comes back by its button", async () => {
  const alice = await people.board("alice");
  await badge(alice, "live").waitFor();
  await alice.evaluate(() => herenow.client.close());
  await badge(alice, "closed").waitFor();
  await alice.locator(stale).waitFor();
  await alice.getByTestId("retry").click();
  await badge(alice, "live").waitFor();
});

test("a server that refuses is not asked again", async () => {
  people.expect(/403/);
  const alice = await people.board("alice");
  await badge(alice, "live").waitFor();
  let asked = 0;
  await alice.route("**/dev/token", (route) => {
    asked += 1;
    return route.fulfill({ status: 403, contentType: "application/problem+json", body: '{"code":"origin.forbidden","title":"no","hint":"Ask Carol."}' });
  });
  await alice.reload();
  await badge(alice, "denied").waitFor();
  assert.equal(await alice.getByTestId("badge-text").textContent(), "Not allowed");
  await alice.getByTestId("notice").filter({ hasText: "Ask Carol." }).waitFor();
  assert.equal(asked, 1);
});

test("the lab takes the network away for ten seconds; others see a leave, and a join after it", async () => {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  await see(alice, "alice", "bob");
  await listen(bob);
  await alice.locator("#tab-lab").click();
  await alice.getByTestId("lab-offline").click();
  await badge(alice, "reconnecting").waitFor();
  await face(bob, "alice").waitFor({ state: "detached" });
  await alice.locator(stale).waitFor();
  await badge(alice, "live").waitFor();
  await see(bob, "bob", "alice");
  assert.deepEqual(await told(bob), [["leave", "alice", "closed"], ["join", "alice"]]);
});

test("latency delays what is heard and said, and loses nothing", async () => {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  await see(alice, "alice", "bob");
  await alice.locator("#tab-lab").click();
  await alice.getByTestId("lab-latency").click();
  await alice.getByTestId("lab-latency").filter({ hasText: "Remove" }).waitFor();
  const shown = heldAt(bob, 'document.getElementById("typing").dataset.sentence');
  // From before the key: when the press is reported, some of the delay may be over.
  const pressedAt = Date.now();
  await composer(alice, "list-todo").press("x");
  const late = (await shown) - pressedAt;
  assert.ok(late > 400 && late < 2_500, `it came after ${late} ms`);
  await alice.getByTestId("lab-latency").click();
  await composer(alice, "list-todo").press("Escape");
  await bob.locator('[data-testid="typing"][data-sentence=""]').waitFor();
});

test("a close without goodbye is held for the grace, and coming back is a join", async () => {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  await see(alice, "alice", "bob");
  await listen(bob);
  await alice.locator("#tab-lab").click();
  await alice.getByTestId("lab-vanish").click();
  const goneAt = Date.now();
  await face(bob, "alice").waitFor({ state: "detached" });
  const held = Date.now() - goneAt;
  assert.ok(held > 4_500 && held < 7_000, `gone after ${held} ms`);
  await alice.getByTestId("lab-vanish").filter({ hasText: "Come back" }).click();
  await see(bob, "bob", "alice");
  assert.deepEqual(await told(bob), [["leave", "alice", "closed"], ["join", "alice"]]);
});
