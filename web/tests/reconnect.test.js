// What the page does when the server goes away, and comes back.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { ALICE_TYPES, launch, People, Server } from "./harness.js";

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
  people.expect(/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_INTERNET_DISCONNECTED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE|ERR_NETWORK/);
});
afterEach(async () => {
  await people.close();
  await server.stop();
  assert.deepEqual(people.complaints, []);
});

const badge = (page, state) => page.locator(`[data-testid="badge"][data-state="${state}"]`);

test("a server that was killed and started again finds everybody back", async () => {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  await alice.getByText("2 viewing").waitFor();
  const { port } = server;
  await server.kill();
  for (const page of [alice, bob]) {
    await badge(page, "reconnecting").waitFor();
    assert.equal(await page.getByTestId("stack").locator("li").count(), 2, "the last known faces stay");
    assert.ok(await page.locator('[data-testid="here"].stale').isVisible(), "and are grey");
  }
  await alice.getByTestId("retry").waitFor();
  await alice.getByTestId("badge-text").filter({ hasText: /retry in \d+ s/ }).waitFor();

  server = await Server.start(port);
  await alice.getByTestId("retry").click({ timeout: 1_000 }).catch(() => {});
  for (const page of [alice, bob]) {
    await badge(page, "live").waitFor();
    await page.getByText("2 viewing").waitFor();
    await page.locator('[data-testid="here"]:not(.stale)').waitFor();
    assert.equal(await page.getByTestId("stack").locator("li").count(), 2);
    await page.locator('[data-testid="transport"][data-transport="stream"]').waitFor();
  }
  await alice.getByTestId("composer-input").first().fill("After the restart");
  await alice.getByTestId("composer-input").first().press("Enter");
  await bob.getByTestId("card").filter({ hasText: "After the restart" }).waitFor();
  await alice.getByTestId("composer-input").first().press("x");
  await bob.getByTestId("chip").filter({ hasText: ALICE_TYPES }).waitFor();
});

test("without a network it says so, and comes back with it", async () => {
  const alice = await people.board("alice");
  await badge(alice, "live").waitFor();
  const { port } = server;
  await server.kill();
  await badge(alice, "reconnecting").waitFor();
  await alice.context().setOffline(true);
  await badge(alice, "offline").waitFor();
  assert.ok(await alice.getByTestId("retry").isVisible());
  server = await Server.start(port);
  await alice.context().setOffline(false);
  await badge(alice, "live").waitFor();
});

test("a server that refuses is not asked again", async () => {
  people.expect(/403/);
  const alice = await people.board("alice");
  await badge(alice, "live").waitFor();
  let asked = 0;
  await alice.route("**/dev/token", (route) => {
    asked += 1;
    return route.fulfill({ status: 403, contentType: "application/problem+json", body: '{"title":"no","hint":"Ask Carol."}' });
  });
  await alice.reload();
  await badge(alice, "denied").waitFor();
  assert.equal(await alice.getByTestId("badge-text").textContent(), "Not allowed");
  await alice.getByTestId("notice").filter({ hasText: "Ask Carol." }).waitFor();
  assert.equal(asked, 1);
});
