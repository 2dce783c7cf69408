// What can be written on a board besides titles: descriptions, whose a card is, the board's name; and taking it all back.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { ALICE_EDITS, card, list, see, startRenaming } from "./demo-helpers.js";
import { launch, People, received, Server } from "./harness.js";
import { STRANGE } from "./ui-pages.js";

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
});
afterEach(async () => {
  await people.close();
  await server.stop();
  assert.deepEqual(people.complaints, []);
});

async function both() {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  await see(alice, "alice", "bob");
  await see(bob, "bob", "alice");
  return { alice, bob, hers: alice.locator('[data-task="task-1"]'), his: bob.locator('[data-task="task-1"]') };
}

test("a description is seen while it is written, belongs to who holds the card, and stays when it is saved", async () => {
  const { alice, bob, hers, his } = await both();
  await startRenaming(alice, "Write the announcement");
  await alice.keyboard.press("Tab");
  await alice.keyboard.type("Short.\nAnd true.");
  await his.getByTestId("chip").filter({ hasText: ALICE_EDITS }).waitFor();
  await his.locator(".card-text").getByText("Short. And true.").waitFor();
  assert.ok(received(bob, "typing").some(({ user, target, on }) => on && user.id === "alice" && target === "task-1"), "told of this card");
  await his.getByTestId("card-title").click();
  await his.getByTestId("watch").filter({ hasText: "You can watch" }).waitFor();
  assert.equal(await bob.getByTestId("card-text-edit").count(), 0, "one at a time");
  await alice.keyboard.press("Control+Enter");
  await his.getByTestId("chip").waitFor({ state: "detached" });
  await his.locator(".card-text").getByText("Short. And true.").waitFor();
  await hers.locator(".card-text").getByText("Short. And true.").waitFor();
  assert.equal(await hers.getByTestId("card-title").innerText(), "Write the announcement", "the title stays");

  await his.getByTestId("card-title").click();
  assert.equal(await bob.getByTestId("card-text-edit").inputValue(), "Short.\nAnd true.");
  await bob.getByTestId("card-text-edit").fill("");
  await bob.getByTestId("card-edit").press("Enter");
  await hers.locator(".card-text").waitFor({ state: "hidden" });
  await alice.getByTestId("feed").getByText("Bob\u2069 edited").waitFor();
});

test("leaving title for description ends nothing, leaving both saves, Escape takes back", async () => {
  const { alice, his } = await both();
  await startRenaming(alice, "Write the announcement");
  await alice.getByTestId("card-text-edit").fill("Not this");
  await alice.getByTestId("card-text-edit").press("Escape");
  assert.equal(await alice.getByTestId("card-edit").count(), 0);
  await startRenaming(alice, "Write the announcement");
  assert.equal(await alice.getByTestId("card-text-edit").inputValue(), "");
  await alice.getByTestId("card-edit").fill("Sing it");
  await alice.getByTestId("card-text-edit").click();
  assert.equal(await alice.getByTestId("card-edit").count(), 1, "still at it");
  await alice.getByTestId("card-text-edit").fill(STRANGE.markup);
  await alice.getByTestId("me").focus();
  await his.getByTestId("card-title").getByText("Sing it").waitFor();
  await his.locator(".card-text").getByText(STRANGE.markup, { exact: true }).waitFor();
  assert.equal(await his.locator("img").count(), 0);
});

test("a card is given to oneself, to others, and to nobody", async () => {
  const { alice, his } = await both();
  const choose = async (label) => {
    await alice.locator('[data-task="task-2"]').getByTestId("card-menu").click();
    await alice.getByRole("menuitem", { name: label }).click();
  };
  const there = his.page().locator('[data-task="task-2"] .assignee');
  await choose("Assign to me");
  await there.getByText("Alice").waitFor();
  await choose(/Assign to \u2068Bob/);
  await there.getByText("Bob").waitFor();
  await choose("Assign to nobody");
  await there.getByText("Bob").waitFor({ state: "detached" });
});

test("the board's name is edited by one at a time, and seen by all", async () => {
  const { alice, bob } = await both();
  const name = (page) => page.getByTestId("board-name");
  await name(alice).getByRole("button").click();
  await alice.getByTestId("board-name-edit").fill("Launch day");
  await name(bob).getByTestId("chip").filter({ hasText: ALICE_EDITS }).waitFor();
  assert.ok(await name(bob).getByRole("button").isDisabled());
  await alice.getByTestId("board-name-edit").press("Enter");
  await name(bob).getByRole("button", { name: "Launch day" }).waitFor();
  await name(bob).getByTestId("chip").waitFor({ state: "detached" });
  await bob.waitForFunction(() => document.title.startsWith("Launch day"));
  await alice.getByTestId("feed").getByText("Alice\u2069 renamed the board").waitFor();

  await name(bob).locator("button:enabled").click();
  await bob.getByTestId("board-name-edit").fill("Nothing");
  await bob.getByTestId("board-name-edit").press("Escape");
  assert.equal(await name(bob).getByRole("button").innerText(), "Launch day");
  await bob.waitForFunction(() => document.activeElement.matches("h1 button"));
});

test("a name that is refused goes back, and says why", async () => {
  const alice = await people.board("alice");
  people.expect(/404/);
  await alice.route("**/boards/board-1", (route) =>
    route.request().method() === "PATCH" ? route.fulfill({ status: 404, contentType: "application/problem+json", body: '{"title":"there is no such board"}' }) : route.continue());
  await alice.getByTestId("board-name").getByRole("button", { name: "Launch week" }).click();
  await alice.getByTestId("board-name-edit").fill("Other");
  await alice.getByTestId("board-name-edit").press("Enter");
  await alice.getByTestId("board-name").getByRole("alert").getByText("no such board").waitFor();
  assert.equal(await alice.getByTestId("board-name").getByRole("button").innerText(), "Launch week");
});

test("a reset brings the board back for everybody", async () => {
  const { alice, bob } = await both();
  await alice.getByTestId("board-name").getByRole("button").click();
  await alice.getByTestId("board-name-edit").fill("Other");
  await alice.getByTestId("board-name-edit").press("Enter");
  await bob.getByTestId("board-name").getByText("Other").waitFor();
  await list(alice, "list-done").getByTestId("composer-input").fill("Extra");
  await alice.keyboard.press("Enter");
  await card(bob, "Extra").waitFor();
  await bob.getByRole("tab", { name: "Lab" }).click();
  await bob.getByTestId("lab-reset").click();
  for (const page of [alice, bob]) {
    await page.getByTestId("board-name").getByText("Launch week").waitFor();
    await card(page, "Extra").waitFor({ state: "detached" });
    assert.equal(await page.getByTestId("card").count(), 7);
  }
  await alice.getByTestId("feed").getByText("Bob\u2069 reset the board").waitFor();
});

test("names of people and of the board are text, whatever is in them", async () => {
  const alice = await people.board("alice");
  const strange = await people.board("mallory", { name: STRANGE.markup });
  await people.board("fox", { name: STRANGE.emoji });
  await see(alice, "alice", "mallory", "fox");
  for (const [label, shown] of [[STRANGE.markup, STRANGE.markup], ["🦊", STRANGE.emoji]]) {
    await alice.locator('[data-task="task-2"]').getByTestId("card-menu").click();
    await alice.getByRole("menuitem").filter({ hasText: "Assign to" }).filter({ hasText: label }).click();
    await alice.locator('[data-task="task-2"] .assignee').getByText(shown, { exact: true }).waitFor();
  }
  await strange.getByTestId("board-name").getByRole("button").click();
  await strange.getByTestId("board-name-edit").pressSequentially("x");
  await alice.getByTestId("board-name").getByTestId("chip").getByText(STRANGE.markup).waitFor();
  for (const name of [STRANGE.markup, STRANGE.override]) {
    await strange.getByTestId("board-name-edit").or(strange.getByTestId("board-name").getByRole("button")).click();
    await strange.getByTestId("board-name-edit").fill(name);
    await strange.getByTestId("board-name-edit").press("Enter");
    await alice.getByTestId("board-name").getByRole("button", { name, exact: true }).waitFor();
    await alice.getByTestId("feed").getByText("renamed the board").first().waitFor();
  }
  assert.equal(await alice.locator("img").count(), 0);
  const isolated = await alice.getByTestId("board-name").getByRole("button").evaluate((button) => getComputedStyle(button).display);
  assert.equal(isolated, "block", "a box of its own keeps its writing direction to itself");
  await startRenaming(strange, "Write the announcement");
  await alice.locator('[data-task="task-1"]').getByTestId("chip").getByText(STRANGE.markup).waitFor();
  await alice.locator('[data-task="task-1"]').getByTestId("card-title").click();
  await alice.locator('[data-task="task-1"]').getByTestId("watch").getByText(STRANGE.markup).waitFor();
  assert.equal(await alice.locator("img").count(), 0);
});
